//! Databases that are being made. Under its own name a database stands only when it is whole: it is made under one of the
//! gateway's, and renamed in the end. Its record is there before, marked as of a creation, so that a kill in between leaves
//! nothing that could be taken for a platform's: what it leaves is found by that mark and by that name.
//!
//! The record of a database that was there once never bears the mark: somebody may be restoring it.

use super::Databases;
use super::error::DatabaseError;
use super::locks::DeploymentLock;
use super::name::{Address, DatabaseName};
use super::run_as::RunAs;

/// Names that only the gateway gives, and none that it keeps a record of or that somebody could mean by them.
const LEFT_BEHIND: &str = "
    SELECT d.datname FROM pg_catalog.pg_database AS d
    WHERE d.datname OPERATOR(pg_catalog.~) '^stonescriptdb-(blueprint|rehearsal|new)-[0-9a-f]+$'
      AND NOT EXISTS (SELECT FROM public.blueprints AS b WHERE b.name = d.datname)
    ORDER BY d.datname";

impl Databases {
    /// A copy of a template, or an empty database, under the name of `address`, which the platform has from now on. Whoever
    /// calls this holds the deployment lock of that name.
    ///
    /// After an error the record is as it was before. Dropped half-way, what there is is that of a killed gateway.
    pub async fn create_for(
        &self,
        address: &Address,
        lock: &DeploymentLock,
        template: Option<&DatabaseName>,
        run_as: &RunAs,
    ) -> Result<(), DatabaseError> {
        self.claim_new(address).await?;
        let made = self.make_and_rename(address.name(), template, run_as).await;
        let settled = match &made {
            // Somebody else made it meanwhile, by hand.
            Err(DatabaseError::Exists { .. }) => self.forget_creation(address.name()).await,
            _ => self.settle_record(address.name(), lock).await,
        };
        self.routes.forget(address.platform());
        if let Err(second) = settled {
            tracing::warn!(database = %address.name(), error = %second, "the record of a creation is left for the next sweep");
        }
        made
    }

    async fn make_and_rename(
        &self,
        name: &DatabaseName,
        template: Option<&DatabaseName>,
        run_as: &RunAs,
    ) -> Result<(), DatabaseError> {
        let unfinished = name.unfinished();
        // Tells everybody who sweeps that somebody works on it.
        let _lock = self.lock(&unfinished).await?;
        self.drop_database(&unfinished).await?;
        self.make_database(&unfinished, name, template, run_as).await
    }

    async fn forget_creation(&self, database: &DatabaseName) -> Result<(), DatabaseError> {
        let control = self.control().await?;
        let forget = "DELETE FROM public.databases WHERE name = $1 AND creating IS NOT NULL";
        let forgotten = control.execute(forget, &[&database.as_str()]).await;
        forgotten.map(drop).map_err(DatabaseError::step("forgetting the record of a creation"))
    }

    /// Of a creation that has ended, however it did: the record of a database that is there is that of any other one, and
    /// one of a database that never was is forgotten. Whoever holds the deployment lock knows that nobody is at it.
    pub async fn settle_record(&self, database: &DatabaseName, _lock: &DeploymentLock) -> Result<(), DatabaseError> {
        let control = self.control().await?;
        let settle = "
            WITH found AS (SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1) AS whole),
                 kept AS (UPDATE public.databases SET creating = NULL FROM found
                          WHERE name = $1 AND creating IS NOT NULL AND whole)
            DELETE FROM public.databases USING found WHERE name = $1 AND creating IS NOT NULL AND NOT whole";
        let settled = control.execute(settle, &[&database.as_str()]).await;
        settled.map(drop).map_err(DatabaseError::step("settling the record of a creation"))
    }

    /// Databases that a creation, a blueprint or a rehearsal left behind, or is at work on: their locks tell.
    pub async fn left_behind(&self) -> Result<Vec<DatabaseName>, DatabaseError> {
        let control = self.control().await?;
        let rows = control.query(LEFT_BEHIND, &[]).await;
        let rows = rows.map_err(DatabaseError::step("looking for databases that were left behind"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }

    /// The names in records of creations: some that are going on, some that never ended.
    pub async fn being_created(&self) -> Result<Vec<DatabaseName>, DatabaseError> {
        let control = self.control().await?;
        let rows =
            control.query("SELECT name FROM public.databases WHERE creating IS NOT NULL ORDER BY name", &[]).await;
        let rows = rows.map_err(DatabaseError::step("looking for creations that never ended"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }
}
