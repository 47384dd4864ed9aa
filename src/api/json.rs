//! JSON bodies: their content type, their size, and their fields by name.

use std::collections::HashSet;
use std::fmt;

use axum::extract::Request;
use axum::http::header;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{body, flags};
use crate::call_memory::CallBody;
use crate::databases::name::Id;
use crate::error::{ApiError, ErrorCode};

/// A call's parameters may hold files; more than this belongs into an upload.
const MAX_CALL_BYTES: usize = 32 * 1024 * 1024;

/// What all other requests say is some names.
const MAX_FIELDS_BYTES: usize = 64 * 1024;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The body, if it may be JSON by its type. `text/plain` and none at all are what simple clients send; a form is not
/// JSON, although `curl -d` says form where it is told nothing else, so the answer tells what to write.
pub(super) async fn read(request: Request) -> Result<Vec<u8>, ApiError> {
    check_type(&request)?;
    body::read_whole(request, MAX_FIELDS_BYTES, None).await
}

/// The same for a call; `memory` is what its body takes.
pub(super) async fn read_call(request: Request, memory: &mut CallBody<'_>) -> Result<Vec<u8>, ApiError> {
    check_type(&request)?;
    body::read_whole(request, MAX_CALL_BYTES, Some(memory)).await
}

fn check_type(request: &Request) -> Result<(), ApiError> {
    // What nearly every request says, word for word.
    if request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == b"application/json") {
        return Ok(());
    }
    match body::content_type(request.headers()).as_deref() {
        None | Some("application/json" | "text/plain") => Ok(()),
        Some(essence) if essence.starts_with("application/") && essence.ends_with("+json") => Ok(()),
        Some(other) => {
            let message = format!(
                "the Content-Type is {other}; send JSON with the header Content-Type: application/json (curl: -H \
                 'Content-Type: application/json')"
            );
            Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
        }
    }
}

/// The fields of a JSON object; those that nobody asks for are ignored.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// 400 with serde's line and column where it is no JSON.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        // What Windows programs put before a text; RFC 8259 lets a reader pass over it.
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::invalid_request("the body is empty; send a JSON object"));
        }
        let value = serde_json::from_slice::<Value>(body)
            .map_err(|error| ApiError::invalid_request(format!("the body is not JSON: {error}")))?;
        match value {
            Value::Object(fields) => {
                serde_json::from_slice::<NoFieldTwice>(body)
                    .map_err(|error| ApiError::invalid_request(error.to_string()))?;
                Ok(Self(fields))
            }
            other => Err(ApiError::invalid_request(format!("the body is {}; send a JSON object", name_of(&other)))),
        }
    }

    /// A text that must be there; whether it may be empty is the caller's business.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => Err(ApiError::invalid_request(format!("the field {name} is missing"))),
            Some(other) => {
                Err(ApiError::invalid_request(format!("the field {name} is {}; send a string", name_of(other))))
            }
        }
    }

    /// A text that may be missing; `null` and empty are as good as missing.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => {
                Err(ApiError::invalid_request(format!("the field {name} is {}; send a string", name_of(other))))
            }
        }
    }

    /// The id of a database that was made from a stored schema: `database_id`, or `uuid`, which means the same (contract
    /// §6, "Ids in JSON bodies"). `null` and empty are as good as missing.
    pub(super) fn database_id(&self) -> Result<Option<Id>, ApiError> {
        let (database_id, uuid) = (self.optional("database_id")?, self.optional("uuid")?);
        match (database_id, uuid) {
            (Some(one), Some(other)) if one != other => Err(ApiError::invalid_request(format!(
                "database_id {one:?} and uuid {other:?} mean the same and say different things; send one of them"
            ))),
            (Some(id), _) => Ok(Some(Id::parse("database_id", id)?)),
            (None, Some(id)) => Ok(Some(Id::parse("uuid", id)?)),
            (None, None) => Ok(None),
        }
    }

    /// Refuses a field that is not among `known` and says something. Only for endpoints where a missing id means all
    /// databases: a misspelt one would widen the request (contract §6, "Ids in JSON bodies").
    pub(super) fn refuse_unknown(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.0.iter().find(|(name, value)| !known.contains(&name.as_str()) && says_something(value)) {
            None => Ok(()),
            Some((name, _)) => Err(unknown_field(name, known)),
        }
    }

    /// A yes or no; missing and `null` mean no. Texts are what forms and PHP send.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) => flags::parse(name, text),
            Some(Value::Number(number)) => flags::parse(name, &number.to_string()),
            Some(other) => {
                Err(ApiError::invalid_request(format!("the field {name} is {}; send true or false", name_of(other))))
            }
        }
    }
}

/// An object in which no name stands twice: of two ids, one would be passed over, and with it what the client meant.
struct NoFieldTwice;

impl<'de> Deserialize<'de> for NoFieldTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NoFieldTwice)
    }
}

impl<'de> Visitor<'de> for NoFieldTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("the field {:?} is there twice", shown(&name))));
            }
            seen.insert(name);
        }
        Ok(self)
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// 400 for a field of a body or a form that may have been meant to narrow the request.
pub(super) fn unknown_field(name: &str, known: &[&str]) -> ApiError {
    let (name, known) = (shown(name), known.join(", "));
    ApiError::invalid_request(format!(
        "the field {name:?} is unknown here, and without an id the request means all databases; known are {known}"
    ))
}

/// A client's own name for something, no longer than a message bears.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
