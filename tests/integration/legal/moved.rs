//! What a migration puts into another schema, with the declaration saying where it is then: the rows move along, and new
//! databases, where the declaration comes first, leave the migration's statement out.

use super::Release;

#[tokio::test]
async fn what_is_moved_into_another_schema_keeps_its_rows() {
    let releases = [
        Release {
            name: "a table with a serial key, an index, a foreign key and a view",
            before: &[
                ("tables/t.sql", "CREATE TABLE t (id serial PRIMARY KEY, v text); CREATE INDEX t_v ON t (v);"),
                ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES t);"),
                ("views/w.sql", "CREATE VIEW w AS SELECT id, v FROM t;"),
            ],
            rows: "INSERT INTO t (v) VALUES ('a'), ('b'); INSERT INTO u VALUES (2)",
            after: &[
                ("migrations/1.sql", "CREATE SCHEMA IF NOT EXISTS app; ALTER TABLE t SET SCHEMA app;"),
                (
                    "tables/t.sql",
                    "CREATE SCHEMA IF NOT EXISTS app;
                     CREATE TABLE app.t (id serial PRIMARY KEY, v text, n int); CREATE INDEX t_v ON app.t (v);",
                ),
                ("tables/u.sql", "CREATE TABLE u (t_id int REFERENCES app.t);"),
                ("views/w.sql", "CREATE VIEW w AS SELECT id, v FROM app.t;"),
            ],
            force: false,
            expect: &[
                ("SELECT string_agg(v, ',' ORDER BY id) FROM app.t", "a,b"),
                ("SELECT to_regclass('public.t')::text", "∅"),
                ("INSERT INTO app.t (v) VALUES ('c') RETURNING id::text", "3"),
                ("SELECT count(*) FROM w", "3"),
            ],
        },
        Release {
            name: "a table that is moved, renamed and moved again, between other changes of it",
            before: &[("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, v text);")],
            rows: "INSERT INTO t VALUES (1, 'a')",
            after: &[
                (
                    "migrations/1.sql",
                    "CREATE SCHEMA a; CREATE SCHEMA IF NOT EXISTS b; ALTER TABLE t RENAME v TO w; ALTER TABLE t SET SCHEMA a;
                     ALTER TABLE a.t ADD x int; ALTER TABLE a.t RENAME TO s; ALTER TABLE a.s SET SCHEMA b;
                     UPDATE b.s SET x = 7;",
                ),
                (
                    "tables/t.sql",
                    "CREATE SCHEMA IF NOT EXISTS b; CREATE TABLE b.s (id int CONSTRAINT t_pkey PRIMARY KEY, w text, x int);",
                ),
            ],
            force: false,
            expect: &[("SELECT w || x FROM b.s", "a7")],
        },
        Release {
            name: "a type, a domain, a view, a sequence and a function",
            before: &[
                ("types/mood.sql", "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN email AS text;"),
                ("tables/t.sql", "CREATE SEQUENCE numbers; CREATE TABLE t (m mood, e email);"),
                ("views/v.sql", "CREATE VIEW v AS SELECT m FROM t;"),
                ("functions/f.sql", "CREATE FUNCTION f(p int) RETURNS int LANGUAGE sql AS 'SELECT p';"),
            ],
            rows: "INSERT INTO t VALUES ('bad', 'x'); SELECT setval('numbers', 41)",
            after: &[
                (
                    "migrations/1.sql",
                    "CREATE SCHEMA IF NOT EXISTS app; ALTER TYPE mood SET SCHEMA app; ALTER DOMAIN email SET SCHEMA app;
                     ALTER SEQUENCE numbers SET SCHEMA app; ALTER VIEW v SET SCHEMA app;
                     ALTER FUNCTION f(int) SET SCHEMA app;",
                ),
                (
                    "types/mood.sql",
                    "CREATE SCHEMA IF NOT EXISTS app; CREATE TYPE app.mood AS ENUM ('good', 'bad');
                     CREATE DOMAIN app.email AS text;",
                ),
                ("tables/t.sql", "CREATE SEQUENCE app.numbers; CREATE TABLE t (m app.mood, e app.email);"),
                ("views/v.sql", "CREATE VIEW app.v AS SELECT m FROM t;"),
                ("functions/f.sql", "CREATE FUNCTION app.f(p int) RETURNS int LANGUAGE sql AS 'SELECT p';"),
            ],
            force: false,
            expect: &[("SELECT m::text || e || app.f(1) FROM t", "badx1"), ("SELECT nextval('app.numbers')", "42")],
        },
    ];
    for release in releases {
        release.check().await;
    }
}
