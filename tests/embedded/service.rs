//! The gateway as a service: no terminal, and an installer that says how it is getting on.

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::place::{Place, Who, send};

#[test]
fn sighup_does_not_end_a_service() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start_as_service(&[("DB_HOST", "127.0.0.1"), ("DB_PORT", "1")]);
    for _ in 0..3 {
        send(gateway.pid(), Signal::SIGHUP);
    }
    assert_eq!(gateway.health(), 503);
    let output = gateway.stop(Signal::SIGTERM);
    assert!(output.contains("SIGHUP changes nothing"), "{output}");
}

/// A `systemctl` that tells `state`, and a `journalctl`.
fn stand_in(folder: &Path, state: &str) {
    for (name, words) in [("systemctl", state), ("journalctl", "configuration: GATEWAY_PORT=x: a number is wanted")] {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{words}'\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn the_installer_says_that_the_service_runs_only_where_it_serves() {
    for (state, health, succeeds, says) in [
        ("active", Some("healthy"), true, "The service runs."),
        ("active", Some("degraded"), false, "its PostgreSQL cannot be reached"),
        ("active", None, false, "does not run"),
        ("failed", None, false, "configuration: GATEWAY_PORT=x: a number is wanted"),
        ("activating", None, false, "does not run (activating)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        stand_in(folder.path(), state);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        match health {
            None => drop(listener),
            Some(health) => drop(std::thread::spawn(move || {
                for client in listener.incoming() {
                    // A client that is gone already asks for nothing.
                    let _ = write!(client.unwrap(), "HTTP/1.0 200 OK\r\n\r\n{{\"status\":\"{health}\"}}");
                }
            })),
        }
        let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lib.sh");
        let script = format!("set -euo pipefail; source {}; await_service gateway 0.0.0.0 {port} 1", lib.display());
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash").args(["-c", &script]).env("PATH", path).output().unwrap();
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        assert_eq!((output.status.success(), words.contains(says)), (succeeds, true), "{state} {health:?}: {words}");
        assert_eq!(words.contains("The service runs."), succeeds, "{words}");
    }
}
