//! What goes wrong with platforms and stored schemas, as the client sees it.

use super::{ApiError, ErrorCode};
use crate::platforms::PlatformsError;
use crate::registry::RegistryError;

impl From<PlatformsError> for ApiError {
    fn from(error: PlatformsError) -> Self {
        let message = error.to_string();
        match error {
            PlatformsError::PlatformNotFound { platform } => {
                Self::new(ErrorCode::PlatformNotFound, message).with("platform", platform)
            }
            PlatformsError::SchemaNotFound { schema } => {
                Self::new(ErrorCode::SchemaNotFound, message).with("schema_name", schema)
            }
            PlatformsError::UnknownSpelling { given, .. } => {
                Self::new(ErrorCode::SchemaNotFound, message).with("schema_name", given)
            }
            PlatformsError::AlreadyRegistered { platform } => {
                Self::new(ErrorCode::AlreadyRegistered, message).with("platform", platform)
            }
            PlatformsError::OtherSpelling { .. } | PlatformsError::Credentials { .. } => Self::invalid_request(message),
            PlatformsError::Deploy(error) => error.into(),
            PlatformsError::Uploads(error) => error.into(),
            PlatformsError::Registry(error) => error.into(),
            PlatformsError::Database(error) => error.into(),
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        match &error {
            RegistryError::Reserved { .. } => Self::invalid_request(error.to_string()),
            // Paths of the machine are the log's business.
            RegistryError::Damaged { .. } => Self::new(
                ErrorCode::InternalError,
                "what is stored of the platform on the gateway's disk is damaged; the gateway's log names the file",
            )
            .logging(error),
            RegistryError::NoReader(error) => error.clone().into(),
            RegistryError::Full { .. } => Self::data_dir_full().logging(error),
            RegistryError::ReadOnly { .. } => Self::new(
                ErrorCode::InternalError,
                "the gateway may not write to its data folder; nothing was changed, its log says more",
            )
            .logging(error),
            RegistryError::Io { .. } | RegistryError::Stopped { .. } => Self::internal(error),
        }
    }
}
