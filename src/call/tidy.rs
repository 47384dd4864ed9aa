//! Which functions leave what in their session. Behind those that leave nothing, nothing has to be cleaned: cleaning is a quarter
//! of what PostgreSQL does for a small call. Behind those that cannot come to PREPARE, the session's statements need not be asked
//! for; behind those that may leave what nothing takes back, the session is closed.
//!
//! Looked up after every hundred calls that could do with it, once a second at most, because somebody may change a function
//! by hand: then other calls can see what it sets until the next look, or until no look counts any more. From then on
//! everything is taken back before the next call of each session behind which something was left out. Of what this gateway
//! deploys itself it knows without looking. Where nothing is known, everything is cleaned and asked for.

mod catalog;
mod reach;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use tokio::time::timeout;

use self::catalog::Catalog;
pub(super) use self::reach::Leaves;
use super::running::Running;
use super::signature::Signatures;
use crate::databases::{Database, Databases};

const READ: &str = include_str!("tidy.sql");

/// So many calls between two looks, and so much time, at least: one look takes about as long as ten small calls. Where it
/// fails, it will fail again.
const CALLS: u32 = 100;
const EVERY: Duration = Duration::from_secs(1);
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// How long a look counts, with time for the next, and how long it may take.
const COUNTS: Duration = Duration::from_millis(2500);
const PATIENCE: Duration = Duration::from_secs(2);

/// A look at views takes locks on what they read: it waits for nobody, and whom it keeps waiting it does not keep long. What it
/// asks means what PostgreSQL means by it, whatever operators a platform has in its search path.
const PREPARE_TO_LOOK: &str = "SELECT pg_catalog.set_config('lock_timeout', '100ms', false), \
                                      pg_catalog.set_config('jit', 'off', false), \
                                      pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)";

/// What is known of one database.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    state: RwLock<State>,
    /// Since the last look.
    calls: AtomicU32,
}

#[derive(Debug, Default)]
struct State {
    /// `pg_proc.oid`
    functions: HashMap<u32, Leaves>,
    /// What tells that nothing has changed since.
    mark: Option<String>,
    looked: Option<Instant>,
    /// How many looks have found something else than the one before.
    changes: u64,
    /// Nobody looks before.
    next: Option<Instant>,
    looking: bool,
}

impl Tidy {
    /// What the function is known to leave, and the state of that knowledge. Calls that ask count, and some of them have to
    /// look: then `look` is called. `hurry`: as long as nothing is known, each call costs a session.
    pub(super) fn knows(&self, oid: u32, hurry: bool, look: impl FnOnce()) -> Option<(Leaves, u64)> {
        let now = Instant::now();
        let (known, due) = {
            let state = self.read();
            let known = state.current(now).and_then(|number| Some((*state.functions.get(&oid)?, number)));
            (known, state.is_due(now))
        };
        // Counted roughly: two at once may count as one.
        let calls = self.calls.load(Ordering::Relaxed).saturating_add(1);
        self.calls.store(calls, Ordering::Relaxed);
        if due && (hurry || calls >= CALLS) && self.begin(now) {
            look();
        }
        known
    }

    /// The state of what is known, if that counts: what functions that were tidy in the same state have left is nothing.
    pub(super) fn current(&self) -> Option<u64> {
        self.read().current(Instant::now())
    }

    /// Only one looks.
    fn begin(&self, now: Instant) -> bool {
        let mut state = self.write();
        if !state.is_due(now) {
            return false;
        }
        (state.next, state.looking) = (Some(now + EVERY), true);
        self.calls.store(0, Ordering::Relaxed);
        true
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn current(&self, now: Instant) -> Option<u64> {
        let counts = self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < COUNTS);
        counts.then_some(self.changes)
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.looking && self.next.is_none_or(|next| now >= next)
    }
}

/// Looks, in a task of its own: no call waits for it.
pub(super) fn look(databases: &Databases, database: &Arc<Database>, signatures: &Arc<Signatures>) {
    let (databases, database, signatures) = (databases.clone(), database.clone(), signatures.clone());
    tokio::spawn(async move {
        let looking = Looking(&signatures.tidy);
        let mark = looking.0.read().mark.clone();
        let asked = timeout(PATIENCE, ask(&databases, &database, mark.as_deref())).await;
        match asked.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(Looked { at, changed: None, .. }) => looking.0.write().looked = Some(at),
            Ok(Looked { at, mark, changed: Some(functions) }) => {
                let mut state = looking.0.write();
                // Whatever was there between the two looks may have left something.
                state.changes += 1;
                (state.functions, state.mark, state.looked) = (functions, Some(mark), Some(at));
            }
            Err(cause) => {
                looking.0.write().next = Some(Instant::now() + AFTER_FAILURE);
                let what = "every call is cleaned behind: which functions leave their session as it was is not known";
                tracing::warn!(database = %database.name(), %cause, "{what}");
            }
        }
    });
}

/// Until it is dropped, nobody else looks.
struct Looking<'a>(&'a Tidy);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.write().looking = false;
    }
}

/// What a look has found.
struct Looked {
    /// When it was so.
    at: Instant,
    mark: String,
    /// `None`: as before.
    changed: Option<HashMap<u32, Leaves>>,
}

async fn ask(databases: &Databases, database: &Arc<Database>, mark: Option<&str>) -> Result<Looked, String> {
    let connection = databases.for_call(database).await.map_err(|error| error.to_string())?;
    let mut running = Running::new(connection);
    let connection = running.connection();
    if connection.trusted().is_some() {
        connection.distrust();
    }
    connection.query_row(PREPARE_TO_LOOK, &[]).await.map_err(|error| error.to_string())?;
    let at = Instant::now();
    connection.keep_large();
    let asked = connection.query_row(READ, &[mark]).await;
    let large = connection.take_kept();
    // Takes the settings back.
    connection.distrust();
    drop(running);
    let mut columns = asked.map_err(|error| error.to_string())?.into_iter();
    let (Some(Some(mark)), Some(json)) = (columns.next(), columns.next()) else { return Err("no mark".to_owned()) };
    let mark = String::from_utf8(mark).map_err(|error| error.to_string())?;
    let Some(json) = json else { return Ok(Looked { at, mark, changed: None }) };
    // Reading some hundred functions takes some milliseconds.
    let reading = tokio::task::spawn_blocking(move || {
        let _until_read = large;
        serde_json::from_slice(&json).map(Catalog::leaves)
    });
    let functions = reading.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(Looked { at, mark, changed: Some(functions) })
}
