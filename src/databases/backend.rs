//! The server process behind a connection: which one it is, and how it is made to go.
//!
//! Whoever closes a connection keeps its permit until the process is gone ([`BackendHandle::see_out`]): asked to close,
//! then cancelled, then terminated. Code that swallows the cancel request and tells PostgreSQL not to look whether its
//! client is still there would otherwise stay for ever, counted by nobody.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{CancelToken, Client, Config, SimpleQueryMessage};

use super::login::AsItIs;
use super::server::{CLOSE_TIMEOUT, CONNECT_TIMEOUT};
use super::socket::{Endpoint, Socket};
use super::terminator::process::Process;
use super::terminator::{LOCKED, Outcome, TerminateError, Terminator};

/// How long a backend may take to end after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// A backend that was terminated is looked after at growing intervals: between interrupts that code in C never looks for,
/// PostgreSQL can do no more.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Asks a session, before anything of a platform's has run in it, which process serves it.
const WHO: &str = "SELECT pg_catalog.pg_backend_pid(), session_user, (SELECT a.backend_start FROM \
                   pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS a)";

/// A server process. Process numbers are used again, so the time at which it began belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// `backend_start` as PostgreSQL prints it in a session of the gateway's: ISO, UTC, microseconds.
    pub(super) started: String,
    /// As whom it logged in.
    pub(super) role: String,
    /// It as the system knows it, where the server is on this machine.
    pub(super) process: Option<Process>,
}

impl Backend {
    /// The process that serves `client`. `None`: PostgreSQL does not tell this role, so that nobody can end it.
    pub(super) async fn of(client: &Client) -> Result<Option<Self>, tokio_postgres::Error> {
        let answers = match client.simple_query(WHO).await {
            Ok(answers) => answers,
            // The connection is as good as before.
            Err(error) if error.as_db_error().is_some() && !client.is_closed() => {
                tracing::warn!(%error, "PostgreSQL does not tell which backend serves a connection");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => {
                let pid = row.get(0)?.parse().ok()?;
                Some(Self { pid, role: row.get(1)?.to_owned(), started: row.get(2)?.to_owned(), process: None })
            }
            _ => None,
        }))
    }
}

/// In what state a connection is let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing runs on it, or what runs may end: it is told to close.
    Orderly,
    /// What runs on it is wanted by nobody any more: it is cancelled at once.
    Interrupted,
}

/// What it takes to end a connection's backend.
pub(super) struct BackendHandle {
    endpoint: Endpoint,
    token: CancelToken,
    backend: Option<Backend>,
    terminator: Arc<Terminator>,
    number: u64,
}

impl BackendHandle {
    pub(super) fn new(
        endpoint: Endpoint,
        token: CancelToken,
        backend: Option<Backend>,
        terminator: Arc<Terminator>,
    ) -> Self {
        let number = terminator.register(&endpoint, backend.as_ref());
        Self { endpoint, token, backend, terminator, number }
    }

    /// Returns when the backend is gone. `closing` closes the gateway's side and is ready when the server has closed
    /// its own, which a backend does by exiting; with an error when the connection broke, which proves nothing.
    pub(super) async fn see_out(self, closing: impl Future<Output = io::Result<()>>, ending: Ending) {
        let mut closing = pin!(closing);
        if ending == Ending::Orderly {
            match timeout(CLOSE_TIMEOUT, &mut closing).await {
                Ok(Ok(())) => return,
                Ok(Err(_)) => return self.terminate(async { Err(()) }).await,
                Err(_) => tracing::warn!(pid = self.pid(), "a server connection did not close by itself"),
            }
        }
        let interrupting = pin!(async {
            self.cancel().await;
            sleep(CANCEL_GRACE).await;
        });
        match select(closing.as_mut(), interrupting).await {
            Either::Left((Ok(()), _)) => {}
            Either::Left((Err(_), _)) => self.terminate(async { Err(()) }).await,
            Either::Right(((), _)) => self.terminate(async { closing.await.map_err(drop) }).await,
        }
    }

    /// Tells whether it was ended because there is no room on PostgreSQL's disk.
    pub(super) fn made_room(&self) -> Arc<AtomicBool> {
        self.terminator.made_room(self.number)
    }

    fn pid(&self) -> Option<i32> {
        self.backend.as_ref().map(|backend| backend.pid)
    }

    /// Asks the server to stop what the backend runs. The server does not say whether it did.
    async fn cancel(&self) {
        let sent = async {
            let tls = &self.terminator.tls;
            let way = (tls.as_ref(), tls.first());
            let socket = Socket::connect(&self.endpoint, &Config::new(), way, CONNECT_TIMEOUT).await?;
            self.token.cancel_query_raw(socket, AsItIs).await.map_err(io::Error::other)
        };
        match timeout(CONNECT_TIMEOUT, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a query could not be cancelled"),
            Err(_) => tracing::warn!("a query could not be cancelled: no answer"),
        }
    }

    /// Terminates the backend, and goes on until it is gone: `closed` with success, or the server knows it no more.
    async fn terminate(&self, closed: impl Future<Output = Result<(), ()>>) {
        let mut closed = pin!(closed);
        let Some(backend) = &self.backend else {
            let _ = timeout(CLOSE_TIMEOUT, closed).await;
            return;
        };
        let mut progress = Progress::default();
        let (mut pause, mut broken) = (FIRST_PAUSE, false);
        loop {
            let outcome = self.terminator.terminate(&self.endpoint, backend).await;
            if matches!(outcome, Ok(Outcome::Signalled)) {
                self.terminator.note_told(self.number);
            }
            if progress.is_over(backend, outcome) {
                return;
            }
            if broken {
                sleep(pause).await;
            } else {
                match timeout(pause, &mut closed).await {
                    Ok(Ok(())) => return,
                    Ok(Err(())) => broken = true,
                    Err(_) => {}
                }
            }
            pause = (pause * 2).min(if progress.away_since.is_some() { CANCEL_GRACE } else { LAST_PAUSE });
        }
    }
}

impl Drop for BackendHandle {
    fn drop(&mut self) {
        self.terminator.forget(self.number);
    }
}

/// What came of terminating one backend so far; tells each thing once.
#[derive(Default)]
struct Progress {
    told: bool,
    refused: bool,
    away_since: Option<Instant>,
}

impl Progress {
    /// Whether there is nothing left to wait for.
    fn is_over(&mut self, backend: &Backend, outcome: Result<Outcome, TerminateError>) -> bool {
        let pid = backend.pid;
        match outcome {
            Ok(Outcome::Gone) | Err(TerminateError::Down) => return true,
            Ok(Outcome::Signalled) => {
                self.away_since = None;
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(pid, "a backend that did not end when it was cancelled was terminated");
                }
            }
            Err(TerminateError::Refused(cause)) => {
                self.away_since = None;
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(pid, cause, "a backend could not be terminated; it goes on being counted");
                }
            }
            Err(TerminateError::Locked) => {
                self.away_since = None;
                if !std::mem::replace(&mut self.refused, true) {
                    tracing::warn!(pid, cause = LOCKED, "a backend could not be terminated; it goes on being counted");
                }
            }
            // With the server its connections are gone; nobody can prove that of one that is only cut off.
            Err(TerminateError::Away(cause)) => {
                if self.away_since.get_or_insert_with(Instant::now).elapsed() >= CLOSE_TIMEOUT {
                    tracing::warn!(pid, cause, "a backend is not waited for any longer: its server does not answer");
                    return true;
                }
            }
        }
        false
    }
}
