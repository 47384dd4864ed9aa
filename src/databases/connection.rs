//! A connection that many requests share, one after the other: how it is opened, judged, lent and given back.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;

use super::budget::Ticket;
use super::call_link::CallLink;
use super::database::{Database, Generation};
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::Pools;
use super::role_powers::{objection_to, powers};
use super::run_as::RunAs;
use super::server::{InUse, Purpose};
use super::shares::Admission;
use super::wire::Wire;
use super::wire::large::Account;

/// How long a connection may take to become clean before another one is opened instead.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Which database a session is in, and what its role `$1` may do; `$2`: the gateway's own.
static IDENTITY: LazyLock<String> = LazyLock::new(|| {
    let powers = powers("$1::pg_catalog.text", "$2::pg_catalog.text");
    format!(
        "SELECT d.oid::pg_catalog.int8, powers.attribute, powers.powerful
         FROM pg_catalog.pg_database AS d, ({powers}) AS powers
         WHERE d.datname = pg_catalog.current_database()"
    )
});

/// What lies in a pool.
pub(super) struct Connection {
    link: Kind,
    generation: u64,
}

enum Kind {
    /// To the gateway's own database.
    Control(Box<ControlLink>),
    /// To a platform's database.
    Calls(Box<CallLink>),
}

/// A connection that tokio-postgres speaks over.
struct ControlLink {
    client: ClientWrapper,
    in_use: InUse,
    made_room: Arc<AtomicBool>,
}

/// Opens and judges the connections of one database's pool.
pub(super) struct Manager {
    pub(super) pools: Weak<Pools>,
    pub(super) database: DatabaseName,
    /// Whose it is.
    pub(super) platform: String,
    /// As whom it is opened.
    pub(super) run_as: RunAs,
    pub(super) purpose: Purpose<'static>,
    /// The database's identity; a name that was dropped and made again has another one.
    pub(super) oid: Option<u32>,
    pub(super) generation: Arc<Generation>,
    /// Whether the database turned out to have what may keep something in a session, see [`Wire::keeps`].
    pub(super) keeps: Arc<AtomicBool>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DatabaseError;

    async fn create(&self) -> Result<Connection, DatabaseError> {
        Box::pin(self.open()).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<DatabaseError> {
        if !connection.is_current(&self.generation) {
            return Err(RecycleError::message("a deployment came after it"));
        }
        if let Kind::Calls(link) = &mut connection.link
            && !link.is_fit()
        {
            match tokio::time::timeout(CLEAN_UP_TIMEOUT, link.make_fit()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(RecycleError::message("it could not be cleaned")),
                Err(_) => return Err(RecycleError::message("cleaning it took too long")),
            }
        }
        if connection.is_closed() {
            return Err(RecycleError::message("it was closed"));
        }
        Ok(())
    }
}

impl Manager {
    async fn open(&self) -> Result<Connection, DatabaseError> {
        let pools = self.pools.upgrade().ok_or(DatabaseError::Closed)?;
        // Read first: what is deployed while the connection opens makes it an old one.
        let generation = self.generation.load(Ordering::Acquire);
        let link = match self.purpose {
            Purpose::Calls => {
                let open = |permit| pools.server.open_for_calls(&self.database, permit, &self.run_as);
                let mut link = pools.open_with_room(&self.database, open).await?;
                link.share(self.keeps.clone());
                link.pay_from(Account::of(&self.platform));
                self.check(&pools, &mut link).await?;
                Kind::Calls(Box::new(link))
            }
            Purpose::Control | Purpose::Deployment | Purpose::Inside(_) => {
                let open = |permit| pools.server.open(&self.database, self.purpose, permit, &self.run_as);
                let link = pools.open_with_room(&self.database, open).await?;
                pools.fit_into_server(&link.client).await?;
                // The pool would end the driving task together with the client; ours ends by itself when the server
                // has closed.
                let client = ClientWrapper::new(link.client, tokio::spawn(async {}));
                Kind::Control(Box::new(ControlLink { client, in_use: link.in_use, made_room: link.made_room }))
            }
        };
        Ok(Connection { link, generation })
    }

