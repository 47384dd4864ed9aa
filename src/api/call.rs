//! `POST /call`: one function of a database. The path that runs a million times for each deployment.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::json;
use super::notes::{NotedCall, Notes};
use super::state::Gateway;
use crate::call::{self, Answer, AnswerBody, CallError, CallRequest, Timing};
use crate::databases::DatabaseError;
use crate::error::ApiError;

/// Parsing less than this is quicker than handing it to another thread.
const LARGE_BODY_BYTES: usize = 256 * 1024;

/// [`answer`] as one of the router's handlers.
pub(crate) async fn call_function(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<Response, ApiError> {
    answer(&gateway, &notes, request).await
}

/// Calls the function. A client that hangs up drops this future, and with it the query.
pub(crate) async fn answer(gateway: &Gateway, notes: &Notes, request: Request) -> Result<Response, ApiError> {
    // Until the call is answered.
    let mut memory = gateway.call_memory.body();
    let trace = notes.trace();
    let body = json::read_call(request, &mut memory).await?;
    let request = parse(body).await?.traced(trace);
    notes.note_platform(request.platform());
    notes.note_database(request.database_name().as_str());
    let answer = run_counted(gateway, notes, &request).await?;
    notes.note_database(answer.database.as_str());
    let body = match answer.body {
        AnswerBody::Complete(json) => Body::from(json),
        AnswerBody::Streamed(chunks) => Body::from_stream(chunks),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// What is to be counted is noted before it runs: its client may leave.
async fn run_counted(gateway: &Gateway, notes: &Notes, request: &CallRequest) -> Result<Answer, ApiError> {
    let calls = &gateway.metrics.calls;
    let (platform, function) = (request.platform().normal(), request.function_name());
    let counted = calls.known(platform, &function);
    notes.note_call(NotedCall { function: function.clone(), counted: counted.clone(), rows: None, took: None });
    let timing = Timing::default();
    let result = run(gateway, request, &timing).await;
    let took = timing.took();
    calls.waited(took.0);
    let exists = result.as_ref().map_or_else(|failed| failed.exists, |_| true);
    let counted = if exists && counted.is_other() { calls.found(platform, &function) } else { counted };
    let rows = result.as_ref().ok().and_then(|answer| answer.rows);
    notes.note_call(NotedCall { function, counted, rows, took: Some(took) });
    result.map_err(|failed| failed.error)
}

/// Runs the call as whom the platform's code runs.
async fn run(gateway: &Gateway, request: &CallRequest, timing: &Timing) -> Result<Answer, Failed> {
    let (platforms, databases) = (&gateway.platforms, &gateway.databases);
    let Some(run_as) = platforms.run_as_for_call(request.platform()).await.map_err(Failed::before)? else {
        return Err(Failed::before(databases.why_not(request.address()).await));
    };
    match call::run(databases, request, &run_as, timing).await {
        // Nothing ran yet.
        Err(CallError::Database(DatabaseError::NotTheRoles { database, .. })) => {
            let run_as = Box::pin(platforms.run_as_after_handing_over(request.platform(), &database)).await;
            let run_as = run_as.map_err(Failed::before)?;
            Box::pin(call::run(databases, request, &run_as, timing)).await.map_err(Failed::of_call)
        }
        result => result.map_err(Failed::of_call),
    }
}

/// Why there is no answer.
struct Failed {
    error: ApiError,
    /// Whether there is such a function.
    exists: bool,
}

impl Failed {
    fn before(error: impl Into<ApiError>) -> Self {
        Self { error: error.into(), exists: false }
    }

    fn of_call(error: CallError) -> Self {
        Self { exists: error.is_of_a_function(), error: error.into() }
    }
}

/// Megabytes of JSON would keep the other requests of this thread waiting.
async fn parse(body: Vec<u8>) -> Result<CallRequest, ApiError> {
    if body.len() < LARGE_BODY_BYTES {
        return Ok(call::parse_request(&body)?);
    }
    let parsing = tokio::task::spawn_blocking(move || call::parse_request(&body));
    Ok(parsing.await.map_err(ApiError::internal)??)
}
