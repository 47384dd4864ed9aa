//! Pools within one budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use stonescriptdb_gateway::call::{AnswerBody, Timing, parse_request, run};
use stonescriptdb_gateway::config::PoolConfig;
use stonescriptdb_gateway::databases::name::Address;
use stonescriptdb_gateway::databases::{CallConnection, DatabaseError, Databases, RunAs};
use tokio_postgres::Client;

use crate::server::{self, Server};
use crate::support::*;

fn start_on(server: &Server, pool: &PoolConfig) -> Databases {
    Databases::start(server.config.clone(), pool, Duration::from_secs(20), Duration::from_secs(5)).unwrap()
}

/// Server connections of the gateway, as PostgreSQL counts them.
async fn connections(client: &Client) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stonescriptdb-gateway%'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn tenants(databases: &Databases, platform: &str, count: usize) -> Vec<Address> {
    let addresses: Vec<_> = (0..count).map(|number| tenant_of(platform, &format!("t{number}"))).collect();
    for address in &addresses {
        databases.claim(address).await.unwrap();
        databases.create_database(address.name(), None, &RunAs::Gateway).await.unwrap();
    }
    addresses
}

/// The process that serves the connection.
async fn backend(connection: &mut CallConnection) -> i32 {
    let row = connection.query_row("SELECT pg_backend_pid()", &[]).await.unwrap();
    i32::from_be_bytes(row[0].as_deref().unwrap().try_into().unwrap())
}

