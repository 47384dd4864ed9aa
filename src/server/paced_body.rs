//! A request's body that has to keep coming: a client that sends it too slowly, or not at all, is not waited for, and
//! neither is anybody once the gateway stops.
//!
//! Only the time counts in which somebody waits for the client: a handler that reads slowly is no fault of the client's.
//! A body that is there already, like nearly every call's, costs nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};

use super::client_stream::ConnectionState;

/// How fast a body has to come.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    /// What a client may take in any case.
    pub grace: Duration,
    /// It may take a second more for each so many bytes that have come.
    pub bytes_per_second: u64,
    /// What it may have saved up of that: one that came fast at first may not stand still for an hour then, and keep what
    /// others wait for.
    pub longest_pause: Duration,
    /// What it may take at most.
    pub longest: Duration,
    /// What it may still take once the gateway stops.
    pub when_stopping: Duration,
}

impl Default for BodyPace {
    /// 64 MiB over a line of 160 kbit/s fit; a byte a second does not.
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(20),
            bytes_per_second: 1024,
            longest_pause: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
            when_stopping: Duration::from_secs(1),
        }
    }
}

/// Why there is no more of a body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It came too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// The gateway stops, and it was not there yet.
    #[error("the gateway is stopping")]
    Stopping,
    /// The connection ended, or the body was malformed.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// The body, and how long it was waited for.
pub(super) struct PacedBody {
    body: Incoming,
    pace: BodyPace,
    connection: Arc<ConnectionState>,
    /// What it may still take before more of it comes, and in all.
    credit: Duration,
    left: Duration,
    waiting: Option<Waiting>,
    failed: bool,
}

struct Waiting {
    since: Instant,
    given_up: Pin<Box<dyn Future<Output = BodyError> + Send>>,
}

impl PacedBody {
    pub(super) fn new(body: Incoming, pace: BodyPace, connection: Arc<ConnectionState>) -> Self {
        let (credit, left) = (pace.grace, pace.longest);
        Self { body, pace, connection, credit, left, waiting: None, failed: false }
    }

    fn earn(&mut self, bytes: u64) {
        let rate = self.pace.bytes_per_second.max(1);
        let earned = Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        self.credit = (self.credit + earned).min(self.pace.longest_pause.max(self.pace.grace));
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Self { pace, credit, left, connection, .. } = self;
        let waiting = self.waiting.get_or_insert_with(|| {
            let left = (*credit).min(*left);
            let (stopping, when_stopping) = (connection.stopping.clone(), pace.when_stopping);
            let given_up = async move {
                let stopped = async {
                    let since = stopping.begun().await;
                    sleep_until(since + when_stopping).await;
                };
                tokio::select! {
                    () = sleep(left) => BodyError::TooSlow,
                    () = stopped => BodyError::Stopping,
                }
            };
            Waiting { since: Instant::now(), given_up: Box::pin(given_up) }
        });
        waiting.given_up.as_mut().poll(cx)
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let error = ready!(this.poll_waiting(cx));
            this.failed = true;
            this.connection.linger.store(true, Relaxed);
            return Poll::Ready(Some(Err(error)));
        };
        if let Some(waiting) = this.waiting.take() {
            let waited = waiting.since.elapsed();
            this.credit = this.credit.saturating_sub(waited);
            this.left = this.left.saturating_sub(waited);
        }
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            this.earn(bytes);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
