//! The router on a real socket: everything that needs no database. Requests are written byte by byte, as clients that
//! are no library write them.

mod guard;
mod json;
mod leftover;
mod memory;
mod observe;
mod openapi;
mod parts;
mod routes;
mod upload;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::state::Gateway;
use crate::config::{
    AccessConfig, AdminScope, AllowedExtensions, Config, LimitsConfig, LogConfig, LogFormat, MetricsConfig,
    PlatformRoles, PoolConfig, PostgresSource, ServerConfig,
};
use crate::databases::Databases;
use crate::router::{self, App};
use crate::server::{self, ServerLimits};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn config() -> Config {
    let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
    Config {
        metrics: MetricsConfig { address: None, most_functions: 10 },
        server: ServerConfig { host: "127.0.0.1".to_owned(), port: 0, max_client_connections: 1000 },
        postgres: PostgresSource::Embedded,
        pool: PoolConfig {
            max_connections_per_pool: 1,
            max_total_connections: 1,
            idle_timeout: Duration::from_secs(1),
            max_lifetime: Duration::from_secs(1),
            wait_timeout: Duration::from_secs(1),
        },
        access: AccessConfig {
            allowed_networks: networks(&["127.0.0.1/32", "::1/128"]),
            trusted_proxies: vec![],
            admin_token: None,
            admin_scope: AdminScope::Admin,
        },
        limits: LimitsConfig {
            call_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            deployment_timeout: Duration::from_secs(3600),
            max_deployments_per_platform: 4,
            shutdown_timeout: Duration::from_secs(120),
            max_upload_bytes: 100_000,
            max_unpacked_bytes: 1_000_000,
            max_sql_bytes: 500_000,
            max_statements: 1_000,
            upload_memory_bytes: 64 << 20,
        },
        data_dir: PathBuf::from("./data"),
        pg_bin_dir: None,
        log: LogConfig { dir: None, filter: "info".to_owned(), format: LogFormat::Text },
        platform_roles: PlatformRoles::Off,
        allowed_extensions: AllowedExtensions::default(),
        conflict_status: 400,
    }
}

fn gateway(change: impl FnOnce(&mut Config)) -> Arc<Gateway> {
    let mut config = config();
    change(&mut config);
    // No server listens there: what these tests ask needs none.
    let mut nowhere = tokio_postgres::Config::new();
    nowhere.host_path("/nonexistent").user("nobody");
    let limits = &config.limits;
    let databases = Databases::start(nowhere, &config.pool, limits.call_timeout, limits.lock_timeout);
    Arc::new(Gateway::new(config, databases.unwrap()))
}

/// A served router; it ends with the test's runtime.
struct Server {
    address: SocketAddr,
}

impl Server {
    /// The gateway's own routes.
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::serve(router::app(gateway(change))).await
    }

    /// Other routes under the gateway's layers.
    async fn start_routes(routes: Router<Arc<Gateway>>, gateway: Arc<Gateway>) -> Self {
        Self::serve(App::around(routes, gateway)).await
    }

    async fn serve(app: App) -> Self {
        Self::serve_within(ServerLimits::default(), app).await
    }

    async fn serve_within(limits: ServerLimits, app: App) -> Self {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server::serve_within(limits, listener, app, std::future::pending());
        tokio::spawn(async move { serving.await.unwrap() });
        Self { address }
    }

    async fn connect_from(&self, source: IpAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source, 0)).unwrap();
        timeout(DEADLINE, socket.connect(self.address)).await.unwrap().unwrap()
    }

    /// Sends `request` as it is and reads until the server closes; the request must ask for that.
    async fn send(&self, request: impl AsRef<[u8]>) -> Answer {
        self.send_from(LOOPBACK, request).await
    }

    async fn send_from(&self, source: IpAddr, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect_from(source).await;
        timeout(DEADLINE, stream.write_all(request.as_ref())).await.unwrap().unwrap();
        Answer::read(&mut stream).await
    }

    /// A request without a body.
    async fn ask(&self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(head(method, target, headers)).await
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    async fn post(&self, target: &str, content_type: Option<&str>, body: &[u8]) -> Answer {
        let content_type = content_type.map(|value| format!("Content-Type: {value}\r\n")).unwrap_or_default();
        let mut request =
            head("POST", target, &format!("{content_type}Content-Length: {}\r\n", body.len())).into_bytes();
        request.extend_from_slice(body);
        self.send(request).await
    }
}

/// The head of a request; `headers` end in CRLF each.
fn head(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}\r\n")
}

/// What the server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and body, for a snapshot; checks that the body is the contract's kind of error.
    fn error(&self) -> String {
        let json = self.json();
        assert!(json["error"].is_string() && json["message"].is_string(), "{self:?}");
        format!("{} {}", self.status, self.body)
    }
}
