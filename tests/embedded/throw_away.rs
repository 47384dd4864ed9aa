//! The server of the tests themselves: `embedded::start` with `die_with_parent`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions};

use crate::place::{Place, Who, command_line, send, wait_for};

const FOLDER: &str = "THROW_AWAY_FOLDER";

fn options(folder: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        settings: vec![
            ("fsync".to_owned(), "off".to_owned()),
            ("application_name".to_owned(), "it's, a \"test\"".to_owned()),
        ],
        die_with_parent: true,
        ..EmbeddedOptions::new(folder)
    }
}

#[tokio::test]
async fn a_throw_away_server_has_its_settings_and_leaves_nothing() {
    let place = Place::new(Who::possible()[0]);
    // A path that PostgreSQL's list of socket folders has to be quoted for.
    let folder = place.path().join("a, \"b\" 'c'");
    let postgres = embedded::start(options(&folder)).await.unwrap();
    let (client, connection) = postgres.connection().connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SELECT current_setting('fsync'), setting FROM pg_settings WHERE name = 'max_connections'", &[]);
    let row = row.await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("off", "220"));
    postgres.stop().await.unwrap();
    assert!(!folder.exists(), "the folder is left");
}

#[test]
fn a_throw_away_server_goes_when_its_process_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        hold_a_server_until_killed(folder.as_ref());
    }
    let place = Place::new(Who::possible()[0]);
    // The process to be killed is this very program, told to run this very test.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "throw_away::a_throw_away_server_goes_when_its_process_is_killed", "--nocapture"]);
    let mut child = command.env(FOLDER, place.data_dir()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.any(|line| line == "ready");
    let postmaster = place.postmaster();
    send(child.id().cast_signed(), Signal::SIGKILL);
    child.wait().unwrap();
    assert!(ready, "the server did not start");
    let postmaster = postmaster.expect("a postmaster");
    wait_for("the server to end", || command_line(postmaster).is_none().then_some(()));
    wait_for("the folder to go", || (!fs::exists(place.data_dir()).unwrap()).then_some(()));
}

fn hold_a_server_until_killed(folder: &Path) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _postgres = runtime.block_on(embedded::start(options(folder))).unwrap();
    println!("\nready");
    loop {
        std::thread::park();
    }
}
