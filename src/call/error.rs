//! What goes wrong with a call.

use std::time::Duration;

use crate::databases::DatabaseError;
use crate::databases::name::{DatabaseName, NameError};
use crate::databases::wire::ServerError;

/// Why a call has no rows to answer with.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A field is missing or malformed.
    #[error("{0}")]
    Request(String),
    /// An id that cannot be part of a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No database, or no connection to it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// None of that name that can be called.
    #[error("the database {database} has no function {function}")]
    FunctionNotFound {
        /// As it was asked for.
        function: String,
        /// Where it was looked for.
        database: DatabaseName,
    },
    /// The parameters fit none, or several equally well.
    #[error("{function}: {reason}; what exists: {}", .exists.join("; "))]
    Parameters {
        /// As it was asked for.
        function: String,
        /// What does not fit.
        reason: String,
        /// Every function of that name with what it takes.
        exists: Vec<String>,
        /// PostgreSQL's words, where it refused.
        postgres: Option<Box<ServerError>>,
    },
    /// A value that cannot be sent.
    #[error("{function}: parameter {parameter} {reason}")]
    Value {
        /// As it was asked for.
        function: String,
        /// Its number from 1, and its name if it has one.
        parameter: String,
        /// Why not.
        reason: String,
    },
    /// A value that PostgreSQL does not take for its parameter.
    #[error("{function}: {}", .postgres.message)]
    Conversion {
        /// As it was asked for.
        function: String,
        /// PostgreSQL's words.
        postgres: Box<ServerError>,
    },
    /// PostgreSQL refused or failed to run it.
    #[error("{function}: {}", .postgres.message)]
    Query {
        /// As it was asked for.
        function: String,
        /// The HTTP status that its SQLSTATE means.
        status: u16,
        /// PostgreSQL's words.
        postgres: Box<ServerError>,
    },
    /// No room left on PostgreSQL's disk.
    #[error("{function}: {}", .postgres.message)]
    DiskFull {
        /// As it was asked for.
        function: String,
        /// PostgreSQL's words.
        postgres: Box<ServerError>,
    },
    /// Its backend was ended, because there is hardly any room left on PostgreSQL's disk.
    #[error("{function} wrote to PostgreSQL's disk, which is nearly full, so it was ended and rolled back")]
    NoRoom {
        /// As it was asked for.
        function: String,
    },
    /// It writes, where for now calls only read: there is hardly any room left on PostgreSQL's disk.
    #[error("{function} writes, and for now calls may only read: hardly any room is left on PostgreSQL's disk")]
    ReadsOnly {
        /// As it was asked for.
        function: String,
    },
    /// Over the time limit.
    #[error("{function} ran longer than {} s and was stopped", .limit.as_secs_f64())]
    Timeout {
        /// As it was asked for.
        function: String,
        /// `CALL_TIMEOUT_SECS`
        limit: Duration,
    },
    /// The connection broke.
    #[error("{function}: the connection to PostgreSQL was lost{}", if *.may_have_run { "; the call may have run, so it was not repeated" } else { "; it was not run" })]
    Lost {
        /// As it was asked for.
        function: String,
        /// Whether the server had it already.
        may_have_run: bool,
        /// For the log.
        cause: String,
    },
    /// Texts came in another encoding than UTF-8.
    #[error(
        "{function} has changed client_encoding, so its rows cannot be read, though it has run; the gateway needs UTF8: leave \
         the setting alone"
    )]
    Encoding {
        /// As it was asked for.
        function: String,
    },
    /// A row, or an error, that is larger than the gateway reads.
    #[error("{function} has made {cause}, though it has run; give large things in parts")]
    TooLong {
        /// As it was asked for.
        function: String,
        /// How large.
        cause: String,
    },
    /// The server sent what cannot be: a bug.
    #[error("{function}: {cause}")]
    Protocol {
        /// As it was asked for.
        function: String,
        /// For the log.
        cause: String,
    },
}

impl CallError {
    /// Whether it is of a function that there is; it may have run.
    pub fn is_of_a_function(&self) -> bool {
        !matches!(
            self,
            Self::Request(_) | Self::Name(_) | Self::Database(_) | Self::FunctionNotFound { .. } | Self::NoRoom { .. }
        )
    }

    /// The error without PostgreSQL's words, which may hold values.
    pub fn for_log(&self) -> String {
        match self {
            Self::Query { function, postgres, .. }
            | Self::DiskFull { function, postgres }
            | Self::Conversion { function, postgres } => {
                format!("{function} failed with SQLSTATE {}", postgres.code)
            }
            Self::Request(_)
            | Self::Name(_)
            | Self::Database(_)
            | Self::FunctionNotFound { .. }
            | Self::Parameters { .. }
            | Self::Value { .. }
            | Self::NoRoom { .. }
            | Self::ReadsOnly { .. }
            | Self::Timeout { .. }
            | Self::Lost { .. }
            | Self::Encoding { .. }
            | Self::TooLong { .. }
            | Self::Protocol { .. } => self.to_string(),
        }
    }
}
