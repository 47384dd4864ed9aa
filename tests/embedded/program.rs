//! The command line, `.env` and the log.

use std::fs;

use nix::sys::signal::Signal;
use stonescriptdb_gateway::config::VARIABLES;

use crate::place::{Place, Who, send};

const SECRET: &str = "hunter2";

#[test]
fn help_names_every_variable_and_version_the_version() {
    let place = Place::new(Who::OrdinaryUser);
    let (code, help, stderr) = place.run(&["--help"], &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for variable in VARIABLES {
        let line = help.lines().find(|line| line.split_whitespace().next() == Some(variable.name));
        assert!(line.is_some_and(|line| line.contains(variable.meaning)), "{}: {help}", variable.name);
    }
    assert!(help.contains("check-config") && help.contains("upgrade-postgres"), "{help}");
    let (code, version, _) = place.run(&["--version"], &[]);
    assert_eq!((code, version), (Some(0), format!("stonescriptdb-gateway {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, _, stderr) = place.run(&["--no-such-thing"], &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--no-such-thing"), "{stderr}");
}

#[test]
fn check_config_prints_what_will_be_used_and_starts_nothing() {
    let place = Place::new(Who::OrdinaryUser);
    fs::write(
        place.path().join(".env"),
        "DB_HOST=db.example\nDB_PASSWORD=hunter2\nGATEWAY_PORT=1234\nADMIN_TOKEN=hunter2\n",
    )
    .unwrap();
    // What is in the environment wins over .env.
    let (code, stdout, stderr) = place.run(&["check-config"], &[("GATEWAY_PORT", "4321")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.starts_with("configuration ok\n"), "{stdout}");
    assert!(stdout.contains("db.example port 5432, database postgres, as postgres with a password"), "{stdout}");
    assert!(stdout.contains("127.0.0.1 port 4321") && stdout.contains("admin token          set"), "{stdout}");
    assert!(!stdout.contains(SECRET), "{stdout}");
    assert!(!place.data_dir().exists());
}

#[test]
fn a_bad_value_is_one_line_and_no_password() {
    let place = Place::new(Who::OrdinaryUser);
    let line = place.refusal(2, &[("GATEWAY_PORT", "70000")]);
    assert_eq!(line, "configuration: GATEWAY_PORT=\"70000\": expected a whole number from 0 to 65535");
    let line = place.refusal(2, &[("DATABASE_URL", "postgres://gateway:hunter2@db:port/postgres")]);
    assert!(line.starts_with("configuration: DATABASE_URL=(not shown, it may hold a password): expected "), "{line}");
    assert!(!line.contains(SECRET), "{line}");
    fs::write(place.path().join(".env"), "GATEWAY_PORT=9000\nDB_PASSWORD=hunter2 'x\n").unwrap();
    let line = place.refusal(2, &[]);
    assert!(line.starts_with("configuration: .env: the line after GATEWAY_PORT cannot be read: "), "{line}");
    assert!(!line.contains(SECRET), "{line}");
}

#[test]
fn an_external_postgresql_that_is_away_is_no_reason_not_to_start() {
    let place = Place::new(Who::OrdinaryUser);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let gateway = place.start(&[("DB_HOST", "127.0.0.1"), ("DB_PORT", &closed), ("DB_PASSWORD", SECRET)]);
    assert_eq!(gateway.health(), 503);
    assert!(!place.cluster().exists());
    let output = gateway.stop(Signal::SIGTERM);
    assert!(!output.contains(SECRET), "{output}");
}

/// What log rotation and operators send; a terminal sends it when it closes, and only then the gateway stops.
#[test]
fn a_service_goes_on_after_a_hangup() {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let terminal = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(4)).unwrap();
    let place = Place::new(Who::OrdinaryUser);
    let mut gateway = place.start(&[("DB_HOST", "127.0.0.1"), ("DB_PORT", "1")]);
    send(gateway.pid(), Signal::SIGHUP);
    if terminal != "0" {
        assert!(gateway.wait_until_ended().success(), "whoever closes a terminal ends what runs in it");
        return;
    }
    // Whoever runs the tests under nohup has their children ignore it.
    if !mask_has("self", "SigIgn:", Signal::SIGHUP) {
        gateway.wait_for_line("the settings were read again");
    }
    send(gateway.pid(), Signal::SIGHUP);
    assert_eq!(gateway.health(), 503);
    gateway.stop(Signal::SIGTERM);
}

#[test]
fn each_line_of_a_json_log_is_an_object() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start(&[("DB_HOST", "127.0.0.1"), ("DB_PORT", "1"), ("LOG_FORMAT", "json")]);
    let stdout = gateway.stop(Signal::SIGTERM);
    let lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let listening =
        lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with("listening on")));
    let listening = listening.unwrap_or_else(|| panic!("{stdout}"));
    assert_eq!((&listening["level"], listening["timestamp"].is_string()), (&"INFO".into(), true));
    assert_eq!(listening["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_log_goes_to_daily_files_too() {
    let place = Place::new(Who::OrdinaryUser);
    let dir = place.path().join("log/gateway");
    let external = [("DB_HOST", "127.0.0.1"), ("DB_PORT", "1")];
    let gateway = place.start(&[external[0], external[1], ("LOG_DIR", dir.to_str().unwrap())]);
    let stdout = gateway.stop(Signal::SIGTERM);
    let mut names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let [day, current] = names.as_slice() else { panic!("{names:?}") };
    assert!(day.starts_with("stonescriptdb-gateway.2") && day.ends_with(".log"), "{day}");
    assert_eq!(current, "stonescriptdb-gateway.log");
    let file = &dir.join(current);
    // Each takes the time by itself, and of two threads' lines each may have another first.
    let without_time = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(|line| line[27..].to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(without_time(&fs::read_to_string(file).unwrap()), without_time(&stdout));
    assert!(stdout.contains("listening on"), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "colours in a pipe: {stdout:?}");

    let line = place.refusal(1, &[external[0], external[1], ("LOG_DIR", "/proc/nowhere")]);
    assert_eq!(line, "LOG_DIR=/proc/nowhere: No such file or directory (os error 2)");
    let quiet = place.spawn(&[external[0], external[1], ("RUST_LOG", "off")]);
    // Nothing tells when it listens: stopping in good order is what can be seen.
    crate::place::wait_for("the handlers", || {
        mask_has(&quiet.pid().to_string(), "SigCgt:", Signal::SIGTERM).then_some(())
    });
    assert_eq!(quiet.stop(Signal::SIGTERM), "");
}

/// Whether a signal is in one of the masks of a process, e.g. `SigCgt:`, those that it has a handler for.
pub(crate) fn mask_has(pid: &str, mask: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(mask)).map(str::trim);
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}
