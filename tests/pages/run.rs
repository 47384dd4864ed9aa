//! Runs what the pages tell to type, and holds what they say is answered against what is answered.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::blocks::{Block, blocks};
use crate::place::{Place, Who};
use crate::{pages, read, root};

/// What pages call a gateway.
const ADDRESSES: [&str; 3] = ["http://127.0.0.1:9000", "http://localhost:9000", "http://gateway:9000"];

/// Fields whose values are of the moment.
const PASSING: &[&str] = &[
    "active_pools",
    "checksum",
    "created_at",
    "execution_time_ms",
    "size_mb",
    "total_connections",
    "updated_at",
    "uptime_seconds",
];

/// Ends each block in what a page's shell says.
const END: &str = "\u{1}";

#[test]
fn what_the_pages_tell_to_type_does_what_they_say() {
    let (mut commands, mut answers) = (0, 0);
    let mut wrong = Vec::new();
    for page in pages() {
        let blocks = blocks(&read(page.to_str().expect("a name")));
        let (run, answered) = follow(&page, &blocks, &mut wrong);
        commands += run;
        answers += answered;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    println!("{commands} blocks of commands run, {answers} answers compared");
    assert!(commands > 30 && answers > 15, "{commands} {answers}");
}

/// Runs a page's blocks; gives how many there were, and how many answers.
fn follow(page: &Path, blocks: &[Block], wrong: &mut Vec<String>) -> (usize, usize) {
    let is_run = |block: &Block| block.is("sh", "run") || (block.is("sh", "clients") && has_clients());
    let run: Vec<&Block> = blocks.iter().filter(|block| is_run(block)).collect();
    if run.is_empty() {
        return (0, 0);
    }
    let place = Place::new(Who::OrdinaryUser);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let address = format!("http://{}", gateway.address());
    let mut script = "set -euo pipefail\ncurl() { command curl -sS \"$@\"; }\n".to_owned();
    for block in &run {
        let text = block.text.replace("/path/to/DATA_DIR", "$DATA_DIR");
        script += &ADDRESSES.iter().fold(text, |text, known| text.replace(known, &address));
        script += &format!("printf '\\n{END}'\n");
    }
    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    std::fs::copy(env!("CARGO_BIN_EXE_stonescriptdb-gateway"), bin.join("stonescriptdb-gateway")).expect("a copy");
    let path = std::env::var("PATH").expect("a path");
    let servers = std::env::var("PG_BIN_DIR").unwrap_or_default();
    let password = std::fs::read_to_string(place.data_dir().join(".postgres-password")).unwrap_or_default();
    let owner = std::fs::metadata(place.path()).expect("a folder");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.path())
        .env("ROOT", root())
        .env("DATA_DIR", place.data_dir())
        .env("PATH", format!("{}:{servers}:{path}", bin.display()))
        .env("PGPASSWORD", password.trim())
        .env("ADMIN_TOKEN", "token-of-the-pages")
        .uid(std::os::unix::fs::MetadataExt::uid(&owner))
        .gid(std::os::unix::fs::MetadataExt::gid(&owner))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Vec<&str> = said.split(END).collect();
    if !output.status.success() {
        let at = run.get(said.len() - 1).expect("one of them failed");
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("{} line {}: {}\n{}{stderr}", page.display(), at.line, at.text, said.last().unwrap_or(&""));
    }
    let (mut at, mut answers) = (0, 0);
    let mut last: Option<Value> = None;
    // An answer that the page does not tell, if it is an error.
    let mut untold: Option<String> = None;
    for block in blocks {
        let place = format!("{} line {}", page.display(), block.line);
        if is_run(block) {
            wrong.extend(untold.take());
            last = values(said[at]).pop();
            let error = last.as_ref().filter(|answer| answer.get("error").is_some());
            untold = error.map(|error| format!("{place}: an error that the page does not tell: {error}"));
            at += 1;
        } else if block.is("json", "answer") {
            untold = None;
            answers += 1;
            wrong.extend(match (values(&block.text).pop(), &last) {
                (Some(told), Some(found)) => {
                    difference("", &told, found).map(|told| format!("{place}: {told}\nanswered: {found}"))
                }
                (told, found) => Some(format!("{place}: told {told:?}, answered {found:?}")),
            });
        }
    }
    wrong.extend(untold);
    (run.len(), answers)
}

/// Whether `pg_dump` reads what this server has: not where only the server is installed, and an older one's clients.
fn has_clients() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let servers = PathBuf::from(std::env::var("PG_BIN_DIR").unwrap_or_default());
        let major = |program: PathBuf| {
            let output = Command::new(program).arg("--version").output().ok()?;
            let words = String::from_utf8_lossy(&output.stdout).into_owned();
            words.split([' ', '.']).find_map(|word| word.parse::<u32>().ok())
        };
        let beside = servers.join("pg_dump");
        let pg_dump = if beside.exists() { beside } else { PathBuf::from("pg_dump") };
        let has = match (major(pg_dump), major(servers.join("postgres"))) {
            (Some(clients), Some(server)) => clients >= server,
            // The gateway takes the newest of the system's, which has both.
            (clients, None) => clients.is_some(),
            (None, Some(_)) => false,
        };
        if !has {
            println!("no psql and pg_dump for this server: what needs them is not run");
        }
        has
    });
    *HAS
}

/// The JSON values among other words.
fn values(said: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut rest = said;
    while let Some(at) = rest.find(['{', '[']) {
        rest = &rest[at..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                rest = &rest[stream.byte_offset()..];
                values.push(value);
            }
            _ => rest = &rest[1..],
        }
    }
    values
}

/// Where the second differs from what the first tells.
fn difference(path: &str, told: &Value, found: &Value) -> Option<String> {
    let differ = || Some(format!("{path}: told {told}, answered {found}"));
    match (told, found) {
        (Value::Object(told), Value::Object(found)) => {
            let keys = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>().join(", ");
            if told.len() != found.len() || told.keys().any(|key| !found.contains_key(key)) {
                return Some(format!("{path}: told {{{}}}, answered {{{}}}", keys(told), keys(found)));
            }
            told.iter().filter(|(key, _)| !PASSING.contains(&key.as_str())).find_map(|(key, value)| {
                difference(&format!("{path}.{key}"), value, found.get(key).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(told), Value::Array(found)) if told.len() == found.len() => told
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(at, (told, found))| difference(&format!("{path}[{at}]"), told, found)),
        (Value::String(told), Value::String(found)) if told.contains('…') => {
            let mut rest = found.as_str();
            let is_so = told.split('…').all(|part| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            });
            if is_so { None } else { differ() }
        }
        _ if told == found => None,
        _ => differ(),
    }
}
