//! The environment → [`Config`], one small struct per concern, checked once at the start (contract §8).
//!
//! Owns every variable's name, default and range ([`VARIABLES`]); refuses the first bad value with one line that names
//! the variable, the value and what is allowed, and never prints a password. `main` calls it; everybody else is handed
//! the part of [`Config`] that concerns them.

mod encryption;
mod environment;
mod extensions;
mod external;
mod read;
mod summary;
#[cfg(test)]
mod tests;
mod variables;

pub use environment::Environment;
pub use extensions::AllowedExtensions;
pub use variables::{VARIABLES, Variable};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::tls::Tls;

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
    /// What `GET /metrics` shows, and where.
    pub metrics: MetricsConfig,
    /// `PLATFORM_ROLES`.
    pub platform_roles: PlatformRoles,
    /// `ALLOWED_EXTENSIONS`: which extensions platforms' roles may have that only a superuser can install.
    pub allowed_extensions: AllowedExtensions,
    /// `CONFLICT_STATUS`: the status of "already there" answers, 400 or 409.
    pub conflict_status: u16,
    /// `PG_BIN_DIR`: where the embedded PostgreSQL's `postgres` and `initdb` are; unset: searched for.
    pub pg_bin_dir: Option<PathBuf>,
}

/// Why the environment is no [`Config`]. Always one line, never a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that is not allowed.
    #[error("{variable}={shown}: expected {allowed}")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// The value, quoted and shortened; not the value where it may hold a password.
        shown: String,
        /// What would be right.
        allowed: String,
    },
    /// A value that is not text.
    #[error("{variable} is not valid UTF-8")]
    NotUnicode {
        /// The variable's name.
        variable: &'static str,
    },
    /// `.env` is there but cannot be read.
    #[error("{path}: {reason}")]
    EnvFile {
        /// The file.
        path: String,
        /// Why, without the line's text, which may be a password.
        reason: String,
    },
}

impl Config {
    /// Checks every variable; `get` gives a variable's value. An empty value counts as unset.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = read::Reader::new(get);
        let postgres = external::read_source(&env)?;
        let embedded = matches!(postgres, PostgresSource::Embedded);
        Ok(Self {
            server: ServerConfig {
                host: env.host("GATEWAY_HOST", "127.0.0.1")?,
                port: env.number("GATEWAY_PORT", 9000, 0..=65535)?,
                max_client_connections: env.number("MAX_CLIENT_CONNECTIONS", 10_000, 1..=1_000_000)?,
            },
            postgres,
            pool: read_pool(&env)?,
            access: AccessConfig {
                allowed_networks: env.networks("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128")?,
                trusted_proxies: env.networks("TRUSTED_PROXIES", "")?,
                admin_token: env.token("ADMIN_TOKEN")?,
                admin_scope: read_admin_scope(&env)?,
            },
            limits: read_limits(&env)?,
            data_dir: env.path("DATA_DIR").unwrap_or_else(|| PathBuf::from("./data")),
            log: LogConfig {
                dir: env.path("LOG_DIR"),
                filter: env.log_filter("RUST_LOG", "info")?,
                format: env
                    .one_of("LOG_FORMAT", &[("text", LogFormat::Text), ("json", LogFormat::Json)])?
                    .unwrap_or_default(),
            },
            metrics: MetricsConfig {
                address: env.address("METRICS_ADDR")?,
                most_functions: env.number("METRICS_MAX_FUNCTIONS", 500, 0..=100_000)?,
            },
            platform_roles: read_platform_roles(&env, embedded)?,
            allowed_extensions: extensions::read(&env, "ALLOWED_EXTENSIONS")?,
            conflict_status: env.one_of("CONFLICT_STATUS", &[("400", 400), ("409", 409)])?.unwrap_or(400),
            pg_bin_dir: env.path("PG_BIN_DIR"),
        })
    }
}

fn read_pool<F: Fn(&str) -> Option<String>>(env: &read::Reader<F>) -> Result<PoolConfig, ConfigError> {
    let seconds = |variable, default, range| env.number(variable, default, range).map(Duration::from_secs);
    // Fewer than four cannot hold a deployment, which works on its database and on a blueprint, beside calls.
    let max_total_connections = env.number("MAX_TOTAL_CONNECTIONS", 200, 4..=100_000)?;
    Ok(PoolConfig {
        max_connections_per_pool: env.number(
            "MAX_CONNECTIONS_PER_POOL",
            max_total_connections.min(10),
            1..=max_total_connections,
        )?,
        max_total_connections,
        idle_timeout: seconds("POOL_IDLE_TIMEOUT_SECS", 1800, 1..=31_536_000)?,
        max_lifetime: seconds("POOL_MAX_LIFETIME_SECS", 3600, 1..=31_536_000)?,
        wait_timeout: seconds("POOL_WAIT_TIMEOUT_SECS", 5, 1..=3600)?,
    })
}

