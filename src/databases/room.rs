//! Nobody writes the last of the disk of the private PostgreSQL ([`crate::room`]): while it is tight, whoever writes for longer
//! than a moment is ended, and what would write much is refused.

mod turns;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Databases;
use super::connection::ControlConnection;
use super::error::DatabaseError;
use super::pools::Pools;
use super::terminator::TerminateError;
use super::terminator::writers::Writer;
use crate::room::{Level, Look};

pub(super) use self::turns::Turns;
pub use self::turns::{Turn, Writing};

/// How often writers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// PostgreSQL's log of changes is cut at checkpoints; more often where hardly any room is left.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
const CHECKPOINT_OFTEN: Duration = Duration::from_secs(1);

/// A disk that somebody looks at.
pub struct Watched {
    seen: watch::Receiver<Look>,
    look: Box<dyn Fn() + Send + Sync>,
}

impl Watched {
    /// `seen` is what was seen last; `look` looks again.
    pub fn new(seen: watch::Receiver<Look>, look: impl Fn() + Send + Sync + 'static) -> Self {
        Self { seen, look: Box::new(look) }
    }

    /// Where it is tight, as it is now: a great many calls may end between two looks.
    fn now(&self) -> Look {
        if self.seen.borrow().level >= Level::Tight {
            (self.look)();
        }
        *self.seen.borrow()
    }
}

impl Databases {
    /// From now on the last of the room that is looked at is nobody's.
    pub fn keep_room(&self, room: Watched) {
        let seen = room.seen.clone();
        if self.pools.room.set(room).is_ok() {
            tokio::spawn(keep(Arc::downgrade(&self.pools), seen));
        }
    }

    /// Whether a deployment may begin.
    pub fn check_room_for_deployments(&self) -> Result<(), DatabaseError> {
        check(self.pools.look(), Level::Tight)
    }

    /// Whether any call may begin.
    pub fn check_room_for_calls(&self) -> Result<(), DatabaseError> {
        check(self.pools.look(), Level::Out)
    }
}

impl Pools {
    fn look(&self) -> Look {
        self.room.get().map_or(Look::UNKNOWN, Watched::now)
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
            unit = ?begun.unit,
            "PostgreSQL's disk is nearly full: deployments are refused, and platforms' backends that write are ended; make room"
        );
        let mut told = Told::default();
        let mut cutting = Cutting::default();
        loop {
            let look = *room.borrow();
            let Some(pools) = pools.upgrade().filter(|pools| !pools.is_closed()) else { return };
            if look.level < Level::Short {
                pools.turns.clear();
            }
            if look.level < Level::Tight {
                told.end(look);
                break;
            }
            match pools.server.terminator.end_writers(look.patience()).await {
                Ok(ended) => told.ended(&pools, &ended),
                Err(error) => told.refused(&error),
            }
            cutting.go_on(pools, look.level);
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Checkpoints, one at a time: on a slow disk each takes its time, and one of the gateway's own connections.
#[derive(Default)]
struct Cutting(Option<(Instant, JoinHandle<()>)>);

impl Cutting {
    fn go_on(&mut self, pools: Arc<Pools>, level: Level) {
        let pause = if level >= Level::Short { CHECKPOINT_OFTEN } else { CHECKPOINT_EVERY };
        if self.0.as_ref().is_none_or(|(begun, task)| task.is_finished() && begun.elapsed() >= pause) {
            self.0 = Some((Instant::now(), tokio::spawn(cut_log(pools))));
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
    refused: bool,
}

impl Told {
    fn ended(&mut self, pools: &Pools, ended: &[Writer]) {
        for Writer { pid, role, database } in ended {
            self.backends += 1;
            let name = database.and_then(|oid| pools.name_of(oid));
            let whose = name.map_or_else(|| format!("some of the role {role}'s"), |name| name.to_string());
            if self.whose.len() < 100 && self.whose.insert(whose.clone()) {
                warn!(pid, role, database = whose, "ended a backend that wrote to a disk that is nearly full");
            }
        }
    }

    /// Where PostgreSQL does not answer, it does not write either; a refusal is another matter.
    fn refused(&mut self, error: &TerminateError) {
        if matches!(error, TerminateError::Refused(_)) && !std::mem::replace(&mut self.refused, true) {
            warn!(?error, "who writes to a disk that is nearly full is not known");
        }
    }

    fn end(&self, look: Look) {
        let whose = self.whose.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (free, backends) = (look.free, self.backends);
        info!(free, backends, whose, "PostgreSQL's disk has room again");
    }
}
