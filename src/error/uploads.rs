//! An upload for which there is no memory, as the client sees it.

use super::{ApiError, ErrorCode};
use crate::uploads::UploadsError;

impl From<UploadsError> for ApiError {
    fn from(error: UploadsError) -> Self {
        let message = error.to_string();
        match error {
            UploadsError::Busy { .. } | UploadsError::NoReader { .. } => Self::new(ErrorCode::UploadsBusy, message),
            UploadsError::ArchiveTooLarge { .. } => Self::new(ErrorCode::PayloadTooLarge, message),
            UploadsError::BundleTooLarge { dearest, .. } => {
                let (file, line) = dearest.unzip();
                Self::new(ErrorCode::PayloadTooLarge, message).with_some("file", file).with_some("line", line)
            }
        }
    }
}
