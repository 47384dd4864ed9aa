//! Whatever a function leaves in its session, the next call over the same connection does not see it: whether the gateway knows
//! the function or not, whether it is declared to have effects or not, and however the call ends.

use std::time::{Duration, Instant};

use stonescriptdb_gateway::config::PoolConfig;

use crate::support::*;

/// What is left, by which statements of PL/pgSQL, and what tells of it: an expression.
struct Case {
    what: &'static str,
    leave: &'static str,
    look: &'static str,
}

const fn case(what: &'static str, leave: &'static str, look: &'static str) -> Case {
    Case { what, leave, look }
}

const PREPARED: &str = "(SELECT count(*) FROM pg_prepared_statements WHERE from_sql)";

const CASES: [Case; 31] = [
    case("a prepared statement", "EXECUTE 'DEALLOCATE ALL'; EXECUTE 'PREPARE s9 AS SELECT 666';", PREPARED),
    case("one without dynamic SQL", "DEALLOCATE ALL; PREPARE s9 AS SELECT 666;", PREPARED),
    case(
        "the gateway's own, exchanged",
        "FOR old IN SELECT p.name FROM pg_prepared_statements AS p LOOP
             EXECUTE format('DEALLOCATE %I', old.name);
             EXECUTE format('PREPARE %I AS SELECT 666', old.name);
         END LOOP;",
        PREPARED,
    ),
    case("one made by a block", "DO 'BEGIN PREPARE s9 AS SELECT 666; END';", PREPARED),
    case("one made by a trigger", "INSERT INTO audited VALUES (1);", PREPARED),
    case("one made by a trigger behind a view", "INSERT INTO window_on_audited VALUES (1);", PREPARED),
    case("one made by a key's cascade", "INSERT INTO parent VALUES (1); DELETE FROM parent;", PREPARED),
    case("one made by a default", "INSERT INTO defaulted DEFAULT VALUES;", PREPARED),
    case("one made by a default of PostgreSQL's own", "INSERT INTO defaulted_by_text DEFAULT VALUES;", PREPARED),
    case("one made by a domain's default", "INSERT INTO defaulted_by_domain DEFAULT VALUES;", PREPARED),
    case("one made by a rule", "INSERT INTO ruled VALUES (1);", PREPARED),
    case(
        "one made by a function that is made on the way",
        "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS 'PREPARE s9 AS SELECT 666'; PERFORM pg_temp.f();",
        PREPARED,
    ),
    case(
        "one made by text that is a parameter",
        "PERFORM query_to_xml('SELECT prepares()', true, true, '');",
        PREPARED,
    ),
    case("a local setting of its own", "PERFORM set_config('app.who', 'a', true);", OWN),
    case("a setting of its own", "PERFORM set_config('app.who', 'a', false);", OWN),
    case("a setting", "SET TIME ZONE 'Asia/Tokyo';", "current_setting('TimeZone')"),
    case("another path", "SET search_path = pg_catalog;", "current_setting('search_path')"),
    case("a planner's choice", "SET plan_cache_mode = force_generic_plan;", "current_setting('plan_cache_mode')"),
    case(
        "what transactions are like",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;",
        "current_setting('default_transaction_read_only')",
    ),
    case("an encoding", "PERFORM set_config('client_encoding', 'LATIN1', false);", "U&'\\00e9'"),
    case("a local encoding", "PERFORM set_config('client_encoding', 'LATIN1', true);", "U&'\\00e9'"),
    case("a role", "SET ROLE pg_monitor;", "current_user"),
    case("another login", "SET SESSION AUTHORIZATION pg_monitor;", "session_user"),
    case("a temporary table", "CREATE TEMP TABLE scratch (x int);", "to_regclass('pg_temp.scratch')"),
    case(
        "a temporary function",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "to_regproc('pg_temp.f')",
    ),
    case("a temporary type", "CREATE TYPE pg_temp.mood AS ENUM ('a');", "to_regtype('pg_temp.mood')"),
    case(
        "a cursor",
        "EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 1';",
        "(SELECT count(*) FROM pg_cursors WHERE name = 'held')",
    ),
    case("a channel", "LISTEN events;", "(SELECT count(*) FROM pg_listening_channels())"),
    case(
        "a lock",
        "PERFORM pg_advisory_lock(7);",
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objid = 7)",
    ),
    case("a position in a sequence", "PERFORM nextval('counter');", "lasts()"),
    case("an open large object", "PERFORM lo_open(lo_create(0), 131072);", "reads_object()"),
];

