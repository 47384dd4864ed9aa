//! Answers that no handler gives: written to the socket as they are, JSON like every other error, and the connection closed
//! so that the client gets to see them.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{ApiError, ErrorCode};

/// How long the client may take to take the answer.
const TAKING: Duration = Duration::from_secs(1);

/// What is thrown away at most of what the client goes on sending: PHP's streams send everything before they read.
const MAX_DROPPED_BYTES: usize = 16 * 1024 * 1024;

/// A connection's last answer.
pub(super) async fn answer(socket: &mut TcpStream, error: &ApiError) {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE { "retry-after: 1\r\n" } else { "" };
    send(socket, status, retry, error.body().to_string().as_bytes()).await;
}

/// A connection's last answer, whose body is JSON.
pub(super) async fn send(socket: &mut TcpStream, status: StatusCode, headers: &str, body: &[u8]) {
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    // Who does not take it does not get it.
    let _ = timeout(TAKING, socket.write_all(&answer)).await;
}

/// Closes, but first lets the client read what it was told: a system that is sent more to a closed connection throws away
/// what its program has not read yet.
pub(super) async fn close_gently(mut socket: TcpStream, limit: Duration) {
    let reading = async {
        if socket.shutdown().await.is_err() {
            return;
        }
        let (mut scrap, mut dropped_bytes) = ([0; 8192], 0);
        while dropped_bytes < MAX_DROPPED_BYTES
            && let Ok(bytes @ 1..) = socket.read(&mut scrap).await
        {
            dropped_bytes += bytes;
        }
    };
    let _ = timeout(limit, reading).await;
}

/// What a client is told whose head cannot be read. `held_back` is the status that hyper would have answered.
pub(super) fn of_head(held_back: u16, line_ended: bool) -> ApiError {
    match held_back {
        414 => uri_too_long(),
        // Whatever did not fit, it was in the first line.
        431 if !line_ended => uri_too_long(),
        431 => ApiError::new(
            ErrorCode::HeadersTooLarge,
            "the request has more or longer headers than the gateway reads; send fewer",
        ),
        _ => {
            ApiError::invalid_request("the request is no HTTP/1.1 that the gateway can read; the connection is closed")
        }
    }
}

fn uri_too_long() -> ApiError {
    ApiError::new(ErrorCode::UriTooLong, "the request's path is longer than the gateway reads")
}

/// A head that came too slowly.
pub(super) fn slow_head() -> ApiError {
    ApiError::new(ErrorCode::RequestTimeout, "the request's headers did not come in time; send the request again")
}

/// More clients than `MAX_CLIENT_CONNECTIONS`.
pub(super) fn crowded() -> ApiError {
    ApiError::new(
        ErrorCode::TooManyConnections,
        "the gateway has as many client connections as MAX_CLIENT_CONNECTIONS allows; try again later",
    )
}
