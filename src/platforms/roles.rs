//! Whose databases a platform's are: given credentials, or with `PLATFORM_ROLES=auto` a role that the gateway makes up, so
//! that no uploaded code runs as the gateway's own. Both are kept in `platform.json`; `PLATFORM_ROLES=off` makes no new
//! roles, and goes on using those that are there.
//!
//! A role is made first and recorded second: if the gateway is killed in between, the next attempt finds the role and
//! gives it a new password. Gateways that share a server share the registry too, else they would do that to each other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Platforms, PlatformsError};
use crate::bundle::sql::tokens::hexadecimal;
use crate::databases::Role;
use crate::databases::name::{DatabaseName, Id};
use crate::registry::{Credentials, PlatformRecord, RegistryError};

/// What the names of generated roles begin with. The hyphen keeps them apart from platforms' names.
const PREFIX: &str = "stonescriptdb-";

/// PostgreSQL's limit, which it would silently cut a longer name to.
const MAX_ROLE_NAME_BYTES: usize = 63;

/// SCRAM allows more; nobody needs it.
const MAX_PASSWORD_BYTES: usize = 1024;

/// How long a platform that has no role is not looked up again: another gateway may have registered it with one.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The most of them that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Platforms without a role, and when that was found out.
#[derive(Debug, Default)]
pub(super) struct Without(Mutex<HashMap<String, Instant>>);

impl Without {
    fn knows(&self, platform: &Id) -> bool {
        let since = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(platform.normal()).copied();
        since.is_some_and(|since| since.elapsed() < ASK_AGAIN)
    }

    fn remember(&self, platform: &Id) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(platform.normal().to_owned(), Instant::now());
    }
}

impl Platforms {
    /// Before a deployment or a new database: the platform has its role, made now if it is to have one.
    pub async fn meet(&self, platform: &Id) -> Result<(), PlatformsError> {
        self.recall(platform).await?;
        if self.generates_roles && !self.databases.has_role(platform) {
            self.generate_role(platform).await?;
        }
        Ok(())
    }

    /// The same for a platform that may be nobody's: one without any database is not given a role.
    pub async fn meet_again(&self, platform: &Id) -> Result<(), PlatformsError> {
        self.recall(platform).await?;
        if self.generates_roles && !self.databases.has_role(platform) {
            return Box::pin(self.generate_missing_role(platform)).await;
        }
        Ok(())
    }

    async fn generate_missing_role(&self, platform: &Id) -> Result<(), PlatformsError> {
        if !self.databases.list(platform).await?.is_empty() {
            self.generate_role(platform).await?;
        }
        Ok(())
    }

    /// Before a call: the role that the registry has for the platform is known, if there is one.
    pub async fn recall(&self, platform: &Id) -> Result<(), PlatformsError> {
        if self.databases.has_role(platform) || self.without.knows(platform) {
            return Ok(());
        }
        Box::pin(self.read_role(platform)).await
    }

