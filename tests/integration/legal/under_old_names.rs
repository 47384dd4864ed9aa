//! What a migration gives another name or schema, while the bundle declares something new under the old name: the old one
//! keeps its rows, the new one is made, and the database is as a new one is.

use super::Release;

#[tokio::test]
async fn what_is_declared_under_a_name_that_a_migration_gives_away_is_made() {
    let releases = [
        Release {
            name: "a table that goes into another schema",
            before: &[("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, v text);")],
            rows: "INSERT INTO t VALUES (1, 'a')",
            after: &[
                ("migrations/1.sql", "CREATE SCHEMA IF NOT EXISTS app; ALTER TABLE t SET SCHEMA app;"),
                (
                    "tables/t.sql",
                    "CREATE SCHEMA IF NOT EXISTS app; CREATE TABLE app.t (id int PRIMARY KEY, v text);
                     CREATE TABLE t (other int);",
                ),
            ],
            force: false,
            expect: &[("SELECT v FROM app.t", "a"), ("SELECT count(other) FROM t", "0")],
        },
        Release {
            name: "a renamed table with all that PostgreSQL names after it",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE t (id serial PRIMARY KEY, v text UNIQUE, CHECK (id > 0)); CREATE INDEX t_v ON t (v);
                 COMMENT ON TABLE t IS 'the old one';",
            )],
            rows: "INSERT INTO t (v) VALUES ('a'), ('b')",
            after: &[
                ("migrations/1.sql", "ALTER TABLE t RENAME TO t_old;"),
                (
                    "tables/t.sql",
                    "CREATE TABLE t_old (id serial PRIMARY KEY, v text UNIQUE, CHECK (id > 0));
                     CREATE INDEX t_old_v ON t_old (v); COMMENT ON TABLE t_old IS 'the old one';
                     CREATE TABLE t (id serial PRIMARY KEY, v text UNIQUE, CHECK (id > 0)); CREATE INDEX t_v ON t (v);
                     COMMENT ON TABLE t IS 'the new one';",
                ),
            ],
            force: false,
            expect: &[
                ("SELECT string_agg(v, ',' ORDER BY id) FROM t_old", "a,b"),
                ("INSERT INTO t (v) VALUES ('a') RETURNING id::text", "1"),
                ("INSERT INTO t_old (v) VALUES ('c') RETURNING id::text", "3"),
            ],
        },
        Release {
            name: "two tables that exchange their names",
            before: &[(
                "tables/t.sql",
                "CREATE TABLE a (id serial PRIMARY KEY, x int UNIQUE); CREATE TABLE b (id serial PRIMARY KEY, y int UNIQUE);",
            )],
            rows: "INSERT INTO a (x) VALUES (1), (2), (3); INSERT INTO b (y) VALUES (9)",
            after: &[
                (
                    "migrations/1.sql",
                    "ALTER TABLE a RENAME TO aside; ALTER TABLE b RENAME TO a; ALTER TABLE aside RENAME TO b;",
                ),
                (
                    "tables/t.sql",
                    "CREATE TABLE a (id serial PRIMARY KEY, y int UNIQUE); CREATE TABLE b (id serial PRIMARY KEY, x int UNIQUE);",
                ),
            ],
            force: false,
            expect: &[
                ("INSERT INTO a (y) VALUES (10) RETURNING id::text", "2"),
                ("INSERT INTO b (x) VALUES (4) RETURNING id::text", "4"),
            ],
        },
        Release {
            name: "a view, a sequence and an index",
            before: &[
                ("tables/t.sql", "CREATE SEQUENCE s; CREATE TABLE t (id int, n int); CREATE INDEX i ON t (id);"),
                ("views/v.sql", "CREATE VIEW v AS SELECT id FROM t;"),
            ],
            rows: "SELECT setval('s', 41)",
            after: &[
                (
                    "migrations/1.sql",
                    "ALTER VIEW v RENAME TO v_old; ALTER SEQUENCE s RENAME TO s_old; ALTER INDEX i RENAME TO i_old;",
                ),
                (
                    "tables/t.sql",
                    "CREATE SEQUENCE s; CREATE SEQUENCE s_old; CREATE TABLE t (id int, n int); CREATE INDEX i ON t (n);
                     CREATE INDEX i_old ON t (id);",
                ),
                ("views/v.sql", "CREATE VIEW v AS SELECT n FROM t; CREATE VIEW v_old AS SELECT id FROM t;"),
            ],
            force: false,
            expect: &[("SELECT nextval('s_old')", "42"), ("SELECT nextval('s')", "1")],
        },
        Release {
            name: "an enum and a domain",
            before: &[
                ("types/m.sql", "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN d AS text;"),
                ("tables/t.sql", "CREATE TABLE t (m mood, d d);"),
            ],
            rows: "INSERT INTO t VALUES ('a', 'x')",
            after: &[
                (
                    "migrations/1.sql",
                    "CREATE SCHEMA IF NOT EXISTS app; ALTER TYPE mood RENAME TO mood_old; ALTER DOMAIN d SET SCHEMA app;",
                ),
                (
                    "types/m.sql",
                    "CREATE SCHEMA IF NOT EXISTS app; CREATE TYPE mood_old AS ENUM ('a'); CREATE DOMAIN app.d AS text;
                     CREATE TYPE mood AS ENUM ('x', 'y'); CREATE DOMAIN d AS int;",
                ),
                ("tables/t.sql", "CREATE TABLE t (m mood_old, d app.d); CREATE TABLE u (m mood, d d);"),
            ],
            force: false,
            expect: &[("SELECT m::text || d FROM t", "ax"), ("SELECT enum_range(NULL::mood)::text", "{x,y}")],
        },
        Release {
            name: "a function that a default, a check and an index call",
            before: &[
                ("functions/f.sql", "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';"),
                ("tables/t.sql", "CREATE TABLE t (a int DEFAULT f(1), CHECK (f(a) > 0)); CREATE INDEX i ON t (f(a));"),
            ],
            rows: "INSERT INTO t VALUES (5)",
            after: &[
                ("migrations/1.sql", "ALTER FUNCTION f(int) RENAME TO f_old;"),
                (
                    "functions/f.sql",
                    "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';
                     CREATE FUNCTION f_old(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';",
                ),
                (
                    "tables/t.sql",
                    "CREATE TABLE t (a int DEFAULT f_old(1), CHECK (f_old(a) > 0)); CREATE INDEX i ON t (f_old(a));
                     CREATE TABLE u (a int DEFAULT f(2));",
                ),
            ],
            force: false,
            expect: &[("SELECT a FROM t", "5"), ("INSERT INTO u DEFAULT VALUES RETURNING a", "2")],
        },
    ];
    for release in releases {
        release.check().await;
    }
}

