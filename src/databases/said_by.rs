//! Whose word the code of an error is. Uploaded code gives its errors whatever code it likes: a function that raises 53100 says
//! nothing of the disk, nor one that raises 57P01 of the server. Where it was in code says nothing either, since a disk is full there, too.
//!
//! What is relied on, uploaded code cannot set: the name of PostgreSQL's own routine that reported the error, which is in it for
//! exactly such questions and is never translated. Pure.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// The routines that report what code says, or what another server has told it: `RAISE` of PL/pgSQL, the same of PL/Python, `dblink` and
/// `postgres_fdw`. A `RAISE` without anything, which hands an error on, leaves the routine as it was.
const RAISING: [&str; 6] = [
    "exec_stmt_raise",
    "PLy_output",
    "PLy_elog_impl",
    "dblink_res_error",
    "pgfdw_report_error",
    "pgfdw_report_internal",
];

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// PostgreSQL's: it found that, and the session goes on.
    Server,
    /// Uploaded code's.
    Code,
    /// PostgreSQL's last one in this session, or nobody's: the connection broke.
    End,
}

impl SaidBy {
    /// Of an error of a session.
    pub fn of(error: &Error) -> Self {
        error.as_db_error().map_or(Self::End, Self::of_told)
    }

    fn of_told(told: &DbError) -> Self {
        if raises(told.routine()) {
            return Self::Code;
        }
        let is_fatal = matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        // A parallel worker's end is told as an error of the statement's.
        if is_fatal || told.code().code().starts_with("57P") { Self::End } else { Self::Server }
    }
}

/// Whether that routine reports what code says.
pub(crate) fn raises(routine: Option<&str>) -> bool {
    routine.is_some_and(|routine| RAISING.contains(&routine))
}

/// PostgreSQL's own code of an error; none where uploaded code has chosen it.
pub(crate) fn postgres_code(error: &Error) -> Option<&SqlState> {
    error.code().filter(|_| SaidBy::of(error) != SaidBy::Code)
}
