//! Yes or no, as clients write it.

use crate::error::ApiError;

/// Reads the text of the field `name`; empty is no.
pub(super) fn parse(name: &str, text: &str) -> Result<bool, ApiError> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "" | "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(ApiError::invalid_request(format!("the field {name} is {text:?}; send true or false"))),
    }
}
