//! `multipart/form-data` → the fields of an upload, in any order, in memory that is asked for first ([`crate::uploads`]).
//! Nothing reaches the disk from here.
//!
//! The clients are `curl -F` and bodies that PHP programs put together by hand: parts without a type or a file name,
//! HTTP/1.0, short boundaries. Unknown fields are ignored, but for an endpoint where a missing id means all databases; the
//! same one twice is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;

use super::parts::{self, Part, Parts};
use super::state::Gateway;
use super::{body, flags, json};
use crate::bundle::Bundle;
use crate::bundle::archive::{self, Packed};
use crate::databases::name::{Id, Which};
use crate::error::{ApiError, ErrorCode};
use crate::uploads::Receiving;

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
    /// Whether an unknown field that says something is refused: it may be a misspelt id, and without one the request means
    /// all databases (contract §6, "Ids in JSON bodies").
    pub(super) refuses_unknown: bool,
}

impl Expected {
    fn unknown(self, name: &str) -> ApiError {
        let known: Vec<_> = self.texts.iter().chain(self.archives).copied().collect();
        json::unknown_field(name, &known)
    }
}

/// What an unknown field may hold without saying anything; the longest has this many bytes.
const SAYS_NOTHING: [&[u8]; 5] = [b"", b"null", b"false", b"[]", b"{}"];
const SAYS_NOTHING_BYTES: usize = 5;

/// A request's fields.
#[derive(Debug, Default)]
pub(super) struct Upload {
    texts: BTreeMap<&'static str, String>,
    archive: Option<Received>,
}

/// An archive, and the right to the memory that it takes.
#[derive(Debug)]
struct Received {
    packed: Packed,
    memory: Receiving,
}

/// Tells the thread that reads an archive when nobody waits for it any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Upload {
    /// Reads the body to its end.
    pub(super) async fn read(mut request: Request, expected: Expected, gateway: &Gateway) -> Result<Self, ApiError> {
        let limit_bytes = gateway.settings().limits.max_upload_bytes;
        let body_limit_bytes = limit_bytes.saturating_add(BODY_OVERHEAD_BYTES);
        check_content_type(&request)?;
        body::check_announced(request.headers(), body_limit_bytes, || over_limit("the upload", limit_bytes))?;
        DefaultBodyLimit::max(body_limit_bytes).apply(&mut request);
        // Before a byte is read: connections that wait hold none.
        let mut memory = Some(gateway.uploads.receive().await?);
        let mut parts = Parts::of(request).await?;
        let mut upload = Self::default();
        while let Some(part) = parts.next().await.map_err(|error| refuse_body(&error, limit_bytes))? {
            upload.take(part, expected, limit_bytes, &mut memory).await?;
        }
        Ok(upload)
    }

    /// Keeps a field that is expected; others are read over.
    async fn take(
        &mut self,
        mut part: Part<'_>,
        expected: Expected,
        limit_bytes: usize,
        memory: &mut Option<Receiving>,
    ) -> Result<(), ApiError> {
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(ApiError::invalid_request("a part of the body has no name in its Content-Disposition"));
        };
        if expected.archives.contains(&name.as_str()) {
            // One archive, one memory.
            let Some(memory) = memory.take() else { return Err(twice(&name)) };
            self.archive = Some(read_archive(part, &name, limit_bytes, memory).await?);
        } else if let Some(known) = expected.texts.iter().find(|known| **known == name) {
            if self.texts.contains_key(known) {
                return Err(twice(&name));
            }
            let too_long =
                || ApiError::invalid_request(format!("the field {name} is over the limit of {MAX_TEXT_BYTES} bytes"));
            let bytes = read_field(part, MAX_TEXT_BYTES, too_long).await?;
            let text = String::from_utf8(bytes)
                .map_err(|_| ApiError::invalid_request(format!("the field {name} is not UTF-8")))?;
            self.texts.insert(known, text);
        } else if expected.refuses_unknown {
            let bytes = read_field(part, SAYS_NOTHING_BYTES, || expected.unknown(&name)).await?;
            if !SAYS_NOTHING.contains(&bytes.as_slice()) {
                return Err(expected.unknown(&name));
            }
        } else {
            part.read_over().await.map_err(|error| refuse_body(&error, limit_bytes))?;
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

    /// The archive, read as a bundle of the platform: measured first, then unpacked, once there is memory for it and for
    /// its deployment. When the client is gone by then, nothing of it is kept.
    pub(super) async fn into_bundle(
        self,
        expected: Expected,
        platform: &Id,
        gateway: &Arc<Gateway>,
    ) -> Result<Bundle, ApiError> {
        let received = self.archive.ok_or_else(|| missing(expected.archives[0]))?;
        let limits = gateway.archive_limits();
        let _waiting = Waiting(limits.abandoned.clone());
        let stopped = || ApiError::internal("the reader of an archive stopped");
        let measuring = move || (archive::measure(&received.packed, &limits), received, limits);
        let (plan, received, limits) = gateway.uploads.read(platform, measuring).await?.ok_or_else(stopped)?;
        let plan = plan?;
        let memory = gateway.uploads.claim(platform, &plan.measured).await?;
        let unpacking = move || {
            let Received { packed, memory: receiving } = received;
            let bundle = archive::unpack(&packed, &limits, plan);
            drop((packed, receiving));
            bundle.map(|bundle| Bundle { memory: Some(memory), ..bundle })
        };
        Ok(gateway.uploads.read(platform, unpacking).await?.ok_or_else(stopped)??)
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
    mut part: Part<'_>,
    limit_bytes: usize,
    too_large: impl Fn() -> ApiError,
) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(|error| refuse_body(&error, limit_bytes))? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The archive's bytes, each piece once there is memory for it.
async fn read_archive(
    mut part: Part<'_>,
    name: &str,
    limit_bytes: usize,
    mut memory: Receiving,
) -> Result<Received, ApiError> {
    let mut packed = Packed::default();
    while let Some(chunk) = part.chunk().await.map_err(|error| refuse_body(&error, limit_bytes))? {
        if packed.len() + chunk.len() > limit_bytes {
            return Err(over_limit(&format!("the field {name}"), limit_bytes));
        }
        memory.grow_to(packed.len() + chunk.len()).await?;
        packed.push(&chunk);
    }
    Ok(Received { packed, memory })
}

/// A body that is over its limit, cut off, or no multipart.
fn refuse_body(error: &MultipartError, limit_bytes: usize) -> ApiError {
    if let Some(refusal) = parts::refusal(error) {
        return refusal;
    }
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
