//! What `json` and `upload` share: the content type, and a body within its size.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};

use crate::error::{ApiError, ErrorCode};

/// The type of a body without its parameters, in lower case; `None` where the header is missing or empty.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!essence.is_empty()).then_some(essence)
}

/// 413, with the limit in words.
pub(super) fn too_large(what: &str, limit: &str) -> ApiError {
    ApiError::new(ErrorCode::PayloadTooLarge, format!("{what} is over the limit of {limit}"))
}

/// Refuses a body that announces more than `limit_bytes`, before a byte of it is read.
pub(super) fn check_announced(
    headers: &HeaderMap,
    limit_bytes: usize,
    too_large: impl FnOnce() -> ApiError,
) -> Result<(), ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|bytes| bytes.parse::<u64>().ok()) {
        Some(bytes) if bytes > limit_bytes as u64 => Err(too_large()),
        Some(_) | None => Ok(()),
    }
}

/// The whole body.
pub(super) async fn read_whole(mut request: Request, limit_bytes: usize) -> Result<Bytes, ApiError> {
    let too_large = || too_large("the body", &format!("{limit_bytes} bytes"));
    check_announced(request.headers(), limit_bytes, too_large)?;
    DefaultBodyLimit::max(limit_bytes).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => broken_off(),
    })
}

/// The connection ended, or the body was malformed, before its end.
pub(super) fn broken_off() -> ApiError {
    ApiError::invalid_request("the body broke off before its end; send the request again")
}
