//! What PostgreSQL sets back, or refuses, when it is changed together with something else.

use super::Release;

/// From one form of the tables to another and, in a release of its own, back.
async fn check(name: &'static str, rows: &'static str, one: &'static str, other: &'static str) {
    check_one_way(name, rows, one, other).await;
    check_one_way(name, rows, other, one).await;
}

async fn check_one_way(name: &'static str, rows: &'static str, before: &'static str, after: &'static str) {
    let release = Release {
        name,
        before: &[("tables/t.sql", before)],
        rows,
        after: &[("tables/t.sql", after)],
        force: false,
        expect: &[],
    };
    release.check().await;
}

#[tokio::test]
async fn a_type_changes_together_with_its_storage() {
    let row = "INSERT INTO t VALUES ('1')";
    let external = "CREATE TABLE t (a text); ALTER TABLE t ALTER a SET STORAGE EXTERNAL;";
    check_one_way("a type, and no storage", row, "CREATE TABLE t (a varchar(10));", external).await;
    check_one_way(
        "a type that had another storage",
        row,
        "CREATE TABLE t (a varchar(10)); ALTER TABLE t ALTER a SET STORAGE MAIN;",
        external,
    )
    .await;
    check_one_way(
        "of a child otherwise than of its parent",
        row,
        "CREATE TABLE t (a varchar(10)); CREATE TABLE k () INHERITS (t);",
        "CREATE TABLE t (a text); CREATE TABLE k () INHERITS (t); ALTER TABLE k ALTER a SET STORAGE EXTERNAL;",
    )
    .await;
    check(
        "a collation",
        row,
        "CREATE TABLE t (a text);",
        "CREATE TABLE t (a text COLLATE \"C\"); ALTER TABLE t ALTER a SET STORAGE EXTERNAL;",
    )
    .await;
    check(
        "storage alone",
        "INSERT INTO t VALUES (1, '::1')",
        "CREATE TABLE t (a numeric(9,2), b inet);",
        "CREATE TABLE t (a numeric(9,2), b inet); ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTENDED;",
    )
    .await;
}

#[tokio::test]
async fn a_key_becomes_a_unique_index_of_its_name() {
    let rows = "INSERT INTO t VALUES (1, 1); INSERT INTO r VALUES (1)";
    for (name, one, other) in [
        (
            "under a foreign key",
            "CREATE TABLE t (id int, n int, CONSTRAINT u UNIQUE (id)); CREATE TABLE r (t int REFERENCES t (id));",
            "CREATE TABLE t (id int, n int); CREATE UNIQUE INDEX u ON t (id); CREATE TABLE r (t int REFERENCES t (id));",
        ),
        (
            "without one",
            "CREATE SCHEMA s; CREATE TABLE s.q (id int, CONSTRAINT u UNIQUE (id)); CREATE TABLE t (id int, n int); CREATE TABLE r (t int);",
            "CREATE SCHEMA s; CREATE TABLE s.q (id int); CREATE UNIQUE INDEX u ON s.q (id); CREATE TABLE t (id int, n int); CREATE TABLE r (t int);",
        ),
        (
            "an index over another column",
            "CREATE TABLE t (id int, n int, CONSTRAINT u UNIQUE (id)); CREATE TABLE r (t int);",
            "CREATE TABLE t (id int, n int); CREATE INDEX u ON t (n); CREATE TABLE r (t int);",
        ),
    ] {
        check(name, rows, one, other).await;
    }
}

#[tokio::test]
async fn a_domain_becomes_stricter_as_it_comes_into_an_array() {
    for (name, strict, after, force) in [
        ("of a new column", "NOT NULL", "CREATE TABLE t (a d, b d[]);", true),
        ("of a new table", "CHECK (VALUE > 0)", "CREATE TABLE t (a d); CREATE TABLE u (b d[], c c[]);", false),
    ] {
        let types = format!("CREATE DOMAIN d AS int {strict}; CREATE TYPE c AS (a d);");
        let release = Release {
            name,
            before: &[("types/d.sql", "CREATE DOMAIN d AS int;"), ("tables/t.sql", "CREATE TABLE t (a d);")],
            rows: "INSERT INTO t VALUES (1)",
            after: &[("types/d.sql", &types), ("tables/t.sql", after)],
            force,
            expect: &[("SELECT a::text FROM t", "1")],
        };
        release.check().await;
    }
}
