//! Which folder of the archive is the bundle, which files in it are SQL, and what is ignored.

use std::collections::{BTreeMap, BTreeSet};

use super::entries::Entry;
use super::error::ArchiveError;
use crate::bundle::Kind;

/// What a SQL file's name ends in.
pub(in crate::bundle) const ENDINGS: [&str; 4] = [".sql", ".pssql", ".pgsql", ".psql"];

/// How many ignored files and folders are named; an archive of a whole home folder has thousands.
const NAMED_WARNINGS: usize = 20;

/// The bundle in an archive.
#[derive(Debug)]
pub(super) struct Layout {
    /// The folder that it lies in; `None` where that is the archive's root.
    wrapper: Option<String>,
    /// Whether it has any SQL file.
    pub(super) is_empty: bool,
    pub(super) warnings: Vec<String>,
}

/// Finds the bundle: the archive's root where recognised folders lie there, else the one top folder that holds some.
pub(super) fn find(entries: &[Entry]) -> Result<Layout, ArchiveError> {
    let entries: Vec<&Entry> = entries.iter().filter(|entry| !is_litter(&entry.path)).collect();
    let mut layout = Layout { wrapper: find_wrapper(&entries)?, is_empty: true, warnings: Vec::new() };
    let mut ignored = Ignored::default();
    for entry in entries {
        if layout.wrapper.as_ref() == Some(&entry.path) {
            continue;
        }
        let Some(path) = layout.inside(&entry.path) else {
            ignored.beside(entry);
            continue;
        };
        let top = path.split('/').next().unwrap_or_default();
        match (Kind::of_folder(top), entry.is_file) {
            (Some(_), true) if path != top => match is_sql(path) {
                true => layout.is_empty = false,
                false => ignored.other_ending(path),
            },
            // A recognised folder, or one within.
            (Some(_), false) => {}
            // No such folder, or a file that bears the name of one.
            (Some(_), true) | (None, _) => ignored.outside(path, top, entry.is_file),
        }
    }
    layout.warnings = ignored.warnings();
    Ok(layout)
}

impl Layout {
    /// The kind of a SQL file of the bundle, and its path from the kind's folder on.
    pub(super) fn pick<'a>(&self, path: &'a str) -> Option<(Kind, &'a str)> {
        if is_litter(path) { None } else { sql_file(self.inside(path)?) }
    }

    fn inside<'a>(&self, path: &'a str) -> Option<&'a str> {
        match &self.wrapper {
            None => Some(path),
            Some(wrapper) => path.strip_prefix(wrapper.as_str())?.strip_prefix('/'),
        }
    }
}

/// The same while nobody knows yet which folder the bundle is: of every file that may turn out to be one of its own.
pub(super) fn candidate(path: &str) -> Option<(Kind, &str)> {
    if is_litter(path) {
        return None;
    }
    sql_file(path).or_else(|| sql_file(path.split_once('/')?.1))
}

fn sql_file(path: &str) -> Option<(Kind, &str)> {
    let (top, _) = path.split_once('/')?;
    Kind::of_folder(top).filter(|_| is_sql(path)).map(|kind| (kind, path))
}

/// What macOS leaves in archives: nobody put it there, nobody wants to read about it.
fn is_litter(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("._") || name == ".DS_Store" || path.split('/').any(|part| part == "__MACOSX")
}

fn is_sql(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| !stem.is_empty()))
}

/// The folder around the recognised ones; `None` where they lie at the top.
fn find_wrapper(entries: &[&Entry]) -> Result<Option<String>, ArchiveError> {
    let is_kind = |folder: Option<&str>| folder.and_then(Kind::of_folder).is_some();
    if entries.iter().any(|entry| is_kind(entry.folders().next())) {
        return Ok(None);
    }
    let holds_bundle = |entry: &&&Entry| is_kind(entry.folders().nth(1));
    let tops: BTreeSet<&str> = entries.iter().filter(holds_bundle).filter_map(|entry| entry.folders().next()).collect();
    let mut tops = tops.into_iter().map(str::to_owned);
    match (tops.next(), tops.next()) {
        (Some(wrapper), None) => Ok(Some(wrapper)),
        (Some(first), Some(second)) => Err(ArchiveError::TwoBundles { first, second }),
        (None, _) => Err(ArchiveError::NothingRecognised { deeper: find_deeper(entries) }),
    }
}

/// The first folder with a recognised name, below where it counts.
fn find_deeper(entries: &[&Entry]) -> Option<String> {
    entries.iter().find_map(|entry| {
        let folders: Vec<&str> = entry.folders().collect();
        let index = folders.iter().position(|folder| Kind::of_folder(folder).is_some())?;
        Some(folders[..=index].join("/"))
    })
}

/// What was not taken: a name, why, and how many files it stands for.
#[derive(Default)]
struct Ignored {
    by_name: BTreeMap<String, (&'static str, usize)>,
}

impl Ignored {
    /// Outside the wrapper folder.
    fn beside(&mut self, entry: &Entry) {
        let top = entry.path.split('/').next().unwrap_or(&entry.path);
        let is_file = entry.is_file;
        let name = if is_file && entry.path == top { top.to_owned() } else { format!("{top}/") };
        self.add(name, "it lies beside the bundle's folder", is_file);
    }

    /// In the bundle's folder, but in none of the recognised ones.
    fn outside(&mut self, path: &str, top: &str, is_file: bool) {
        let why = "it is none of extensions/, types/, tables/, migrations/, views/, functions/, seeders/";
        let name = if is_file && path == top { path.to_owned() } else { format!("{top}/") };
        self.add(name, why, is_file);
    }

    /// In a recognised folder, but not SQL by its name.
    fn other_ending(&mut self, path: &str) {
        self.add(path.to_owned(), "its name does not end in .sql, .pssql, .pgsql or .psql", true);
    }

    fn add(&mut self, name: String, why: &'static str, is_file: bool) {
        self.by_name.entry(name).or_insert((why, 0)).1 += usize::from(is_file);
    }

    /// A sentence for each of the first, and one for the rest.
    fn warnings(self) -> Vec<String> {
        let rest = self.by_name.len().saturating_sub(NAMED_WARNINGS);
        let sentence = |(name, (why, files)): (String, (&str, usize))| match files {
            1 if name.ends_with('/') => format!("ignored {name} (1 file): {why}"),
            _ if name.ends_with('/') => format!("ignored {name} ({files} files): {why}"),
            _ => format!("ignored {name}: {why}"),
        };
        let mut warnings: Vec<String> = self.by_name.into_iter().take(NAMED_WARNINGS).map(sentence).collect();
        if rest > 0 {
            warnings.push(format!("ignored {rest} more files and folders"));
        }
        warnings
    }
}
