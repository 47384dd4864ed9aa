//! Looks how much room PostgreSQL's disk has, and keeps a reserve beside the cluster: a file that is given back when the rest
//! is used up, so that PostgreSQL comes up, and somebody can delete something.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::{Statvfs, statvfs};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::databases::Watched;
use crate::room::{Floors, Level, Look, Reserve, Unit, log_mib};

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
        let Ok(told) = told_at(&self.cluster) else { return true };
        let mut made = true;
        for reserve in [Unit::Bytes, Unit::Files] {
            made &= self.keep_reserve(reserve, &told, making);
        }
        let Some((free, floors)) = self.tightest() else { return made };
        self.seen.send_if_modified(|seen| {
            let before = if seen.unit == floors.unit { seen.level } else { Level::Plenty };
            let level = floors.level(free, before);
            let changed = level != seen.level;
            *seen = Look { level, unit: floors.unit, free, floor: floors.tight, last: floors.last };
            changed
        });
        made
    }

    /// The reserve of one kind is made or given back. False: it could not be made.
    fn keep_reserve(&self, unit: Unit, told: &Statvfs, making: bool) -> bool {
        let Some((free, floors)) = self.room_of(told, unit) else { return true };
        match floors.reserve(free, self.reserve_of(unit).exists()) {
            Reserve::Make if making => self.make(unit, floors.reserve),
            Reserve::Leave | Reserve::Make => true,
            Reserve::GiveBack => {
                self.give_back(unit, free);
                true
            }
        }
    }

    /// What is nearest to its floor: bytes or files of the cluster's file system, or of that of its log of changes, where that is
    /// a link to another one.
    fn tightest(&self) -> Option<(u64, Floors)> {
        // The log is not there before the cluster is whole.
        let told = [told_at(&self.cluster), told_at(&self.cluster.join("pg_wal"))].into_iter().flatten();
        let rooms = told.flat_map(|told| [Unit::Bytes, Unit::Files].map(|unit| self.room_of(&told, unit)));
        rooms.flatten().reduce(|least, room| if room.1.is_nearer(room.0, (&least.1, least.0)) { room } else { least })
    }

    /// How much is free, and where it has floors: none where there is no limit.
    fn room_of(&self, told: &Statvfs, unit: Unit) -> Option<(u64, Floors)> {
        let scale = told.fragment_size();
        match unit {
            Unit::Bytes => {
                Some((told.blocks_available().saturating_mul(scale), Floors::of(told.blocks().saturating_mul(scale))))
            }
            // Some file systems make them as they go and tell of none, and some of none that are free.
            Unit::Files if told.files() == 0 => None,
            Unit::Files if told.files_available() == 0 && self.can_make_a_file() => None,
            Unit::Files => Some((told.files_available(), Floors::of_files(told.files()))),
        }
    }

    fn can_make_a_file(&self) -> bool {
        let probe = self.reserve.with_extension("probe");
        let made = File::create(&probe).is_ok();
        made && fs::remove_file(&probe).is_ok()
    }

    fn reserve_of(&self, unit: Unit) -> PathBuf {
        match unit {
            Unit::Bytes => self.reserve.clone(),
            Unit::Files => self.reserve.with_extension("files"),
        }
    }

    fn make(&self, unit: Unit, amount: u64) -> bool {
        let path = self.reserve_of(unit);
        let made = match unit {
            Unit::Bytes => allocate(&path, amount),
            Unit::Files => make_files(&path, amount),
        };
        match &made {
            Ok(()) => info!(amount, ?unit, "a reserve is kept on PostgreSQL's disk"),
            Err(error) => {
                // A part of one would be taken for all of it.
                let _ = remove(&path, unit);
                warn!(%error, amount, ?unit, "the reserve of PostgreSQL's disk could not be made");
            }
        }
        made.is_ok()
    }

    fn give_back(&self, unit: Unit, free: u64) {
        match remove(&self.reserve_of(unit), unit) {
            Ok(()) => warn!(free, ?unit, "PostgreSQL's disk is full: its reserve is given back; make room"),
            // Two looks at a time: the other one was first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(%error, free, ?unit, "PostgreSQL's disk is full, and its reserve cannot be given back"),
        }
    }
}

/// See [`log_mib`].
pub(super) fn log_mib_at(cluster: &Path) -> Option<u64> {
    let told = told_at(&cluster.join("pg_wal")).or_else(|_| told_at(cluster)).ok()?;
    log_mib(told.blocks().saturating_mul(told.fragment_size()))
}

/// What the file system has for PostgreSQL, which is no superuser of the system.
fn told_at(path: &Path) -> io::Result<Statvfs> {
    Ok(statvfs(path)?)
}

/// Really taken, not only promised.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    Ok(posix_fallocate(&file, 0, length)?)
}

/// A folder of so many empty files.
fn make_files(path: &Path, files: u64) -> io::Result<()> {
    fs::create_dir(path)?;
    (0..files).try_for_each(|number| File::create_new(path.join(number.to_string())).map(drop))
}

fn remove(path: &Path, unit: Unit) -> io::Result<()> {
    match unit {
        Unit::Bytes => fs::remove_file(path),
        Unit::Files => fs::remove_dir_all(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_its_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::new(folder.path().to_owned(), folder.path().join("reserve"));
        assert!(keeper.make(Unit::Bytes, 1 << 20));
        let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&keeper.reserve).unwrap());
        assert!(blocks * 512 >= 1 << 20, "{blocks}");
        keeper.give_back(Unit::Bytes, 0);
        assert!(!keeper.reserve.exists());
        assert!(keeper.make(Unit::Files, 20));
        let files = keeper.reserve_of(Unit::Files);
        assert_eq!(fs::read_dir(&files).unwrap().count(), 20);
        keeper.give_back(Unit::Files, 0);
        assert!(!files.exists() && keeper.can_make_a_file() && fs::read_dir(folder.path()).unwrap().count() == 0);
        let nowhere = Keeper::new(folder.path().to_owned(), folder.path().join("none/reserve"));
        assert!(!nowhere.make(Unit::Bytes, 1 << 20) && !nowhere.make(Unit::Files, 2));
    }
}
