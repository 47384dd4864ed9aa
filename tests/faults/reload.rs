//! Limits that change while the gateway runs, as `systemctl reload` has them changed.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Server, post, wait};

const SLEEPS: &[(&str, &str)] = &[(
    "functions/nap.sql",
    "CREATE FUNCTION nap() RETURNS text LANGUAGE sql AS 'SELECT current_setting(''statement_timeout'') FROM pg_sleep(1.5)';",
)];

/// A terminal that closes sends the same signal, and then the gateway stops; under `nohup` it hears nothing.
fn is_no_request() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    if ignored.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 == 1) {
        return true;
    }
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(4)) != Some("0")
}

#[tokio::test]
async fn another_time_limit_counts_for_connections_that_are_open_too() {
    if is_no_request() {
        return;
    }
    let server = Server::start().await;
    let file = server.folder.path().join("settings");
    fs::write(&file, "CALL_TIMEOUT_SECS=30\n").expect("our folder");
    let gateway = server.gateway_with(
        &server.new_folder(),
        &[("ENV_FILE", file.to_str().expect("a name in ASCII")), ("RUST_LOG", "warn,stonescriptdb_gateway=info")],
    );
    gateway.ready(SLEEPS).await;
    let nap = || post(&gateway, "/call", json!({"platform": "x", "function": "nap", "params": []}));
    let (status, answer) = nap().await;
    assert!(status == 200 && answer.to_string().contains("30s"), "{answer}");
    fs::write(&file, "CALL_TIMEOUT_SECS=1\n").expect("our folder");
    gateway.signal(Signal::SIGHUP);
    wait("the shorter limit", async || nap().await.0 == 504).await;
    fs::write(&file, "CALL_TIMEOUT_SECS=20\n").expect("our folder");
    gateway.signal(Signal::SIGHUP);
    wait("the longer limit", async || nap().await.0 == 200).await;
    assert!(nap().await.1.to_string().contains("20s"));
}