fn read_limits<F: Fn(&str) -> Option<String>>(env: &read::Reader<F>) -> Result<LimitsConfig, ConfigError> {
    // A day, because PostgreSQL takes both limits as milliseconds in 32 bits.
    let seconds = |variable, default| env.number(variable, default, 1..=86_400).map(Duration::from_secs);
    let bytes = |variable, default| env.number(variable, default, 1..=1 << 40);
    Ok(LimitsConfig {
        call_timeout: seconds("CALL_TIMEOUT_SECS", 30)?,
        lock_timeout: seconds("LOCK_TIMEOUT_SECS", 10)?,
        deployment_timeout: seconds("DEPLOYMENT_TIMEOUT_SECS", 3600)?,
        max_deployments_per_platform: env.number("MAX_DEPLOYMENTS_PER_PLATFORM", 4, 1..=1000)?,
        max_upload_bytes: bytes("MAX_UPLOAD_BYTES", 64 << 20)?,
        max_unpacked_bytes: bytes("MAX_UNPACKED_BYTES", 256 << 20)?,
        max_sql_bytes: bytes("MAX_SQL_BYTES", 64 << 20)?,
        max_statements: env.number("MAX_STATEMENTS", 200_000, 1..=1_000_000_000)?,
        shutdown_timeout: env.number("SHUTDOWN_TIMEOUT_SECS", 120, 0..=86_400).map(Duration::from_secs)?,
        // Less than that holds no upload at all.
        upload_memory_bytes: env.number("UPLOAD_MEMORY_BYTES", 512 << 20, 1 << 20..=1 << 40)?,
    })
}

fn read_admin_scope<F: Fn(&str) -> Option<String>>(env: &read::Reader<F>) -> Result<AdminScope, ConfigError> {
    let given = env.one_of("ADMIN_SCOPE", &[("admin", AdminScope::Admin), ("deploy", AdminScope::Deploy)])?;
    match given {
        // Whoever sets it wants what it names closed, which nothing would do.
        Some(AdminScope::Deploy) if env.token("ADMIN_TOKEN")?.is_none() => {
            Err(read::invalid("ADMIN_SCOPE", "deploy", "ADMIN_TOKEN to be set beside it, or admin"))
        }
        given => Ok(given.unwrap_or(AdminScope::Admin)),
    }
}

fn read_platform_roles<F: Fn(&str) -> Option<String>>(
    env: &read::Reader<F>,
    embedded: bool,
) -> Result<PlatformRoles, ConfigError> {
    let given = env.one_of("PLATFORM_ROLES", &[("auto", PlatformRoles::Auto), ("off", PlatformRoles::Off)])?;
    // Elsewhere than on the embedded PostgreSQL the gateway's role may not be allowed to make roles.
    Ok(given.unwrap_or(if embedded { PlatformRoles::Auto } else { PlatformRoles::Off }))
}

/// `GATEWAY_HOST`, `GATEWAY_PORT`, `MAX_CLIENT_CONNECTIONS`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// A name or an address.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// `MAX_CLIENT_CONNECTIONS`: connections of clients at once.
    pub max_client_connections: usize,
}

/// Which PostgreSQL.
#[derive(Clone, Debug)]
pub enum PostgresSource {
    /// Neither `DATABASE_URL` nor `DB_HOST` is set: a private cluster under `DATA_DIR`.
    Embedded,
    /// `DB_*` or `DATABASE_URL`. Its `Debug` hides the password.
    External(Box<Destination>),
}

/// A PostgreSQL, and how it is reached.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Where, and as whom.
    pub connection: tokio_postgres::Config,
    /// How connections over a network are encrypted.
    pub tls: Arc<Tls>,
}

impl From<tokio_postgres::Config> for Destination {
    /// Without TLS.
    fn from(connection: tokio_postgres::Config) -> Self {
        Self { connection, tls: Arc::new(Tls::none()) }
    }
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

impl PoolConfig {
    /// How many connections deployments have at once: they leave a quarter to calls.
    pub fn session_limit(&self) -> usize {
        Self::sessions_of(self.max_total_connections)
    }

    /// The same, where there are `total` connections in all.
    pub(crate) fn sessions_of(total: usize) -> usize {
        (total - total / 4).max(1)
    }
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
    /// `ADMIN_SCOPE`.
    pub admin_scope: AdminScope,
}

/// What `ADMIN_TOKEN` guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminScope {
    /// `/admin/*`.
    Admin,
    /// Also everything that creates, deploys or lists across platforms.
    Deploy,
}

/// Limits of requests and deployments.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// `CALL_TIMEOUT_SECS`.
    pub call_timeout: Duration,
    /// `LOCK_TIMEOUT_SECS`: how long a deployment's statement waits for a lock.
    pub lock_timeout: Duration,
    /// `DEPLOYMENT_TIMEOUT_SECS`: how long a deployment may work on one database.
    pub deployment_timeout: Duration,
    /// `MAX_DEPLOYMENTS_PER_PLATFORM`: how many of a platform's deployments run at once.
    pub max_deployments_per_platform: usize,
    /// `SHUTDOWN_TIMEOUT_SECS`: how long deployments go on when the gateway is to stop.
    pub shutdown_timeout: Duration,
    /// `MAX_UPLOAD_BYTES`: the size of an uploaded archive.
    pub max_upload_bytes: usize,
    /// `MAX_UNPACKED_BYTES`: the size of what is in it.
    pub max_unpacked_bytes: usize,
    /// `MAX_SQL_BYTES`: the size of the SQL files in it.
    pub max_sql_bytes: usize,
    /// `MAX_STATEMENTS`: how many statements these have.
    pub max_statements: usize,
    /// `UPLOAD_MEMORY_BYTES`: what all uploads and their deployments take of memory together.
    pub upload_memory_bytes: usize,
}

/// Where the log goes.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `LOG_DIR`: unset means stdout only.
    pub dir: Option<PathBuf>,
    /// `RUST_LOG`: a tracing filter.
    pub filter: String,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
}

/// How a log line reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time LEVEL target: message name=value …`
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// What `GET /metrics` shows, and where.
#[derive(Clone, Copy, Debug)]
pub struct MetricsConfig {
    /// `METRICS_ADDR`: where it is alone, without the allowlist; unset: beside the other paths, and behind it.
    pub address: Option<SocketAddr>,
    /// `METRICS_MAX_FUNCTIONS`: functions with figures of their own.
    pub most_functions: usize,
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
