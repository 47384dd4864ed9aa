//! The memory that large rows share: a function can return hundreds of megabytes in one, JSON makes up to six bytes of each,
//! and many calls may do so at once. A small message takes none of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// No message is longer, though PostgreSQL makes some of 1 GiB.
pub(super) const LONGEST: usize = 64 << 20;

/// What any message may have.
const SMALL: usize = 1 << 20;

/// All larger ones together, as they come.
const ALL: usize = 256 << 20;

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(ALL / SMALL)));

/// The right to keep a large message, and what is made of it; given back when dropped.
#[derive(Debug)]
pub struct Large {
    _held: OwnedSemaphorePermit,
}

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + Sync>>;

/// One connection's part.
#[derive(Default)]
pub(super) struct Share {
    held: Option<Large>,
    waiting: Option<Waiting>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("held", &self.held).finish_non_exhaustive()
    }
}

impl Share {
    /// Ready when a message of that length may be read.
    pub(super) fn poll_for(&mut self, length: usize, cx: &mut Context<'_>) -> Poll<()> {
        if length <= SMALL || self.held.is_some() {
            return Poll::Ready(());
        }
        let parts = u32::try_from(length.div_ceil(SMALL)).unwrap_or(u32::MAX);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(FREE.clone().acquire_many_owned(parts)));
        let acquired = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        // Nobody closes it.
        self.held = acquired.ok().map(|held| Large { _held: held });
        Poll::Ready(())
    }

    /// The message has been read.
    pub(super) fn take(&mut self) -> Option<Large> {
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn large_messages_wait_for_each_other_and_small_ones_for_nobody() {
        let mut shares: Vec<Share> = std::iter::repeat_with(Share::default).take(ALL / LONGEST + 1).collect();
        let mut last = shares.pop().expect("one more than there is room for");
        for share in &mut shares {
            poll_fn(|cx| share.poll_for(LONGEST, cx)).await;
        }
        assert!(poll_fn(|cx| last.poll_for(SMALL, cx)).now_or_never().is_some());
        assert!(poll_fn(|cx| last.poll_for(LONGEST, cx)).now_or_never().is_none());
        let of_a_row = shares[0].take();
        assert!(poll_fn(|cx| last.poll_for(LONGEST, cx)).now_or_never().is_none(), "its row is still there");
        drop(of_a_row);
        poll_fn(|cx| last.poll_for(LONGEST, cx)).await;
        drop((shares, last));
        assert_eq!(FREE.available_permits(), ALL / SMALL);
    }
}
