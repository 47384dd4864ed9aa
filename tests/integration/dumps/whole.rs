//! Whole dumps as files, and what a file sets for its own statements.

use super::warnings;
use crate::support::catalog::{assert_same, in_words};
use crate::support::reference::deploy_by_hand;
use crate::support::{Platform, bundle, check_deploys_and_is_stable};

/// As pg_dump 18 writes it; `-- 17+` lines are those that older ones do not know.
const DUMP: &str = include_str!("dump.sql");

/// What a server of any version takes, and psql is not needed for.
fn by_hand(dump: &str) -> String {
    let is_plain = |line: &&str| {
        !line.starts_with('\\')
            && !line.contains("OWNER TO")
            && !line.contains("transaction_timeout")
            && !line.starts_with("CREATE SCHEMA public")
    };
    dump.lines().filter(is_plain).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_whole_dump_deploys_declared_and_as_the_first_migration() {
    let hand = Platform::new();
    let reference = hand.database("by_hand");
    deploy_by_hand(&reference, &bundle().file("migrations/0001.sql", by_hand(DUMP))).await;
    let expected = in_words(&reference).await;
    for path in ["tables/schema.sql", "migrations/0001.sql"] {
        let platform = Platform::new();
        let answer = check_deploys_and_is_stable(&platform, &bundle().file(path, DUMP)).await;
        assert_same(path, &expected, &in_words(&platform.main()).await);
        let warnings = warnings(&answer);
        for part in
            ["line 5: \\restrict", "OWNER TO was passed over", "setting transaction_timeout", "setting lock_timeout"]
        {
            assert!(warnings.iter().any(|one| one.contains(part)), "{part}: {warnings:#?}");
        }
        // The next dump has another guard, and pg_dump another version.
        let again = DUMP.replace("xT3k9", "mQ81z").replace("version 18.0", "version 18.1");
        let answer = platform.migrate(&bundle().file(path, again), &[]).await;
        assert_eq!(answer.status, 200, "{answer}");
        assert_same(path, &expected, &in_words(&platform.main()).await);
    }
}

const IN_APP: &[(&str, &str)] = &[
    (
        "tables/a.sql",
        "CREATE SCHEMA app; CREATE SCHEMA ext; {path}
         CREATE TYPE {app}kind AS ENUM ('a', 'b');
         CREATE TABLE {app}items (id serial PRIMARY KEY, other int REFERENCES {pub}b, k {app}kind DEFAULT 'a', at date DEFAULT '01/02/2020');
         CREATE INDEX items_other ON {app}items (other); ALTER TABLE {app}items ADD CONSTRAINT c CHECK (id > 0);
         CREATE TRIGGER tr BEFORE INSERT ON {app}items FOR EACH ROW EXECUTE FUNCTION {app}tf();
         ALTER TABLE {app}items ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {app}items USING (true);
         COMMENT ON TABLE {app}items IS 'x'; COMMENT ON COLUMN {app}items.k IS 'y'; ALTER SEQUENCE {app}items_id_seq INCREMENT BY 2;
         CREATE STATISTICS {app}st ON id, other FROM {app}items; CREATE RULE r AS ON DELETE TO {app}items DO ALSO NOTIFY gone;
         CREATE TABLE {app}twice (id int REFERENCES {app}items); GRANT SELECT ON {app}twice TO PUBLIC;
         {back} CREATE TABLE back (id int DEFAULT 1, at date DEFAULT '01/02/2020');",
    ),
    ("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE twice (id int); CREATE INDEX twice_i ON twice (id);"),
    ("views/v.sql", "{path} CREATE VIEW {app}v AS SELECT id, k FROM {app}items; CREATE MATERIALIZED VIEW {app}mv AS SELECT id FROM {app}v;"),
    (
        "functions/f.sql",
        "{path} CREATE FUNCTION {app}tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION {app}f(i {app}items, k {app}kind) RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION {app}f(k {app}kind) RETURNS int LANGUAGE sql AS 'SELECT 2'; COMMENT ON FUNCTION {app}f({app}kind) IS 'z';",
    ),
    ("seeders/items.sql", "{path} INSERT INTO {app}items (id) VALUES (7); SELECT setval('{app}items_id_seq', 7);"),
];

/// In files that set their path, or with every name qualified.
fn in_app(qualified: bool) -> crate::support::BundleBuilder {
    let text = |text: &str| {
        let (path, back, app, public) = match qualified {
            true => ("", "", "app.", "public."),
            false => ("SET search_path = app, \"$user\", public; SET datestyle = 'ISO, DMY';", "RESET ALL;", "", ""),
        };
        let text = text.replace("{path}", path).replace("{back}", back).replace("{app}", app).replace("{pub}", public);
        // The second of January only where the file says so.
        if qualified { text.replacen("'01/02/2020'", "'2020-02-01'", 1) } else { text }
    };
    IN_APP.iter().fold(bundle(), |bundle, (path, one)| bundle.file(path, text(one)))
}

#[tokio::test]
async fn what_a_file_sets_holds_for_its_own_statements() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let (wanted, platform) = (Platform::new(), Platform::new());
    wanted.register(&in_app(true)).await.ready();
    let answer = check_deploys_and_is_stable(&platform, &in_app(false)).await;
    assert_eq!(warnings(&answer), Vec::<String>::new(), "{answer}");
    let expected = in_words(&wanted.main()).await;
    assert_same("under a path, qualified", &in_words(&platform.main()).await, &expected);
    let rows = "SELECT id::text || ' ' || at FROM app.items UNION ALL SELECT last_value::text FROM app.items_id_seq";
    assert_eq!(platform.sql().await.column(rows).await, ["7 2020-02-01", "7"]);

    // From the one to the other nothing is made anew, and a change is made where it belongs.
    let answer = wanted.migrate(&in_app(false), &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_same("qualified before", &in_words(&wanted.main()).await, &expected);
    let next = in_app(false).file(
        "tables/c.sql",
        "SET search_path = app; ALTER TABLE twice ADD COLUMN more int; CREATE INDEX twice_i ON twice (more);",
    );
    for platform in [&wanted, &platform] {
        let answer = platform.migrate(&next, &[]).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    let fresh = Platform::new();
    fresh.register(&next).await.ready();
    let expected = in_words(&fresh.main()).await;
    for platform in [&wanted, &platform] {
        assert_same("the next one", &in_words(&platform.main()).await, &expected);
    }
}

#[tokio::test]
async fn a_path_that_a_migration_sets_ends_with_its_file() {
    let migrations = bundle()
        .file(
            "migrations/1.sql",
            "CREATE SCHEMA app; SET search_path = app; CREATE TABLE m (id int); INSERT INTO m VALUES (1);\n\
            CREATE INDEX CONCURRENTLY m_id ON m (id); CREATE TABLE after_it (id int);",
        )
        .file(
            "migrations/2.sql",
            "CREATE TABLE p (id int); SELECT set_config('search_path', 'app', false); ALTER TABLE m ADD COLUMN n int;",
        );
    let places = "SELECT relnamespace::regnamespace || '.' || relname FROM pg_class
        WHERE relkind = 'r' AND relname IN ('m', 'after_it', 'p') ORDER BY 1";
    // A new database, and one that is there.
    for there in [false, true] {
        let platform = Platform::new();
        if there {
            platform.register(&bundle().file("migrations/0.sql", "SELECT 1;")).await.ready();
        }
        platform.register(&migrations.clone().file("migrations/0.sql", "SELECT 1;")).await.ready();
        let sql = platform.sql().await;
        assert_eq!(sql.column(places).await, ["app.after_it", "app.m", "public.p"], "{there}");
        assert_eq!(sql.value("SELECT count(n)::text || count(id) FROM app.m").await, "01");
    }
}

#[tokio::test]
async fn what_a_file_may_not_set_is_left_out_or_refused() {
    let platform = Platform::new();
    let hostile = "SET ROLE pg_monitor;\nSET SESSION AUTHORIZATION nobody_known;\nSET statement_timeout = 1;\nSET lock_timeout = 0;\n\
        SET check_function_bodies = on;\nSET row_security = off;\nSET client_encoding = 'LATIN1';\nSET session_replication_role = replica;\n\
        SELECT set_config('role', 'nobody_known', false);\nSET my.own = 'x';\nCREATE TABLE t (id int DEFAULT f());\n";
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    let answer = platform.register(&bundle().file("tables/t.sql", hostile).file("functions/f.sql", function)).await;
    answer.ready();
    let warnings = warnings(&answer);
    for line in 1..=10 {
        let start = format!("tables/t.sql, line {line}: setting ");
        assert!(warnings.iter().any(|one| one.starts_with(&start)), "{start}: {warnings:#?}");
    }
    for (path, text, words) in [
        ("tables/x.sql", "\nSET standard_conforming_strings = off;", "standard_conforming_strings"),
        (
            "migrations/x.sql",
            "SELECT 1;\nSET standard_conforming_strings = off; SELECT '\\'||'; COMMIT; --';",
            "standard_conforming_strings",
        ),
        ("tables/x.sql", "\nSELECT set_config('search_path', 'a' || 'b', false);", "search_path"),
    ] {
        platform.register(&bundle().file(path, text)).await.refused(409, "migration_failed").at(path, 2).says(words);
    }
    // Where no string has a backslash it means nothing.
    let harmless = "SET standard_conforming_strings = off; CREATE TABLE m (id int);";
    let answer = Platform::new().register(&bundle().file("migrations/1.sql", harmless)).await;
    assert_eq!((answer.ready(), self::warnings(&answer).len()).1, 1, "{answer}");
}

/// The text is cut into statements by SQL's rule for strings; a session that reads them otherwise would run a `COMMIT`.
#[tokio::test]
async fn no_setting_of_the_session_moves_the_end_of_a_statement() {
    let platform = Platform::new();
    let before = bundle().file("migrations/0.sql", "SELECT 1;");
    platform.register(&before).await.ready();
    let smuggled = r"CREATE TABLE escaped (id int);
        DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$;
        SELECT '\' || '; COMMIT; --';
        SELECT 1 / 0;";
    let answer = platform.migrate(&before.clone().file("migrations/1.sql", smuggled), &[]).await;
    answer.refused(409, "migration_failed").says("division by zero");
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM pg_class WHERE relname = 'escaped'").await, "0");
}
