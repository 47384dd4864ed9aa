//! The access rules as layers: the allowlist before everything but `/health`, `/ready` and `/live`, the admin token before what wants it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::notes::Notes;
use super::state::Gateway;
use crate::access::Purpose;
use crate::error::ApiError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Refuses addresses outside `ALLOWED_NETWORKS`.
pub(crate) fn admit(gateway: &Gateway, notes: &Notes, peer: SocketAddr, headers: &HeaderMap) -> Result<(), ApiError> {
    let lines = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    match gateway.settings().access.admit(peer.ip(), lines) {
        Ok(client) => {
            notes.note_client(client);
            Ok(())
        }
        Err(error) => {
            notes.note_client(peer.ip());
            Err(error.into())
        }
    }
}

/// The same as a layer.
pub(crate) async fn allowlist(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&gateway, &notes, peer, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Asks for `ADMIN_TOKEN`, where it guards routes of this purpose.
pub(crate) async fn token(
    State((gateway, purpose)): State<(Arc<Gateway>, Purpose)>,
    request: Request,
    next: Next,
) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match gateway.settings().access.check_token(purpose, authorization) {
        Ok(()) => next.run(request).await,
        Err(error) => ApiError::from(error).into_response(),
    }
}
