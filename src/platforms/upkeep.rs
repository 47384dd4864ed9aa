//! What killed gateways left behind goes away in the background: on the server ([`Orchestrator::sweep`]) and on the disk
//! ([`Registry::sweep`]), after the start and every hour. Every hour platforms' roles are looked after as well, which the start
//! has done already.
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
        regularly(|| self.clone().sweep(), || self.meet_recorded()).await;
    }

    async fn sweep(self) -> Result<Swept, PlatformsError> {
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

/// At once, and again and again until the gateway stops; `meet` before each time but the first.
async fn regularly<F, M>(mut sweep: impl FnMut() -> F, mut meet: impl FnMut() -> M)
where
    F: Future<Output = Result<Swept, PlatformsError>>,
    M: Future<Output = ()>,
{
    loop {
        let pause = match sweep().await {
            Ok(_) => EVERY,
            Err(PlatformsError::Deploy(DeployError::Database(DatabaseError::Closed))) => return,
            Err(error) => {
                tracing::warn!(%error, "what was left behind could not be looked for; it is tried again");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
        meet().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_swept_every_hour_sooner_after_a_failure_and_no_more_once_the_gateway_stops() {
        let began = Instant::now();
        let (mut swept_at, mut met_at) = (Vec::new(), Vec::new());
        let ends = |error| Err(PlatformsError::Deploy(DeployError::Database(error)));
        let sweep = || {
            swept_at.push(began.elapsed().as_secs());
            std::future::ready(match swept_at.len() {
                2 => ends(DatabaseError::Unreachable { cause: "away".to_owned() }),
                5 => ends(DatabaseError::Closed),
                _ => Ok(Swept::default()),
            })
        };
        let meet = || {
            met_at.push(began.elapsed().as_secs());
            std::future::ready(())
        };
        regularly(sweep, meet).await;
        assert_eq!(swept_at, [0, 3600, 3660, 7260, 10860]);
        assert_eq!(met_at, swept_at[1..], "platforms' roles are looked after each time but the first");
    }
}
