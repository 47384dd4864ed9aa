//! JSON bodies: their content type, their size, and their fields by name.

use axum::extract::Request;
use axum::http::header;
use serde_json::{Map, Value};

use super::{body, flags};
use crate::call_memory::CallBody;
use crate::error::{ApiError, ErrorCode};

/// A call's parameters may hold files; more than this belongs into an upload.
const MAX_CALL_BYTES: usize = 32 * 1024 * 1024;

/// What all other requests say is some names.
const MAX_FIELDS_BYTES: usize = 64 * 1024;

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
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::invalid_request("the body is empty; send a JSON object"));
        }
        let value = serde_json::from_slice::<Value>(body)
            .map_err(|error| ApiError::invalid_request(format!("the body is not JSON: {error}")))?;
        match value {
            Value::Object(fields) => Ok(Self(fields)),
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
