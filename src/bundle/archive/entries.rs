//! tar → files and folders with checked names. Refuses everything that is not a plain file or folder, every name that
//! leaves its folder, and the same path twice. Of what the files hold, nothing is kept here.

use std::cmp::Ordering;

use tar::EntryType;

use super::error::ArchiveError;
use super::gzip::Inflater;
use super::members::{Broken, Member, Members};

/// The longest path, and the longest part of one: what the file systems take on which bundles are stored.
const MAX_PATH_BYTES: usize = 1024;
const MAX_PART_BYTES: usize = 255;

/// All paths together. Twenty thousand of them have a hundredth each.
const MAX_PATHS_BYTES: usize = 4 * 1024 * 1024;

/// One file or folder.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its parts joined by `/`, without `.` and empty ones.
    pub(super) path: String,
    /// Whether it is a file.
    pub(super) is_file: bool,
}

impl Entry {
    /// The folders from the archive's root down to it; a folder is the last of its own.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        let folders = match self.is_file {
            true => self.path.rsplit_once('/').map(|(folders, _)| folders),
            false => Some(self.path.as_str()),
        };
        folders.into_iter().flat_map(|folders| folders.split('/'))
    }
}

/// A file's bytes, in pieces.
pub(super) struct Content<'a, 'b> {
    members: &'a mut Members<'b>,
    /// How many there are in all.
    pub(super) size: usize,
}

impl Content<'_, '_> {
    /// The next piece; empty at the end.
    pub(super) fn read<'c>(&mut self, buffer: &'c mut [u8]) -> Result<&'c [u8], Broken> {
        self.members.read(buffer)
    }
}

/// Every file and folder of the archive, sorted by path; `take` sees each file as it comes.
pub(super) fn read(
    tar: Inflater<'_>,
    max_entries: usize,
    mut take: impl FnMut(&str, Content<'_, '_>) -> Result<(), Broken>,
) -> Result<Vec<Entry>, ArchiveError> {
    let mut members = Members::new(tar);
    let mut list = List { entries: Vec::new(), count: 0, paths_bytes: 0, last_name: None, max_entries };
    loop {
        match list.read_next(&mut members, &mut take) {
            Ok(true) => {}
            Ok(false) => return list.finish(),
            Err(Broken::Archive(error)) => return Err(error),
            // What is damaged as gzip is no tar either: the first is what happened.
            Err(Broken::Tar(reason)) => {
                members.into_inner().drain()?;
                return Err(match list.last_name {
                    None => ArchiveError::NotTar { reason },
                    Some(after) => ArchiveError::TarDamaged { after, reason },
                });
            }
        }
    }
}

/// What was met so far.
struct List {
    entries: Vec<Entry>,
    count: usize,
    paths_bytes: usize,
    last_name: Option<String>,
    max_entries: usize,
}

impl List {
    fn read_next(
        &mut self,
        members: &mut Members<'_>,
        take: &mut impl FnMut(&str, Content<'_, '_>) -> Result<(), Broken>,
    ) -> Result<bool, Broken> {
        let Some(member) = members.next()? else { return Ok(false) };
        let name = shown(&member.name);
        self.count += 1;
        if self.count > self.max_entries {
            return Err(ArchiveError::TooManyEntries { entry: name, limit: self.max_entries }.into());
        }
        let is_file = is_file(&member, &name)?;
        let path = checked_path(&member.name)?;
        self.paths_bytes += path.len();
        if self.paths_bytes > MAX_PATHS_BYTES {
            return Err(ArchiveError::NamesTooLong { entry: name, limit: MAX_PATHS_BYTES }.into());
        }
        // `./`, the archive's root itself, has no name.
        if !path.is_empty() {
            if is_file {
                take(&path, Content { members, size: member.size })?;
            }
            self.entries.push(Entry { path, is_file });
        }
        members.skip()?;
        self.last_name = Some(name);
        Ok(true)
    }

    fn finish(mut self) -> Result<Vec<Entry>, ArchiveError> {
        self.entries.sort_by(|a, b| by_parts(&a.path, &b.path));
        refuse_twice(&self.entries)?;
        // One folder may be named often: GNU tar does so when it is told to pack a folder and one inside it.
        self.entries.dedup_by(|a, b| a.path == b.path);
        Ok(self.entries)
    }
}

/// Whether it is a file; if not, it is a folder.
fn is_file(member: &Member, name: &str) -> Result<bool, ArchiveError> {
    let special = |what| Err(ArchiveError::Special { entry: name.to_owned(), what });
    match member.entry_type {
        _ if member.is_sparse => special("sparse file"),
        // Before 1988 a folder was a file whose name ends in a slash.
        EntryType::Regular | EntryType::Continuous => Ok(!member.name.ends_with(b"/")),
        EntryType::Directory => Ok(false),
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
    String::from_utf8_lossy(name.get(..4 * SHOWN_CHARS).unwrap_or(name)).chars().take(SHOWN_CHARS).collect()
}

/// The order in which everything in a folder follows that folder directly, so that neighbours tell who is in whom.
fn by_parts(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

/// Expects `entries` in the order of [`by_parts`].
fn refuse_twice(entries: &[Entry]) -> Result<(), ArchiveError> {
    for pair in entries.windows(2) {
        let [first, second] = pair else { continue };
        let entry = || first.path.clone();
        let is_same = first.path == second.path;
        let is_inside = second.path.strip_prefix(&first.path).is_some_and(|rest| rest.starts_with('/'));
        match (first.is_file, second.is_file) {
            (true, true) if is_same => return Err(ArchiveError::Twice { entry: entry() }),
            (true, false) | (false, true) if is_same => return Err(ArchiveError::FileAndFolder { entry: entry() }),
            (true, _) if is_inside => return Err(ArchiveError::FileAndFolder { entry: entry() }),
            _ => {}
        }
    }
    Ok(())
}
