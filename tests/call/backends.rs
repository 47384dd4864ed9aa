//! Backends that do not end when they are cancelled: each is terminated, and counted until it is gone.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use stonescriptdb_gateway::call::{AnswerBody, Timing, parse_request, run};
use stonescriptdb_gateway::config::PoolConfig;
use stonescriptdb_gateway::databases::Databases;
use stonescriptdb_gateway::databases::RunAs;
use tokio_postgres::Client;

use crate::server::{self, Server};
use crate::support::*;

/// Ways to stay when the query is cancelled and the client has gone.
const STAYING: &str = "
    CREATE FUNCTION stay() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false);
        LOOP BEGIN PERFORM pg_sleep(0.2); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    END $$;
    CREATE FUNCTION stay_busy() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false);
        PERFORM set_config('statement_timeout', '0', false);
        LOOP BEGIN LOOP END LOOP; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    END $$;
    CREATE PROCEDURE stay_committing() LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false);
        LOOP
            BEGIN PERFORM pg_sleep(0.2); EXCEPTION WHEN query_canceled THEN NULL; END;
            COMMIT;
        END LOOP;
    END $$;
    CREATE FUNCTION stay_again() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN
        LOOP BEGIN PERFORM pg_sleep(0.2); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    END $$;
    CREATE FUNCTION stay_streaming() RETURNS SETOF text LANGUAGE sql STABLE AS $$
        SELECT repeat('x', 1000) FROM generate_series(1, 1000) UNION ALL SELECT stay_again() $$;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';";

/// Backends of the gateway's that the budget has to count.
async fn counted(client: &Client) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stonescriptdb-gateway%'";
    usize::try_from(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)).unwrap()
}

/// Backends that are at work for a platform.
async fn staying(client: &Client, platform: &Platform) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = $1 AND state <> 'idle' AND application_name LIKE 'stonescriptdb-gateway%'";
    client.query_one(sql, &[&platform.address.name().as_str()]).await.unwrap().get(0)
}

async fn leaves_nothing(client: &Client, platform: &Platform) {
    let since = Instant::now();
    while staying(client, platform).await > 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "a backend stays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn start(server: &Server, pool: &PoolConfig) -> Databases {
    Databases::start(server.config.clone(), pool, Duration::from_secs(1), Duration::from_secs(5)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_calls_that_swallow_the_cancel_leave_no_backend_and_nobody_else_out() {
    let server = server::start();
    let pool = PoolConfig {
        max_connections_per_pool: 10,
        max_total_connections: 16,
        wait_timeout: Duration::from_secs(2),
        ..wide_pools()
    };
    let databases = start(&server, &pool);
    let attacker = Platform::on(databases.clone(), STAYING).await;
    let other = Platform::on(databases.clone(), STAYING).await;
    let client = connect_to(&server, "postgres").await;
    let request = format!(r#"{{"platform":"{}","function":"stay"}}"#, attacker.name);
    let calls: Vec<_> = (0..220)
        .map(|_| {
            let (databases, request) = (databases.clone(), request.clone());
            tokio::spawn(async move { call(&databases, &request).await.unwrap_err().to_string() })
        })
        .collect();
    eventually("it has begun", async || staying(&client, &attacker).await == 10).await;
    let (mut most, mut answered) = (0, 0);
    while calls.iter().any(|call| !call.is_finished()) {
        most = most.max(counted(&client).await);
        assert_eq!(other.rows("one", "").await, r#"[{"one":1}]"#);
        answered += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for call in calls {
        let told = call.await.unwrap();
        assert!(told.contains("was stopped") || told.contains("came free"), "{told}");
    }
    leaves_nothing(&client, &attacker).await;
    assert!(most <= 16 && answered > 10, "{most} backends, {answered} calls of somebody else");
    // A query on both takes a moment in which something may close.
    eventually("both count the same", async || databases.health().await.total_connections == counted(&client).await)
        .await;
    assert_eq!(attacker.rows("one", "").await, r#"[{"one":1}]"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_stay_ends_also_when_the_client_hangs_up() {
    let server = server::start();
    let databases = start(&server, &wide_pools());
    let platform = Platform::on(databases.clone(), STAYING).await;
    let client = connect_to(&server, "postgres").await;
    for function in ["stay", "stay_busy", "stay_committing", "stay_again"] {
        let request = format!(r#"{{"platform":"{}","function":"{function}"}}"#, platform.name);
        let told = call(&databases, &request).await.unwrap_err().to_string();
        assert!(told.contains("was stopped"), "{told}");
        leaves_nothing(&client, &platform).await;
        let hanging_up = {
            let databases = databases.clone();
            tokio::spawn(async move { call(&databases, &request).await.map(drop) })
        };
        eventually("it has begun", async || staying(&client, &platform).await > 0).await;
        hanging_up.abort();
        leaves_nothing(&client, &platform).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_falls_silent_ends_for_its_reader_too() {
    let server = server::start();
    let databases = start(&server, &wide_pools());
    let platform = Platform::on(databases.clone(), STAYING).await;
    let client = connect_to(&server, "postgres").await;
    let request = format!(r#"{{"platform":"{}","function":"stay_streaming"}}"#, platform.name);
    let answer = run(&databases, &parse_request(request.as_bytes()).unwrap(), &RunAs::Gateway, &Timing::default())
        .await
        .unwrap();
    let AnswerBody::Streamed(mut chunks) = answer.body else { panic!("not held") };
    let reading = async {
        let mut end = Ok(bytes::Bytes::new());
        while let Some(chunk) = chunks.next().await {
            end = chunk;
        }
        end
    };
    let end = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the reader is woken");
    assert!(end.is_err(), "the body ended as if it were whole");
    leaves_nothing(&client, &platform).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sessions_end_is_its_backends() {
    let server = server::start();
    let databases = start(&server, &wide_pools());
    let platform = Platform::on(databases.clone(), STAYING).await;
    let client = connect_to(&server, "postgres").await;
    for sql in [
        "SELECT public.stay()",
        "SELECT public.stay_busy()",
        "CALL public.stay_committing()",
        "SELECT pg_sleep(100000)",
    ] {
        let session = databases.session(&RunAs::Gateway, platform.address.name()).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(500), session.batch_execute(sql)).await;
        assert_eq!(staying(&client, &platform).await, 1, "{sql}");
        let since = Instant::now();
        session.end().await;
        assert_eq!(staying(&client, &platform).await, 0, "{sql}");
        assert!(since.elapsed() < Duration::from_secs(10), "{sql}: {:?}", since.elapsed());

        let session = databases.session(&RunAs::Gateway, platform.address.name()).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(500), session.batch_execute(sql)).await;
        assert_eq!(staying(&client, &platform).await, 1, "{sql}");
        drop(session);
        assert!(databases.health().await.total_connections >= counted(&client).await, "{sql}");
        leaves_nothing(&client, &platform).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_backend_stays_when_the_gateway_stops() {
    let server = server::start();
    let databases = start(&server, &wide_pools());
    let platform = Platform::on(databases.clone(), STAYING).await;
    let client = connect_to(&server, "postgres").await;
    let session = databases.session(&RunAs::Gateway, platform.address.name()).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(300), session.batch_execute("SELECT public.stay()")).await;
    // A deployment is let end, and its session held, for as long as a stop waits.
    databases.close().await;
    leaves_nothing(&client, &platform).await;
    drop(session);

    let databases = start(&server, &wide_pools());
    let session = databases.session(&RunAs::Gateway, platform.address.name()).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(300), session.batch_execute("SELECT public.stay()")).await;
    databases.abandon().await;
    leaves_nothing(&client, &platform).await;
}
