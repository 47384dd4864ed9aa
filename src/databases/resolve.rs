//! From the ids of a call to the database that serves it, without a query where it was asked before.
//!
//! The ids name a database by the patterns of contract §2. Where there is none of that name, an id may still be that of
//! one database made from a stored schema (contract §6, `POST /call`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::Databases;
use super::database::Database;
use super::error::DatabaseError;
use super::name::{Address, DatabaseName, Which};
use super::run_as::RunAs;

/// How long an id that is not the name of a database stands for another one before it is looked up again: another
/// gateway may have made a database of that name.
const DETOUR_LIFETIME: Duration = Duration::from_secs(5);

/// The most of them that are remembered.
const MAX_DETOURS: usize = 100_000;

/// Names under which there is no database, and the one that is meant.
#[derive(Debug, Default)]
pub(super) struct Routes {
    detours: RwLock<HashMap<DatabaseName, (Arc<Database>, Instant)>>,
}

impl Routes {
    fn get(&self, name: &DatabaseName) -> Option<Arc<Database>> {
        let detours = self.detours.read().unwrap_or_else(PoisonError::into_inner);
        let (database, since) = detours.get(name)?;
        (since.elapsed() < DETOUR_LIFETIME && database.is_current()).then(|| database.clone())
    }

    fn insert(&self, name: &DatabaseName, database: &Arc<Database>) {
        let mut detours = self.detours.write().unwrap_or_else(PoisonError::into_inner);
        if detours.len() >= MAX_DETOURS {
            detours.clear();
        }
        detours.insert(name.clone(), (database.clone(), Instant::now()));
    }

    /// A database of that name was made or dropped.
    pub(super) fn forget(&self, name: &DatabaseName) {
        let mut detours = self.detours.write().unwrap_or_else(PoisonError::into_inner);
        detours.retain(|from, (to, _)| from != name && to.name() != name);
    }
}

/// One row of [`Databases::look_up`].
struct Candidate {
    name: DatabaseName,
    platform: String,
    stored: bool,
    oid: Option<u32>,
    /// The role that owns it.
    owner: Option<String>,
}

impl Databases {
    /// The database that serves the calls of an address, opened as `run_as`; its owner is checked.
    pub async fn resolve(&self, address: &Address, run_as: &RunAs) -> Result<Arc<Database>, DatabaseError> {
        let platform = address.platform().normal();
        if let Some(database) = self.pools.get(address.name())
            && database.platform() == platform
            && database.run_as == *run_as
            && database.is_current()
        {
            return Ok(database);
        }
        if let Some(database) = self.routes.get(address.name())
            && database.platform() == platform
            && database.run_as == *run_as
        {
            return Ok(database);
        }
        // On the heap, like every way that most calls do not take: a call's future is moved several times.
        Box::pin(self.look_up_and_enter(address, run_as)).await
    }

    async fn look_up_and_enter(&self, address: &Address, run_as: &RunAs) -> Result<Arc<Database>, DatabaseError> {
        let platform = address.platform().normal();
        let candidate = self.choose(address).await?;
        let Some(oid) = candidate.oid else {
            let reason = "is on record but no longer on the server; register it again".to_owned();
            return Err(DatabaseError::NotFound { database: candidate.name, reason });
        };
        self.give_to_its_role(&candidate, run_as).await?;
        let database = self.pools.entry(&candidate.name, platform, oid, run_as);
        if candidate.name != *address.name() {
            self.routes.insert(address.name(), &database);
        }
        Ok(database)
    }

    /// A database that was made before the platform had its role is handed over first: its code must not go on running as
    /// another.
    async fn give_to_its_role(&self, candidate: &Candidate, run_as: &RunAs) -> Result<(), DatabaseError> {
        if run_as.owner().is_some_and(|owner| candidate.owner.as_deref() != Some(owner)) {
            let lock = self.lock(&candidate.name).await?;
            self.hand_over(run_as, &candidate.name, &lock).await?;
        }
        Ok(())
    }

    /// Why an address cannot be called, of a platform that has no database.
    pub async fn why_not(&self, address: &Address) -> DatabaseError {
        match self.choose(address).await {
            Err(error) => error,
            // Made at this moment.
            Ok(candidate) => {
                let reason = "is being made; call it again when it is registered".to_owned();
                DatabaseError::NotFound { database: candidate.name, reason }
            }
        }
    }

    async fn choose(&self, address: &Address) -> Result<Candidate, DatabaseError> {
        let platform = address.platform().normal();
        let (named, mut others): (Vec<_>, Vec<_>) =
            self.look_up(address).await?.into_iter().partition(|candidate| candidate.name == *address.name());
        let named = match named.into_iter().next() {
            Some(own) if own.platform == platform => return Ok(own),
            named => named,
        };
        others.retain(|candidate| candidate.stored && candidate.platform == platform);
        match (others.len(), named) {
            (1, _) => Ok(others.remove(0)),
            (0, Some(_)) => Err(DatabaseError::OtherPlatform { database: address.name().clone() }),
            (0, None) => Err(self.not_found(address).await?),
            _ => Err(DatabaseError::Ambiguous {
                id: fallback_id(address.which()).unwrap_or_default().to_owned(),
                databases: others.into_iter().map(|candidate| candidate.name.to_string()).collect(),
            }),
        }
    }

    /// The record of that name, and those that the id may stand for.
    async fn look_up(&self, address: &Address) -> Result<Vec<Candidate>, DatabaseError> {
        let control = self.control().await?;
        let statement = control
            .prepare_cached(
                "SELECT r.name, r.platform, r.schema_name IS NOT NULL AS stored, d.oid,
                        pg_catalog.pg_get_userbyid(d.datdba)::text AS owner
                 FROM public.databases AS r
                 LEFT JOIN pg_catalog.pg_database AS d ON d.datname = r.name
                 WHERE r.name = $1
                    OR r.platform = $2 AND r.schema_name IS NOT NULL
                       AND pg_catalog.lower(pg_catalog.replace(r.database_id, '-', '_')) = $3
                 ORDER BY r.name",
            )
            .await
            .map_err(DatabaseError::step("looking up the database"))?;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&address.name().as_str(), &address.platform().normal(), &fallback_id(address.which())];
        let rows = control.query(&statement, &parameters).await;
        Ok(rows.map_err(DatabaseError::step("looking up the database"))?.iter().map(read_candidate).collect())
    }

    async fn not_found(&self, address: &Address) -> Result<DatabaseError, DatabaseError> {
        let database = address.name().clone();
        let reason = if self.exists(&database).await? {
            "exists but was not registered; POST /register adopts it"
        } else {
            "does not exist; register it first"
        };
        Ok(DatabaseError::NotFound { database, reason: reason.to_owned() })
    }
}

/// The id by which a database made from a stored schema is meant too.
fn fallback_id(which: &Which) -> Option<&str> {
    match which {
        Which::Main => Some("main"),
        Which::Tenant(tenant) => Some(tenant.normal()),
        Which::Stored { .. } => None,
    }
}

fn read_candidate(row: &Row) -> Candidate {
    Candidate {
        name: DatabaseName::recorded(row.get("name")),
        platform: row.get("platform"),
        stored: row.get("stored"),
        oid: row.get("oid"),
        owner: row.get("owner"),
    }
}
