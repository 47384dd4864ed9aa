//! A database as calls see it: its name and owner, its pool, and what is known of its catalog.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use deadpool::managed::{Pool, QueueMode};

use super::budget::LaneId;
use super::connection::Manager;
use super::name::{Address, DatabaseName, Which};
use super::pools::Pools;
use super::run_as::RunAs;
use super::server::Purpose;

/// How many deployments a database has seen from this gateway.
pub(super) type Generation = AtomicU64;

/// What is derived from a database's catalog, of a type that its user knows.
type Derived = RwLock<Option<Arc<dyn Any + Send + Sync>>>;

/// A database that can be called: who owns it, its connections, and what is known of it.
pub struct Database {
    pub(super) name: DatabaseName,
    pub(super) platform: String,
    /// Kind and ids of its record: what it is reached by.
    pub(super) which: Which,
    /// As whom it is opened.
    pub(super) run_as: RunAs,
    /// PostgreSQL's identity of the database; none for the gateway's own, which may be made again.
    pub(super) oid: Option<u32>,
    pub(super) lane: LaneId,
    /// The most connections that it may have.
    pub(super) limit: usize,
    pub(super) pool: Pool<Manager>,
    pub(super) generation: Arc<Generation>,
    derived: Derived,
    /// Milliseconds since the pools were made.
    pub(super) last_used: AtomicU64,
    stale: AtomicBool,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// What a database is made from.
pub(super) struct Parts {
    pub(super) name: DatabaseName,
    pub(super) platform: String,
    pub(super) which: Which,
    pub(super) run_as: RunAs,
    pub(super) oid: Option<u32>,
    pub(super) lane: LaneId,
    pub(super) limit: usize,
    pub(super) pools: Weak<Pools>,
    pub(super) now: u64,
}

impl Database {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let Parts { name, platform, which, run_as, oid, lane, limit, pools, now } = parts;
        let generation = Arc::new(Generation::default());
        let purpose = if oid.is_some() { Purpose::Calls } else { Purpose::Control };
        let (database, opened_as) = (name.clone(), run_as.clone());
        let (keeps, generation_of_pool) = (Arc::default(), generation.clone());
        let manager = Manager {
            pools,
            database,
            platform: platform.clone(),
            run_as: opened_as,
            purpose,
            oid,
            generation: generation_of_pool,
            keeps,
        };
        // The most recently used connection is taken first, so that the others get old enough to be closed.
        let pool = Pool::builder(manager).max_size(limit).queue_mode(QueueMode::Lifo).build();
        Arc::new(Self {
            name,
            platform,
            which,
            run_as,
            oid,
            lane,
            limit,
            pool: pool.expect("a pool without timeouts needs no runtime"),
            generation,
            derived: RwLock::default(),
            last_used: AtomicU64::new(now),
            stale: AtomicBool::new(false),
        })
    }

    /// Its name on the server.
    pub fn name(&self) -> &DatabaseName {
        &self.name
    }

    /// Its owner, as the platform's name reads in names of databases.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// Whether an address means it: by the platform, the kind and the ids of its record, whatever the name reads.
    pub(super) fn is_meant_by(&self, address: &Address) -> bool {
        self.platform == address.platform().normal() && self.which.is_written_like(address.which())
    }

    /// False once it was dropped or looks to be another one.
    pub(super) fn is_current(&self) -> bool {
        !self.stale.load(Ordering::Acquire)
    }

    /// A place for what is derived from the database's catalog: empty at first, and again after each deployment.
    pub fn derived<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let held = self.derived.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(found) = held.and_then(|held| held.downcast::<T>().ok()) {
            return found;
        }
        let mut place = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = place.clone().and_then(|held| held.downcast::<T>().ok()) {
            return found;
        }
        let fresh = Arc::new(T::default());
        *place = Some(fresh.clone());
        fresh
    }

    /// What was derived and prepared before is void. Connections are closed rather than told to forget: PL/pgSQL keeps
    /// plans of its own in a session, which no message makes it drop.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        *self.derived.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.pool.manager().keeps.store(false, Ordering::Relaxed);
        drop(self.pool.retain(|_, _| false));
    }

    /// Nobody gets a connection to it any more.
    pub(super) fn retire(&self) {
        self.stale.store(true, Ordering::Release);
        self.renew();
        self.pool.close();
    }

    pub(super) fn open_connections(&self) -> usize {
        self.pool.status().size
    }
}
