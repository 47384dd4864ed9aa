//! The gateway's own tables in a database, altered by whoever may: each table, each alteration. What the gateway cannot work
//! with is 409 `migration_failed` that names the table and says what to do, never a failure of the gateway's, and nothing
//! is changed (contract §5).

use serde_json::json;

use crate::support::platform::register;
use crate::support::{Answer, BundleBuilder, Platform, Sql, bundle, call};

/// Each table with its key, another column, and how many of them a deployment reads as a whole.
const TABLES: &[(&str, &str, &str)] = &[
    ("migrations", "migration_file", "checksum"),
    ("types", "type_name", "checksum"),
    ("tables", "table_name", "checksum"),
    ("functions", "signature", "body_checksum"),
    ("statements", "checksum", "source_file"),
    ("changelog", "id", "detail"),
    ("progress", "migration_file", "statements_done"),
    ("declared", "object", "checksum"),
    ("seeds", "seed", "stored"),
    ("values", "statement", "value"),
    ("state", "one_row", "bundle_checksum"),
];

/// What the next deployment makes of it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    /// 409 for every table.
    Refused,
    /// 409, except for tables that are not written to or read so.
    RefusedWhereUsed,
    /// It is as good as before.
    Ready,
}

/// `{t}`: the table, `{key}` and `{col}`: two of its columns.
const ALTERATIONS: &[(&str, Then)] = &[
    ("ALTER TABLE {t} DROP COLUMN {col}", Then::Refused),
    ("ALTER TABLE {t} DROP COLUMN {key} CASCADE", Then::Refused),
    ("ALTER TABLE {t} RENAME COLUMN {col} TO other", Then::Refused),
    ("ALTER TABLE {t} ALTER COLUMN {col} TYPE \"char\"[] USING ARRAY[]::\"char\"[]", Then::Refused),
    ("ALTER TABLE {t} RENAME TO moved; CREATE VIEW {t} AS SELECT * FROM moved", Then::Refused),
    ("ALTER TABLE {t} RENAME TO moved; CREATE MATERIALIZED VIEW {t} AS SELECT * FROM moved", Then::Refused),
    ("ALTER TABLE {t} RENAME TO moved; CREATE SEQUENCE {t}", Then::Refused),
    ("ALTER TABLE {t} RENAME TO moved; CREATE TABLE {t} (LIKE moved) PARTITION BY HASH ({key})", Then::Refused),
    ("ALTER TABLE {t} RENAME TO moved; CREATE TABLE {t} ({key} text)", Then::Refused),
    ("ALTER TABLE {t} DROP CONSTRAINT IF EXISTS {t}_pkey", Then::Refused),
    ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey, ADD PRIMARY KEY ({key}) DEFERRABLE", Then::Refused),
    ("CREATE RULE hide AS ON INSERT TO {t} DO INSTEAD NOTHING", Then::Refused),
    ("CREATE RULE hide AS ON UPDATE TO {t} DO INSTEAD NOTHING", Then::Refused),
    (
        "CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'keep out'; END $$;
         CREATE TRIGGER keep_out BEFORE INSERT OR UPDATE OR DELETE ON {t} EXECUTE FUNCTION keep_out()",
        Then::RefusedWhereUsed,
    ),
    ("DELETE FROM {t}; ALTER TABLE {t} ADD COLUMN more int NOT NULL", Then::RefusedWhereUsed),
    ("ALTER TABLE {t} ADD CHECK ({col} IS NULL) NOT VALID", Then::RefusedWhereUsed),
    ("ALTER TABLE {t} ALTER COLUMN {col} DROP NOT NULL; UPDATE {t} SET {col} = NULL", Then::RefusedWhereUsed),
    (
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {t} FOR EACH ROW EXECUTE FUNCTION note()",
        Then::Ready,
    ),
    ("ALTER TABLE {t} ADD COLUMN more int", Then::Ready),
    ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY", Then::Ready),
    ("VACUUM FULL {t}", Then::Ready),
];

