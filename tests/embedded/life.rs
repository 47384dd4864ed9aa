//! The embedded PostgreSQL from its first start on, through kills and restarts.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tokio_postgres::error::SqlState;

use crate::place::{Gateway, Place, Who, send, wait_for};

async fn store(place: &Place) {
    let client = place.connect().await;
    client.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)").await.unwrap();
}

async fn stored(place: &Place) -> i32 {
    place.connect().await.query_one("SELECT n FROM kept", &[]).await.unwrap().get(0)
}

async fn show(place: &Place, setting: &str) -> String {
    place.connect().await.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0)
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn the_first_start_makes_a_private_cluster_and_the_next_finds_its_data() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let gateway = place.start(&[("ADMIN_TOKEN", "the-admins-token")]);
        gateway.wait_until_healthy();
        assert_eq!(place.cluster_uid(), place.postgres_uid(), "{who:?}");
        assert_eq!(mode(place.cluster()), 0o700);
        assert_eq!(mode(place.data_dir().join(".postgres-password")), 0o600);
        assert_eq!(show(&place, "listen_addresses").await, "");
        assert_eq!(show(&place, "fsync").await, "on");
        assert_eq!(show(&place, "max_connections").await, "220");
        assert_eq!(show(&place, "server_encoding").await, "UTF8");
        store(&place).await;
        let output = gateway.stop(Signal::SIGTERM);
        place.assert_no_postgres();
        let password = fs::read_to_string(place.data_dir().join(".postgres-password")).unwrap();
        let log = fs::read_to_string(place.data_dir().join("postgres.log")).unwrap();
        assert!(!output.contains(&password) && !log.contains(&password), "the password is in a log");

        let gateway = place.start(&[]);
        assert_eq!(stored(&place).await, 42);
        gateway.stop(Signal::SIGTERM);
        place.assert_no_postgres();
    }
}

#[test]
fn a_damaged_platform_is_named_at_the_start_and_hides_no_other() {
    let place = Place::new(Who::possible()[0]);
    let ask = |gateway: &Gateway, request: &str| {
        let mut answer = String::new();
        gateway.send_bytes(request).read_to_string(&mut answer).unwrap();
        answer
    };
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    for platform in ["good", "bad"] {
        let body = format!("{{\"platform\":\"{platform}\"}}");
        let request = format!(
            "POST /platform/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask(&gateway, &request);
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    gateway.stop(Signal::SIGTERM);
    fs::write(place.data_dir().join("bad/platform.json"), "{\"name\":").unwrap();

    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let answer = ask(&gateway, "GET /platforms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"name\":\"good\""), "{answer}");
    let output = gateway.stop(Signal::SIGTERM);
    assert!(output.contains("bad/platform.json"), "{output}");
}

#[tokio::test]
async fn sql_reads_neither_the_password_nor_the_gateways_environment() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let gateway = place.start(&[("ADMIN_TOKEN", "the-admins-token")]);
        let client = place.connect().await;
        let read = async |path: &Path| {
            let path = path.to_str().unwrap();
            let row = client.query_one("SELECT pg_read_binary_file($1)", &[&path]).await?;
            Ok::<_, tokio_postgres::Error>(String::from_utf8_lossy(row.get(0)).into_owned())
        };
        // The postmaster's, because a backend has written its title over its own.
        let postmaster = format!("/proc/{}/environ", place.postmaster().unwrap());
        let environment = read(Path::new(&postmaster)).await.unwrap();
        assert!(environment.contains("PATH=") && !environment.contains("the-admins-token"), "{environment}");
        // An ordinary user runs both, so nothing can keep a superuser's SQL from the file.
        if *who == Who::Root {
            let refused = read(&place.data_dir().join(".postgres-password")).await.expect_err("SQL reads the password");
            assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");
        }
        // A statement that fails, with a password in it and a value in its error.
        client.batch_execute("CREATE ROLE platform PASSWORD 'hunter2'; SELECT 'hunter3'::int").await.unwrap_err();
        gateway.stop(Signal::SIGTERM);
        let log = fs::read_to_string(place.data_dir().join("postgres.log")).unwrap();
        assert!(log.contains("ready to accept connections") && !log.contains("hunter"), "{log}");
    }
}

#[tokio::test]
async fn a_gateway_killed_hard_leaves_a_server_that_the_next_takes_over_and_stops() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let gateway = place.start(&[]);
        store(&place).await;
        let postmaster = place.postmaster().expect("it runs");
        gateway.kill_hard();
        assert_eq!(place.postmaster(), Some(postmaster), "{who:?}: the server has gone with the gateway");

        let gateway = place.start(&[]);
        assert_eq!(place.postmaster(), Some(postmaster), "{who:?}: not taken over");
        gateway.wait_until_healthy();
        assert_eq!(stored(&place).await, 42);
        gateway.stop(Signal::SIGTERM);
        place.assert_no_postgres();
    }
}

#[tokio::test]
async fn a_server_left_with_other_settings_is_started_anew() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start(&[]);
    store(&place).await;
    let postmaster = place.postmaster();
    gateway.kill_hard();

    let gateway = place.start(&[("MAX_TOTAL_CONNECTIONS", "30")]);
    assert_ne!(place.postmaster(), postmaster);
    assert_eq!(show(&place, "max_connections").await, "50");
    assert_eq!(stored(&place).await, 42);
    gateway.stop(Signal::SIGTERM);
    place.assert_no_postgres();
}

