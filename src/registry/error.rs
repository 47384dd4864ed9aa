//! What goes wrong with the registry. Every variant means: what was stored before is still there.

use std::io;
use std::path::{Path, PathBuf};

use crate::uploads::UploadsError;

/// Why the registry could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The name of a folder that is in use already.
    #[error("the platform name {platform:?} is reserved: DATA_DIR keeps PostgreSQL's own files under it")]
    Reserved {
        /// As it was given.
        platform: String,
    },
    /// A file that says something else than the gateway writes.
    #[error("{} is damaged: {cause}; mend it or put a copy in its place", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// No room left.
    #[error("the disk is full: {doing} {}: {source}", .path.display())]
    Full {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Nothing may be written.
    #[error("DATA_DIR cannot be written: {doing} {}: {source}", .path.display())]
    ReadOnly {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Anything else that the file system says.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others' bundles were being read for too long.
    #[error(transparent)]
    NoReader(#[from] UploadsError),
    /// The thread that did it panicked, or the gateway is stopping.
    #[error("the registry was interrupted: {cause}")]
    Stopped {
        /// For the log.
        cause: String,
    },
}

impl RegistryError {
    /// For `map_err`: what was being done to which path.
    pub(super) fn io<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> Self + 'a {
        move |source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing, path, source },
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Self::ReadOnly { doing, path, source }
                }
                _ => Self::Io { doing, path, source },
            }
        }
    }
}
