//! Around every request: its id, one log line, a panic as 500, and `CONFLICT_STATUS`. The outermost layer.
//!
//! The log line has no query string, no header but the id, and no message of a 4xx: those repeat what clients send.

use std::any::Any;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, Stream};

use super::answer::Failure;
pub(crate) use super::notes::Notes;

use super::notes::Noted;
use super::state::Gateway;
use crate::bundle::sql::tokens::hexadecimal;
use crate::call::TraceId;
use crate::error::ApiError;
use crate::metrics::calls::End;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 64;

/// How much of a path that nobody serves goes to the log.
const MAX_LOGGED_PATH_CHARS: usize = 200;

/// The answer that `next` has for the request, with everything around it.
pub(crate) async fn observe<F, A>(gateway: &Gateway, request: Request, next: F) -> Response
where
    F: FnOnce(Request, Notes) -> A,
    A: Future<Output = Response> + Send,
{
    let id = request_id(&request);
    let line = LogLine::begin(&request, &id, gateway.cuts_off.clone());
    let notes = line.notes.clone();
    let answered = AssertUnwindSafe(next(request, notes)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|panic| ApiError::internal(panic_message(&*panic)).into_response());
    let failure = response.extensions_mut().remove::<Failure>();
    if let Some(failure) = &failure {
        gateway.metrics.refused(failure.code.code());
    }
    if failure.as_ref().is_some_and(|failure| failure.code.is_already_there()) {
        let status = StatusCode::from_u16(gateway.settings().conflict_status);
        *response.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    if response.body().size_hint().exact().is_some() {
        line.end(response.status(), failure);
        return response;
    }
    let status = response.status();
    response.map(|body| Body::from_stream(WatchedBody { body: body.into_data_stream(), status, line: Some(line) }))
}

/// Tells the log line which route matched, so that lines of one endpoint are found together. A layer inside the router.
pub(crate) async fn note_route(matched: Option<MatchedPath>, notes: Notes, request: Request, next: Next) -> Response {
    if let Some(matched) = matched {
        notes.note_route(matched.as_str().to_owned());
    }
    next.run(request).await
}

/// The client's own id where it is harmless in a log, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let is_sane = |value: &&HeaderValue| {
        (1..=MAX_REQUEST_ID_BYTES).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let given = request.headers().get(REQUEST_ID).filter(is_sane).cloned();
    given.unwrap_or_else(|| {
        let made = hexadecimal(&rand::random::<[u8; 8]>());
        HeaderValue::try_from(made).expect("hexadecimal digits are a header's value")
    })
}

/// The trace that the client's `traceparent` tells of.
fn trace(request: &Request) -> Option<TraceId> {
    TraceId::of_header(request.headers().get(TRACEPARENT)?.to_str().ok()?)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", message.unwrap_or("no message"))
}

/// The request's log line. Dropped before its end, it says that the client hung up, or that the gateway cut it off.
struct LogLine {
    started: Instant,
    method: Method,
    uri: Uri,
    notes: Notes,
    is_written: bool,
    /// See [`Gateway::cuts_off`].
    cuts_off: Arc<AtomicBool>,
}

impl LogLine {
    fn begin(request: &Request, id: &HeaderValue, cuts_off: Arc<AtomicBool>) -> Self {
        Self {
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            notes: Notes::new(id.clone(), trace(request)),
            is_written: false,
            cuts_off,
        }
    }

    fn end(mut self, status: StatusCode, failure: Option<Failure>) {
        let (code, cause) = failure.map_or((None, None), |failure| (Some(failure.code.code()), failure.log_cause));
        let outcome = if status.is_server_error() { Outcome::Failed } else { Outcome::Answered };
        self.write(outcome, Some(status), code, cause.as_deref());
    }

    /// The route where one matched; never the query.
    fn path<'n>(&self, noted: &'n Noted) -> Cow<'n, str> {
        match &noted.route {
            Some(route) => Cow::Borrowed(route),
            None => Cow::Owned(self.uri.path().chars().take(MAX_LOGGED_PATH_CHARS).collect()),
        }
    }

    fn write(&mut self, outcome: Outcome, status: Option<StatusCode>, error: Option<&str>, cause: Option<&str>) {
        self.is_written = true;
        let end = match (outcome, status) {
            (Outcome::HungUp, _) => End::ClientGone,
            (Outcome::CutOff, _) => End::CutOff,
            (Outcome::Answered | Outcome::Failed, status) => {
                End::Answered(status.map_or(500, |status| status.as_u16()))
            }
        };
        self.notes.read(|noted| {
            if let Some(call) = &noted.call {
                call.counted.count(end, self.started.elapsed());
            }
        });
        self.notes.read(|noted| self.write_line(outcome, noted, status, error, cause));
    }

    fn write_line(
        &self,
        outcome: Outcome,
        noted: &Noted,
        status: Option<StatusCode>,
        error: Option<&str>,
        cause: Option<&str>,
    ) {
        let call = noted.call.as_ref();
        let took = call.and_then(|call| call.took);
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    request_id = noted.request_id(),
                    trace_id = noted.trace.as_ref().map(TraceId::as_str),
                    method = self.method.as_str(),
                    path = &*self.path(noted),
                    status = status.map(|status| status.as_u16()),
                    duration_ms = millis(self.started.elapsed()),
                    platform = noted.platform,
                    database = noted.database,
                    function = call.map(|call| &*call.function),
                    rows = call.and_then(|call| call.rows),
                    wait_ms = took.map(|(wait, _)| millis(wait)),
                    execution_ms = took.map(|(_, execution)| millis(execution)),
                    client = noted.client.map(tracing::field::display),
                    error,
                    cause,
                    $text
                )
            };
        }
        match outcome {
            Outcome::Answered => line!(info, "request"),
            Outcome::Failed => line!(error, "request failed"),
            Outcome::HungUp => line!(info, "the client hung up"),
            Outcome::CutOff => line!(warn, "cut off because the gateway stops"),
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// With an answer, a refusal among them.
    Answered,
    /// By the gateway's or PostgreSQL's fault.
    Failed,
    /// The client left before the answer was there.
    HungUp,
    /// The gateway stopped before the answer was there.
    CutOff,
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.is_written {
            let is_cut = self.cuts_off.load(Ordering::Relaxed);
            self.write(if is_cut { Outcome::CutOff } else { Outcome::HungUp }, None, None, None);
        }
    }
}

/// A body that is still being made while it is sent: its log line is written when it ends.
struct WatchedBody {
    body: BodyDataStream,
    status: StatusCode,
    line: Option<LogLine>,
}

impl Stream for WatchedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.body).poll_next(context));
        let status = self.status;
        match &item {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some(mut line) = self.line.take() {
                    let cause = format!("the answer broke off: {error}");
                    line.write(Outcome::Failed, Some(status), None, Some(&cause));
                }
            }
            None => {
                if let Some(line) = self.line.take() {
                    line.end(status, None);
                }
            }
        }
        Poll::Ready(item)
    }
}
