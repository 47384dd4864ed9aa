//! How much room the disk of the private PostgreSQL has, and what is done at how much of it. No I/O: `embedded` looks,
//! `databases` ends who writes, `api` refuses.
//!
//! PostgreSQL's log of changes (`pg_wal`) lies on that disk. A log that cannot be written stops PostgreSQL, for everybody, and it
//! does not start again before there is room: so nobody may write the last of it. A file system may also have no file left to
//! give (no inode) while it has room, which stops PostgreSQL just so: both are looked at alike.

use std::fmt;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// What is written within this goes on where it has just become tight.
const SHORT_WRITE: Duration = Duration::from_millis(100);

/// For how long a platform whose calls took room waits for its next turn to write; it doubles with each share.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How tight it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is done.
    Plenty,
    /// It is looked at more often: a few seconds of writing would do.
    Near,
    /// Deployments are refused, and whoever writes for longer than a moment is ended.
    Tight,
    /// Calls only read, but for a few at a time that may make room.
    Short,
    /// Calls are refused, whatever they do: nothing can be held back any more.
    Out,
}

/// What a file system gives, and may run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Room for what is in files.
    Bytes,
    /// Files themselves: inodes.
    Files,
}

/// At how much that is free what begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// What is counted.
    pub unit: Unit,
    /// Below it is [`Level::Tight`].
    pub tight: u64,
    /// Below it is [`Level::Short`].
    pub short: u64,
    /// Below it the reserve is given back; without one it is [`Level::Out`].
    pub last: u64,
    /// How large the reserve is.
    pub reserve: u64,
}

impl Floors {
    /// For a file system of this size. PostgreSQL makes its log in files of 16 MiB, so a small one needs more than its share.
    pub fn of(total: u64) -> Self {
        let tight = (total / 10).clamp((96 * MIB).min(total / 4), 512 * MIB);
        let last = (tight / 8).max((32 * MIB).min(tight / 3));
        Self { unit: Unit::Bytes, tight, short: tight / 3 * 2, last, reserve: tight / 2 }
    }

    /// For a file system that can have so many files. A database has some three hundred from its beginning.
    pub fn of_files(total: u64) -> Self {
        let tight = (total / 10).clamp(4000.min(total / 4), 20_000);
        Self { unit: Unit::Files, tight, short: tight / 3 * 2, last: tight / 8, reserve: (tight / 2).min(1000) }
    }

    /// Whether so much of this is nearer to its floor than so much of the other.
    pub fn is_nearer(&self, free: u64, (other, other_free): (&Self, u64)) -> bool {
        u128::from(free) * u128::from(other.tight) < u128::from(other_free) * u128::from(self.tight)
    }

    /// How tight it is with so much that is free, after it was `before`. It ends somewhat above where it began.
    pub fn level(&self, free: u64, before: Level) -> Level {
        let above = |floor: u64, level| if before >= level { floor + floor / 8 } else { floor };
        match free {
            _ if free < self.last => Level::Out,
            _ if free < above(self.short, Level::Short) => Level::Short,
            _ if free < above(self.tight, Level::Tight) => Level::Tight,
            _ if free < 5 * self.tight => Level::Near,
            _ => Level::Plenty,
        }
    }

    /// What is to be done with the reserve.
    pub fn reserve(&self, free: u64, is_there: bool) -> Reserve {
        match is_there {
            true if free < self.last => Reserve::GiveBack,
            false if self.reserve > 0 && free >= 2 * self.tight + self.reserve => Reserve::Make,
            _ => Reserve::Leave,
        }
    }
}

/// How many MiB of its log of changes PostgreSQL keeps on a disk of this size (`max_wal_size`); none: as many as it likes, a
/// GiB. It keeps them between checkpoints and for later use, whether or not anybody else has room.
pub fn log_mib(total: u64) -> Option<u64> {
    let share = total / MIB / 16;
    (total > 0 && share < 1024).then_some(share.max(64))
}

/// What is to be done with the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// Nothing.
    Leave,
    /// There is plenty of room for it.
    Make,
    /// PostgreSQL needs it now.
    GiveBack,
}

/// What was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How tight it is.
    pub level: Level,
    /// What is counted.
    pub unit: Unit,
    /// How much of it is free.
    pub free: u64,
    /// Below which it becomes tight.
    pub floor: u64,
    /// Below which nothing can be held back any more.
    pub last: u64,
}

impl Look {
    /// Before the first one, and where nobody looks.
    pub const UNKNOWN: Self = Self { level: Level::Plenty, unit: Unit::Bytes, free: u64::MAX, floor: 0, last: 0 };

    /// For how long a transaction may write: the less is left, the shorter.
    pub fn patience(&self) -> Duration {
        let (left, all) = (self.free.saturating_sub(self.last), self.floor.saturating_sub(self.last).max(1));
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        SHORT_WRITE.mul_f64((left as f64 / all as f64).min(1.0))
    }
}

/// What the calls of one platform have taken while they were to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken(u64);

impl Taken {
    /// Each share of this size doubles the pause.
    const fn share(floor: u64) -> u64 {
        floor / 64
    }

    /// With the last share it has no more turns.
    const SHARES: u64 = 4;

    /// One more call: so much was free before it and behind it. What others took meanwhile counts as well, so it is two shares at most.
    pub fn add(&mut self, before: u64, behind: u64, floor: u64) {
        let most = 2 * Self::share(floor);
        self.0 = (self.0 + before.saturating_sub(behind).min(most)).saturating_sub(behind.saturating_sub(before));
    }

    /// Its call had to be ended.
    pub fn add_all(&mut self, floor: u64) {
        self.0 = Self::SHARES * Self::share(floor);
    }

