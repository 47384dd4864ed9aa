//! One bound parameter: text, written straight into the message to the server.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::choose::Sent;
use super::text::{TextError, write, write_array};
use super::types::{ParamType, Structure};

/// A value and the type that its text is for.
pub(super) struct Value<'o, 'a> {
    given: Source<'a>,
    of: Of<'o>,
}

enum Source<'a> {
    One(&'a RawValue),
    Many(Vec<&'a RawValue>),
}

/// The type belongs to the function, or was guessed for this call.
enum Of<'o> {
    Known(&'o ParamType),
    Guessed(Arc<ParamType>),
}

impl<'o, 'a> Value<'o, 'a> {
    pub(super) fn one(value: &'a RawValue, of: &'o ParamType) -> Self {
        Self { given: Source::One(value), of: Of::Known(of) }
    }

    pub(super) fn guessed(value: &'a RawValue, of: Option<Arc<ParamType>>) -> Self {
        Self { given: Source::One(value), of: Of::guessed(of) }
    }

    pub(super) fn collected(values: &[Sent<'a>], of: &'o ParamType) -> Self {
        Self { given: Source::many(values), of: Of::Known(of) }
    }

    pub(super) fn collected_guess(values: &[Sent<'a>], of: Option<Arc<ParamType>>) -> Self {
        Self { given: Source::many(values), of: Of::guessed(of) }
    }

    /// Appends its text; false where it is NULL and nothing was appended.
    pub(super) fn put(&self, out: &mut BytesMut) -> Result<bool, TextError> {
        let of = match &self.of {
            Of::Known(of) => of,
            Of::Guessed(of) => of.as_ref(),
        };
        match (&self.given, &of.structure) {
            (Source::One(value), _) => write(value, of, out),
            (Source::Many(values), Structure::Array { element, delimiter }) => {
                write_array(values, element, *delimiter, out, 0).map(|()| true)
            }
            // Only arguments that are arrays collect.
            (Source::Many(values), _) => values.first().map_or(Ok(false), |value| write(value, of, out)),
        }
    }
}

impl<'a> Source<'a> {
    fn many(values: &[Sent<'a>]) -> Self {
        Self::Many(values.iter().map(|value| value.0).collect())
    }
}

impl Of<'_> {
    fn guessed(of: Option<Arc<ParamType>>) -> Self {
        Self::Guessed(of.unwrap_or_else(|| Arc::new(ParamType::unknown())))
    }
}

/// Values are nobody's business: a library that logs its parameters logs this.
impl fmt::Debug for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
