//! A throw-away PostgreSQL: started here, stopped and removed when this process ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// What the server is told beside its defaults.
const SETTINGS: &[&str] = &["listen_addresses=", "fsync=off", "max_connections=300", "log_min_messages=warning"];

/// Runs until its standard input ends, which it does with this process; each line on it is a restart.
const SCRIPT: &str = r#"
set -e
# Not in TMPDIR: a socket's path has to be short, and PostgreSQL's user has to get in.
folder=$(mktemp -d /tmp/stonescriptdb-call.XXXXXX)
cd "$folder"
finish() {
    [ -z "$server" ] || { kill -INT "$server" && wait "$server"; } || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT PIPE TERM
"$BIN/initdb" -D data -U postgres -A trust -E UTF8 --no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
for setting in $SETTINGS; do echo "$setting" | sed "s/=\(.*\)/ = '\1'/" >>data/postgresql.conf; done
start() {
    "$BIN/postgres" -D data -k "$folder" >>log 2>&1 &
    server=$!
    # Builds without client programs have no pg_isready; the server itself writes that it is ready.
    tries=1200
    until grep -qs '^ready' data/postmaster.pid; do
        tries=$((tries - 1))
        { kill -0 $server && [ $tries -gt 0 ]; } || { cat log >&2; exit 1; }
        sleep 0.05
    done
    echo "$folder"
}
start
while read -r _; do
    kill -INT $server
    wait $server || true
    start
done
"#;

/// A running server.
pub(crate) struct Server {
    /// As the superuser, over the socket.
    pub(crate) config: tokio_postgres::Config,
    /// Where its socket is.
    pub(crate) folder: PathBuf,
    process: Mutex<Process>,
}

struct Process {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _child: Child,
}

impl Process {
    fn wait_until_ready(&mut self) -> PathBuf {
        let mut folder = String::new();
        self.answers.read_line(&mut folder).expect("the folder's name");
        let folder = PathBuf::from(folder.trim());
        assert!(folder.is_absolute(), "the server did not start");
        folder
    }
}

impl Server {
    /// Stops it, with everybody connected, and starts it again.
    pub(crate) fn restart(&self) {
        let mut process = self.process.lock().expect("nobody panicked with it");
        process.orders.write_all(b"again\n").expect("a shell that reads");
        process.wait_until_ready();
    }
}

/// Starts one and waits until it takes connections.
pub(crate) fn start() -> Server {
    start_with(&[])
}

/// The same with further settings, each `name=value`.
pub(crate) fn start_with(settings: &[&str]) -> Server {
    let settings = [SETTINGS, settings].concat().join(" ");
    let mut child = shell(SCRIPT, &settings).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let orders = child.stdin.take().expect("a pipe");
    let answers = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut process = Process { orders, answers, _child: child };
    let folder = process.wait_until_ready();
    let mut config = tokio_postgres::Config::new();
    config.host_path(&folder).user("postgres").dbname("postgres");
    Server { config, folder, process: Mutex::new(process) }
}

/// A shell that runs a script as a user whom PostgreSQL takes.
pub(crate) fn shell(script: &str, settings: &str) -> Command {
    // PostgreSQL refuses to be run by root.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", script]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    };
    command.env("BIN", bin_dir()).env("SETTINGS", settings).current_dir("/");
    command
}

/// `PG_BIN_DIR`, else the newest that Debian installs.
fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("PG_BIN_DIR") {
        return dir.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("an installed PostgreSQL, or PG_BIN_DIR");
    let newest = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max();
    PathBuf::from(format!("/usr/lib/postgresql/{}/bin", newest.expect("an installed PostgreSQL")))
}
