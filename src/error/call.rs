//! A failed call, as the client sees it (contract §6, `POST /call`): each with `sqlstate`, `cause`, and `detail` and
//! `hint` where PostgreSQL gave them.

use super::{ApiError, ErrorCode};
use crate::call::CallError;
use crate::databases::wire::ServerError;

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let (message, for_log) = (error.to_string(), error.for_log());
        match error {
            CallError::Request(_) => Self::invalid_request(message),
            CallError::Name(error) => Self::invalid_request(error.to_string()),
            CallError::Database(error) => error.into(),
            CallError::FunctionNotFound { database, .. } => {
                Self::new(ErrorCode::FunctionNotFound, message).with("database", database.as_str())
            }
            CallError::Parameters { postgres, .. } => {
                let error = Self::invalid_request(message);
                match postgres {
                    Some(postgres) => error.with_postgres(&postgres),
                    None => error,
                }
            }
            CallError::Value { .. } => Self::invalid_request(message),
            CallError::Conversion { postgres, .. } => Self::invalid_request(message).with_postgres(&postgres),
            CallError::Query { status, postgres, function } => {
                let sentence = match status {
                    // No internals in the sentence; what PostgreSQL said is the cause.
                    500.. => format!("{function} failed in PostgreSQL; sqlstate and cause say why"),
                    _ => message,
                };
                Self::new(ErrorCode::QueryFailed(status), sentence).with_postgres(&postgres).logging(for_log)
            }
            CallError::DiskFull { postgres, .. } => {
                Self::postgres_disk_full(&postgres.message).with_postgres(&postgres).logging(for_log)
            }
            CallError::NoRoom { .. } | CallError::ReadsOnly { .. } => Self::postgres_disk_full(&message),
            CallError::Timeout { .. } => Self::new(ErrorCode::QueryTimeout, message).with("sqlstate", "57014"),
            CallError::Lost { cause, may_have_run, .. } => {
                Self::new(ErrorCode::ConnectionFailed, message).logging(cause).perhaps_done(may_have_run)
            }
            CallError::Encoding { .. } | CallError::TooLong { .. } => Self::new(ErrorCode::QueryFailed(500), message),
            CallError::Protocol { .. } => Self::internal(message),
        }
    }
}

impl ApiError {
    /// What PostgreSQL said.
    fn with_postgres(self, postgres: &ServerError) -> Self {
        self.with("sqlstate", postgres.code.as_str())
            .with("cause", postgres.message.as_str())
            .with_some("detail", postgres.detail.as_deref())
            .with_some("hint", postgres.hint.as_deref())
    }
}
