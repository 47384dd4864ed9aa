//! The uploaded `tar.gz` → [`Bundle`] (contract §3). Pure: memory in, memory out, nothing of an archive ever reaches the
//! disk from here.
//!
//! It is gone through twice. [`measure`] keeps nothing of it: it checks every limit and every name, and tells what the
//! bundle will take of memory. [`unpack`] then keeps the SQL files, once there is room for them.
//!
//! A file for each step: `gzip` inflates within the limit, `members` walks through the tar, `entries` refuses what is no
//! plain file or folder with a sound name, `layout` finds the bundle's folders and picks the SQL files, `text` makes text
//! of their bytes.
//! An archive is taken whole or refused whole, with the name of the entry at fault. Called by `api::upload`.

mod entries;
mod error;
mod gzip;
pub(in crate::bundle) mod layout;
mod members;
mod packed;
mod text;

#[cfg(test)]
mod tests;

pub use error::{ArchiveError, LooksLike};
pub use packed::Packed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::entries::Content;
use self::gzip::Inflater;
use self::layout::Layout;
use self::members::Broken;
use super::cost::{Limits, Measured, Meter};
use super::{Bundle, SourceFile};

/// What an archive may cost.
#[derive(Clone, Debug)]
pub struct ArchiveLimits {
    /// Bytes of the tar after inflating, headers and padding included.
    pub max_unpacked_bytes: usize,
    /// Members of the tar: files and folders.
    pub max_entries: usize,
    /// What is in the SQL files.
    pub sql: Limits,
    /// Set when nobody waits for the answer any more.
    pub abandoned: Arc<AtomicBool>,
}

impl ArchiveLimits {
    /// Many times what the largest platform needs; a bundle of this many files would not deploy in a day.
    pub const DEFAULT_MAX_ENTRIES: usize = 20_000;

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// An archive that keeps all limits.
#[derive(Debug)]
pub struct Plan {
    /// What its SQL amounts to.
    pub measured: Measured,
    layout: Layout,
}

/// How much is inflated at once.
const PIECE_BYTES: usize = 16 * 1024;

/// Reads an archive to its end and keeps nothing of it.
///
/// This is CPU work of up to a second for the largest archives, like [`unpack`]: call it on a thread that may block.
pub fn measure(upload: &Packed, limits: &ArchiveLimits) -> Result<Plan, ArchiveError> {
    let mut meter = Meter::new(limits.sql);
    let mut buffer = vec![0; PIECE_BYTES];
    let tar = Inflater::new(upload, limits)?;
    let entries = entries::read(tar, limits.max_entries, |path, mut content| {
        let Some((_, path)) = layout::candidate(path) else { return Ok(()) };
        meter.begin_file(path, content.size)?;
        loop {
            match content.read(&mut buffer)? {
                [] => break,
                bytes => meter.feed(path, bytes)?,
            }
        }
        Ok(meter.end_file(path)?)
    })?;
    Ok(Plan { measured: meter.finish(), layout: layout::find(&entries)? })
}

/// Keeps what [`measure`] found. Equal files give an equal [`Bundle::checksum`], whatever the wrapper folder, the order,
/// the timestamps or the compression.
///
/// A bundle whose folders are there but hold no SQL file is accepted, empty, with a warning.
pub fn unpack(upload: &Packed, limits: &ArchiveLimits, plan: Plan) -> Result<Bundle, ArchiveError> {
    let Plan { layout, .. } = plan;
    let mut files = Vec::new();
    let tar = Inflater::new(upload, limits)?;
    entries::read(tar, limits.max_entries, |path, content| {
        if let Some((kind, path)) = layout.pick(path) {
            files.push(SourceFile { kind, path: path.to_owned(), text: text::decode(path, whole(content)?)? });
        }
        Ok(())
    })?;
    let mut warnings = layout.warnings;
    if layout.is_empty {
        warnings.push("the bundle holds no SQL file: its folders are empty".to_owned());
    }
    Ok(Bundle::from_files(files, warnings))
}

/// A file's bytes; its size was within the limits when it was measured.
fn whole(mut content: Content<'_, '_>) -> Result<Vec<u8>, Broken> {
    let mut bytes = vec![0; content.size];
    let mut filled = 0;
    while filled < bytes.len() {
        match content.read(&mut bytes[filled..])? {
            [] => break,
            read => filled += read.len(),
        }
    }
    Ok(bytes)
}

impl From<super::cost::OverLimit> for Broken {
    fn from(over: super::cost::OverLimit) -> Self {
        Self::Archive(ArchiveError::SqlOverLimit(over))
    }
}

/// Both steps, for who has memory enough.
pub fn read(upload: &[u8], limits: &ArchiveLimits) -> Result<Bundle, ArchiveError> {
    let upload = Packed::from(upload);
    let plan = measure(&upload, limits)?;
    unpack(&upload, limits, plan)
}
