//! Whose turn it is to deploy: a platform has at most `MAX_DEPLOYMENTS_PER_PLATFORM` deployments at once, a fleet counting
//! as one. More of them wait in the order of their arrival, and not for ever.
//!
//! A turn is taken before the deployment has a task of its own, so a client that hangs up while it waits gives up its
//! place. Platforms do not wait for each other here; what they share on the server is shared out by
//! [`crate::databases`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::DeployError;
use crate::databases::DatabaseError;
use crate::databases::name::Id;

/// The turns of all platforms.
#[derive(Debug)]
pub struct Turns {
    at_once: AtomicUsize,
    longest_wait: Duration,
    /// Only platforms that deploy or wait; a semaphore of tokio's serves in the order of arrival.
    by_platform: Mutex<HashMap<String, Weak<Semaphore>>>,
    closed: AtomicBool,
    taken: Arc<AtomicUsize>,
}

/// The right to deploy for one platform; given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    platform: Id,
    _permit: OwnedSemaphorePermit,
    _taken: Taken,
}

/// Counts one that is taken for as long as it is.
#[derive(Debug)]
struct Taken(Arc<AtomicUsize>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Turn {
    /// Whose it is.
    pub fn platform(&self) -> &Id {
        &self.platform
    }
}

impl Turns {
    /// `at_once` of each platform; the others wait for `longest_wait`.
    pub fn new(at_once: usize, longest_wait: Duration) -> Self {
        Self {
            at_once: at_once.into(),
            longest_wait,
            by_platform: Mutex::default(),
            closed: AtomicBool::new(false),
            taken: Arc::default(),
        }
    }

    /// Waits for the platform's next turn.
    pub async fn take(&self, platform: &Id) -> Result<Turn, DeployError> {
        let turns = self.of(platform);
        if self.closed.load(Ordering::Acquire) {
            return Err(DatabaseError::Closed.into());
        }
        match timeout(self.longest_wait, turns.acquire_owned()).await {
            Ok(Ok(permit)) => {
                self.taken.fetch_add(1, Ordering::AcqRel);
                Ok(Turn { platform: platform.clone(), _permit: permit, _taken: Taken(self.taken.clone()) })
            }
            Ok(Err(_)) => Err(DatabaseError::Closed.into()),
            Err(_) => Err(DeployError::Busy {
                platform: platform.given().to_owned(),
                at_once: self.at_once.load(Ordering::Relaxed),
                waited_secs: self.longest_wait.as_secs(),
            }),
        }
    }

    /// For each platform as soon as none of its deployments runs or waits.
    pub fn set_at_once(&self, at_once: usize) {
        self.at_once.store(at_once, Ordering::Relaxed);
    }

    /// How many there are at this moment.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// The gateway stops: nobody waits any longer. Those who have their turn go on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let by_platform = self.by_platform.lock().unwrap_or_else(PoisonError::into_inner);
        for turns in by_platform.values().filter_map(Weak::upgrade) {
            turns.close();
        }
    }

    fn of(&self, platform: &Id) -> Arc<Semaphore> {
        // Every change is whole before anything could panic.
        let mut by_platform = self.by_platform.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = by_platform.get(platform.normal()).and_then(Weak::upgrade) {
            return turns;
        }
        by_platform.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.at_once.load(Ordering::Relaxed)));
        by_platform.insert(platform.normal().to_owned(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn id(given: &str) -> Id {
        Id::parse("platform", given).expect("a name")
    }

    #[tokio::test]
    async fn each_platform_has_its_own_turns_however_its_name_is_written() {
        let turns = Turns::new(2, LONG);
        let (one, _other) = (turns.take(&id("a-b")).await, turns.take(&id("A_B")).await);
        assert!(turns.take(&id("a_b")).now_or_never().is_none(), "a third one");
        assert!(turns.take(&id("c")).now_or_never().is_some_and(|turn| turn.is_ok()), "another platform waits");
        assert_eq!(turns.taken(), 2);
        drop(one);
        turns.set_at_once(1);
        let first = turns.take(&id("new")).await;
        assert!(turns.take(&id("new")).now_or_never().is_none(), "others from now on");
        drop(first);
        assert_eq!(turns.taken(), 1);
        assert!(turns.take(&id("a_b")).now_or_never().is_some_and(|turn| turn.is_ok()), "a turn was given back");
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_arrival_and_who_leaves_gives_up_the_place() {
        let turns = Turns::new(1, LONG);
        let platform = id("a");
        let running = turns.take(&platform).await;
        let mut first = Box::pin(turns.take(&platform));
        let mut second = Box::pin(turns.take(&platform));
        let mut third = Box::pin(turns.take(&platform));
        for waiting in [&mut first, &mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(first);
        drop(running);
        assert!((&mut third).now_or_never().is_none(), "the second one comes first");
        let running = second.await;
        assert!((&mut third).now_or_never().is_none());
        drop(running);
        assert!(third.await.is_ok());
        let entries = turns.by_platform.lock().expect("no panic").len();
        drop(turns.take(&id("b")).await);
        assert_eq!((entries, turns.by_platform.lock().expect("no panic").len()), (1, 1), "no entry is left for ever");
    }

    #[tokio::test]
    async fn nobody_waits_for_ever_or_for_a_gateway_that_stops() {
        let turns = Turns::new(1, Duration::from_millis(20));
        let _running = turns.take(&id("a")).await;
        assert!(matches!(turns.take(&id("a")).await, Err(DeployError::Busy { at_once: 1, .. })));
        let turns = Arc::new(Turns::new(1, LONG));
        let _running = turns.take(&id("a")).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(&id("a")).await }
        });
        tokio::task::yield_now().await;
        turns.close();
        let stopped = |turn| matches!(turn, Err(DeployError::Database(DatabaseError::Closed)));
        assert!(stopped(waiting.await.expect("no panic")));
        assert!(stopped(turns.take(&id("a")).await) && stopped(turns.take(&id("new")).await));
    }
}
