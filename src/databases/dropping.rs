//! `DROP DATABASE`, which waits for every process of the server, and may wait for as long as one of them likes.
//!
//! Nobody is kept waiting by that for more than seconds: what is not dropped then is put aside under a name of the gateway's own,
//! and is dropped later, in the background. Who it is that a drop waits for, PostgreSQL says in a message of the level LOG to a
//! session that asks for these; [`super::terminator`] hears it and does what can be done.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex as AsyncMutex;
use tokio_postgres::error::SqlState;

use super::Databases;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::quote::quote_ident;

/// A backend anywhere on the server that PostgreSQL cannot interrupt holds up every `DROP DATABASE`, and who drops something
/// mostly does so to clean up: that can wait. PostgreSQL gives sessions inside of it five seconds.
const DROP_PATIENCE: Duration = Duration::from_secs(6);

/// How long a drop in the background waits, which keeps nobody waiting: long enough that who holds it up is found and told to end.
const LATER_PATIENCE: Duration = Duration::from_secs(60);

/// Between two attempts at what was put aside: PostgreSQL may be starting again, without what was in the way.
const AGAIN: Duration = Duration::from_secs(5);

/// PostgreSQL tells this session whom it waits for.
const ALOUD: &str = "SET client_min_messages = log";
const AS_BEFORE: &str = "RESET client_min_messages";

/// What is dropped in the background.
#[derive(Default)]
pub(super) struct Later {
    /// One at a time, beside the turns that deployments wait for.
    turn: AsyncMutex<()>,
    /// What was put aside. Empty and `None` is not the same: somebody is at the last of them.
    aside: Mutex<Option<VecDeque<DatabaseName>>>,
}

impl Later {
    fn lock(&self) -> MutexGuard<'_, Option<VecDeque<DatabaseName>>> {
        // Every change is whole before anything could panic.
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it last. False: somebody has to begin.
    fn is_begun_with(&self, aside: DatabaseName) -> bool {
        let mut waiting = self.lock();
        let is_begun = waiting.is_some();
        waiting.get_or_insert_default().push_back(aside);
        is_begun
    }

    /// The first; `None` is the end.
    fn next(&self) -> Option<DatabaseName> {
        let mut waiting = self.lock();
        let next = waiting.as_mut().and_then(VecDeque::pop_front);
        if next.is_none() {
            *waiting = None;
        }
        next
    }

    fn again(&self, aside: DatabaseName) {
        self.lock().get_or_insert_default().push_back(aside);
    }
}

/// In whose time a database is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// A deployment's, which has a share of the turns.
    Deployments,
    /// Nobody's.
    Background,
}

impl Databases {
    /// Drops a database, also one in use; one that does not exist is no error. What PostgreSQL does not drop within seconds is
    /// put aside, closed and under a name that nobody else gives, and dropped in the background.
    pub async fn drop_database(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        if self.drop_within(name, DROP_PATIENCE, Whose::Deployments).await? {
            return Ok(());
        }
        let aside = name.aside(now());
        let put = self.put_aside(name, &aside).await;
        self.pools.forget(name);
        if put? {
            tracing::warn!(database = %name, %aside, "a database that something holds up is dropped later");
            self.drop_later(aside);
        }
        Ok(())
    }

    /// Drops what [`Databases::left_behind`] told of; whoever calls this is waited for by nobody.
    pub async fn drop_left_behind(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        match self.drop_within(name, LATER_PATIENCE, Whose::Background).await? {
            true => Ok(()),
            false => Err(took_too_long(name, LATER_PATIENCE)),
        }
    }

    /// `false`: not in this time, and what was begun is cancelled; or somebody stays inside.
    async fn drop_within(&self, name: &DatabaseName, limit: Duration, whose: Whose) -> Result<bool, DatabaseError> {
        let Some(mut dropped) = self.drop_once(name, limit, whose).await? else { return Ok(false) };
        if has_code(&dropped, &SqlState::WRONG_OBJECT_TYPE) {
            // Its owner, whose code was deployed there, has declared it a template, which PostgreSQL does not drop.
            let plain = format!("ALTER DATABASE {} WITH IS_TEMPLATE false", quote_ident(name.as_str()));
            let plain = self.administer_within(&plain, limit).await?;
            let Some(plain) = plain else { return Ok(false) };
            plain.map_err(DatabaseError::step("dropping the database"))?;
            let Some(again) = self.drop_once(name, limit, whose).await? else { return Ok(false) };
            dropped = again;
        }
        if has_code(&dropped, &SqlState::OBJECT_IN_USE) {
            // Whoever is inside has been told to end, seconds ago.
            self.pools.server.terminator.hear_of_those_in(name);
            return Ok(false);
        }
        self.pools.forget(name);
        dropped.map_err(DatabaseError::step("dropping the database"))?;
        Ok(true)
    }

