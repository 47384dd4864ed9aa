//! Bundles that have both `tables/` (the final state) and the `migrations/` that once led there: on a new database the
//! tables are made as declared, and what a migration asks for is there already.

use crate::support::{BundleBuilder, Platform, bundle, check_deploys_and_is_stable};

const CUSTOMERS: &str = "
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    email text NOT NULL UNIQUE,
    full_name text,
    country text NOT NULL DEFAULT 'DE',
    credit numeric(12, 2) NOT NULL DEFAULT 0 CHECK (credit >= 0),
    referrer_id bigint REFERENCES customers
);
CREATE INDEX ON customers (country);
CREATE UNIQUE INDEX ON customers (lower(email));
";

const CREATE_AS_IT_WAS: &str = "
CREATE TABLE customers (
    id integer PRIMARY KEY,
    mail text NOT NULL,
    first_name text,
    last_name text,
    fax text
);
";

/// Applied in order to [`CREATE_AS_IT_WAS`], these lead to [`CUSTOMERS`].
const CHANGES: &[(&str, &str)] = &[
    ("002_country.sql", "ALTER TABLE customers ADD COLUMN country text NOT NULL DEFAULT 'DE';"),
    ("003_rename.sql", "ALTER TABLE customers RENAME COLUMN mail TO mail_address;"),
    ("004_rename.sql", "ALTER TABLE customers RENAME COLUMN mail_address TO email;"),
    ("005_fax.sql", "-- nobody has one any more\nALTER TABLE customers\n    DROP COLUMN fax;"),
    ("006_wide.sql", "ALTER TABLE customers ALTER COLUMN id TYPE bigint;"),
    (
        "007_full_name.sql",
        "ALTER TABLE customers ADD COLUMN full_name text;\n\
         UPDATE customers SET full_name = first_name || ' ' || last_name;\n\
         ALTER TABLE customers DROP COLUMN first_name, DROP COLUMN last_name;",
    ),
    (
        "008_credit.sql",
        "ALTER TABLE customers ADD COLUMN credit numeric(12, 2) NOT NULL DEFAULT 0 CHECK (credit >= 0);",
    ),
    ("009_unique.sql", "ALTER TABLE customers ADD UNIQUE (email);"),
    ("010_indexes.sql", "CREATE INDEX ON customers (country);\nCREATE UNIQUE INDEX ON customers (lower(email));"),
    ("011_referrer.sql", "ALTER TABLE customers ADD COLUMN referrer_id bigint REFERENCES customers (id);"),
];

fn customers() -> BundleBuilder {
    let declared = bundle().file("tables/customers.sql", CUSTOMERS).file("migrations/001_create.sql", CREATE_AS_IT_WAS);
    CHANGES.iter().fold(declared, |bundle, (name, text)| bundle.file(&format!("migrations/{name}"), *text))
}

#[tokio::test]
async fn what_the_declaration_already_has_is_skipped_statement_by_statement() {
    let platform = Platform::new();
    let answer = check_deploys_and_is_stable(&platform, &customers()).await;
    answer.counts(&[("tables_created", 1), ("migrations_applied", 11)]);
    let skipped = answer.skipped_statements();
    for expected in [
        ("001_create.sql", 2),
        ("002_country.sql", 1),
        ("003_rename.sql", 1),
        ("004_rename.sql", 1),
        ("005_fax.sql", 2),
        ("007_full_name.sql", 1),
        ("007_full_name.sql", 2),
        ("007_full_name.sql", 3),
        ("008_credit.sql", 1),
        ("009_unique.sql", 1),
        ("010_indexes.sql", 1),
        ("010_indexes.sql", 2),
        ("011_referrer.sql", 1),
    ] {
        assert!(skipped.contains(&expected), "{expected:?} in {answer}");
    }
}

#[tokio::test]
async fn nothing_unnamed_is_made_twice() {
    let platform = Platform::new();
    platform.register(&customers()).await.ready();
    let declared_only = Platform::new();
    declared_only.register(&bundle().file("tables/customers.sql", CUSTOMERS)).await.ready();
    for names in [
        "SELECT conname FROM pg_constraint WHERE conrelid = 'customers'::regclass ORDER BY 1",
        "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'customers'::regclass ORDER BY 1::text",
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = 'customers'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    ] {
        assert_eq!(platform.sql().await.column(names).await, declared_only.sql().await.column(names).await, "{names}");
    }
}

#[tokio::test]
async fn migrations_that_change_a_type_there_and_back_end_at_the_declared_type() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/codes.sql", "CREATE TABLE codes (id int PRIMARY KEY, code text NOT NULL, amount numeric(12, 2));")
        .file("migrations/001.sql", "ALTER TABLE codes ALTER COLUMN code TYPE integer USING code::integer;")
        .file("migrations/002.sql", "ALTER TABLE codes ALTER COLUMN code TYPE varchar(20);")
        .file(
            "migrations/003.sql",
            "ALTER TABLE codes ALTER COLUMN code TYPE text, ALTER COLUMN amount TYPE numeric(12, 2);",
        )
        .file("migrations/004.sql", "ALTER TABLE codes ALTER COLUMN amount DROP NOT NULL, ALTER code SET NOT NULL;");
    check_deploys_and_is_stable(&platform, &bundle).await;
    let columns = "SELECT format_type(atttypid, atttypmod) || ' ' || attnotnull FROM pg_attribute \
        WHERE attrelid = 'codes'::regclass AND attnum > 0 ORDER BY attnum";
    assert_eq!(platform.sql().await.column(columns).await, ["integer true", "text true", "numeric(12,2) false"]);
}

