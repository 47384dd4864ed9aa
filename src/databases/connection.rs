//! A connection that many requests share, one after the other: how it is opened, kept clean, judged and closed.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;
use tokio_postgres::SimpleQueryStream;

use super::budget::Ticket;
use super::database::{Database, Generation};
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::Pools;
use super::server::{Purpose, cancel};
use super::socket::Endpoint;

/// Takes back what a call may have set in its session. `RESET ALL` returns to what the connection started with; it
/// leaves the role, which `SET SESSION AUTHORIZATION` takes back. One message and one round trip that nobody waits for,
/// because it travels with the call: see [`Pooled::clean_up`].
///
/// Its price, for one-row calls on 16 connections of a machine with two cores that also runs PostgreSQL: 80,000/s without
/// it, 65,000/s with an empty message in its place, 61,000/s with the first two statements, 50,000/s with all where the
/// locks are given back by a SELECT. Processor time of the backend, medians of five on a busy machine, in microseconds: an
/// empty message 14, the six others 26, with the SELECT 52, with the same prepared 41. So it alone is prepared; to
/// prepare the others costs more, because each is then a message of its own. `DISCARD ALL` takes 23, but throws the
/// prepared statements of the calls away.
const CLEAN_UP: &str = "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;\
                        EXECUTE _stonescriptdb_gateway_unlock;DISCARD TEMP;DISCARD SEQUENCES";

/// What [`CLEAN_UP`] executes. A function that deallocates it makes the cleaning fail, and so loses its connection.
const PREPARE_CLEAN_UP: &str = "PREPARE _stonescriptdb_gateway_unlock AS SELECT pg_catalog.pg_advisory_unlock_all()";

/// How long a connection may take to become clean before another one is opened instead.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// What lies in a pool.
pub(super) struct Connection {
    client: ClientWrapper,
    endpoint: Endpoint,
    generation: u64,
    /// The answer to [`CLEAN_UP`], where nobody has read it yet.
    cleaning: Mutex<Option<Pin<Box<SimpleQueryStream>>>>,
    _in_use: oneshot::Sender<()>,
}

/// Opens and judges the connections of one database's pool.
pub(super) struct Manager {
    pub(super) pools: Weak<Pools>,
    pub(super) database: DatabaseName,
    /// The platform whose role opens it; none: the gateway's own role does.
    pub(super) role_of: Option<String>,
    pub(super) purpose: Purpose,
    /// The database's identity; a name that was dropped and made again has another one.
    pub(super) oid: Option<u32>,
    pub(super) generation: Arc<Generation>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DatabaseError;

    async fn create(&self) -> Result<Connection, DatabaseError> {
        let pools = self.pools.upgrade().ok_or(DatabaseError::Closed)?;
        // Read first: what is deployed while the connection opens makes it an old one.
        let generation = self.generation.load(Ordering::Acquire);
        let permit = pools.permit(&self.database).await?;
        let role = self.role_of.as_deref().map(|platform| pools.role(platform)).transpose()?;
        let opened = pools.server.open(&self.database, self.purpose, permit, role.as_ref()).await;
        let link = pools.judged(opened, self.role_of.as_deref(), role.as_ref())?;
        if let Some(expected) = self.oid {
            let row = link
                .client
                .query_typed_one("SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()", &[])
                .await
                .map_err(DatabaseError::step("looking up the database's identity"))?;
            if row.get::<_, u32>(0) != expected {
                return Err(DatabaseError::Gone { database: self.database.clone() });
            }
        }
        if self.purpose == Purpose::Calls {
            let prepared = link.client.batch_execute(PREPARE_CLEAN_UP).await;
            prepared.map_err(DatabaseError::step("preparing the connection"))?;
        }
        // The pool would end the driving task together with the client; ours ends by itself when the server has closed.
        let client = ClientWrapper::new(link.client, tokio::spawn(async {}));
        Ok(Connection { client, endpoint: link.endpoint, generation, cleaning: Mutex::default(), _in_use: link.in_use })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<DatabaseError> {
        if !connection.is_current(&self.generation) {
            return Err(RecycleError::message("a deployment came after it"));
        }
        let cleaning = connection.cleaning.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(cleaning) = cleaning {
            match tokio::time::timeout(CLEAN_UP_TIMEOUT, is_clean(cleaning)).await {
                Ok(true) => {}
                Ok(false) => return Err(RecycleError::message("it could not be cleaned")),
                Err(_) => return Err(RecycleError::message("cleaning it took too long")),
            }
        }
        if connection.client.is_closed() {
            return Err(RecycleError::message("it was closed"));
        }
        Ok(())
    }
}

impl Connection {
    fn is_current(&self, generation: &Generation) -> bool {
        self.generation == generation.load(Ordering::Acquire)
    }
}

async fn is_clean(mut answer: Pin<Box<SimpleQueryStream>>) -> bool {
    while let Some(message) = answer.next().await {
        if message.is_err() {
            return false;
        }
    }
    true
}

/// A connection for one request; goes back into its pool when dropped.
///
/// Dropping it while a query runs leaves the query running: [`Pooled::cancel`] is for that.
pub struct Pooled {
    // In the order in which they are given back.
    object: Option<Object<Manager>>,
    _ticket: Ticket,
    database: Arc<Database>,
    max_lifetime: Duration,
}

impl Pooled {
    pub(super) fn new(
        object: Object<Manager>,
        ticket: Ticket,
        database: Arc<Database>,
        max_lifetime: Duration,
    ) -> Self {
        Self { object: Some(object), _ticket: ticket, database, max_lifetime }
    }

    /// The database it leads to.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Sends the statements that take back what a session was told, behind what was sent before. The next one who gets
    /// the connection waits until they are done, and gets another one if they failed.
    pub fn clean_up(&self) {
        let Some(connection) = self.object.as_deref() else { return };
        // Sending needs no waiting: the future is ready when it is first polled. An error means that the connection is
        // gone, which the pool finds out by itself.
        if let Some(Ok(answer)) = connection.client.simple_query_raw(CLEAN_UP).now_or_never() {
            *connection.cleaning.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(answer));
        }
    }

    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        drop(self.object.take().map(Object::take));
    }

    /// Asks the server to stop what the connection runs, and closes it.
    pub fn cancel(mut self) {
        let Some(connection) = self.object.take().map(Object::take) else { return };
        // Without a runtime the process is ending, and the server notices that by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                cancel(&connection.client.cancel_token(), &connection.endpoint).await;
                drop(connection);
            });
        }
    }
}

impl Deref for Pooled {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.object.as_ref().expect("only consuming methods take it").client
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let fresh = object.is_current(&self.database.generation) && Object::metrics(&object).age() < self.max_lifetime;
        if !fresh {
            drop(Object::take(object));
        }
    }
}
