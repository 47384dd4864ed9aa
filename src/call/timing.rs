//! How long the parts of a call took: waiting for its connection, and what came after.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Filled while a call runs; its client may leave at any moment.
#[derive(Debug)]
pub struct Timing {
    begun: Instant,
    connected: OnceLock<Instant>,
}

impl Default for Timing {
    fn default() -> Self {
        Self { begun: Instant::now(), connected: OnceLock::new() }
    }
}

impl Timing {
    /// When the call began.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// It has its connection: the first one counts.
    pub(super) fn connected(&self) {
        self.connected.get_or_init(Instant::now);
    }

    /// The wait for the connection, and what came after; without one, all of it was wait.
    pub fn took(&self) -> (Duration, Duration) {
        let now = Instant::now();
        let connected = *self.connected.get().unwrap_or(&now);
        (connected - self.begun, now - connected)
    }
}