    async fn read_role(&self, platform: &Id) -> Result<(), PlatformsError> {
        let record = match self.registry.platform(platform).await {
            Err(RegistryError::Reserved { .. }) => None,
            record => record?,
        };
        let Some(credentials) = record.and_then(|record| record.credentials) else {
            self.without.remember(platform);
            return Ok(());
        };
        let generated = credentials.generated;
        let role = role_of(credentials);
        // Code that runs as a role may change its password. One that the gateway made up is its own to set right.
        if generated && !self.databases.opens(&role).await? {
            tracing::warn!(
                platform = platform.given(),
                role = role.user,
                "the platform's role gets its password again"
            );
            self.databases.admit_generated_role(&role, &self.roles_of_others(platform).await?).await?;
        }
        self.databases.set_role(platform, role);
        Ok(())
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
                for record in records {
                    if let (Ok(id), Some(credentials)) = (record.id(), record.credentials) {
                        self.databases.set_role(&id, role_of(credentials));
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the platforms' roles could not be read"),
        }
    }

    /// At the start, with `PLATFORM_ROLES=auto`: platforms of an earlier time, before anybody calls them.
    pub async fn meet_recorded(&self) {
        if !self.generates_roles {
            return;
        }
        let met = async {
            for name in self.databases.count_by_platform().await?.into_keys() {
                let Ok(platform) = Id::parse("platform", &name) else { continue };
                if let Err(error) = self.meet(&platform).await {
                    tracing::warn!(platform = name, %error, "the platform has no role of its own yet");
                }
            }
            Ok::<_, PlatformsError>(())
        };
        if let Err(error) = met.await {
            tracing::warn!(%error, "platforms get their roles when they come");
        }
    }

    /// Registers a platform whose databases belong to a role that the client named.
    pub(super) async fn register_with(&self, platform: &Id, role: Role) -> Result<(), PlatformsError> {
        check(&role)?;
        let writer = self.registry.writer(platform).await?;
        let known = self.registry.platform(platform).await?;
        if known.as_ref().is_some_and(|record| record.registered) {
            return Err(PlatformsError::AlreadyRegistered { platform: platform.given().to_owned() });
        }
        // One role for two platforms would be no wall between them, and two that register at once must not both have it.
        let lock = self.databases.lock(&DatabaseName::recorded(format!("role {}", role.user))).await?;
        let others = self.roles_of_others(platform).await?;
        if others.contains(&role.user) {
            return Err(refused("db_user is another platform's role; each needs one of its own"));
        }
        self.databases.admit_role(&role, &others).await?;
        let name = known.map_or_else(|| platform.given().to_owned(), |record| record.name);
        let credentials =
            Credentials { user: role.user.clone(), password: role.password().to_owned(), generated: false };
        let record = PlatformRecord { name, registered: true, credentials: Some(credentials) };
        self.registry.write_platform(&writer, record).await?;
        self.databases.set_role(platform, role);
        drop((lock, writer));
        self.hand_over(platform).await;
        Ok(())
    }

    async fn generate_role(&self, platform: &Id) -> Result<(), PlatformsError> {
        let writer = self.registry.writer(platform).await?;
        let known = self.registry.platform(platform).await?;
        if let Some(credentials) = known.as_ref().and_then(|record| record.credentials.clone()) {
            // Another request or gateway was quicker.
            self.databases.set_role(platform, role_of(credentials));
            return Ok(());
        }
        let role = Role::new(generated_name(platform), random_password());
        self.databases.admit_generated_role(&role, &self.roles_of_others(platform).await?).await?;
        let credentials =
            Some(Credentials { user: role.user.clone(), password: role.password().to_owned(), generated: true });
        let record = match known {
            Some(record) => PlatformRecord { credentials, ..record },
            None => PlatformRecord { name: platform.given().to_owned(), registered: false, credentials },
        };
        self.registry.write_platform(&writer, record).await?;
        self.databases.set_role(platform, role);
        drop(writer);
        self.hand_over(platform).await;
        Ok(())
    }

    /// All at once, so that the platform does not go on as somebody else. What fails here is handed over before the next
    /// call or deployment.
    async fn hand_over(&self, platform: &Id) {
        if let Err(error) = self.orchestrator.hand_over_all(platform).await {
            tracing::warn!(platform = platform.given(), %error, "not all databases were handed over to the platform's role");
        }
    }

    async fn roles_of_others(&self, platform: &Id) -> Result<Vec<String>, PlatformsError> {
        let records = self.registry.platforms().await?.into_iter();
        let others = records.filter(|record| record.id().is_ok_and(|id| id != *platform));
        Ok(others.filter_map(|record| Some(record.credentials?.user)).collect())
    }
}

fn role_of(credentials: Credentials) -> Role {
    Role::new(credentials.user, credentials.password)
}

/// What PostgreSQL would cut short, misread or refuse in words of its own.
fn check(role: &Role) -> Result<(), PlatformsError> {
    if role.user.len() > MAX_ROLE_NAME_BYTES {
        let bytes = role.user.len();
        return Err(refused(&format!("db_user has {bytes} bytes; PostgreSQL allows {MAX_ROLE_NAME_BYTES}")));
    }
    if role.user.chars().any(char::is_control) {
        return Err(refused("db_user holds a control character"));
    }
    if role.user.starts_with(PREFIX) {
        return Err(refused(&format!("db_user begins with {PREFIX}, as the roles that the gateway makes up do")));
    }
    if role.user.starts_with("pg_") || ["public", "none"].contains(&role.user.as_str()) {
        return Err(refused("db_user is a name that PostgreSQL reserves"));
    }
    if role.password().contains('\0') || role.password().len() > MAX_PASSWORD_BYTES {
        return Err(refused(&format!("db_password may have up to {MAX_PASSWORD_BYTES} bytes, and no NUL among them")));
    }
    Ok(())
}

fn refused(reason: &str) -> PlatformsError {
    PlatformsError::Credentials { reason: reason.to_owned() }
}

fn generated_name(platform: &Id) -> String {
    let name = format!("{PREFIX}{}", platform.normal());
    if name.len() <= MAX_ROLE_NAME_BYTES {
        return name;
    }
    // No platform's name holds a hyphen, so this is none of theirs.
    let digest = Sha256::digest(platform.normal().as_bytes());
    format!("{PREFIX}-{}", hexadecimal(&digest[..16]))
}

fn random_password() -> String {
    hexadecimal(&rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(given: &str) -> Id {
        Id::parse("platform", given).unwrap()
    }

    #[test]
    fn generated_names_are_never_cut_short_and_never_another_platforms() {
        assert_eq!(generated_name(&id("Todos-App")), "stonescriptdb-todos_app");
        let (one, other) = (generated_name(&id(&"p".repeat(62))), generated_name(&id(&"p".repeat(63))));
        assert!(one.len() <= 63 && other.len() <= 63 && one != other, "{one} {other}");
        assert!(one.starts_with("stonescriptdb--"));
    }

    #[test]
    fn malformed_credentials_are_refused_without_the_password() {
        let secret = "s3cret-word";
        let long = "u".repeat(64);
        for user in [long.as_str(), "a\0b", "a\nb", "stonescriptdb-other", "pg_monitor", "public", "none"] {
            let error = check(&Role::new(user.to_owned(), secret.to_owned())).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
        assert!(check(&Role::new("shop".to_owned(), format!("{secret}\0"))).is_err());
        assert!(check(&Role::new("shop".to_owned(), secret.to_owned())).is_ok());
        assert!(!format!("{:?}", Role::new("shop".to_owned(), secret.to_owned())).contains(secret));
    }
}
