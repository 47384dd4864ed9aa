//! Since when the server stops, for everything that waits for a client.

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells once that the server stops.
#[derive(Debug)]
pub(super) struct Stop(watch::Sender<Option<Instant>>);

/// Hears of it.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<Option<Instant>>);

impl Stop {
    pub(super) fn new() -> (Self, Stopping) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Stopping(receiver))
    }

    pub(super) fn begin(&self) {
        self.0.send_replace(Some(Instant::now()));
    }
}

impl Stopping {
    /// Ready when the server stops.
    pub(super) async fn begun(mut self) -> Instant {
        // A server that is gone without having stopped does not stop any more.
        match self.0.wait_for(Option::is_some).await.ok().and_then(|since| *since) {
            Some(since) => since,
            None => std::future::pending().await,
        }
    }
}
