//! Looks how much room PostgreSQL's disk has, and keeps a reserve beside the cluster: a file that is given back when the rest
//! is used up, so that PostgreSQL comes up, and somebody can delete something.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::databases::Watched;
use crate::room::{Floors, Level, Look, Reserve, log_mib};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The same where a few seconds of writing would use all of it.
const LOOK_CLOSELY_EVERY: Duration = Duration::from_millis(20);

/// One that could not be made is not tried again before.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Watches the room of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    cluster: PathBuf,
    reserve: PathBuf,
    seen: watch::Sender<Look>,
}

impl Keeper {
    pub(super) fn new(cluster: PathBuf, reserve: PathBuf) -> Self {
        Self { cluster, reserve, seen: watch::Sender::new(Look::UNKNOWN) }
    }

    /// What was seen, and how to look again at once.
    pub(super) fn watched(&self) -> Watched {
        let (seen, keeper) = (self.seen.subscribe(), self.clone());
        Watched::new(seen, move || {
            keeper.look(false);
        })
    }

    /// Looks for as long as it is asked to; never ready.
    pub(super) async fn watch(self) -> Infallible {
        let mut tried = None;
        loop {
            let making = tried.is_none_or(|when: tokio::time::Instant| when.elapsed() >= TRY_AGAIN);
            if !self.look(making) && making {
                tried = Some(tokio::time::Instant::now());
            }
            let near = self.seen.borrow().level >= Level::Near;
            sleep(if near { LOOK_CLOSELY_EVERY } else { LOOK_EVERY }).await;
        }
    }

    /// One look, and what it asks for. False: a reserve could not be made.
    pub(super) fn look(&self, making: bool) -> bool {
        // Whoever cannot be asked has no floor.
        let Ok((free, total)) = room_at(&self.cluster) else { return true };
        let floors = Floors::of(total);
        let mut made = true;
        let free = match floors.reserve(free, self.reserve.exists()) {
            Reserve::Leave => free,
            Reserve::Make if !making => free,
            Reserve::Make => {
                made = self.make(floors.reserve);
                room_at(&self.cluster).map_or(free, |(free, _)| free)
            }
            Reserve::GiveBack => {
                self.give_back(free);
                room_at(&self.cluster).map_or(free, |(free, _)| free)
            }
        };
        let (free, floors) = self.tighter(free, floors);
        self.seen.send_if_modified(|seen| {
            let level = floors.level(free, seen.level);
            let changed = level != seen.level;
            *seen = Look { level, free, floor: floors.tight, last: floors.last };
            changed
        });
        made
    }

    /// The cluster's file system, or that of its log of changes, where that is a link to another one and nearer to its floor.
    fn tighter(&self, free: u64, floors: Floors) -> (u64, Floors) {
        // Not there before the cluster is whole.
        let Ok((log_free, log_total)) = room_at(&self.cluster.join("pg_wal")) else { return (free, floors) };
        let log_floors = Floors::of(log_total);
        let share = |free: u64, floors: Floors| u128::from(free) * u128::from(floors.tight);
        if share(log_free, floors) < share(free, log_floors) { (log_free, log_floors) } else { (free, floors) }
    }

    fn make(&self, bytes: u64) -> bool {
        let made = allocate(&self.reserve, bytes);
        if let Err(error) = &made {
            // A part of one would be taken for all of it.
            let _ = fs::remove_file(&self.reserve);
            warn!(%error, bytes, "the reserve of PostgreSQL's disk could not be made");
        }
        made.is_ok()
    }

    fn give_back(&self, free: u64) {
        match fs::remove_file(&self.reserve) {
            Ok(()) => warn!(free, "PostgreSQL's disk is full: its reserve is given back; make room"),
            // Two looks at a time: the other one was first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(%error, free, "PostgreSQL's disk is full, and its reserve cannot be given back"),
        }
    }
}

/// See [`log_mib`].
pub(super) fn log_mib_at(cluster: &Path) -> Option<u64> {
    let (_, total) = room_at(&cluster.join("pg_wal")).or_else(|_| room_at(cluster)).ok()?;
    log_mib(total)
}

/// Free bytes for PostgreSQL, which is no superuser of the system, and all.
fn room_at(path: &Path) -> io::Result<(u64, u64)> {
    let told = statvfs(path)?;
    let unit = told.fragment_size();
    Ok((told.blocks_available().saturating_mul(unit), told.blocks().saturating_mul(unit)))
}

/// Really taken, not only promised.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    posix_fallocate(&file, 0, length)?;
    info!(bytes, "a reserve is kept on PostgreSQL's disk");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_its_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(folder.path().to_owned(), folder.path().join("reserve"));
        assert!(keeper.make(1 << 20));
        let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&keeper.reserve).unwrap());
        assert!(blocks * 512 >= 1 << 20, "{blocks}");
        keeper.give_back(0);
        assert!(!keeper.reserve.exists());
        let nowhere = Keeper::new(folder.path().to_owned(), folder.path().join("none/reserve"));
        assert!(!nowhere.make(1 << 20));
    }
}
