//! A request's body that nobody read to its end: a refused address, a wrong path, an upload over its limit.
//!
//! A server that answers and closes while the client still sends makes the client's system throw the answer away with
//! the connection ("connection reset"): PHP's streams and small `curl` uploads, which send everything before they read,
//! would never see why they were refused. So the rest is read and dropped before the answer goes out, within limits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use futures_util::{Stream, StreamExt};

/// Bodies up to this come with the head, and hyper has read them.
const SMALL_BODY_BYTES: u64 = 4 * 1024;

/// What is read and dropped at most; after that, the connection closes as it is.
const MAX_DROPPED_BYTES: usize = 256 * 1024 * 1024;
const MAX_DROPPING: Duration = Duration::from_secs(5);

/// The answer that `next` has for the request, once nothing is left of the request's body.
pub(crate) async fn drop_leftover<F, A>(request: Request, next: F) -> Response
where
    F: FnOnce(Request) -> A,
    A: Future<Output = Response> + Send,
{
    if request.body().size_hint().upper().is_some_and(|bytes| bytes <= SMALL_BODY_BYTES) {
        return next(request).await;
    }
    let waits_for_continue = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let body = SharedBody(Arc::new(Mutex::new(Progress { body: body.into_data_stream(), is_touched: false })));
    let mut leftover = body.clone();
    let response = next(Request::from_parts(head, Body::from_stream(body))).await;
    // Who is to be gone is not listened to; closing the connection lets it read the answer.
    let is_last = response.headers().get(header::CONNECTION).is_some_and(|value| value == "close");
    // Who asked first whether to send, and was not told to, sends nothing; reading would tell it to.
    if !is_last && (leftover.is_touched() || !waits_for_continue) {
        let _ = tokio::time::timeout(MAX_DROPPING, leftover.drop_rest()).await;
    }
    response
}

struct Progress {
    body: BodyDataStream,
    is_touched: bool,
}

/// A body that can be read on after the handler has let go of it.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Progress>>);

impl SharedBody {
    fn is_touched(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_touched
    }

    async fn drop_rest(&mut self) {
        let mut dropped_bytes = 0;
        while let Some(Ok(chunk)) = self.next().await {
            dropped_bytes += chunk.len();
            if dropped_bytes > MAX_DROPPED_BYTES {
                return;
            }
        }
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.is_touched = true;
        Pin::new(&mut progress.body).poll_next(context)
    }
}
