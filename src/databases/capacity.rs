//! How many connections there may be in all: `MAX_TOTAL_CONNECTIONS`, but no more than the server has room for. More than it
//! lets in would be refused to whoever comes last, for as long as the others keep theirs: nothing idle would give way, and
//! nobody's turn would come.
//!
//! The server's limit changes when it is started again, so every connection to the gateway's own database asks for it.
//! Where other programs have taken the room, an idle connection gives way to whoever is refused.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::Pools;

/// Connections that neither the gateway nor a platform's role takes: for the server's administrators, and for ending
/// backends.
pub(super) const LEFT_TO_OTHERS: usize = 10;

/// The least that `MAX_TOTAL_CONNECTIONS` can be.
const LEAST: usize = 4;

/// How often one who finds the server full tries, each time after an idle connection has given way.
const ATTEMPTS: usize = 4;

/// How long a connection that gives way may take to be closed by the server.
const GIVING_WAY: Duration = Duration::from_millis(50);

/// The number of connections that there may be at this moment.
pub(super) struct Total(Mutex<usize>);

impl Total {
    pub(super) fn new(total: usize) -> Self {
        Self(Mutex::new(total))
    }

    pub(super) fn get(&self) -> usize {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        // Every change is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pools {
    /// Asks a server how many connections it takes, and keeps to that.
    pub(super) async fn fit_into_server(&self, client: &Client) -> Result<usize, DatabaseError> {
        let query = "SELECT pg_catalog.current_setting('max_connections')::pg_catalog.int4";
        let row = client.query_one(query, &[]).await.map_err(DatabaseError::step("asking for max_connections"))?;
        let room = usize::try_from(row.get::<_, i32>(0)).unwrap_or(0).saturating_sub(LEFT_TO_OTHERS);
        self.fit_into(room);
        Ok(room)
    }

    fn fit_into(&self, room: usize) {
        let configured = self.config.max_total_connections.max(1);
        let wanted = configured.min(room.max(LEAST));
        let mut total = self.total.lock();
        let before = *total;
        if wanted < before {
            // What is open beyond that stays so until it is closed anyway; the next one who asks lowers the rest.
            let lowered = self.sockets.forget_permits(before - wanted);
            self.budget.lower(lowered);
            *total -= lowered;
        } else {
            self.sockets.add_permits(wanted - before);
            self.budget.raise(wanted - before);
            *total = wanted;
        }
        if *total != before {
            self.server.terminator.shares_out(*total);
        }
        if *total < before && room < configured {
            tracing::warn!(
                MAX_TOTAL_CONNECTIONS = configured,
                used = *total,
                "PostgreSQL's max_connections is less than ten above MAX_TOTAL_CONNECTIONS, so that many are used; set one of \
                 them otherwise"
            );
        }
    }

    /// Opens a connection with a permit of the budget; again where the server was full and something idle has given way.
    pub(super) async fn open_with_room<T, Opening>(
        &self,
        database: &DatabaseName,
        open: impl Fn(OwnedSemaphorePermit) -> Opening,
    ) -> Result<T, DatabaseError>
    where
        Opening: Future<Output = Result<T, DatabaseError>>,
    {
        for _ in 1..ATTEMPTS {
            match open(self.permit(database).await?).await {
                Err(error) if self.gave_way(&error).await => {}
                opened => return opened,
            }
        }
        open(self.permit(database).await?).await
    }

    /// After the server was full for somebody: whether an idle connection has given way, so that trying again makes sense.
    async fn gave_way(&self, error: &DatabaseError) -> bool {
        let is_full = matches!(error, DatabaseError::ServerFull { sqlstate, .. }
            if sqlstate == SqlState::TOO_MANY_CONNECTIONS.code());
        if !is_full || !self.close_one_idle() {
            return false;
        }
        tokio::time::sleep(GIVING_WAY).await;
        true
    }
}
