//! `multipart/form-data` → the fields of an upload, in any order, in memory. Nothing reaches the disk from here.
//!
//! The clients are `curl -F` and bodies that PHP programs put together by hand: parts without a type or a file name,
//! HTTP/1.0, short boundaries. Unknown fields are ignored; the same one twice is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::StatusCode;

use super::state::Gateway;
use super::{body, flags};
use crate::bundle::{Bundle, archive};
use crate::databases::name::{Id, Which};
use crate::error::{ApiError, ErrorCode};

/// No name or flag is longer.
const MAX_TEXT_BYTES: usize = 4 * 1024;

/// What a body may hold beside the archive: the other fields, boundaries, headers.
const BODY_OVERHEAD_BYTES: usize = 1024 * 1024;

/// The fields that an endpoint knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Short texts.
    pub(super) texts: &'static [&'static str],
    /// The archive, under one of these names.
    pub(super) archives: &'static [&'static str],
}

/// A request's fields.
#[derive(Debug, Default)]
pub(super) struct Upload {
    texts: BTreeMap<&'static str, String>,
    archive: Option<Bytes>,
}

impl Upload {
    /// Reads the body to its end.
    pub(super) async fn read(mut request: Request, expected: Expected, gateway: &Gateway) -> Result<Self, ApiError> {
        let limit_bytes = gateway.config.limits.max_upload_bytes;
        let body_limit_bytes = limit_bytes.saturating_add(BODY_OVERHEAD_BYTES);
        check_content_type(&request)?;
        body::check_announced(request.headers(), body_limit_bytes, || over_limit("the upload", limit_bytes))?;
        DefaultBodyLimit::max(body_limit_bytes).apply(&mut request);
        let mut multipart = Multipart::from_request(request, &()).await.map_err(|_| {
            ApiError::invalid_request("the Content-Type names no usable boundary; send multipart/form-data; boundary=…")
        })?;
        let mut upload = Self::default();
        while let Some(field) = multipart.next_field().await.map_err(|error| refuse_body(&error, limit_bytes))? {
            upload.take(field, expected, limit_bytes).await?;
        }
        Ok(upload)
    }

    /// Keeps a field that is expected; others are read over.
    async fn take(&mut self, field: Field<'_>, expected: Expected, limit_bytes: usize) -> Result<(), ApiError> {
        let Some(name) = field.name().map(str::to_owned) else {
            return Err(ApiError::invalid_request("a part of the body has no name in its Content-Disposition"));
        };
        if expected.archives.contains(&name.as_str()) {
            if self.archive.is_some() {
                return Err(twice(&name));
            }
            let too_large = || over_limit(&format!("the field {name}"), limit_bytes);
            self.archive = Some(read_field(field, limit_bytes, too_large).await?);
        } else if let Some(known) = expected.texts.iter().find(|known| **known == name) {
            if self.texts.contains_key(known) {
                return Err(twice(&name));
            }
            let too_long =
                || ApiError::invalid_request(format!("the field {name} is over the limit of {MAX_TEXT_BYTES} bytes"));
            let bytes = read_field(field, MAX_TEXT_BYTES, too_long).await?;
            let text = String::from_utf8(bytes.into())
                .map_err(|_| ApiError::invalid_request(format!("the field {name} is not UTF-8")))?;
            self.texts.insert(known, text);
        }
        Ok(())
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.required_as(&[name])
    }

    /// A text that must be there under one of these names; the first is the one that the error asks for.
    pub(super) fn required_as(&self, names: &[&str]) -> Result<&str, ApiError> {
        let mut given = names.iter().filter_map(|name| self.texts.get(*name).map(String::as_str));
        match (given.next(), given.next()) {
            (Some(one), Some(other)) if one != other => {
                Err(ApiError::invalid_request(format!("the fields {} say different things", names.join(" and "))))
            }
            (Some(text), _) => Ok(text),
            (None, _) => Err(missing(names.first().copied().unwrap_or_default())),
        }
    }

    /// Which of the platform's databases: missing, empty and `null` mean the main one.
    pub(super) fn which(&self) -> Result<Which, ApiError> {
        match self.texts.get("tenant_id").map(String::as_str) {
            None | Some("" | "null") => Ok(Which::Main),
            Some(tenant) => Ok(Which::Tenant(Id::parse("tenant_id", tenant)?)),
        }
    }

    /// A yes or no; missing and empty mean no.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        flags::parse(name, self.texts.get(name).map(String::as_str).unwrap_or_default())
    }

    /// The archive, read as a bundle. Inflating is work for the processor, so it has a thread that may block.
    pub(super) async fn into_bundle(self, expected: Expected, gateway: &Arc<Gateway>) -> Result<Bundle, ApiError> {
        let archive = self.archive.ok_or_else(|| missing(expected.archives[0]))?;
        let limits = gateway.archive_limits();
        let reading = tokio::task::spawn_blocking(move || archive::read(&archive, &limits));
        Ok(reading.await.map_err(ApiError::internal)??)
    }
}

fn check_content_type(request: &Request) -> Result<(), ApiError> {
    let given = match body::content_type(request.headers()) {
        Some(essence) if essence == "multipart/form-data" => return Ok(()),
        Some(essence) => format!("the Content-Type is {essence}"),
        None => "the Content-Type is missing".to_owned(),
    };
    let message = format!("{given}; send multipart/form-data (curl: -F platform=… -F schema=@bundle.tar.gz)");
    Err(ApiError::new(ErrorCode::UnsupportedMediaType, message))
}

/// A field's bytes, read no further than `limit_bytes`.
async fn read_field(
    mut field: Field<'_>,
    limit_bytes: usize,
    too_large: impl Fn() -> ApiError,
) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| refuse_body(&error, limit_bytes))? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// A body that is over its limit, cut off, or no multipart.
fn refuse_body(error: &MultipartError, limit_bytes: usize) -> ApiError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => over_limit("the upload", limit_bytes),
        StatusCode::BAD_REQUEST => {
            ApiError::invalid_request(format!("the multipart body is malformed or cut off: {}", error.body_text()))
        }
        // What the connection said, in axum's words a fault of the server.
        _ => body::incomplete(error),
    }
}

fn over_limit(what: &str, limit_bytes: usize) -> ApiError {
    body::too_large(what, &format!("{limit_bytes} bytes (MAX_UPLOAD_BYTES)"))
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid_request(format!("the field {name} is missing"))
}

fn twice(name: &str) -> ApiError {
    ApiError::invalid_request(format!("the field {name} is there twice"))
}
