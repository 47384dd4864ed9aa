//! Ends backends that do not end by themselves, over a connection of its own that `MAX_TOTAL_CONNECTIONS` does not count:
//! it has to be there when everything else is used up.
//!
//! The connection leads to a database of the gateway's own, as the gateway's role, and is opened when it is needed, which is
//! before a session of a platform's role runs anything: one at a time, to the server whose backend it is (of several hosts,
//! the numbers of one say nothing to another).

pub(super) mod awaited;
mod blind;
pub(super) mod process;
pub(super) mod shared_locks;
mod unresponsive;
pub(super) mod writers;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Connection, SimpleQueryMessage};

use super::backend::Backend;
use super::error::describe;
use super::login::{is_refused_as_it_is, log_in};
use super::quote::quote_ident;
use super::server::CONNECT_TIMEOUT;
use super::socket::{Endpoint, Socket};
use crate::tls::{Tls, Way};
use awaited::Awaited;
use unresponsive::Unresponsive;

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why not, where it was for a lock.
pub(super) const LOCKED: &str = "the question waited for a lock in vain";

/// The connection stays open for this long after it was used.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// Signals the backend, if it is still the one that is meant. No row: it is gone. NULL: PostgreSQL hides from this role when
/// the backend began, and would refuse to end it. Not the view `pg_stat_activity`, which reads `pg_database`: somebody may
/// have that locked.
const TERMINATE: &str = "SELECT CASE WHEN backend_start IS NOT NULL THEN pg_catalog.pg_terminate_backend(pid) END
    FROM pg_catalog.pg_stat_get_activity($1)
    WHERE (backend_start IS NULL OR backend_start OPERATOR(pg_catalog.=) $2::pg_catalog.text::pg_catalog.timestamptz)";

/// One row from PostgreSQL 16 on.
const HAS_INHERIT_OPTION: &str = "SELECT FROM pg_catalog.pg_settings
    WHERE name OPERATOR(pg_catalog.=) 'server_version_num'
    AND setting::pg_catalog.int4 OPERATOR(pg_catalog.>=) 160000";

/// What became of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was told to end.
    Signalled,
    /// The server does not know it.
    Gone,
}

/// Why a backend was not told to end.
#[derive(Debug)]
pub(super) enum TerminateError {
    /// Nobody listens there any more: the server went, and its backends with it.
    Down,
    /// The server does not answer.
    Away(String),
    /// The server answers, and does not do it.
    Refused(String),
    /// The question waited for a lock, in vain.
    Locked,
}

/// The connection that ends backends, and the backends that there are.
pub(super) struct Terminator {
    config: Config,
    pub(super) tls: Arc<Tls>,
    /// Where it may log in: the first one that is there.
    databases: Vec<String>,
    line: AsyncMutex<Line>,
    next: AtomicU64,
    /// Each backend of an open connection, so that none stays when the gateway stops.
    live: Mutex<HashMap<u64, Known>>,
    unresponsive: Mutex<Unresponsive>,
    awaited: Mutex<Awaited>,
    /// How many were told to end.
    ended: AtomicU64,
}

struct Known {
    endpoint: Endpoint,
    backend: Backend,
    /// Whether it was found to hold others up in the last look, see [`shared_locks`].
    found: bool,
    /// Whether it was ended because there is no room on the disk, see [`writers`].
    made_room: Arc<AtomicBool>,
    /// When it was told to end.
    told: Option<Instant>,
    /// Whether it keeps others from what all databases share.
    in_the_way: bool,
    /// Since when it is waited for no longer, see [`unresponsive`].
    overdue_since: Option<Instant>,
}

impl Known {
    fn new(endpoint: Endpoint, backend: Backend) -> Self {
        Self {
            endpoint,
            backend,
            found: false,
            made_room: Arc::default(),
            told: None,
            in_the_way: false,
            overdue_since: None,
        }
    }
}

#[derive(Default)]
struct Line {
    link: Option<Link>,
    /// When the last attempt to connect failed, where to, and why.
    failed: Option<(Instant, Endpoint, String)>,
    /// How many looks at locks in a row were in vain for a lock, see [`blind`].
    blind: u32,
}

