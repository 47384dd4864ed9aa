//! `docs/guides/operations.md`, "Updating", followed line by line: from one major version to another, or where only one is
//! here, to a new cluster of the same. Afterwards the gateway works as before, with its roles and its stored schemas.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::place::{Place, Who};
use crate::web::{Web, archive};

const PAGE: &str = include_str!("../../docs/guides/operations.md");

pub(crate) const T: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, word text);");
pub(crate) const ROWS: (&str, &str) = ("seeders/t.sql", "INSERT INTO t VALUES (1, 'kept');");
pub(crate) const WORD: (&str, &str) =
    ("functions/word.sql", "CREATE FUNCTION word() RETURNS text LANGUAGE sql AS 'SELECT word FROM t';");

/// The lines of the page that make the update.
fn lines() -> Vec<&'static str> {
    let (_, after) =
        PAGE.split_once("```sh server\ncd /var/lib/stonescriptdb-gateway").expect("the page has the commands");
    let (commands, _) = after.split_once("\n```").expect("they end");
    let (_, rest) = commands.split_once('\n').expect("there are more lines");
    rest.lines().collect()
}

pub(crate) fn major(bin_dir: &Path) -> u32 {
    let output = Command::new(bin_dir.join("postgres")).arg("--version").output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let digits = words.chars().skip_while(|one| !one.is_ascii_digit()).take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or_default()
}

/// Where servers are: the one of the tests, and those of the system.
fn bin_dirs() -> Vec<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = installed.map(|version| version.path().join("bin"));
    let given = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    given
        .into_iter()
        .chain(installed)
        .filter(|dir| dir.join("postgres").exists() && dir.join("initdb").exists())
        .collect()
}

/// The oldest one that can dump, and the newest of all.
pub(crate) fn old_and_new() -> (PathBuf, PathBuf) {
    let all = bin_dirs();
    let old = all.iter().filter(|dir| dir.join("pg_dumpall").exists()).min_by_key(|dir| major(dir));
    let old = old.expect("a PostgreSQL with its clients");
    let new = all.iter().max_by_key(|dir| major(dir)).expect("there is one at least");
    (old.clone(), new.clone())
}

fn run(place: &Place, lines: &[&str], old: &Path, new: &Path) {
    let cluster = std::fs::metadata(place.cluster()).unwrap();
    let path = format!("{}:{}", old.display(), std::env::var("PATH").unwrap());
    let script = format!("set -e\nold={} new={}\n{}", old.display(), new.display(), lines.join("\n"));
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(place.data_dir()).env("PATH", path).stdin(Stdio::null());
    let output = command.uid(cluster.uid()).gid(cluster.gid()).output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&words));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_leads_from_one_major_version_to_the_next() {
    let place = Place::new(Who::OrdinaryUser);
    let (old, new) = old_and_new();
    let bin_dir = |dir: &Path| dir.to_str().unwrap().to_owned();
    let gateway = place.start(&[("PG_BIN_DIR", &bin_dir(&old))]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let files = [T, ROWS, WORD];
    web.register("one", &files).await;
    let (status, body) = web.post("/platform/register", json!({ "platform": "two" })).await;
    assert_eq!(status, 201, "{body}");
    let stored = web.upload_archive("/platform/two/schema", &[("schema_name", "s")], archive(&files)).await;
    assert_eq!(stored.0, 201, "{}", stored.1);
    let create = |id: &str| json!({ "platform": "two", "schema_name": "s", "database_id": id });
    let (status, body) = web.post("/database/create", create("a")).await;
    assert_eq!(status, 201, "{body}");

    let lines = lines();
    let stop =
        lines.iter().position(|line| *line == "sudo systemctl stop stonescriptdb-gateway").expect("it is stopped");
    let (last, commands) = lines[stop + 1..].split_last().expect("it is started");
    let (check, start) = last.split_once(" || ").expect("it is started where all went well");
    assert_eq!(start, "sudo systemctl start stonescriptdb-gateway");
    gateway.stop(Signal::SIGTERM);
    let nothing = format!("! ({check})");
    let all: Vec<&str> = lines[..stop].iter().chain(commands).copied().chain([nothing.as_str()]).collect();
    run(&place, &all, &old, &new);

    let gateway = place.start(&[("PG_BIN_DIR", &bin_dir(&new))]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("one", "word", json!([])).await, "kept");
    let body = web.register("one", &files).await;
    assert_eq!((&body["tables_created"], &body["functions_deployed"]), (&json!(0), &json!(0)), "{body}");
    let (status, body) = web.post("/v2/migrate", json!({ "platform": "two", "schema_name": "s" })).await;
    assert_eq!((status, &body["databases_updated"]), (200, &json!(["two_s_a"])), "{body}");
    let (status, body) = web.post("/database/create", create("b")).await;
    assert_eq!(status, 201, "{body}");
    let sql = place.connect().await;
    let version: String = sql.query_one("SHOW server_version_num", &[]).await.unwrap().get(0);
    assert_eq!(version.parse::<u32>().unwrap() / 10_000, major(&new));
    gateway.stop(Signal::SIGTERM);
}

/// Whoever only moves the cluster away gets an empty one with the same password: a dump of the old one restores that, and the
/// old one still opens.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_cluster_has_the_password_of_the_one_before() {
    let place = Place::new(Who::OrdinaryUser);
    place.start(&[]).stop(Signal::SIGTERM);
    let password = || std::fs::read_to_string(place.data_dir().join(".postgres-password")).unwrap();
    let first = password();
    let away = place.data_dir().join("postgres.old");
    std::fs::rename(place.cluster(), &away).unwrap();
    let gateway = place.start(&[]);
    place.connect().await;
    gateway.stop(Signal::SIGTERM);
    assert_eq!(password(), first);
    std::fs::remove_dir_all(place.cluster()).unwrap();
    std::fs::rename(&away, place.cluster()).unwrap();
    let gateway = place.start(&[]);
    place.connect().await;
    gateway.stop(Signal::SIGTERM);
}
