//! What goes wrong, as the client sees it: status, code and JSON body (contract §7). The only place that knows them.
//!
//! Domain modules have error enums of their own; how each becomes an [`ApiError`] stands in a file of this folder,
//! matched without `_`, so that a new variant cannot be forgotten.

mod access;
mod bundle;
mod call;
mod databases;
mod disk;
mod names;
mod orchestrator;
mod platforms;
mod uploads;

use serde_json::{Map, Value};

/// The `error` field of an answer, each with the HTTP status that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 400: a field is missing or malformed.
    InvalidRequest,
    /// 400: the uploaded archive.
    SchemaExtractionFailed,
    /// 400: an extension that the server does not have.
    ExtensionNotAvailable,
    /// 400 (409 with `CONFLICT_STATUS=409`): create, where it exists.
    DatabaseAlreadyExists,
    /// 401: the admin token is missing or wrong.
    Unauthorized,
    /// 403, code `unauthorized`: the address is not allowed.
    Forbidden,
    /// 403: another platform's database.
    PlatformIsolationViolation,
    /// 404: no such database.
    DatabaseNotFound,
    /// 404: no such function.
    FunctionNotFound,
    /// 404: no such platform.
    PlatformNotFound,
    /// 404: no such stored schema.
    SchemaNotFound,
    /// 404: no such path.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: a deployment failed and was rolled back.
    MigrationFailed,
    /// 409: a function of the bundle could not be deployed; rolled back.
    FunctionDeployFailed,
    /// 409: an extension could not be installed; rolled back.
    ExtensionInstallFailed,
    /// 413: the body is over its limit.
    PayloadTooLarge,
    /// 415: the wrong `Content-Type`.
    UnsupportedMediaType,
    /// 408: head or body came too slowly.
    RequestTimeout,
    /// 414: the path is too long.
    UriTooLong,
    /// 431: too many or too long headers.
    HeadersTooLarge,
    /// 503 with `Retry-After`: more client connections than `MAX_CLIENT_CONNECTIONS`.
    TooManyConnections,
    /// 503 with `Retry-After`: no connection came free in time.
    PoolExhausted,
    /// 503 with `Retry-After`: the memory for uploads did not come free in time.
    UploadsBusy,
    /// 503 with `Retry-After`: the platform's deployments have all their turns, and it was not this one's in time.
    DeploymentsBusy,
    /// 503: PostgreSQL cannot be reached.
    ConnectionFailed,
    /// 507: no room left on PostgreSQL's disk or on that of `DATA_DIR`.
    DiskFull,
    /// 504: over the time limit of a call.
    QueryTimeout,
    /// `invalid_request`, where the platform is registered already.
    AlreadyRegistered,
    /// A call failed in PostgreSQL; the status (400–599) depends on the SQLSTATE (contract §6, `POST /call`).
    QueryFailed(u16),
    /// 500: ours. The log has the cause.
    InternalError,
}

impl ErrorCode {
    /// The HTTP status, before `CONFLICT_STATUS` is applied.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::SchemaExtractionFailed
            | Self::ExtensionNotAvailable
            | Self::AlreadyRegistered
            | Self::DatabaseAlreadyExists => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::PlatformIsolationViolation => 403,
            Self::DatabaseNotFound
            | Self::FunctionNotFound
            | Self::PlatformNotFound
            | Self::SchemaNotFound
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::MigrationFailed | Self::FunctionDeployFailed | Self::ExtensionInstallFailed => 409,
            Self::PayloadTooLarge => 413,
            Self::RequestTimeout => 408,
            Self::UriTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::HeadersTooLarge => 431,
            Self::InternalError => 500,
            Self::PoolExhausted
            | Self::UploadsBusy
            | Self::DeploymentsBusy
            | Self::ConnectionFailed
            | Self::TooManyConnections => 503,
            Self::QueryTimeout => 504,
            Self::DiskFull => 507,
            Self::QueryFailed(status) => status,
        }
    }

    /// Whether this is an "already there", whose status `CONFLICT_STATUS` decides.
    pub fn is_already_there(self) -> bool {
        matches!(self, Self::DatabaseAlreadyExists | Self::AlreadyRegistered)
    }

    /// Whether the connection closes behind the answer: nothing further is wanted from that client, or nobody knows where
    /// its next request would begin.
    pub fn ends_connection(self) -> bool {
        matches!(self, Self::Forbidden | Self::RequestTimeout)
    }

    /// The word in the `error` field.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::AlreadyRegistered => "invalid_request",
            Self::SchemaExtractionFailed => "schema_extraction_failed",
            Self::ExtensionNotAvailable => "extension_not_available",
            Self::DatabaseAlreadyExists => "database_already_exists",
            Self::Unauthorized | Self::Forbidden => "unauthorized",
            Self::PlatformIsolationViolation => "platform_isolation_violation",
            Self::DatabaseNotFound => "database_not_found",
            Self::FunctionNotFound => "function_not_found",
            Self::PlatformNotFound => "platform_not_found",
            Self::SchemaNotFound => "schema_not_found",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MigrationFailed => "migration_failed",
            Self::FunctionDeployFailed => "function_deploy_failed",
            Self::ExtensionInstallFailed => "extension_install_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RequestTimeout => "request_timeout",
            Self::UriTooLong => "uri_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::TooManyConnections => "too_many_connections",
            Self::PoolExhausted => "pool_exhausted",
            Self::UploadsBusy => "uploads_busy",
            Self::DeploymentsBusy => "deployments_busy",
            Self::ConnectionFailed => "connection_failed",
            Self::QueryTimeout => "query_timeout",
            Self::DiskFull => "disk_full",
            Self::QueryFailed(_) => "query_failed",
            Self::InternalError => "internal_error",
        }
    }
}

