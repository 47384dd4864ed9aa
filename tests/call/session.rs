//! What a call leaves behind: nothing that the next one could see, and nothing that goes on running.

use std::time::{Duration, Instant};

use stonescriptdb_gateway::config::PoolConfig;
use stonescriptdb_gateway::databases::RunAs;

use crate::support::*;

/// One connection, so that every call follows the other on it.
fn one_connection() -> PoolConfig {
    PoolConfig { max_connections_per_pool: 1, ..wide_pools() }
}

#[tokio::test]
async fn nothing_that_a_call_sets_is_seen_by_the_next() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE SEQUENCE counter;
         CREATE FUNCTION state() RETURNS TABLE (pid int, zone text, path text, role text, own text, style text, memory text, role_now text, timeout text)
             LANGUAGE sql AS $$SELECT pg_backend_pid(), current_setting('TimeZone'), current_setting('search_path'), current_user::text,
                                      COALESCE(current_setting('app.user', true), ''), current_setting('DateStyle'),
                                      current_setting('work_mem'), current_setting('role'), current_setting('statement_timeout')$$;
         CREATE FUNCTION set_all() RETURNS void LANGUAGE plpgsql AS $$
             BEGIN
                 SET TIME ZONE 'Asia/Tokyo'; SET search_path = pg_catalog; SET DateStyle = 'German'; SET work_mem = '10MB';
                 SET statement_timeout = 0; PERFORM set_config('app.user', 'somebody', false);
                 SET ROLE pg_monitor;
             END$$;
         CREATE FUNCTION be_another() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET SESSION AUTHORIZATION pg_monitor; END$$;
         CREATE PROCEDURE set_and_fail() LANGUAGE plpgsql AS $$
             BEGIN SET TIME ZONE 'Asia/Tokyo'; SET ROLE pg_monitor; COMMIT; RAISE EXCEPTION 'no'; END$$;
         CREATE FUNCTION temp() RETURNS int LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE scratch AS SELECT 1 AS x; RETURN 1; END$$;
         CREATE FUNCTION lock() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(42)';
         CREATE FUNCTION listen() RETURNS void LANGUAGE plpgsql AS $$BEGIN LISTEN events; END$$;
         CREATE FUNCTION listening() RETURNS SETOF text LANGUAGE sql AS 'SELECT pg_listening_channels()';
         CREATE FUNCTION hold() RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 1'; END$$;
         CREATE FUNCTION cursors() RETURNS SETOF text LANGUAGE sql AS $$SELECT name FROM pg_cursors WHERE name <> ''$$;
         CREATE FUNCTION next() RETURNS bigint LANGUAGE sql AS $$SELECT nextval('counter')$$;
         CREATE FUNCTION last() RETURNS bigint LANGUAGE sql AS 'SELECT lastval()';
         CREATE FUNCTION notice() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'psst'; RAISE WARNING 'hey'; RETURN 1; END$$;",
    )
    .await;
    let clean = platform.rows("state", "").await;
    assert!(clean.contains(r#""zone":"UTC","path":"\"$user\", public","role":"postgres","own":"""#), "{clean}");
    for function in ["set_all", "be_another", "temp", "lock", "listen", "hold", "next", "notice"] {
        platform.rows(function, "").await;
        assert_eq!(platform.rows("state", "").await, clean, "after {function}");
    }
    platform.error("set_and_fail", "").await;
    assert_eq!(platform.rows("state", "").await, clean, "after set_and_fail");
    assert_eq!(platform.rows("temp", "").await, r#"[{"temp":1}]"#, "the table of the first call is gone");
    assert_eq!(platform.rows("listening", "").await, "[]");
    assert_eq!(platform.rows("cursors", "").await, "[]");
    assert_eq!(platform.error("last", "").await.1["sqlstate"], "55000");
    let client = platform.client().await;
    let free = client.query_one("SELECT pg_try_advisory_lock(42)", &[]).await.unwrap();
    assert!(free.get::<_, bool>(0), "the lock of the call is still held");
}

#[tokio::test]
async fn what_a_function_without_effects_sets_is_not_seen_either() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE TABLE written (x int);
         CREATE FUNCTION state() RETURNS TABLE (pid int, zone text, path text, role text, login text, own text) LANGUAGE sql
             AS $$SELECT pg_backend_pid(), current_setting('TimeZone'), current_setting('search_path'), current_user::text,
                         session_user::text, COALESCE(current_setting('app.user', true), '')$$;
         CREATE FUNCTION set_all() RETURNS void LANGUAGE plpgsql STABLE AS $$
             BEGIN
                 PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('search_path', 'pg_catalog', false),
                         set_config('app.user', 'somebody', false), set_config('statement_timeout', '0', false);
             END$$;
         CREATE FUNCTION change_role() RETURNS text LANGUAGE sql STABLE AS $$SELECT set_config('role', 'pg_monitor', false)$$;
         CREATE FUNCTION be_another() RETURNS text LANGUAGE sql STABLE
             AS $$SELECT set_config('session_authorization', 'pg_monitor', false)$$;
         CREATE FUNCTION lock() RETURNS void LANGUAGE sql STABLE AS 'SELECT pg_advisory_lock(42)';
         CREATE FUNCTION lock_and_fail() RETURNS void LANGUAGE plpgsql STABLE AS $$
             BEGIN PERFORM pg_advisory_lock(42); RAISE EXCEPTION 'no'; END$$;
         CREATE FUNCTION scratch() RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE scratch (x int); END$$;
         CREATE FUNCTION temp() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN PERFORM scratch(); RETURN 1; END$$;
         CREATE FUNCTION write() RETURNS void LANGUAGE sql AS 'INSERT INTO written VALUES (1)';
         CREATE FUNCTION pretend() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM write(); RETURN 1; END$$;
         CREATE FUNCTION count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM written';",
    )
    .await;
    let client = platform.client().await;
    let clean = platform.rows("state", "").await;
    for function in ["set_all", "change_role", "be_another", "lock", "temp", "temp", "pretend"] {
        platform.rows(function, "").await;
        assert_eq!(platform.rows("state", "").await, clean, "after {function}");
    }
    assert_eq!(platform.rows("count", "").await, r#"[{"count":1}]"#, "a lie about effects loses nothing");
    platform.error("lock_and_fail", "").await;
    let is_free = async || client.query_one("SELECT pg_try_advisory_lock(42)", &[]).await.unwrap().get::<_, bool>(0);
    eventually("the lock of the failed call is free", async || is_free().await).await;
    assert_eq!(platform.rows("state", "").await, clean, "after lock_and_fail");
}

#[tokio::test]
async fn a_deferred_trigger_sees_the_settings_of_its_call_and_leaves_none() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE TABLE item (who text);
         CREATE TABLE log (who text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO log VALUES (current_setting('app.user'));
                 PERFORM set_config('app.user', 'the trigger', false);
                 RETURN NULL;
             END$$;
         CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION note();
         CREATE FUNCTION add() RETURNS void LANGUAGE sql AS $$
             SELECT set_config('app.user', 'the call', false);
             INSERT INTO item VALUES ('x')$$;
         CREATE FUNCTION logged() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT who FROM log';
         CREATE FUNCTION own() RETURNS text LANGUAGE sql STABLE AS $$SELECT COALESCE(current_setting('app.user', true), '')$$;",
    )
    .await;
    platform.rows("add", "").await;
    assert_eq!(platform.rows("own", "").await, r#"[{"own":""}]"#);
    assert_eq!(platform.rows("logged", "").await, r#"[{"logged":"the call"}]"#);
}

#[tokio::test]
async fn a_function_that_drops_the_gateways_statements_does_no_harm() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE FUNCTION dealloc() RETURNS int LANGUAGE plpgsql AS $$BEGIN DEALLOCATE ALL; RETURN 1; END$$;
         CREATE FUNCTION discard() RETURNS int LANGUAGE plpgsql AS $$BEGIN DISCARD PLANS; RETURN 1; END$$;
         CREATE FUNCTION reader() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';",
    )
    .await;
    for _ in 0..3 {
        assert_eq!(platform.rows("reader", "").await, r#"[{"reader":1}]"#);
        assert_eq!(platform.rows("dealloc", "").await, r#"[{"dealloc":1}]"#);
        assert_eq!(platform.rows("discard", "").await, r#"[{"discard":1}]"#);
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_cleaned_is_nobodys() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE FUNCTION state() RETURNS TABLE (path text, own text) LANGUAGE sql STABLE
             AS $$SELECT current_setting('search_path'), COALESCE(current_setting('app.user', true), '')$$;
         CREATE TABLE written (x int);
         CREATE PROCEDURE spoil(INOUT list numeric[]) LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO written VALUES (1);
                 PERFORM set_config('app.user', 'somebody', false);
                 DEALLOCATE ALL;
             END$$;
         CREATE FUNCTION count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM written';",
    )
    .await;
    let clean = platform.rows("state", "").await;
    // The server has to make JSON of what the procedure returns, on the session that cannot be cleaned.
    let (status, error) = platform.error("spoil", r#"[[1.5]]"#).await;
    assert_eq!((status, &error["error"]), (503, &"connection_failed".into()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("may have run"), "{error}");
    assert_eq!(platform.rows("state", "").await, clean);
    assert_eq!(platform.rows("count", "").await, r#"[{"count":1}]"#);
}

#[tokio::test]
async fn a_client_that_hangs_up_has_its_query_cancelled() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE FUNCTION nap() RETURNS int LANGUAGE plpgsql AS $$BEGIN SET TIME ZONE 'Asia/Tokyo'; PERFORM pg_sleep(60); RETURN 1; END$$;
         CREATE FUNCTION zone() RETURNS text LANGUAGE sql AS $$SELECT current_setting('TimeZone')$$;
         CREATE FUNCTION many() RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT generate_series(1, 100000000)';",
    )
    .await;
    let client = platform.client().await;
    let name = platform.address.name().as_str();
    let active = async || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND pid <> pg_backend_pid()";
        client.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0)
    };
    // While it runs.
    let request = format!(r#"{{"platform":"{}","function":"nap"}}"#, platform.name);
    let request = stonescriptdb_gateway::call::parse_request(request.as_bytes()).unwrap();
    let timing = stonescriptdb_gateway::call::Timing::default();
    let call = stonescriptdb_gateway::call::run(&platform.databases, &request, &RunAs::Gateway, &timing);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    let hung_up = Instant::now();
    eventually("the query is cancelled", async || active().await == 0).await;
    assert!(hung_up.elapsed() < Duration::from_secs(1), "{:?}", hung_up.elapsed());
    assert_eq!(platform.rows("zone", "").await, r#"[{"zone":"UTC"}]"#);
    // While its rows are on their way.
    let request = format!(r#"{{"platform":"{}","function":"many"}}"#, platform.name);
    let request = stonescriptdb_gateway::call::parse_request(request.as_bytes()).unwrap();
    let answer = stonescriptdb_gateway::call::run(
        &platform.databases,
        &request,
        &RunAs::Gateway,
        &stonescriptdb_gateway::call::Timing::default(),
    )
    .await
    .unwrap();
    assert_eq!(active().await, 1);
    drop(answer);
    let hung_up = Instant::now();
    eventually("the query is cancelled", async || active().await == 0).await;
    assert!(hung_up.elapsed() < Duration::from_secs(1), "{:?}", hung_up.elapsed());
    assert_eq!(platform.rows("zone", "").await, r#"[{"zone":"UTC"}]"#);
    assert!(platform.databases.health().await.total_connections <= 3);
}

#[tokio::test]
async fn what_a_cast_to_json_sets_behind_a_procedure_is_not_seen_either() {
    let platform = Platform::on(
        databases(&one_connection()),
        "CREATE FUNCTION own() RETURNS text LANGUAGE sql AS $$SELECT COALESCE(current_setting('app.user', true), '')$$;
         CREATE TYPE mood AS ENUM ('fine');
         CREATE FUNCTION in_json(given mood) RETURNS json LANGUAGE sql AS $$
             SELECT to_json(set_config('app.user', 'somebody', false))$$;
         CREATE CAST (mood AS json) WITH FUNCTION in_json(mood);
         CREATE PROCEDURE make(INOUT made mood) LANGUAGE plpgsql AS $$BEGIN made := 'fine'; END$$;",
    )
    .await;
    assert_eq!(platform.rows("own", "").await, r#"[{"own":""}]"#);
    assert_eq!(platform.rows("make", "[null]").await, r#"[{"made":"somebody"}]"#);
    assert_eq!(platform.rows("own", "").await, r#"[{"own":""}]"#);
}
