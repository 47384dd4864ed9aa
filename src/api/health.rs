//! `GET /health`: the gateway lives, and whether PostgreSQL does. The only path that any address may ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::RETRY_AFTER_SECS;
use super::state::Gateway;

/// How the gateway is; the fields in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthAnswer {
    status: &'static str,
    version: &'static str,
    postgres_connected: bool,
    active_pools: usize,
    total_connections: usize,
    uptime_seconds: u64,
}

/// 503 and `degraded` while PostgreSQL is away.
pub(crate) async fn show_health(State(gateway): State<Arc<Gateway>>) -> Response {
    let health = gateway.databases.health().await;
    let (code, status) = match health.connected {
        true => (StatusCode::OK, "healthy"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
    };
    let answer = HealthAnswer {
        status,
        version: env!("CARGO_PKG_VERSION"),
        postgres_connected: health.connected,
        active_pools: health.active_pools,
        total_connections: health.total_connections,
        uptime_seconds: gateway.started.elapsed().as_secs(),
    };
    match health.connected {
        true => (code, Json(answer)).into_response(),
        false => (code, [(header::RETRY_AFTER, RETRY_AFTER_SECS)], Json(answer)).into_response(),
    }
}
