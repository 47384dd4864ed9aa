//! `DROP DATABASE` before a real server.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::config::PoolConfig;
use crate::databases::RunAs;
use crate::embedded::{self, EmbeddedOptions, EmbeddedPostgres};

const LEFT: &str =
    "SELECT datname::text FROM pg_catalog.pg_database WHERE datname = 'theirs' OR datname LIKE 'stonescriptdb-new-%'";

/// A server of the test's own, and the database `theirs` in it.
struct Stage {
    server: EmbeddedPostgres,
    databases: Databases,
    name: DatabaseName,
    _folder: TempDir,
}

impl Stage {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("ssdb-drop-").tempdir_in("/tmp").expect("a folder");
        // PostgreSQL may run as another user.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("our folder");
        let server = embedded::start(EmbeddedOptions {
            bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
            die_with_parent: true,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..EmbeddedOptions::new(folder.path().join("server"))
        });
        let server = server.await.expect("a server");
        let minute = Duration::from_secs(60);
        let pool = PoolConfig {
            max_connections_per_pool: 5,
            max_total_connections: 20,
            idle_timeout: minute,
            max_lifetime: minute,
            wait_timeout: minute,
        };
        let databases =
            Databases::start(server.connection().clone(), &pool, minute, minute).expect("no setting is bad");
        let name = DatabaseName::recorded("theirs".to_owned());
        databases.create_database(&name, None, &RunAs::Gateway).await.expect("it is made");
        Self { server, databases, name, _folder: folder }
    }

    async fn connect(&self, database: &str) -> Client {
        let mut config = self.server.connection().clone();
        let (client, connection) = config.dbname(database).connect(NoTls).await.expect("it answers");
        tokio::spawn(connection);
        client
    }

    async fn left(&self) -> Vec<String> {
        let control = self.databases.control().await.expect("a connection");
        control.query(LEFT, &[]).await.expect("an answer").iter().map(|row| row.get(0)).collect()
    }

    async fn end(self) {
        self.databases.close().await;
        self.server.stop().await.expect("it stops");
    }
}

/// A process that hears nothing, until it is dropped.
struct Stopped(Pid);

impl Stopped {
    async fn session(client: &Client) -> Self {
        let row = client.query_one("SELECT pg_catalog.pg_backend_pid()", &[]).await.expect("an answer");
        let stopped = Self(Pid::from_raw(row.get(0)));
        kill(stopped.0, Signal::SIGSTOP).expect("it is ours");
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).ok();
    }
}

/// Who waited behind other statements about databases was not kept waiting by PostgreSQL.
#[tokio::test]
async fn the_seconds_of_a_drop_begin_with_its_turn() {
    let stage = Stage::set(&[]).await;
    let turns = [
        stage.databases.admit_statement().await.expect("a turn"),
        stage.databases.admit_statement().await.expect("a turn"),
    ];
    let dropping = tokio::spawn({
        let (databases, name) = (stage.databases.clone(), stage.name.clone());
        async move { databases.drop_database(&name).await }
    });
    tokio::time::sleep(2 * DROP_PATIENCE + Duration::from_secs(1)).await;
    assert!(!dropping.is_finished(), "it waits for its turn");
    drop(turns);
    dropping.await.expect("no panic").expect("it is dropped");
    assert!(stage.left().await.is_empty(), "it was put aside");
    stage.end().await;
}

/// A template is refused at first, and dropped by a second statement, which may be held up like the first.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_up_is_put_aside_also_a_template_and_dropped_as_soon_as_it_can_be() {
    for is_template in [false, true] {
        let stage = Stage::set(&[]).await;
        let holder = stage.connect("postgres").await;
        if is_template {
            holder.batch_execute("ALTER DATABASE theirs IS_TEMPLATE true").await.expect("an owner may");
        }
        let stopped = Stopped::session(&holder).await;
        let since = Instant::now();
        stage.databases.drop_database(&stage.name).await.expect("it is put aside");
        assert!(since.elapsed() < 3 * DROP_PATIENCE, "{:?}", since.elapsed());
        let left = stage.left().await;
        assert!(left.len() == 1 && left[0] != "theirs", "{left:?}");
        // In the background it takes no turn of a deployment's.
        let mut turns = Vec::new();
        for _ in 0..2 {
            let turn = tokio::time::timeout(Duration::from_secs(1), stage.databases.admit_statement()).await;
            turns.push(turn.expect("it is free").expect("a turn"));
        }
        drop(stopped);
        let since = Instant::now();
        while !stage.left().await.is_empty() {
            assert!(since.elapsed() < Duration::from_secs(20), "it stays");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        drop(turns);
        holder.batch_execute("SELECT 1").await.expect("nobody was ended");
        stage.end().await;
    }
}

/// While two drop in the background, and one of them is held up, everybody else gets his statements.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_keeps_no_statement_about_a_database_waiting() {
    let stage = Stage::set(&[]).await;
    let holder = stage.connect("postgres").await;
    let names = ["stonescriptdb-new-1", "stonescriptdb-new-2", "stonescriptdb-new-3", "stonescriptdb-new-4"];
    for name in names {
        holder.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await.expect("a superuser may");
    }
    let stopped = Stopped::session(&holder).await;
    for name in names {
        let databases = stage.databases.clone();
        let name = DatabaseName::recorded(name.to_owned());
        tokio::spawn(async move { databases.drop_left_behind(&name).await });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let another = DatabaseName::recorded("another".to_owned());
    let made = stage.databases.create_database(&another, None, &RunAs::Gateway);
    tokio::time::timeout(Duration::from_secs(10), made).await.expect("at once").expect("it is made");
    drop(stopped);
    stage.end().await;
}

