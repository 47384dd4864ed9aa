//! From the ids of a call to the database that serves it, without a query where it was asked before.
//!
//! Kind and ids decide, as they were written when the database was made; the name that they read is only where to look
//! (contract §2, "The ids decide"). Where no record has them, an id may still be that of one database made from a stored
//! schema (contract §6, `POST /call`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::Databases;
use super::database::Database;
use super::error::DatabaseError;
use super::name::{Address, DatabaseName, Id, Which};
use super::owner::read_which;
use super::run_as::RunAs;

/// How long an id that is not the name of a database stands for another one before it is looked up again: another
/// gateway may have made a database of that name.
const DETOUR_LIFETIME: Duration = Duration::from_secs(5);

/// The most of them that are remembered.
const MAX_DETOURS: usize = 100_000;

/// Addresses that no record has, and the database that is meant. Found by the name that they would make, told apart by
/// platform and ids.
#[derive(Debug, Default)]
pub(super) struct Routes {
    detours: RwLock<HashMap<DatabaseName, Vec<Detour>>>,
}

#[derive(Debug)]
struct Detour {
    from: Address,
    to: Arc<Database>,
    since: Instant,
}

impl Detour {
    fn is_of(&self, address: &Address) -> bool {
        self.from.platform() == address.platform() && self.from.which().is_written_like(address.which())
    }

    fn is_current(&self) -> bool {
        self.since.elapsed() < DETOUR_LIFETIME && self.to.is_current()
    }
}

impl Routes {
    fn get(&self, address: &Address) -> Option<Arc<Database>> {
        let detours = self.detours.read().unwrap_or_else(PoisonError::into_inner);
        let detour = detours.get(address.name())?.iter().find(|detour| detour.is_of(address))?;
        detour.is_current().then(|| detour.to.clone())
    }

    fn insert(&self, address: &Address, database: &Arc<Database>) {
        let mut detours = self.detours.write().unwrap_or_else(PoisonError::into_inner);
        if detours.len() >= MAX_DETOURS {
            detours.clear();
        }
        let of_name = detours.entry(address.name().clone()).or_default();
        of_name.retain(|detour| detour.is_current() && !detour.is_of(address));
        of_name.push(Detour { from: address.clone(), to: database.clone(), since: Instant::now() });
    }

    /// A database of the platform was made or dropped: an id may mean another one now, or two.
    pub(super) fn forget(&self, platform: &Id) {
        let mut detours = self.detours.write().unwrap_or_else(PoisonError::into_inner);
        detours.retain(|_, of_name| {
            of_name.retain(|detour| detour.from.platform() != platform);
            !of_name.is_empty()
        });
    }
}

/// One row of [`Databases::look_up`].
struct Candidate {
    name: DatabaseName,
    platform: String,
    which: Which,
    oid: Option<u32>,
    /// The role that owns it.
    owner: Option<String>,
}

impl Databases {
    /// The database that serves the calls of an address, opened as `run_as`; its owner is checked.
    pub async fn resolve(&self, address: &Address, run_as: &RunAs) -> Result<Arc<Database>, DatabaseError> {
        if let Some(database) = self.pools.get(address.name())
            && database.is_meant_by(address)
            && database.run_as == *run_as
            && database.is_current()
        {
            return Ok(database);
        }
        if let Some(database) = self.routes.get(address)
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
        // Whether it is handed over is decided by what the registry says now, not by what a call remembers.
        if let Some(role) = run_as.owner().filter(|role| candidate.owner.as_deref() != Some(role)) {
            return Err(DatabaseError::NotTheRoles { database: candidate.name, role: role.to_owned() });
        }
        let is_detour = !candidate.which.is_written_like(address.which());
        let database = self.pools.entry(&candidate.name, platform, candidate.which, oid, run_as);
        if is_detour {
            self.routes.insert(address, &database);
        }
        Ok(database)
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

    /// The one whose record has the address's kind and ids; else the only one made from a stored schema whose id it gives.
    async fn choose(&self, address: &Address) -> Result<Candidate, DatabaseError> {
        let all = self.look_up(address).await?;
        let (mut own, foreign): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|candidate| candidate.platform == address.platform().normal());
        if let Some(at) = own.iter().position(|candidate| candidate.which.is_written_like(address.which())) {
            return Ok(own.swap_remove(at));
        }
        let id = fallback_id(address.which()).map(Id::given);
        let (mut meant, alike): (Vec<_>, Vec<_>) =
            own.into_iter().partition(|candidate| id.is_some() && id == database_id(&candidate.which));
        match meant.len() {
            1 => Ok(meant.remove(0)),
            0 if !foreign.is_empty() => Err(DatabaseError::OtherPlatform { database: address.name().clone() }),
            0 if !alike.is_empty() => Err(written_otherwise(address, &alike)),
            0 => Err(self.not_found(address).await?),
            _ => Err(DatabaseError::Ambiguous {
                id: id.unwrap_or_default().to_owned(),
                databases: meant.into_iter().map(|candidate| candidate.name.to_string()).collect(),
            }),
        }
    }

    /// The record of that name, whoever has it, and the platform's that the id may stand for, or reads like.
    async fn look_up(&self, address: &Address) -> Result<Vec<Candidate>, DatabaseError> {
        let control = self.control().await?;
        let statement = control
            .prepare_cached(
                "SELECT r.name, r.platform, r.tenant_id, r.schema_name, r.database_id, d.oid,
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
            [&address.name().as_str(), &address.platform().normal(), &fallback_id(address.which()).map(Id::normal)];
        let rows = control.query(&statement, &parameters).await;
        rows.map_err(DatabaseError::step("looking up the database"))?.iter().map(read_candidate).collect()
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

/// The platform has databases of which kind and ids read like those of the address.
fn written_otherwise(address: &Address, alike: &[Candidate]) -> DatabaseError {
    let recorded: Vec<_> = alike.iter().map(|candidate| candidate.which.sentence()).collect();
    DatabaseError::NotFound { database: address.name().clone(), reason: ids_to_send(&recorded.join(" or ")) }
}

/// For a platform that has a database under other ids than it sends.
pub(crate) fn ids_to_send(recorded: &str) -> String {
    format!("is not known by these ids; send the ids that it was made with, as they were written then: {recorded}")
}

/// The id by which a database made from a stored schema is meant too.
fn fallback_id(which: &Which) -> Option<&Id> {
    static MAIN: LazyLock<Option<Id>> = LazyLock::new(|| Id::parse("tenant_id", "main").ok());
    match which {
        Which::Main => MAIN.as_ref(),
        Which::Tenant(tenant) => Some(tenant),
        Which::Stored { .. } => None,
    }
}

/// The id of one that was made from a stored schema.
fn database_id(which: &Which) -> Option<&str> {
    match which {
        Which::Stored { database, .. } => Some(database.given()),
        Which::Main | Which::Tenant(_) => None,
    }
}

fn read_candidate(row: &Row) -> Result<Candidate, DatabaseError> {
    Ok(Candidate {
        name: DatabaseName::recorded(row.get("name")),
        platform: row.get("platform"),
        which: read_which(row)?,
        oid: row.get("oid"),
        owner: row.get("owner"),
    })
}
