//! Bundle + database → deployment.

use crate::bundle::Bundle;
use crate::config::Config;
use crate::databases::Databases;
use crate::databases::name::Address;
use crate::error::ApiError;

/// Seam: written elsewhere.
#[derive(Debug, serde::Serialize)]
pub struct Registered {
    /// `ready`
    pub status: &'static str,
}

/// Seam.
pub async fn register(
    _databases: &Databases,
    _config: &Config,
    _address: &Address,
    _bundle: Bundle,
    _force: bool,
) -> Result<Registered, ApiError> {
    Err(ApiError::internal("not built"))
}

/// Seam.
pub async fn create_tenant(_databases: &Databases, _config: &Config, _address: &Address) -> Result<(), ApiError> {
    Err(ApiError::internal("not built"))
}
