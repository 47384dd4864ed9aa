//! What one platform may have of something that all share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// The shares of those that have or await something now.
#[derive(Debug, Default)]
pub(super) struct Shares(Mutex<HashMap<String, Weak<Semaphore>>>);

impl Shares {
    /// The platform's, which has so many permits in all; it is forgotten with the last one who holds or awaits one.
    pub(super) fn of(&self, platform: &str, permits: usize) -> Arc<Semaphore> {
        // Every change is whole before anything could panic.
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(platform).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(permits));
        shares.insert(platform.to_owned(), Arc::downgrade(&share));
        share
    }
}
