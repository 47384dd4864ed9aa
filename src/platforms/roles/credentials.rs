//! The role that a client named for a platform, and the one that the gateway makes up.
//!
//! A role is made first and recorded second: if the gateway is killed in between, the next attempt finds the role and
//! gives it a new password. Gateways that share a server share the registry too, else they would do that to each other.

use sha2::{Digest, Sha256};

use crate::bundle::sql::tokens::hexadecimal;
use crate::databases::name::{DatabaseName, Id};
use crate::databases::{Role, RunAs};
use crate::platforms::{Platforms, PlatformsError};
use crate::registry::{Credentials, PlatformRecord};

/// What the names of generated roles begin with. The hyphen keeps them apart from platforms' names.
const PREFIX: &str = "stonescriptdb-";

/// PostgreSQL's limit, which it would silently cut a longer name to.
const MAX_ROLE_NAME_BYTES: usize = 63;

/// SCRAM allows more; nobody needs it.
const MAX_PASSWORD_BYTES: usize = 1024;

impl Platforms {
    /// Registers a platform whose databases belong to a role that the client named.
    pub(in crate::platforms) async fn register_with(
        &self,
        platform: &Id,
        user: String,
        password: String,
    ) -> Result<(), PlatformsError> {
        check(&user, &password)?;
        let role = self.role_of(Credentials { user, password, generated: false });
        let writer = self.registry.writer(platform).await?;
        let known = self.unregistered(platform).await?;
        // One role for two platforms would be no wall between them, and two that register at once must not both have it.
        let lock = self.databases.lock(&DatabaseName::recorded(format!("role {}", role.user()))).await?;
        let others = self.roles_of_others(platform).await?;
        if others.contains(&role.user().to_owned()) {
            return Err(refused("db_user is another platform's role; each needs one of its own"));
        }
        self.databases.admit_role(&role, &others).await?;
        let name = known.map_or_else(|| platform.given().to_owned(), |record| record.name);
        let record = PlatformRecord { name, registered: true, credentials: Some(record_of(&role)) };
        self.registry.write_platform(&writer, record).await?;
        let run_as = RunAs::Platform(role);
        self.known.set(platform, &run_as);
        drop((lock, writer));
        self.hand_over(platform, &run_as).await;
        Ok(())
    }

    /// Makes a role up for a platform that has none; what another request or gateway has made in the meantime is taken.
    pub(super) async fn generate_role(&self, platform: &Id) -> Result<RunAs, PlatformsError> {
        let writer = self.registry.writer(platform).await?;
        let known = self.registry.platform(platform).await?;
        if let Some(credentials) = known.as_ref().and_then(|record| record.credentials.clone()) {
            let run_as = RunAs::Platform(self.role_of(credentials));
            self.known.set(platform, &run_as);
            return Ok(run_as);
        }
        let (user, password) = (generated_name(platform), random_password());
        let role = self.role_of(Credentials { user, password, generated: true });
        self.databases.admit_generated_role(&role, &self.roles_of_others(platform).await?).await?;
        let credentials = Some(record_of(&role));
        let record = match known {
            Some(record) => PlatformRecord { credentials, ..record },
            None => PlatformRecord { name: platform.given().to_owned(), registered: false, credentials },
        };
        self.registry.write_platform(&writer, record).await?;
        let run_as = RunAs::Platform(role);
        self.known.set(platform, &run_as);
        drop(writer);
        self.hand_over(platform, &run_as).await;
        Ok(run_as)
    }
}

fn record_of(role: &Role) -> Credentials {
    Credentials { user: role.user().to_owned(), password: role.password().to_owned(), generated: role.upkeep().sets }
}

/// What PostgreSQL would cut short, misread or refuse in words of its own.
fn check(user: &str, password: &str) -> Result<(), PlatformsError> {
    if user.len() > MAX_ROLE_NAME_BYTES {
        let bytes = user.len();
        return Err(refused(&format!("db_user has {bytes} bytes; PostgreSQL allows {MAX_ROLE_NAME_BYTES}")));
    }
    if user.chars().any(char::is_control) {
        return Err(refused("db_user holds a control character"));
    }
    if user.starts_with(PREFIX) {
        return Err(refused(&format!("db_user begins with {PREFIX}, as the roles that the gateway makes up do")));
    }
    if user.starts_with("pg_") || ["public", "none"].contains(&user) {
        return Err(refused("db_user is a name that PostgreSQL reserves"));
    }
    if password.contains('\0') || password.len() > MAX_PASSWORD_BYTES {
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
    use crate::databases::Upkeep;

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
            let error = check(user, secret).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
        assert!(check("shop", &format!("{secret}\0")).is_err());
        assert!(check("shop", secret).is_ok());
        assert!(
            !format!("{:?}", Role::new("shop".to_owned(), secret.to_owned(), Upkeep { makes: true, sets: true }))
                .contains(secret)
        );
    }
}
