//! A PostgreSQL that is not the gateway's own, and a role `gw` there that may make roles and databases and is no superuser.

use std::path::PathBuf;

use stonescriptdb_gateway::embedded::{self, EmbeddedOptions, EmbeddedPostgres};
use tempfile::TempDir;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

/// The server, and the folder that it lies in.
pub(crate) struct Outside {
    server: EmbeddedPostgres,
    _folder: TempDir,
}

impl Outside {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("ssdb-outside-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let server = embedded::start(EmbeddedOptions {
            bin_dir: std::env::var_os("PG_BIN_DIR").map(PathBuf::from),
            die_with_parent: true,
            ..EmbeddedOptions::new(folder.path().join("server"))
        })
        .await
        .unwrap();
        let (client, connection) = server.connection().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("CREATE ROLE gw LOGIN CREATEDB CREATEROLE PASSWORD 'gw-password'").await.unwrap();
        Self { server, _folder: folder }
    }

    /// How its superuser connects.
    pub(crate) fn superuser(&self) -> Config {
        self.server.connection().clone()
    }

    /// What a gateway's environment says, to use it as `gw`.
    pub(crate) fn settings(&self) -> [(&'static str, String); 6] {
        let config = self.server.connection();
        let Some(Host::Unix(socket)) = config.get_hosts().first() else { panic!("a socket") };
        let port = config.get_ports().first().map_or_else(|| "5432".to_owned(), u16::to_string);
        [
            ("DB_HOST", socket.to_str().unwrap().to_owned()),
            ("DB_PORT", port),
            ("DB_USER", "gw".to_owned()),
            ("DB_PASSWORD", "gw-password".to_owned()),
            ("DB_NAME", "postgres".to_owned()),
            ("PLATFORM_ROLES", "auto".to_owned()),
        ]
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await.unwrap();
    }
}