    /// How long it is to wait for its next turn; none: until there is room.
    pub fn pause(&self, floor: u64) -> Option<Duration> {
        match self.0 / Self::share(floor).max(1) {
            0 => Some(Duration::ZERO),
            shares if shares < Self::SHARES => Some(FIRST_PAUSE * (1 << (shares - 1))),
            _ => None,
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Bytes => write!(f, "{} MiB are free, {} MiB have to be", self.free / MIB, self.floor / MIB),
            Unit::Files => {
                write!(f, "{} more files can be made there (inodes), {} have to be", self.free, self.floor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_shares_with_a_most_and_for_small_disks_a_least() {
        let of = |total: u64| {
            let Floors { tight, short, last, reserve, .. } = Floors::of(total * MIB);
            [tight / MIB, short / MIB, last / MIB, reserve / MIB]
        };
        assert_eq!(of(1 << 20), [512, 341, 64, 256]);
        assert_eq!(of(2000), [200, 133, 32, 100]);
        assert_eq!(of(450), [96, 64, 32, 48]);
        assert_eq!(of(100), [25, 16, 8, 12]);
        assert_eq!([0, 450, 8000, 16384].map(|total| log_mib(total * MIB)), [None, Some(64), Some(500), None]);
        assert_eq!(Floors::of(0), Floors { unit: Unit::Bytes, tight: 0, short: 0, last: 0, reserve: 0 });
    }

    #[test]
    fn files_have_floors_of_their_own_and_what_is_nearer_to_its_floor_counts() {
        let of = |total: u64| {
            let Floors { tight, short, last, reserve, .. } = Floors::of_files(total);
            [tight, short, last, reserve]
        };
        assert_eq!(of(10_000_000), [20_000, 13_332, 2500, 1000]);
        assert_eq!(of(100_000), [10_000, 6666, 1250, 1000]);
        assert_eq!(of(8000), [2000, 1332, 250, 1000]);
        assert_eq!(of(0), [0, 0, 0, 0]);
        let (bytes, files) = (Floors::of(1 << 40), Floors::of_files(10_000_000));
        assert!(files.is_nearer(19_000, (&bytes, 600 * MIB)) && !bytes.is_nearer(600 * MIB, (&files, 19_000)));
        assert!(!files.is_nearer(9_000_000, (&bytes, 600 * MIB)));
        let look = Look { unit: Unit::Files, free: 5, floor: 2000, ..Look::UNKNOWN };
        assert_eq!(look.to_string(), "5 more files can be made there (inodes), 2000 have to be");
    }

    #[test]
    fn it_is_as_tight_as_there_are_bytes_and_ends_above_where_it_began() {
        let floors = Floors::of(1 << 40);
        for (free, expected) in [
            (10_000, Level::Plenty),
            (2559, Level::Near),
            (512, Level::Near),
            (511, Level::Tight),
            (342, Level::Tight),
            (341, Level::Short),
            (64, Level::Short),
            (63, Level::Out),
            (0, Level::Out),
        ] {
            assert_eq!(floors.level(free * MIB, Level::Plenty), expected, "{free}");
        }
        assert_eq!(floors.level(575 * MIB, Level::Tight), Level::Tight);
        assert_eq!(floors.level(576 * MIB, Level::Tight), Level::Near);
        assert_eq!(floors.level(383 * MIB, Level::Short), Level::Short);
        assert_eq!(floors.level(384 * MIB, Level::Short), Level::Tight);
    }

    #[test]
    fn the_less_is_left_the_shorter_is_what_may_be_written() {
        let patience = |free: u64| {
            Look { level: Level::Tight, unit: Unit::Bytes, free: free * MIB, floor: 96 * MIB, last: 32 * MIB }
                .patience()
        };
        assert_eq!([200, 96, 64, 32, 0].map(patience).map(|most| most.as_millis()), [100, 100, 50, 0, 0]);
        assert_eq!(Look::UNKNOWN.patience(), SHORT_WRITE);
    }

    #[test]
    fn who_takes_room_instead_of_making_it_waits_and_then_has_no_more_turns() {
        let floor = 64 * MIB;
        let mut taken = Taken::default();
        let mut pauses = Vec::new();
        for (before, behind) in [(50, 50), (50, 49), (49, 48), (48, 40), (40, 42), (42, 100), (50, 49)] {
            taken.add(before * MIB, behind * MIB, floor);
            pauses.push(taken.pause(floor).map(|pause| pause.as_millis()));
        }
        assert_eq!(pauses, [Some(0), Some(500), Some(1000), None, Some(1000), Some(0), Some(500)]);
        taken.add_all(floor);
        assert_eq!(taken.pause(floor), None);
        assert_eq!(Taken::default().pause(0), Some(Duration::ZERO));
    }

    #[test]
    fn a_reserve_is_made_where_there_is_plenty_and_given_back_before_nothing_is_left() {
        let floors = Floors::of(1 << 40);
        let made = |free: u64, is_there| floors.reserve(free * MIB, is_there);
        assert_eq!(
            (made(1280, false), made(1279, false), made(0, false)),
            (Reserve::Make, Reserve::Leave, Reserve::Leave)
        );
        assert_eq!(
            (made(1280, true), made(64, true), made(63, true)),
            (Reserve::Leave, Reserve::Leave, Reserve::GiveBack)
        );
        // Making it does not make it tight, nor does giving it back lead to making it.
        assert!(floors.level((1280 - 256) * MIB, Level::Tight) < Level::Tight);
        assert_eq!(made(63 + 256, false), Reserve::Leave);
    }
}
