//! Privileges and comments of what a release makes are those of a new database. What somebody gave by hand stays.

use super::Release;
use crate::support::{Platform, bundle};

const TABLES: &str = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;";

#[tokio::test]
async fn what_is_given_to_all_reaches_what_a_new_database_gives_it_to() {
    for (name, before, after) in [
        (
            "a default privilege that goes while a table comes",
            "CREATE TABLE t (id int); GRANT SELECT ON t TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
            "CREATE TABLE t (id int); CREATE TABLE u (id serial);",
        ),
        (
            "the others, too",
            "CREATE TABLE t (id int); ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
             ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO PUBLIC;
             ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC;",
            "CREATE TABLE t (id int); CREATE SCHEMA s; CREATE TYPE s.e AS ENUM ('a'); CREATE TYPE s.c AS (a int); CREATE SEQUENCE s.q;
             CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int); CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        ),
        (
            "one that is set behind the table",
            "CREATE TABLE t (id int); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
            "CREATE TABLE t (id int); CREATE TABLE u (id int); CREATE VIEW v AS SELECT 1; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
        ),
        (
            "a right that comes as another goes",
            "CREATE TABLE t (id int); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;",
            "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC; CREATE TABLE t (id int); CREATE TABLE u (id int);",
        ),
    ] {
        let release = Release {
            name,
            before: &[("tables/t.sql", before)],
            rows: "INSERT INTO t VALUES (1)",
            after: &[("tables/t.sql", after)],
            force: false,
            expect: &[("SELECT count(*) FROM t", "1")],
        };
        release.check().await;
    }
}

#[tokio::test]
async fn what_takes_the_place_of_another_keeps_what_is_declared() {
    let told = "REVOKE ALL ON FUNCTION f(int) FROM PUBLIC; COMMENT ON FUNCTION f(int) IS 'one';
                COMMENT ON VIEW v IS 'a view'; COMMENT ON COLUMN v.x IS 'its column'; GRANT SELECT ON v TO PUBLIC;";
    let view = "CREATE VIEW v AS SELECT f(1) AS x;";
    for (name, function, told_then) in [
        ("an heir", "CREATE FUNCTION f(y int, z int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT 2';", ""),
        (
            "another type that it returns",
            "CREATE FUNCTION f(x int) RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint';",
            "",
        ),
        (
            "other words",
            "CREATE FUNCTION f(y int) RETURNS int LANGUAGE sql AS 'SELECT 2';",
            "COMMENT ON FUNCTION f(int) IS 'two'; COMMENT ON COLUMN v.x IS 'its column';",
        ),
    ] {
        let old = "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 1';";
        let release = Release {
            name,
            before: &[("functions/f.sql", old), ("views/v.sql", view), ("views/w.sql", told)],
            rows: "",
            after: &[("functions/f.sql", function), ("views/v.sql", view), ("views/w.sql", told_then)],
            force: false,
            expect: &[("SELECT x::text FROM v", "2")],
        };
        release.check().await;
    }
}

#[tokio::test]
async fn what_was_given_by_hand_stays() {
    let platform = Platform::new();
    let old = bundle()
        .file("tables/t.sql", TABLES)
        .file("functions/f.sql", "CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 1';")
        .file("views/v.sql", "CREATE VIEW v AS SELECT f(1) AS x;");
    platform.register(&old).await.ready();
    let sql = platform.sql().await;
    sql.run(
        "GRANT EXECUTE ON FUNCTION f(int) TO pg_monitor; GRANT INSERT ON v TO pg_monitor; COMMENT ON VIEW v IS 'by hand';
         COMMENT ON FUNCTION f(int) IS 'by hand, too'; ALTER DEFAULT PRIVILEGES GRANT UPDATE ON TABLES TO pg_monitor",
    )
    .await;
    let new = bundle()
        .file("tables/t.sql", "CREATE TABLE u (id int);")
        .file("functions/f.sql", "CREATE FUNCTION f(y int, z int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT 2';")
        .file("views/v.sql", "CREATE VIEW v AS SELECT f(1) AS x;");
    let answer = platform.register(&new).await;
    assert_eq!(answer.status, 200, "{answer}");
    let given = "SELECT concat_ws(' ', has_function_privilege('pg_monitor', 'f(int, int)', 'EXECUTE'),
                        (SELECT proacl::text LIKE '%pg_monitor=X/%' FROM pg_proc WHERE proname = 'f'),
                        has_table_privilege('pg_monitor', 'v', 'INSERT'), obj_description('v'::regclass),
                        obj_description('f(int, int)'::regprocedure), has_table_privilege('pg_monitor', 'u', 'UPDATE'),
                        has_table_privilege('pg_monitor', 'u', 'SELECT'))";
    assert_eq!(sql.value(given).await, "t t t by hand by hand, too t f");
}
