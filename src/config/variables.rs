//! Every environment variable that the gateway reads: name, default, meaning. `--help` prints this table and a test
//! holds it against what [`super::Config::from_env`] asks for, so that none is forgotten.

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// As it stands in the environment or `.env`.
    pub name: &'static str,
    /// The value when unset; empty: there is none.
    pub default: &'static str,
    /// One line for `--help`.
    pub meaning: &'static str,
    /// Whether another value counts after a SIGHUP; others after a restart.
    pub reloads: bool,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning, reloads: false }
}

/// One that a SIGHUP has read again.
const fn reloading(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { reloads: true, ..variable(name, default, meaning) }
}

/// All of them, in the order of `--help`.
pub const VARIABLES: &[Variable] = &[
    variable("ENV_FILE", "", "a file of these settings that wins over the environment; unset: .env, which does not"),
    variable("DB_HOST", "", "PostgreSQL's host, hosts (a,b) or socket folder; unset, like DATABASE_URL: embedded"),
    variable("DB_PORT", "5432", "its port, or one for each host"),
    variable("DB_NAME", "postgres", "the database to connect to first"),
    variable("DB_USER", "postgres", "the gateway's role; it must be allowed to create databases"),
    variable("DB_PASSWORD", "", "its password"),
    variable("DB_SSLMODE", "prefer", "TLS to PostgreSQL: disable, prefer, require, verify-ca or verify-full"),
    variable(
        "DB_SSLROOTCERT",
        "",
        "a file of certificates that vouch for PostgreSQL's, or system: those of this system",
    ),
    variable("DB_SSLCERT", "", "a file with the certificate that PostgreSQL is shown, if it asks for one"),
    variable("DB_SSLKEY", "", "a file with the key of that"),
    variable("DATABASE_URL", "", "instead of DB_*: postgresql://user:password@host:port/database"),
    variable("PG_BIN_DIR", "", "where the embedded PostgreSQL's `postgres` and `initdb` are; unset: searched for"),
    variable("GATEWAY_HOST", "127.0.0.1", "the name or address to listen on"),
    variable("GATEWAY_PORT", "9000", "the port to listen on; 0: any free one"),
    variable("MAX_CLIENT_CONNECTIONS", "10000", "connections of clients at once; more get 503, but for /health"),
    variable("MAX_CONNECTIONS_PER_POOL", "10", "server connections to one database"),
    variable("MAX_TOTAL_CONNECTIONS", "200", "server connections in all"),
    variable("POOL_IDLE_TIMEOUT_SECS", "1800", "an unused connection is closed after this"),
    variable("POOL_MAX_LIFETIME_SECS", "3600", "any connection is closed after this"),
    variable("POOL_WAIT_TIMEOUT_SECS", "5", "how long a request waits for a connection"),
    reloading("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128", "who may speak to the gateway"),
    reloading("TRUSTED_PROXIES", "", "networks whose X-Forwarded-For counts; unset: none"),
    reloading("ADMIN_TOKEN", "", "if set, /admin/* wants it as a bearer token"),
    reloading(
        "ADMIN_SCOPE",
        "admin",
        "deploy: the token guards everything but /call, a platform's openapi.json, /health, /ready, /live",
    ),
    variable("DATA_DIR", "./data", "stored schemas and the embedded PostgreSQL"),
    variable("LOG_DIR", "", "daily log files, beside stdout"),
    reloading("RUST_LOG", "info", "how much is logged: error, warn, info, debug, trace, or a filter"),
    variable("LOG_FORMAT", "text", "text, or json: one object a line"),
    variable(
        "METRICS_ADDR",
        "",
        "address:port where /metrics is then, and nothing else; unset: beside the other paths",
    ),
    variable("METRICS_MAX_FUNCTIONS", "500", "functions with figures of their own in /metrics; the rest is `other`"),
    variable(
        "PLATFORM_ROLES",
        "",
        "auto or off: a generated role per platform; unset: auto on the embedded PostgreSQL",
    ),
    variable(
        "ALLOWED_EXTENSIONS",
        super::extensions::DEFAULT,
        "extensions that are not trusted and that platforms with a role may have; +name adds, * allows all",
    ),
    reloading("CALL_TIMEOUT_SECS", "30", "time limit of one call"),
    reloading("LOCK_TIMEOUT_SECS", "10", "how long a deployment waits for a lock"),
    reloading("DEPLOYMENT_TIMEOUT_SECS", "3600", "how long a deployment may work on one database"),
    reloading("MAX_DEPLOYMENTS_PER_PLATFORM", "4", "a platform's deployments that run at once; others wait their turn"),
    reloading("MAX_UPLOAD_BYTES", "67108864", "size of an uploaded archive"),
    reloading("MAX_UNPACKED_BYTES", "268435456", "size of what is in it"),
    reloading("MAX_SQL_BYTES", "67108864", "size of the SQL files in it"),
    reloading("MAX_STATEMENTS", "200000", "statements in them"),
    variable("UPLOAD_MEMORY_BYTES", "536870912", "memory that all uploads and their deployments share"),
    reloading("SHUTDOWN_TIMEOUT_SECS", "120", "how long a gateway that is told to stop lets deployments go on"),
    reloading("CONFLICT_STATUS", "400", "status of \"already there\" answers: 400 or 409"),
];
