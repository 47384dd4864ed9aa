//! `CREATE TABLE … AS` over all columns of a table that gets another one: the text is the same, what it means is not.

use super::Release;
use crate::support::{Platform, bundle};

#[tokio::test]
async fn a_table_made_by_a_query_gets_the_columns_that_the_query_has_by_now() {
    let forms = [
        "CREATE TABLE u AS SELECT * FROM t;",
        "SELECT * INTO u FROM t;",
        "CREATE VIEW v AS SELECT * FROM t; CREATE TABLE u AS SELECT * FROM v WHERE id > 0;",
        "CREATE TABLE u AS TABLE t WITH NO DATA;",
        "CREATE TABLE u AS SELECT (t).*, 1 AS one FROM t;",
    ];
    for form in forms {
        let before = format!("CREATE TABLE t (id int PRIMARY KEY, n int); {form}");
        let after =
            format!("CREATE TABLE t (id int PRIMARY KEY, n bigint, c text NOT NULL DEFAULT 'new', d int); {form}");
        let release = Release {
            name: form,
            before: &[("tables/t.sql", &before)],
            rows: "INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (7, 8)",
            after: &[("tables/t.sql", &after)],
            force: false,
            expect: &[
                ("SELECT concat_ws(' ', id, n, c, d) FROM t", "1 1 new"),
                ("SELECT concat_ws(' ', id, n, c, d) FROM u", "7 8"),
            ],
        };
        release.check().await;
    }
}

#[tokio::test]
async fn columns_that_stay_empty_are_told_of_where_there_are_rows() {
    let files = |columns: &str| {
        let tables = format!(
            "CREATE TABLE t (id int{columns});\nCREATE TABLE u AS SELECT * FROM t;\nCREATE TABLE w AS SELECT * FROM t;"
        );
        bundle().file("tables/t.sql", tables)
    };
    let platform = Platform::new();
    platform.register(&files("")).await.ready();
    platform.sql().await.run("INSERT INTO u VALUES (1)").await;
    let answer = platform.register(&files(", c int DEFAULT 5, d int")).await;
    answer.ready();
    let warnings = answer.body["warnings"].to_string();
    assert_eq!(answer.body["warnings"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(
        warnings.contains("tables/t.sql, line 2: ") && warnings.contains("the columns c, d, without values"),
        "{answer}"
    );
    assert_eq!(platform.sql().await.rows("SELECT id, c IS NULL FROM u").await, [["1", "t"]]);
    let answer = platform.register(&files(", c int DEFAULT 5, d int")).await;
    assert_eq!(answer.body["warnings"].to_string(), "[]", "{answer}");
    // Without it again, the values would be gone.
    platform.register(&files("")).await.refused(409, "migration_failed").says("u");
}