const OWN: &str = "coalesce(current_setting('app.who', true), '')";

const SCHEMA: &str = "
    CREATE SEQUENCE counter;
    CREATE TABLE audited (x int);
    CREATE TABLE parent (x int PRIMARY KEY);
    CREATE TABLE child (x int REFERENCES parent ON DELETE CASCADE);
    CREATE VIEW window_on_audited AS SELECT * FROM audited;
    CREATE FUNCTION prepares() RETURNS int LANGUAGE plpgsql AS $$
        BEGIN IF NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 's9') THEN PREPARE s9 AS SELECT 666; END IF; RETURN 1; END$$;
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM prepares(); RETURN NEW; END$$;
    CREATE TRIGGER noted BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION beget() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO child VALUES (NEW.x); RETURN NULL; END$$;
    CREATE TRIGGER begets AFTER INSERT ON parent FOR EACH ROW EXECUTE FUNCTION beget();
    CREATE TRIGGER noted AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TABLE defaulted (x int DEFAULT prepares());
    CREATE TABLE defaulted_by_text (x text DEFAULT query_to_xml('SELECT prepares()', true, true, '')::text);
    CREATE DOMAIN prepared AS int DEFAULT prepares();
    CREATE TABLE defaulted_by_domain (x prepared);
    CREATE TABLE ruled (x int);
    CREATE RULE noting AS ON INSERT TO ruled DO ALSO SELECT prepares();
    CREATE FUNCTION lasts() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RETURN lastval(); EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END$$;
    CREATE FUNCTION reads_object() RETURNS text LANGUAGE plpgsql AS $$
        BEGIN RETURN lo_tell(0); EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END$$;
    CREATE FUNCTION simple() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM parent';";

/// Functions for a case: `leave`, and others that do the same in other ways.
fn functions(number: usize, case: &Case) -> String {
    let Case { leave, look, .. } = case;
    format!(
        "CREATE FUNCTION leave_{number}() RETURNS void LANGUAGE plpgsql AS $_$ DECLARE old record; BEGIN {leave} END$_$;
         CREATE FUNCTION stable_{number}() RETURNS void LANGUAGE plpgsql STABLE AS $_$ BEGIN PERFORM leave_{number}(); END$_$;
         CREATE FUNCTION fail_{number}() RETURNS void LANGUAGE plpgsql AS $_$
             BEGIN PERFORM leave_{number}(); RAISE EXCEPTION 'no'; END$_$;
         CREATE FUNCTION many_{number}() RETURNS SETOF text LANGUAGE plpgsql AS $_$
             BEGIN PERFORM leave_{number}(); RETURN QUERY SELECT repeat('x', 1000) FROM generate_series(1, 600); END$_$;
         CREATE PROCEDURE proceed_{number}(INOUT many numeric[]) LANGUAGE plpgsql AS $_$
             DECLARE old record; BEGIN {leave} COMMIT; {leave_again} END$_$;
         CREATE FUNCTION look_{number}() RETURNS text LANGUAGE sql AS $_$SELECT ({look})::text$_$;",
        // What can be made only once is made once.
        leave_again = if leave.starts_with("PERFORM") { leave } else { "" },
    )
}

/// Each leaves by itself; what it answers, if anything, is its own affair.
async fn leave(platform: &Platform, function: &str, params: &str) {
    if function.starts_with("fail") {
        platform.error(function, params).await;
        return;
    }
    // A procedure whose session cannot be cleaned says so: its values could not be written.
    let answer = platform.body(function, params).await;
    assert!(answer.is_ok() || function.starts_with("proceed"), "{function}: {answer:?}");
}

async fn nothing_is_seen(platform: &Platform, known: bool) {
    for (number, case) in CASES.iter().enumerate() {
        let look = format!("look_{number}");
        let clean = platform.rows(&look, "").await;
        for (function, params) in [
            ("leave", ""),
            ("stable", ""),
            ("fail", ""),
            ("many", ""),
            ("proceed", "[[1.5]]"),
            ("leave", ""),
            ("leave", ""),
        ] {
            leave(platform, &format!("{function}_{number}"), params).await;
            for _ in 0..2 {
                let seen = platform.rows(&look, "").await;
                assert_eq!(seen, clean, "{} left by {function} (known: {known})", case.what);
            }
        }
    }
}

