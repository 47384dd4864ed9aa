//! Turns of large answers. What a deployment reads of a catalog is held until its end, as some nine times the bytes that came; so
//! few hold much at once, and one platform never all that may.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// So much anybody reads.
pub(super) const SMALL: usize = 4 << 20;

/// How long a session waits for a turn, in its transaction and with what that has locked in its own database.
const WAIT: Duration = Duration::from_secs(120);

/// Why there is no answer.
pub(super) const NONE_CAME: &str = "other deployments hold as much of their catalogs in memory as may be held at once, and \
                                    none of them ended within 120 s";

/// What to do.
pub(super) const LATER: &str =
    "send it again when other deployments have ended; fewer long comments and bodies need no turn";

/// How large an answer is. Who has a turn for a large one may wait for one for a huge one, and who has that waits for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A schema of a thousand tables.
    Large,
    /// Longer texts than anybody writes, or more tables.
    Huge,
}

impl Size {
    /// Of an answer of so many bytes, which is not a small one.
    pub(super) fn of(bytes: usize) -> Self {
        if bytes <= Self::Large.most() { Self::Large } else { Self::Huge }
    }

    /// So many bytes one may have.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Large => 16 << 20,
            Self::Huge => usize::MAX,
        }
    }

    /// Sessions that hold one, and of these one platform's.
    fn at_once(self) -> (usize, usize) {
        match self {
            Self::Large => (8, 2),
            Self::Huge => (2, 1),
        }
    }
}

static OF_ALL: LazyLock<[Arc<Semaphore>; 2]> =
    LazyLock::new(|| [Size::Large, Size::Huge].map(|size| Arc::new(Semaphore::new(size.at_once().0))));

/// Each holder's share.
type Shares = HashMap<String, Weak<Semaphore>>;

/// Of those that hold one or wait.
static HOLDERS: LazyLock<Mutex<[Shares; 2]>> = LazyLock::new(Mutex::default);

/// The right to hold a large answer, until it is dropped.
pub(super) struct Turn {
    _of_holder: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Ready with nothing: none came.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Option<Turn>> + Send>>;

/// The next one of the holder's.
pub(super) fn next(holder: &str, size: Size) -> Waiting {
    let (of_holder, of_all) = (share(holder, size), OF_ALL[size as usize].clone());
    // First the holder's own: who waits for that takes nothing from others.
    let taking = async move {
        let _of_holder = of_holder.acquire_owned().await.ok()?;
        Some(Turn { _of_holder, _of_all: of_all.acquire_owned().await.ok()? })
    };
    Box::pin(async { timeout(WAIT, taking).await.ok().flatten() })
}

fn share(holder: &str, size: Size) -> Arc<Semaphore> {
    // Every change is whole before anything could panic.
    let holders = &mut HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)[size as usize];
    if let Some(share) = holders.get(holder).and_then(Weak::upgrade) {
        return share;
    }
    holders.retain(|_, share| share.strong_count() > 0);
    let share = Arc::new(Semaphore::new(size.at_once().1));
    holders.insert(holder.to_owned(), Arc::downgrade(&share));
    share
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// One test, because all of a process share what there is.
    #[tokio::test(start_paused = true)]
    async fn one_platform_has_one_turn_and_leaves_the_others_theirs() {
        for size in [Size::Large, Size::Huge] {
            let (all, of_one) = size.at_once();
            let mut held = Vec::new();
            for platform in 0..all / of_one {
                for _ in 0..of_one {
                    held.push(next(&platform.to_string(), size).await.unwrap());
                }
                assert!(next(&platform.to_string(), size).now_or_never().is_none(), "{platform}");
            }
            let mut waiting = next("0", size);
            assert!((&mut waiting).now_or_never().is_none() && next("other", size).now_or_never().is_none());
            held.remove(0);
            held.push(waiting.await.unwrap());
            assert!(next("other", size).await.is_none(), "nobody waits for ever");
        }
        assert_eq!([SMALL + 1, 16 << 20, (16 << 20) + 1].map(Size::of), [Size::Large, Size::Large, Size::Huge]);
    }
}
