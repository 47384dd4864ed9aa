//! A connection of its own for a deployment, inside the budget; and how statements about whole databases are run.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::Client;

use super::Databases;
use super::connection::ControlConnection;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::own_path::own_path;
use super::run_as::RunAs;
use super::server::{Link, Purpose};
use super::shares::Admission;
use crate::config::PoolConfig;

/// What is told of a session of the gateway's, or of a deployment's, that was ended to make room.
pub const ENDED_FOR_ROOM: &str = "PostgreSQL's disk was nearly full, so the session that wrote to it was ended";

/// How long [`Session::end`] waits.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that nobody else uses, opened as the one that its opener was given. Its statements have no time limit,
/// only `lock_timeout`.
///
/// Dropped without [`Session::close`], what it runs is cancelled and rolled back, and its backend terminated if it does not
/// listen.
pub struct Session {
    link: Option<Link>,
    // Given back after the link.
    admission: Option<Admission>,
}

/// The gateway's own session in a platform's database, in which no uploaded code may run: only for handing over and for
/// extensions. It is of a type of its own so that nobody takes it for a [`Session`].
pub struct InsideSession(pub(super) Session);

impl InsideSession {
    /// Closes it; returns when the server has closed it too.
    pub async fn close(self) {
        self.0.close().await;
    }
}

impl Deref for InsideSession {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Session {
    /// Closes it; returns when the server has closed it too, so that its database can be a template.
    pub async fn close(mut self) {
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }

    /// Ends it whatever it is at: cancelled, then terminated. Returns when its backend is gone, or after a time in which it
    /// should be; place and permit are given back when it really is.
    pub async fn end(mut self) {
        if let Some(link) = self.link.take() {
            let _ = tokio::time::timeout(END_TIMEOUT, link.interrupt(self.admission.take())).await;
        }
    }

    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub fn made_room(&self) -> bool {
        self.link().made_room.load(Ordering::Acquire)
    }

    fn link(&self) -> &Link {
        self.link.as_ref().expect("only close() and drop() take it")
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.link().client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.link.as_mut().expect("only close() and drop() take it").client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else { return };
        // Its task goes on until the backend is gone.
        drop(link.interrupt(self.admission.take()));
    }
}

impl Databases {
    /// How many sessions there can be at once: deployments leave a quarter of the budget to calls.
    pub fn session_limit(&self) -> usize {
        PoolConfig::sessions_of(self.pools.total.get())
    }

    /// A connection of its own to a database, for everything that runs uploaded code.
    pub async fn session(&self, run_as: &RunAs, database: &DatabaseName) -> Result<Session, DatabaseError> {
        self.open_session(run_as, database, Purpose::Deployment).await
    }

    pub(super) async fn open_session(
        &self,
        run_as: &RunAs,
        database: &DatabaseName,
        purpose: Purpose<'_>,
    ) -> Result<Session, DatabaseError> {
        let admission = self.admit_session(database).await?;
        let opened = self.open_link(run_as, database, purpose).await;
        let link = match (opened, run_as) {
            (Err(error), RunAs::Platform(role)) if error.is_login_failure() => {
                self.restore_role(role).await?;
                self.open_link(run_as, database, purpose).await?
            }
            (opened, _) => opened?,
        };
        if purpose == Purpose::Deployment {
            // Not among what it starts with: that is uploaded code's, to which a `RESET` of its own returns.
            let own = link.client.batch_execute(&own_path()).await;
            own.map_err(DatabaseError::step("preparing the session"))?;
        }
        Ok(Session { link: Some(link), admission: Some(admission) })
    }

    async fn open_link(
        &self,
        run_as: &RunAs,
        database: &DatabaseName,
        purpose: Purpose<'_>,
    ) -> Result<Link, DatabaseError> {
        let server = &self.pools.server;
        self.pools.open_with_room(database, |permit| server.open(database, purpose, permit, run_as)).await
    }

    /// Whether the server has a database of that name.
    pub async fn exists(&self, name: &DatabaseName) -> Result<bool, DatabaseError> {
        let control = self.control().await?;
        let row = control
            .query_one("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)", &[&name.as_str()])
            .await
            .map_err(DatabaseError::step("looking for the database"))?;
        Ok(row.get(0))
    }

    /// Runs a statement about a database. These take long, so one connection is always left for the short ones.
    pub(super) async fn administer(&self, sql: &str) -> Result<Result<(), tokio_postgres::Error>, DatabaseError> {
        self.administer_within(sql, Duration::MAX).await.map(|done| done.unwrap_or(Ok(())))
    }

    /// `None`: not in this time, which begins with its turn: who waits for others may not be told that PostgreSQL is slow.
    pub(super) async fn administer_within(
        &self,
        sql: &str,
        limit: Duration,
    ) -> Result<Option<Result<(), tokio_postgres::Error>>, DatabaseError> {
        let _turn = self.admit_statement().await?;
        self.run_within(&[sql], limit).await
    }

    /// Runs one after the other, up to the first that fails. Whoever calls this has a turn.
    pub(super) async fn run_within(
        &self,
        statements: &[&str],
        limit: Duration,
    ) -> Result<Option<Result<(), tokio_postgres::Error>>, DatabaseError> {
        let control = self.control().await?;
        // Cancelled half-way it must not go back to the pool with the statement running.
        let guard = Unfinished(Some(control));
        let Ok(result) = tokio::time::timeout(limit, guard.run(statements)).await else { return Ok(None) };
        let made_room = result.is_err() && guard.0.as_ref().is_some_and(ControlConnection::made_room);
        // One on which a setting may be left is not lent again.
        if result.is_ok() || statements.len() == 1 {
            guard.finished();
        }
        if made_room { Err(DatabaseError::DiskFull { cause: ENDED_FOR_ROOM.to_owned() }) } else { Ok(Some(result)) }
    }
}

/// A pooled connection with a statement on it; cancelled unless it ended.
struct Unfinished(Option<ControlConnection>);

impl Unfinished {
    async fn run(&self, statements: &[&str]) -> Result<(), tokio_postgres::Error> {
        let Some(control) = &self.0 else { return Ok(()) };
        for sql in statements {
            control.batch_execute(sql).await?;
        }
        Ok(())
    }

    fn finished(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(control) = self.0.take() {
            control.cancel();
        }
    }
}
