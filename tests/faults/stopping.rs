//! A gateway that is told to stop while it deploys, and nobody waits for the answer any more.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{Gateway, Server, register, tar_gz, wait};

/// Begins a deployment that takes so many seconds, and leaves it.
async fn begin_and_hang_up(server: &Server, gateway: &Gateway, seconds: u32) {
    let slow = format!("CREATE TABLE slow (id int); DO $$ BEGIN PERFORM pg_sleep({seconds}); END $$;");
    let archive = tar_gz(&[("migrations/001_slow.sql", &slow)]);
    let url = gateway.url.clone();
    let sending = tokio::spawn(async move { register(&url, archive).await });
    let admin = server.connect("postgres").await;
    wait("the statement runs", async || {
        let query = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()";
        !crate::support::rows(&admin, query).await.is_empty()
    })
    .await;
    sending.abort();
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("stonescriptdb-gateway.log")).expect("a log")
}

#[tokio::test]
async fn a_gateway_that_stops_lets_a_deployment_end_whose_client_is_gone() {
    let server = Server::start().await;
    let logs = server.new_folder();
    let mut gateway =
        server.gateway_with(&server.new_folder(), &[("LOG_DIR", logs.to_str().expect("a name in ASCII"))]);
    begin_and_hang_up(&server, &gateway, 3).await;
    tokio::task::spawn_blocking(move || gateway.finish()).await.expect("no panic");
    let log = log(&logs);
    assert!(log.contains("a deployment has ended") && !log.contains("a deployment is cut off"), "{log}");
    assert!(server.contents("x_main").await.iter().any(|line| line.contains("slow")), "{log}");
}

#[tokio::test]
async fn a_gateway_that_stops_says_which_deployment_it_cuts_off() {
    let server = Server::start().await;
    let logs = server.new_folder();
    let settings = [("LOG_DIR", logs.to_str().expect("a name in ASCII")), ("SHUTDOWN_TIMEOUT_SECS", "1")];
    let mut gateway = server.gateway_with(&server.new_folder(), &settings);
    begin_and_hang_up(&server, &gateway, 50).await;
    let begin = Instant::now();
    tokio::task::spawn_blocking(move || gateway.finish()).await.expect("no panic");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let log = log(&logs);
    let cut: Vec<_> = log.lines().filter(|line| line.contains("a deployment is cut off because")).collect();
    assert!(cut.len() == 1 && cut[0].contains("WARN") && cut[0].contains("x_main"), "{log}");
    server.wait_until_left_alone().await;
    assert!(!server.contents("x_main").await.iter().any(|line| line.contains("slow")), "{log}");
}
