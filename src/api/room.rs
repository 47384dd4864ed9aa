//! What would write much to PostgreSQL's disk is refused while that is nearly full, and what was ended for it says so.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::answer::Failure;
use super::state::Gateway;
use crate::error::ApiError;

/// No answer of a deployment's that failed is longer: its texts are cut.
const MOST_BYTES: usize = 64 << 20;

/// Around everything that deploys or makes databases.
pub(crate) async fn room(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    if let Err(full) = gateway.databases.check_room_for_deployments() {
        return ApiError::from(full).into_response();
    }
    let before = gateway.databases.ended_for_room();
    let response = next.run(request).await;
    let lost = response.extensions().get::<Failure>().is_some_and(|failure| failure.lost);
    if lost && gateway.databases.ended_for_room() > before { told_as_full(response).await } else { response }
}

/// The same answer as one that a full disk caused: what it says of files and databases stays.
async fn told_as_full(response: Response) -> Response {
    let full = ApiError::ended_for_room();
    let told = to_bytes(response.into_body(), MOST_BYTES).await.ok();
    let told = told.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Value::Object(mut fields) = told.unwrap_or_default() else { return full.into_response() };
    if let Value::Object(mut new) = full.body() {
        fields.append(&mut new);
    }
    let (parts, _) = full.into_response().into_parts();
    let mut response = (StatusCode::INSUFFICIENT_STORAGE, Json(fields)).into_response();
    *response.extensions_mut() = parts.extensions;
    response
}
