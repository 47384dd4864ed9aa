//! One client's connection: hyper reads and writes it; what hyper cannot tell a client is told here.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tracing::debug;

use super::client_stream::{ClientStream, ConnectionState};
use super::paced_body::PacedBody;
use super::{Answer, ServerLimits, refusal};

/// The longest head that is read. Together with all connections that makes hundreds of megabytes, not gigabytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// How long a client that is told to go may go on sending.
const LINGER: Duration = Duration::from_secs(1);

/// Serves the connection to its end.
pub(super) async fn serve(
    limits: ServerLimits,
    (socket, peer): (TcpStream, SocketAddr),
    state: Arc<ConnectionState>,
    app: impl Answer,
    drain: Watcher,
) {
    // An answer is written as a whole: waiting for more to send would only delay it.
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%peer, %error, "TCP_NODELAY");
    }
    let io = TokioIo::new(ClientStream::new(socket, state.clone()));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        state.begin_answer();
        let (app, state) = (app.clone(), state.clone());
        let request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(PacedBody::new(body, limits.body, state.clone())),
        });
        async move { Ok::<_, Infallible>(hand_over(app.answer(peer, request).await, state)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.next_headers)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(io, service);
    // Clients that hang up or never say anything are no event.
    let refusal = match drain.watch(connection).await {
        Ok(()) => None,
        Err(error) => {
            debug!(%peer, %error, "connection ended");
            refusal_of(&error, &state)
        }
    };
    let Some(mut socket) = state.take_socket() else { return };
    if let Some(refusal) = &refusal {
        refusal::answer(&mut socket, refusal).await;
    }
    if (refusal.is_some() || state.linger.load(Relaxed)) && !state.client_ended.load(Relaxed) {
        refusal::close_gently(socket, LINGER).await;
    }
}

/// The answer leaves the handler: one of known size is as good as sent.
fn hand_over(mut response: Response, state: Arc<ConnectionState>) -> Response {
    if state.linger.load(Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    } else if response.headers().get(header::CONNECTION).is_some_and(|value| value == "close") {
        state.linger.store(true, Relaxed);
    }
    if response.body().size_hint().exact().is_some() {
        state.answering.store(false, Relaxed);
        return response;
    }
    let end = AnswerEnd(state);
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |_| {
            let _until_dropped = &end;
        }))
    })
}

/// An answer that is still being made.
struct AnswerEnd(Arc<ConnectionState>);

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        self.0.answering.store(false, Relaxed);
    }
}

fn refusal_of(error: &hyper::Error, state: &ConnectionState) -> Option<crate::error::ApiError> {
    let line_ended = state.line_ended.load(Relaxed);
    match state.held_back.load(Relaxed) {
        0 if error.is_timeout() => state.head_begun.load(Relaxed).then(refusal::slow_head),
        0 if error.is_parse() && !state.answering.load(Relaxed) => Some(refusal::of_head(400, line_ended)),
        0 => None,
        status => Some(refusal::of_head(status, line_ended)),
    }
}