fn before() -> BundleBuilder {
    bundle()
        .file("types/mood.sql", "CREATE TYPE mood AS ENUM ('good');")
        .file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, m mood);")
        .file("migrations/1.sql", "SELECT 1;")
        .file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';")
        .file("views/v.sql", "CREATE VIEW v AS SELECT id FROM a;")
}

/// Everything is another one.
fn after() -> BundleBuilder {
    before()
        .file("types/size.sql", "CREATE TYPE size AS ENUM ('s');")
        .file("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY, s size);")
        .file("migrations/2.sql", "INSERT INTO a VALUES (1, 'good');")
        .file("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2';")
        .file("views/w.sql", "CREATE VIEW w AS SELECT id FROM b;")
}

fn says_what_to_do(answer: &Answer, table: &str) {
    answer.refused(409, "migration_failed").says(table);
    assert_eq!(answer.text("table"), format!("public.{table}"), "{answer}");
    assert!(answer.text("hint").starts_with("put it back as it was"), "{answer}");
    assert!(!answer.text("cause").is_empty(), "{answer}");
}

#[tokio::test]
async fn an_altered_tracking_table_is_told_of_in_words() {
    let platform = Platform::new();
    // The tables side by side, each with its alterations one after the other.
    let all = TABLES.iter().map(|table| alter_each_way(&platform, *table));
    futures_util::future::join_all(all).await;
}

