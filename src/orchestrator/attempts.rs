//! A deployment that loses a lock to somebody else is tried again as a whole, a few times, and then reported with who
//! held it. Called by [`super::prepared`] and [`super::blueprint`].
//!
//! While an attempt waits, the platform's traffic may queue behind it: never longer than the lock timeout, and between
//! the attempts everything is let go.

use std::time::Duration;

use rand::RngExt;
use serde::Serialize;
use tokio_postgres::Client;
use utoipa::ToSchema;

use super::deployment::{self, Goal, Outcome};
use super::error::DeployError;
use super::runner::INSIDE_KEY;
use crate::bundle::sql;
use crate::databases::{Databases, LOCK_LOST, Session};

/// How often a deployment is tried.
const ATTEMPTS: usize = 3;

/// Between two attempts, at random: two that wait for each other must not meet again.
const PAUSE_MS: std::ops::Range<u64> = 50..500;

/// How often it is asked who holds the lock.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A session that holds a lock which a deployment wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Blocker {
    /// Of its backend.
    pub pid: i32,
    /// What it calls itself.
    pub application_name: Option<String>,
    /// Where it comes from; nothing for a unix socket.
    pub client_address: Option<String>,
    /// E.g. `idle in transaction`.
    pub state: Option<String>,
    /// RFC 3339.
    pub query_started_at: Option<String>,
    /// How its last query begins, without any values.
    pub query: Option<String>,
}

/// Deploys; see [`deployment::deploy`]. What was ended for want of room on PostgreSQL's disk says so.
pub async fn deploy(databases: &Databases, session: &Session, goal: Goal<'_>) -> Result<Outcome, DeployError> {
    let result = repeat(databases, session, goal).await;
    result.map_err(|error| if session.made_room() { error.for_want_of_room() } else { error })
}

async fn repeat(databases: &Databases, client: &Client, goal: Goal<'_>) -> Result<Outcome, DeployError> {
    for _ in 1..ATTEMPTS {
        match deployment::deploy(client, goal).await {
            Err(error) if lost_a_lock(&error) => {
                tracing::info!(%error, "the deployment lost a lock and is tried again");
                client.batch_execute("ROLLBACK").await.map_err(DeployError::own("rolling back"))?;
                // Perhaps to a gateway that is gone; that it cannot be asked is told by the next attempt.
                if let Err(error) = databases.end_orphan(INSIDE_KEY, goal.lock).await {
                    tracing::warn!(%error, "a backend that is still inside a deployment could not be ended");
                }
                let pause = Duration::from_millis(rand::rng().random_range(PAUSE_MS));
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid: i32 = pid.map_err(DeployError::own("asking which backend this is"))?.get(0);
    let mut blockers = Vec::new();
    let result = {
        let attempt = std::pin::pin!(deployment::deploy(client, goal));
        let watch = std::pin::pin!(watch(databases, pid, &mut blockers));
        match futures_util::future::select(attempt, watch).await {
            futures_util::future::Either::Left((result, _)) => result,
            // Nobody could be asked.
            futures_util::future::Either::Right(((), attempt)) => attempt.await,
        }
    };
    match result {
        Err(error) if lost_a_lock(&error) => {
            Err(DeployError::Locked { source: Box::new(error), blocked_by: blockers, attempts: ATTEMPTS })
        }
        result => result,
    }
}

fn lost_a_lock(error: &DeployError) -> bool {
    error.sqlstate_of_postgres().is_some_and(|state| LOCK_LOST.iter().any(|code| code.code() == state))
}

/// Keeps the last answer to who stands in the backend's way: it can only be asked while it waits.
async fn watch(databases: &Databases, pid: i32, blockers: &mut Vec<Blocker>) {
    const QUERY: &str = "
        SELECT a.pid, nullif(a.application_name, ''), host(a.client_addr), a.state,
               to_char(a.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), a.query
        FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids($1)) ORDER BY a.query_start";
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Borrowed for each look: others need these connections too.
        let Ok(control) = databases.control().await else { return };
        let Ok(rows) = control.query(QUERY, &[&pid]).await else { return };
        if !rows.is_empty() {
            *blockers = rows.iter().map(blocker).collect();
        }
    }
}

fn blocker(row: &tokio_postgres::Row) -> Blocker {
    let query: Option<String> = row.get(5);
    Blocker {
        pid: row.get(0),
        application_name: row.get(1),
        client_address: row.get(2),
        state: row.get(3),
        query_started_at: row.get(4),
        query: query.map(|query| sql::beginning_without_values(&query)).filter(|query| !query.is_empty()),
    }
}
