//! Why a statement was not run.

use tokio_postgres::error::SqlState;

use super::failed_in::FailedIn;
use crate::bundle::sql::Statement;
use crate::orchestrator::dependants;
use crate::orchestrator::error::{DeployError, StatementError};

/// A statement of the gateway's own was refused.
#[derive(Debug)]
pub enum Refused {
    /// These depend on what it drops and cannot be taken off, as PostgreSQL prints them.
    Standing(Vec<String>),
    /// PostgreSQL's refusal.
    Postgres(tokio_postgres::Error),
}

/// A statement of the bundle failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// PostgreSQL's code; `None` where the connection was lost.
    pub sqlstate: Option<SqlState>,
    /// What the client is told.
    pub error: StatementError,
    /// The function of PostgreSQL's that raised it, which tells apart what shares a code.
    pub routine: Option<String>,
    /// What it is about.
    pub failed_in: FailedIn,
    /// The rule that a row breaks.
    pub broken: Option<Box<Broken>>,
}

/// What PostgreSQL tells of a rule of a table's that a row breaks: names, unquoted.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its schema and name.
    pub table: (String, String),
    /// The column that must have a value.
    pub column: Option<String>,
    /// The constraint, or the index.
    pub constraint: Option<String>,
}

impl Broken {
    fn of(error: &tokio_postgres::Error) -> Option<Box<Self>> {
        let told = error.as_db_error()?;
        let table = (told.schema()?.to_owned(), told.table()?.to_owned());
        let (column, constraint) = (told.column().map(str::to_owned), told.constraint().map(str::to_owned));
        Some(Box::new(Self { table, column, constraint }))
    }
}

impl Failure {
    /// See [`StatementError::new`].
    pub fn new(statement: &Statement, error: &tokio_postgres::Error, prefix: usize) -> Self {
        let routine = error.as_db_error().and_then(|told| told.routine()).map(str::to_owned);
        Self {
            sqlstate: error.code().cloned(),
            error: StatementError::new(statement, error, prefix),
            routine,
            failed_in: FailedIn::of(error),
            broken: Broken::of(error),
        }
    }

    /// It has set a path for the session that is longer than what is read of a row.
    pub fn too_long_path(statement: &Statement) -> Self {
        let cause = "it leaves a search_path that is longer than 256 KiB".to_owned();
        let error = StatementError::of(statement, SqlState::PROGRAM_LIMIT_EXCEEDED.code(), cause);
        Self {
            sqlstate: Some(SqlState::PROGRAM_LIMIT_EXCEEDED),
            error,
            routine: None,
            failed_in: FailedIn::Statement,
            broken: None,
        }
    }

    /// Other objects depend on what it changes and cannot be taken off. `refused`: PostgreSQL's own words, if it was asked.
    pub fn standing(statement: &Statement, refused: Option<Self>, dependants: &[String]) -> Self {
        let cause = format!("{} would have to be taken off and cannot be made again", dependants.join(", "));
        let mut failure = refused.unwrap_or_else(|| Self {
            sqlstate: Some(SqlState::DEPENDENT_OBJECTS_STILL_EXIST),
            error: StatementError::of(statement, SqlState::DEPENDENT_OBJECTS_STILL_EXIST.code(), cause.clone()),
            routine: None,
            failed_in: FailedIn::Statement,
            broken: None,
        });
        failure.error.detail.get_or_insert(cause);
        failure.error.hint = Some(dependants::HINT.to_owned());
        failure
    }

    /// Whether it failed for want of an object, which a later statement may make.
    pub fn wants_an_object(&self) -> bool {
        const WANTS: [SqlState; 7] = [
            SqlState::UNDEFINED_TABLE,
            SqlState::UNDEFINED_COLUMN,
            SqlState::UNDEFINED_FUNCTION,
            SqlState::UNDEFINED_OBJECT,
            SqlState::INVALID_SCHEMA_NAME,
            SqlState::INVALID_FOREIGN_KEY,
            SqlState::WRONG_OBJECT_TYPE,
        ];
        self.is_one_of(&WANTS)
    }

    /// Whether a text is no value of an enum. The code is that of any text that no type takes.
    pub fn is_unknown_label(&self) -> bool {
        self.is_one_of(&[SqlState::INVALID_TEXT_REPRESENTATION]) && self.routine.as_deref() == Some("enum_in")
    }

    /// Whether PostgreSQL's code is one of these.
    pub fn is_one_of(&self, codes: &[SqlState]) -> bool {
        self.sqlstate.as_ref().is_some_and(|code| codes.contains(code))
    }
}

impl From<Failure> for DeployError {
    fn from(failure: Failure) -> Self {
        Self::Statement(Box::new(failure.error))
    }
}
