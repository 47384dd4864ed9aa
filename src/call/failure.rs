//! What PostgreSQL's refusal of a call means, told from its SQLSTATE and from how far the call had come. No I/O.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::error::CallError;
use crate::databases::raises;
use crate::databases::wire::{ServerError, WireError};

/// How far a call had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The statement was being prepared: nothing ran.
    Prepare,
    /// Parameters were being converted and the plan checked: nothing ran but functions that PostgreSQL was promised
    /// have no effect.
    Bind,
    /// It may have run.
    Run,
}

/// An error, and what is to be done about it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: CallError,
    /// Nothing ran, and with everything looked up and prepared anew it may succeed.
    pub(super) again: bool,
    /// The connection cannot be used any more.
    pub(super) broken: bool,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self { error, again: false, broken: false }
    }
}

impl Failure {
    /// Whether PostgreSQL refused to write in a transaction that is read-only, or on a server that is.
    pub(super) fn is_of_writing(&self) -> bool {
        let CallError::Query { postgres, .. } = &self.error else { return false };
        postgres.code.as_str() == SqlState::READ_ONLY_SQL_TRANSACTION.code() && !is_raised(postgres)
    }
}

/// What is known about the call that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) function: &'a str,
    pub(super) phase: Phase,
    /// How long it ran, and how long it may.
    pub(super) elapsed: Duration,
    pub(super) limit: Duration,
}

impl Circumstances<'_> {
    /// The meaning of an error.
    pub(super) fn explain(self, error: WireError) -> Failure {
        let function = self.function.to_owned();
        match error {
            WireError::Server(postgres) => self.explain_refusal(postgres),
            WireError::Unsendable(_) => {
                let reason =
                    format!("{function}: there are too many parameters, or one is too large, to be sent at once");
                CallError::Request(reason).into()
            }
            WireError::TooLong(_) => {
                let error = CallError::TooLong { function, cause: error.to_string() };
                Failure { error, again: false, broken: true }
            }
            WireError::Protocol(_) | WireError::Lost(_) => {
                // Bound but not answered: the server may have had it and run it.
                let may_have_run = self.phase != Phase::Prepare;
                let error = CallError::Lost { function, may_have_run, cause: error.to_string() };
                Failure { error, again: !may_have_run, broken: true }
            }
        }
    }

    fn explain_refusal(self, postgres: Box<ServerError>) -> Failure {
        let function = self.function.to_owned();
        let code = postgres.code.as_str();
        // Whatever the code: an ERROR of class 08 or 57P is what a function was told by another server (dblink, foreign
        // tables), or made up.
        if postgres.fatal {
            // What was bound answers first, so before that the call had not begun.
            let may_have_run = self.phase == Phase::Run;
            let cause = format!("{} ({code})", postgres.message);
            return Failure {
                error: CallError::Lost { function, may_have_run, cause },
                again: !may_have_run,
                broken: true,
            };
        }
        let again = self.phase != Phase::Run && is_outdated(code);
        // A server that became read-only is no longer the one to talk to; neither is one that lost the session's role.
        let broken = code == SqlState::READ_ONLY_SQL_TRANSACTION.code() && !is_raised(&postgres);
        let error = match self.phase {
            Phase::Prepare if is_mismatch(code) => CallError::Parameters {
                function,
                reason: postgres.message.clone(),
                exists: Vec::new(),
                postgres: Some(postgres),
            },
            Phase::Bind if is_about_a_parameter(&postgres) && !code.starts_with("23") => {
                CallError::Conversion { function, postgres }
            }
            Phase::Prepare | Phase::Bind | Phase::Run => self.explain_sqlstate(postgres),
        };
        Failure { error, again, broken }
    }

    fn explain_sqlstate(self, postgres: Box<ServerError>) -> CallError {
        let function = self.function.to_owned();
        let code = postgres.code.as_str();
        if code == SqlState::QUERY_CANCELED.code()
            && !is_raised(&postgres)
            // Somebody else may have cancelled it before.
            && self.elapsed >= self.limit.mul_f64(0.9)
        {
            return CallError::Timeout { function, limit: self.limit };
        }
        // What a function says with such a code is its own word: neither the disk nor the server has anything to do with it.
        if code == SqlState::DISK_FULL.code() && !is_raised(&postgres) {
            return CallError::DiskFull { function, postgres };
        }
        let status = match code {
            _ if chosen_status(code).is_some() => chosen_status(code).unwrap_or(500),
            _ if code.starts_with("23") => 409,
            _ if code.starts_with("53") && !is_raised(&postgres) => 503,
            "42501" => 403,
            "P0001" => 400,
            _ if is_raised(&postgres) => 400,
            _ => 500,
        };
        CallError::Query { function, status, postgres }
    }
}

/// `PT402`: the function's author chose the HTTP status.
fn chosen_status(code: &str) -> Option<u16> {
    code.strip_prefix("PT")?.parse().ok().filter(|status| (400..600).contains(status))
}

/// Whether the error comes from a RAISE in the function, whatever code its author gave it.
fn is_raised(postgres: &ServerError) -> bool {
    raises(postgres.routine.as_deref())
}

/// Whether reading a parameter's text failed. PostgreSQL adds the parameter as the last line of the context, in the
/// server's language, but always as `$1`. Errors from inside an immutable function, which runs while it is planned,
/// have the function there.
fn is_about_a_parameter(postgres: &ServerError) -> bool {
    let last = postgres.context.as_deref().and_then(|context| context.lines().last()).unwrap_or_default();
    let mut parts = last.split('$').skip(1);
    !last.contains("PL/pgSQL")
        && !last.contains('"')
        && parts.any(|part| part.starts_with(|first: char| first.is_ascii_digit()))
}

/// The function that was looked up does not take these types after all.
fn is_mismatch(code: &str) -> bool {
    // undefined_function, ambiguous_function, datatype_mismatch, cannot_coerce, invalid_function_definition,
    // indeterminate_datatype, undefined_object (a type); class 54 is "too many arguments".
    matches!(code, "42883" | "42725" | "42804" | "42846" | "42P13" | "42P18" | "42704") || code.starts_with("54")
}

/// What a function or a statement says that was changed since it was looked up or prepared.
fn is_outdated(code: &str) -> bool {
    // feature_not_supported is "cached plan must not change result type"; invalid_sql_statement_name is a statement
    // that the function's author deallocated; the rest are names and types that are no longer there.
    matches!(
        code,
        "0A000"
            | "26000"
            | "42883"
            | "42725"
            | "42804"
            | "42846"
            | "42P13"
            | "42P18"
            | "42704"
            | "42703"
            | "42P01"
            | "42P10"
            | "3F000"
            | "42809"
            | "XX000"
    )
}