async fn use_once(databases: &Databases, address: &Address, sql: &str) -> Result<(), DatabaseError> {
    let database = databases.resolve(address, &RunAs::Gateway).await?;
    let mut connection = databases.for_call(&database).await?;
    let row = connection.query_row("SELECT current_database()::text", &[]).await.unwrap();
    assert_eq!(row, [Some(address.name().as_str().as_bytes().to_vec())]);
    if !sql.is_empty() {
        connection.query_row(sql, &[]).await.unwrap();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_never_exceed_the_budget() {
    let server = server::start();
    let pool = PoolConfig { max_total_connections: 10, max_connections_per_pool: 3, ..wide_pools() };
    let databases = start_on(&server, &pool);
    let platform = platform();
    let addresses = Arc::new(tenants(&databases, &platform, 100).await);
    let client = connect_to(&server, "postgres").await;
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients = (0..24).map(|number| {
        let (databases, addresses) = (databases.clone(), addresses.clone());
        let (done, served) = (done.clone(), served.clone());
        tokio::spawn(async move {
            let mut next = number;
            while !done.load(Ordering::Relaxed) {
                next = (next * 7 + 3) % addresses.len();
                use_once(&databases, &addresses[next], "").await.unwrap();
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let end = Instant::now() + Duration::from_secs(3);
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(connections(&client).await);
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(most <= 10, "{most} connections");
    assert!(most >= 8, "the budget was not used: {most} connections");
    assert!(served.load(Ordering::Relaxed) > 100);
}

#[tokio::test]
async fn the_least_recently_used_pool_gives_way_first() {
    let server = server::start();
    let pool = PoolConfig { max_total_connections: 6, ..wide_pools() };
    let databases = start_on(&server, &pool);
    let platform = platform();
    let addresses = tenants(&databases, &platform, 6).await;
    let client = connect_to(&server, "postgres").await;
    let open = async || {
        let sql =
            "SELECT datname::text FROM pg_stat_activity WHERE application_name = 'stonescriptdb-gateway' ORDER BY 1";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    for address in &addresses[..4] {
        use_once(&databases, address, "").await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    use_once(&databases, &addresses[0], "").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let before = open().await;
    for address in &addresses[4..] {
        use_once(&databases, address, "").await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = open().await;
    let name = |number: usize| addresses[number].name().to_string();
    assert_eq!(before, [name(0), name(1), name(2), name(3)]);
    // The one used again stays; the two that were not used for the longest time go.
    assert!(after.contains(&name(0)) && after.contains(&name(4)) && after.contains(&name(5)), "{after:?}");
    assert!(!after.contains(&name(1)), "{after:?}");
}

/// PostgreSQL's own default of `max_connections` is half of `MAX_TOTAL_CONNECTIONS`'s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_less_room_than_the_budget_refuses_nobody_what_others_leave_idle() {
    let server = server::start_with(&["max_connections=20"]);
    let pool = PoolConfig { max_total_connections: 100, max_connections_per_pool: 100, ..wide_pools() };
    let databases = start_on(&server, &pool);
    let platform = platform();
    let addresses = tenants(&databases, &platform, 3).await;
    let flood = (0..40).map(|_| {
        let (databases, address) = (databases.clone(), addresses[0].clone());
        tokio::spawn(async move { use_once(&databases, &address, "SELECT pg_sleep(0.1)").await })
    });
    for call in flood.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let client = connect_to(&server, "postgres").await;
    assert!(connections(&client).await <= 10, "ten are left to others");
    use_once(&databases, &addresses[1], "").await.unwrap();

    // Programs of others have taken the rest: what is idle gives way.
    let mut others = Vec::new();
    while let Ok((client, connection)) = server.config.connect(tokio_postgres::NoTls).await {
        others.push((client, tokio::spawn(connection)));
    }
    assert!(others.len() >= 8, "{}", others.len());
    use_once(&databases, &addresses[2], "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_to_one_database_does_not_starve_another() {
    let server = server::start();
    let pool = PoolConfig {
        max_total_connections: 4,
        max_connections_per_pool: 4,
        wait_timeout: Duration::from_secs(30),
        ..wide_pools()
    };
    let databases = start_on(&server, &pool);
    let platform = platform();
    let addresses = tenants(&databases, &platform, 2).await;
    let done = Arc::new(AtomicBool::new(false));
    let flood = (0..40).map(|_| {
        let (databases, address, done) = (databases.clone(), addresses[0].clone(), done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                use_once(&databases, &address, "SELECT pg_sleep(0.05)").await.unwrap();
            }
        })
    });
    let flood: Vec<_> = flood.collect();
    eventually("the flood has begun", async || databases.health().await.total_connections >= 3).await;
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let started = Instant::now();
        use_once(&databases, &addresses[1], "").await.unwrap();
        longest = longest.max(started.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    for client in flood {
        client.await.unwrap();
    }
    // In the order of arrival alone it would wait for all forty, 40 * 50 ms / 2 connections.
    assert!(longest < Duration::from_millis(700), "{longest:?}");
}

#[tokio::test]
async fn who_waits_too_long_is_told_so() {
    let pool = PoolConfig { max_connections_per_pool: 1, wait_timeout: Duration::from_millis(100), ..wide_pools() };
    let databases = databases(&pool);
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let held = databases.for_call(&database).await.unwrap();
    let started = Instant::now();
    let error = databases.for_call(&database).await.map(drop).unwrap_err();
    assert!(matches!(error, DatabaseError::PoolExhausted { waited_ms: 100, .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(2));
    drop(held);
    drop(databases.for_call(&database).await.unwrap());
}

#[tokio::test]
async fn idle_and_old_connections_are_closed_and_idle_databases_forgotten() {
    let server = server::start();
    let pool = PoolConfig { idle_timeout: Duration::from_millis(500), ..wide_pools() };
    let databases = start_on(&server, &pool);
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    use_once(&databases, &address, "").await.unwrap();
    let client = connect_to(&server, "postgres").await;
    eventually("no connection is left", async || connections(&client).await == 0).await;
    assert_eq!(databases.health().await.active_pools, 1, "the health check's own");

    let pool = PoolConfig { max_lifetime: Duration::from_millis(300), ..wide_pools() };
    let databases = start_on(&server, &pool);
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let pid = async || backend(&mut databases.for_call(&database).await.unwrap()).await;
    let first = pid().await;
    assert_eq!(pid().await, first);
    let held = databases.for_call(&database).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    drop(held);
    assert_ne!(pid().await, first, "a connection over its lifetime came back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgresql_is_recovered_from() {
    let server = server::start();
    let databases = start_on(&server, &wide_pools());
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let held = (databases.for_call(&database).await.unwrap(), databases.for_call(&database).await.unwrap());
    drop(held);
    tokio::task::block_in_place(|| server.restart());
    for _ in 0..5 {
        use_once(&databases, &address, "").await.unwrap();
        assert!(databases.health().await.connected);
    }
}

#[tokio::test]
async fn terminated_backends_are_recovered_from() {
    let databases = databases(&wide_pools());
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let held = (databases.for_call(&database).await.unwrap(), databases.for_call(&database).await.unwrap());
    drop(held);
    let client = connect("postgres").await;
    client
        .execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1",
            &[&address.name().as_str()],
        )
        .await
        .unwrap();
    use_once(&databases, &address, "").await.unwrap();
}

#[tokio::test]
async fn health_does_not_count_a_connection_that_ended_while_nobody_used_it() {
    let functions = "CREATE FUNCTION writer() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
                     CREATE FUNCTION reader() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';";
    let platform = Platform::with(functions).await;
    let client = connect("postgres").await;
    for function in ["writer", "reader"] {
        platform.rows(function, "").await;
        let before = platform.databases.health().await.total_connections;
        let sql = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
        let ended: i64 = client.query_one(sql, &[&platform.address.name().as_str()]).await.unwrap().get(0);
        assert_eq!(ended, 1, "after {function}");
        eventually(&format!("the connection of {function} is not counted"), async || {
            platform.databases.health().await.total_connections == before - 1
        })
        .await;
    }
}

#[tokio::test]
async fn a_deployment_makes_connections_and_what_is_known_stale() {
    let databases = databases(&wide_pools());
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let mut held = databases.for_call(&database).await.unwrap();
    let mut idle = databases.for_call(&database).await.unwrap();
    let old = [backend(&mut held).await, backend(&mut idle).await];
    drop(idle);
    let known = database.derived::<std::sync::Mutex<u32>>();
    assert!(Arc::ptr_eq(&known, &database.derived()));
    databases.deployed(address.name());
    // The one in use ends its work, and then goes too.
    assert_eq!(backend(&mut held).await, old[0]);
    drop(held);
    assert!(!old.contains(&backend(&mut databases.for_call(&database).await.unwrap()).await));
    assert!(!Arc::ptr_eq(&known, &database.derived()));
}

#[tokio::test]
async fn sessions_have_their_own_settings_and_end_what_they_ran() {
    let databases = databases(&wide_pools());
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let session = databases.session(&RunAs::Gateway, address.name()).await.unwrap();
    let row = session
        .query_one(
            "SELECT current_setting('application_name'), current_setting('statement_timeout'),
                    current_setting('lock_timeout'), current_setting('TimeZone')",
            &[],
        )
        .await
        .unwrap();
    let shown: [String; 4] = std::array::from_fn(|column| row.get(column));
    assert_eq!(shown, ["stonescriptdb-gateway deployment", "0", "10s", "UTC"]);
    // Dropped in the middle of something: cancelled, not left to run on.
    let running = tokio::spawn(async move { session.batch_execute("SELECT pg_sleep(60)").await });
    let client = connect("postgres").await;
    let sleeping = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_sleep(60)%'";
        client.query_one(sql, &[&address.name().as_str()]).await.unwrap().get::<_, i64>(0)
    };
    eventually("it runs", async || sleeping().await == 1).await;
    running.abort();
    eventually("it is cancelled", async || sleeping().await == 0).await;
    // close() returns when nobody is connected: the database can be a template at once.
    let session = databases.session(&RunAs::Gateway, address.name()).await.unwrap();
    session.close().await;
    let copy = tenant_of(address.platform().given(), "copy");
    databases.create_database(copy.name(), Some(address.name()), &RunAs::Gateway).await.unwrap();
    let error = databases.create_database(copy.name(), Some(address.name()), &RunAs::Gateway).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Exists { .. }), "{error}");
    let error =
        databases.create_database(main_of(&platform()).name(), Some(main_of("gone").name()), &RunAs::Gateway).await;
    assert!(error.unwrap_err().is_missing_template());
}

#[tokio::test]
async fn a_postgres_that_is_away_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host_path(folder.path()).user("postgres").dbname("postgres");
    let second = Duration::from_secs(5);
    let databases = Databases::start(config, &wide_pools(), second, second).unwrap();
    let address = main_of(&platform());
    let error = databases.find(&address).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unreachable { .. }), "{error}");
    assert!(!databases.health().await.connected);
    std::os::unix::fs::symlink(postgres().folder.join(".s.PGSQL.5432"), folder.path().join(".s.PGSQL.5432")).unwrap();
    databases.find(&address).await.unwrap();
    assert!(databases.health().await.connected);
}

#[tokio::test]
async fn of_several_hosts_the_one_that_takes_writes_is_used() {
    let (dead, standby, primary) =
        (tempfile::tempdir().unwrap(), server::start_with(&["default_transaction_read_only=on"]), server::start());
    let mut config = tokio_postgres::Config::new();
    config.host_path(dead.path()).host_path(&standby.folder).host_path(&primary.folder).user("postgres");
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    let second = Duration::from_secs(5);
    let databases = Databases::start(config.clone(), &wide_pools(), second, second).unwrap();
    make(&databases, &main_of(&platform()), "").await;
    assert!(connections(&connect_to(&primary, "postgres").await).await > 0);
    assert_eq!(connections(&connect_to(&standby, "postgres").await).await, 0);

    let mut config = tokio_postgres::Config::new();
    config.host_path(dead.path()).host_path(&standby.folder).user("postgres");
    config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
    let databases = Databases::start(config, &wide_pools(), second, second).unwrap();
    let error = databases.find(&main_of(&platform())).await.unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
}

#[tokio::test]
async fn four_connections_are_enough_for_a_deployment() {
    let pool = PoolConfig { max_total_connections: 4, wait_timeout: Duration::from_secs(2), ..wide_pools() };
    let databases = databases(&pool);
    let address = main_of(&platform());
    let _lock = databases.lock(address.name()).await.unwrap();
    make(&databases, &address, "").await;
    let session = databases.session(&RunAs::Gateway, address.name()).await.unwrap();
    let _control = databases.control().await.unwrap();
    use_once(&databases, &address, "").await.unwrap();
    session.close().await;
}

#[tokio::test]
async fn close_waits_for_the_connections_and_lets_nobody_in() {
    let server = server::start();
    let databases = start_on(&server, &wide_pools());
    let address = main_of(&platform());
    make(&databases, &address, "").await;
    let database = databases.resolve(&address, &RunAs::Gateway).await.unwrap();
    let mut held = databases.for_call(&database).await.unwrap();
    let closing = tokio::spawn({
        let databases = databases.clone();
        async move { databases.close().await }
    });
    eventually("nobody gets in", async || databases.for_call(&database).await.is_err()).await;
    held.query_row("SELECT 1", &[]).await.unwrap();
    assert!(!closing.is_finished());
    drop(held);
    closing.await.unwrap();
    assert!(matches!(databases.find(&address).await, Err(DatabaseError::Closed)));
    assert_eq!(connections(&connect_to(&server, "postgres").await).await, 0);
}

#[tokio::test]
async fn one_platforms_sessions_leave_the_others_theirs() {
    let pool = PoolConfig { max_total_connections: 16, wait_timeout: Duration::from_millis(300), ..wide_pools() };
    let databases = databases(&pool);
    let (one, other) = (platform(), platform());
    let (its, others) = (main_of(&one), main_of(&other));
    for address in [&its, &others] {
        make(&databases, address, "").await;
    }
    let greedy = databases.on_behalf_of(&id(&one), pool.wait_timeout);
    // The same platform under another spelling has no share of its own.
    let again = databases.on_behalf_of(&id(&one.to_uppercase()), pool.wait_timeout);
    let mut held = Vec::new();
    for _ in 0..databases.session_share() {
        held.push(greedy.session(&RunAs::Gateway, its.name()).await.unwrap());
    }
    for databases in [&greedy, &again] {
        let refused = databases.session(&RunAs::Gateway, its.name()).await.map(drop).unwrap_err();
        assert!(matches!(refused, DatabaseError::PoolExhausted { waited_ms: 300, .. }), "{refused}");
    }
    let others_databases = databases.on_behalf_of(&id(&other), pool.wait_timeout);
    let begun = std::time::Instant::now();
    let session = others_databases.session(&RunAs::Gateway, others.name()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(250), "it did not wait for the others' sessions to end");
    session.close().await;
    held.pop().unwrap().close().await;
    greedy.session(&RunAs::Gateway, its.name()).await.unwrap().close().await;
}

/// Whoever reads his answers slowly keeps the memory of large ones: of his platform's half. What a procedure answers counts, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_platforms_large_answers_leave_the_others_their_half() {
    let sql = "CREATE FUNCTION large(mib int) RETURNS text LANGUAGE sql AS $$SELECT repeat('x', mib << 20)$$;
               CREATE PROCEDURE proceed(INOUT mib int, INOUT made text[]) LANGUAGE plpgsql AS $$
                   BEGIN made := ARRAY[repeat('x', mib << 20)]; END$$;";
    let databases = databases(&wide_pools());
    let (one, other) = (Platform::on(databases.clone(), sql).await, Platform::on(databases.clone(), sql).await);
    let answered = async |function: &str, params: &str| {
        let request = format!(r#"{{"platform":"{}","function":"{function}","params":[{params}]}}"#, one.name);
        let request = parse_request(request.as_bytes()).unwrap();
        let answer = run(&databases, &request, &RunAs::Gateway, &Timing::default()).await.unwrap();
        match answer.body {
            AnswerBody::Complete(bytes) => bytes,
            // Its first piece is there; nobody takes it.
            AnswerBody::Streamed(mut chunks) => chunks.next().await.unwrap().unwrap(),
        }
    };
    for (function, params) in [("large", "60"), ("proceed", "60, null")] {
        let held = [answered(function, params).await, answered(function, params).await];
        assert!(held.iter().all(|body| body.len() > 60 << 20), "{function}");
        let further = tokio::time::timeout(Duration::from_secs(2), answered("large", "10")).await;
        assert!(further.is_err(), "{function}: one platform has half");
        assert!(other.body("large", "[60]").await.is_ok(), "{function}: the other one has its own");
        drop(held);
        assert!(answered("large", "10").await.len() > 10 << 20, "{function}: what was let go is there again");
    }
}
