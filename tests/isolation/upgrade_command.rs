//! `upgrade-postgres`: with `pg_upgrade` and by a dump, stopped and killed on the way, and what it refuses. Where only one version
//! is installed, it leads to a new cluster of the same.

use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;
use serde_json::json;
use stonescriptdb_gateway::embedded::{UpgradeError, UpgradeOptions, Upgraded, upgrade};
use tokio::sync::Notify;

use crate::major_update::{ROWS, T, WORD, major, old_and_new};
use crate::place::{Gateway, Place, Who};
use crate::web::{Web, archive};

const FILES: [(&str, &str); 3] = [T, ROWS, WORD];

fn text(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

fn start(place: &Place, bin_dir: &Path) -> (Gateway, Web) {
    let gateway = place.start(&[("PG_BIN_DIR", text(bin_dir))]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    (gateway, web)
}

fn create(id: &str) -> serde_json::Value {
    json!({ "platform": "two", "schema_name": "s", "database_id": id })
}

async fn fill(place: &Place, web: &Web) {
    web.register("one", &FILES).await;
    assert_eq!(web.post("/platform/register", json!({ "platform": "two" })).await.0, 201);
    let stored = web.upload_archive("/platform/two/schema", &[("schema_name", "s")], archive(&FILES)).await;
    assert_eq!(stored.0, 201, "{}", stored.1);
    assert_eq!(web.post("/database/create", create("a")).await.0, 201);
    let sql = place.connect().await;
    // What somebody has closed, and what its owner has set for the sessions of others.
    for statement in [
        "CREATE DATABASE \"it's closed\" ALLOW_CONNECTIONS false CONNECTION LIMIT 7",
        "ALTER DATABASE one_main SET default_transaction_read_only = on",
        "ALTER DATABASE two_s_a SET search_path = nowhere",
        "ALTER DATABASE two_s_a SET role = pg_monitor",
        "ALTER DATABASE two_s_a SET array_nulls = off",
    ] {
        sql.batch_execute(statement).await.unwrap();
    }
}

/// That everything is there and works; `turn` makes names.
async fn check(place: &Place, bin_dir: &Path, turn: &str) {
    let (gateway, web) = start(place, bin_dir);
    assert_eq!(web.value("one", "word", json!([])).await, "kept", "{turn}");
    let sql = place.connect_to("one_main").await;
    let closed: Vec<(String, i32)> = sql
        .query("SELECT datname, datconnlimit FROM pg_database WHERE NOT datallowconn AND datname LIKE 'it%'", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(closed, [("it's closed".to_owned(), 7)], "{turn}");
    let version: String = sql.query_one("SHOW server_version_num", &[]).await.unwrap().get(0);
    assert_eq!(version.parse::<u32>().unwrap() / 10_000, major(bin_dir), "{turn}");
    let body = web.register("one", &FILES).await;
    assert_eq!((&body["tables_created"], &body["functions_deployed"]), (&json!(0), &json!(0)), "{turn}: {body}");
    let (status, body) = web.post("/database/create", create(turn)).await;
    assert_eq!(status, 201, "{turn}: {body}");
    gateway.stop(Signal::SIGTERM);
}

fn options(place: &Place, old: &Path, dump: bool) -> UpgradeOptions {
    let (directory, bin_dir) = (place.data_dir(), Some(old.to_owned()));
    UpgradeOptions { directory, bin_dir, new_bin_dir: None, dump, trust_platforms: false, same_version_too: true }
}

/// The names in `DATA_DIR` that begin like a cluster's.
fn clusters(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.data_dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("postgres") && !name.contains(".log")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_over_in_both_ways_and_nothing_is_lost_on_the_way() {
    let place = Place::new(Who::OrdinaryUser);
    let (old, new) = old_and_new();
    let (gateway, web) = start(&place, &old);
    fill(&place, &web).await;
    // As a version left it that closed functions without recording it: `pg_logical_emit_message` has other arguments since 17.
    let forget =
        "DELETE FROM pg_init_privs WHERE objoid IN (SELECT oid FROM pg_proc WHERE proname = 'pg_logical_emit_message')";
    let one = place.connect_to("one_main").await;
    one.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    assert!(one.execute(forget, &[]).await.unwrap() > 0);
    let (code, _, stderr) = place.run(&["upgrade-postgres"], &[("PG_BIN_DIR", text(&new))]);
    assert!(code == Some(1) && stderr.contains("another gateway (process"), "{stderr}");
    gateway.stop(Signal::SIGTERM);

    // Stopped where it is at work, in both ways; the last time it is let through.
    let kept = format!("postgres.{}", major(&old));
    for (dump, at) in
        [(false, "running pg_upgrade"), (true, "bringing over one_main"), (true, "collecting"), (false, "-")]
    {
        let reached = Arc::new(Notify::new());
        let say = |line: &str| {
            if line.starts_with(at) {
                reached.notify_one();
            }
        };
        let done = upgrade(options(&place, &old, dump), say, reached.notified()).await;
        let left = clusters(&place);
        match done {
            Err(UpgradeError::Stopped) => assert!(at != "-" && left == ["postgres"], "{at}: {left:?}"),
            Ok(Upgraded::Done { kept: ref path, .. }) => {
                assert!(path.ends_with(&kept) && at == "-" && left == ["postgres", kept.as_str()], "{at}: {left:?}");
            }
            other => panic!("{at}: {other:?}"),
        }
        // Once after all that was stopped, and once after what was done.
        if matches!(at, "collecting" | "-") {
            check(&place, &old, &format!("after_{}", at.len())).await;
        }
    }

    if major(&new) == major(&old) {
        let done = upgrade(options(&place, &old, true), |_| {}, std::future::pending()).await;
        assert!(matches!(done, Ok(Upgraded::Done { .. })), "{done:?}");
        check(&place, &old, "dumped").await;
        let (code, stdout, stderr) = place.run(&["upgrade-postgres"], &[("PG_BIN_DIR", text(&old))]);
        assert!(code == Some(0) && stdout.contains("nothing to do"), "{stdout}{stderr}");
        return;
    }
    to_another_version(&place, &old, &new).await;
    check(&place, &new, "newer").await;
}

/// By the program itself, killed first.
async fn to_another_version(place: &Place, old: &Path, new: &Path) {
    let variables = [("PG_BIN_DIR", text(new))];
    for at in ["making the new cluster", "bringing over two_s_a"] {
        let mut command = place.spawn_with(&["upgrade-postgres", "--dump"], &variables);
        command.wait_for_line(at);
        command.kill_hard();
    }
    check(place, old, "killed").await;
    let (code, stdout, stderr) = place.run(&["upgrade-postgres", "--dump"], &variables);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains(&format!("done: the cluster is PostgreSQL {}", major(new))), "{stdout}");
    let left = clusters(place);
    let (one, two) = (format!("postgres.{}", major(old)), format!("postgres.{}.2", major(old)));
    assert_eq!(left, ["postgres".to_owned(), one, two.clone()], "{stdout}");
    let password = |name: &str| std::fs::read_to_string(place.data_dir().join(name)).unwrap();
    assert_eq!(password(&format!(".{two}-password")), password(".postgres-password"));
}

/// In the database `one_main`, by its platform. `evil` makes the role a superuser as soon as one runs it; `query_to_xml` runs what
/// it is given.
const PREPARED: &str = r#"
    SET ROLE "stonescriptdb-one";
    CREATE FUNCTION rise() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
            ALTER ROLE "stonescriptdb-one" SUPERUSER;
        END IF;
        RETURN 1; END $$;
    CREATE FUNCTION evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.rise(); END';
    CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a + evil(1)) STORED);
    CREATE TABLE p (a int) PARTITION BY RANGE ((a + evil(1)));
    CREATE TABLE c (a int CHECK (a >= evil(1)));
    CREATE DOMAIN d AS int CHECK (VALUE >= evil(1));
    CREATE INDEX i ON c ((a + evil(1)));
    CREATE INDEX w ON c (a) WHERE a > evil(1);
    CREATE STATISTICS s ON (a + evil(1)), a FROM c;
    CREATE TYPE e AS ENUM ('x');
    CREATE FUNCTION of_e(e) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN 'x'; END $$;
    CREATE CAST (e AS text) WITH FUNCTION of_e(e) AS IMPLICIT;
    CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
    CREATE TABLE o (a int CHECK (a === 1), b int CHECK (ours(b) = 1), c int CHECK (fine(c) = 1));
    CREATE FUNCTION ours(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE harmless (a int DEFAULT evil(1), b text CHECK (b ~ 'x'), c text GENERATED ALWAYS AS (lower(b)) STORED);
    CREATE INDEX lowered ON harmless (lower(b)) WHERE a > 1;
    CREATE VIEW v AS SELECT evil(1);
    CREATE DOMAIN asks AS text CHECK (query_to_xml(VALUE, true, true, '') IS NOT NULL);
    CREATE DOMAIN shows AS regclass CHECK (xmlconcat(table_to_xml(VALUE, true, true, '')) IS NOT NULL);
    CREATE DOMAIN writes AS oid CHECK (CASE WHEN VALUE > 0 THEN lo_export(VALUE, '/nowhere') END = 1);
    CREATE DOMAIN past AS timestamptz CHECK (VALUE <= now() AND VALUE < clock_timestamp() AND random() < 2);
    CREATE DOMAIN positive AS int DEFAULT 1 CHECK (VALUE > 0);
    RESET ROLE"#;

/// What of it is told.
const TOLD: [&str; 13] = [
    "CHECK asks_check of domain public.asks calls query_to_xml(text,boolean,boolean,text)",
    "CHECK c_a_check of public.c calls public.evil(integer)",
    "CHECK d_check of domain public.d calls public.evil(integer)",
    "CHECK o_a_check of public.o calls operator public.===(integer,integer)",
    "CHECK o_b_check of public.o calls public.ours(integer)",
    "CHECK shows_check of domain public.shows calls table_to_xml(regclass,boolean,boolean,text)",
    "CHECK writes_check of domain public.writes calls lo_export(oid,text)",
    "cast public.e AS text calls public.of_e(public.e)",
    "generated column public.g.b calls public.evil(integer)",
    "index public.i of public.c calls public.evil(integer)",
    "index public.w of public.c calls public.evil(integer)",
    "partition key of public.p calls public.evil(integer)",
    "statistics s of public.c calls public.evil(integer)",
];

/// `pg_upgrade` makes the tables as the superuser, and PostgreSQL works out what is constant in them.
#[tokio::test(flavor = "multi_thread")]
async fn no_code_of_a_platforms_runs_as_the_superuser_unless_the_operator_says_so() {
    let place = Place::new(Who::OrdinaryUser);
    let (old, _) = old_and_new();
    let (gateway, web) = start(&place, &old);
    web.register("one", &FILES).await;
    let sql = place.connect_to("one_main").await;
    for name in ["ours(anyelement)", "fine(int)"] {
        let made = format!("CREATE FUNCTION {name} RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'");
        sql.batch_execute(&made).await.unwrap();
    }
    sql.batch_execute(PREPARED).await.unwrap();
    // Its owner may add anything to an extension; where there is one that platforms may have.
    let joined =
        "SET ROLE \"stonescriptdb-one\"; CREATE EXTENSION hstore; ALTER EXTENSION hstore ADD FUNCTION evil(int)";
    let _ = sql.batch_execute(joined).await;
    drop(sql);
    gateway.stop(Signal::SIGTERM);

    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let refused = upgrade(options(&place, &old, false), say, std::future::pending()).await;
    let Err(UpgradeError::PlatformsCode { found }) = refused else { panic!("{refused:?}") };
    let told = TOLD.map(|told| format!("one_main: {told}"));
    assert_eq!(found, format!("{}; and 8 more", told[..5].join("; ")));
    let mut said = said.into_inner().unwrap();
    said.retain(|line| line.starts_with("may be run"));
    said.sort();
    assert_eq!(said, told.map(|told| format!("may be run as the superuser: {told}")));

    // Whoever trusts it is told when that was a mistake.
    let trusting = UpgradeOptions { trust_platforms: true, ..options(&place, &old, false) };
    let done = upgrade(trusting, |_| {}, std::future::pending()).await;
    let Err(UpgradeError::Empowered { power }) = done else { panic!("{done:?}") };
    assert_eq!(power, "\"stonescriptdb-one\" is a superuser");
    assert_eq!(clusters(&place), ["postgres"]);
    let (gateway, web) = start(&place, &old);
    assert_eq!(web.value("one", "word", json!([])).await, "kept");
    gateway.stop(Signal::SIGTERM);
}

/// Each is told before anything is moved.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_brought_over_is_refused_first() {
    let place = Place::new(Who::OrdinaryUser);
    let (old, new) = old_and_new();
    let refused = |arguments: &[&str], bin_dir: &Path, words: &str| {
        let (code, stdout, stderr) = place.run(arguments, &[("PG_BIN_DIR", text(bin_dir))]);
        assert!(code == Some(1) && stderr.contains(words) && stderr.lines().count() == 1, "{words}: {stdout}{stderr}");
    };
    refused(&["upgrade-postgres"], &new, "there is no PostgreSQL cluster");
    let (code, _, stderr) = place.run(&["upgrade-postgres"], &[("DB_HOST", "localhost")]);
    assert!(code == Some(1) && stderr.contains("DB_HOST"), "{stderr}");
    let (gateway, _) = start(&place, &old);
    let sql = place.connect().await;
    // Of a package of its own; not everybody has it.
    let has_one = sql.batch_execute("CREATE EXTENSION address_standardizer").await.is_ok();
    gateway.stop(Signal::SIGTERM);
    refused(&["upgrade-postgres", "--new-bin-dir", "/nowhere"], &old, "--new-bin-dir /nowhere has no");
    let newer = major(&new) > major(&old);
    if newer && !new.join("pg_upgrade").exists() {
        refused(&["upgrade-postgres"], &new, "upgrade-postgres --dump");
    }
    if newer && has_one && !new.starts_with("/usr") {
        refused(&["upgrade-postgres", "--dump"], &new, "lacks extensions: address_standardizer (in postgres)");
    }
    assert_eq!(clusters(&place), ["postgres"]);
    start(&place, &old).0.stop(Signal::SIGTERM);
}
