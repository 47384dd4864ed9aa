//! Nobody writes the last of the disk of the private PostgreSQL ([`crate::room`]): while it is tight, whoever writes for longer
//! than a moment is ended, and what would write much is refused.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::connection::ControlConnection;
use super::error::DatabaseError;
use super::pools::Pools;
use super::terminator::writers::Writer;
use super::{Database, Databases};
use crate::room::{Level, Look};

/// How often writers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is written within this goes on, as long as it is only tight.
const SHORT_WRITE: Duration = Duration::from_millis(100);

/// For how long a database is shut that somebody wrote to when there was hardly any room; it doubles up to the last. In between
/// something can be deleted.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// PostgreSQL's log of changes is cut at checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

impl Databases {
    /// From now on the last of the room that is looked at is nobody's.
    pub fn keep_room(&self, room: watch::Receiver<Look>) {
        if self.pools.room.set(room.clone()).is_ok() {
            tokio::spawn(keep(Arc::downgrade(&self.pools), room));
        }
    }

    fn room(&self) -> Look {
        self.pools.room.get().map_or(Look::UNKNOWN, |room| *room.borrow())
    }

    /// Whether a call may begin in this database. Where there is hardly any room, for a while none may in one that somebody was writing to:
    /// many short transactions are over before anybody has seen them.
    pub fn check_room_for_calls(&self, database: &Database) -> Result<(), DatabaseError> {
        let look = self.room();
        if look.level < Level::Short {
            return Ok(());
        }
        let shut = self.pools.shut.lock().unwrap_or_else(PoisonError::into_inner);
        let until = database.oid.and_then(|oid| shut.get(&oid)).map(|(until, _)| *until);
        check(look, if until.is_some_and(|until| Instant::now() < until) { Level::Short } else { Level::Out })
    }

    /// Whether a deployment may begin.
    pub fn check_room_for_deployments(&self) -> Result<(), DatabaseError> {
        check(self.room(), Level::Tight)
    }

    /// How many backends have been ended for want of room so far.
    pub fn ended_for_room(&self) -> u64 {
        self.pools.ended_for_room.load(Ordering::Relaxed)
    }
}

fn check(look: Look, refused_from: Level) -> Result<(), DatabaseError> {
    if look.level < refused_from {
        return Ok(());
    }
    Err(DatabaseError::DiskFull { cause: format!("nothing was begun, because too little room is left: {look}") })
}

/// For as long as the pools exist and somebody looks.
async fn keep(pools: Weak<Pools>, mut room: watch::Receiver<Look>) {
    while let Ok(begun) = room.wait_for(|look| look.level >= Level::Tight).await.map(|look| *look) {
        warn!(
            free = begun.free,
            floor = begun.floor,
            "PostgreSQL's disk is nearly full: deployments are refused, and platforms' backends that write are ended; make room"
        );
        let mut told = Told::default();
        let mut checkpoint: Option<Instant> = None;
        loop {
            let look = *room.borrow();
            if look.level < Level::Tight {
                told.end(look);
                if let Some(pools) = pools.upgrade() {
                    pools.shut.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
                break;
            }
            let Some(pools) = pools.upgrade().filter(|pools| !pools.is_closed()) else { return };
            if look.level < Level::Short {
                pools.shut.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            let most = if look.level == Level::Tight { SHORT_WRITE } else { Duration::ZERO };
            // Where PostgreSQL does not answer, it does not write either.
            if let Ok(ended) = pools.server.terminator.end_writers(most).await {
                told.ended(&pools, &ended);
                if look.level >= Level::Short {
                    let mut shut = pools.shut.lock().unwrap_or_else(PoisonError::into_inner);
                    for oid in ended.iter().filter_map(|writer| writer.database) {
                        let pause = shut.get(&oid).map_or(FIRST_PAUSE, |(_, pause)| (*pause * 2).min(LAST_PAUSE));
                        shut.insert(oid, (Instant::now() + pause, pause));
                    }
                }
            }
            if checkpoint.is_none_or(|when| when.elapsed() >= CHECKPOINT_EVERY) {
                checkpoint = Some(Instant::now());
                tokio::spawn(cut_log(pools));
            } else {
                drop(pools);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// What PostgreSQL has written down elsewhere by then is cut off its log of changes.
async fn cut_log(pools: Arc<Pools>) {
    let Ok(pooled) = pools.pooled(&pools.control()).await else { return };
    if let Ok(control) = ControlConnection::new(pooled)
        && let Err(error) = control.batch_execute("CHECKPOINT").await
    {
        warn!(%error, "PostgreSQL's log of changes could not be cut");
    }
}

/// Whose backends were ended while it was tight; each database is told of once.
#[derive(Default)]
struct Told {
    backends: usize,
    whose: BTreeSet<String>,
}

impl Told {
    fn ended(&mut self, pools: &Pools, ended: &[Writer]) {
        for Writer { pid, role, database } in ended {
            pools.ended_for_room.fetch_add(1, Ordering::Relaxed);
            self.backends += 1;
            let name = database.and_then(|oid| pools.name_of(oid));
            let whose = name.map_or_else(|| format!("some of the role {role}'s"), |name| name.to_string());
            if self.whose.len() < 100 && self.whose.insert(whose.clone()) {
                warn!(pid, role, database = whose, "ended a backend that wrote to a disk that is nearly full");
            }
        }
    }

    fn end(&self, look: Look) {
        let whose = self.whose.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (free, backends) = (look.free, self.backends);
        info!(free, backends, whose, "PostgreSQL's disk has room again");
    }
}
