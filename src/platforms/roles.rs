//! As whom a platform's code runs: the one place that knows and decides. Given credentials, or with `PLATFORM_ROLES=auto` a
//! role that the gateway makes up, so that no uploaded code runs as the gateway's own. Both are kept in `platform.json`;
//! `PLATFORM_ROLES=off` makes no new roles, and goes on using those that are there.
//!
//! What was read is remembered for calls; each deployment reads again and looks whether the role is as it was made. (That it is no
//! more than an ordinary one is looked at whenever a session opens, too.) A
//! registry that cannot be read is an error: nobody's code runs as the gateway because something failed.
//!
//! | file          | what it owns                                   |
//! | ------------- | ---------------------------------------------- |
//! | `credentials` | a role that a client named, one that is made up |

mod credentials;

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{Platforms, PlatformsError};
use crate::databases::name::{DatabaseName, Id};
use crate::databases::{Role, RunAs, Upkeep};
use crate::registry::{Credentials, RegistryError};

/// How long it is taken for granted that a platform has no credentials (`PLATFORM_ROLES=off`): another gateway may have
/// registered it with some.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The most platforms that are remembered: more of them have fewer calls each, and a file is soon read.
const MAX_REMEMBERED: usize = 10_000;

/// As whom platforms' code runs, by the platform's normal name.
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<HashMap<String, (RunAs, Instant)>>);

impl Known {
    fn get(&self, platform: &Id) -> Option<RunAs> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (run_as, since) = known.get(platform.normal())?;
        let holds = run_as.role().is_some() || since.elapsed() < ASK_AGAIN;
        holds.then(|| run_as.clone())
    }

    fn set(&self, platform: &Id, run_as: &RunAs) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(platform.normal().to_owned(), (run_as.clone(), Instant::now()));
    }
}

impl Platforms {
    /// Before a deployment or a new database: as whom the platform's code runs. A role that it is to have is made now.
    pub async fn run_as(&self, platform: &Id) -> Result<RunAs, PlatformsError> {
        match self.read_role(platform).await? {
            Some(run_as) => self.looked_after(platform, run_as).await,
            None => self.generate_role(platform).await,
        }
    }

    /// The same for a platform that may be nobody's: one without any database is given no role, and none is the answer.
    pub async fn run_as_where_databases_are(&self, platform: &Id) -> Result<Option<RunAs>, PlatformsError> {
        let run_as = match self.read_role(platform).await? {
            Some(run_as) => Some(self.looked_after(platform, run_as).await?),
            None => self.generate_role_where_databases_are(platform).await?,
        };
        Ok(run_as)
    }

    /// Before a call: what was found out before, else what the registry says. None where the platform has neither role nor
    /// database.
    pub async fn run_as_for_call(&self, platform: &Id) -> Result<Option<RunAs>, PlatformsError> {
        match self.known.get(platform) {
            Some(run_as) => Ok(Some(run_as)),
            // On the heap, like every way that most calls do not take.
            None => Box::pin(self.run_as_of_unknown(platform)).await,
        }
    }

    /// Where a call found that a database is not its platform's role's: made before the platform had one, or given to another
    /// by another gateway. What the registry says now counts; the database is handed over if it is not that role's.
    pub async fn run_as_after_handing_over(
        &self,
        platform: &Id,
        database: &DatabaseName,
    ) -> Result<RunAs, PlatformsError> {
        let run_as = self.run_as(platform).await?;
        let lock = self.databases.lock(database).await?;
        self.databases.hand_over(&run_as, database, &lock).await?;
        Ok(run_as)
    }

    async fn run_as_of_unknown(&self, platform: &Id) -> Result<Option<RunAs>, PlatformsError> {
        let Some(run_as) = self.read_role(platform).await? else {
            return self.generate_role_where_databases_are(platform).await;
        };
        self.known.set(platform, &run_as);
        Ok(Some(run_as))
    }

