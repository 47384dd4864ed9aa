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

#[tokio::test]
async fn a_function_that_generates_a_column_gets_another_signature() {
    const OLD: &str = "CREATE FUNCTION norm(x text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(x)';";
    const TABLE: &str = "
        CREATE TABLE t (k text, g text GENERATED ALWAYS AS (norm(k)) STORED NOT NULL, n int DEFAULT 3);
        ALTER TABLE t ADD CONSTRAINT t_g UNIQUE (g), ADD CHECK (norm(g) = g); CREATE INDEX t_i ON t (n, g) WHERE g <> '';
        COMMENT ON COLUMN t.g IS 'small'; GRANT SELECT (g) ON t TO PUBLIC; CREATE TABLE c () INHERITS (t);
        CREATE TABLE r (g text REFERENCES t (g));";
    let view = ("views/v.sql", "CREATE VIEW v AS SELECT g, norm(k) AS w FROM t;");
    let deep = "CREATE FUNCTION norm(x text) RETURNS text LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT small(x); END;";
    let small = |name: &str| {
        format!(
            "CREATE FUNCTION small({name} text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower({name})'; {deep}"
        )
    };
    let cases = [
        (
            "another name of the parameter",
            OLD.to_owned(),
            OLD.replace("(x text)", "(y text)").replace("lower(x)", "lower(y)"),
        ),
        ("one more parameter", OLD.to_owned(), OLD.replace("(x text)", "(x text, y text DEFAULT '')")),
        ("one parameter less", OLD.replace("(x text)", "(x text, y text DEFAULT '')"), OLD.to_owned()),
        ("of a function that it calls", small("x"), small("y")),
    ];
    for (name, old, new) in &cases {
        let release = Release {
            name,
            before: &[("functions/f.sql", old), ("tables/t.sql", TABLE), view],
            rows: "INSERT INTO t VALUES ('A'), ('B'); INSERT INTO c VALUES ('C'); INSERT INTO r VALUES ('b')",
            after: &[("functions/f.sql", new), ("tables/t.sql", TABLE), view],
            force: false,
            expect: &[
                ("SELECT string_agg(concat(k, g, n), ' ' ORDER BY k) FROM t", "Aa3 Bb3 Cc3"),
                ("SELECT string_agg(g || w, ' ' ORDER BY g) FROM v", "aa bb cc"),
            ],
        };
        release.check().await;
    }
}
