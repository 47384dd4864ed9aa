//! tar → files and folders with checked names. Refuses everything that is not a plain file or folder, every name that
//! leaves its folder, and the same path twice.

use std::cmp::Ordering;

use tar::EntryType;

use super::error::ArchiveError;
use super::members::{Member, Members};

/// The longest path, and the longest part of one: what the file systems take on which bundles are stored.
const MAX_PATH_BYTES: usize = 1024;
const MAX_PART_BYTES: usize = 255;

/// One file or folder.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Its parts joined by `/`, without `.` and empty ones.
    pub(super) path: String,
    /// A file's bytes; a folder has none.
    pub(super) content: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// The folders from the archive's root down to it; a folder is the last of its own.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let folders = match self.content {
            Some(_) => self.path.rsplit_once('/').map(|(folders, _)| folders),
            None => Some(self.path.as_str()),
        };
        folders.into_iter().flat_map(|folders| folders.split('/'))
    }
}

/// Every file and folder of `tar`, sorted by path.
pub(super) fn read(tar: &[u8], max_entries: usize) -> Result<Vec<Entry<'_>>, ArchiveError> {
    let mut members = Members::new(tar);
    let mut entries = Vec::new();
    let mut count = 0;
    let mut last_name: Option<String> = None;
    let broken = |reason, last_name: &Option<String>| match last_name {
        None => ArchiveError::NotTar { reason },
        Some(name) => ArchiveError::TarDamaged { after: name.clone(), reason },
    };
    while let Some(member) = members.next().map_err(|reason| broken(reason, &last_name))? {
        let name = shown(&member.name);
        count += 1;
        if count > max_entries {
            return Err(ArchiveError::TooManyEntries { entry: name, limit: max_entries });
        }
        let content = content_of(&member, &name)?;
        let path = checked_path(&member.name)?;
        // `./`, the archive's root itself, has no name.
        if !path.is_empty() {
            entries.push(Entry { path, content });
        }
        last_name = Some(name);
    }
    entries.sort_by(|a, b| by_parts(&a.path, &b.path));
    refuse_twice(&entries)?;
    // One folder may be named often: GNU tar does so when it is told to pack a folder and one inside it.
    entries.dedup_by(|a, b| a.path == b.path);
    Ok(entries)
}

/// A file's bytes; `None` for a folder.
fn content_of<'a>(member: &Member<'a>, name: &str) -> Result<Option<&'a [u8]>, ArchiveError> {
    let special = |what| Err(ArchiveError::Special { entry: name.to_owned(), what });
    match member.entry_type {
        _ if member.is_sparse => special("sparse file"),
        // Before 1988 a folder was a file whose name ends in a slash.
        EntryType::Regular | EntryType::Continuous if member.name.ends_with(b"/") => Ok(None),
        EntryType::Regular | EntryType::Continuous => Ok(Some(member.content)),
        EntryType::Directory => Ok(None),
        EntryType::GNUSparse => special("sparse file"),
        EntryType::Symlink => special("symbolic link"),
        EntryType::Link => special("hard link"),
        EntryType::Char => special("character device"),
        EntryType::Block => special("block device"),
        EntryType::Fifo => special("fifo"),
        other => Err(ArchiveError::UnknownType { entry: name.to_owned(), letter: char::from(other.as_byte()) }),
    }
}

/// The path without `.` and empty parts, or why nobody may have such a name.
fn checked_path(name: &[u8]) -> Result<String, ArchiveError> {
    let Ok(path) = std::str::from_utf8(name) else {
        return Err(ArchiveError::NameNotUtf8 { entry: shown(name) });
    };
    if path.contains('\0') {
        return Err(ArchiveError::NameWithNul { entry: shown(name) });
    }
    if path.starts_with('/') {
        return Err(ArchiveError::AbsolutePath { entry: shown(name) });
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(ArchiveError::ParentPath { entry: shown(name) });
    }
    let longest = parts.iter().map(|part| part.len()).max().unwrap_or_default();
    for (bytes, limit) in [(longest, MAX_PART_BYTES), (path.len(), MAX_PATH_BYTES)] {
        if bytes > limit {
            return Err(ArchiveError::NameTooLong { entry: shown(name), bytes, limit });
        }
    }
    Ok(parts.join("/"))
}

/// A name for an answer: readable, and never longer than what a person reads.
fn shown(name: &[u8]) -> String {
    const SHOWN_CHARS: usize = 200;
    String::from_utf8_lossy(name).chars().take(SHOWN_CHARS).collect()
}

/// The order in which everything in a folder follows that folder directly, so that neighbours tell who is in whom.
fn by_parts(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

/// Expects `entries` in the order of [`by_parts`].
fn refuse_twice(entries: &[Entry<'_>]) -> Result<(), ArchiveError> {
    for pair in entries.windows(2) {
        let [first, second] = pair else { continue };
        let entry = || first.path.clone();
        let is_same = first.path == second.path;
        let is_inside = second.path.strip_prefix(&first.path).is_some_and(|rest| rest.starts_with('/'));
        match (first.content, second.content) {
            (Some(_), Some(_)) if is_same => return Err(ArchiveError::Twice { entry: entry() }),
            (Some(_), None) | (None, Some(_)) if is_same => return Err(ArchiveError::FileAndFolder { entry: entry() }),
            (Some(_), _) if is_inside => return Err(ArchiveError::FileAndFolder { entry: entry() }),
            (Some(_) | None, Some(_) | None) => {}
        }
    }
    Ok(())
}