    /// `None`: not in this time.
    async fn drop_once(
        &self,
        name: &DatabaseName,
        limit: Duration,
        whose: Whose,
    ) -> Result<Option<Result<(), tokio_postgres::Error>>, DatabaseError> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_ident(name.as_str()));
        let statements = [ALOUD, &drop, AS_BEFORE];
        match whose {
            Whose::Deployments => {
                let _turn = self.admit_statement().await?;
                self.run_within(&statements, limit).await
            }
            Whose::Background => {
                let _turn = self.later.turn.lock().await;
                self.run_within(&statements, limit).await
            }
        }
    }

    /// `false`: there is no such database. PostgreSQL lets nobody into one whose drop was begun, since 15.4.
    async fn put_aside(&self, name: &DatabaseName, aside: &DatabaseName) -> Result<bool, DatabaseError> {
        let (old, new) = (quote_ident(name.as_str()), quote_ident(aside.as_str()));
        let rename = format!("ALTER DATABASE {old} RENAME TO {new}");
        // It waits for the cancelled statement, which holds the database's lock.
        let renamed = self.administer_within(&rename, DROP_PATIENCE).await?;
        match renamed.ok_or_else(|| took_too_long(name, DROP_PATIENCE))? {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => return Ok(false),
            Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => return Err(in_use(name)),
            Err(error) => return Err(DatabaseError::step("putting aside what cannot be dropped now")(error)),
        }
        let is_open = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datconnlimit <> -2)";
        let row = self.control().await?.query_one(is_open, &[&aside.as_str()]).await;
        if row.map_err(DatabaseError::step("looking at what was put aside"))?.get(0) {
            self.seal_database(aside).await?;
        }
        Ok(true)
    }

    /// Makes a database and has it dropped in the background, until it is gone: that is told for whom it waits.
    pub(super) async fn drop_one_for_asking(&self) -> Result<(), DatabaseError> {
        let passing = DatabaseName::gateway().aside(now());
        self.create_for_gateway(&passing).await?;
        self.drop_later(passing);
        Ok(())
    }

    /// Has it dropped in the background, and again until it is gone.
    fn drop_later(&self, aside: DatabaseName) {
        if self.later.is_begun_with(aside) {
            return;
        }
        let databases = self.clone();
        tokio::spawn(async move { databases.drop_aside().await });
    }

    /// Until none is left, or the gateway stops: then the sweep of the next one finds them.
    async fn drop_aside(&self) {
        while let Some(next) = self.later.next().filter(|_| !self.pools.is_closed()) {
            match self.drop_aside_once(&next).await {
                Ok(()) => tracing::info!(database = %next, "a database that was put aside is gone"),
                Err(error) => {
                    tracing::debug!(database = %next, %error, "a database that was put aside cannot be dropped yet");
                    self.later.again(next);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn drop_aside_once(&self, aside: &DatabaseName) -> Result<(), DatabaseError> {
        // Tells whoever sweeps that somebody is at it; nobody else has a use for that name.
        let _lock = self.lock(aside).await?;
        self.drop_left_behind(aside).await
    }
}

/// Tells one name from the next.
fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn has_code(done: &Result<(), tokio_postgres::Error>, code: &SqlState) -> bool {
    done.as_ref().is_err_and(|error| error.code() == Some(code))
}

fn took_too_long(name: &DatabaseName, limit: Duration) -> DatabaseError {
    DatabaseError::Unreachable { cause: format!("dropping {name} took longer than {} s", limit.as_secs()) }
}

fn in_use(name: &DatabaseName) -> DatabaseError {
    DatabaseError::Unreachable {
        cause: format!("somebody who was told to end is still in {name}, which was to be dropped"),
    }
}

#[cfg(test)]
mod tests;