/// The declaration is the final state, also of what it makes before a migration that takes it away.
#[tokio::test]
async fn what_a_migration_takes_away_and_the_bundle_declares_stands_in_the_end() {
    const F: &str = "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';";
    const T: &str = "CREATE TABLE t (a int DEFAULT f(1), CONSTRAINT c CHECK (f(a) > 0)); CREATE INDEX i ON t (f(a));
                     ALTER TABLE t ENABLE ROW LEVEL SECURITY;
                     CREATE POLICY p ON t AS RESTRICTIVE USING (f(a) > 0);
                     COMMENT ON TABLE t IS 'declared'; REVOKE ALL ON t FROM PUBLIC;
                     CREATE SCHEMA app; CREATE TABLE app.w (id int PRIMARY KEY);";
    const G: &str = "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                     CREATE TRIGGER g BEFORE INSERT ON app.w FOR EACH ROW EXECUTE FUNCTION tf();";
    let release = |name, migration, force| Release {
        name,
        before: &[("functions/f.sql", F), ("functions/g.sql", G), ("tables/t.sql", T)],
        rows: "INSERT INTO t VALUES (5)",
        after: migration,
        force,
        expect: &[("SELECT a FROM t", "5"), ("INSERT INTO t DEFAULT VALUES RETURNING a", "1"), ("SELECT f(3)", "3")],
    };
    macro_rules! after {
        ($migration:literal) => {
            &[("functions/f.sql", F), ("functions/g.sql", G), ("tables/t.sql", T), ("migrations/1.sql", $migration)]
        };
    }
    for release in [
        release("a function, with what depends on it", after!("DROP FUNCTION f(int) CASCADE;"), false),
        release("one among others", after!("DROP FUNCTION IF EXISTS never(int), f(int) CASCADE;"), false),
        release(
            "a function that is replaced",
            after!(
                "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7'; SELECT f(1);"
            ),
            false,
        ),
        release("a trigger of a table in a schema", after!("DROP TRIGGER g ON app.w; DROP FUNCTION tf();"), false),
        release("a constraint's name", after!("ALTER TABLE t RENAME CONSTRAINT c TO other;"), false),
        release("what is said of a table", after!("COMMENT ON TABLE t IS 'old'; GRANT SELECT ON t TO PUBLIC;"), false),
        release("an index's name", after!("ALTER INDEX i RENAME TO other;"), false),
        release("row security", after!("ALTER TABLE t DISABLE ROW LEVEL SECURITY;"), false),
        release(
            "a schema, made anew",
            after!("DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app; CREATE TABLE app.w (id int PRIMARY KEY);"),
            true,
        ),
    ] {
        release.check().await;
    }
}
