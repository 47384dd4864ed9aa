//! A PostgreSQL on a port, with TLS or without.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use super::certificates::Authority;
use super::server;

/// The superuser's.
pub(crate) const PASSWORD: &str = "correct horse";
/// Any client with TLS, none without; the other way round; both; and with a certificate of its own.
pub(crate) const WITH: &str = "hostssl all all 127.0.0.1/32 scram-sha-256";
pub(crate) const WITHOUT: &str = "hostnossl all all 127.0.0.1/32 scram-sha-256";
pub(crate) const EITHER: &str = "host all all 127.0.0.1/32 scram-sha-256";
pub(crate) const KNOWN: &str = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca";

/// A server on a port of its own, and who vouches for it.
pub(crate) struct Stage {
    pub(crate) server: server::Server,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = server::start_with(&["listen_addresses=127.0.0.1", &format!("port={port}")]);
        server.config.port(port);
        let stage = Self { server, port, authority: Authority::new("ours"), folder: tempfile::tempdir().unwrap() };
        stage.superuser(&format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'")).await;
        std::fs::write(stage.file("roots.pem"), stage.authority.certificate()).unwrap();
        stage
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What only the gateway is to read.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    pub(crate) async fn superuser(&self, statements: &str) {
        let client = self.connect().await;
        for statement in statements.split(';') {
            client.batch_execute(statement).await.unwrap();
        }
    }

    /// From now on the server shows `certificate`, or has no TLS; and lets in whom `rule` names.
    pub(crate) async fn serve(&self, certificate: Option<(String, String)>, rule: &str) {
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&self.server.folder).unwrap());
        let put = |name: &str, text: &str| {
            let path = self.server.folder.join(name);
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        };
        put("data/pg_hba.conf", &format!("local all all trust\n{rule}\n"));
        let mut settings = String::new();
        if let Some((certificate, key)) = &certificate {
            put("data/server.crt", certificate);
            put("data/server.key", key);
            put("data/clients.crt", &self.authority.certificate());
            settings.push_str("ALTER SYSTEM SET ssl_ca_file = 'clients.crt'; ");
        }
        let on = if certificate.is_some() { "on" } else { "off" };
        let before = self.loaded().await;
        self.superuser(&format!("{settings}ALTER SYSTEM SET ssl = {on}; SELECT pg_reload_conf()")).await;
        eventually("it was reloaded", async || self.loaded().await != before && self.ssl().await == on).await;
        // The postmaster reads it a moment before those that it starts afterwards have it.
        eventually("the rules are read", async || self.rules().await.contains(rule.split(' ').next().unwrap())).await;
    }

    async fn ask(&self, question: &str) -> String {
        self.connect().await.query_one(question, &[]).await.unwrap().get(0)
    }

    /// The major one.
    pub(crate) async fn version(&self) -> u32 {
        self.ask("SELECT current_setting('server_version_num')").await.parse::<u32>().unwrap() / 10_000
    }

    async fn loaded(&self) -> String {
        self.ask("SELECT pg_conf_load_time()::text").await
    }

    async fn ssl(&self) -> String {
        self.ask("SELECT current_setting('ssl')").await
    }

    async fn rules(&self) -> String {
        self.ask("SELECT string_agg(type, ' ') FROM pg_hba_file_rules").await
    }

    /// As the superuser, without TLS.
    pub(crate) async fn connect(&self) -> Client {
        let mut config = self.server.config.clone();
        let (client, connection) = config.application_name("test").connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// Waits for something that must come true soon.
async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut is_true: F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_true().await {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
