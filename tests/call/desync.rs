//! A connection that disturbs answers never mixes them up: each call gets its own rows, or an error.
//!
//! `DESYNC_CALLS` says how many, `DESYNC_SEED` repeats what a run has printed.

mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stonescriptdb_gateway::call::{AnswerBody, CallError, Timing, parse_request, run};
use stonescriptdb_gateway::config::PoolConfig;
use stonescriptdb_gateway::databases::{Databases, RunAs};
use tokio_postgres::config::Host;

use crate::support::*;

const CALLERS: u64 = 8;

/// Each answers with what it was asked; behind each is cleaned otherwise.
const ECHOES: &str = "
    CREATE TABLE noted (n bigint);
    CREATE FUNCTION echo(n bigint) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT n';
    CREATE FUNCTION own(n bigint) RETURNS text LANGUAGE sql STABLE AS $$SELECT set_config('app.n', n::text, true)$$;
    CREATE FUNCTION note(n bigint) RETURNS bigint LANGUAGE sql AS 'INSERT INTO noted VALUES (n) RETURNING n';
    CREATE FUNCTION text(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE r bigint; BEGIN EXECUTE 'SELECT $1' INTO r USING n; RETURN r; END$$;
    CREATE FUNCTION several(n bigint) RETURNS TABLE (n1 bigint, place int) LANGUAGE sql STABLE AS $$
        SELECT n, place FROM generate_series(1, 5) AS place$$;
    CREATE FUNCTION wide(n bigint) RETURNS text LANGUAGE sql STABLE AS $$SELECT repeat(n || ' ', 10000)$$;
    CREATE FUNCTION many(n bigint) RETURNS SETOF text LANGUAGE sql STABLE AS $$
        SELECT repeat(n || ' ', 300) FROM generate_series(1, 300)$$;
    CREATE PROCEDURE given(INOUT n bigint) LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END$$;
    CREATE FUNCTION fail(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN PERFORM set_config('app.n', n::text, false); RAISE EXCEPTION '%', n; END$$;
    CREATE FUNCTION nap(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(CASE WHEN n % 7 = 0 THEN 5 ELSE 0.002 END); RETURN n; END$$;
    CREATE FUNCTION seen() RETURNS text LANGUAGE sql STABLE AS $$SELECT coalesce(current_setting('app.n', true), '')$$;";

#[derive(Debug, Default)]
struct Counts {
    right: AtomicU64,
    errors: AtomicU64,
    hung_up: AtomicU64,
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disturbed_connection_never_mixes_answers_up() {
    let calls = from_environment("DESYNC_CALLS").unwrap_or(20_000);
    let seed = from_environment("DESYNC_SEED").unwrap_or_else(rand::random);
    println!("DESYNC_SEED={seed} DESYNC_CALLS={calls}");
    let server = postgres().config.clone();
    let Some(Host::Unix(socket)) = server.get_hosts().first() else { panic!("no socket") };
    let folder = tempfile::tempdir().unwrap();
    let port = server.get_ports().first().copied().unwrap_or(5432);
    let done = proxy::start(folder.path(), socket, port, seed);
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder.path()).port(port).user(server.get_user().unwrap()).dbname(server.get_dbname().unwrap());
    if let Some(password) = server.get_password() {
        config.password(password);
    }
    let pool = PoolConfig { max_connections_per_pool: 4, ..wide_pools() };
    let databases = Databases::start(config, &pool, Duration::from_millis(500), Duration::from_secs(10)).unwrap();
    let platform = Platform::on(databases, ECHOES).await;
    let (counts, began) = (Arc::new(Counts::default()), Instant::now());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (databases, name, counts) = (platform.databases.clone(), platform.name.clone(), counts.clone());
        let random = StdRng::seed_from_u64(seed.rotate_left(32) ^ caller);
        callers.spawn(call_and_compare(databases, name, counts, random, calls / CALLERS));
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    println!("{counts:?} {done:?} in {:?}", began.elapsed());
    assert!(counts.right.load(Ordering::Relaxed) > calls / 2, "most calls go through: {counts:?}");
    assert!(done.illegal.load(Ordering::Relaxed) > calls / 1000, "{done:?}");
    assert!(platform.databases.health().await.total_connections <= 12);
}

async fn call_and_compare(databases: Databases, platform: String, counts: Arc<Counts>, mut random: StdRng, calls: u64) {
    for _ in 0..calls {
        let n: i64 = random.random_range(1..1_000_000_000);
        let (function, rows) = match random.random_range(0..100) {
            0..30 => ("echo", format!(r#"{{"echo":{n}}}"#)),
            30..45 => ("own", format!(r#"{{"own":"{n}"}}"#)),
            45..65 => ("note", format!(r#"{{"note":{n}}}"#)),
            65..72 => ("text", format!(r#"{{"text":{n}}}"#)),
            72..84 => {
                let rows: Vec<_> = (1..=5).map(|place| format!(r#"{{"n1":{n},"place":{place}}}"#)).collect();
                ("several", rows.join(","))
            }
            84..90 => ("fail", String::new()),
            90 => ("nap", format!(r#"{{"nap":{n}}}"#)),
            91 => ("wide", format!(r#"{{"wide":"{}"}}"#, format!("{n} ").repeat(10_000))),
            // Too large to hold: it comes in parts, and some hang up in between.
            92 => ("many", vec![format!(r#"{{"many":"{}"}}"#, format!("{n} ").repeat(300)); 300].join(",")),
            93..95 => ("given", format!(r#"{{"n":{n}}}"#)),
            _ => ("seen", r#"{"seen":""}"#.to_owned()),
        };
        let params = if function == "seen" { String::new() } else { n.to_string() };
        let request = format!(r#"{{"platform":"{platform}","function":"{function}","params":[{params}]}}"#);
        let request = parse_request(request.as_bytes()).unwrap();
        let calling = async {
            match run(&databases, &request, &RunAs::Gateway, &Timing::default()).await?.body {
                AnswerBody::Complete(body) => Ok(Some(body.to_vec())),
                AnswerBody::Streamed(chunks) => {
                    Ok::<_, CallError>(chunks.map_ok(|part| part.to_vec()).try_concat().await.ok())
                }
            }
        };
        // Some hang up.
        let patience = match random.random_ratio(1, 40) {
            true => Duration::from_micros(random.random_range(0..3000)),
            false => Duration::from_secs(60),
        };
        match tokio::time::timeout(patience, calling).await {
            Err(_) => counts.hung_up.fetch_add(1, Ordering::Relaxed),
            // Cut in the middle, where nobody takes it for the whole.
            Ok(Ok(None)) => counts.errors.fetch_add(1, Ordering::Relaxed),
            Ok(Ok(Some(body))) => {
                let body = String::from_utf8(body).unwrap();
                let is_right = body.starts_with(&format!(r#"{{"rows":[{rows}],"#));
                assert!(is_right, "{function}({n}) was answered {}", body.get(..1000).unwrap_or(&body));
                counts.right.fetch_add(1, Ordering::Relaxed)
            }
            Ok(Err(error)) => {
                // An error of a function's own carries its question, too.
                let told = error.to_string();
                if function == "fail"
                    && told.starts_with("fail: ")
                    && told["fail: ".len()..].bytes().all(|b| b.is_ascii_digit())
                {
                    assert_eq!(told, format!("fail: {n}"));
                    counts.right.fetch_add(1, Ordering::Relaxed)
                } else {
                    counts.errors.fetch_add(1, Ordering::Relaxed)
                }
            }
        };
    }
}
