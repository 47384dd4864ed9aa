//! `rows_at_risk`: how many rows hold a value that would be lost, under the names of before the deployment.

use serde_json::json;

use super::{check_blocked, table};
use crate::support::{Platform, bundle};

#[tokio::test]
async fn the_rows_that_hold_a_value_are_counted() {
    for (before, after, rows, expected) in [
        ("n int", "", "(1, NULL), (2, 5), (3, 6)", 2),
        ("n int", "n int NOT NULL", "(1, NULL), (2, 5), (3, NULL)", 2),
        ("n bigint", "n int", "(1, 2147483648), (2, 5), (3, NULL), (4, -2147483649)", 2),
        ("n bigint", "n smallint", "(1, 40000), (2, 5), (3, NULL)", 1),
        ("n text", "n varchar(3)", "(1, 'abcd'), (2, 'abc'), (3, 'ab  '), (4, NULL)", 2),
        ("n varchar(9)", "n varchar(3)", "(1, 'äöüß'), (2, 'äöü')", 1),
        ("n numeric", "n numeric(4,2)", "(1, 99.99), (2, 99.995), (3, 1.234), (4, 'NaN'), (5, 1e30)", 3),
        ("n numeric(9,2)", "n int", "(1, 1.5), (2, 2.00), (3, 3000000000 / 1000)", 1),
        ("n double precision", "n real", "(1, 0.1), (2, 0.5), (3, 1e300), (4, 0), (5, 'Infinity'), (6, 1e-300)", 3),
        ("n bigint", "n double precision", "(1, 9007199254740993), (2, 9007199254740992), (3, 7)", 1),
        ("n timestamp", "n date", "(1, '2020-01-01'), (2, '2020-01-01 01:00'), (3, 'infinity')", 1),
        ("n timestamptz", "n timestamptz(0)", "(1, '2020-01-01 00:00:00.5'), (2, '2020-01-01')", 1),
        ("n int[]", "n smallint[]", "(1, '{1,2}'), (2, '{1,99999}'), (3, '{}'), (4, NULL)", 1),
        ("n bit varying(9)", "n bit varying(2)", "(1, B'101'), (2, B'1')", 1),
    ] {
        let platform = Platform::new();
        platform.register(&table(before)).await.ready();
        platform.sql().await.run(&format!("INSERT INTO t (id, n) VALUES {rows}")).await;
        let answer = check_blocked(&platform, &table(after), after).await;
        let changes = &answer.body["schema_validation"]["dataloss_changes"];
        assert_eq!(changes[0]["rows_at_risk"], json!(expected), "{before} → {after}: {answer}");
        assert_eq!(changes.as_array().map(Vec::len), Some(1), "{answer}");
    }
}

#[tokio::test]
async fn they_are_counted_under_the_names_of_before() {
    let before = bundle().file("tables/a.sql", "CREATE TABLE \"The A\" (id int PRIMARY KEY, x text, y int);");
    let platform = Platform::new();
    platform.register(&before).await.ready();
    platform.sql().await.run("INSERT INTO \"The A\" VALUES (1, 'long', 1), (2, 'l', NULL), (3, NULL, NULL)").await;
    let after = bundle().file("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY, z varchar(2));").file(
        "migrations/001.sql",
        "ALTER TABLE \"The A\" RENAME TO b; ALTER TABLE b RENAME x TO z; ALTER TABLE b RENAME y TO q;
         CREATE TABLE passing AS SELECT 1 AS n;",
    );
    let answer = check_blocked(&platform, &after, "renamed").await;
    let changes = answer.body["schema_validation"]["dataloss_changes"].as_array().cloned().unwrap_or_default();
    let mut told: Vec<_> = changes
        .iter()
        .map(|change| json!([change["change_type"], change["table"], change["column"], change["rows_at_risk"]]))
        .collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, [json!(["DropColumn", "b", "q", 1]), json!(["ModifyColumnType", "b", "z", 1]),], "{answer}");
}