/// Sleeps, and looks up all the time: autovacuum calls it for the index.
const SLOW: &str = "
    CREATE FUNCTION rests() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF session_user <> current_user THEN PERFORM pg_sleep(1000); END IF; RETURN 1; END $$;
    CREATE FUNCTION rest(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN public.rests(); END';
    CREATE TABLE bait (a int) WITH (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0);
    CREATE INDEX ON bait ((public.rest(a)));
    INSERT INTO bait SELECT generate_series(1, 100)";

/// The process of a worker of autovacuum that calls a function of `busy`, which is made for that with `code`.
async fn worker(stage: &Stage, code: &str, is_busy: &str) -> i32 {
    let superuser = stage.connect("postgres").await;
    for sql in ["CREATE ROLE platform LOGIN PASSWORD 'p'", "CREATE DATABASE busy OWNER platform"] {
        superuser.batch_execute(sql).await.expect("a superuser may");
    }
    let mut theirs = stage.server.connection().clone();
    theirs.user("platform").password("p").dbname("busy");
    let (theirs, connection) = theirs.connect(NoTls).await.expect("it answers");
    tokio::spawn(connection);
    theirs.batch_execute(code).await.expect("an owner may");
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(60), "no worker came");
        if let Some(worker) = superuser.query_opt(is_busy, &[]).await.expect("an answer") {
            return worker.get(0);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// PostgreSQL's scanner reads the rest of a row of signs again at each sign, for hours here, and looks at nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn before_a_server_that_is_not_the_gateways_own_the_operator_is_asked_to_end_it() {
    const BUSY: &str = "SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'autovacuum worker'
                        AND datname = 'busy' AND backend_start < now() - interval '2 s'";
    let stage = Stage::set(&[("autovacuum_naptime", "1s")]).await;
    let deaf =
        SLOW.replace("PERFORM pg_sleep(1000)", "EXECUTE repeat('/*', 4000000) || repeat('*/', 4000000) || ' select 1'");
    let worker = worker(&stage, &deaf, BUSY).await;
    stage.databases.drop_database(&stage.name).await.expect("it is put aside");
    let (since, terminator) = (Instant::now(), &stage.databases.pools.server.terminator);
    while !terminator.has_left(worker) {
        assert!(since.elapsed() < Duration::from_secs(90), "nobody is asked");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(since.elapsed() > Duration::from_secs(30), "it had no time to end");
    let superuser = stage.connect("postgres").await;
    let still = superuser.query_opt(BUSY, &[]).await.expect("an answer").map(|row| row.get::<_, i32>(0));
    assert_eq!(still, Some(worker), "it was not ended");
    kill(Pid::from_raw(worker), Signal::SIGQUIT).expect("as the log says");
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(60), "what was put aside stays");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Ok(control) = stage.databases.control().await else { continue };
        if control.query(LEFT, &[]).await.is_ok_and(|left| left.is_empty()) {
            break;
        }
    }
    stage.end().await;
}

/// Nobody drops anything, but one platform has all workers of autovacuum, and they are deaf.
#[tokio::test(flavor = "multi_thread")]
async fn where_all_workers_of_autovacuum_are_busy_those_that_never_look_up_go() {
    const BUSY: &str = "SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'autovacuum worker'
                        AND datname = 'busy' AND backend_start < now() - interval '2 s'";
    let stage = Stage::set(&[("autovacuum_naptime", "1s"), ("autovacuum_max_workers", "1")]).await;
    stage.databases.own_server();
    assert!(!stage.databases.ask_busy_workers(Duration::from_secs(1)).await.expect("an answer"));
    let deaf =
        SLOW.replace("PERFORM pg_sleep(1000)", "EXECUTE repeat('/*', 4000000) || repeat('*/', 4000000) || ' select 1'");
    let worker = worker(&stage, &deaf, BUSY).await;
    assert!(stage.databases.ask_busy_workers(Duration::from_secs(1)).await.expect("an answer"));
    let since = Instant::now();
    while kill(Pid::from_raw(worker), None).is_ok() {
        assert!(since.elapsed() < Duration::from_secs(90), "it stays");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(since.elapsed() > Duration::from_secs(30), "it had no time to end");
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(60), "what was made for asking stays");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let Ok(control) = stage.databases.control().await else { continue };
        if control.query(LEFT, &[]).await.is_ok_and(|left| left.len() == 1) {
            break;
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_autovacuum_that_only_takes_long_is_left_alone_by_a_drop_that_waits_for_another() {
    const WORKER: &str = "SELECT pid FROM pg_catalog.pg_stat_activity
                          WHERE backend_type = 'autovacuum worker' AND datname = 'busy' AND wait_event = 'PgSleep'";
    let stage = Stage::set(&[("autovacuum_naptime", "1s")]).await;
    stage.databases.own_server();
    let worker = worker(&stage, SLOW, WORKER).await;
    let superuser = stage.connect("postgres").await;
    let holder = stage.connect("postgres").await;
    let stopped = Stopped::session(&holder).await;
    stage.databases.drop_database(&stage.name).await.expect("it is put aside");
    // The drop in the background has heard for whom it waits by then, twice.
    tokio::time::sleep(Duration::from_secs(13)).await;
    let still = superuser.query_opt(WORKER, &[]).await.expect("an answer").map(|row| row.get::<_, i32>(0));
    assert_eq!(still, Some(worker), "it is the same");
    assert!(stage.databases.pools.server.terminator.has_heard_of(stopped.0.as_raw()), "who it waits for is known");
    drop(stopped);
    stage.end().await;
}
