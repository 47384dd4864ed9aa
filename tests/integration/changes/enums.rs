//! Enums: new values can be used by the deployment that adds them; nothing is committed that is refused later.

use serde_json::json;

use super::check_blocked;
use crate::support::{BundleBuilder, Platform, Sql, bundle};

fn moods(values: &str) -> BundleBuilder {
    bundle()
        .file("types/mood.sql", format!("CREATE TYPE mood AS ENUM ({values});"))
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, mood mood DEFAULT 'b');")
}

async fn labels(sql: &Sql) -> String {
    sql.value("SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = 'mood'::regtype")
        .await
}

async fn deployed() -> (Platform, Sql) {
    let platform = Platform::new();
    platform.register(&moods("'b', 'd'")).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 'b'), (2, 'd')").await;
    (platform, sql)
}

#[tokio::test]
async fn a_new_value_can_be_used_by_everything_in_the_same_deployment() {
    let (platform, sql) = deployed().await;
    let after = moods("'a', 'b', 'c', 'd', 'e'")
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, mood mood DEFAULT 'e', CHECK (mood <> 'a'));")
        .file("tables/u.sql", "CREATE TABLE u (id int PRIMARY KEY, mood mood DEFAULT 'a');")
        .file("seeders/u.sql", "INSERT INTO u VALUES (1, 'c');")
        .file("views/v.sql", "CREATE VIEW v AS SELECT * FROM t WHERE mood > 'a';")
        .file(
            "functions/f.sql",
            "CREATE FUNCTION f(m mood DEFAULT 'e') RETURNS mood LANGUAGE sql AS $$ SELECT 'a'::mood $$;",
        )
        .file("migrations/001.sql", "ALTER TYPE mood ADD VALUE 'c' AFTER 'b'; UPDATE t SET mood = 'c' WHERE id = 1;")
        .file("migrations/002.sql", "CREATE INDEX a_few ON t (id) WHERE mood = 'c';");
    let answer = platform.register(&after).await;
    answer.ready().counts(&[("migrations_applied", 2), ("tables_created", 1)]);
    assert_eq!(labels(&sql).await, "a,b,c,d,e");
    assert_eq!(sql.rows("SELECT id, mood FROM t ORDER BY id").await, [["1", "c"], ["2", "d"]]);
    assert_eq!(sql.rows("SELECT * FROM u").await, [["1", "c"]]);
    let logged = "SELECT object_name, detail ->> 'value' FROM _stonescriptdb_gateway_changelog
                  WHERE change_type = 'AddEnumValue' ORDER BY 2";
    assert_eq!(sql.rows(logged).await, [["mood", "a"], ["mood", "c"], ["mood", "e"]]);
    platform.register(&after).await.ready().counts(&[("migrations_applied", 0)]);
}

#[tokio::test]
async fn nothing_is_added_where_the_deployment_is_refused() {
    let (platform, sql) = deployed().await;
    let lossy = moods("'b', 'c', 'd'").file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);");
    check_blocked(&platform, &lossy, "a lost column").await;
    let wrong = moods("'b', 'c', 'd'").file("migrations/001.sql", "INSERT INTO t VALUES (1, 'd');");
    platform.register(&wrong).await.refused(409, "migration_failed").sqlstate("23505");
    let seeded = moods("'b', 'c', 'd'").file("seeders/t.sql", "INSERT INTO t VALUES (7, 'b');");
    let answer = platform.migrate(&seeded, &[]).await;
    answer.refused(409, "migration_failed");
    assert_eq!(labels(&sql).await, "b,d", "{answer}");
}

#[tokio::test]
async fn a_run_that_stopped_after_the_values_goes_on() {
    let (platform, sql) = deployed().await;
    let after = moods("'b', 'c', 'd'")
        .file("migrations/001.sql", "ALTER TYPE mood ADD VALUE 'c' BEFORE 'd'; INSERT INTO t VALUES (3, 'c');");
    // As a gateway leaves it that is killed after the first commit.
    sql.run("ALTER TYPE mood ADD VALUE 'c' AFTER 'b'").await;
    platform.register(&after).await.ready().counts(&[("migrations_applied", 1)]);
    assert_eq!(labels(&sql).await, "b,c,d");
    assert_eq!(sql.value("SELECT mood FROM t WHERE id = 3").await, "c");
}

#[tokio::test]
async fn a_value_that_a_migration_renames_stays_the_same_value() {
    let (platform, sql) = deployed().await;
    let after = moods("'z', 'd', 'n'")
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, mood mood DEFAULT 'z');")
        .file("migrations/001.sql", "ALTER TYPE mood RENAME VALUE 'b' TO 'z'; UPDATE t SET mood = 'n' WHERE id = 2;");
    platform.register(&after).await.ready();
    assert_eq!(labels(&sql).await, "z,d,n");
    assert_eq!(sql.column("SELECT mood FROM t ORDER BY id").await, ["z", "n"]);
}

#[tokio::test]
async fn a_value_goes_only_by_a_migration_and_by_force() {
    let (platform, sql) = deployed().await;
    for gone in [moods("'b'"), moods("'d', 'b'")] {
        let answer = check_blocked(&platform, &gone, "a value that is gone").await;
        let changes = answer.body["schema_validation"]["incompatible_changes"].as_array().cloned().unwrap_or_default();
        assert!(changes.iter().all(|change| change["change_type"] == "DropEnumValue" && change["table"] == "mood"));
        assert!(changes[0]["reason"].as_str().is_some_and(|reason| reason.contains("write a migration")), "{answer}");
        assert_eq!(changes[0]["rows_at_risk"], json!(null));
        platform.register_forced(&gone).await.refused(409, "migration_failed");
    }
    let after = moods("'b'").file(
        "migrations/001.sql",
        "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('b'); ALTER TABLE t ALTER mood DROP DEFAULT;
         ALTER TABLE t ALTER mood TYPE mood USING 'b'::mood; ALTER TABLE t ALTER mood SET DEFAULT 'b'; DROP TYPE mood_old;",
    );
    check_blocked(&platform, &after, "by a migration").await;
    platform.register_forced(&after).await.ready();
    assert_eq!(labels(&sql).await, "b");
}
