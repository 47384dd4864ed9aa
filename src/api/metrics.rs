//! `GET /metrics`, `GET /ready` and `GET /live`: for programs that watch.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::RETRY_AFTER_SECS;
use super::state::Gateway;
use crate::error::ApiError;
use crate::metrics::{self, Now};

/// All figures, in the text format of Prometheus.
pub(crate) async fn show_metrics(State(gateway): State<Arc<Gateway>>) -> Result<Response, ApiError> {
    let now = now(&gateway).await;
    let text = gateway.metrics.text(&now).map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

async fn now(gateway: &Gateway) -> Now {
    let health = gateway.databases.health().await;
    let figures = gateway.databases.figures();
    Now {
        postgres_up: health.connected,
        pools: figures.pools,
        connections: (figures.connections, figures.most_connections),
        waiting: figures.waiting,
        deployments: figures.deployments,
        upload_bytes: gateway.uploads.held(),
        terminated: figures.terminated,
        uptime: gateway.started.elapsed().as_secs_f64(),
        databases: if health.connected { gateway.databases.by_bundle().await } else { None },
    }
}

/// 200 while calls can be served; 503 with the cause while PostgreSQL is away.
pub(crate) async fn show_ready(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.databases.health().await.connected {
        return Json(json!({"status": "ready"})).into_response();
    }
    let cause: Value = json!({"status": "not_ready", "cause": "PostgreSQL does not answer"});
    let retry = [(header::RETRY_AFTER, RETRY_AFTER_SECS)];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(cause)).into_response()
}

/// 200 while the process answers.
pub(crate) async fn show_live() -> Json<Value> {
    Json(json!({"status": "live"}))
}
