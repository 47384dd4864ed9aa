//! What goes wrong with platforms and their stored schemas.

use crate::databases::DatabaseError;
use crate::orchestrator::DeployError;
use crate::registry::RegistryError;
use crate::uploads::UploadsError;

/// Why a request about a platform was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum PlatformsError {
    /// Nobody registered it.
    #[error("the platform {platform} is not registered; POST /platform/register does that")]
    PlatformNotFound {
        /// As it was given.
        platform: String,
    },
    /// Nothing is stored under the name.
    #[error("the platform has no schema {schema}; POST /platform/{{platform}}/schema stores one")]
    SchemaNotFound {
        /// As it was given.
        schema: String,
    },
    /// Register, where it is.
    #[error("the platform {platform} is registered already")]
    AlreadyRegistered {
        /// As it was given.
        platform: String,
    },
    /// A schema's name that reads like one which is stored.
    #[error("the schema {given} reads like {stored}, which is stored already; use that name, or another one")]
    OtherSpelling {
        /// As it was given now.
        given: String,
        /// As it was given then.
        stored: String,
    },
    /// A schema's name that only reads like the one that is stored, where nothing is made.
    #[error("the platform has no schema {given}; there is {stored}, so send the name as it was written then")]
    UnknownSpelling {
        /// As it was given now.
        given: String,
        /// As it was given then.
        stored: String,
    },
    /// Credentials that cannot be a platform's.
    #[error("{reason}")]
    Credentials {
        /// Why not, without the password.
        reason: String,
    },
    /// A deployment, or a bundle that does not deploy.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// No memory for a stored bundle.
    #[error(transparent)]
    Uploads(#[from] UploadsError),
    /// The folder on disk.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No connection, or the gateway's records.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl PlatformsError {
    /// For `map_err`: where a schema is only looked up, one that reads like it is no conflict but another one.
    pub(super) fn unknown_spelling(self) -> Self {
        match self {
            Self::OtherSpelling { given, stored } => Self::UnknownSpelling { given, stored },
            other => other,
        }
    }
}
