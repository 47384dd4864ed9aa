//! One pool per database, all within one budget: `MAX_TOTAL_CONNECTIONS` server connections whatever the number of
//! databases (contract §8, "Pools").
//!
//! A request first takes a ticket ([`super::budget`]), then an idle connection of its database, else opens one. Tickets
//! and connections are equal in number, so whoever holds a ticket and finds every connection taken also finds an idle
//! one of another database to close, or one that is closing already.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use deadpool::managed::PoolError;
use foldhash::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::budget::{Budget, LaneId, Ticket};
use super::capacity::Total;
use super::connection::Pooled;
use super::database::{Database, Parts};
use super::deploying::Deployments;
use super::error::DatabaseError;
use super::name::{DatabaseName, Which};
use super::room::{Turns, Watched};
use super::run_as::{Role, RunAs};
use super::server::Server;
use super::terminator::shared_locks::LOOK_EVERY;
use crate::config::PoolConfig;

/// Connections to the gateway's own database: one that holds the deployment locks, one for what is dropped in the background
/// ([`super::dropping`]), one for short statements, and those for statements about databases ([`super::shares`]).
pub(super) const CONTROL_CONNECTIONS: usize = 6;

/// How often one who waits for a closing connection looks for another one to close. It is a net below the counting
/// argument above, not the way it works.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a stop waits for backends that were terminated.
const TERMINATED: Duration = Duration::from_secs(2);

/// Every pool, and what they share.
pub(super) struct Pools {
    pub(super) server: Server,
    pub(super) budget: Arc<Budget>,
    pub(super) config: PoolConfig,
    /// One permit for every connection that the server may have.
    pub(super) sockets: Arc<Semaphore>,
    /// How many of them there are.
    pub(super) total: Total,
    by_name: RwLock<HashMap<DatabaseName, Arc<Database>>>,
    control: OnceLock<Arc<Database>>,
    next_lane: AtomicU64,
    started: Instant,
    closed: AtomicBool,
    /// Deployments that run.
    pub(super) deployments: Deployments,
    /// How much room the disk has, where that is looked at.
    pub(super) room: OnceLock<Watched>,
    /// Whose turn it is to write where there is hardly any.
    pub(super) turns: Turns,
}

impl Pools {
    pub(super) fn new(server: Server, config: &PoolConfig) -> Arc<Self> {
        let total = config.max_total_connections.max(1);
        server.terminator.shares_out(total);
        Arc::new(Self {
            server,
            budget: Budget::new(total, 2.min(total - 1)),
            config: config.clone(),
            sockets: Arc::new(Semaphore::new(total)),
            total: Total::new(total),
            by_name: RwLock::default(),
            control: OnceLock::new(),
            next_lane: AtomicU64::new(LaneId::FIRST_DATABASE),
            started: Instant::now(),
            closed: AtomicBool::new(false),
            deployments: Deployments::default(),
            room: OnceLock::new(),
            turns: Turns::default(),
        })
    }

    /// The gateway's own database.
    pub(super) fn control(self: &Arc<Self>) -> Arc<Database> {
        let control = self.control.get_or_init(|| {
            let name = DatabaseName::gateway();
            let database = self.make(name.clone(), String::new(), Which::Main, None, RunAs::Gateway);
            // Among the others, so that its idle connections give way like theirs.
            self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(name, database.clone());
            database
        });
        control.clone()
    }

