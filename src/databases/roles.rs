//! The roles that platforms' databases belong to, in memory, by the platform's normal name. Whoever opens a connection to
//! a platform's database asks here as whom: uploaded code runs as the session's role, and as the session's own role it
//! can get no further, whatever it resets.
//!
//! Filled by [`crate::platforms`] from the registry. A role that the server did not let in is forgotten, so that the next
//! request reads again what the registry has to say.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use foldhash::HashMap;

use super::Databases;
use super::name::Id;

/// A role of PostgreSQL and the password that opens it. Its `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub user: String,
    password: String,
}

impl Role {
    /// A role with its password.
    pub fn new(user: String, password: String) -> Self {
        Self { user, password }
    }

    /// For the registry's record, and for nothing that anybody reads.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The roles by platform.
#[derive(Debug, Default)]
pub(super) struct Roles {
    by_platform: RwLock<HashMap<String, Role>>,
}

impl Roles {
    /// The role of a platform, by its normal name.
    pub(super) fn get(&self, platform: &str) -> Option<Role> {
        self.by_platform.read().unwrap_or_else(PoisonError::into_inner).get(platform).cloned()
    }

    fn has(&self, platform: &str) -> bool {
        self.by_platform.read().unwrap_or_else(PoisonError::into_inner).contains_key(platform)
    }

    fn set(&self, platform: &str, role: Role) {
        self.by_platform.write().unwrap_or_else(PoisonError::into_inner).insert(platform.to_owned(), role);
    }

    /// Forgets `refused`; another one that has taken its place stays.
    pub(super) fn forget(&self, platform: &str, refused: &Role) {
        let mut by_platform = self.by_platform.write().unwrap_or_else(PoisonError::into_inner);
        if by_platform.get(platform).is_some_and(|known| known == refused) {
            by_platform.remove(platform);
        }
    }
}

impl Databases {
    /// From now on the platform's databases are opened as this role, once they belong to it.
    pub fn set_role(&self, platform: &Id, role: Role) {
        self.pools.roles.set(platform.normal(), role);
    }

    /// Whether a role is known for the platform.
    pub fn has_role(&self, platform: &Id) -> bool {
        self.pools.roles.has(platform.normal())
    }

    /// The role of a platform, where it has one.
    pub fn role_of(&self, platform: &Id) -> Option<Role> {
        self.pools.roles.get(platform.normal())
    }
}