struct Link {
    endpoint: Endpoint,
    client: Client,
    driving: JoinHandle<()>,
    used: Instant,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Nothing runs on it, and the server sees that it is closed.
        self.driving.abort();
    }
}

impl Terminator {
    /// `config` is how to log in, `databases` where: the first one that is there.
    pub(super) fn new(config: Config, tls: Arc<Tls>, databases: Vec<String>) -> Arc<Self> {
        let (line, next, live) = (AsyncMutex::default(), AtomicU64::default(), Mutex::default());
        Arc::new(Self {
            config,
            tls,
            databases,
            line,
            next,
            live,
            unresponsive: Mutex::default(),
            awaited: Mutex::default(),
            ended: AtomicU64::new(0),
        })
    }

    /// How many backends were told to end since the start.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Remembers a backend until [`Terminator::forget`].
    pub(super) fn register(&self, endpoint: &Endpoint, backend: Option<&Backend>) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(backend) = backend {
            backend.process.iter().for_each(|process| self.note_process(process));
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.insert(number, Known::new(endpoint.clone(), backend.clone()));
        }
        number
    }

    pub(super) fn forget(&self, number: u64) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Tells the backend to end, if it is still there.
    pub(super) async fn terminate(&self, endpoint: &Endpoint, backend: &Backend) -> Result<Outcome, TerminateError> {
        let told = self.terminate_by_asking(endpoint, backend).await;
        let in_vain =
            matches!(told, Err(TerminateError::Away(_) | TerminateError::Refused(_) | TerminateError::Locked));
        // Somebody keeps the gateway from asking, perhaps: on this machine it can do without.
        if in_vain && backend.process.as_ref().is_some_and(process::Process::end) {
            return Ok(Outcome::Signalled);
        }
        told
    }

    async fn terminate_by_asking(&self, endpoint: &Endpoint, backend: &Backend) -> Result<Outcome, TerminateError> {
        let asked = Instant::now();
        let mut line = self.line.lock().await;
        if line.link.as_ref().is_none_or(|link| link.client.is_closed() || link.endpoint != *endpoint) {
            // Those who waited for an attempt share its end, else each would wait for a dead host in its turn.
            if let Some((when, _, cause)) = line.failed.as_ref().filter(|(_, where_to, _)| where_to == endpoint)
                && *when >= asked
            {
                return Err(TerminateError::Away(cause.clone()));
            }
            line.link = None;
            match self.open(endpoint).await {
                Ok(link) => line.link = Some(link),
                Err(TerminateError::Down) => return Ok(Outcome::Gone),
                Err(error) => {
                    if let TerminateError::Away(cause) = &error {
                        line.failed = Some((Instant::now(), endpoint.clone(), cause.clone()));
                    }
                    return Err(error);
                }
            }
        }
        let Some(link) = line.link.as_mut() else { return Err(TerminateError::Away("no connection".to_owned())) };
        let answered = timeout(ANSWER_TIMEOUT, signal(&link.client, backend)).await;
        link.used = Instant::now();
        let outcome = answered.unwrap_or_else(|_| Err(TerminateError::Away("no answer".to_owned())));
        if matches!(outcome, Err(TerminateError::Away(_))) {
            line.link = None;
        }
        outcome
    }

    /// Tells all backends to end that are still there: the gateway stops.
    pub(super) async fn terminate_all(&self) {
        let live: Vec<_> = {
            let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            live.values().map(|known| (known.endpoint.clone(), known.backend.clone())).collect()
        };
        for (endpoint, backend) in live {
            let pid = backend.pid;
            match self.terminate(&endpoint, &backend).await {
                Ok(Outcome::Gone) => {}
                Ok(Outcome::Signalled) => tracing::warn!(pid, "terminated a backend that was still at work"),
                Err(TerminateError::Refused(cause)) => tracing::warn!(pid, cause, "a backend could not be terminated"),
                Err(TerminateError::Locked) => tracing::warn!(pid, cause = LOCKED, "a backend could not be terminated"),
                Err(TerminateError::Down) => return,
                Err(TerminateError::Away(cause)) => {
                    tracing::warn!(cause, "backends could not be terminated");
                    return;
                }
            }
        }
    }

    /// Closes the connection if it has not been used for a while. One that is in use is left alone.
    pub(super) fn sweep(&self) {
        if let Ok(mut line) = self.line.try_lock()
            && line.link.as_ref().is_some_and(|link| link.used.elapsed() >= KEEP_IDLE)
        {
            line.link = None;
        }
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Link, TerminateError> {
        let mut last = TerminateError::Away("no database to connect to".to_owned());
        for database in &self.databases {
            let mut config = self.config.clone();
            config.dbname(database);
            match connect_alone(&config, endpoint, &self.tls).await {
                Ok((client, connection)) => {
                    let driving = tokio::spawn(async move { drop(connection.await) });
                    return Ok(Link { endpoint: endpoint.clone(), client, driving, used: Instant::now() });
                }
                Err(refused @ (TerminateError::Refused(_) | TerminateError::Locked)) => last = refused,
                Err(away) => return Err(away),
            }
        }
        Err(last)
    }
}

