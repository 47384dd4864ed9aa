//! What a copy of a blueprint remembers when PostgreSQL itself dies: a server of its own, in earnest (`fsync` on), and no
//! gateway in front of it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stonescriptdb_gateway::bundle::Bundle;
use stonescriptdb_gateway::bundle::archive::{self, ArchiveLimits};
use stonescriptdb_gateway::bundle::cost::Limits;
use stonescriptdb_gateway::config::{AllowedExtensions, PoolConfig};
use stonescriptdb_gateway::databases::name::{Address, Id, Which};
use stonescriptdb_gateway::databases::{Databases, RunAs};
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions};
use stonescriptdb_gateway::orchestrator::{DeployLimits, Orchestrator};
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{BundleBuilder, bundle};

const LIMIT: Duration = Duration::from_secs(60);

fn read(bundle: &BundleBuilder) -> Bundle {
    let limits = ArchiveLimits {
        max_unpacked_bytes: 1 << 20,
        max_entries: ArchiveLimits::DEFAULT_MAX_ENTRIES,
        sql: Limits { max_bytes: 1 << 20, max_statements: 1000 },
        abandoned: Arc::default(),
    };
    archive::read(&bundle.tar_gz(), &limits).expect("a bundle")
}

async fn connect(server: &Config, database: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = server.clone().dbname(database).connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Kills one backend the hard way. PostgreSQL then ends all others, forgets its memory and recovers from its log, which
/// is what a crash of the machine leaves it with.
async fn crash(server: &Config, database: &str) -> Client {
    let victim = connect(server, database).await.expect("a connection");
    let row = victim.query_one("SELECT pg_backend_pid()", &[]).await.expect("a pid");
    kill(Pid::from_raw(row.get(0)), Signal::SIGKILL).expect("the tests may end their own server's processes");
    let begin = Instant::now();
    let noticed = async { while victim.simple_query("SELECT 1").await.is_ok() {} };
    tokio::time::timeout(LIMIT, noticed).await.expect("the connection breaks");
    loop {
        if let Ok(client) = connect(server, database).await {
            return client;
        }
        assert!(begin.elapsed() < LIMIT, "the server did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn no_value_of_a_sequence_is_given_twice_after_a_crash_of_the_server() {
    let folder = tempfile::Builder::new().prefix("gateway-crash-").tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("our folder");
    let server = embedded::start(EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(PathBuf::from),
        die_with_parent: true,
        ..EmbeddedOptions::new(folder.path().join("server"))
    });
    let server = server.await.expect("a server");
    let pool = PoolConfig {
        max_connections_per_pool: 2,
        max_total_connections: 20,
        idle_timeout: LIMIT,
        max_lifetime: LIMIT,
        wait_timeout: LIMIT,
    };
    let databases = Databases::start(server.connection().clone(), &pool, LIMIT, LIMIT).expect("no setting is bad");
    let bundle = bundle()
        .file("tables/rows.sql", "CREATE TABLE rows (id serial PRIMARY KEY, what text);")
        .file("seeders/rows.sql", "INSERT INTO rows (what) VALUES ('a'), ('b'), ('c');");
    let platform = Id::parse("platform", "crashing").expect("a name");
    let address = Address::new(platform, Which::Main).expect("a name");
    let limits = DeployLimits { lock_timeout: LIMIT, ..DeployLimits::default() };
    let metrics = std::sync::Arc::new(stonescriptdb_gateway::metrics::Metrics::new(0).expect("each has a name"));
    let orchestrator = Orchestrator::new(databases.clone(), limits, AllowedExtensions::default(), metrics);
    orchestrator.register(address, &RunAs::Gateway, read(&bundle), false).await.expect("it deploys");

    let insert = "INSERT INTO rows (what) SELECT 'later' FROM generate_series(1, 5) RETURNING id";
    let last = "SELECT setval(pg_get_serial_sequence('_stonescriptdb_gateway_changelog', 'id'),
                              nextval(pg_get_serial_sequence('_stonescriptdb_gateway_changelog', 'id')))
                     > (SELECT max(id) FROM _stonescriptdb_gateway_changelog)";
    let client = connect(server.connection(), "crashing_main").await.expect("the new database");
    let rows = client.query(insert, &[]).await.expect("rows");
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);

    let client = crash(server.connection(), "crashing_main").await;
    let rows = client.query(insert, &[]).await.expect("no key is given twice");
    assert!(rows.iter().all(|row| row.get::<_, i32>(0) > 8), "{rows:?}");
    assert!(client.query_one(last, &[]).await.expect("a value").get::<_, bool>(0), "the changelog's own numbers");
    databases.close().await;
    server.stop().await.expect("the server stops");
}
