//! The rarer things that can depend on a function: aggregates, operators, casts, domains, exclusion constraints,
//! partitions, types.

use super::evolve;
use crate::support::{BundleBuilder, bundle};

#[tokio::test]
async fn aggregates_operators_casts_and_domains_are_put_back() {
    let files = |name: &str| {
        bundle()
            .file("types/t.sql", "CREATE TYPE pair AS (a int, b int);")
            .file(
                "functions/f.sql",
                format!(
                    "CREATE FUNCTION add_up({name} int, y int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, 0) + $2';
                     CREATE FUNCTION to_pair({name} int) RETURNS pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1, $1)::pair';
                     CREATE FUNCTION is_fine({name} int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';
                     CREATE FUNCTION first_one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';"
                ),
            )
            .file(
                "functions/g.sql",
                "CREATE AGGREGATE all_of(int) (SFUNC = add_up, STYPE = int, INITCOND = '10');
                 CREATE OPERATOR <+> (FUNCTION = add_up, LEFTARG = int, RIGHTARG = int, COMMUTATOR = <+>);
                 CREATE CAST (int AS pair) WITH FUNCTION to_pair(int) AS ASSIGNMENT;",
            )
            .file("types/d.sql", "CREATE DOMAIN fine AS int CONSTRAINT fine_enough CHECK (is_fine(VALUE));")
            .file("tables/a.sql", "CREATE TABLE a (n fine, p pair);")
            .file("views/v.sql", "CREATE VIEW v AS SELECT all_of(n) AS total, max(n <+> 1) AS next, (5::int::pair).a AS five FROM a;")
    };
    let (_platform, sql) = evolve(&files("x"), "INSERT INTO a VALUES (2, 4)", &files("other")).await;
    assert_eq!(sql.rows("SELECT * FROM v").await, [["12", "3", "5"]]);
    assert!(sql.try_run("INSERT INTO a VALUES (-1)").await.is_err(), "the domain's check is there");
    sql.run("INSERT INTO a VALUES (1, 9)").await;
}

#[tokio::test]
async fn exclusion_constraints_and_the_parts_of_partitions_are_put_back_once() {
    let files = |name: &str| {
        bundle()
            .file(
                "functions/f.sql",
                format!("CREATE FUNCTION half({name} int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2'"),
            )
            .file(
                "tables/p.sql",
                "CREATE TABLE p (n int NOT NULL, CONSTRAINT halves CHECK (half(n) < 100)) PARTITION BY RANGE (n);
                 CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
                 CREATE INDEX p_half ON p (half(n));",
            )
            .file("tables/x.sql", "CREATE TABLE x (n int, CONSTRAINT only_one EXCLUDE USING btree (half(n) WITH =));")
    };
    let (_platform, sql) = evolve(&files("a"), "INSERT INTO p VALUES (3); INSERT INTO x VALUES (4)", &files("b")).await;
    assert_eq!(sql.value("SELECT count(*) FROM pg_constraint WHERE conname = 'halves'").await, "2");
    assert_eq!(sql.value("SELECT count(*) FROM pg_index WHERE indrelid IN ('p'::regclass, 'p1'::regclass)").await, "2");
    assert!(sql.try_run("INSERT INTO x VALUES (5)").await.is_err());
    assert!(sql.try_run("INSERT INTO p VALUES (1000)").await.is_err());
}

#[tokio::test]
async fn a_migration_may_make_a_type_anew_under_its_functions() {
    let files = |values: &str| -> BundleBuilder {
        bundle()
            .file("types/t.sql", format!("CREATE TYPE pair AS ({values});"))
            .file("functions/f.sql", "CREATE FUNCTION f(p pair) RETURNS int LANGUAGE sql AS 'SELECT (p).a';")
    };
    let after = files("a int, b int, c int")
        .file("migrations/1.sql", "DROP TYPE pair; CREATE TYPE pair AS (a int, b int, c int);");
    let (_platform, sql) = evolve(&files("a int, b int"), "GRANT EXECUTE ON FUNCTION f(pair) TO PUBLIC", &after).await;
    assert_eq!(sql.value("SELECT f(ROW(7, 8, 9))").await, "7");
}
