//! A refused caller, as it sees it.

use super::{ApiError, ErrorCode};
use crate::access::AccessError;

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        let code = match error {
            AccessError::AddressNotAllowed { .. } | AccessError::MalformedForwardedFor { .. } => ErrorCode::Forbidden,
            AccessError::TokenMissing | AccessError::TokenWrong => ErrorCode::Unauthorized,
        };
        Self::new(code, error.to_string())
    }
}