async fn connect_alone(
    config: &Config,
    endpoint: &Endpoint,
    tls: &Tls,
) -> Result<(Client, Connection<Socket, Socket>), TerminateError> {
    let connect = async |way| {
        let socket = Socket::connect(endpoint, config, (tls, way), CONNECT_TIMEOUT).await;
        socket.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => TerminateError::Down,
            _ => TerminateError::Away(error.to_string()),
        })
    };
    let connecting = async {
        let socket = connect(tls.first()).await?;
        let may_go_plain = tls.first() == Way::IfOffered && socket.is_encrypted();
        let mut logged_in = log_in(config, socket).await;
        if may_go_plain && logged_in.as_ref().is_err_and(is_refused_as_it_is) {
            logged_in = log_in(config, connect(Way::Plain).await?).await;
        }
        logged_in.map_err(|error| match error.code() {
            // It starts up, after a crash perhaps, or goes down: what was there before is gone.
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => TerminateError::Down,
            _ => of_asking(error),
        })
    };
    let connected = timeout(CONNECT_TIMEOUT, connecting).await;
    connected.unwrap_or_else(|_| Err(TerminateError::Away("no answer".to_owned())))
}

/// A role that is no superuser ends only the backends of roles that it is a member of. Before PostgreSQL 15 a platform's
/// code can throw the gateway out of its role; whoever may make roles may come back.
async fn signal(client: &Client, backend: &Backend) -> Result<Outcome, TerminateError> {
    if let Some(outcome) = signal_once(client, backend).await? {
        return Ok(outcome);
    }
    let newer = client.simple_query(HAS_INHERIT_OPTION).await;
    let newer = newer.map_err(of_asking)?.iter().any(|answer| matches!(answer, SimpleQueryMessage::Row(_)));
    let inheriting = if newer { " WITH INHERIT TRUE" } else { "" };
    let join = format!("GRANT {} TO CURRENT_USER{inheriting}", quote_ident(&backend.role));
    client.batch_execute(&join).await.map_err(of_asking)?;
    let refused = || TerminateError::Refused(format!("the gateway's role may not end backends of {}", backend.role));
    signal_once(client, backend).await?.ok_or_else(refused)
}

/// `None`: not allowed.
async fn signal_once(client: &Client, backend: &Backend) -> Result<Option<Outcome>, TerminateError> {
    let asked = client.query_typed(TERMINATE, &[(&backend.pid, Type::INT4), (&backend.started, Type::TEXT)]).await;
    match asked {
        Ok(rows) => match rows.first().map(|row| row.try_get::<_, Option<bool>>(0)) {
            None => Ok(Some(Outcome::Gone)),
            Some(Ok(Some(_))) => Ok(Some(Outcome::Signalled)),
            Some(Ok(None)) => Ok(None),
            Some(Err(error)) => Err(of_asking(error)),
        },
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(None),
        Err(error) => Err(of_asking(error)),
    }
}

/// An answer is a refusal; a lost connection is none.
fn of_asking(error: tokio_postgres::Error) -> TerminateError {
    match error.as_db_error() {
        Some(_) if blind::is_of_a_lock(&error) => TerminateError::Locked,
        Some(_) => TerminateError::Refused(describe(&error)),
        None => TerminateError::Away(describe(&error)),
    }
}

#[cfg(test)]
mod tests;