async fn alter_each_way(platform: &Platform, (table, key, column): (&str, &str, &str)) {
    let name = format!("_stonescriptdb_gateway_{table}");
    for (number, (alteration, then)) in ALTERATIONS.iter().enumerate() {
        let tenant = format!("{table}_{number}");
        register(platform.name(), Some(&tenant), &before()).await.ready();
        let sql = Sql::connect(&platform.database(&tenant)).await;
        let alteration = alteration.replace("{t}", &name).replace("{key}", key).replace("{col}", column);
        sql.run(&alteration).await;
        // With nothing to do it may not be noticed.
        let same = register(platform.name(), Some(&tenant), &before()).await;
        assert!([200, 409].contains(&same.status), "{alteration}: {same}");
        let answer = register(platform.name(), Some(&tenant), &after()).await;
        match then {
            Then::Ready => {
                answer.ready();
            }
            Then::RefusedWhereUsed if answer.status == 200 => {}
            Then::Refused | Then::RefusedWhereUsed => {
                says_what_to_do(&answer, &name);
                let made = sql.value("SELECT to_regclass('b') IS NOT NULL OR to_regprocedure('g()') IS NOT NULL").await;
                assert_eq!(made, "f", "nothing was changed: {alteration}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_tracking_table_is_made_again_but_for_that_of_the_migrations() {
    let platform = Platform::new();
    for (table, ..) in TABLES {
        register(platform.name(), Some(table), &before()).await.ready();
        let sql = Sql::connect(&platform.database(table)).await;
        sql.run(&format!("DROP TABLE _stonescriptdb_gateway_{table}")).await;
        let answer = register(platform.name(), Some(table), &after()).await;
        match *table {
            "migrations" => says_what_to_do(&answer, "_stonescriptdb_gateway_migrations"),
            _ => {
                answer.ready();
            }
        }
    }
    // All of them: as if it had never been deployed to.
    let sql = Sql::connect(&platform.database("migrations")).await;
    for (table, ..) in TABLES {
        sql.run(&format!("DROP TABLE IF EXISTS _stonescriptdb_gateway_{table}")).await;
    }
    register(platform.name(), Some("migrations"), &after()).await.ready();
}

#[tokio::test]
async fn rows_that_the_gateway_never_writes_are_told_of() {
    let platform = Platform::new();
    // Of one row, compressed to next to nothing; many of them are more than anybody deploys.
    let big = "repeat('x', 100000) || i";
    let many = "FROM generate_series(1, 1400) i";
    for (number, (table, rows)) in [
        ("functions", "UPDATE {t} SET signature = 'no((signature'".to_owned()),
        ("migrations", format!("INSERT INTO {{t}} SELECT i, {big} {many}")),
        ("statements", format!("INSERT INTO {{t}} SELECT {big}, 'x' {many}")),
        ("functions", format!("INSERT INTO {{t}} SELECT 'f', 'f' || i, ARRAY[{big}], '', '', '' {many}")),
        ("declared", format!("INSERT INTO {{t}} SELECT i, {big}, false {many}")),
        ("progress", format!("INSERT INTO {{t}} SELECT i, 1, {big} {many}")),
    ]
    .into_iter()
    .enumerate()
    {
        let tenant = number.to_string();
        register(platform.name(), Some(&tenant), &before()).await.ready();
        let name = format!("_stonescriptdb_gateway_{table}");
        Sql::connect(&platform.database(&tenant)).await.run(&rows.replace("{t}", &name)).await;
        says_what_to_do(&register(platform.name(), Some(&tenant), &after()).await, &name);
        let answer = call(json!({"platform": platform.name(), "tenant_id": tenant, "function": "f"})).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    // A fleet says in which database.
    let answer = platform.migrate(&after(), &[]).await;
    answer.refused(409, "migration_failed");
    let failed = answer.body["databases_failed"][0]["database"].as_str().or(answer.body["database"].as_str());
    assert!(failed.is_some_and(|name| name.starts_with(&platform.database(""))), "{answer}");
}

#[tokio::test]
async fn what_refuses_at_the_commit_is_told_of_in_words() {
    let platform = Platform::new();
    platform.register(&before()).await.ready();
    let planted = "CREATE FUNCTION too_late() RETURNS trigger LANGUAGE plpgsql AS $$
                       BEGIN RAISE EXCEPTION 'too late' USING ERRCODE = 'UE001'; END $$;
                   CREATE CONSTRAINT TRIGGER too_late AFTER INSERT ON _stonescriptdb_gateway_changelog
                       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION too_late()";
    platform.sql().await.run(planted).await;
    let answer = platform.register(&after()).await;
    answer.refused(409, "migration_failed").sqlstate("UE001").cause("too late");
}

#[tokio::test]
async fn tables_planted_before_the_first_deployment_are_told_of() {
    for (table, planted) in [
        ("migrations", "CREATE VIEW {t} AS SELECT 'x'::text AS migration_file, 'y'::text AS checksum"),
        ("state", "CREATE TABLE {t} (bundle_checksum text)"),
        ("functions", "CREATE TYPE {t} AS ENUM ('x')"),
        ("declared", "CREATE MATERIALIZED VIEW {t} AS SELECT 1"),
    ] {
        let platform = Platform::new();
        let name = format!("_stonescriptdb_gateway_{table}");
        Sql::connect("postgres").await.run(&format!("CREATE DATABASE {}", platform.main())).await;
        platform.sql().await.run(&planted.replace("{t}", &name)).await;
        let answer = platform.register(&before()).await;
        answer.refused(409, "migration_failed").says("_stonescriptdb_gateway_");
    }
}

#[tokio::test]
async fn a_bundle_that_alters_them_itself_is_refused() {
    for statement in [
        "ALTER TABLE _stonescriptdb_gateway_migrations DROP COLUMN checksum",
        "DROP TABLE _stonescriptdb_gateway_changelog",
        "CREATE RULE r AS ON INSERT TO _stonescriptdb_gateway_tables DO INSTEAD NOTHING",
        "ALTER TABLE _stonescriptdb_gateway_state RENAME TO gone",
        "ALTER TABLE _stonescriptdb_gateway_declared DROP CONSTRAINT _stonescriptdb_gateway_declared_pkey",
    ] {
        let platform = Platform::new();
        // Put together, so that the text does not name the table.
        let hidden = statement.replace("_stonescriptdb_", "_stonescript' || 'db_");
        let migration = format!("DO $do$ BEGIN EXECUTE '{hidden}'; END $do$;");
        let answer = platform.register_refused(&before().file("migrations/9.sql", migration)).await;
        answer.refused(409, "migration_failed").says("_stonescriptdb_gateway_");
    }
}
