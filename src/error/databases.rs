//! What goes wrong on the way to a database, as the client sees it.

use super::{ApiError, ErrorCode};
use crate::databases::name::DatabaseName;
use crate::databases::{DatabaseError, exceeds_limits};

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        let message = error.to_string();
        let about = |code, database: &DatabaseName| Self::new(code, &message).with("database", database.as_str());
        match &error {
            DatabaseError::Name(_) | DatabaseError::Ambiguous { .. } | DatabaseError::RoleRefused { .. } => {
                Self::invalid_request(message)
            }
            DatabaseError::RoleUnusable { .. } => Self::new(ErrorCode::ConnectionFailed, message),
            DatabaseError::RoleFull { .. } | DatabaseError::RoleKeptOut { .. } => {
                Self::new(ErrorCode::PoolExhausted, message)
            }
            DatabaseError::RoleShutOut { .. } | DatabaseError::NotTheRoles { .. } => {
                let told = "PostgreSQL does not let the platform's role in, which changes while it is used; try again";
                Self::new(ErrorCode::ConnectionFailed, told).logging(message)
            }
            DatabaseError::OtherSpelling { database, .. } => about(ErrorCode::InvalidRequest, database),
            DatabaseError::NotFound { database, .. } => about(ErrorCode::DatabaseNotFound, database),
            DatabaseError::Gone { database } => about(ErrorCode::DatabaseNotFound, database),
            DatabaseError::Shut { database, .. } => about(ErrorCode::ConnectionFailed, database),
            DatabaseError::OtherPlatform { database } | DatabaseError::OtherRoles { database, .. } => {
                about(ErrorCode::PlatformIsolationViolation, database)
            }
            DatabaseError::Exists { database } => about(ErrorCode::DatabaseAlreadyExists, database),
            DatabaseError::PoolExhausted { database, .. } => about(ErrorCode::PoolExhausted, database),
            DatabaseError::Closed => Self::new(ErrorCode::ConnectionFailed, message),
            DatabaseError::TooOld { .. } => Self::new(ErrorCode::ConnectionFailed, message),
            DatabaseError::Unreachable { cause } => {
                Self::new(ErrorCode::ConnectionFailed, "PostgreSQL cannot be reached; try again later").logging(cause)
            }
            DatabaseError::ServerFull { sqlstate, cause } => {
                Self::new(ErrorCode::QueryFailed(503), "PostgreSQL is out of connections or memory; try again later")
                    .with("sqlstate", sqlstate.as_str())
                    .with("cause", cause.as_str())
            }
            DatabaseError::DiskFull { cause } => Self::postgres_disk_full(cause),
            DatabaseError::Statement { source, .. } if error.is_locked() => {
                let sqlstate = source.code().map(|code| code.code().to_owned());
                Self::new(ErrorCode::MigrationFailed, message)
                    .with_some("sqlstate", sqlstate)
                    .with("hint", "another session holds a lock there; let it finish or end it, and send it again")
            }
            DatabaseError::Statement { source, .. } if exceeds_limits(source) => {
                let told = source.as_db_error();
                Self::new(ErrorCode::MigrationFailed, message)
                    .with_some("sqlstate", told.map(|told| told.code().code().to_owned()))
                    .with_some("cause", told.map(|told| told.message().to_owned()))
                    .with_some("hint", told.and_then(|told| told.hint().map(str::to_owned)))
            }
            DatabaseError::MissingTemplate { .. } | DatabaseError::Statement { .. } | DatabaseError::Config(_) => {
                Self::internal(message)
            }
        }
    }
}
