//! What dumps and other tools leave in files (contract §3): passed over with a warning, or refused with file and line.

mod modules;
mod refused;
mod whole;

use crate::support::catalog::{assert_same, in_words};
use crate::support::{Answer, BundleBuilder, Platform, bundle};

/// Each file with the lines that tools leave in it, and those lines.
#[rustfmt::skip]
const FILES: &[(&str, &str, &[&str])] = &[
    ("types/a.sql", "CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN short AS text; CREATE TYPE pair AS (a int, b int);",
     &["DROP TYPE IF EXISTS mood CASCADE", "DROP DOMAIN IF EXISTS short, public.nothing RESTRICT", "DROP TYPE IF EXISTS \"Pair\", pair CASCADE",
       "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS b CASCADE", "ALTER DOMAIN short DROP CONSTRAINT IF EXISTS c"]),
    ("tables/a.sql", "CREATE SCHEMA app; CREATE SEQUENCE numbers; CREATE TABLE a (id int PRIMARY KEY, t text DEFAULT norm('X') CHECK (norm(t) <> ''), m mood);
        ALTER TABLE a ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON a AS RESTRICTIVE USING (norm(t) = 'x');
        CREATE TABLE app.\"B b\" (a int REFERENCES a, s serial, p pair); CREATE UNIQUE INDEX a_t ON a (t);
        CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION tf(); CREATE STATISTICS st ON id, t FROM a;
        CREATE RULE r AS ON DELETE TO app.\"B b\" DO ALSO NOTIFY gone; CREATE COLLATION c FROM \"C\";",
     &["DROP TABLE IF EXISTS a, app.\"B b\" CASCADE", "DROP SEQUENCE IF EXISTS numbers, \"B b_s_seq\" CASCADE", "DROP SCHEMA IF EXISTS app, public CASCADE",
       "DROP INDEX IF EXISTS a_t, app.nothing", "DROP TRIGGER IF EXISTS tr ON a CASCADE", "DROP POLICY IF EXISTS p ON public.a", "DROP RULE IF EXISTS r ON app.\"B b\"",
       "ALTER TABLE IF EXISTS ONLY app.\"B b\" DROP CONSTRAINT IF EXISTS \"B b_a_fkey\", DROP COLUMN IF EXISTS s CASCADE", "DROP STATISTICS IF EXISTS st",
       "DROP COLLATION IF EXISTS c CASCADE"]),
    ("views/a.sql", "CREATE VIEW v AS SELECT id, norm(t) AS n FROM a; CREATE VIEW w AS SELECT * FROM v; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS x;",
     &["DROP VIEW IF EXISTS v, \"V\" CASCADE", "DROP MATERIALIZED VIEW IF EXISTS mv"]),
    ("functions/a.sql", "CREATE FUNCTION norm(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower(t)';
        CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE PROCEDURE pr() LANGUAGE sql AS 'SELECT 1';
        CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int); CREATE FUNCTION near(a, int) RETURNS bool LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR ~~~ (FUNCTION = near, LEFTARG = a, RIGHTARG = int); CREATE FUNCTION to_pair(int) RETURNS pair LANGUAGE sql AS 'SELECT $1, 1';
        CREATE CAST (int AS pair) WITH FUNCTION to_pair(int);",
     &["DROP FUNCTION IF EXISTS norm(text), tf CASCADE", "DROP PROCEDURE IF EXISTS pr()", "DROP ROUTINE IF EXISTS pr() RESTRICT",
       "DROP AGGREGATE IF EXISTS total(int)", "DROP OPERATOR IF EXISTS ~~~ (a, int) CASCADE", "DROP CAST IF EXISTS (int AS pair)"]),
    ("seeders/a.sql", "INSERT INTO a (id, t) VALUES (1, 'x');", &["DROP VIEW IF EXISTS w"]),
];

const PLAIN_CHECK: &str = "ALTER TABLE a ADD CONSTRAINT positive CHECK (id > 0);";

/// Without what tools leave, or with it before each file's own statements, a line for each.
fn bundle_of(with_leftovers: bool) -> BundleBuilder {
    let one = |bundle: BundleBuilder, (path, text, lines): &(&str, &str, &[&str])| {
        let left = lines.iter().map(|line| format!("{line};\n")).collect::<String>();
        bundle.file(path, format!("{}{text}", if with_leftovers { left } else { String::new() }))
    };
    let check = match with_leftovers {
        true => "ALTER TABLE a DROP CONSTRAINT IF EXISTS positive, ADD CONSTRAINT positive CHECK (id > 0);",
        false => PLAIN_CHECK,
    };
    FILES.iter().fold(bundle().file("tables/z.sql", check), one)
}

