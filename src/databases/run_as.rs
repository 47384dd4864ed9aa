//! As whom a session in a platform's database is opened: a value that is decided once per request ([`crate::platforms`])
//! and passed to whatever opens one. Uploaded code runs as the session's role, and as the session's own role it can get no
//! further, whatever it resets.
//!
//! Nothing turns the one into the other: a role that is missing, shut out or unknown is an error, or is made again. The
//! gateway's own sessions in platforms' databases (handing over, extensions) are of another type, [`super::InsideSession`].

use std::fmt;
use std::sync::Arc;

/// As whom a platform's code runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// As the platform's own role.
    Platform(Role),
    /// As the gateway's role: `PLATFORM_ROLES=off`, and the platform has no credentials. Decided by the configuration, never
    /// by a failure.
    Gateway,
}

impl RunAs {
    /// The platform's role, where it has one.
    pub fn role(&self) -> Option<&Role> {
        match self {
            Self::Platform(role) => Some(role),
            Self::Gateway => None,
        }
    }

    /// The name of the role that the platform's databases are given to; none: they stay the gateway's own.
    pub fn owner(&self) -> Option<&str> {
        self.role().map(Role::user)
    }
}

/// What the gateway does about a role that PostgreSQL does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// Makes it again where it is missing: `PLATFORM_ROLES=auto`.
    pub makes: bool,
    /// Gives it its password again: the gateway made both up.
    pub sets: bool,
}

/// A platform's role of PostgreSQL and the password that opens it. Its `Debug` hides the password. Cheap to clone.
#[derive(Clone)]
pub struct Role(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    user: String,
    password: String,
    upkeep: Upkeep,
}

impl Role {
    /// A role with its password.
    pub fn new(user: String, password: String, upkeep: Upkeep) -> Self {
        Self(Arc::new(Parts { user, password, upkeep }))
    }

    /// Its name.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// For the server and the registry's record, and for nothing that anybody reads.
    pub fn password(&self) -> &str {
        &self.0.password
    }

    /// What is done where PostgreSQL does not let it in.
    pub fn upkeep(&self) -> Upkeep {
        self.0.upkeep
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        // Each call compares: nearly always it is the very same.
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Role {}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role").field("user", &self.0.user).finish_non_exhaustive()
    }
}
