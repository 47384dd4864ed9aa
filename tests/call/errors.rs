//! What goes wrong, and as what the client sees it.

use std::time::{Duration, Instant};

use crate::support::*;

const FAILING: &str = "
    CREATE TABLE parent (id int PRIMARY KEY, n int NOT NULL CHECK (n > 0));
    CREATE TABLE late (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO parent VALUES (1, 1);
    CREATE FUNCTION fail(p_code text, p_message text DEFAULT 'no') RETURNS int LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '%', p_message USING ERRCODE = p_code, DETAIL = 'the detail', HINT = 'the hint'; END$$;
    CREATE FUNCTION plain() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'just so'; END$$;
    CREATE FUNCTION at_once() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'while planning'; END$$;
    CREATE FUNCTION cast_immutably(p text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN RETURN p::int; END$$;
    CREATE FUNCTION twice() RETURNS void LANGUAGE sql AS 'INSERT INTO parent VALUES (1, 1)';
    CREATE FUNCTION no_null() RETURNS void LANGUAGE sql AS 'INSERT INTO parent VALUES (2, NULL)';
    CREATE FUNCTION no_check() RETURNS void LANGUAGE sql AS 'INSERT INTO parent VALUES (2, 0)';
    CREATE FUNCTION at_commit() RETURNS SETOF int LANGUAGE sql AS 'INSERT INTO late VALUES (9) RETURNING id';
    CREATE FUNCTION divide(p int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1 / p; END$$;
    CREATE FUNCTION cast_inside(p text) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN p::int; END$$;
    CREATE FUNCTION missing() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN (SELECT x FROM nowhere); END$$;
    CREATE FUNCTION deny() RETURNS int LANGUAGE plpgsql AS $$BEGIN SET LOCAL ROLE nobody_here; RETURN (SELECT count(*) FROM parent); END$$;
    CREATE FUNCTION nap(p float8) RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(p); RETURN 1; END$$;
    CREATE FUNCTION asserts() RETURNS int LANGUAGE plpgsql AS $$BEGIN ASSERT false, 'asserted'; RETURN 1; END$$;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';";

#[tokio::test]
async fn a_connection_that_a_function_cannot_make_is_the_functions_error() {
    let platform = Platform::with(
        "CREATE EXTENSION dblink;
         CREATE FUNCTION remote() RETURNS int LANGUAGE sql AS $$
             SELECT n FROM dblink('host=/nowhere connect_timeout=2', 'SELECT 1') AS t (n int) $$;
         CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    )
    .await;
    for _ in 0..2 {
        let (status, body) = platform.error("remote", "").await;
        assert_eq!(
            (status, &body["error"], &body["sqlstate"]),
            (500, &"query_failed".into(), &"08001".into()),
            "{body}"
        );
        assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
    }
}

#[tokio::test]
async fn errors_of_a_function_have_the_contracts_status() {
    let platform = Platform::with(FAILING).await;
    let client = platform.client().await;
    let _ = client.batch_execute("CREATE ROLE nobody_here").await;
    for (function, params, status, sqlstate, cause) in [
        ("plain", "", 400, "P0001", "just so"),
        ("at_once", "", 400, "P0001", "while planning"),
        ("fail", r#"["P0001"]"#, 400, "P0001", "no"),
        ("fail", r#"["AB123"]"#, 400, "AB123", "no"),
        ("fail", r#"["22023"]"#, 400, "22023", "no"),
        ("fail", r#"["57014"]"#, 400, "57014", "no"),
        ("fail", r#"["57P01"]"#, 400, "57P01", "no"),
        ("fail", r#"["08006"]"#, 400, "08006", "no"),
        ("fail", r#"["0A000"]"#, 400, "0A000", "no"),
        ("fail", r#"["26000"]"#, 400, "26000", "no"),
        ("fail", r#"["23505"]"#, 409, "23505", "no"),
        ("fail", r#"["42501"]"#, 403, "42501", "no"),
        ("fail", r#"["53100"]"#, 400, "53100", "no"),
        ("fail", r#"["53200"]"#, 400, "53200", "no"),
        ("fail", r#"["53300"]"#, 400, "53300", "no"),
        ("fail", r#"["53400"]"#, 400, "53400", "no"),
        ("fail", r#"["PT402","pay first"]"#, 402, "PT402", "pay first"),
        ("fail", r#"["PT404"]"#, 404, "PT404", "no"),
        ("fail", r#"["PT503"]"#, 503, "PT503", "no"),
        ("fail", r#"["PT200"]"#, 400, "PT200", "no"),
        ("fail", r#"["PT999"]"#, 400, "PT999", "no"),
        ("twice", "", 409, "23505", "duplicate key value violates unique constraint \"parent_pkey\""),
        ("no_null", "", 409, "23502", "null value in column \"n\" of relation \"parent\" violates not-null constraint"),
        ("no_check", "", 409, "23514", "new row for relation \"parent\" violates check constraint \"parent_n_check\""),
        (
            "at_commit",
            "",
            409,
            "23503",
            "insert or update on table \"late\" violates foreign key constraint \"late_id_fkey\"",
        ),
        ("deny", "", 403, "42501", "permission denied for table parent"),
        ("divide", "[0]", 500, "22012", "division by zero"),
        ("cast_inside", "[\"x\"]", 500, "22P02", "invalid input syntax for type integer: \"x\""),
        ("cast_immutably", "[\"x\"]", 500, "22P02", "invalid input syntax for type integer: \"x\""),
        ("missing", "", 500, "42P01", "relation \"nowhere\" does not exist"),
        ("asserts", "", 500, "P0004", "asserted"),
    ] {
        for _ in 0..2 {
            let (found, body) = platform.error(function, params).await;
            assert_eq!(found, status, "{function} {params}: {body}");
            assert_eq!(body["error"], "query_failed", "{function} {params}: {body}");
            assert_eq!((body["sqlstate"].as_str(), body["cause"].as_str()), (Some(sqlstate), Some(cause)), "{body}");
            if function == "fail" {
                assert_eq!((&body["detail"], &body["hint"]), (&"the detail".into(), &"the hint".into()));
            }
            if status >= 500 {
                let message = body["message"].as_str().unwrap();
                assert!(!message.contains(cause) || cause == "no", "{message}");
            }
            // The connection is as good as before.
            assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
        }
    }
    assert_eq!(client.query_one("SELECT count(*) FROM late", &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn only_the_databases_own_functions_can_be_called() {
    let platform = Platform::with(
        "CREATE EXTENSION dblink; CREATE EXTENSION pgcrypto; CREATE SCHEMA app;
         CREATE FUNCTION app.inside() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION _stonescriptdb_gateway_own() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
         CREATE FUNCTION now() RETURNS text LANGUAGE sql AS $$SELECT 'mine'$$;",
    )
    .await;
    for function in [
        "nothing",
        "pg_read_file",
        "pg_catalog.pg_read_file",
        "query_to_xml",
        "pg_sleep",
        "pg_catalog.pg_sleep",
        "information_schema._pg_truetypid",
        "dblink",
        "public.dblink",
        "gen_salt",
        "_stonescriptdb_gateway_own",
        "public._stonescriptdb_gateway_own",
        "on_change",
        "on_event",
        "total",
        "inside",
        "app.nothing",
        "nowhere.inside",
        "pg_temp.x",
    ] {
        let (status, body) = platform.error(function, "[1]").await;
        assert_eq!((status, body["error"].as_str()), (404, Some("function_not_found")), "{function}: {body}");
        assert_eq!(body["database"], platform.address.name().as_str());
    }
    assert_eq!(platform.rows("app.inside", "").await, r#"[{"inside":1}]"#);
    assert_eq!(platform.rows("now", "").await, r#"[{"now":"mine"}]"#);
}

#[tokio::test]
async fn functions_are_found_along_the_databases_search_path() {
    let platform = Platform::with(
        "CREATE SCHEMA one; CREATE SCHEMA two;
         CREATE FUNCTION one.f() RETURNS text LANGUAGE sql AS $$SELECT 'one'$$;
         CREATE FUNCTION two.f() RETURNS text LANGUAGE sql AS $$SELECT 'two'$$;
         CREATE FUNCTION two.f(int) RETURNS text LANGUAGE sql AS $$SELECT 'two, int'$$;
         DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = one, two', current_database()); END$$;",
    )
    .await;
    assert_eq!(platform.rows("f", "").await, r#"[{"f":"one"}]"#);
    assert_eq!(platform.rows("f", "[1]").await, r#"[{"f":"two, int"}]"#);
    assert_eq!(platform.rows("two.f", "").await, r#"[{"f":"two"}]"#);
}

#[tokio::test]
async fn unknown_databases_and_names_that_cannot_be_are_refused() {
    let databases = databases(&wide_pools());
    let status = async |request: &str| {
        let error = stonescriptdb_gateway::error::ApiError::from(call(&databases, request).await.unwrap_err());
        (error.code.status(), error.code.code())
    };
    let platform = platform();
    let missing = format!(r#"{{"platform":"{platform}","function":"f"}}"#);
    assert_eq!(status(&missing).await, (404, "database_not_found"));
    let by_hand = main_of(&platform);
    databases.create_database(by_hand.name(), None, &stonescriptdb_gateway::databases::RunAs::Gateway).await.unwrap();
    assert_eq!(status(&missing).await, (404, "database_not_found"));
    for name in ["a b", "../x", "x; DROP DATABASE y", "é"] {
        let request = format!(r#"{{"platform":"{name}","function":"f"}}"#);
        assert_eq!(status(&request).await, (400, "invalid_request"), "{name}");
    }
    make(&databases, &tenant_of(&platform, "taken_main"), "").await;
    let other = format!(r#"{{"platform":"{platform}_taken","function":"f"}}"#);
    assert_eq!(status(&other).await, (403, "platform_isolation_violation"));
    let long = format!(r#"{{"platform":"{}","function":"f"}}"#, "x".repeat(60));
    assert_eq!(status(&long).await, (400, "invalid_request"));
}

#[tokio::test]
async fn a_call_over_its_time_limit_is_stopped() {
    let databases = databases_with(&wide_pools(), Duration::from_millis(500));
    let platform = Platform::on(databases, FAILING).await;
    let started = Instant::now();
    let (status, body) = platform.error("nap", "[30]").await;
    assert_eq!((status, body["error"].as_str()), (504, Some("query_timeout")), "{body}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(platform.rows("nap", "[0]").await, r#"[{"nap":1}]"#);
}

#[tokio::test]
async fn a_query_that_somebody_else_cancels_is_no_timeout() {
    let platform = Platform::with(FAILING).await;
    let client = platform.client().await;
    let name = platform.address.name().as_str();
    let cancel = async {
        eventually("the call runs", async || {
            let sql = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                       WHERE datname = $1 AND query LIKE '%nap%' AND state = 'active' AND wait_event = 'PgSleep'";
            client.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
    };
    let ((status, body), ()) = tokio::join!(platform.error("nap", "[30]"), cancel);
    assert_eq!((status, body["sqlstate"].as_str()), (500, Some("57014")), "{body}");
}

#[tokio::test]
async fn a_connection_that_breaks_during_a_call_is_told_and_the_call_not_repeated() {
    let sql = "CREATE TABLE runs (n int);
               CREATE EXTENSION dblink;
               CREATE FUNCTION nap() RETURNS int LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(30); RETURN 1; END$$;
               CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    let platform = Platform::with(sql).await;
    let client = platform.client().await;
    let name = platform.address.name().as_str();
    let terminate = async {
        eventually("the call runs", async || {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE datname = $1 AND state = 'active' AND wait_event = 'PgSleep'";
            client.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
    };
    let ((status, body), ()) = tokio::join!(platform.error("nap", ""), terminate);
    assert_eq!((status, body["error"].as_str()), (503, Some("connection_failed")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("may have run"), "{body}");
    assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
}

#[tokio::test]
async fn a_database_that_is_dropped_or_made_again_elsewhere_is_noticed() {
    let platform = Platform::with(FAILING).await;
    let elsewhere = databases(&wide_pools());
    assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
    elsewhere.drop_database(platform.address.name()).await.unwrap();
    let (status, body) = platform.error("one", "").await;
    assert_eq!((status, body["error"].as_str()), (404, Some("database_not_found")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("register it again"), "{body}");
    make(&elsewhere, &platform.address, "CREATE FUNCTION one() RETURNS text LANGUAGE sql AS $$SELECT 'new'$$").await;
    assert_eq!(platform.rows("one", "").await, r#"[{"one":"new"}]"#);
    // Both in between two calls.
    elsewhere.drop_database(platform.address.name()).await.unwrap();
    make(&elsewhere, &platform.address, FAILING).await;
    assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
}

#[tokio::test]
async fn a_text_of_megabytes_is_cut() {
    let raising = "CREATE FUNCTION shout() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '%', repeat('ä', 3000000) USING DETAIL = repeat('d', 3000000), HINT = repeat('h', 3000000); END $$;";
    let platform = Platform::with(raising).await;
    let (status, body) = platform.error("shout", "").await;
    assert_eq!(status, 400);
    for field in ["message", "cause", "detail", "hint"] {
        let text = body[field].as_str().unwrap();
        assert!(text.len() <= 64 * 1024 && text.contains("… (cut: "), "{field}: {} bytes", text.len());
    }
    assert!(body.to_string().len() < 300_000);
}
