//! Statements about databases, before a real server.

use super::*;
use crate::embedded::{self, EmbeddedOptions};

/// Who waited behind other statements about databases was not kept waiting by PostgreSQL.
#[tokio::test]
async fn the_seconds_of_a_drop_begin_with_its_turn() {
    let folder = tempfile::Builder::new().prefix("ssdb-drop-").tempdir_in("/tmp").expect("a folder");
    // PostgreSQL may run as another user.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("our folder");
    let server = embedded::start(EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        die_with_parent: true,
        ..EmbeddedOptions::new(folder.path().join("server"))
    });
    let server = server.await.expect("a server");
    let pool = PoolConfig {
        max_connections_per_pool: 5,
        max_total_connections: 20,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(60),
        wait_timeout: Duration::from_secs(60),
    };
    let minute = Duration::from_secs(60);
    let databases = Databases::start(server.connection().clone(), &pool, minute, minute).expect("no setting is bad");
    let name = DatabaseName::recorded("theirs".to_owned());
    databases.create_database(&name, None, &RunAs::Gateway).await.expect("it is made");
    let turns =
        [databases.admit_statement().await.expect("a turn"), databases.admit_statement().await.expect("a turn")];
    let dropping = tokio::spawn({
        let (databases, name) = (databases.clone(), name.clone());
        async move { databases.drop_database(&name).await }
    });
    tokio::time::sleep(2 * DROP_PATIENCE + Duration::from_secs(1)).await;
    assert!(!dropping.is_finished(), "it waits for its turn");
    drop(turns);
    dropping.await.expect("no panic").expect("it is dropped");
    let left =
        "SELECT datname FROM pg_catalog.pg_database WHERE datname = 'theirs' OR datname LIKE 'stonescriptdb-new-%'";
    let left = databases.control().await.expect("a connection").query(left, &[]).await.expect("an answer");
    assert!(left.is_empty(), "it was put aside");
    databases.close().await;
    server.stop().await.expect("it stops");
}