    /// Makes sure that the connection leads to the database that was looked up, not to another one of its name, and that it
    /// is that of an ordinary role.
    async fn check(&self, pools: &Pools, link: &mut CallLink) -> Result<(), DatabaseError> {
        let Some(expected) = self.oid else { return Ok(()) };
        let asked = link.query_row(&IDENTITY, &[self.run_as.owner(), Some(pools.server.user())]).await;
        let columns = asked.map_err(|error| DatabaseError::Unreachable {
            cause: format!("looking up the database's identity: {error}"),
        })?;
        let text = |at: usize| columns.get(at).and_then(Option::as_deref).map(String::from_utf8_lossy);
        let objection = objection_to(text(1).as_deref(), text(2).as_deref());
        if let (RunAs::Platform(role), Some(objection)) = (&self.run_as, objection) {
            return Err(pools.refuse(role, &objection));
        }
        match columns.first() {
            Some(Some(oid)) if oid[..] == i64::from(expected).to_be_bytes() => Ok(()),
            _ => Err(DatabaseError::Gone { database: self.database.clone() }),
        }
    }
}

impl Connection {
    fn is_current(&self, generation: &Generation) -> bool {
        self.generation == generation.load(Ordering::Acquire)
    }

    /// Whether nobody is to have it again, though the server has not closed it.
    fn is_useless(&self) -> bool {
        match &self.link {
            Kind::Control(_) => false,
            Kind::Calls(link) => link.is_useless(),
        }
    }

    /// Whether the server is known to have closed it.
    pub(super) fn is_closed(&self) -> bool {
        match &self.link {
            Kind::Control(link) => link.client.is_closed(),
            Kind::Calls(link) => link.is_closed(),
        }
    }
}

/// A connection for one request; goes back into its pool when dropped.
pub(super) struct Pooled {
    // In the order in which they are given back.
    object: Option<Object<Manager>>,
    ticket: Option<Ticket>,
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
        Self { object: Some(object), ticket: Some(ticket), database, max_lifetime }
    }

    fn link(&self) -> &Kind {
        &self.object.as_ref().expect("only consuming methods take it").link
    }

    fn link_mut(&mut self) -> &mut Kind {
        &mut self.object.as_mut().expect("only consuming methods take it").link
    }

    /// Closes the connection instead of giving it back, and has stopped what it runs. Its place in the pool is free when
    /// the backend is gone.
    fn end(mut self) {
        let Some(connection) = self.object.take().map(Object::take) else { return };
        let ticket = self.ticket.take();
        match connection.link {
            Kind::Calls(link) => link.end(ticket),
            // Not sent: it has ended already.
            Kind::Control(link) => drop(link.in_use.send(ticket.map(Admission::from))),
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let fresh = object.is_current(&self.database.generation) && Object::metrics(&object).age() < self.max_lifetime;
        if !fresh || object.is_useless() {
            drop(Object::take(object));
        }
    }
}

/// A connection to the gateway's own database; goes back into its pool when dropped.
///
/// Dropping it while a query runs leaves the query running: [`ControlConnection::cancel`] is for that.
pub struct ControlConnection(Pooled);

impl ControlConnection {
    pub(super) fn new(pooled: Pooled) -> Result<Self, DatabaseError> {
        match pooled.link() {
            Kind::Control(_) => Ok(Self(pooled)),
            Kind::Calls(_) => Err(DatabaseError::Closed),
        }
    }

    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub(super) fn made_room(&self) -> bool {
        matches!(self.0.link(), Kind::Control(link) if link.made_room.load(Ordering::Acquire))
    }

    /// Has stopped what the connection runs, and closes it.
    pub fn cancel(self) {
        self.0.end();
    }
}

impl Deref for ControlConnection {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        match self.0.link() {
            Kind::Control(link) => &link.client,
            Kind::Calls(_) => unreachable!("new() has looked"),
        }
    }
}

/// A connection for a call; goes back into its pool when dropped.
///
/// Not to be dropped while the server is at work for the call: [`CallConnection::end`] is for that.
pub struct CallConnection(Pooled);

impl CallConnection {
    pub(super) fn new(pooled: Pooled) -> Result<Self, DatabaseError> {
        match pooled.link() {
            Kind::Calls(_) => Ok(Self(pooled)),
            Kind::Control(_) => Err(DatabaseError::Closed),
        }
    }

    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub fn made_room(&self) -> bool {
        matches!(self.0.link(), Kind::Calls(link) if link.made_room())
    }

    /// Closes the connection instead of giving it back. What it runs is cancelled, and ended if it does not listen.
    pub fn end(self) {
        self.0.end();
    }
}

impl Deref for CallConnection {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        match self.0.link() {
            Kind::Calls(link) => link,
            Kind::Control(_) => unreachable!("new() has looked"),
        }
    }
}

impl DerefMut for CallConnection {
    fn deref_mut(&mut self) -> &mut Wire {
        match self.0.link_mut() {
            Kind::Calls(link) => link,
            Kind::Control(_) => unreachable!("new() has looked"),
        }
    }
}
