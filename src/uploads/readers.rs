//! The threads that read bundles: at most as many at once as there are processors, and one platform's archives at most half of
//! them. More would only take memory and turns from each other.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::shares::Shares;
use super::{UploadMemory, UploadsError};
use crate::databases::name::Id;

static READERS: LazyLock<Readers> =
    LazyLock::new(|| Readers::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)));

/// How long a deployment waits on its way, four times as long as an archive at its beginning: it has done work that is lost when it is
/// refused, and may hold locks, which others wait for.
const ON_THE_WAY: Duration = Duration::from_secs(120);

/// Who reads.
struct Readers {
    all: Arc<Semaphore>,
    /// What one platform has of them. Where there is one for all, platforms take turns: each waits with one archive.
    of_one: usize,
    platforms: Shares,
}

/// The right to read, until it is dropped.
struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_platform: Option<OwnedSemaphorePermit>,
}

impl Readers {
    fn new(count: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), of_one: (count / 2).max(1), platforms: Shares::default() }
    }

    /// `None`: it did not come in time. First the platform's own: who waits for that takes nothing from others.
    async fn turn(&self, platform: &Id, deadline: Instant) -> Option<Turn> {
        let of_platform = self.platforms.of(platform.normal(), self.of_one);
        let taking = async {
            let _of_platform = Some(of_platform.acquire_owned().await.ok()?);
            Some(Turn { _of_all: self.all.clone().acquire_owned().await.ok()?, _of_platform })
        };
        timeout_at(deadline, taking).await.ok().flatten()
    }

    /// The same beside the platform's own: what a deployment reads on its way, in the order in which it is asked for.
    async fn any_turn(&self, deadline: Instant) -> Option<Turn> {
        let turn = timeout_at(deadline, self.all.clone().acquire_owned()).await;
        Some(Turn { _of_all: turn.ok()?.ok()?, _of_platform: None })
    }
}

/// Does `work`, which is much for a processor, on a thread of its own, once it is its turn; `None` where it panicked. An error: its turn
/// did not come within two minutes.
pub async fn read<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<Option<T>, UploadsError> {
    let turn = READERS.any_turn(Instant::now() + ON_THE_WAY).await;
    Ok(run(turn.ok_or(UploadsError::NoReader { waited: ON_THE_WAY })?, work).await)
}

impl UploadMemory {
    /// The same for a platform's archive, which waits no longer than for memory.
    pub async fn read<T: Send + 'static>(
        &self,
        platform: &Id,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, UploadsError> {
        let turn = READERS.turn(platform, Instant::now() + self.wait).await;
        let turn = turn.ok_or(UploadsError::NoReader { waited: self.wait })?;
        Ok(run(turn, work).await)
    }
}

async fn run<T: Send + 'static>(turn: Turn, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    // The turn goes with the work, which goes on when nobody waits for it any more.
    tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(name: &str) -> Id {
        Id::parse("platform", name).unwrap()
    }

    /// So many turns at once.
    async fn turns(readers: &Readers, name: &str, count: usize) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.push(readers.turn(&platform(name), Instant::now()).await.expect("one is free"));
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn one_platform_reads_with_half_of_the_readers_and_nobody_waits_for_ever() {
        for (count, of_one) in [(1, 1), (2, 1), (3, 1), (8, 4)] {
            let readers = Readers::new(count);
            let mut held = turns(&readers, "greedy", of_one).await;
            let begin = Instant::now();
            let deadline = begin + Duration::from_secs(30);
            assert!(readers.turn(&platform("Greedy"), deadline).await.is_none(), "{count}");
            assert_eq!(begin.elapsed(), Duration::from_secs(30));
            held.extend(turns(&readers, "b", of_one.min(count - of_one)).await);
            drop(held);
            assert_eq!(turns(&readers, "greedy", of_one).await.len(), of_one, "{count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_deployment_reads_on_its_way_waits_in_order_and_not_for_ever() {
        let readers = Readers::new(1);
        let first = readers.turn(&platform("greedy"), Instant::now()).await.expect("it is free");
        let begin = Instant::now();
        assert!(readers.any_turn(begin + ON_THE_WAY).await.is_none(), "nobody is done");
        assert_eq!(begin.elapsed(), ON_THE_WAY);
        let deadline = Instant::now() + ON_THE_WAY;
        let (got, ()) = tokio::join!(readers.any_turn(deadline), async { drop(first) });
        assert!(got.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_reader_for_all_platforms_take_turns() {
        let readers = Readers::new(1);
        let deadline = Instant::now() + Duration::from_secs(30);
        let first = readers.turn(&platform("greedy"), deadline).await;
        let (greedy, other) = (platform("greedy"), platform("b"));
        let waiting = async {
            let taken = readers.turn(&greedy, deadline).await;
            drop(taken);
            "greedy"
        };
        let behind = async {
            let taken = readers.turn(&other, deadline).await;
            drop(taken);
            "b"
        };
        let freeing = async { drop(first) };
        let order = std::sync::Mutex::new(Vec::new());
        let note = |name: &'static str| order.lock().unwrap().push(name);
        tokio::join!(async { note(waiting.await) }, async { note(behind.await) }, freeing);
        assert_eq!(*order.lock().unwrap(), ["b", "greedy"]);
    }
}
