//! Which folders a bundle has, and what it is wrapped in.

use serde_json::json;

use crate::support::{BundleBuilder, Platform, bundle, check_deploys_and_is_stable, check_deploys_as_psql_would};

const MIGRATION_1: &str = "
CREATE TABLE authors (
    id serial PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE books (
    id serial PRIMARY KEY,
    author_id integer NOT NULL REFERENCES authors,
    title text NOT NULL
);
INSERT INTO authors (name) VALUES ('Ursula'), ('Stanisław');
";

const MIGRATION_2: &str = "
ALTER TABLE books ADD COLUMN published date;
CREATE INDEX books_by_author ON books (author_id);
CREATE FUNCTION books_of(p_author integer) RETURNS SETOF books LANGUAGE sql STABLE
AS $$ SELECT * FROM books WHERE author_id = p_author ORDER BY title $$;
";

fn only_tables() -> BundleBuilder {
    bundle()
        .file("tables/books.sql", "CREATE TABLE books (id int PRIMARY KEY, author_id int NOT NULL REFERENCES authors);")
        .file("tables/authors.sql", "CREATE TABLE authors (id int PRIMARY KEY, name text NOT NULL);")
}

#[tokio::test]
async fn a_bundle_of_migrations_alone_deploys() {
    let platform = Platform::new();
    let bundle = bundle().file("migrations/001_init.sql", MIGRATION_1).file("migrations/002_books.sql", MIGRATION_2);
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    answer.counts(&[("migrations_applied", 2), ("tables_created", 0), ("functions_deployed", 0)]);
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM authors").await, "2");
}

#[tokio::test]
async fn a_bundle_of_tables_alone_deploys() {
    let platform = Platform::new();
    let answer = check_deploys_as_psql_would(&platform, &only_tables()).await;
    answer.counts(&[("migrations_applied", 0), ("tables_created", 2), ("functions_deployed", 0)]);
}

#[tokio::test]
async fn a_bundle_of_functions_alone_deploys_and_answers() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("functions/add.pgsql", "CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql AS 'SELECT a + b';")
        .file(
            "functions/now_in.psql",
            "CREATE OR REPLACE FUNCTION hours(p_days int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$ \
             BEGIN RETURN add(p_days * 12, p_days * 12); END $$;",
        );
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    answer.counts(&[("functions_deployed", 2), ("migrations_applied", 0), ("tables_created", 0)]);
    assert_eq!(platform.value_of("add", json!([2, 3])).await, json!(5));
    assert_eq!(platform.value_of("hours", json!([])).await, json!(24));
}

#[tokio::test]
async fn a_bundle_of_views_alone_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("views/a_later.sql", "CREATE VIEW later AS SELECT number * 2 AS twice FROM earlier;")
        .file("views/b_earlier.sql", "CREATE OR REPLACE VIEW earlier AS SELECT generate_series(1, 3) AS number;");
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.sql().await.column("SELECT twice FROM later").await, ["2", "4", "6"]);
}

#[tokio::test]
async fn a_bundle_of_types_alone_deploys() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("types/size.sql", "CREATE TYPE size AS ENUM ('small', 'large');")
        .file("types/box.sql", "CREATE TYPE parcel AS (width int, size size);");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("types_deployed", 2)]);
}

#[tokio::test]
async fn every_wrapper_gives_the_same_bundle() {
    let platform = Platform::new();
    platform.register(&only_tables()).await.ready();
    for wrapper in ["postgresql", "./postgresql", "any name", "."] {
        let answer = platform.register(&only_tables().wrapped_in(wrapper)).await;
        answer.ready().counts(&[("tables_created", 0)]);
    }
}

#[tokio::test]
async fn files_may_lie_in_sub_folders_and_end_in_any_of_the_four_ways() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/shop/orders/a.pssql", "CREATE TABLE orders (id int PRIMARY KEY, item int REFERENCES items);")
        .file("tables/shop/items.pgsql", "CREATE TABLE items (id int PRIMARY KEY);")
        .file("migrations/2024/01_first.psql", "CREATE TABLE seen (at timestamptz);")
        .file("migrations/2025/01_first.sql", "ALTER TABLE seen ADD COLUMN by text;")
        .file("functions/a/b/c/d.SQL.sql", "CREATE FUNCTION deep() RETURNS int LANGUAGE sql AS 'SELECT 1';")
        .wrapped_in("postgresql");
    let answer = platform.register(&bundle).await;
    answer.ready().counts(&[("tables_created", 2), ("migrations_applied", 2), ("functions_deployed", 1)]);
    platform.register(&bundle).await.ready().counts(&[("migrations_applied", 0), ("functions_deployed", 0)]);
}

#[tokio::test]
async fn what_is_no_sql_is_ignored_and_named_except_the_litter_of_macos() {
    let platform = Platform::new();
    let bundle = only_tables()
        .file("README.md", "# Our schema")
        .file("tables/notes.txt", "to do")
        .file("scripts/dump.sql", "DROP TABLE authors;")
        .file("tables/._books.sql", "\u{0}\u{5}\u{16}\u{7}");
    let answer = platform.register(&bundle).await;
    answer.ready().counts(&[("tables_created", 2)]);
    let warnings = answer.body["warnings"].to_string();
    for ignored in ["README.md", "tables/notes.txt", "scripts"] {
        assert!(warnings.contains(ignored), "{ignored} in {answer}");
    }
    assert!(!warnings.contains("._"), "{answer}");
}

#[tokio::test]
async fn every_folder_at_once_deploys_in_any_order_of_names() {
    let platform = Platform::new();
    let answer = check_deploys_and_is_stable(&platform, &every_folder()).await;
    answer.counts(&[
        ("types_deployed", 1),
        ("tables_created", 2),
        ("migrations_applied", 1),
        ("functions_deployed", 2),
    ]);
    assert_eq!(answer.seeded("roles"), (2, 0));
    assert_eq!(platform.value_of("role_of", json!(["ada"])).await, json!("owner"));
    assert_eq!(platform.sql().await.column("SELECT name FROM owners").await, ["ada"]);
}

fn every_folder() -> BundleBuilder {
    bundle()
        .file("types/state.sql", "CREATE TYPE state AS ENUM ('invited', 'active');")
        .file(
            "tables/members.sql",
            "CREATE TABLE members (
                 name text PRIMARY KEY,
                 role text NOT NULL REFERENCES roles,
                 state state NOT NULL DEFAULT first_state()
             );",
        )
        .file("tables/roles.sql", "CREATE TABLE roles (name text PRIMARY KEY);")
        .file("migrations/001_log.sql", "CREATE TABLE log (member text REFERENCES members, what text);")
        .file("views/owners.sql", "CREATE VIEW owners AS SELECT name FROM members WHERE role_of(name) = 'owner';")
        .file(
            "functions/role_of.sql",
            "CREATE FUNCTION role_of(p_name text) RETURNS text LANGUAGE sql STABLE
             AS $$ SELECT role FROM members WHERE name = p_name $$;",
        )
        .file(
            "functions/first_state.sql",
            "CREATE FUNCTION first_state() RETURNS state LANGUAGE sql IMMUTABLE AS $$ SELECT 'invited'::state $$;",
        )
        .file("seeders/a_members.sql", "INSERT INTO members (name, role) VALUES ('ada', 'owner');")
        .file("seeders/b_roles.sql", "INSERT INTO roles (name) VALUES ('owner'), ('guest');")
}