    /// The database of that name, where it is known. Whether it is the one that is meant, its ids decide.
    pub(super) fn get(&self, name: &DatabaseName) -> Option<Arc<Database>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The entry of a database that was looked up; takes the place of one with another identity or owner, or that is
    /// opened as another role.
    pub(super) fn entry(
        self: &Arc<Self>,
        name: &DatabaseName,
        platform: &str,
        which: Which,
        oid: u32,
        run_as: &RunAs,
    ) -> Arc<Database> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_name.get(name) {
            let same_record = known.platform == platform && known.which.is_written_like(&which);
            let same = same_record && known.oid == Some(oid) && known.run_as == *run_as;
            if same && known.is_current() {
                return known.clone();
            }
            known.retire();
        }
        let database = self.make(name.clone(), platform.to_owned(), which, Some(oid), run_as.clone());
        by_name.insert(name.clone(), database.clone());
        database
    }

    /// Forgets the database of that name, which was dropped.
    pub(super) fn forget(&self, name: &DatabaseName) {
        let known = self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(database) = known {
            database.retire();
        }
    }

    /// Sessions of the role are closed, at once or when their calls end. Whoever waits for one finds out for himself why.
    pub(super) fn renew_role(&self, role: &Role) {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name
            .values()
            .filter(|database| database.run_as.owner() == Some(role.user()))
            .for_each(|database| database.renew());
    }

    /// All sessions are closed, at once or when their calls end.
    pub(super) fn renew_all(&self) {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().for_each(|database| database.renew());
    }

    /// The name of the database with this oid, where it is open.
    pub(super) fn name_of(&self, oid: u32) -> Option<DatabaseName> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        by_name.values().find(|database| database.oid == Some(oid)).map(|database| database.name.clone())
    }

    /// Forgets a database that turned out to be gone or another's; another one of its name stays.
    fn forget_this(&self, database: &Arc<Database>) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.get(&database.name).is_some_and(|known| Arc::ptr_eq(known, database)) {
            by_name.remove(&database.name);
        }
        database.retire();
    }

    fn make(
        self: &Arc<Self>,
        name: DatabaseName,
        platform: String,
        which: Which,
        oid: Option<u32>,
        run_as: RunAs,
    ) -> Arc<Database> {
        let (lane, limit) = match oid {
            None => (LaneId::CONTROL, CONTROL_CONNECTIONS),
            Some(_) => {
                let lane = LaneId(self.next_lane.fetch_add(1, Ordering::Relaxed));
                (lane, self.config.max_connections_per_pool.max(1))
            }
        };
        let (pools, now) = (Arc::downgrade(self), self.now());
        Database::new(Parts { name, platform, which, run_as, oid, lane, limit, pools, now })
    }

    /// A connection of the database's pool.
    pub(super) async fn pooled(&self, database: &Arc<Database>) -> Result<Pooled, DatabaseError> {
        database.last_used.store(self.now(), Ordering::Relaxed);
        let ticket = self.ticket(database.lane, database.limit, &database.name).await?;
        let object = match database.pool.get().await {
            Ok(object) => object,
            Err(PoolError::Backend(error)) => {
                // The gateway's own database is made again.
                let elsewhere = matches!(error, DatabaseError::Gone { .. } | DatabaseError::NotTheRoles { .. });
                if elsewhere && database.oid.is_some() {
                    self.forget_this(database);
                }
                return Err(error);
            }
            Err(PoolError::Closed) => return Err(self.closed_error(&database.name)),
            Err(error @ (PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_))) => {
                return Err(DatabaseError::Unreachable { cause: error.to_string() });
            }
        };
        Ok(Pooled::new(object, ticket, database.clone(), self.config.max_lifetime))
    }

    fn closed_error(&self, database: &DatabaseName) -> DatabaseError {
        if self.is_closed() { DatabaseError::Closed } else { DatabaseError::Gone { database: database.clone() } }
    }

    /// The right to use one connection for `lane`.
    pub(super) async fn ticket(
        &self,
        lane: LaneId,
        limit: usize,
        database: &DatabaseName,
    ) -> Result<Ticket, DatabaseError> {
        if self.is_closed() {
            return Err(DatabaseError::Closed);
        }
        let deadline = Instant::now() + self.config.wait_timeout;
        self.budget.take(lane, limit, deadline).await.map_err(|_| self.exhausted(database))
    }

    /// The right to open one more connection, for one who holds a ticket: closes an idle one if need be.
    pub(super) async fn permit(&self, database: &DatabaseName) -> Result<OwnedSemaphorePermit, DatabaseError> {
        if let Ok(permit) = self.sockets.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let deadline = Instant::now() + self.config.wait_timeout;
        let mut waiting = Box::pin(self.sockets.clone().acquire_owned());
        loop {
            self.close_one_idle();
            match timeout(LOOK_AGAIN, &mut waiting).await {
                Ok(permit) => return permit.map_err(|_| DatabaseError::Closed),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => return Err(self.exhausted(database)),
            }
        }
    }

    fn exhausted(&self, database: &DatabaseName) -> DatabaseError {
        let waited_ms = u64::try_from(self.config.wait_timeout.as_millis()).unwrap_or(u64::MAX);
        DatabaseError::PoolExhausted { database: database.clone(), waited_ms }
    }

    /// Closes the oldest idle connection of the pool that was not used for the longest time; whether there was one.
    pub(super) fn close_one_idle(&self) -> bool {
        let mut candidates: Vec<(u64, Arc<Database>)> = {
            let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
            let open = by_name.values().filter(|database| database.open_connections() > 0);
            open.map(|database| (database.last_used.load(Ordering::Relaxed), database.clone())).collect()
        };
        candidates.sort_unstable_by_key(|(last_used, _)| *last_used);
        for (_, database) in candidates {
            let mut found = false;
            let closed = database.pool.retain(|_, _| std::mem::replace(&mut found, true));
            if !closed.removed.is_empty() {
                return true;
            }
        }
        false
    }

    /// Pools with open connections, and connections open on the server.
    pub(super) fn counts(&self) -> (usize, usize) {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads from a connection that is idle, so nobody has noticed yet that it was closed.
        for database in by_name.values() {
            drop(database.pool.retain(|connection, _| !connection.is_closed()));
        }
        let active = by_name.values().filter(|database| database.open_connections() > 0).count();
        let total = self.total.get();
        (active, total - self.sockets.available_permits().min(total))
    }

    /// How many wait for the right to a connection.
    pub(super) fn waiting(&self) -> usize {
        self.budget.waiting()
    }

    /// `MAX_TOTAL_CONNECTIONS`.
    pub(super) fn most(&self) -> usize {
        self.config.max_total_connections
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Nobody gets a connection any more; returns when all are closed. What is not by itself after `limit` is terminated:
    /// nobody would count it any more.
    pub(super) async fn close(&self, limit: Duration) {
        self.closed.store(true, Ordering::Release);
        let databases: Vec<_> = {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            by_name.drain().map(|(_, database)| database).collect()
        };
        for database in databases {
            database.retire();
        }
        let all = u32::try_from(self.total.get()).unwrap_or(u32::MAX);
        // Kept by nobody: later requests find the pools closed anyway.
        if timeout(limit, self.sockets.acquire_many(all)).await.is_err() {
            self.server.terminator.terminate_all().await;
            let _ = timeout(TERMINATED, self.sockets.acquire_many(all)).await;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Closes what was idle for too long or is too old, and forgets databases that nobody uses.
    fn sweep(&self) {
        self.server.terminator.sweep();
        let databases: Vec<_> = self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for database in databases {
            let keep =
                |age: Duration, unused: Duration| age < self.config.max_lifetime && unused < self.config.idle_timeout;
            drop(
                database
                    .pool
                    .retain(|connection, metrics| !connection.is_closed() && keep(metrics.age(), metrics.last_used())),
            );
            if database.oid.is_some() && database.open_connections() == 0 {
                self.forget_unused(&database);
            }
        }
    }

    fn forget_unused(&self, database: &Arc<Database>) {
        let unused_ms = self.now().saturating_sub(database.last_used.load(Ordering::Relaxed));
        if Duration::from_millis(unused_ms) < self.config.idle_timeout {
            return;
        }
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let same = by_name.get(&database.name).is_some_and(|known| Arc::ptr_eq(known, database));
        // One for the map and one for the caller: no request has it, and none can get it while the map is locked.
        if same && Arc::strong_count(database) == 2 {
            by_name.remove(&database.name);
        }
    }
}

/// Runs [`Pools::sweep`] for as long as the pools exist.
pub(super) async fn sweep_regularly(pools: Weak<Pools>, idle_timeout: Duration, max_lifetime: Duration) {
    let period = (idle_timeout.min(max_lifetime) / 4).clamp(Duration::from_millis(100), Duration::from_secs(15));
    loop {
        tokio::time::sleep(period).await;
        match pools.upgrade() {
            Some(pools) if !pools.is_closed() => pools.sweep(),
            Some(_) | None => return,
        }
    }
}

/// Looks all the time who holds up what all databases share, see [`super::terminator::shared_locks`].
pub(super) async fn watch_locks(pools: Weak<Pools>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match pools.upgrade() {
            Some(pools) if !pools.is_closed() => pools.server.terminator.end_holders().await,
            Some(_) | None => return,
        }
    }
}
