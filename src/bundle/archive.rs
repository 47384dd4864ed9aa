//! The uploaded `tar.gz` → [`Bundle`] (contract §3). Pure: memory in, memory out, nothing of an archive ever reaches the
//! disk from here.
//!
//! A file for each step: `gzip` inflates within the limit, `members` walks through the tar, `entries` refuses what is no
//! plain file or folder with a sound name, `layout` finds the bundle's folders and picks the SQL files, `text` makes text
//! of their bytes.
//! An archive is taken whole or refused whole, with the name of the entry at fault. Called by `api::upload`.

mod entries;
mod error;
mod gzip;
mod layout;
mod members;
mod text;

#[cfg(test)]
mod tests;

pub use error::{ArchiveError, LooksLike};

use super::{Bundle, SourceFile};

/// What an archive may cost.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// Bytes of the tar after inflating, headers and padding included.
    pub max_unpacked_bytes: usize,
    /// Members of the tar: files, folders, and the headers that carry long names.
    pub max_entries: usize,
}

impl ArchiveLimits {
    /// Many times what the largest platform needs; a bundle of this many files would not deploy in a day.
    pub const DEFAULT_MAX_ENTRIES: usize = 20_000;
}

/// Reads an uploaded archive. Equal files give an equal [`Bundle::checksum`], whatever the wrapper folder, the order,
/// the timestamps or the compression.
///
/// A bundle whose folders are there but hold no SQL file is accepted, empty, with a warning.
///
/// This is CPU work of up to a second for the largest archives: call it on a thread that may block.
pub fn read(upload: &[u8], limits: &ArchiveLimits) -> Result<Bundle, ArchiveError> {
    let tar = gzip::inflate(upload, limits.max_unpacked_bytes)?;
    let entries = entries::read(&tar, limits.max_entries)?;
    let layout::Layout { picked, mut warnings } = layout::find(&entries)?;
    let files = picked
        .into_iter()
        .map(|file| {
            let text = text::decode(&file.path, file.content)?;
            Ok(SourceFile { kind: file.kind, path: file.path, text })
        })
        .collect::<Result<Vec<_>, ArchiveError>>()?;
    if files.is_empty() {
        warnings.push("the bundle holds no SQL file: its folders are empty".to_owned());
    }
    Ok(Bundle::from_files(files, warnings))
}
