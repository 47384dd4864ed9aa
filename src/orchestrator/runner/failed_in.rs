//! What an error of PostgreSQL's is about: the statement's own text, or what code does that it runs. The one place that tells:
//! SQLSTATEs do not, since a trigger, a function or a domain's CHECK that the statement runs may fail by any, by itself or by
//! `RAISE`. Pure; called by [`super::Failure`] and by whoever takes "is not there" for an answer.
//!
//! What is relied on, uploaded code cannot set: `RAISE` sets code, message, detail, hint and the names of objects, but not
//! position, source or context. PostgreSQL adds a context in each frame of a function, and makes the position of a statement
//! inside of one an internal one.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::databases::raises;

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedIn {
    /// What the statement's text names: PostgreSQL's analysis of the text found it, before anything ran, and points to it.
    Text,
    /// The statement, as far as can be told: no function of the language SQL or PL/pgSQL was running, but one written in C may
    /// have been, or one of SQL that PostgreSQL has put into the statement.
    Statement,
    /// What code does that the statement runs.
    Code,
}

impl FailedIn {
    /// An error that is none of the server's says nothing of the statement.
    pub fn of(error: &Error) -> Self {
        error.as_db_error().map_or(Self::Code, Self::of_told)
    }

    fn of_told(told: &DbError) -> Self {
        let is_in_code = told.where_().is_some()
            || matches!(told.position(), Some(ErrorPosition::Internal { .. }))
            || raises(told.routine());
        let is_analyzed = told.file().is_some_and(|file| {
            let name = file.rsplit('/').next().unwrap_or(file);
            name == "analyze.c" || name.starts_with("parse_")
        });
        match told.position() {
            _ if is_in_code => Self::Code,
            // A literal's input function is pointed to as well, and may run code: it has another source.
            Some(ErrorPosition::Original(_)) if is_analyzed => Self::Text,
            _ => Self::Statement,
        }
    }
}
