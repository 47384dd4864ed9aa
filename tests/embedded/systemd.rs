//! What systemd hears, which here is a socket of the test's.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::place::{DEADLINE, Place, Who, send};

/// The socket that a service's `NOTIFY_SOCKET` names.
struct Systemd {
    socket: UnixDatagram,
    name: String,
    heard: Vec<String>,
}

impl Systemd {
    fn new(place: &Place) -> Self {
        let path = place.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        Self { socket, name: path.into_os_string().into_string().unwrap(), heard: Vec::new() }
    }

    fn next(&mut self) -> Option<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        self.heard.push(text.clone());
        Some(text)
    }

    fn wait_for(&mut self, wanted: &str) -> String {
        let begin = Instant::now();
        while begin.elapsed() < DEADLINE {
            match self.next() {
                Some(text) if text.contains(wanted) => return text,
                _ => {}
            }
        }
        panic!("never heard {wanted:?}: {:#?}", self.heard);
    }
}

#[test]
fn systemd_hears_that_the_gateway_serves_while_an_external_postgresql_is_away_and_that_it_stops() {
    let place = Place::new(Who::OrdinaryUser);
    let mut systemd = Systemd::new(&place);
    let name = systemd.name.clone();
    let gateway = place.start(&[
        ("DB_HOST", "127.0.0.1"),
        ("DB_PORT", "1"),
        ("NOTIFY_SOCKET", &name),
        ("WATCHDOG_USEC", "400000"),
    ]);
    let ready = systemd.wait_for("READY=1");
    assert!(ready.contains("STATUS=serving; PostgreSQL away since 20") && ready.ends_with('Z'), "{ready}");
    for _ in 0..3 {
        systemd.wait_for("WATCHDOG=1");
    }
    // While nothing of it can run, nothing says that it does.
    send(gateway.pid(), Signal::SIGSTOP);
    while systemd.next().is_some() {}
    send(gateway.pid(), Signal::SIGCONT);
    systemd.wait_for("WATCHDOG=1");
    gateway.stop(Signal::SIGTERM);
    systemd.wait_for("STOPPING=1");
    systemd.wait_for("STATUS=stopping");
}

#[test]
fn systemd_waits_for_the_private_postgresql_and_hears_when_it_does_not_answer() {
    let place = Place::new(Who::OrdinaryUser);
    let mut systemd = Systemd::new(&place);
    let name = systemd.name.clone();
    let gateway = place.start(&[("NOTIFY_SOCKET", &name)]);
    systemd.wait_for("STATUS=serving; PostgreSQL answers");
    let ready = systemd.heard.iter().position(|text| text.contains("READY=1")).unwrap();
    let waiting = systemd.heard.iter().position(|text| text.contains("STATUS=PostgreSQL is starting")).unwrap();
    assert!(waiting < ready && systemd.heard[waiting].contains("EXTEND_TIMEOUT_USEC="), "{:#?}", systemd.heard);
    // A backend that is there answers on: what stands still is whoever would start another one.
    let postmaster = place.postmaster().unwrap();
    let backends = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let all = || backends.split_whitespace().map(|pid| pid.parse().unwrap()).chain([postmaster]);
    all().for_each(|pid| send(pid, Signal::SIGSTOP));
    systemd.wait_for("STATUS=serving; PostgreSQL away since");
    all().for_each(|pid| send(pid, Signal::SIGCONT));
    systemd.wait_for("STATUS=serving; PostgreSQL answers");
    assert_eq!(systemd.heard.iter().filter(|text| text.contains("READY=1")).count(), 1);
    gateway.stop(Signal::SIGTERM);
    place.assert_no_postgres();
}