#[tokio::test]
async fn a_stale_pid_file_with_a_dead_pid_is_no_obstacle() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let gateway = place.start(&[]);
        store(&place).await;
        let postmaster = place.postmaster().unwrap();
        gateway.kill_hard();
        send(postmaster, Signal::SIGKILL);
        wait_for("the postmaster to end", || place.postmaster().is_none().then_some(()));
        assert!(place.cluster().join("postmaster.pid").exists());

        let gateway = place.start(&[]);
        assert_eq!(stored(&place).await, 42);
        gateway.stop(Signal::SIGTERM);
        place.assert_no_postgres();
    }
}

#[tokio::test]
async fn a_stale_pid_file_with_the_pid_of_another_living_process_is_no_obstacle() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let gateway = place.start(&[]);
        store(&place).await;
        let pid_file = place.cluster().join("postmaster.pid");
        let text = fs::read_to_string(&pid_file).unwrap();
        let postmaster = place.postmaster().unwrap();
        gateway.kill_hard();
        send(postmaster, Signal::SIGKILL);
        wait_for("the postmaster to end", || place.postmaster().is_none().then_some(()));
        let mut unrelated = place.unrelated_process();
        let rest = text.split_once('\n').unwrap().1;
        fs::write(&pid_file, format!("{}\n{rest}", unrelated.pid())).unwrap();

        let gateway = place.start(&[]);
        assert_eq!(stored(&place).await, 42);
        gateway.stop(Signal::SIGTERM);
        place.assert_no_postgres();
        assert!(unrelated.lives(), "{who:?}: the wrong process was ended");
    }
}

#[tokio::test]
async fn a_start_killed_while_it_makes_the_cluster_leaves_nothing_in_the_way() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let unfinished = || {
            let entries = fs::read_dir(place.data_dir()).into_iter().flatten().filter_map(Result::ok);
            entries.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("postgres.new-"))
        };
        let gateway = place.spawn(&[]);
        let aside = wait_for("initdb to begin", || unfinished().filter(|aside| aside.join("base").exists()));
        gateway.kill_hard();
        assert!(!place.cluster().exists(), "the cluster was finished too early for this test");
        // What initdb was at when it was killed, too.
        place.make_folders(&place.data_dir().join("postgres.new-0/base"));

        let gateway = place.start(&[]);
        gateway.wait_until_healthy();
        store(&place).await;
        assert!(!place.data_dir().join("postgres.new-0").exists());
        gateway.stop(Signal::SIGTERM);
        // The initdb that was left alone ends, in whatever way; the start after that has cleaned up.
        wait_for("the first initdb to end", || (!runs_with(&aside)).then_some(()));
        let gateway = place.start(&[]);
        assert_eq!(stored(&place).await, 42);
        assert_eq!(unfinished(), None);
        gateway.stop(Signal::SIGTERM);
    }
}

/// Whether any process was started with this path among its words.
fn runs_with(path: &Path) -> bool {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid| crate::place::command_line(pid).is_some_and(|line| line.contains(&path.display().to_string())))
}

#[test]
fn a_server_that_is_killed_comes_back() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start(&[]);
    for _ in 0..2 {
        let postmaster = wait_for("a postmaster", || place.postmaster());
        send(postmaster, Signal::SIGKILL);
        wait_for("another one", || place.postmaster().filter(|pid| *pid != postmaster));
        wait_for("/health to say so", || (gateway.health() == 200).then_some(()));
    }
    let output = gateway.stop(Signal::SIGTERM);
    assert!(output.contains("PostgreSQL has ended by itself"), "{output}");
    place.assert_no_postgres();
}

#[test]
fn ctrl_c_in_a_terminal_stops_the_gateway_first_and_then_its_server() {
    for who in Who::possible() {
        let place = Place::new(*who);
        let mut gateway = place.start(&[]);
        // To the whole process group, as a terminal does.
        send(-gateway.pid(), Signal::SIGINT);
        assert_eq!(gateway.wait_until_ended().code(), Some(0));
        let (output, _) = gateway.take_output();
        let at = |text| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output}"));
        assert!(at("stopping PostgreSQL") < at("stopped\n"), "{output}");
        assert!(!output.contains("by itself"), "{output}");
        place.assert_no_postgres();
    }
}

#[test]
fn a_stop_during_the_start_leaves_no_server() {
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.spawn(&[]);
    wait_for("initdb to begin", || place.data_dir().exists().then_some(()));
    gateway.stop(Signal::SIGTERM);
    wait_for("everything to end", || (!runs_with(&place.data_dir())).then_some(()));
    place.start(&[]).stop(Signal::SIGTERM);
    place.assert_no_postgres();
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_anybody() {
    let place = Place::new(Who::OrdinaryUser);
    let mut gateway = place.start(&[]);
    // A request that does not end: it would be waited for.
    let _hanging = gateway.send_bytes("GET /health HTTP/1.1\r\nHost: gate");
    send(gateway.pid(), Signal::SIGINT);
    gateway.wait_for_line("letting the requests in flight end");
    let begin = std::time::Instant::now();
    send(gateway.pid(), Signal::SIGINT);
    assert_eq!(gateway.wait_until_ended().code(), Some(130));
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    wait_for("PostgreSQL to stop", || place.postmaster().is_none().then_some(()));
}
