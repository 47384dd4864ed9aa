//! The memory that the bodies of large calls share: each may have 32 MiB, and thousands of clients may send one at once.
//!
//! A small body takes none of it. A larger one takes its part as it comes, so that a client that only announces much
//! takes nothing from anybody, and keeps it until the call is answered. What is not there is waited for, then refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What any body may have.
const SMALL_BYTES: usize = 64 * 1024;

/// All larger ones together: sixteen of the largest.
const BODIES_BYTES: usize = 512 * 1024 * 1024;

/// In what it is given out, so that not each packet asks.
const STEP_BYTES: usize = 256 * 1024;

/// The memory of all large calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallMemory {
    free: Arc<Semaphore>,
    wait: Duration,
}

/// There was no memory for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for large calls was in use for {} s; send it again", .0.as_secs())]
pub struct CallMemoryBusy(Duration);

/// What one call has of it; given back when dropped.
#[derive(Debug)]
pub struct CallBody<'a> {
    memory: &'a CallMemory,
    held: Option<OwnedSemaphorePermit>,
}

impl CallMemory {
    /// `wait`: how long a call waits for its part.
    pub fn new(wait: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(BODIES_BYTES / STEP_BYTES)), wait }
    }

    /// For the body of one call, which may be small so far.
    pub fn body(&self) -> CallBody<'_> {
        CallBody { memory: self, held: None }
    }
}

impl CallBody<'_> {
    /// Sees to it that so many bytes can be kept.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), CallMemoryBusy> {
        if bytes <= SMALL_BYTES {
            return Ok(());
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(bytes.div_ceil(STEP_BYTES).saturating_sub(held)).unwrap_or(u32::MAX);
        if missing == 0 {
            return Ok(());
        }
        let CallMemory { free, wait } = self.memory;
        let more = timeout(*wait, free.clone().acquire_many_owned(missing)).await;
        let Ok(Ok(more)) = more else { return Err(CallMemoryBusy(*wait)) };
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_bodies_share_what_there_is_and_small_ones_take_nothing() {
        let memory = CallMemory::new(Duration::from_millis(50));
        let mut large = Vec::new();
        for _ in 0..16 {
            let mut body = memory.body();
            for part in 1..=32 {
                body.grow_to(part << 20).await.expect("there is room");
            }
            large.push(body);
        }
        let mut other = memory.body();
        assert_eq!(other.grow_to(SMALL_BYTES).await, Ok(()));
        assert_eq!(other.grow_to(SMALL_BYTES + 1).await, Err(CallMemoryBusy(memory.wait)));
        large.pop();
        assert_eq!(other.grow_to(32 << 20).await, Ok(()), "what is let go is there again");
        drop((large, other));
        assert_eq!(memory.free.available_permits(), BODIES_BYTES / STEP_BYTES);
    }
}
