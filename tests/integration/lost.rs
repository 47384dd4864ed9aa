//! Nothing that is declared is lost silently: what the files make stands in a new database in the end, or the bundle is
//! refused with file and line.

use crate::support::{BundleBuilder, Platform, bundle};

const TABLE: &str = "CREATE SCHEMA s;
CREATE FUNCTION norm(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(t)';
CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE DOMAIN mail AS text CHECK (VALUE <> '');
CREATE SEQUENCE numbers;
CREATE TABLE s.\"t.u\" (
    id serial PRIMARY KEY,
    a text DEFAULT norm('X') CHECK (norm(a) <> ''),
    b int NOT NULL, CONSTRAINT positive CHECK (b > 0), UNIQUE (b));
CREATE INDEX by_norm ON s.\"t.u\" (norm(a));
CREATE INDEX ON s.\"t.u\" (a);
ALTER TABLE s.\"t.u\" ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON s.\"t.u\" AS RESTRICTIVE USING (norm(a) = 'x');
CREATE TABLE child (id int REFERENCES s.\"t.u\");
CREATE RULE r AS ON DELETE TO child DO INSTEAD NOTHING;
CREATE STATISTICS st ON a, b FROM s.\"t.u\";";

const VIEWS: &str = "CREATE VIEW v AS SELECT a FROM s.\"t.u\";\nCREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
CREATE INDEX m_one ON m (one);";

/// What takes it away, and what is told of: the line of `tables/t.sql` and a part of the words.
const TAKEN: &[(&str, u64, &str)] = &[
    ("DROP TABLE child", 13, "the table child"),
    ("DROP TABLE s.\"t.u\" CASCADE", 5, "the table s.t.u"),
    ("DROP SCHEMA s CASCADE", 1, "the schema s"),
    ("DROP FUNCTION norm(text) CASCADE", 5, "the default of the column s.t.u.a"),
    ("ALTER TABLE s.\"t.u\" ALTER a DROP DEFAULT", 5, "the default of the column s.t.u.a"),
    ("ALTER TABLE s.\"t.u\" ALTER b DROP NOT NULL", 5, "the NOT NULL of the column s.t.u.b"),
    ("ALTER TABLE s.\"t.u\" DROP COLUMN b CASCADE", 5, "the column s.t.u.b"),
    ("ALTER TABLE s.\"t.u\" DROP CONSTRAINT positive", 5, "the constraint positive"),
    ("ALTER TABLE s.\"t.u\" DROP CONSTRAINT \"t.u_a_check\"", 5, "CHECK (norm(a) <> '')"),
    ("ALTER TABLE s.\"t.u\" DROP CONSTRAINT \"t.u_pkey\" CASCADE", 5, "PRIMARY KEY"),
    ("ALTER TABLE child DROP CONSTRAINT child_id_fkey", 13, "REFERENCES"),
    ("DROP INDEX s.by_norm", 9, "the index by_norm"),
    ("DROP INDEX s.\"t.u_a_idx\"", 10, "the index of s.t.u"),
    ("ALTER TABLE s.\"t.u\" DISABLE ROW LEVEL SECURITY", 11, "row level security"),
    ("DROP POLICY p ON s.\"t.u\"; CREATE POLICY p ON s.\"t.u\" USING (true)", 12, "the restrictive policy p"),
    ("DROP RULE r ON child", 14, "the rule r"),
    ("DROP STATISTICS st", 15, "the statistics st"),
    ("DROP TYPE mood", 3, "the type mood"),
    ("ALTER TYPE mood RENAME VALUE 'bad' TO 'worse'", 3, "the value 'bad'"),
    ("ALTER DOMAIN mail DROP CONSTRAINT mail_check", 3, "CHECK ("),
    ("DROP SEQUENCE numbers", 4, "the sequence numbers"),
    ("ALTER TABLE child RENAME TO other", 13, "the table child"),
];

#[tokio::test]
async fn what_a_do_block_of_a_migration_takes_away_refuses_the_bundle() {
    for (taken, line, words) in TAKEN {
        let block = format!("DO $do$ BEGIN {taken}; END $do$;");
        let bundle = bundle().file("tables/t.sql", TABLE).file("migrations/1.sql", block);
        check_refused(&bundle, taken, ("tables/t.sql", *line), words).await;
    }
}

#[tokio::test]
async fn so_does_what_a_seeder_or_another_file_takes_away() {
    let function =
        |body: &str| format!("CREATE FUNCTION go() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;");
    for (taken, place, words) in [
        ("DROP VIEW v", ("views/v.sql", 1), "the view v"),
        ("DROP MATERIALIZED VIEW m", ("views/v.sql", 2), "the view m"),
        ("DROP INDEX m_one", ("views/v.sql", 3), "the index m_one"),
        ("DROP FUNCTION kept()", ("functions/kept.sql", 1), "the function kept"),
        ("DROP TRIGGER g ON child", ("functions/kept.sql", 3), "the trigger g"),
        ("DROP OPERATOR ===(text, text)", ("functions/kept.sql", 4), "the operator ==="),
    ] {
        let kept = "CREATE FUNCTION kept() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION tf();
CREATE OPERATOR === (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);";
        let bundle = bundle()
            .file("tables/t.sql", TABLE)
            .file("views/v.sql", VIEWS)
            .file("functions/kept.sql", kept)
            .file("functions/z.sql", function(taken))
            .file("seeders/z.sql", "SELECT go();");
        check_refused(&bundle, taken, place, words).await;
    }
    let twice = bundle()
        .file("tables/a.sql", "CREATE TABLE IF NOT EXISTS a (id int);")
        .file("tables/b.sql", "\nCREATE TABLE IF NOT EXISTS a (id int, more int);");
    check_refused(&twice, "declared twice", ("tables/b.sql", 2), "the column a.more").await;
    let cascade = bundle()
        .file("tables/t.sql", TABLE)
        .file("functions/z.sql", "DO $$ BEGIN DROP FUNCTION norm(text) CASCADE; END $$; SELECT 1;");
    check_refused(&cascade, "a block in functions/", ("tables/t.sql", 5), "the default of the column").await;
}

async fn check_refused(bundle: &BundleBuilder, name: &str, (file, line): (&str, u64), words: &str) {
    let answer = Platform::new().register(bundle).await;
    assert_eq!(answer.status, 409, "{name}: {answer}");
    assert!(answer.text("cause").contains(words), "{name}: {answer}");
    assert_eq!((answer.text("file"), answer.count("line")), (file, line), "{name}: {answer}");
    answer.says("is declared here, but is not there in the end");
}

#[tokio::test]
async fn what_the_files_themselves_take_back_or_say_twice_is_not_missed() {
    let answer = Platform::new()
        .register(
            &bundle()
                .file("tables/t.sql", TABLE)
                .file("views/v.sql", VIEWS)
                .file(
                    "tables/u.sql",
                    "CREATE TABLE u (a int DEFAULT NULL, b text DEFAULT NULL::text, c int UNIQUE PRIMARY KEY, d int NOT NULL,
                         e int GENERATED ALWAYS AS IDENTITY, f int GENERATED ALWAYS AS (d + 1) STORED, UNIQUE (c), UNIQUE (c),
                         CONSTRAINT one UNIQUE (d), CONSTRAINT other UNIQUE (d));
                     ALTER TABLE u ALTER d DROP NOT NULL, ALTER b SET DEFAULT 'x', ADD COLUMN IF NOT EXISTS b text;
                     ALTER TABLE u ALTER b DROP DEFAULT; CREATE TABLE IF NOT EXISTS u (c int);
                     CREATE UNIQUE INDEX u_d ON u (d); ALTER TABLE u ADD CONSTRAINT u_key UNIQUE USING INDEX u_d;
                     CREATE TEMP TABLE temporary (id int); SELECT 1 AS one INTO made;
                     CREATE UNLOGGED TABLE \"of \"\"u\"\"\" (LIKE u INCLUDING ALL, CHECK (c > 0), CHECK (c > 0));",
                )
                .file(
                    "tables/parts.sql",
                    "CREATE TABLE p (id int, n int, CONSTRAINT n_up CHECK (n > 0), PRIMARY KEY (id)) PARTITION BY RANGE (id);
                     CREATE INDEX p_n ON p (n);
                     CREATE TABLE p1 PARTITION OF p (CONSTRAINT n_up CHECK (n > 0)) FOR VALUES FROM (1) TO (10);
                     CREATE TABLE p2 (id int NOT NULL, n int, CONSTRAINT n_up CHECK (n > 0), PRIMARY KEY (id));
                     CREATE INDEX p2_n ON p2 (n); ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
                     CREATE TABLE parent (id int CHECK (id > 0)); CREATE TABLE kid (CHECK (id > 0), x int) INHERITS (parent);",
                )
                .file("types/c.sql", "CREATE TYPE c AS (x int, y text); ALTER TYPE c ADD ATTRIBUTE z int; CREATE TYPE r AS RANGE (subtype = float8);")
                .file(
                    "functions/o.sql",
                    "CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int); CREATE CAST (c AS text) WITH INOUT;
                     CREATE OPERATOR === (FUNCTION = texteq, LEFTARG = text, RIGHTARG = text);
                     CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple); CREATE TEXT SEARCH DICTIONARY td (TEMPLATE = simple);
                     CREATE COLLATION co (provider = libc, locale = 'C'); CREATE PUBLICATION pub FOR TABLE u;
                     CREATE CONVERSION cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
                     CREATE SCHEMA IF NOT EXISTS public;",
                ),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer}");
}
