//! A throw-away PostgreSQL: started here, stopped and removed when this process ends, however it ends.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What the server is told beside its defaults.
const SETTINGS: &[&str] = &["listen_addresses=", "fsync=off", "max_connections=300", "log_min_messages=warning"];

/// Runs until its standard input ends, which it does with this process.
const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d /tmp/stonescriptdb-call.XXXXXX)
cd "$folder"
"$BIN/initdb" -D data -U postgres -A trust -E UTF8 --no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
for setting in $SETTINGS; do echo "$setting" | sed "s/=\(.*\)/ = '\1'/" >>data/postgresql.conf; done
"$BIN/postgres" -D data -k "$folder" >log 2>&1 &
server=$!
# Not pg_isready, which ready-made binaries come without. Two minutes are for a machine with much else to do.
tries=0
until grep -qs '^ready' data/postmaster.pid; do
    tries=$((tries + 1))
    [ $tries -lt 2400 ] && kill -0 $server || { cat log >&2; exit 1; }
    sleep 0.05
done
echo "$folder"
cat >/dev/null || true
kill -INT $server
wait $server || true
rm -rf "$folder"
"#;

/// A running server.
pub(crate) struct Server {
    /// As the superuser, over the socket.
    pub(crate) config: tokio_postgres::Config,
    _process: Child,
}

/// Starts one and waits until it takes connections.
pub(crate) fn start() -> Server {
    let mut process = shell().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut folder = String::new();
    let stdout = process.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut folder).expect("the folder's name");
    let folder = PathBuf::from(folder.trim());
    assert!(folder.is_absolute(), "the server did not start");
    let mut config = tokio_postgres::Config::new();
    config.host_path(&folder).user("postgres").dbname("postgres");
    Server { config, _process: process }
}

fn shell() -> Command {
    // PostgreSQL refuses to be run by root.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = if is_root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", SCRIPT]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]);
        command
    };
    command.env("BIN", bin_dir()).env("SETTINGS", SETTINGS.join(" ")).current_dir("/");
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
