//! What goes wrong on a connection that serves calls.

use std::fmt;
use std::io;

use postgres_protocol::message::backend::ErrorResponseBody;

/// An error that PostgreSQL sent (PostgreSQL manual, "Error and Notice Message Fields").
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The session has ended with it (FATAL, PANIC); else only the statement has.
    pub fatal: bool,
    /// SQLSTATE
    pub code: String,
    /// The error itself, in the server's language.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The call stack, innermost first, one line each.
    pub context: Option<String>,
    /// The routine in the server's source that reported it; never translated.
    pub routine: Option<String>,
}

/// Without the texts, which may hold values.
impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerError").field("fatal", &self.fatal).field("code", &self.code).finish_non_exhaustive()
    }
}

impl ServerError {
    pub(super) fn read(body: &ErrorResponseBody) -> io::Result<Self> {
        let mut error = Self::default();
        let mut fields = body.fields();
        while let Some(field) = fallible_iterator::FallibleIterator::next(&mut fields)? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // The severity that is never translated.
                b'V' => error.fatal = matches!(value.as_str(), "FATAL" | "PANIC"),
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'W' => error.context = Some(value),
                b'R' => error.routine = Some(value),
                _ => {}
            }
        }
        Ok(error)
    }
}

/// Why there is no answer, or no further row.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// PostgreSQL said no.
    #[error("{} ({})", .0.message, .0.code)]
    Server(Box<ServerError>),
    /// The connection broke.
    #[error("{0}")]
    Lost(#[source] io::Error),
    /// The server sent what nobody asked for: a bug on one side.
    #[error("the server sent what does not belong there: {0}")]
    Protocol(String),
    /// A row, or an error, of so many bytes.
    #[error("a row or a message of {0} bytes; at most {most} are read", most = super::large::LONGEST)]
    TooLong(usize),
    /// More parameters or bytes than a message's lengths can count (16 and 32 bits): nothing was sent.
    #[error("the message cannot be made: {0}")]
    Unsendable(#[source] io::Error),
}
