//! One deployment per database at a time, in this gateway and in every other one on the same server.
//!
//! Here a fair mutex by name; across gateways PostgreSQL's advisory locks, all on one connection to the gateway's own
//! database, so that a thousand deployments do not hold a thousand connections. If that connection breaks, the locks of
//! this gateway are lost: [`DeploymentLock::is_held`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_postgres::SimpleQueryMessage;

use super::Databases;
use super::budget::{LaneId, Ticket};
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::CONTROL_CONNECTIONS;
use super::run_as::RunAs;
use super::server::{Link, Purpose};

/// Another gateway's lock is asked for again after this, and then at growing intervals up to the second one.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

/// How often the connection is looked at: without a lock it is closed. Deployments come in groups, so not at once.
const KEEP_IDLE: Duration = Duration::from_secs(10);

/// How long the server may take to say whether a lock is held.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The locks of this gateway.
#[derive(Default)]
pub(super) struct Locks {
    by_name: Mutex<HashMap<DatabaseName, Weak<AsyncMutex<()>>>>,
    holder: AsyncMutex<Option<Arc<Holder>>>,
}

/// The connection that holds the advisory locks.
struct Holder {
    link: Link,
    _ticket: Ticket,
}

/// The right to deploy to one database; given back when dropped.
pub struct DeploymentLock {
    database: DatabaseName,
    // In the order in which they are given back: the other gateways first, so that the next one here finds it free.
    advisory: Advisory,
    _local: OwnedMutexGuard<()>,
}

impl DeploymentLock {
    /// Which database may be deployed to: the one that was asked for, whatever a session in it says of itself.
    pub fn database(&self) -> &DatabaseName {
        &self.database
    }

    /// False when the connection that holds the lock has broken: another gateway may have it now.
    pub fn is_held(&self) -> bool {
        !self.advisory.holder.link.client.is_closed()
    }
}

impl DeploymentLock {
    /// The same, asked of the server: a connection may be dead without anybody having noticed.
    pub async fn is_still_held(&self) -> bool {
        let Advisory { holder, key } = &self.advisory;
        let query = format!(
            "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid() AND granted
             AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint = {key}"
        );
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, holder.link.client.simple_query(&query)).await;
        let is_row = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        matches!(asked, Ok(Ok(messages)) if messages.iter().any(is_row))
    }
}

/// An advisory lock, or the attempt to get one; released when dropped.
struct Advisory {
    holder: Arc<Holder>,
    key: i64,
}

impl Drop for Advisory {
    fn drop(&mut self) {
        // Sending needs no waiting, and nobody needs the answer. One that was not granted is not there to be released,
        // which PostgreSQL only warns about.
        let sql = format!("SELECT pg_catalog.pg_advisory_unlock({})", self.key);
        drop(self.holder.link.client.simple_query_raw(&sql).now_or_never());
    }
}

impl Databases {
    /// Waits until no other deployment works on the database, in this gateway or another one.
    pub async fn lock(&self, database: &DatabaseName) -> Result<DeploymentLock, DatabaseError> {
        let local = self.locks.local(database).lock_owned().await;
        let advisory = Advisory { holder: self.lock_holder().await?, key: key_of(database) };
        let mut pause = FIRST_RETRY;
        while !advisory.try_lock().await? {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
        Ok(DeploymentLock { database: database.clone(), advisory, _local: local })
    }

    /// The same, where nobody works on it at this moment.
    pub async fn try_lock(&self, database: &DatabaseName) -> Result<Option<DeploymentLock>, DatabaseError> {
        let Ok(local) = self.locks.local(database).try_lock_owned() else { return Ok(None) };
        let advisory = Advisory { holder: self.lock_holder().await?, key: key_of(database) };
        Ok(advisory.try_lock().await?.then(|| DeploymentLock { database: database.clone(), advisory, _local: local }))
    }

    async fn lock_holder(&self) -> Result<Arc<Holder>, DatabaseError> {
        let mut current = self.locks.holder.lock().await;
        if let Some(holder) = current.as_ref().filter(|holder| !holder.link.client.is_closed()) {
            return Ok(holder.clone());
        }
        self.ensure_records().await?;
        let database = DatabaseName::gateway();
        let ticket = self.pools.ticket(LaneId::CONTROL, CONTROL_CONNECTIONS, &database).await?;
        let permit = self.pools.permit(&database).await?;
        let link = self.pools.server.open(&database, Purpose::Control, permit, &RunAs::Gateway).await?;
        let holder = Arc::new(Holder { link, _ticket: ticket });
        if current.replace(holder.clone()).is_none() {
            tokio::spawn(close_when_idle(Arc::downgrade(&self.locks)));
        }
        Ok(holder)
    }
}

/// Ends with the connection.
async fn close_when_idle(locks: Weak<Locks>) {
    loop {
        tokio::time::sleep(KEEP_IDLE).await;
        let Some(locks) = locks.upgrade() else { return };
        let mut holder = locks.holder.lock().await;
        if holder.as_ref().is_none_or(|holder| Arc::strong_count(holder) == 1) {
            *holder = None;
            return;
        }
    }
}

impl Advisory {
    async fn try_lock(&self) -> Result<bool, DatabaseError> {
        let row = self
            .holder
            .link
            .client
            .query_typed_one(&format!("SELECT pg_catalog.pg_try_advisory_lock({})", self.key), &[])
            .await
            .map_err(DatabaseError::step("locking the database for a deployment"))?;
        Ok(row.get(0))
    }
}

impl Locks {
    /// Closes the connection once the last lock is released.
    pub(super) async fn close(&self) {
        self.holder.lock().await.take();
    }

    fn local(&self, database: &DatabaseName) -> Arc<AsyncMutex<()>> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = by_name.get(database).and_then(Weak::upgrade) {
            return lock;
        }
        by_name.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        by_name.insert(database.clone(), Arc::downgrade(&lock));
        lock
    }
}

/// The same in every gateway.
fn key_of(database: &DatabaseName) -> i64 {
    let digest = Sha256::digest(database.as_str().as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(key)
}
