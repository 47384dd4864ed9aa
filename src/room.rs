//! How much room the disk of the private PostgreSQL has, and what is done at how much of it. No I/O: `embedded` looks,
//! `databases` ends who writes, `api` refuses.
//!
//! PostgreSQL's log of changes (`pg_wal`) lies on that disk. A log that cannot be written stops PostgreSQL, for everybody, and it
//! does not start again before there is room: so nobody may write the last of it.

use std::fmt;

const MIB: u64 = 1 << 20;

/// How tight it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is done.
    Plenty,
    /// It is looked at more often: a few seconds of writing would do.
    Near,
    /// Deployments are refused, and whoever writes for longer than a moment is ended.
    Tight,
    /// Whoever writes is ended.
    Short,
    /// Calls are refused, too: nothing can be held back any more.
    Out,
}

/// At how many free bytes what begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Below it is [`Level::Tight`].
    pub tight: u64,
    /// Below it the reserve is given back; without one it is [`Level::Out`].
    pub last: u64,
    /// How large the reserve is.
    pub reserve: u64,
}

impl Floors {
    /// For a file system of this size. PostgreSQL makes its log in files of 16 MiB, so a small one needs more than its share.
    pub fn of(total: u64) -> Self {
        let tight = (total / 10).clamp((96 * MIB).min(total / 4), 512 * MIB);
        Self { tight, last: (tight / 8).max((32 * MIB).min(tight / 3)), reserve: tight / 2 }
    }

    /// How tight it is with so many free bytes, after it was `before`. It ends somewhat above where it began.
    pub fn level(&self, free: u64, before: Level) -> Level {
        let tight = if before >= Level::Tight { self.tight + self.tight / 8 } else { self.tight };
        match free {
            _ if free < self.last => Level::Out,
            _ if free < self.tight / 2 => Level::Short,
            _ if free < tight => Level::Tight,
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
    /// Bytes that are free.
    pub free: u64,
    /// Below which it becomes tight.
    pub floor: u64,
}

impl Look {
    /// Before the first one, and where nobody looks.
    pub const UNKNOWN: Self = Self { level: Level::Plenty, free: u64::MAX, floor: 0 };
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB are free, {} MiB have to be", self.free / MIB, self.floor / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_shares_with_a_most_and_for_small_disks_a_least() {
        let of = |total: u64| {
            let Floors { tight, last, reserve } = Floors::of(total * MIB);
            [tight / MIB, last / MIB, reserve / MIB]
        };
        assert_eq!(of(1 << 20), [512, 64, 256]);
        assert_eq!(of(2000), [200, 32, 100]);
        assert_eq!(of(450), [96, 32, 48]);
        assert_eq!(of(100), [25, 8, 12]);
        assert_eq!([0, 450, 8000, 16384].map(|total| log_mib(total * MIB)), [None, Some(64), Some(500), None]);
        assert_eq!(Floors::of(0), Floors { tight: 0, last: 0, reserve: 0 });
    }

    #[test]
    fn it_is_as_tight_as_there_are_bytes_and_ends_above_where_it_began() {
        let floors = Floors::of(1 << 40);
        for (free, expected) in [
            (10_000, Level::Plenty),
            (2559, Level::Near),
            (512, Level::Near),
            (511, Level::Tight),
            (255, Level::Short),
            (64, Level::Short),
            (63, Level::Out),
            (0, Level::Out),
        ] {
            assert_eq!(floors.level(free * MIB, Level::Plenty), expected, "{free}");
        }
        assert_eq!(floors.level(575 * MIB, Level::Tight), Level::Tight);
        assert_eq!(floors.level(576 * MIB, Level::Tight), Level::Near);
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
