//! What goes wrong on the way to a database.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use super::name::{DatabaseName, NameError};
use super::said_by::{SaidBy, postgres_code};

/// Why there is no database or no connection to it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is none, or none that the gateway has on record.
    #[error("the database {database} {reason}")]
    NotFound {
        /// The name that was looked for.
        database: DatabaseName,
        /// Why not, and what to do.
        reason: String,
    },
    /// Another platform's.
    #[error("the database {database} belongs to another platform")]
    OtherPlatform {
        /// Its name.
        database: DatabaseName,
    },
    /// Taken by ids that read the same.
    #[error("the database {database} was registered as {recorded}; use the ids as they were given then, or other ones")]
    OtherSpelling {
        /// Its name.
        database: DatabaseName,
        /// The ids on record.
        recorded: String,
    },
    /// One id, several databases made from stored schemas.
    #[error("the id {id:?} is that of several databases: {}; add schema_name and database_id", .databases.join(", "))]
    Ambiguous {
        /// The tenant or database id that was asked for.
        id: String,
        /// Their names.
        databases: Vec<String>,
    },
    /// Create, where it exists.
    #[error("the database {database} exists already")]
    Exists {
        /// Its name.
        database: DatabaseName,
    },
    /// `CREATE DATABASE … TEMPLATE` of one that is gone.
    #[error("the template {template} does not exist")]
    MissingTemplate {
        /// The template.
        template: DatabaseName,
    },
    /// No connection came free within the wait.
    #[error("no connection to {database} came free within {waited_ms} ms; try again later")]
    PoolExhausted {
        /// Which database.
        database: DatabaseName,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// PostgreSQL does not answer, or refuses the gateway.
    #[error("PostgreSQL cannot be reached: {cause}")]
    Unreachable {
        /// For the log.
        cause: String,
    },
    /// PostgreSQL has no room for another connection (class 53).
    #[error("PostgreSQL is out of resources: {cause}")]
    ServerFull {
        /// Its code.
        sqlstate: String,
        /// Its words.
        cause: String,
    },
    /// PostgreSQL has no room left on its disk (53100).
    #[error("PostgreSQL's disk is full: {cause}")]
    DiskFull {
        /// Its words.
        cause: String,
    },
    /// A role that cannot be a platform's.
    #[error("{reason}")]
    RoleRefused {
        /// Which and why, for the client.
        reason: String,
    },
    /// A platform's role that is not as it was recorded, and that is not the gateway's to put right.
    #[error("{reason}")]
    RoleUnusable {
        /// Which, why, and what to do.
        reason: String,
    },
    /// A database that no platform has on record, and that is another role's.
    #[error(
        "the database {database} belongs to the role {owner}, so it is not a platform's that happens to bear its name; have an \
         administrator give it to the gateway's role (ALTER DATABASE … OWNER TO …), or register the platform with that role"
    )]
    OtherRoles {
        /// Which database.
        database: DatabaseName,
        /// The role.
        owner: String,
    },
    /// A database that its owner has closed, or given fewer connections than it needs.
    #[error(
        "the database {database} does not let the gateway in: {cause}; whoever owns it has set that (ALTER DATABASE … CONNECTION \
         LIMIT, ALLOW_CONNECTIONS), and an administrator of PostgreSQL can take it back"
    )]
    Shut {
        /// Which database.
        database: DatabaseName,
        /// PostgreSQL's words.
        cause: String,
    },
    /// A platform's role has as many connections as it may.
    #[error("the platform's role {role} has as many connections open as it may; try again later")]
    RoleFull {
        /// The role.
        role: String,
    },
    /// A platform's code did not end when it was told to, and its role gets no connections for a while.
    #[error(
        "code of the platform's did not end when it was told to, so its role {role} gets no new connections for another {} s: \
         look for XPath on large documents, functions of range types and very long texts for EXECUTE",
        .wait.as_secs() + 1
    )]
    RoleKeptOut {
        /// The role.
        role: String,
        /// For how long.
        wait: std::time::Duration,
    },
    /// A database that belongs to another role than the one that its platform's code is to run as.
    #[error("the database {database} is not the platform's role's, {role}")]
    NotTheRoles {
        /// Its name.
        database: DatabaseName,
        /// The role.
        role: String,
    },
    /// PostgreSQL did not let a platform's role in.
    #[error("PostgreSQL does not let the platform's role {role} in: {cause}")]
    RoleShutOut {
        /// The role.
        role: String,
        /// PostgreSQL's code.
        sqlstate: String,
        /// For the log.
        cause: String,
    },
    /// Dropped since it was looked up, or dropped and made again.
    #[error("the database {database} was dropped")]
    Gone {
        /// Its name.
        database: DatabaseName,
    },
    /// Older than the gateway can work with.
    #[error("PostgreSQL {found} is too old: the gateway needs version {} or later", super::OLDEST_MAJOR)]
    TooOld {
        /// `server_version`
        found: String,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
    /// PostgreSQL refused one of the gateway's own statements.
    #[error("{step}: {}", describe(.source))]
    Statement {
        /// What was being done.
        step: &'static str,
        /// PostgreSQL's error.
        source: tokio_postgres::Error,
    },
    /// A configuration that cannot work.
    #[error("{0}")]
    Config(String),
}

