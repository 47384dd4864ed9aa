//! What seeders say by the order of columns means the order of the declaration. An added column stands last in an existing
//! database, wherever it was declared.

use super::function;
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// A table whose second release has a column in the middle.
struct Filled {
    table: &'static str,
    before: &'static str,
    after: &'static str,
    seeder: &'static str,
    /// What is asked in the end, and the answer.
    columns: &'static str,
    rows: &'static [&'static str],
}

const FILLED: &[Filled] = &[
    Filled {
        table: "roles",
        before: "id serial PRIMARY KEY, name text",
        after: "id serial PRIMARY KEY, code text, name text",
        seeder: "INSERT INTO roles VALUES (1, 'c', 'n'), (2, 'C', 'N');",
        columns: "id, code, name",
        rows: &["1,c,n", "2,C,N"],
    },
    Filled {
        table: "fewer",
        before: "id int PRIMARY KEY, name text",
        after: "id int PRIMARY KEY, code text, name text",
        seeder: "INSERT INTO public.fewer AS f VALUES (1, 'c');",
        columns: "id, code, coalesce(name, 'none')",
        rows: &["1,c,none"],
    },
    Filled {
        table: "defaults",
        before: "id serial PRIMARY KEY, name text DEFAULT 'e'",
        after: "id serial PRIMARY KEY, code text DEFAULT 'd', name text DEFAULT 'e'",
        seeder: "INSERT INTO defaults VALUES (DEFAULT, DEFAULT, 'n'); INSERT INTO defaults DEFAULT VALUES;",
        columns: "id, code, name",
        rows: &["1,d,n", "2,d,e"],
    },
    Filled {
        table: "generated",
        before: "id int PRIMARY KEY, name text",
        after: "id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, name text",
        seeder: "INSERT INTO generated VALUES (1, DEFAULT, 'n');",
        columns: "id, twice, name",
        rows: &["1,2,n"],
    },
    Filled {
        table: "overriding",
        before: "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text",
        after: "code text, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text",
        seeder: "INSERT INTO overriding OVERRIDING SYSTEM VALUE VALUES ('c', 7, 'n') ON CONFLICT DO NOTHING;",
        columns: "code, id, name",
        rows: &["c,7,n"],
    },
    Filled {
        table: "selected",
        before: "id int, name text",
        after: "id int, code text, name text",
        seeder: "INSERT INTO selected SELECT id, 'c', 'n' FROM roles;",
        columns: "id, code, name",
        rows: &["1,c,n", "2,c,n"],
    },
    Filled {
        table: "merged",
        before: "id int, name text",
        after: "id int, code text, name text",
        seeder: "MERGE INTO merged USING roles AS r ON merged.id = r.id WHEN NOT MATCHED THEN INSERT VALUES (r.id, 'c', 'n');",
        columns: "id, code, name",
        rows: &["1,c,n", "2,c,n"],
    },
    Filled {
        table: "within",
        before: "id int, name text",
        after: "id int, code text, name text",
        seeder: "WITH n AS (INSERT INTO within VALUES (1, 'c', 'n') RETURNING id) INSERT INTO behind SELECT id FROM n;",
        columns: "id, code, name",
        rows: &["1,c,n"],
    },
    Filled {
        table: "viewed",
        before: "id int, name text",
        after: "id int, code text, name text",
        seeder: "INSERT INTO seen VALUES (1, 'c', 'n');",
        columns: "id, code, name",
        rows: &["1,c,n"],
    },
    Filled {
        table: "\"Odd one\"",
        before: "id int, \"a, b\" text",
        after: "\"a \"\"b\" text, id int, \"a, b\" text",
        seeder: "INSERT INTO \"Odd one\" VALUES ('c', 1, 'n');",
        columns: "\"a \"\"b\", id, \"a, b\"",
        rows: &["c,1,n"],
    },
    Filled {
        table: "copied",
        before: "id int, code text, name text",
        after: "id int, code text, name text",
        seeder: "INSERT INTO copied SELECT * FROM roles WHERE roles.id = 1; INSERT INTO copied TABLE roles;",
        columns: "id, code, name",
        rows: &["1,c,n", "1,c,n", "2,C,N"],
    },
];