#[tokio::test]
async fn a_table_that_came_and_went_by_migrations_leaves_nothing() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/notes.sql", "CREATE TABLE notes (id int PRIMARY KEY, body text);")
        .file("migrations/001.sql", "CREATE TABLE legacy_notes (id int PRIMARY KEY, body text);")
        .file("migrations/002.sql", "INSERT INTO notes (id, body) SELECT id, body FROM legacy_notes;")
        .file("migrations/003.sql", "DROP TABLE legacy_notes;");
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("migrations_applied", 3)]);
    let tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE '%notes' ORDER BY 1";
    assert_eq!(platform.sql().await.column(tables).await, ["notes"]);
}

#[tokio::test]
async fn a_renamed_table_is_there_once_under_its_new_name() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/clients.sql", "CREATE TABLE clients (id int PRIMARY KEY, name text);")
        .file("migrations/001.sql", "ALTER TABLE customers RENAME TO clients;\nUPDATE clients SET name = 'nobody';");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.skipped_statements(), [("001.sql", 1)], "{answer}");
}

#[tokio::test]
async fn an_index_that_a_migration_renames_has_its_declared_name_already() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/clients.sql", "CREATE TABLE clients (id int PRIMARY KEY, name text);")
        .file("tables/indexes.sql", "CREATE INDEX clients_by_name ON clients (name);")
        .file("migrations/001.sql", "ALTER INDEX clients_name_idx RENAME TO clients_by_name;");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    assert_eq!(answer.skipped_statements(), [("001.sql", 1)], "{answer}");
}

#[tokio::test]
async fn rows_that_a_migration_adds_to_a_declared_table_are_there() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/settings.sql", "CREATE TABLE settings (key text PRIMARY KEY, value text);")
        .file(
            "migrations/001.sql",
            "CREATE TABLE settings (key text PRIMARY KEY);\nINSERT INTO settings (key) VALUES ('a');",
        )
        .file("migrations/002.sql", "ALTER TABLE settings ADD COLUMN value text;\nUPDATE settings SET value = 'one';")
        .file("migrations/003.sql", "INSERT INTO settings VALUES ('b', 'two;''three');");
    check_deploys_and_is_stable(&platform, &bundle).await;
    let rows = platform.sql().await.column("SELECT key || '=' || value FROM settings ORDER BY key").await;
    assert_eq!(rows, ["a=one", "b=two;'three"]);
}

#[tokio::test]
async fn types_that_are_declared_already_have_what_migrations_add_to_them() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("types/status.sql", "CREATE TYPE status AS ENUM ('open', 'closed', 'archived');")
        .file("types/address.sql", "CREATE TYPE address AS (street text, city text, zip text);")
        .file("tables/tickets.sql", "CREATE TABLE tickets (id int PRIMARY KEY, status status, place address);")
        .file("migrations/001.sql", "CREATE TYPE status AS ENUM ('open', 'closed');")
        .file("migrations/002.sql", "ALTER TYPE status ADD VALUE 'archived';")
        .file("migrations/003.sql", "ALTER TYPE address ADD ATTRIBUTE zip text;");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    let skipped = answer.skipped_statements();
    for expected in [("001.sql", 1), ("002.sql", 1), ("003.sql", 1)] {
        assert!(skipped.contains(&expected), "{expected:?} in {answer}");
    }
    let labels = "SELECT string_agg(enumlabel, ' ' ORDER BY enumsortorder) FROM pg_enum";
    assert_eq!(platform.sql().await.value(labels).await, "open closed archived");
}

#[tokio::test]
async fn an_error_that_concerns_no_declared_table_is_an_error() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/notes.sql", "CREATE TABLE notes (id int PRIMARY KEY);")
        .file("migrations/001.sql", "ALTER TABLE notes ADD COLUMN id int;")
        .file("migrations/002.sql", "\n-- never made\nINSERT INTO nowhere VALUES (1);\n");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").at("migrations/002.sql", 3).sqlstate("42P01").cause("\"nowhere\"");
    let mended = bundle.file("migrations/002.sql", "INSERT INTO notes VALUES (1);");
    platform.register(&mended).await.ready();
}

#[tokio::test]
async fn an_error_on_a_declared_table_that_the_declaration_does_not_explain_is_an_error() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/notes.sql", "CREATE TABLE notes (id int PRIMARY KEY, rank int NOT NULL);")
        .file("migrations/001.sql", "INSERT INTO notes VALUES (1, 1);\nINSERT INTO notes (id) VALUES (2);");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").at("migrations/001.sql", 2).sqlstate("23502").cause("\"rank\"");
}