    /// What the registry says; none: the platform is to have a role and has none yet.
    async fn read_role(&self, platform: &Id) -> Result<Option<RunAs>, PlatformsError> {
        let record = match self.registry.platform(platform).await {
            // A name that nobody can register is one that nobody has.
            Err(RegistryError::Reserved { .. }) => None,
            record => record?,
        };
        Ok(match record.and_then(|record| record.credentials) {
            Some(credentials) => Some(RunAs::Platform(self.role_of(credentials))),
            None => (!self.generates_roles).then_some(RunAs::Gateway),
        })
    }

    /// The role is on the server, as it was made.
    async fn looked_after(&self, platform: &Id, run_as: RunAs) -> Result<RunAs, PlatformsError> {
        // The very same value, where it is equal: who compares is quicker.
        let run_as = self.known.get(platform).filter(|known| *known == run_as).unwrap_or(run_as);
        if let RunAs::Platform(role) = &run_as {
            let mut member_of = self.databases.ensure_role(role).await?;
            if role.upkeep().sets && !member_of.is_empty() {
                let others = self.roles_of_others(platform).await?;
                member_of.retain(|role| others.contains(role));
                self.databases.part_roles(role, &member_of).await?;
            }
        }
        self.known.set(platform, &run_as);
        Ok(run_as)
    }

    async fn generate_role_where_databases_are(&self, platform: &Id) -> Result<Option<RunAs>, PlatformsError> {
        if !self.databases.has_any(platform).await? {
            return Ok(None);
        }
        self.generate_role(platform).await.map(Some)
    }

    /// At the start: what the registry knows. Opens no connection; what is damaged is named, and hides nothing else.
    pub async fn load_roles(&self) {
        match self.registry.check().await {
            Ok(damaged) => {
                for error in damaged {
                    tracing::error!(%error, "what is stored of a platform is damaged");
                }
            }
            Err(error) => tracing::error!(%error, "the registry cannot be read"),
        }
        match self.registry.platforms().await {
            Ok(records) => {
                for record in records.into_iter().take(MAX_REMEMBERED) {
                    if let (Ok(id), Some(credentials)) = (record.id(), record.credentials) {
                        self.known.set(&id, &RunAs::Platform(self.role_of(credentials)));
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the platforms' roles could not be read"),
        }
    }

    /// At the start and every hour: roles are as they were made, those that may do more are used no longer, and with
    /// `PLATFORM_ROLES=auto` platforms of an earlier time get theirs, before anybody calls them.
    pub async fn meet_recorded(&self) {
        let met = async {
            for name in self.databases.count_by_platform().await?.into_keys() {
                let Ok(platform) = Id::parse("platform", &name) else { continue };
                if let Err(error) = self.run_as(&platform).await {
                    tracing::warn!(platform = name, %error, "the platform's role is not as it has to be");
                }
            }
            Ok::<_, PlatformsError>(())
        };
        if let Err(error) = met.await {
            tracing::warn!(%error, "platforms get their roles when they come");
        }
    }

    /// All at once, so that the platform does not go on as somebody else. What fails here is handed over before the next
    /// call or deployment.
    async fn hand_over(&self, platform: &Id, run_as: &RunAs) {
        if let Err(error) = self.orchestrator.hand_over_all(platform, run_as).await {
            tracing::warn!(platform = platform.given(), %error, "not all databases were handed over to the platform's role");
        }
    }

    async fn roles_of_others(&self, platform: &Id) -> Result<Vec<String>, PlatformsError> {
        let records = self.registry.platforms().await?.into_iter();
        let others = records.filter(|record| record.id().is_ok_and(|id| id != *platform));
        Ok(others.filter_map(|record| Some(record.credentials?.user)).collect())
    }

    fn role_of(&self, credentials: Credentials) -> Role {
        let Credentials { user, password, generated } = credentials;
        Role::new(user, password, Upkeep { makes: self.generates_roles, sets: generated })
    }
}
