//! The disk of the private PostgreSQL, on which its log of changes lies: no platform writes the last of it, and if somebody else
//! does, PostgreSQL comes up again by the reserve. Takes root, for a small file system under `DATA_DIR`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::disk::SmallDisk;
use crate::full::fill;
use crate::support::{Gateway, ask, client, post, upload, wait};

const MIB: u64 = 1 << 20;

/// A gateway with its own PostgreSQL on a disk of 450 MiB, of which 96 have to be free.
struct Stage {
    gateway: Gateway,
    disk: SmallDisk,
    folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whatever the test has stopped.
        self.gateway.signal(Signal::SIGCONT);
        self.gateway.finish();
    }
}

const BUNDLE: &[(&str, &str)] = &[
    ("tables/a.sql", "CREATE TABLE a (id int, words text);"),
    (
        "functions/write.sql",
        "CREATE FUNCTION write(n int) RETURNS void LANGUAGE sql AS
         'INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, n) i';
         CREATE FUNCTION clear() RETURNS void LANGUAGE sql AS 'TRUNCATE a';
         CREATE FUNCTION read() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM a';
         CREATE FUNCTION emit(n int) RETURNS void LANGUAGE plpgsql AS
         'BEGIN FOR i IN 1..n LOOP PERFORM pg_logical_emit_message(false, '''', repeat(''x'', 1000000)); END LOOP; END';
         CREATE FUNCTION nap(n int) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(n)';
         CREATE PROCEDURE goes_on() LANGUAGE plpgsql AS 'BEGIN COMMIT; INSERT INTO a VALUES (1); END';
         CREATE FUNCTION many(n int) RETURNS SETOF text LANGUAGE plpgsql STABLE AS
         'BEGIN FOR i IN 1..n LOOP RETURN NEXT repeat(md5(i::text), 30); END LOOP; END';
         CREATE FUNCTION tables(n int) RETURNS void LANGUAGE plpgsql AS
         'BEGIN FOR i IN 1..n LOOP EXECUTE ''CREATE TEMP TABLE t'' || i || '' (n int)''; END LOOP; END';
         CREATE FUNCTION spill(n int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM many(n)';",
    ),
];

impl Stage {
    async fn set() -> Option<Self> {
        Self::on(|path| SmallDisk::of_megabytes(450, path)).await
    }

    async fn on(disk: impl Fn(PathBuf) -> Option<SmallDisk>) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("gateway-room-").tempdir_in("/tmp").expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("our folder");
        let disk = disk(folder.path().join("data"))?;
        let gateway = Gateway::embedded(&disk.0, folder.path());
        let stage = Self { gateway, disk, folder };
        for platform in ["x", "y"] {
            let (status, body) = stage.register(platform).await;
            assert_eq!(status, 200, "{body:#}");
        }
        wait("a reserve", async || stage.reserve().exists()).await;
        Some(stage)
    }

    async fn register(&self, platform: &str) -> (u16, Value) {
        upload(&self.gateway, "/register", &[("platform", platform)], BUNDLE).await
    }

    async fn call(&self, platform: &str, function: &str, params: Value) -> (u16, Value) {
        post(&self.gateway, "/call", json!({"platform": platform, "function": function, "params": params})).await
    }

    /// So many clients, each of which calls so often: how many were answered with 200, and with 507.
    async fn at_once(self: &Arc<Self>, clients: u32, times: u32, function: &'static str, n: u32) -> [u32; 2] {
        let calling = (0..clients).map(|_| {
            let stage = self.clone();
            tokio::spawn(async move {
                let mut answers = [0, 0];
                for _ in 0..times {
                    let (status, body) = stage.call("x", function, json!([n])).await;
                    let at = [200, 507].iter().position(|one| *one == status);
                    answers[at.unwrap_or_else(|| panic!("{body:#}"))] += 1;
                }
                answers
            })
        });
        let mut all = [0, 0];
        for answers in calling.collect::<Vec<_>>() {
            let [done, full] = answers.await.expect("an answer each time");
            all = [all[0] + done, all[1] + full];
        }
        all
    }

    async fn health(&self) -> u16 {
        ask(client().get(format!("{}/health", self.gateway.url))).await.0
    }

    fn postmaster(&self) -> i32 {
        let text = std::fs::read_to_string(self.disk.0.join("postgres/postmaster.pid")).unwrap_or_default();
        text.lines().next().and_then(|pid| pid.parse().ok()).unwrap_or(0)
    }

    fn reserve(&self) -> PathBuf {
        self.disk.0.join(".postgres-reserve")
    }

    fn filler(&self) -> PathBuf {
        self.disk.0.join("filler")
    }

    /// Leaves so much free.
    fn leave(&self, bytes: u64) {
        let told = nix::sys::statvfs::statvfs(&self.disk.0).expect("it is mounted");
        let free = told.blocks_available() * told.fragment_size();
        let file = std::fs::File::create(self.filler()).expect("a file");
        let length = i64::try_from(free - bytes).expect("it is small");
        nix::fcntl::posix_fallocate(&file, 0, length).expect("there is room");
    }

    /// Leaves so many files that can be made.
    fn leave_files(&self, files: u64) {
        std::fs::create_dir_all(self.filler()).expect("a folder");
        let left = || nix::sys::statvfs::statvfs(&self.disk.0).expect("it is mounted").files_available();
        while left() > files {
            let number = left();
            std::fs::File::create(self.filler().join(number.to_string())).expect("there is one left");
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("our file");
    }

    async fn operator(&self, database: &str) -> Client {
        let password = std::fs::read_to_string(self.disk.0.join(".postgres-password")).expect("a password");
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.disk.0.join("postgres")).user("stonescriptdb").password(password).dbname(database);
        let (client, connection) = config.connect(NoTls).await.expect("it answers");
        tokio::spawn(connection);
        client
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.disk.0.join("postgres.log")).unwrap_or_default()
    }
}

/// Calls of another platform, one after the other, that read.
struct Others {
    done: Arc<AtomicBool>,
    calls: tokio::task::JoinHandle<u32>,
}

impl Others {
    fn begin(stage: &Arc<Stage>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (stage, ended) = (stage.clone(), done.clone());
        let calls = tokio::spawn(async move {
            let mut calls = 0;
            while !ended.load(Ordering::Relaxed) {
                let (status, body) = stage.call("y", "read", json!([])).await;
                assert_eq!(status, 200, "{body:#}");
                calls += 1;
            }
            calls
        });
        Self { done, calls }
    }

    async fn went_on(self, stage: &Stage, postmaster: i32) {
        self.done.store(true, Ordering::Relaxed);
        let calls = self.calls.await.expect("everybody else's calls go on");
        assert!(calls > 10, "{calls}");
        assert_eq!((stage.health().await, stage.postmaster()), (200, postmaster));
        assert!(!stage.log().contains("PANIC"), "{}", stage.log());
        assert!(stage.reserve().exists(), "nobody came near it");
    }
}

fn is_full((status, body): &(u16, Value)) {
    assert_eq!((*status, body["error"].as_str()), (507, Some("disk_full")), "{body:#}");
}

#[tokio::test]
async fn a_call_that_fills_the_disk_is_ended_and_takes_nobody_with_it() {
    let Some(stage) = Stage::set().await else { return };
    let stage = Arc::new(stage);
    let postmaster = stage.postmaster();
    let others = Others::begin(&stage);
    for _ in 0..3 {
        let full = stage.call("x", "write", json!([1_000_000])).await;
        is_full(&full);
        assert_eq!((stage.health().await, stage.postmaster()), (200, postmaster));
    }
    others.went_on(&stage, postmaster).await;

    // Who deletes something is not kept from it for long, and neither is who writes little.
    wait("a moment", async || stage.call("x", "clear", json!([])).await.0 == 200).await;
    wait("room", async || stage.register("x").await.0 == 200).await;

    // Deployments are ended just so, and say where they were.
    let mut next = BUNDLE.to_vec();
    next.push((
        "migrations/1.sql",
        "INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 1000000) i;",
    ));
    let answer = upload(&stage.gateway, "/register", &[("platform", "x")], &next).await;
    is_full(&answer);
    let place = (answer.1["file"].as_str(), answer.1["line"].as_u64(), answer.1["sqlstate"].as_str());
    assert_eq!(place, (Some("migrations/1.sql"), Some(1), Some("53100")), "{:#}", answer.1);
    assert_eq!(stage.postmaster(), postmaster);
    // Many at once, each of which writes little.
    wait("room", async || stage.call("x", "clear", json!([])).await.0 == 200 && stage.register("x").await.0 == 200)
        .await;
    let others = Others::begin(&stage);
    let answers = stage.at_once(8, 400, "write", 500).await;
    assert!(answers[0] > 0 && answers[1] > 0, "{answers:?}");
    others.went_on(&stage, postmaster).await;
    // It has had its turns.
    stage.operator("x_main").await.batch_execute("TRUNCATE a").await.expect("an operator may");
    wait("room", async || stage.register("x").await.0 == 200).await;

    // What does not fit into memory is written, too.
    let others = Others::begin(&stage);
    let answers = stage.at_once(4, 3, "spill", 1_000_000).await;
    assert_eq!(answers, [0, 12]);
    others.went_on(&stage, postmaster).await;
    wait("room", async || stage.register("x").await.0 == 200).await;

    stage.leave(70 * MIB);
    wait("no room", async || stage.register("x").await.0 == 507).await;
    is_full(&stage.register("z").await);
    for (function, params) in [("write", json!([1])), ("read", json!([])), ("clear", json!([]))] {
        let (status, body) = stage.call("x", function, params).await;
        assert_eq!(status, 200, "{function}: {body:#}");
    }
    stage.operator("postgres").await.batch_execute("DROP DATABASE x_main WITH (FORCE)").await.expect("an operator may");
    stage.make_room();
    wait("room", async || stage.register("z").await.0 == 200).await;
    assert_eq!((stage.call("y", "write", json!([1])).await.0, stage.postmaster()), (200, postmaster));
}

#[tokio::test]
async fn where_hardly_any_room_is_left_calls_read_and_who_deletes_something_may() {
    let Some(stage) = Stage::set().await else { return };
    let stage = Arc::new(stage);
    let postmaster = stage.postmaster();
    for platform in ["x", "y"] {
        assert_eq!(stage.call(platform, "write", json!([5000])).await.0, 200);
    }
    stage.operator("postgres").await.batch_execute("CHECKPOINT").await.expect("an operator may");
    // A file more or less of PostgreSQL's log, and it is still so.
    stage.leave(52 * MIB);
    wait("no room", async || stage.register("x").await.0 == 507).await;
    let others = Others::begin(&stage);
    // Many write a little: each platform has its turns, and no more.
    let [_, refused] = stage.at_once(4, 100, "write", 500).await;
    assert!(refused > 100, "{refused}");
    let (status, body) = stage.call("x", "spill", json!([10])).await;
    assert_eq!((status, &body["rows"][0]["spill"]), (200, &json!(10)), "{body:#}");
    others.went_on(&stage, postmaster).await;
    // What has its platform's turn keeps it; a procedure that could get out of reading only is not begun beside it.
    let napping = tokio::spawn({
        let stage = stage.clone();
        async move { stage.call("y", "nap", json!([2])).await.0 }
    });
    let client = stage.operator("postgres").await;
    let naps = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait("a nap", async || !client.query(naps, &[]).await.expect("an answer").is_empty()).await;
    is_full(&stage.call("y", "goes_on", json!([])).await);
    assert_eq!(napping.await.expect("an answer"), 200);
    wait("a turn", async || stage.call("y", "clear", json!([])).await.0 == 200).await;
    assert_eq!(stage.call("y", "read", json!([])).await.1["rows"][0]["read"], json!(0));
    stage.make_room();
    wait("room", async || stage.call("x", "goes_on", json!([])).await.0 == 200).await;
    // Nothing of that is left in a session.
    assert_eq!(stage.at_once(8, 5, "write", 1).await, [40, 0]);

    // The log itself is written to, faster than PostgreSQL cuts it: not at all, here.
    // A platform may write there only what is a change; what it would take for this the operator has opened here.
    let open = "GRANT EXECUTE ON FUNCTION pg_logical_emit_message(bool, text, text) TO PUBLIC;
                GRANT EXECUTE ON FUNCTION pg_logical_emit_message(bool, text, bytea) TO PUBLIC";
    let opened = stage.operator("x_main").await.batch_execute(open).await;
    opened.expect("an operator may");
    let checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let checkpointer = Pid::from_raw(client.query_one(checkpointer, &[]).await.expect("a row").get(0));
    kill(checkpointer, Signal::SIGSTOP).expect("it runs");
    let others = Others::begin(&stage);
    let answer = stage.call("x", "emit", json!([2000])).await;
    kill(checkpointer, Signal::SIGCONT).expect("it runs");
    is_full(&answer);
    others.went_on(&stage, postmaster).await;
}

#[tokio::test]
async fn a_disk_that_is_full_to_the_last_byte_does_not_keep_postgresql_from_coming_up() {
    let Some(stage) = Stage::set().await else { return };
    let postmaster = stage.postmaster();
    let (status, body) = stage.call("x", "write", json!([1000])).await;
    assert_eq!(status, 200, "{body:#}");
    // While nobody looks.
    stage.gateway.signal(Signal::SIGSTOP);
    kill(Pid::from_raw(postmaster), Signal::SIGKILL).expect("it runs");
    fill(&stage.filler());
    assert!(stage.reserve().exists());
    stage.gateway.signal(Signal::SIGCONT);
    wait("PostgreSQL", async || stage.health().await == 200).await;
    assert!(stage.postmaster() != postmaster && !stage.reserve().exists());
    is_full(&stage.register("x").await);
    stage.operator("postgres").await.batch_execute("DROP DATABASE x_main WITH (FORCE)").await.expect("an operator may");

    stage.make_room();
    wait("room", async || stage.register("x").await.0 == 200).await;
    wait("a reserve", async || stage.reserve().exists()).await;
    assert_eq!(stage.call("y", "write", json!([1])).await.0, 200);
    assert!(stage.folder.path().exists());
}

/// A file system can run out of files (inodes) while it has room.
#[tokio::test]
async fn a_disk_that_has_no_more_files_is_kept_from_that_and_comes_up_again_just_so() {
    // Of which a quarter has to be left.
    let Some(stage) = Stage::on(|path| SmallDisk::of_files(9000, path)).await else { return };
    let stage = Arc::new(stage);
    let files = stage.disk.0.join(".postgres-reserve.files");
    wait("a reserve", async || files.exists()).await;
    let postmaster = stage.postmaster();
    let others = Others::begin(&stage);
    for _ in 0..3 {
        is_full(&stage.call("x", "tables", json!([1_000_000])).await);
    }
    others.went_on(&stage, postmaster).await;
    wait("room", async || stage.register("x").await.0 == 200).await;

    stage.leave_files(1800);
    wait("no room", async || stage.register("x").await.0 == 507).await;
    let full = stage.register("z").await;
    is_full(&full);
    assert!(full.1["cause"].to_string().contains("inodes"), "{:#}", full.1);
    assert_eq!(stage.call("x", "write", json!([1])).await.0, 200);
    stage.leave_files(900);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let others = Others::begin(&stage);
    // Each platform has its turns.
    let [_, refused] = stage.at_once(4, 100, "write", 1).await;
    assert!(refused > 100, "{refused}");
    others.went_on(&stage, postmaster).await;

    // While nobody looks.
    stage.gateway.signal(Signal::SIGSTOP);
    kill(Pid::from_raw(postmaster), Signal::SIGKILL).expect("it runs");
    stage.leave_files(0);
    assert!(files.exists());
    stage.gateway.signal(Signal::SIGCONT);
    wait("PostgreSQL", async || stage.health().await == 200 && stage.postmaster() != postmaster).await;
    assert!(!files.exists());
    is_full(&stage.register("x").await);
    std::fs::remove_dir_all(stage.filler()).expect("our folder");
    wait("room", async || stage.register("x").await.0 == 200).await;
    wait("a reserve", async || files.exists()).await;
    assert_eq!(stage.call("y", "write", json!([1])).await.0, 200);
}