/// One error answer: `{"error":"code","message":"…", …details}`.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// Code and status.
    pub code: ErrorCode,
    /// One sentence for the person who reads it: what is wrong and what to do.
    pub message: String,
    /// What helps: `database`, `cause`, `sqlstate`, `file`, `line`, `hint`, `detail`, …
    pub details: Map<String, Value>,
    /// What only the log may know (5xx): written once to the request's log line.
    pub log_cause: Option<String>,
    /// Whether it may have been done all the same, so that nobody is to try again by himself.
    pub perhaps_done: bool,
}

impl ApiError {
    /// An error with nothing but its code and sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new(), log_cause: None, perhaps_done: false }
    }

    /// 400 `invalid_request`.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// 500 `internal_error`: the cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let error = Self::new(ErrorCode::InternalError, "the gateway failed; its log says why");
        error.logging(cause)
    }

    /// The same error under another code.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// Adds a field to the body.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.details.insert(field.to_owned(), value.into());
        self
    }

    /// Adds a field to the body where there is something to say.
    #[must_use]
    pub fn with_some(self, field: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    /// Adds what only the log may know.
    #[must_use]
    pub fn logging(mut self, cause: impl std::fmt::Display) -> Self {
        let mut cause = cause.to_string();
        cut(&mut cause);
        self.log_cause = Some(cause);
        self
    }

    /// It may have been done all the same.
    #[must_use]
    pub fn perhaps_done(self, perhaps_done: bool) -> Self {
        Self { perhaps_done, ..self }
    }

    /// Whether a client may try again by itself: `Retry-After` says when.
    pub fn may_be_tried_again(&self) -> bool {
        matches!(self.code.status(), 503 | 504) && !self.perhaps_done
    }

    /// The JSON body. Texts that are too long for one, such as what a function raises, are cut.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), self.code.code().into());
        body.insert("message".to_owned(), self.message.clone().into());
        body.extend(self.details.clone());
        body.values_mut().for_each(cut_texts);
        Value::Object(body)
    }
}

/// What PostgreSQL says is as long as whoever raises it likes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

fn cut_texts(value: &mut Value) {
    match value {
        Value::String(text) => cut(text),
        Value::Array(values) => values.iter_mut().for_each(cut_texts),
        Value::Object(fields) => fields.values_mut().for_each(cut_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Cuts a text to [`MAX_TEXT_BYTES`], and says so at its end.
fn cut(text: &mut String) {
    if text.len() <= MAX_TEXT_BYTES {
        return;
    }
    let told = format!("… (cut: {} bytes in all)", text.len());
    let mut end = MAX_TEXT_BYTES - told.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&told);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ApiError, ErrorCode, MAX_TEXT_BYTES};
    use crate::orchestrator::DeployError;
    use crate::registry::RegistryError;
    use crate::uploads::UploadsError;

    #[test]
    fn bundles_that_nobody_reads_in_time_are_to_be_sent_again() {
        let waited = std::time::Duration::from_secs(120);
        let busy = UploadsError::NoReader { waited };
        for error in [
            ApiError::from(DeployError::from(busy.clone())),
            ApiError::from(RegistryError::from(busy.clone())),
            ApiError::from(busy),
        ] {
            assert_eq!((error.code, error.code.status()), (ErrorCode::UploadsBusy, 503));
            assert!(error.message.contains("120 s"), "{}", error.message);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_wherever_they_are() {
        let long = "ä".repeat(100_000);
        let error = ApiError::new(ErrorCode::QueryFailed(400), &long)
            .with("cause", long.as_str())
            .with("hint", "short")
            .with("databases_failed", json!([{ "database": "a", "cause": long }]))
            .logging(&long);
        let body = error.body();
        for text in [&body["message"], &body["cause"], &body["databases_failed"][0]["cause"]] {
            let text = text.as_str().unwrap();
            assert!(text.len() <= MAX_TEXT_BYTES && text.len() > MAX_TEXT_BYTES - 4, "{}", text.len());
            assert!(text.starts_with("ää") && text.ends_with("ä… (cut: 200000 bytes in all)"));
        }
        assert_eq!(body["hint"], "short");
        assert!(error.log_cause.unwrap().len() <= MAX_TEXT_BYTES);
    }
}