fn tables(columns: impl Fn(&Filled) -> &str) -> BundleBuilder {
    let create = |filled: &Filled| format!("CREATE TABLE {} ({});", filled.table, columns(filled));
    let tables = FILLED.iter().map(create).collect::<String>() + "CREATE TABLE behind (id int);";
    bundle().file("tables/t.sql", tables).file("views/seen.sql", "CREATE VIEW seen AS SELECT * FROM viewed;")
}

fn seeded() -> BundleBuilder {
    let with_seeder = |bundle: BundleBuilder, filled: &Filled| {
        bundle.file(&format!("seeders/{}.sql", filled.table.replace('"', "")), filled.seeder)
    };
    FILLED.iter().fold(tables(|filled| filled.after), with_seeder)
}

#[tokio::test]
async fn values_without_a_list_of_columns_mean_the_declared_order() {
    let platform = Platform::new();
    platform.register(&tables(|filled| filled.before)).await.ready();
    platform.register(&seeded()).await.ready();
    register(platform.name(), Some("new"), &seeded()).await.ready();
    for database in [platform.database("new"), platform.main()] {
        let sql = Sql::connect(&database).await;
        for Filled { table, columns, rows, .. } in FILLED {
            let held = sql.column(&format!("SELECT concat_ws(',', {columns}) FROM {table} ORDER BY 1")).await;
            assert_eq!(held, *rows, "{table} in {database}");
        }
    }
    // The rows are looked for in the columns that they mean.
    let answer = platform.migrate(&function(seeded(), 1), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
}

#[tokio::test]
async fn rows_are_looked_for_in_the_columns_that_they_mean() {
    let platform = Platform::new();
    let words = bundle()
        .file(
            "tables/words.sql",
            "CREATE TABLE words (word text); CREATE TABLE keyed (id serial PRIMARY KEY, word text);",
        )
        .file("seeders/words.sql", "INSERT INTO words VALUES ('yes'); INSERT INTO keyed VALUES (DEFAULT, 'yes');");
    platform.register(&words).await.ready();
    platform.sql().await.run("DROP TABLE _stonescriptdb_gateway_seeds").await;
    let second = words
        .file(
            "tables/words.sql",
            "CREATE TABLE words (lang text, word text); CREATE TABLE keyed (id serial PRIMARY KEY, lang text, word text);",
        )
        .file(
            "seeders/words.sql",
            "INSERT INTO words VALUES ('en', 'yes'); INSERT INTO keyed VALUES (DEFAULT, 'en', 'yes');",
        )
        .file(
            "migrations/001.sql",
            "ALTER TABLE words ADD lang text; ALTER TABLE keyed ADD lang text;
             UPDATE words SET lang = 'en'; UPDATE keyed SET lang = 'en';",
        );
    let answer = platform.migrate(&second, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.body["seeder_validations"][1]["found"], 1, "{answer}");
}

#[tokio::test]
async fn what_cannot_be_named_is_refused_with_file_and_line() {
    let platform = Platform::new();
    let old = bundle().file("tables/t.sql", "CREATE TABLE t (a text, b text); CREATE TABLE u (a text, b text);");
    platform.register(&old).await.ready();
    let next = old
        .file("tables/t.sql", "CREATE TABLE t (a text, c text, b text); CREATE TABLE u (a text, b text);")
        .file("seeders/t.sql", "\nINSERT INTO t SELECT * FROM (VALUES ('a', 'c', 'b')) AS v;");
    let refused = platform.register(&next).await;
    refused.refused(409, "migration_failed").says("seeders/t.sql").says("(a, c, b)").says("(a, b, c)");
    refused.says("line 2");
}
