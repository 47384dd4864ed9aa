//! What would write much to PostgreSQL's disk is refused while that is nearly full.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::state::Gateway;
use crate::error::ApiError;

/// Around everything that deploys or makes databases.
pub(crate) async fn room(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let refused = (request.method() == Method::POST).then(|| gateway.databases.check_room_for_deployments());
    match refused {
        Some(Err(full)) => ApiError::from(full).into_response(),
        Some(Ok(())) | None => next.run(request).await,
    }
}
