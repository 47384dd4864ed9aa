//! What deployments of all platforms share, so that none of them takes it all: sessions, and statements about whole
//! databases.
//!
//! Each platform has a share of both, and whoever waits is served platform by platform ([`super::budget`]): one whose
//! deployments never end, or that has a thousand tenants, leaves everybody else's deployments going. Who pays is part of the
//! [`Databases`] that a deployment works with: [`Databases::on_behalf_of`].

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Databases;
use super::budget::{Budget, LaneId, Ticket};
use super::error::DatabaseError;
use super::name::{DatabaseName, Id};
use super::pools::CONTROL_CONNECTIONS;

/// Statements about databases take long, so one of the gateway's own connections is left for those that do not. Another
/// one holds the deployment locks, and one more drops in the background what nobody waits for.
const STATEMENTS: usize = CONTROL_CONNECTIONS - 3;

/// The most of them that go to one platform: one is always left to the others.
const STATEMENTS_OF_ONE: usize = STATEMENTS - 1;

/// What is shared out.
pub(super) struct Shares {
    sessions: Arc<Budget>,
    statements: Arc<Budget>,
}

/// Who pays, and how long it waits for its share.
#[derive(Clone)]
pub(super) struct Account {
    lane: LaneId,
    sessions: usize,
    patience: Duration,
}

/// The right to use a connection, for a session with the share that it takes; given back when dropped.
pub(super) struct Admission {
    _ticket: Ticket,
    _share: Option<Ticket>,
}

impl From<Ticket> for Admission {
    fn from(ticket: Ticket) -> Self {
        Self { _ticket: ticket, _share: None }
    }
}

impl Shares {
    pub(super) fn new(sessions: usize) -> Self {
        Self { sessions: Budget::new(sessions, 0), statements: Budget::new(STATEMENTS, 0) }
    }
}

impl Account {
    /// The gateway's own, for what is nobody's deployment.
    pub(super) fn own(sessions: usize, patience: Duration) -> Self {
        Self { lane: LaneId::CONTROL, sessions, patience }
    }
}

impl Databases {
    /// The same, on the account of a platform, which waits up to `patience` for what it shares with others.
    #[must_use]
    pub fn on_behalf_of(&self, platform: &Id, patience: Duration) -> Self {
        let digest = Sha256::digest(platform.normal().as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&digest[..8]);
        // Never one of the gateway's own lanes.
        let lane = LaneId(u64::from_be_bytes(number).max(LaneId::FIRST_DATABASE));
        Self { account: Account { lane, sessions: self.session_share(), patience }, ..self.clone() }
    }

    /// How many sessions one platform can have at once: half of all.
    pub fn session_share(&self) -> usize {
        let limit = self.session_limit();
        // A deployment that installs an extension has two.
        (limit / 2).max(2).min(limit)
    }

    /// The right to one session more.
    pub(super) async fn admit_session(&self, database: &DatabaseName) -> Result<Admission, DatabaseError> {
        let share = self.share(&self.shares.sessions, self.account.sessions, database).await?;
        let ticket = self.pools.ticket(LaneId::SESSIONS, self.session_limit(), database).await?;
        Ok(Admission { _ticket: ticket, _share: Some(share) })
    }

    /// The right to run a statement about a database.
    pub(super) async fn admit_statement(&self) -> Result<Ticket, DatabaseError> {
        self.share(&self.shares.statements, STATEMENTS_OF_ONE, &DatabaseName::gateway()).await
    }

    async fn share(
        &self,
        budget: &Arc<Budget>,
        limit: usize,
        database: &DatabaseName,
    ) -> Result<Ticket, DatabaseError> {
        if self.pools.is_closed() {
            return Err(DatabaseError::Closed);
        }
        let Account { lane, patience, .. } = self.account;
        let taken = budget.take(lane, limit, Instant::now() + patience).await;
        taken.map_err(|_| DatabaseError::PoolExhausted {
            database: database.clone(),
            waited_ms: u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
