//! `DROP DATABASE` waits until every backend of the server has looked up. One that does not keeps no request waiting.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{BEFORE, Server, rows, value, wait};

/// Goes on in the end, whatever fails before.
struct Stopped(Pid);

impl Drop for Stopped {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGCONT).ok();
    }
}

const LEFT: &str = "SELECT datname FROM pg_database WHERE datname LIKE 'stonescriptdb-new-%'";

#[tokio::test]
async fn what_cannot_be_dropped_now_is_put_aside_and_dropped_later() {
    let server = Server::start().await;
    let admin = server.connect("postgres").await;
    let holder = server.connect("postgres").await;
    let pid: i32 = value(&holder, "SELECT pg_backend_pid()").await.parse().expect("a process id");
    let data = server.new_folder();
    let gateway = server.gateway_in(&data);
    gateway.ready(&[("tables/b.sql", "CREATE TABLE b (id int);")]).await;

    let stopped = Stopped(Pid::from_raw(pid));
    kill(stopped.0, Signal::SIGSTOP).expect("it is ours");
    // Its blueprint is made twice under one name: from the declaration, and by the migrations.
    let begin = Instant::now();
    let (status, body) =
        gateway.register(&[BEFORE[0], ("migrations/1.sql", "SELECT 1 / 0;")]).await.expect("an answer");
    assert_eq!(status, 409, "{body:#}");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    let left = rows(&admin, LEFT).await;
    assert_eq!(left.len(), 2, "{left:?}");
    for name in &left {
        let connected = server.postgres.connection().clone().dbname(name).connect(tokio_postgres::NoTls).await;
        assert!(connected.is_err(), "{name} is closed");
    }
    let begin = Instant::now();
    gateway.ready(BEFORE).await;
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());

    // Nobody has to sweep.
    drop(stopped);
    wait("they are dropped in the background", async || rows(&admin, LEFT).await.is_empty()).await;
}
