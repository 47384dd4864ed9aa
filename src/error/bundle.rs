//! A refused archive, as the client sees it.

use super::{ApiError, ErrorCode};
use crate::bundle::archive::ArchiveError;

/// 400 `schema_extraction_failed` for every one, with the entry at fault as `file`, its `line` where there is one.
impl From<ArchiveError> for ApiError {
    fn from(error: ArchiveError) -> Self {
        let (file, line) = error.place();
        Self::new(ErrorCode::SchemaExtractionFailed, error.to_string()).with_some("file", file).with_some("line", line)
    }
}