/// PostgreSQL's codes for a lock that was not granted in time, or that two waited for in a circle.
pub const LOCK_LOST: &[SqlState] = &[SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];

impl DatabaseError {
    /// Somebody held a lock for longer than the lock timeout, or waited for one of the gateway's.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Statement { source, .. } if postgres_code(source).is_some_and(|code| LOCK_LOST.contains(code)))
    }

    /// Whether PostgreSQL did not let a platform's role in at all: it is missing, may not log in, or has another password.
    pub fn is_login_failure(&self) -> bool {
        matches!(self, Self::RoleShutOut { .. })
    }

    /// For `map_err`: what was being done when PostgreSQL refused.
    pub(super) fn step(step: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| match postgres_code(&source) {
            // Lost, stopped or starting up.
            _ if SaidBy::of(&source) == SaidBy::End => {
                Self::Unreachable { cause: format!("{step}: {}", describe(&source)) }
            }
            Some(code) if *code == SqlState::DISK_FULL => Self::disk_full(&source),
            Some(code) if code.code().starts_with("53") => {
                Self::ServerFull { sqlstate: code.code().to_owned(), cause: describe(&source) }
            }
            _ => Self::Statement { step, source },
        }
    }

    fn disk_full(error: &tokio_postgres::Error) -> Self {
        Self::DiskFull {
            cause: error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned()),
        }
    }

    /// Whether `create_database` found no template.
    pub fn is_missing_template(&self) -> bool {
        matches!(self, Self::MissingTemplate { .. })
    }

    /// Adds to the cause what may be the reason of it.
    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        if let Self::Unreachable { cause } | Self::RoleShutOut { cause, .. } = &mut self {
            cause.push_str(hint);
        }
        self
    }

    /// What PostgreSQL's refusal of a connection means.
    pub(super) fn of_connecting(database: &DatabaseName, error: &tokio_postgres::Error, role: Option<String>) -> Self {
        let cause = describe(error);
        match error.code() {
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Self::Gone { database: database.clone() },
            Some(code) if *code == SqlState::DISK_FULL => Self::disk_full(error),
            Some(_) if is_about_the_database(error) => Self::Shut { database: database.clone(), cause },
            Some(_) if is_limit_of_role(error) && role.is_some() => Self::RoleFull { role: role.unwrap_or_default() },
            Some(code) if code.code().starts_with("53") => Self::ServerFull { sqlstate: code.code().to_owned(), cause },
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE && role.is_some() => {
                Self::NotTheRoles { database: database.clone(), role: role.unwrap_or_default() }
            }
            Some(code) if is_about_the_role(code) && role.is_some() => {
                Self::RoleShutOut { role: role.unwrap_or_default(), sqlstate: code.code().to_owned(), cause }
            }
            _ => Self::Unreachable { cause },
        }
    }
}

/// 53300 has several meanings, and the words are in the server's language; where it was raised is not.
fn is_limit_of_role(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::TOO_MANY_CONNECTIONS && error.routine() == Some("InitializeSessionUserId")
    })
}

/// The same of what the owner of a database decides.
fn is_about_the_database(error: &tokio_postgres::Error) -> bool {
    const CODES: [SqlState; 2] = [SqlState::TOO_MANY_CONNECTIONS, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
    error.as_db_error().is_some_and(|error| CODES.contains(error.code()) && error.routine() == Some("CheckMyDatabase"))
}

/// A password that does not open the role, a role that may not log in or is gone.
fn is_about_the_role(code: &SqlState) -> bool {
    [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code)
}

/// Whether a question asks for more than PostgreSQL, or the gateway, makes an answer of: then the database is so, and
/// neither the server nor the gateway is at fault.
pub(crate) fn exceeds_limits(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED)
}

/// An error of tokio-postgres with its cause, which its own `Display` leaves out.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
