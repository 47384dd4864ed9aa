//! What `json` and `upload` share: the content type, and a body within its size.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, header};

use crate::call_memory::{CallBody, CallMemoryBusy};
use crate::error::{ApiError, ErrorCode};
use crate::server::BodyError;

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

/// The whole body, each piece once there is memory for it, if it may need much. A copy of what arrived: the server's
/// buffer can take the next request meanwhile.
pub(super) async fn read_whole(
    request: Request,
    limit_bytes: usize,
    mut memory: Option<&mut CallBody<'_>>,
) -> Result<Vec<u8>, ApiError> {
    let too_large = || too_large("the body", &format!("{limit_bytes} bytes"));
    check_announced(request.headers(), limit_bytes, too_large)?;
    let mut body = request.into_body();
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // Trailers are nobody's business.
        let Ok(chunk) = frame.map_err(|error| incomplete(&error))?.into_data() else { continue };
        if chunk.len() > limit_bytes - whole.len() {
            return Err(too_large());
        }
        if let Some(memory) = &mut memory {
            memory.grow_to(whole.len() + chunk.len()).await?;
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

impl From<CallMemoryBusy> for ApiError {
    fn from(busy: CallMemoryBusy) -> Self {
        Self::new(ErrorCode::PoolExhausted, busy.to_string())
    }
}

/// Why a body did not come to its end: it was too slow, the gateway stops, the connection ended, or it was malformed.
pub(super) fn incomplete(error: &(dyn Error + 'static)) -> ApiError {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    match causes.into_iter().find_map(|cause| cause.downcast_ref::<BodyError>()) {
        Some(BodyError::TooSlow) => ApiError::new(
            ErrorCode::RequestTimeout,
            "the body came too slowly: it may pause for 20 s, a second more for each 1,024 bytes before, 60 s at most, and take an hour",
        ),
        Some(BodyError::Stopping) => {
            ApiError::new(ErrorCode::ConnectionFailed, "the gateway is stopping; send the request again")
        }
        Some(BodyError::Broken(_)) | None => {
            ApiError::invalid_request("the body broke off before its end; send the request again")
        }
    }
}
