//! What an interrupted run leaves that PostgreSQL does not roll back: values of enums, halves of indexes.

use serde_json::json;

use crate::support::{Answer, BundleBuilder, Platform, Sql, bundle};

const LABELS: &str =
    "SELECT regexp_replace(string_agg(enumlabel, ',' ORDER BY enumsortorder), '_\\d+', '') FROM pg_enum";

fn moods(labels: &str) -> BundleBuilder {
    bundle()
        .file("types/mood.sql", format!("CREATE TYPE mood AS ENUM ({labels});"))
        .file("tables/t.sql", "CREATE TABLE t (one mood, many mood[]); CREATE TABLE held (a t);")
}

/// A database whose last deployment failed after the value `sad` was committed.
async fn interrupted() -> (Platform, Sql) {
    let platform = Platform::new();
    platform.register(&moods("'calm', 'busy'")).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES ('calm')").await;
    // It fails only behind the row with the new value, which the rehearsal cannot insert; in a new database it does not.
    let failing = moods("'calm', 'busy', 'sad'")
        .file("migrations/1.sql", "INSERT INTO t VALUES ('sad'); SELECT 1 / (count(*) - 2) FROM t;");
    platform.register(&failing).await.refused(409, "migration_failed");
    assert_eq!(sql.value(LABELS).await, "calm,busy,sad");
    (platform, sql)
}

fn warns(answer: &Answer, wanted: &str) -> bool {
    let warnings = answer.body["warnings"].as_array().unwrap_or_else(|| panic!("{answer}"));
    warnings.iter().any(|one| one.as_str().is_some_and(|one| one.contains(wanted)))
}

#[tokio::test]
async fn a_value_of_an_interrupted_deployment_stands_in_no_later_ones_way() {
    const LEFT: &str = "_stonescriptdb_gateway_left";
    for (declared, expected, is_left) in [
        ("'calm', 'busy', 'sad'", "calm,busy,sad".to_owned(), false),
        ("'calm', 'busy'", format!("calm,busy,{LEFT}"), true),
        ("'sad', 'calm', 'busy'", format!("sad,calm,busy,{LEFT}"), true),
        ("'calm', 'busy', 'late'", format!("calm,busy,late,{LEFT}"), true),
    ] {
        let (platform, sql) = interrupted().await;
        let next = moods(declared);
        let planned = platform.migrate(&next, &[("dry_run", "true")]).await;
        assert_eq!((planned.status, &planned.body["status"]), (200, &json!("planned")), "{declared}: {planned}");
        assert_eq!(sql.value(LABELS).await, "calm,busy,sad", "{declared}: a dry run");
        let answer = platform.migrate(&next, &[]).await;
        assert_eq!(answer.status, 200, "{declared}: {answer}");
        assert_eq!(warns(&answer, "\"sad\" of mood"), is_left, "{declared}: {answer}");
        assert_eq!(sql.value(LABELS).await, expected, "{declared}");
        let again = platform.register(&next).await;
        again.ready();
        assert!(!warns(&again, "sad"), "{again}");
        // From here on it is any value.
        if declared == "'calm', 'busy'" {
            platform.register(&moods("'calm', 'busy', 'sad'")).await.ready();
            platform.register(&next).await.refused(409, "migration_failed").says("DropEnumValue");
        }
    }
}

#[tokio::test]
async fn a_value_of_an_interrupted_deployment_that_somebody_uses_by_now_stays() {
    for rows in ["t VALUES ('sad', NULL)", "t VALUES (NULL, '{calm,sad}')", "held VALUES (ROW('sad', NULL))"] {
        let (platform, sql) = interrupted().await;
        sql.run(&format!("INSERT INTO {rows}")).await;
        let next = moods("'calm', 'busy'");
        platform.register(&next).await.refused(409, "migration_failed").says("DropEnumValue");
        assert_eq!(sql.value(LABELS).await, "calm,busy,sad");
        sql.run("TRUNCATE t, held").await;
        platform.register(&next).await.ready();
    }
}

/// Runs a statement that waits for whoever works with the table `t`, until it gives up.
async fn give_up(waiting: &Sql, other: &Sql, works_with_it: &str, sql: &str) {
    other.run(&format!("BEGIN; {works_with_it}")).await;
    assert!(waiting.try_run(sql).await.is_err(), "{sql}");
    other.run("COMMIT").await;
}

#[tokio::test]
async fn halves_of_indexes_are_neither_declared_nor_in_the_way_and_told_of() {
    let platform = Platform::new();
    let table = "CREATE TABLE t (id int PRIMARY KEY, n int); CREATE INDEX t_n ON t (n);";
    let with = |text: &str| bundle().file("tables/t.sql", text);
    platform.register(&with(table)).await.ready();
    let (sql, other) = (platform.sql().await, platform.sql().await);
    sql.run("SET statement_timeout = '700ms'").await;
    give_up(&sql, &other, "INSERT INTO t VALUES (1, 1)", "REINDEX INDEX CONCURRENTLY t_n").await;
    give_up(&sql, &other, "SELECT * FROM t", "REINDEX INDEX CONCURRENTLY t_pkey").await;
    give_up(&sql, &other, "INSERT INTO t VALUES (2, 1)", "CREATE INDEX CONCURRENTLY by_hand ON t (id, n)").await;
    let invalid = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid ORDER BY 1::text";
    let halves = sql.column(invalid).await;
    assert_eq!(halves.len(), 3, "{halves:?}");

    // What one of them would do if it were whole is declared without a name.
    let answer = platform.register(&with(&format!("{table} CREATE INDEX ON t (id, n);"))).await;
    answer.ready();
    for half in &halves {
        assert!(warns(&answer, &format!("DROP INDEX CONCURRENTLY {half} ")), "{half}: {answer}");
    }
    assert_eq!(sql.column(invalid).await, halves, "they stay");
    let made = "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_id_n_idx'::regclass";
    assert_eq!(sql.value(made).await, "t");

    // Other releases: what they belong to is changed, and goes.
    let wider = "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, more text); CREATE INDEX t_n ON t (n DESC);";
    platform.register(&with(wider)).await.ready();
    let answer = platform.migrate(&with("CREATE TABLE t (id bigint PRIMARY KEY, more text);"), &[]).await;
    answer.refused(409, "migration_failed").says("DropColumn");
    for half in &halves {
        sql.run(&format!("DROP INDEX CONCURRENTLY {half}")).await;
    }
    let answer = platform.register(&with(&wider.replace("more text", "more text, last int"))).await;
    assert!(!warns(answer.ready(), "CONCURRENTLY"), "{answer}");
}
