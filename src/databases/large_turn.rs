//! Turns of large answers. What a deployment reads of a catalog is held until its end, as several times the bytes that came; so
//! few hold much at once, and one platform never all that may.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Sessions of all platforms that hold a large answer.
const AT_ONCE: usize = 3;

/// Of one platform's.
const OF_ONE: usize = 1;

/// How long one waits, in its transaction and with what that has locked in its own database.
const WAIT: Duration = Duration::from_secs(120);

/// Why there is no answer.
pub(super) const NONE_CAME: &str = "other deployments hold as much of their catalogs in memory as may be held at once, and \
                                    none of them ended within 120 s; try again later";

static FREE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// Those that hold one or wait.
static HOLDERS: LazyLock<Mutex<HashMap<String, Weak<Semaphore>>>> = LazyLock::new(Mutex::default);

/// The right to hold a large answer, until it is dropped.
pub(super) struct Turn {
    _of_holder: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Ready with nothing: none came.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Option<Turn>> + Send>>;

/// The next one of the holder's.
pub(super) fn next(holder: &str) -> Waiting {
    let of_holder = share(holder);
    // First the holder's own: who waits for that takes nothing from others.
    let taking = async move {
        let _of_holder = of_holder.acquire_owned().await.ok()?;
        Some(Turn { _of_holder, _of_all: FREE.clone().acquire_owned().await.ok()? })
    };
    Box::pin(async { timeout(WAIT, taking).await.ok().flatten() })
}

fn share(holder: &str) -> Arc<Semaphore> {
    // Every change is whole before anything could panic.
    let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(share) = holders.get(holder).and_then(Weak::upgrade) {
        return share;
    }
    holders.retain(|_, share| share.strong_count() > 0);
    let share = Arc::new(Semaphore::new(OF_ONE));
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
        let first = next("a").await.unwrap();
        let mut second = next("a");
        assert!((&mut second).now_or_never().is_none());
        let others = [next("b").await.unwrap(), next("c").await.unwrap()];
        assert!(next("d").now_or_never().is_none());
        drop(first);
        assert!(second.await.is_some());
        drop(others);
        let _held = next("d").await.unwrap();
        assert!(next("d").await.is_none(), "nobody waits for ever");
    }
}
