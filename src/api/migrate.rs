//! `POST /migrate`: a bundle for the databases that a platform has already.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Json};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracing::Instrument;

use super::notes::Notes;
use super::state::Gateway;
use super::upload::{Expected, Upload};
use crate::databases::name::{Id, Which};
use crate::error::ApiError;
use crate::orchestrator::fleet::{Event, Wish};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const FIELDS: Expected =
    Expected { texts: &["platform", "tenant_id", "force", "dry_run"], archives: &["schema"], refuses_unknown: true };

/// One JSON object a line.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Migrates the tenant's database, or all of the platform's. With `Accept: application/x-ndjson` it tells how it goes.
pub(crate) async fn migrate_databases(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<Response, ApiError> {
    let streams = wants_lines(request.headers());
    refuse_query(request.uri())?;
    let upload = Upload::read(request, FIELDS, &gateway).await?;
    let platform = Id::parse("platform", upload.required("platform")?)?;
    notes.note_platform(&platform);
    let tenant = match upload.which()? {
        Which::Tenant(tenant) => Some(tenant),
        Which::Main | Which::Stored { .. } => None,
    };
    let wish = Wish { force: upload.flag("force")?, dry_run: upload.flag("dry_run")? };
    let bundle = upload.into_bundle(FIELDS, &platform, &gateway).await?;
    let span = notes.span();
    let run_as = match gateway.platforms.run_as_where_databases_are(&platform).instrument(span.clone()).await? {
        Some(run_as) => run_as,
        // Without any database there is nothing to migrate, which is told as for every other platform.
        None => {
            gateway.orchestrator.databases_to_migrate(&platform, tenant.clone()).await?;
            gateway.platforms.run_as(&platform).instrument(span.clone()).await?
        }
    };
    // Not in the task that a stream has: a client that hangs up while it waits gives up its place.
    let turn = gateway.orchestrator.turn(&platform).instrument(span.clone()).await?;
    let (events, heard) = unbounded_channel();
    let migration = async move { gateway.orchestrator.migrate(turn, &run_as, tenant, bundle, wish, events).await };
    answer(streams, migration.instrument(span), heard).await
}

/// The whole answer in the end, or a line for each thing that happens and the answer as the last one.
pub(super) async fn answer<T, E>(
    streams: bool,
    migration: impl Future<Output = Result<T, E>> + Send + 'static,
    heard: UnboundedReceiver<Event>,
) -> Result<Response, ApiError>
where
    T: Serialize + Send + 'static,
    ApiError: From<E>,
    E: Send + 'static,
{
    if !streams {
        return Ok(Json(migration.await?).into_response());
    }
    // A task of its own, so that it goes on while nobody reads the lines.
    let running = tokio::spawn(migration.in_current_span());
    let ended = stream::once(async move {
        let result = match running.await {
            Ok(result) => result.map_err(ApiError::from),
            Err(error) => Err(ApiError::internal(error)),
        };
        match result {
            Ok(answer) => last_line("completed", json!(answer)),
            Err(error) => {
                // The status is long sent, so this line stands in for the request's.
                tracing::warn!(error = error.code.code(), message = error.message, cause = error.log_cause, "failed");
                last_line("failed", error.body())
            }
        }
    });
    // The channel closes with the migration, so the answer comes after the last thing that was told.
    let body = Body::from_stream(told(heard).chain(ended.map(Ok::<_, BoxError>)));
    Ok(([(header::CONTENT_TYPE, NDJSON)], body).into_response())
}

/// Nothing that a client or a proxy waits for is silent for longer.
const SILENCE: Duration = Duration::from_secs(2);

fn told(heard: UnboundedReceiver<Event>) -> impl Stream<Item = Result<Bytes, BoxError>> {
    let since = Instant::now();
    stream::unfold((heard, None), move |(mut heard, mut phase)| async move {
        let told = match timeout(SILENCE, heard.recv()).await {
            Ok(event) => {
                let event = event?;
                if let Event::Phase { phase: now } = &event {
                    phase = Some(*now);
                }
                json!(event)
            }
            Err(_) => json!({"event": "working", "phase": phase, "seconds": since.elapsed().as_secs()}),
        };
        Some((Ok(line(&told)), (heard, phase)))
    })
}

fn last_line(event: &str, answer: Value) -> Bytes {
    let mut object = serde_json::Map::new();
    object.insert("event".to_owned(), event.into());
    if let Value::Object(fields) = answer {
        object.extend(fields);
    }
    line(&Value::Object(object))
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

/// An id in the URL would be passed over, and the request would mean all databases.
pub(super) fn refuse_query(uri: &Uri) -> Result<(), ApiError> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::invalid_request(
            "nothing is read from the URL's query here, and without an id the request means all databases; send the \
             fields in the body",
        )),
    }
}

/// Whether the client asks for lines: by name, not with `*/*`.
pub(super) fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-ndjson")
    })
}
