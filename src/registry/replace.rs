//! Writing so that a kill, a crash of the machine or a full disk leaves what was there: everything is written under
//! another name, made durable, and put in its place in one step of the file system.
//!
//! Names that begin with a dot are this file's own: what is being written, or was replaced and not removed yet.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};

use super::error::RegistryError;

/// Readable by the service's user only.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// The file that is locked, in each platform's folder.
const LOCK: &str = ".lock";

/// How often a lock is asked for that goes away, together with its folder, whenever it is there to be had.
const ATTEMPTS: usize = 100;

/// A platform's folder, locked against other processes; the system gives it back when the process ends.
#[derive(Debug)]
pub struct FolderLock(Flock<File>);

impl FolderLock {
    /// Makes the folder if it is missing, and waits for its lock.
    pub(super) fn take(folder: &Path) -> Result<Self, RegistryError> {
        let path = folder.join(LOCK);
        for _ in 0..ATTEMPTS {
            make_folder(folder)?;
            let file = match open_lock(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(RegistryError::io("opening", &path))?,
            };
            let locked = Flock::lock(file, FlockArg::LockExclusive);
            let lock = locked.map(Self).map_err(|(_, errno)| RegistryError::io("locking", &path)(errno.into()))?;
            if lock.is_at(&path) {
                return Ok(lock);
            }
        }
        Err(RegistryError::io("locking", &path)(io::ErrorKind::NotFound.into()))
    }

    /// The lock of a folder that is there, unless somebody has it at this moment.
    pub(super) fn try_take(folder: &Path) -> Result<Option<Self>, RegistryError> {
        let path = folder.join(LOCK);
        let file = open_lock(&path).map_err(RegistryError::io("opening", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Self(file)).filter(|lock| lock.is_at(&path))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(RegistryError::io("locking", &path)(errno.into())),
        }
    }

    /// Whether the file still is the one of that name: a sweep may have removed it while it was waited for.
    fn is_at(&self, path: &Path) -> bool {
        let same = |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
        matches!((self.0.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(path)
}

/// Puts a file in place of the one at `path`.
pub(super) fn file(path: &Path, content: &[u8]) -> Result<(), RegistryError> {
    let aside = beside(path, "new");
    let written = write_durably(&aside, content).and_then(|()| fs::rename(&aside, path));
    if let Err(error) = written {
        // A full disk: the room that the attempt took is given back.
        let _ = fs::remove_file(&aside);
        return Err(RegistryError::io("writing", path)(error));
    }
    parent_durably(path)
}

/// Puts a folder of `files` (paths below it, and contents) in place of the one at `path`.
pub(super) fn folder<'a>(path: &Path, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<(), RegistryError> {
    let aside = beside(path, "new");
    let old = beside(path, "old");
    remove_all(&aside)?;
    remove_all(&old)?;
    let result = write_folder(&aside, files).and_then(|()| put_in_place(&aside, path, &old));
    if let Err(error) = result {
        let _ = fs::remove_dir_all(&aside);
        return Err(RegistryError::io("writing", path)(error));
    }
    parent_durably(path)?;
    // The new one is in its place; what cannot be removed now goes with the next start.
    let _ = fs::remove_dir_all(&aside);
    let _ = fs::remove_dir_all(&old);
    Ok(())
}

fn write_folder<'a>(folder: &Path, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE_FOLDER).create(folder)?;
    let mut folders = vec![folder.to_owned()];
    for (below, content) in files {
        let path = folder.join(below);
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            DirBuilder::new().mode(PRIVATE_FOLDER).recursive(true).create(parent)?;
            folders.extend(parent.ancestors().take_while(|one| *one != folder).map(Path::to_owned));
        }
        write_durably(&path, content)?;
    }
    // The names in a folder are durable when the folder is.
    folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Exchanges two folders in one step. File systems that cannot get two: a kill between them leaves the old one under the
/// other name, from where [`sweep`] takes it back.
fn put_in_place(new: &Path, path: &Path, old: &Path) -> io::Result<()> {
    if !path.exists() {
        return fs::rename(new, path);
    }
    match renameat2(AT_FDCWD, new, AT_FDCWD, path, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP) => {
            fs::rename(path, old)?;
            fs::rename(new, path).inspect_err(|_| {
                let _ = fs::rename(old, path);
            })
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Takes back what a killed process had moved aside, and removes what it had not finished. Where somebody works in the
/// folder, nothing is left behind yet.
pub(super) fn sweep(folder: &Path) -> Result<(), RegistryError> {
    let Some(_lock) = FolderLock::try_take(folder)? else { return Ok(()) };
    let reading = RegistryError::io("reading", folder);
    for entry in fs::read_dir(folder).map_err(&reading)? {
        let path = entry.map_err(&reading)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(hidden) = name.strip_prefix('.') else { continue };
        if let Some(place) = hidden.strip_suffix(".old").map(|name| folder.join(name))
            && !place.exists()
        {
            fs::rename(&path, &place).map_err(RegistryError::io("taking back", &place))?;
        } else if hidden.ends_with(".old") || hidden.ends_with(".new") {
            remove_all(&path)?;
        }
    }
    Ok(())
}

/// Removes a folder in which a platform was about to be written, and nothing else is: its lock, and perhaps a file that
/// was not finished.
pub(super) fn sweep_unborn(folder: &Path, file: &str) -> Result<(), RegistryError> {
    let unfinished = beside(Path::new(file), "new");
    let is_ours = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name() == LOCK || entry.file_name() == unfinished.as_os_str())
    };
    let only_ours = || fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_ours));
    // An empty folder may be anybody's.
    if !folder.join(LOCK).exists() || !only_ours() {
        return Ok(());
    }
    let Some(_lock) = FolderLock::try_take(folder)? else { return Ok(()) };
    if !only_ours() {
        return Ok(());
    }
    remove_all(&folder.join(unfinished))?;
    remove_all(&folder.join(LOCK))?;
    match fs::remove_dir(folder) {
        // Somebody is about to write there again.
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(RegistryError::io("removing", folder)(error))
        }
        _ => Ok(()),
    }
}

/// The names of the folders in a folder, sorted, without hidden ones; none where it does not exist.
pub(super) fn folders(folder: &Path) -> Result<Vec<String>, RegistryError> {
    let reading = RegistryError::io("reading", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(reading(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(&reading)?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn make_folder(folder: &Path) -> Result<(), RegistryError> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().mode(PRIVATE_FOLDER).recursive(true).create(folder);
    made.map_err(RegistryError::io("making", folder))?;
    parent_durably(folder)
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// After a rename: the new name is durable when its folder is.
fn parent_durably(path: &Path) -> Result<(), RegistryError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(RegistryError::io("syncing", parent))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

fn remove_all(path: &Path) -> Result<(), RegistryError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RegistryError::io("removing", path)(error)),
        _ => Ok(()),
    }
}
