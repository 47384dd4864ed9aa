//! The folder of the embedded PostgreSQL: its lock and the names in it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use super::EmbeddedError;

/// The socket's name carries a port, though no TCP port is opened.
pub(super) const PORT: u16 = 5432;

/// `DATA_DIR`, locked against other gateways while this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The system gives the lock back when the process ends, however it ends; children do not inherit it.
    _lock: Flock<File>,
}

impl Folder {
    /// Makes the folder if it is missing and takes its lock.
    pub(super) fn open(path: &Path) -> Result<Self, EmbeddedError> {
        // Run by root, PostgreSQL's own user has to pass through the folder, but not to list it.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        if !path.is_dir() {
            // Not by `DirBuilder`'s mode alone: the umask would take from it.
            let made = fs::create_dir_all(path).and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)));
            made.map_err(EmbeddedError::io("creating", path))?;
        }
        let path = path.canonicalize().map_err(EmbeddedError::io("opening", path))?;
        let lock = take_lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Absolute, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.path.join("postgres")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.socket_in(&self.cluster())
    }

    pub(super) fn socket_in(&self, cluster: &Path) -> PathBuf {
        cluster.join(format!(".s.PGSQL.{PORT}"))
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.path.join(".postgres-password")
    }

    pub(super) fn reserve(&self) -> PathBuf {
        self.path.join(".postgres-reserve")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }
}

fn take_lock(folder: &Path) -> Result<Flock<File>, EmbeddedError> {
    let path = folder.join(".gateway.lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(EmbeddedError::io("opening", &path))?;
    let failed = EmbeddedError::io("locking", &path);
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // Only for the message of the one who comes second.
            let noted =
                lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id()));
            noted.map_err(EmbeddedError::io("writing", &path))?;
            Ok(lock)
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            let holder = match file.read_to_string(&mut pid) {
                Ok(_) if !pid.is_empty() => format!("process {pid}"),
                Ok(_) | Err(_) => "its process is not known".to_owned(),
            };
            Err(EmbeddedError::InUse { path: folder.to_owned(), holder })
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}
