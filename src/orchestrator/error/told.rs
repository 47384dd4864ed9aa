//! What of a failure stands in fields of its own, where it is one of many in an answer (contract §4, "Many databases").

use serde::Serialize;
use tokio_postgres::error::DbError;
use utoipa::ToSchema;

use super::DeployError;

/// PostgreSQL's words, and the place in the bundle; each where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Told {
    /// PostgreSQL's message.
    pub cause: Option<String>,
    /// PostgreSQL's detail.
    pub detail: Option<String>,
    /// The file of the bundle.
    pub file: Option<String>,
    /// The line in it.
    pub line: Option<usize>,
    /// PostgreSQL's code.
    pub sqlstate: Option<String>,
}

impl DeployError {
    /// What is known of it.
    pub fn told(&self) -> Told {
        // What kept it from its lock is told as what failed.
        if let Self::Locked { source, .. } = self {
            return source.told();
        }
        let (file, line) = self.place();
        let sqlstate = self.sqlstate().map(str::to_owned);
        Told { cause: self.cause(), detail: self.detail(), file, line, sqlstate }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Statement(error) => error.detail.clone(),
            Self::Generated { source, .. }
            | Self::AtCommit { source }
            | Self::NoValue { source, .. }
            | Self::Standing { source, .. } => source.as_db_error().and_then(DbError::detail).map(str::to_owned),
            _ => None,
        }
    }

    /// The file and line that it is about.
    pub fn place(&self) -> (Option<String>, Option<usize>) {
        match self {
            Self::NoRoom { source } => source.place(),
            Self::Statement(error) => (Some(error.path.clone()), Some(error.line)),
            Self::EditedMigration { file } | Self::EditedSince { file } | Self::EditedInterrupted { file, .. } => {
                (Some(format!("migrations/{file}")), None)
            }
            Self::ExtensionNotAvailable { path, .. } => (Some(path.clone()), None),
            Self::ExtensionRefused { path, .. } => (Some(path.clone()), Some(1)),
            Self::NoValue { declared_at: place, .. }
            | Self::Differs { declared_at: place, .. }
            | Self::Generated { declared_at: place, .. }
            | Self::TimedOut { place, .. } => place.clone().unzip(),
            _ => (None, None),
        }
    }
}