pub(super) fn warnings(answer: &Answer) -> Vec<String> {
    let warnings = answer.body["warnings"].as_array().unwrap_or_else(|| panic!("no warnings in {answer}"));
    warnings.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

#[track_caller]
fn warns_of_each(answer: &Answer) {
    let warnings = warnings(answer);
    for (path, _, lines) in FILES {
        for (at, line) in lines.iter().enumerate() {
            let start = format!("{path}, line {}: {line}", at + 1);
            let cut: String = start.chars().take(path.len() + 60).collect();
            assert!(warnings.iter().any(|one| one.starts_with(&cut)), "no {cut:?} in {warnings:#?}");
        }
    }
    assert!(warnings.iter().any(|one| one.starts_with("tables/z.sql, line 1: the DROP in ALTER")), "{warnings:#?}");
}

#[tokio::test]
async fn what_is_dropped_if_it_exists_stays_as_it_is_declared() {
    let (wanted, platform) = (Platform::new(), Platform::new());
    wanted.register(&bundle_of(false)).await.ready();
    let answer = platform.register(&bundle_of(true)).await;
    answer.ready();
    warns_of_each(&answer);
    let expected = in_words(&wanted.main()).await;
    assert_same("with drops, without", &in_words(&platform.main()).await, &expected);

    // An existing database, whose rows and objects stay what they are.
    let answer = wanted.migrate(&bundle_of(true), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    warns_of_each(&answer);
    assert_same("brought to drops", &in_words(&wanted.main()).await, &expected);
    assert_eq!(wanted.sql().await.value("SELECT count(*) FROM a").await, "1");
}

#[tokio::test]
async fn what_is_declared_no_longer_goes_without_its_drop_being_run() {
    let platform = Platform::new();
    let table = "CREATE TABLE t (id int, CONSTRAINT c CHECK (id > 0));";
    let before = bundle()
        .file("tables/t.sql", table)
        .file("views/v.sql", "CREATE VIEW v AS SELECT id FROM t;")
        .file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    platform.register(&before).await.ready();
    let left = "DROP VIEW IF EXISTS v CASCADE; DROP FUNCTION IF EXISTS f(); ALTER TABLE t DROP CONSTRAINT IF EXISTS c;";
    let after = bundle().file("tables/t.sql", format!("CREATE TABLE t (id int); {left}"));
    let answer = platform.migrate(&after, &[]).await;
    assert_eq!((answer.status, warnings(&answer).len()), (200, 3), "{answer}");
    let left =
        "SELECT count(*) FROM pg_class WHERE relname = 'v' UNION ALL SELECT count(*) FROM pg_proc WHERE proname = 'f'
                UNION ALL SELECT count(*) FROM pg_constraint WHERE conname = 'c'";
    assert_eq!(platform.sql().await.column(left).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn an_owner_is_passed_over_wherever_it_is_set() {
    let platform = Platform::new();
    let owned = "ALTER TABLE t OWNER TO nobody_known;\nALTER FUNCTION f(int) OWNER TO nobody_known;\n\
        ALTER TABLE t OWNER TO CURRENT_USER, ALTER id SET NOT NULL;\nALTER SCHEMA public OWNER TO nobody_known;\n\
        ALTER VIEW v OWNER TO nobody_known;\nCREATE SCHEMA public;\nCREATE SCHEMA IF NOT EXISTS public AUTHORIZATION nobody_known;\n\
        ALTER SEQUENCE s OWNER TO nobody_known;\nALTER TYPE y OWNER TO nobody_known;";
    let made =
        "CREATE TABLE t (id int); CREATE SEQUENCE s; CREATE TYPE y AS ENUM ('a'); CREATE VIEW v AS SELECT 1 AS x;
        CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';\n";
    for path in ["tables/t.sql", "migrations/1.sql"] {
        let answer = platform
            .register(&bundle().file(path, format!("{owned}\n{made}").replace("id int", "id int NOT NULL")))
            .await;
        match path {
            // There the statements run one after the other, so what they are about has to be there before.
            "migrations/1.sql" => drop(answer.refused(409, "migration_failed").at(path, 3)),
            _ => assert_eq!((answer.ready(), warnings(&answer).len()).1, 9, "{answer}"),
        }
    }
    let other = Platform::new();
    let answer = other.register(&bundle().file("migrations/1.sql", format!("{made}{owned}"))).await;
    assert_eq!((answer.ready(), warnings(&answer).len()).1, 9, "{answer}");
    let owner = "SELECT attnotnull::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'";
    assert_eq!(other.sql().await.value(owner).await, "true");
}
