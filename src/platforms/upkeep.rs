//! What killed gateways left behind goes away in the background: on the server ([`Orchestrator::sweep`]) and on the disk
//! ([`Registry::sweep`]), after the start and every hour.
//!
//! [`Orchestrator::sweep`]: crate::orchestrator::Orchestrator::sweep
//! [`Registry::sweep`]: crate::registry::Registry::sweep

use std::time::Duration;

use super::{Platforms, PlatformsError};
use crate::databases::DatabaseError;
use crate::orchestrator::{DeployError, Swept};

const EVERY: Duration = Duration::from_secs(3600);

/// After a failure: PostgreSQL may be away.
const AGAIN: Duration = Duration::from_secs(60);

impl Platforms {
    /// Sweeps for as long as the gateway runs.
    pub async fn sweep_regularly(self) {
        loop {
            let pause = match self.sweep().await {
                Ok(_) => EVERY,
                Err(PlatformsError::Deploy(DeployError::Database(DatabaseError::Closed))) => return,
                Err(error) => {
                    tracing::warn!(%error, "what was left behind could not be looked for; it is tried again");
                    AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn sweep(&self) -> Result<Swept, PlatformsError> {
        for error in self.registry.sweep().await? {
            tracing::warn!(%error, "files that were left behind could not be removed");
        }
        let swept = self.orchestrator.sweep().await?;
        if swept != Swept::default() {
            let Swept { databases, records, blueprints, backends } = swept;
            tracing::info!(databases, records, blueprints, backends, "what was left behind is gone");
        }
        Ok(swept)
    }
}
