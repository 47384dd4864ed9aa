//! The environment → [`Config`], one small struct per concern, checked once at the start (contract §8).

use std::path::PathBuf;
use std::time::Duration;

use ipnetwork::IpNetwork;

/// Everything that an operator can set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the gateway listens.
    pub server: ServerConfig,
    /// Which PostgreSQL it stands in front of.
    pub postgres: PostgresSource,
    /// Connection pools and the budget they share.
    pub pool: PoolConfig,
    /// Who may speak to it.
    pub access: AccessConfig,
    /// Limits of requests and deployments.
    pub limits: LimitsConfig,
    /// `DATA_DIR`: the registry and the embedded PostgreSQL.
    pub data_dir: PathBuf,
    /// Where the log goes.
    pub log: LogConfig,
    /// `PLATFORM_ROLES`.
    pub platform_roles: PlatformRoles,
    /// `CONFLICT_STATUS`: the status of "already there" answers, 400 or 409.
    pub conflict_status: u16,
}

/// `GATEWAY_HOST`, `GATEWAY_PORT`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// A name or an address.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
}

/// Which PostgreSQL.
#[derive(Clone, Debug)]
pub enum PostgresSource {
    /// Neither `DATABASE_URL` nor `DB_HOST` is set: a private cluster under `DATA_DIR`.
    Embedded,
    /// `DB_*` or `DATABASE_URL`. Its `Debug` hides the password.
    External(Box<tokio_postgres::Config>),
}

/// Pools (contract §8, "Pools").
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// `MAX_CONNECTIONS_PER_POOL`: connections of one database.
    pub max_connections_per_pool: usize,
    /// `MAX_TOTAL_CONNECTIONS`: server connections in all.
    pub max_total_connections: usize,
    /// `POOL_IDLE_TIMEOUT_SECS`: an unused connection is closed after this.
    pub idle_timeout: Duration,
    /// `POOL_MAX_LIFETIME_SECS`: any connection is closed after this.
    pub max_lifetime: Duration,
    /// `POOL_WAIT_TIMEOUT_SECS`: how long a request waits for a connection.
    pub wait_timeout: Duration,
}

/// Who may speak to the gateway.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// `ALLOWED_NETWORKS`.
    pub allowed_networks: Vec<IpNetwork>,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNetwork>,
    /// `ADMIN_TOKEN`.
    pub admin_token: Option<Secret>,
}

/// Limits of requests and deployments.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// `CALL_TIMEOUT_SECS`.
    pub call_timeout: Duration,
    /// `LOCK_TIMEOUT_SECS`: how long a deployment's statement waits for a lock.
    pub lock_timeout: Duration,
    /// `MAX_UPLOAD_BYTES`: the size of an uploaded archive.
    pub max_upload_bytes: usize,
    /// `MAX_UNPACKED_BYTES`: the size of what is in it.
    pub max_unpacked_bytes: usize,
}

/// Where the log goes.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `LOG_DIR`: unset means stdout only.
    pub dir: Option<PathBuf>,
    /// `RUST_LOG`: a tracing filter.
    pub filter: String,
}

/// Whether a platform without credentials of its own gets a generated role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformRoles {
    /// Uploaded code runs as a role of its own.
    Auto,
    /// Uploaded code runs as the gateway's role.
    Off,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
