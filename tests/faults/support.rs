//! A server, gateways in front of it, bundles, and what a database holds.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions, EmbeddedPostgres};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Nothing in these tests may take longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A PostgreSQL of a test's own, and the folder for everything.
pub(crate) struct Server {
    pub(crate) postgres: EmbeddedPostgres,
    pub(crate) folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("gateway-faults-").tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("our folder");
        let settings = [("fsync", "off"), ("full_page_writes", "off"), ("autovacuum_naptime", "1h")];
        let postgres = embedded::start(EmbeddedOptions {
            bin_dir: std::env::var_os("PG_BIN_DIR").map(PathBuf::from),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            die_with_parent: true,
            ..EmbeddedOptions::new(folder.path().join("server"))
        });
        Self { postgres: postgres.await.expect("a server"), folder }
    }

    /// The folder of the server's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        match self.postgres.connection().get_hosts().first() {
            Some(Host::Unix(folder)) => folder.clone(),
            other => panic!("not a unix socket: {other:?}"),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.postgres.connection().get_ports().first().copied().unwrap_or(5432)
    }

    /// A gateway in front of it.
    pub(crate) fn gateway(&self) -> Gateway {
        self.gateway_through(&self.socket())
    }

    /// A gateway that finds PostgreSQL's socket in another folder.
    pub(crate) fn gateway_through(&self, socket: &Path) -> Gateway {
        self.start_gateway(socket, &self.new_folder(), &[])
    }

    pub(crate) fn new_folder(&self) -> PathBuf {
        tempfile::tempdir_in(self.folder.path()).expect("a folder").keep()
    }

    /// A gateway with its platforms and schemas in this folder.
    pub(crate) fn gateway_in(&self, data: &Path) -> Gateway {
        self.gateway_with(data, &[])
    }

    /// The same with further settings.
    pub(crate) fn gateway_with(&self, data: &Path, settings: &[(&str, &str)]) -> Gateway {
        self.start_gateway(&self.socket(), data, settings)
    }

    /// What leads a gateway to it.
    pub(crate) fn settings(&self) -> [(&'static str, String); 5] {
        let connection = self.postgres.connection();
        [
            ("DB_HOST", self.socket().to_string_lossy().into_owned()),
            ("DB_PORT", self.port().to_string()),
            ("DB_NAME", "postgres".to_owned()),
            ("DB_USER", connection.get_user().unwrap_or_default().to_owned()),
            ("DB_PASSWORD", String::from_utf8_lossy(connection.get_password().unwrap_or_default()).into_owned()),
        ]
    }

    fn start_gateway(&self, socket: &Path, data: &Path, settings: &[(&str, &str)]) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stonescriptdb-gateway"));
        command.envs(self.settings()).env("DB_HOST", socket).envs(settings.iter().copied());
        Gateway::start(command, data, self.folder.path())
    }

    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) =
            self.postgres.connection().clone().dbname(database).connect(NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        client
    }

    /// Waits until no gateway has a session any more: what a killed one left is rolled back then.
    pub(crate) async fn wait_until_left_alone(&self) {
        let client = self.connect("postgres").await;
        let query =
            "SELECT concat_ws(' ', pid, application_name, datname, state, wait_event, query) FROM pg_stat_activity
                     WHERE application_name LIKE 'stonescriptdb-gateway%' AND pid <> pg_backend_pid()";
        let begin = Instant::now();
        loop {
            let left = rows(&client, query).await;
            if left.is_empty() {
                return;
            }
            assert!(begin.elapsed() < LIMIT, "sessions of gateways that are gone: {left:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The databases that could be taken for a platform's.
    pub(crate) async fn databases(&self) -> Vec<String> {
        let client = self.connect("postgres").await;
        let query = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' AND datname NOT LIKE 'stonescriptdb-%'";
        rows(&client, query).await
    }

    /// Schema in words and the rows of the tables, with what the gateway recorded; nothing where it does not exist.
    pub(crate) async fn contents(&self, database: &str) -> Vec<String> {
        if !self.databases().await.iter().any(|name| name == database) {
            return Vec::new();
        }
        let client = self.connect(database).await;
        client.batch_execute("SET search_path = ''; SET jit = off").await.expect("settings");
        let mut lines = rows(&client, include_str!("../integration/support/catalog.sql")).await;
        let tables = "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                      AND relname !~ '(changelog|state|progress)$' ORDER BY 1";
        for table in rows(&client, tables).await {
            let query = format!(
                "SELECT '{table} ' || (to_jsonb(t) - 'applied_at' - 'deployed_at')::text FROM {table} AS t ORDER BY 1"
            );
            lines.extend(rows(&client, &query).await);
        }
        lines
    }
}

/// Waits until something is so.
pub(crate) async fn wait(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < LIMIT, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first column of every row.
pub(crate) async fn rows(client: &Client, query: &str) -> Vec<String> {
    let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let first = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("∅").to_owned()),
        _ => None,
    };
    messages.iter().filter_map(first).collect()
}

pub(crate) async fn value(client: &Client, query: &str) -> String {
    rows(client, query).await.into_iter().next().unwrap_or_else(|| panic!("no row: {query}"))
}

/// A gateway, killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) url: String,
}

