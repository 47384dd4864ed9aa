//! Function + parameters → rows as JSON.

use std::io;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::databases::Databases;
use crate::databases::name::Id;
use crate::error::ApiError;

/// Seam: written elsewhere.
#[derive(Debug)]
pub struct CallRequest {
    /// Who calls.
    pub platform: Id,
}

impl CallRequest {
    /// The database's name where the ids alone tell it: for the log.
    pub fn database_name(&self) -> Option<String> {
        None
    }
}

/// What a call answers with: JSON, whole or as it comes.
pub enum Answer {
    /// The whole body.
    Complete(Bytes),
    /// A body too large to hold.
    Streamed(BoxStream<'static, Result<Bytes, io::Error>>),
}

/// Seam.
#[derive(Debug, thiserror::Error)]
#[error("not built")]
pub struct CallError;

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        Self::internal(error)
    }
}

/// Seam.
pub fn parse_request(_body: &[u8]) -> Result<CallRequest, CallError> {
    Err(CallError)
}

/// Seam.
pub async fn run(_databases: &Databases, _request: CallRequest) -> Result<Answer, CallError> {
    Err(CallError)
}