async fn platform(schema: &str) -> Platform {
    Platform::on(databases(&PoolConfig { max_connections_per_pool: 1, ..wide_pools() }), schema).await
}

async fn call_a_lot(platform: &Platform) {
    for _ in 0..130 {
        platform.rows("simple", "").await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn whatever_a_function_leaves_the_next_does_not_see() {
    let cases: String = CASES.iter().enumerate().map(|(number, case)| functions(number, case)).collect();
    let platform = platform(&format!("{SCHEMA}{cases}")).await;
    nothing_is_seen(&platform, false).await;
    call_a_lot(&platform).await;
    nothing_is_seen(&platform, true).await;
}

#[tokio::test]
async fn a_seed_is_of_one_call() {
    let platform = platform(
        "CREATE FUNCTION simple() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
         CREATE FUNCTION sow() RETURNS void LANGUAGE sql AS 'SELECT setseed(0.5)';
         CREATE FUNCTION sow_quietly() RETURNS void LANGUAGE sql STABLE AS 'SELECT setseed(0.5)';
         CREATE FUNCTION sow_and_fail() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM setseed(0.5); RAISE EXCEPTION 'no'; END$$;
         CREATE FUNCTION reap() RETURNS float8 LANGUAGE sql AS 'SELECT random()';",
    )
    .await;
    for known in [false, true] {
        for function in ["sow", "sow_quietly", "sow_and_fail"] {
            let mut reaped = std::collections::HashSet::new();
            for _ in 0..5 {
                drop(platform.body(function, "").await);
                assert!(reaped.insert(platform.rows("reap", "").await), "{function} (known: {known})");
            }
        }
        call_a_lot(&platform).await;
    }
}

#[tokio::test]
async fn rows_in_another_encoding_are_an_error_and_never_bytes_that_are_no_text() {
    let text = "U&'caf\\00e9'";
    let platform = platform(&format!(
        "CREATE FUNCTION ascii() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RETURN 'plain'; END$$;
         CREATE FUNCTION session() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RETURN {text}; END$$;
         CREATE FUNCTION twice() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config('client_encoding', 'LATIN1', false); RETURN U&'\\00c3\\00a9'; END$$;
         CREATE FUNCTION local() RETURNS json LANGUAGE plpgsql AS $$
             BEGIN PERFORM set_config('client_encoding', 'LATIN1', true); RETURN to_json({text}::text); END$$;
         CREATE FUNCTION stable() RETURNS TABLE (words text[]) LANGUAGE sql STABLE AS $$
             SELECT ARRAY[{text}, set_config('client_encoding', 'SJIS', false)]$$;
         CREATE FUNCTION whole() RETURNS text LANGUAGE sql STABLE AS $$SELECT {text}$$;"
    ))
    .await;
    for _ in 0..3 {
        assert_eq!(platform.rows("ascii", "").await, r#"[{"ascii":"plain"}]"#);
        for function in ["session", "twice", "local"] {
            let (status, error) = platform.error(function, "").await;
            assert_eq!((status, &error["error"]), (500, &"query_failed".into()), "{function}: {error}");
            assert!(error["message"].as_str().unwrap().contains("client_encoding"), "{error}");
            assert_eq!(platform.rows("whole", "").await, r#"[{"whole":"café"}]"#, "after {function}");
        }
        drop(platform.body("stable", "").await);
        assert_eq!(platform.rows("whole", "").await, r#"[{"whole":"café"}]"#, "after stable");
    }
}

#[tokio::test]
async fn what_an_extension_keeps_in_c_goes_with_its_session_and_only_with_that() {
    let platform = platform(
        "CREATE EXTENSION dblink;
         CREATE TABLE item (id int);
         INSERT INTO item VALUES (1);
         CREATE FUNCTION simple() RETURNS int LANGUAGE sql STABLE AS 'SELECT id FROM item';
         CREATE FUNCTION add() RETURNS int LANGUAGE sql AS 'INSERT INTO item VALUES (2) RETURNING pg_backend_pid()';
         CREATE FUNCTION own() RETURNS int LANGUAGE sql STABLE AS $$
             SELECT pg_backend_pid() WHERE set_config('app.who', 'a', true) = 'a'$$;
         CREATE FUNCTION connect(given text) RETURNS text LANGUAGE sql AS $$SELECT dblink_connect('held', given)$$;
         CREATE FUNCTION connect_by_text(given text) RETURNS text LANGUAGE plpgsql AS $$
             DECLARE made text; BEGIN EXECUTE 'SELECT dblink_conn' || 'ect($1, $2)' INTO made USING 'held', given; RETURN made; END$$;
         CREATE FUNCTION connect_stably(given text) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN connect(given); END$$;
         CREATE PROCEDURE connect_and_proceed(INOUT given text) LANGUAGE plpgsql AS $$BEGIN given := connect(given); COMMIT; END$$;
         CREATE FUNCTION held() RETURNS int LANGUAGE sql AS 'SELECT coalesce(array_length(dblink_get_connections(), 1), 0)';",
    )
    .await;
    let config = &postgres().config;
    let folder = match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Unix(folder)) => folder.display().to_string(),
        _ => "127.0.0.1".to_owned(),
    };
    let to = format!(
        "host={folder} port={} dbname={} user={} password={} application_name=dblinked",
        config.get_ports().first().unwrap_or(&5432),
        platform.address.name(),
        config.get_user().unwrap(),
        String::from_utf8_lossy(config.get_password().unwrap_or(b"none")),
    );
    let params = serde_json::json!([to]).to_string();
    for known in [false, true] {
        for function in ["connect", "connect_by_text", "connect_stably", "connect_and_proceed"] {
            for _ in 0..3 {
                assert!(platform.rows(function, &params).await.contains("OK"));
                assert_eq!(platform.rows("held", "").await, r#"[{"held":0}]"#, "{function} (known: {known})");
            }
        }
        call_a_lot(&platform).await;
    }
    let client = platform.client().await;
    let dblinked =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dblinked' AND datname = current_database()";
    eventually("no connection is held", async || client.query_one(dblinked, &[]).await.unwrap().get::<_, i64>(0) == 0)
        .await;
    // What cannot come to it keeps its session, once it is known. On a busy machine that takes a while.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        platform.rows("simple", "").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let pid = platform.rows("add", "").await;
        if platform.rows("own", "").await.replace("own", "add") == pid && platform.rows("add", "").await == pid {
            break;
        }
        assert!(Instant::now() < deadline, "sessions of others do not stay");
    }
}

/// Nobody names what the materialized view's query does.
#[tokio::test]
async fn what_refreshing_a_materialized_view_does_counts() {
    let platform = platform(
        "CREATE EXTENSION file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE elsewhere (x text) SERVER files OPTIONS (filename '/dev/null');
         CREATE FUNCTION looks() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM elsewhere); END';
         CREATE MATERIALIZED VIEW kept AS SELECT looks();
         CREATE MATERIALIZED VIEW plain AS SELECT 1;
         CREATE FUNCTION simple() RETURNS int LANGUAGE plpgsql AS $$
             BEGIN REFRESH MATERIALIZED VIEW plain; RETURN pg_backend_pid(); END$$;
         CREATE FUNCTION refreshes() RETURNS int LANGUAGE plpgsql AS $$
             BEGIN REFRESH MATERIALIZED VIEW kept; RETURN pg_backend_pid(); END$$;",
    )
    .await;
    eventually("a session stays behind what is known to keep nothing", async || {
        call_a_lot(&platform).await;
        platform.rows("simple", "").await == platform.rows("simple", "").await
    })
    .await;
    for _ in 0..3 {
        let pid = platform.rows("refreshes", "").await.replace("refreshes", "simple");
        assert_ne!(platform.rows("simple", "").await, pid);
    }
}

#[tokio::test]
async fn a_table_elsewhere_keeps_its_connection_no_longer_than_the_call() {
    let platform = platform(
        "CREATE EXTENSION file_fdw;
         CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
         CREATE FUNCTION simple() RETURNS int LANGUAGE sql STABLE AS 'SELECT pg_backend_pid()';
         CREATE FOREIGN TABLE elsewhere (x text) SERVER files OPTIONS (filename '/dev/null');
         CREATE VIEW window_on_it AS SELECT * FROM elsewhere;
         CREATE FUNCTION reads() RETURNS TABLE (pid int) LANGUAGE sql STABLE AS $$
             SELECT pg_backend_pid() FROM (SELECT count(*) FROM window_on_it) AS x$$;",
    )
    .await;
    call_a_lot(&platform).await;
    for _ in 0..3 {
        let pid = platform.rows("reads", "").await;
        assert_ne!(platform.rows("reads", "").await, pid);
        assert_ne!(platform.rows("simple", "").await.replace("simple", "pid"), pid);
    }
}
