//! Process numbers are used again: whoever has the number now is left alone unless it is the backend that was meant.

use tokio_postgres::config::Host;

use super::*;
use crate::embedded::{self, EmbeddedOptions};

#[tokio::test]
async fn a_backend_with_the_number_of_one_that_is_gone_is_left_alone() {
    let folder = tempfile::Builder::new().prefix("ssdb-terminator-").tempdir_in("/tmp").expect("a folder");
    // PostgreSQL may run as another user.
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("our folder");
    let server = embedded::start(EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        die_with_parent: true,
        ..EmbeddedOptions::new(folder.path().join("server"))
    });
    let server = server.await.expect("a server");
    let mut config = server.connection().clone();
    config.dbname("postgres");
    let Some(Host::Unix(socket)) = config.get_hosts().first() else { panic!("a socket") };
    let endpoint = Endpoint::Unix(socket.join(format!(".s.PGSQL.{}", config.get_ports().first().unwrap_or(&5432))));
    let (client, connection) = config.connect(NoTls).await.expect("it answers");
    let connection = tokio::spawn(connection);
    let backend = Backend::of(&client).await.expect("an answer").expect("a superuser is told");

    let terminator = Terminator::new(config.clone(), vec!["postgres".to_owned()]);
    let before = Backend { started: "2026-01-01 00:00:00.000001+00".to_owned(), ..backend.clone() };
    assert_eq!(terminator.terminate(&endpoint, &before).await.expect("an answer"), Outcome::Gone);
    client.batch_execute("SELECT 1").await.expect("it goes on");
    assert_eq!(terminator.terminate(&endpoint, &backend).await.expect("an answer"), Outcome::Signalled);
    assert!(timeout(ANSWER_TIMEOUT, connection).await.is_ok(), "the one that was meant has ended");
    server.stop().await.expect("it stops");
}
