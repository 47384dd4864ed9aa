//! A refused name, as the client sees it.

use super::ApiError;
use crate::databases::name::NameError;

/// 400 `invalid_request` for every one; the sentence names the field.
impl From<NameError> for ApiError {
    fn from(error: NameError) -> Self {
        Self::invalid_request(error.to_string())
    }
}
