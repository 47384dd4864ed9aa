//! The memory that large rows share: a function can return hundreds of megabytes in one, JSON makes up to six bytes of each,
//! and many calls may do so at once. A small message takes none of it.
//!
//! One platform's have half of it together, so that others have theirs whoever reads his answers slowly.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// No message is longer, though PostgreSQL makes some of 1 GiB.
pub(in crate::databases) const LONGEST: usize = 64 << 20;

/// What any message may have: thousands of clients may each be slow to read what was made of one.
const SMALL: usize = 64 << 10;

/// All larger ones together, as they come.
const ALL: usize = 256 << 20;

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(ALL / SMALL)));

/// Those that have connections now, each with its half.
static PLATFORMS: LazyLock<Mutex<HashMap<String, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// What one platform's large messages share.
#[derive(Clone, Debug)]
pub struct Account(Arc<Semaphore>);

impl Account {
    /// That of the platform.
    pub fn of(platform: &str) -> Self {
        // Every change is whole before anything could panic.
        let mut platforms = PLATFORMS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(half) = platforms.get(platform).and_then(Weak::upgrade) {
            return Self(half);
        }
        platforms.retain(|_, half| half.strong_count() > 0);
        let account = Self::default();
        platforms.insert(platform.to_owned(), Arc::downgrade(&account.0));
        account
    }
}

impl Default for Account {
    /// One of nobody else's.
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL / SMALL / 2)))
    }
}

/// The right to keep a large message, and what is made of it; given back when dropped.
#[derive(Debug)]
pub struct Large {
    _of_platform: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

type Waiting = Pin<Box<dyn Future<Output = Result<Large, AcquireError>> + Send + Sync>>;

/// One connection's part.
#[derive(Default)]
pub(super) struct Share {
    pub(super) account: Account,
    held: Option<Large>,
    waiting: Option<Waiting>,
    /// What was read is kept: see [`Share::keep`].
    keeps: bool,
    kept: Option<Large>,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Share").field("held", &self.held).field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Share {
    /// Ready when a message of that length may be read.
    pub(super) fn poll_for(&mut self, length: usize, cx: &mut Context<'_>) -> Poll<()> {
        if length <= SMALL || self.held.is_some() || self.kept.is_some() {
            return Poll::Ready(());
        }
        let account = &self.account;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(acquire(account.0.clone(), length)));
        let acquired = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        // Nobody closes it.
        self.held = acquired.ok();
        Poll::Ready(())
    }

    /// The message has been read.
    pub(super) fn take(&mut self) -> Option<Large> {
        self.held.take()
    }

    /// The message is left. What was copied from it may be kept.
    pub(super) fn leave(&mut self) {
        let held = self.held.take();
        if self.keeps && self.kept.is_none() {
            self.kept = held;
        }
    }

    /// From now on what is read is kept, up to [`Share::take_kept`]. Whoever keeps one waits for no further: those come as what
    /// is made of it, and who waits for more of what he holds part of may wait for ever.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// The right to what was read since [`Share::keep`].
    pub(super) fn take_kept(&mut self) -> Option<Large> {
        self.keeps = false;
        self.kept.take()
    }
}

/// First of the platform's, then of everybody's.
async fn acquire(of_platform: Arc<Semaphore>, length: usize) -> Result<Large, AcquireError> {
    let parts = u32::try_from(length.div_ceil(SMALL)).unwrap_or(u32::MAX);
    let _of_platform = of_platform.acquire_many_owned(parts).await?;
    Ok(Large { _of_platform, _of_all: FREE.clone().acquire_many_owned(parts).await? })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    fn share(platform: &str) -> Share {
        Share { account: Account::of(platform), ..Share::default() }
    }

    async fn read(share: &mut Share, length: usize) {
        poll_fn(|cx| share.poll_for(length, cx)).await;
    }

    /// One test, because all of a process share what there is.
    #[tokio::test]
    async fn large_messages_wait_for_each_other_and_small_ones_for_nobody() {
        let mut of_one: Vec<Share> = std::iter::repeat_with(|| share("a")).take(ALL / 2 / LONGEST).collect();
        for share in &mut of_one {
            read(share, LONGEST).await;
        }
        let mut last = share("a");
        assert!(read(&mut last, LONGEST).now_or_never().is_none(), "one platform has half");
        let mut others: Vec<Share> = std::iter::repeat_with(|| share("b")).take(ALL / 2 / LONGEST).collect();
        for share in &mut others {
            read(share, LONGEST).await;
        }
        drop(last);
        let mut last = share("c");
        assert!(read(&mut last, SMALL).now_or_never().is_some());
        assert!(read(&mut last, LONGEST).now_or_never().is_none());
        let of_a_row = of_one[0].take();
        assert!(read(&mut last, LONGEST).now_or_never().is_none(), "its row is still there");
        drop(of_a_row);
        read(&mut last, LONGEST).await;

        // What is left is no longer held, unless it is kept; then nothing else is waited for.
        last.leave();
        of_one[0].keep();
        read(&mut of_one[0], LONGEST).await;
        of_one[0].leave();
        assert!(read(&mut last, LONGEST).now_or_never().is_none(), "it is kept");
        assert!(read(&mut of_one[0], LONGEST).now_or_never().is_some(), "it waits for itself");
        assert!(of_one[0].take_kept().is_some());
        read(&mut last, LONGEST).await;
        drop((of_one, others, last));
        assert_eq!(FREE.available_permits(), ALL / SMALL);
        assert_eq!(Account::of("a").0.available_permits(), ALL / SMALL / 2);
    }
}