impl Gateway {
    /// The program, with its files in `data`, working in `folder`.
    fn start(mut command: Command, data: &Path, folder: &Path) -> Self {
        for inherited in ["DATABASE_URL", "LOG_DIR", "ADMIN_TOKEN", "ADMIN_SCOPE", "CONFLICT_STATUS"] {
            if !command.get_envs().any(|(name, _)| name == inherited) {
                command.env_remove(inherited);
            }
        }
        let log = std::fs::File::create(folder.join("gateway.err")).expect("a log");
        let mut child = command
            .env("DATA_DIR", data)
            .env("GATEWAY_PORT", "0")
            .env("LOCK_TIMEOUT_SECS", "2")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the gateway is built");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (found, url) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("listening on ") {
                    // Nobody waits any more after the first one.
                    found.send(url.split_whitespace().next().unwrap_or(url).trim_end_matches('/').to_owned()).ok();
                }
            }
        });
        Gateway { child, url: url.recv_timeout(LIMIT).expect("it says where it listens") }
    }

    /// One with a PostgreSQL of its own.
    pub(crate) fn embedded(data: &Path, folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stonescriptdb-gateway"));
        command.env_remove("DB_HOST").env("PLATFORM_ROLES", "auto").env("LOCK_TIMEOUT_SECS", "2");
        Self::start(command, data, folder)
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn finish(&mut self) {
        self.stop();
        self.child.wait().ok();
    }

    /// `SIGKILL`.
    pub(crate) fn kill(&mut self) {
        // Fails only if it has ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// `SIGTERM`: it ends what is under way.
    pub(crate) fn stop(&self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).expect("it runs");
    }

    /// `POST /register` of the main database of the platform `x`: status and body, or nothing where no answer came.
    pub(crate) async fn register(&self, files: &[(&str, &str)]) -> Option<(u16, Value)> {
        register(&self.url, tar_gz(files)).await
    }

    /// The same, which has to go through.
    pub(crate) async fn ready(&self, files: &[(&str, &str)]) {
        let (status, body) = self.register(files).await.expect("an answer");
        assert_eq!(status, 200, "{body:#}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// See [`Gateway::register`].
pub(crate) async fn register(url: &str, archive: Vec<u8>) -> Option<(u16, Value)> {
    use reqwest::multipart::{Form, Part};
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().expect("a client");
    let form = Form::new()
        .text("platform", "x")
        .text("force", "true")
        .part("schema", Part::bytes(archive).file_name("x.tar.gz"));
    let answer = client.post(format!("{url}/register")).multipart(form).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_str(&answer.text().await.ok()?).ok()?))
}

/// Status and body of an answer.
pub(crate) async fn ask(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.timeout(LIMIT).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

pub(crate) async fn post(gateway: &Gateway, path: &str, body: Value) -> (u16, Value) {
    let request = client().post(format!("{}{path}", gateway.url)).header("Content-Type", "application/json");
    ask(request.body(body.to_string())).await
}

/// A `POST` of fields and an archive.
pub(crate) async fn upload(
    gateway: &Gateway,
    path: &str,
    fields: &[(&'static str, &str)],
    files: &[(&str, &str)],
) -> (u16, Value) {
    use reqwest::multipart::{Form, Part};
    let form = fields.iter().fold(Form::new(), |form, (name, text)| form.text(*name, (*text).to_owned()));
    let form = form.part("schema", Part::bytes(tar_gz(files)).file_name("x.tar.gz"));
    ask(client().post(format!("{}{path}", gateway.url)).multipart(form)).await
}

pub(crate) fn tar_gz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).expect("memory is always writable");
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("memory is always writable")
}

/// The first version of the bundle that these tests deploy.
pub(crate) const BEFORE: &[(&str, &str)] = &[
    ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, n int);"),
    ("functions/f.sql", "CREATE FUNCTION f(n int) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a'"),
    ("views/v.sql", "CREATE VIEW v AS SELECT id, n, f(n) AS f FROM a;"),
];

/// The second: everything in one transaction, with pauses in which it can be disturbed.
pub(crate) const AFTER: &[(&str, &str)] = &[
    ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, n bigint, m int, o int);"),
    ("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY);"),
    ("migrations/1.sql", "ALTER TABLE a ADD COLUMN m int; UPDATE a SET m = id; SELECT pg_sleep(0.2);"),
    ("migrations/2.sql", "ALTER TABLE a ADD COLUMN o int; SELECT pg_sleep(0.2); INSERT INTO b SELECT 100 + id FROM a;"),
    ("functions/f.sql", "CREATE FUNCTION f(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM b'"),
    ("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'"),
    ("views/v.sql", "CREATE VIEW v AS SELECT id, n, f(n) AS f FROM a;"),
    ("views/w.sql", "CREATE MATERIALIZED VIEW w AS SELECT pg_sleep(0.2)::text AS slept, id FROM a;"),
];

/// Rows that must survive everything.
pub(crate) const ROWS: &str =
    "INSERT INTO a SELECT g, g * 2 FROM generate_series(1, 20) g; GRANT SELECT ON v TO PUBLIC";
