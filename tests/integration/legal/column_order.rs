//! What PostgreSQL prints in the order of a table's columns, where a column came in their midst.

use super::Release;

#[tokio::test]
async fn the_order_of_columns_is_no_difference() {
    let releases = [
        Release {
            name: "statistics over a column in the midst",
            before: &[("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, b int);")],
            rows: "INSERT INTO t VALUES (1, 2)",
            after: &[(
                "tables/t.sql",
                "CREATE TABLE t (id int PRIMARY KEY, a int, b int); CREATE STATISTICS t_st ON a, b, (a + id) FROM t;",
            )],
            force: false,
            expect: &[],
        },
        Release {
            name: "a natural join",
            before: &[("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, b int); CREATE TABLE l (id int, b int);")],
            rows: "INSERT INTO t VALUES (1, 2); INSERT INTO l VALUES (1, 2)",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 1, b int); CREATE TABLE l (id int, a int DEFAULT 1, b int);",
                ),
                ("views/w.sql", "CREATE VIEW w AS SELECT * FROM t NATURAL JOIN l;"),
            ],
            force: false,
            expect: &[("SELECT concat(id, a, b) FROM w", "112")],
        },
        Release {
            name: "statistics over other columns, a join over others, a view's columns in another order",
            before: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int, a int, b int); CREATE TABLE l (id int, a int, b int); CREATE STATISTICS st ON a, b FROM t;",
                ),
                (
                    "views/w.sql",
                    "CREATE VIEW w AS SELECT id, t.a, l.b FROM t JOIN l USING (id); CREATE VIEW o AS SELECT a, b FROM t;",
                ),
            ],
            rows: "INSERT INTO t VALUES (1, 2, 3); INSERT INTO l VALUES (1, 2, 4)",
            after: &[
                (
                    "tables/t.sql",
                    "CREATE TABLE t (id int, a int, b int); CREATE TABLE l (id int, a int, b int); CREATE STATISTICS st ON a, id FROM t;",
                ),
                (
                    "views/w.sql",
                    "CREATE VIEW w AS SELECT id, a, l.b FROM t JOIN l USING (id, a); CREATE VIEW o AS SELECT b, a FROM t;",
                ),
            ],
            force: false,
            expect: &[
                ("SELECT pg_get_statisticsobjdef(oid) LIKE '% ON id, a FROM %' FROM pg_statistic_ext", "t"),
                ("SELECT pg_get_viewdef('w') LIKE '%USING (id, a)%'", "t"),
                ("SELECT o::text FROM o", "(3,2)"),
            ],
        },
    ];
    for release in releases {
        release.check().await;
    }
}
