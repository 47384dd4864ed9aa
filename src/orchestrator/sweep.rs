//! What a killed gateway left behind goes away, and so does what could not be removed in its time: blueprints without a
//! record, copies on which something was rehearsed, databases that were never whole, records of creations that never
//! ended, backends inside a deployment that nobody waits for. [`crate::platforms`] has it done at the start and every hour.
//!
//! Whoever works on such a thing holds the deployment lock of its name, in whichever gateway; what is locked is left
//! alone. A database that could be a platform's is never touched here: only names that the gateway gives, which hold a
//! hyphen, and records that bear the mark of a creation.

use std::time::Duration;

use super::Orchestrator;
use super::error::DeployError;
use super::runner::INSIDE_KEY;
use crate::databases::name::DatabaseName;

/// Between two databases that are dropped: each costs PostgreSQL a checkpoint.
const PAUSE: Duration = Duration::from_millis(500);

/// What went away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Databases.
    pub databases: usize,
    /// Records of creations that had ended, one way or the other.
    pub records: usize,
    /// Records of blueprints that are gone.
    pub blueprints: usize,
    /// Backends that were inside a deployment whose gateway is gone.
    pub backends: usize,
}

impl Orchestrator {
    /// Removes what nobody works on any more. Something that cannot be removed hides nothing else.
    pub async fn sweep(&self) -> Result<Swept, DeployError> {
        let mut swept = Swept::default();
        for name in self.databases.being_created().await? {
            match self.sweep_record(&name).await {
                Ok(settled) => swept.records += usize::from(settled),
                Err(error) => tracing::warn!(database = %name, %error, "the record of a creation could not be settled"),
            }
        }
        for name in self.databases.left_behind().await? {
            match self.sweep_database(&name).await {
                Ok(false) => {}
                Ok(true) => {
                    swept.databases += 1;
                    tracing::info!(database = %name, "a database that was left behind was dropped");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(database = %name, %error, "a database that was left behind could not be dropped");
                }
            }
        }
        for name in self.databases.being_deployed_to(INSIDE_KEY).await? {
            match self.sweep_backends(&name).await {
                Ok(ended) => swept.backends += usize::from(ended),
                // A superuser's, say, which a gateway that is none may not end.
                Err(error) => {
                    tracing::warn!(database = %name, %error, "a backend inside a deployment could not be ended")
                }
            }
        }
        swept.blueprints = self.sweep_records_of_blueprints().await?;
        self.seal_blueprints().await?;
        Ok(swept)
    }

    async fn sweep_record(&self, name: &DatabaseName) -> Result<bool, DeployError> {
        let Some(lock) = self.databases.try_lock(name).await? else { return Ok(false) };
        self.databases.settle_record(name, &lock).await?;
        Ok(true)
    }

    async fn sweep_database(&self, name: &DatabaseName) -> Result<bool, DeployError> {
        let Some(_lock) = self.databases.try_lock(name).await? else { return Ok(false) };
        // Perhaps a blueprint that was whole and recorded just before its lock was given back.
        if !self.databases.left_behind().await?.contains(name) {
            return Ok(false);
        }
        self.databases.drop_left_behind(name).await?;
        Ok(true)
    }

    async fn sweep_backends(&self, name: &DatabaseName) -> Result<bool, DeployError> {
        let Some(lock) = self.databases.try_lock(name).await? else { return Ok(false) };
        Ok(self.databases.end_orphan(INSIDE_KEY, &lock).await?)
    }

    /// Somebody dropped the database, or a kill came between the two.
    async fn sweep_records_of_blueprints(&self) -> Result<usize, DeployError> {
        const GONE: &str = "SELECT b.name FROM public.blueprints AS b
                            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = b.name)";
        let failed = DeployError::own("looking for blueprints that are gone");
        let rows = self.databases.control().await?.query(GONE, &[]).await.map_err(&failed)?;
        let mut forgotten = 0;
        for row in rows {
            let name = DatabaseName::recorded(row.get(0));
            let Some(_lock) = self.databases.try_lock(&name).await? else { continue };
            let forget = format!("DELETE FROM public.blueprints WHERE name = $1 AND name IN ({GONE})");
            let control = self.databases.control().await?;
            forgotten += control.execute(&forget, &[&name.as_str()]).await.map_err(&failed)?;
        }
        Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
    }

    /// An earlier version left blueprints to their platforms' roles, which could open them again: they are taken back also
    /// where nobody uses them any more.
    async fn seal_blueprints(&self) -> Result<(), DeployError> {
        const UNSEALED: &str = "SELECT b.name FROM public.blueprints AS b
                                JOIN pg_catalog.pg_database AS d ON d.datname = b.name
                                JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba
                                WHERE d.datallowconn OR r.rolname <> current_user";
        let failed = DeployError::own("looking for blueprints that are not the gateway's");
        let rows = self.databases.control().await?.query(UNSEALED, &[]).await.map_err(failed)?;
        for row in rows {
            let name = DatabaseName::recorded(row.get(0));
            let Some(_lock) = self.databases.try_lock(&name).await? else { continue };
            if let Err(error) = self.databases.seal_database(&name).await {
                tracing::warn!(database = %name, %error, "a blueprint could not be taken back");
            }
        }
        Ok(())
    }
}
