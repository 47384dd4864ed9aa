//! From which version to which, with whose programs, in which way, and whether there is room.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::statvfs::statvfs;

use super::super::EmbeddedError;
use super::super::account::Account;
use super::super::binaries::{self, Binaries};
use super::super::folder::Folder;
use super::{UpgradeError, UpgradeOptions};

/// What `pg_upgrade` runs, of each version.
const OF_NEW: [&str; 8] =
    ["pg_upgrade", "pg_ctl", "pg_controldata", "pg_resetwal", "pg_dump", "pg_dumpall", "pg_restore", "psql"];
const OF_OLD: [&str; 3] = ["pg_ctl", "pg_controldata", "pg_resetwal"];

/// What a dump is made and restored with: all of one version, because they have to understand each other.
const CLIENTS: [&str; 3] = ["pg_dump", "pg_dumpall", "psql"];

/// What a new cluster has before anything is in it, with its log of changes while it is filled.
const EMPTY_BYTES: u64 = 512 << 20;

/// How it goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    PgUpgrade,
    /// By the clients in this folder.
    Dump {
        tools: PathBuf,
    },
}

/// What will be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) old: Binaries,
    pub(super) new: Binaries,
    pub(super) method: Method,
    /// What `PG_BIN_DIR` has to be for the gateway to find the new version's programs.
    pub(super) to_set: Option<PathBuf>,
    cluster_mb: u64,
    free_mb: u64,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.method {
            Method::PgUpgrade => "with pg_upgrade".to_owned(),
            Method::Dump { tools } => format!("by a dump with the clients in {}", tools.display()),
        };
        let (old, new) = (&self.old, &self.new);
        write!(
            f,
            "from PostgreSQL {} ({}) to {} ({}), {way}",
            old.major,
            old.dir.display(),
            new.major,
            new.dir.display()
        )?;
        write!(f, "; the cluster has {} MB, {} MB are free", self.cluster_mb, self.free_mb)
    }
}

impl Plan {
    /// `None`: there is no newer version.
    pub(super) fn make(
        options: &UpgradeOptions,
        account: &Account,
        major: u32,
        folder: &Folder,
    ) -> Result<Option<Self>, UpgradeError> {
        let found = find(options, account);
        let Some(new) = choose_new(options, &found, major)? else { return Ok(None) };
        account.check_way("PG_BIN_DIR", &new.dir)?;
        let old = found.iter().find(|binaries| binaries.major == major).cloned().ok_or_else(|| {
            let described: Vec<String> = found.iter().map(ToString::to_string).collect();
            EmbeddedError::OtherVersion { path: folder.cluster(), wanted: major, found: described.join(", ") }
        })?;
        let method = choose_method(options.dump, &old, &new)?;
        let (cluster_mb, free_mb) = measure(folder)?;
        let needed_mb = cluster_mb + cluster_mb / 10 + (EMPTY_BYTES >> 20);
        if needed_mb > free_mb {
            return Err(UpgradeError::NoRoom { path: folder.path().to_owned(), needed_mb, free_mb });
        }
        // Who sets it and who finds it otherwise need not be told.
        let is_found = match &options.bin_dir {
            Some(dir) => Binaries::open(dir).is_some_and(|set| set.major == new.major),
            None => {
                binaries::candidates().iter().filter_map(|dir| Binaries::open(dir)).any(|one| one.major == new.major)
            }
        };
        let to_set = (!is_found).then(|| new.dir.clone());
        Ok(Some(Self { old, new, method, to_set, cluster_mb, free_mb }))
    }
}

/// All servers that `account` can run, those that somebody has named first.
fn find(options: &UpgradeOptions, account: &Account) -> Vec<Binaries> {
    let named = options.new_bin_dir.iter().chain(&options.bin_dir).cloned();
    let mut found: Vec<Binaries> = Vec::new();
    for binaries in named.chain(binaries::candidates()).filter_map(|dir| Binaries::open(&dir)) {
        if !found.contains(&binaries) && account.check_way("PG_BIN_DIR", &binaries.dir).is_ok() {
            found.push(binaries);
        }
    }
    found
}

fn choose_new(options: &UpgradeOptions, found: &[Binaries], old: u32) -> Result<Option<Binaries>, UpgradeError> {
    if let Some(dir) = &options.new_bin_dir {
        let new = Binaries::open(dir).ok_or_else(|| UpgradeError::NoServerIn { path: dir.clone() })?;
        if new.major < old {
            return Err(UpgradeError::Older { old, new: new.major, path: new.dir });
        }
        return Ok(Some(new).filter(|new| new.major > old || options.same_version_too));
    }
    let is_wanted = |binaries: &&Binaries| match options.same_version_too {
        true => binaries.major == old,
        false => binaries.major > old,
    };
    let set = options.bin_dir.as_deref().and_then(Binaries::open);
    if let Some(set) = set.filter(|set| is_wanted(&set)) {
        return Ok(Some(set));
    }
    // Of several of one version the first.
    Ok(found.iter().filter(is_wanted).rev().max_by_key(|binaries| binaries.major).cloned())
}

fn choose_method(dump: bool, old: &Binaries, new: &Binaries) -> Result<Method, UpgradeError> {
    let missing = || {
        let missing = |binaries: &Binaries, programs: &[&str]| {
            let program = programs.iter().find(|program| !binaries::is_program(&binaries.program(program)))?;
            Some(binaries.program(program).display().to_string())
        };
        missing(new, &OF_NEW).or_else(|| missing(old, &OF_OLD))
    };
    match missing() {
        None if !dump => Ok(Method::PgUpgrade),
        Some(missing) if !dump => Err(UpgradeError::NoPgUpgrade { old: old.major, new: new.major, missing }),
        _ => {
            let known = [new.dir.clone(), old.dir.clone()];
            let mut tools = known.into_iter().chain(binaries::candidates());
            let tools = tools.find(|dir| fit_between(dir, old.major, new.major));
            tools.map(|tools| Method::Dump { tools }).ok_or(UpgradeError::NoClients { old: old.major, new: new.major })
        }
    }
}

/// Whether a folder has clients that read the old version and that the new one understands.
fn fit_between(dir: &Path, old: u32, new: u32) -> bool {
    if !CLIENTS.iter().all(|program| binaries::is_program(&dir.join(program))) {
        return false;
    }
    let output = Command::new(dir.join("pg_dump")).arg("--version").stdin(Stdio::null()).output();
    let major = output.ok().and_then(|output| binaries::parse_major(&String::from_utf8_lossy(&output.stdout)));
    major.is_some_and(|major| (old..=new).contains(&major))
}

/// What the cluster takes and what is free, in MB.
fn measure(folder: &Folder) -> Result<(u64, u64), EmbeddedError> {
    let cluster = folder.cluster();
    let bytes = occupied(&cluster).map_err(EmbeddedError::io("measuring", &cluster))?;
    let path = folder.path();
    let free = statvfs(path).map_err(|errno| EmbeddedError::io("measuring what is free in", path)(errno.into()))?;
    let free = free.blocks_available().saturating_mul(free.fragment_size());
    Ok((bytes >> 20, free >> 20))
}

fn occupied(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        // A server that still runs removes files.
        let Ok((path, metadata)) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) else { continue };
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += occupied(&path)?;
        }
    }
    Ok(bytes)
}
