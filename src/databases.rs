//! Which database, whose it is, a connection to it.

pub mod name;

use crate::error::ApiError;
use name::Id;

/// Seam: written elsewhere.
#[derive(Debug, Default)]
pub struct Databases;

/// What `/health` tells.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    /// Whether PostgreSQL answers.
    pub connected: bool,
    /// Pools in use.
    pub active_pools: usize,
    /// Server connections open.
    pub total_connections: usize,
}

/// One database of a list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DatabaseInfo {
    /// Its name.
    pub name: String,
    /// `main` or `tenant`.
    pub r#type: String,
    /// Its size.
    pub size_mb: u64,
}

impl Databases {
    /// Seam.
    pub async fn health(&self) -> Health {
        Health { connected: false, active_pools: 0, total_connections: 0 }
    }

    /// Seam.
    pub async fn list(&self, _platform: &Id) -> Result<Vec<DatabaseInfo>, ApiError> {
        Err(ApiError::internal("not built"))
    }
}
