//! A primary that is lost, and its standby that takes over: `DB_HOST=a,b` with `target_session_attrs=read-write`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use stonescriptdb_gateway::databases::Databases;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use crate::server;
use crate::support::*;

/// Two copies of one cluster, of which the second follows the first: made without `pg_basebackup`, which builds without
/// client programs do not have. The first line on its standard input stops the primary.
const SCRIPT: &str = r#"
set -e
# Not in TMPDIR: a socket's path has to be short, and PostgreSQL's user has to get in.
folder=$(mktemp -d /tmp/stonescriptdb-pair.XXXXXX)
cd "$folder"
finish() {
    for server in $primary $standby; do kill -INT "$server" && wait "$server"; done || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT PIPE TERM
"$BIN/initdb" -D first -U postgres -A trust -E UTF8 --no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
printf "listen_addresses = ''\nfsync = off\nmax_connections = 100\nwal_keep_size = 512MB\n" >>first/postgresql.conf
cp -Rp first second
touch second/standby.signal
echo "primary_conninfo = 'host=$folder user=postgres'" >>second/postgresql.conf
mkdir other
wait_for() {
    tries=1200
    until grep -Eqs '^(ready|standby)' "$1/postmaster.pid"; do
        tries=$((tries - 1))
        { kill -0 "$2" && [ $tries -gt 0 ]; } || { cat log.* >&2; exit 1; }
        sleep 0.05
    done
}
"$BIN/postgres" -D first -k "$folder" >>log.first 2>&1 &
primary=$!
wait_for first $primary
"$BIN/postgres" -D second -k "$folder/other" >>log.second 2>&1 &
standby=$!
wait_for second $standby
echo "$folder"
read -r _ || exit 0
kill -INT $primary
wait $primary || true
primary=
echo stopped
cat >/dev/null
"#;

fn config(folder: &str) -> Config {
    let mut config = Config::new();
    config.host_path(folder).user("postgres").dbname("postgres");
    config
}

async fn connect(folder: &str) -> Client {
    let (client, connection) = config(folder).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_primary_is_lost_its_successor_serves() {
    let mut child = server::shell(SCRIPT, "").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = answers.next().expect("two servers").unwrap();
    let other = format!("{folder}/other");

    // The standby is asked first, so that it is read-only that decides, not the order.
    let mut both = Config::new();
    both.host_path(PathBuf::from(&other)).host_path(PathBuf::from(&folder)).user("postgres").dbname("postgres");
    both.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let second = Duration::from_secs(5);
    let databases = Databases::start(both, &wide_pools(), second, second).unwrap();
    let platform = Platform::on(
        databases,
        "CREATE TABLE item (id int);
         CREATE FUNCTION put(p int) RETURNS bigint LANGUAGE sql AS
             'INSERT INTO item VALUES (p); SELECT count(*) FROM item';
         CREATE FUNCTION read_only() RETURNS text LANGUAGE sql AS $$SELECT current_setting('transaction_read_only')$$;",
    )
    .await;
    assert_eq!(platform.rows("put", "[1]").await, r#"[{"put":1}]"#);
    assert_eq!(platform.rows("read_only", "").await, r#"[{"read_only":"off"}]"#);
    assert!(platform.databases.health().await.connected);

    // Stopped in order, a primary has sent everything to its standby.
    orders.write_all(b"stop\n").unwrap();
    assert_eq!(answers.next().expect("an answer").unwrap(), "stopped");
    // Nobody takes writes now, and the gateway says so.
    assert!(!platform.databases.health().await.connected);
    let (status, body) = platform.error("put", "[2]").await;
    assert_eq!((status, body["error"].as_str()), (503, Some("connection_failed")), "{body}");

    connect(&other).await.execute("SELECT pg_promote()", &[]).await.unwrap();
    eventually("the successor serves", async || platform.body("put", "[3]").await.is_ok()).await;
    assert_eq!(platform.rows("put", "[4]").await, r#"[{"put":3}]"#);
    assert!(platform.databases.health().await.connected);
    drop(orders);
    child.wait().unwrap();
}
