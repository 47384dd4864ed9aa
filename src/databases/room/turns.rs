//! Calls where hardly any room is left on the disk: they read only. A few at a time may write all the same, one of each
//! platform's, since who deletes something makes room: for as long as it does not take room instead.

use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;
use tokio::time::Instant;

use super::check;
use crate::databases::pools::Pools;
use crate::databases::{Database, DatabaseError, Databases};
use crate::room::{Level, Look, Taken};

/// How many calls may write at a time.
const MOST: usize = 4;

/// What a call may do to the disk.
#[derive(Debug)]
pub enum Writing {
    /// There is room.
    Free,
    /// It is its platform's turn.
    Turn(Turn),
    /// It is to read only.
    No,
}

/// By platform.
#[derive(Debug, Default)]
pub(in crate::databases) struct Turns(Mutex<HashMap<String, Account>>);

/// Of one platform.
#[derive(Debug, Default)]
struct Account {
    taken: Taken,
    /// Whether it has its turn.
    running: bool,
    /// None: whenever.
    not_before: Option<Instant>,
    /// It has had all its turns.
    over: bool,
}

/// The right of one call to write; dropped when the call has ended.
pub struct Turn {
    pools: Arc<Pools>,
    platform: String,
    before: Look,
    ended: bool,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turn({})", self.platform)
    }
}

impl Databases {
    /// What a call in this database may do that is about to be sent.
    pub fn writing(&self, database: &Database, may_write: bool) -> Result<Writing, DatabaseError> {
        let look = self.pools.look();
        check(look, Level::Out)?;
        if look.level < Level::Short {
            return Ok(Writing::Free);
        }
        let has_turn = may_write && self.pools.turns.begin(&database.platform);
        let turn =
            || Turn { pools: self.pools.clone(), platform: database.platform.clone(), before: look, ended: false };
        Ok(if has_turn { Writing::Turn(turn()) } else { Writing::No })
    }
}

impl Turns {
    /// There is room again: what was taken is forgotten.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, account| account.running);
    }

    fn begin(&self, platform: &str) -> bool {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.values().filter(|account| account.running).count() >= MOST {
            return false;
        }
        let account = accounts.entry(platform.to_owned()).or_default();
        let waits = account.not_before.is_some_and(|then| Instant::now() < then);
        let may = !(account.running || account.over || waits);
        account.running |= may;
        may
    }

    /// `taken`: what becomes of the account.
    fn end(&self, platform: &str, floor: u64, taken: impl FnOnce(&mut Taken)) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(account) = accounts.get_mut(platform) else { return };
        account.running = false;
        taken(&mut account.taken);
        let pause = account.taken.pause(floor);
        account.over = pause.is_none();
        account.not_before = pause.map(|pause| Instant::now() + pause);
    }
}

impl Turn {
    /// The call was ended, because there is no room for what it wrote.
    pub fn was_ended(&mut self) {
        self.ended = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let look = self.pools.look();
        self.pools.turns.end(&self.platform, look.floor, |taken| {
            if self.ended {
                taken.add_all(look.floor);
            } else if self.before.unit == look.unit {
                taken.add(self.before.free, look.free, look.floor);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_of_a_platform_at_a_time_may_write_and_a_few_in_all() {
        let turns = Turns::default();
        assert!(turns.begin("a") && !turns.begin("a"));
        turns.end("a", 64, |_| ());
        assert!(["a", "b", "c", "d"].iter().all(|platform| turns.begin(platform)) && !turns.begin("e"));
        turns.end("b", 64, |taken| taken.add(9, 8, 64));
        assert!(!turns.begin("b") && turns.begin("e"), "it took room, and waits");
        turns.end("c", 64, |taken| taken.add_all(64));
        assert!(!turns.begin("c"));
        turns.clear();
        assert!(
            turns.begin("c") && !turns.begin("a") && !turns.begin("b"),
            "there is room again, and a, c, d, e are at it"
        );
    }
}
