//! The folder in which the new cluster is made, and how it takes the old one's place.
//!
//! ```text
//! postgres.upgrade-…   the new cluster, with a file of its own that says so, up to the exchange; the old one right behind it
//! postgres.15          the old cluster, when all is done; .postgres.15-password is its password
//! ```
//!
//! Only what has that file is ever removed: so the old cluster is not, whenever the command was killed.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::super::account::Account;
use super::super::cluster;
use super::super::folder::Folder;
use super::super::pid_file::{self, Holder};
use super::super::postmaster;
use super::super::{EmbeddedError, SUPERUSER};
use super::contents::Contents;
use super::plan::Plan;
use super::transfer;
use super::{UpgradeError, Upgraded};

const PREFIX: &str = "postgres.upgrade-";
/// In a cluster that is being made: the name of the folder that it is made in.
const MARK: &str = "stonescriptdb-upgrade";

/// The folder, and where it belongs.
pub(super) struct Aside {
    path: PathBuf,
    folder: PathBuf,
    cluster: PathBuf,
    password_file: PathBuf,
}

impl Aside {
    pub(super) fn new(folder: &Folder) -> Result<Self, UpgradeError> {
        let path = folder.path().join(format!("{PREFIX}{}", cluster::random_hex::<4>()));
        let socket = folder.socket_in(&path);
        if socket.as_os_str().len() > 107 {
            return Err(EmbeddedError::SocketPathTooLong { bytes: socket.as_os_str().len(), path: socket }.into());
        }
        let (cluster, password_file) = (folder.cluster(), folder.password_file());
        Ok(Self { path, folder: folder.path().to_owned(), cluster, password_file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty cluster of the new version, like the old one.
    pub(super) async fn init(
        &self,
        folder: &Folder,
        account: &Account,
        plan: &Plan,
        contents: &Contents,
    ) -> Result<(), UpgradeError> {
        // Under a name that any start removes: it has no mark yet.
        let unmarked = folder.path().join(format!("postgres.new-{}", cluster::random_hex::<4>()));
        let password = cluster::read_password(&self.password_file)?;
        let mut extra = vec!["--encoding".to_owned(), contents.encoding.clone()];
        match (contents.has_checksums, plan.new.major >= 18) {
            (true, _) => extra.push("--data-checksums".to_owned()),
            // Until then they had to be asked for.
            (false, true) => extra.push("--no-data-checksums".to_owned()),
            (false, false) => {}
        }
        let locales = [contents.collation.as_str()];
        cluster::init(folder, &plan.new, account, &unmarked, &password, &locales, &extra).await?;
        let mark = unmarked.join(MARK);
        fs::write(&mark, self.name()).map_err(EmbeddedError::io("writing", &mark))?;
        account.own(&mark)?;
        fs::rename(&unmarked, &self.path).map_err(EmbeddedError::io("moving the new cluster to", &self.path))?;
        Ok(())
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Everything that was written goes to the disk.
    pub(super) async fn sync(&self, account: &Account, plan: &Plan) -> Result<(), UpgradeError> {
        let mut command = account.command(&plan.new.program("initdb"));
        command.args(["--sync-only", "--username", SUPERUSER, "--pgdata"]).arg(&self.path);
        transfer::run(command, "syncing the new cluster", &transfer::log(&self.folder)).await
    }

    /// The new cluster and the old one change places. From then on the new one is the cluster.
    pub(super) fn take_place(self, plan: &Plan, settings: Vec<String>) -> Result<Upgraded, UpgradeError> {
        let (from, to) = (plan.old.major, plan.new.major);
        let (kept, kept_password) = kept_paths(&self.folder, from);
        // Should it be changed one day, the old one still opens with this.
        copy_password(&self.password_file, &kept_password).map_err(EmbeddedError::io("writing", &kept_password))?;
        let exchanged = exchange(&self.path, &self.cluster).and_then(|()| sync_folder(&self.folder));
        exchanged.map_err(EmbeddedError::io("moving the new cluster to", &self.cluster))?;
        fs::rename(&self.path, &kept).map_err(EmbeddedError::io("moving the old cluster to", &kept))?;
        sync_folder(&self.folder).map_err(EmbeddedError::io("writing", &self.folder))?;
        Ok(Upgraded::Done { from, to, kept, kept_password, bin_dir: plan.to_set.clone(), settings })
    }

    /// Takes the unfinished cluster away; what cannot be removed now, the next command removes.
    pub(super) fn remove(&self) {
        if is_unfinished(&self.path) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// With its mode and its owner: root may have typed the command for another user's gateway.
fn copy_password(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from, to)?;
    let owner = fs::metadata(from)?;
    chown(to, Some(owner.uid()), Some(owner.gid()))?;
    File::open(to)?.sync_all()
}

/// Names that are not taken: `postgres.15`, or with a number behind it.
fn kept_paths(folder: &Path, major: u32) -> (PathBuf, PathBuf) {
    let names = std::iter::once(format!("postgres.{major}")).chain((2..).map(|n| format!("postgres.{major}.{n}")));
    let paths = names.map(|name| (folder.join(&name), folder.join(format!(".{name}-password"))));
    // A password alone is of a command that was killed, or of a cluster that is gone.
    let mut free = paths.filter(|(cluster, _)| !cluster.exists());
    free.next().expect("numbers do not end")
}

/// Whether this folder holds a cluster that was not finished, and nothing else.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    fs::read_to_string(path.join(MARK)).is_ok_and(|text| text == name)
}

fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).map_err(Errno::into)
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether the file system can do what makes this safe: better known before hours of work than behind them.
pub(super) fn try_exchange(folder: &Folder) -> Result<(), UpgradeError> {
    let [one, other] = [(); 2].map(|()| folder.path().join(format!("postgres.new-{}", cluster::random_hex::<4>())));
    let tried = fs::create_dir(&one).and_then(|()| fs::create_dir(&other)).and_then(|()| exchange(&one, &other));
    let _ = (fs::remove_dir(&one), fs::remove_dir(&other));
    Ok(tried.map_err(EmbeddedError::io("exchanging two folders in one step in", folder.path()))?)
}

/// What a killed command has left: an unfinished cluster goes, with its server; an old one whose place was taken gets its name.
pub(super) async fn put_in_order(folder: &Folder, say: &impl Fn(&str)) -> Result<(), UpgradeError> {
    let entries = fs::read_dir(folder.path()).map_err(EmbeddedError::io("opening", folder.path()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        if is_unfinished(&path) {
            say(&format!("removing {}, which an interrupted upgrade has left", path.display()));
            if let Holder::Postmaster(pid) = pid_file::holder(&path) {
                postmaster::end(pid, &path).await?;
            }
            fs::remove_dir_all(&path).map_err(EmbeddedError::io("removing", &path))?;
        } else if let Ok(cluster::State::Made { major }) = cluster::inspect(&path)
            && cluster::inspect(&folder.cluster())?.version().is_some()
        {
            let (kept, _) = kept_paths(folder.path(), major);
            say(&format!("an interrupted upgrade was done: the old cluster is {}", kept.display()));
            fs::rename(&path, &kept).map_err(EmbeddedError::io("moving the old cluster to", &kept))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_being_made_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, files: &[(&str, &str)]| {
            fs::create_dir(parent.path().join(name)).unwrap();
            for (file, text) in files {
                fs::write(parent.path().join(name).join(file), text).unwrap();
            }
        };
        make("postgres", &[("PG_VERSION", "16"), (MARK, "postgres.upgrade-bb")]);
        make("postgres.15", &[("PG_VERSION", "15")]);
        make("postgres.upgrade-aa", &[("PG_VERSION", "16"), (MARK, "postgres.upgrade-aa")]);
        // The old one, right behind the exchange; it has been made by an upgrade itself.
        make("postgres.upgrade-bb", &[("PG_VERSION", "15"), (MARK, "postgres.upgrade-cc")]);
        make("postgres.upgrade-dd", &[("notes", "mine")]);
        let folder = Folder::open(parent.path()).unwrap();
        put_in_order(&folder, &|_| {}).await.unwrap();
        let mut left: Vec<String> = fs::read_dir(parent.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        left.sort();
        assert_eq!(left, ["postgres", "postgres.15", "postgres.15.2", "postgres.upgrade-dd"]);
        assert_eq!(fs::read_to_string(parent.path().join("postgres.15.2/PG_VERSION")).unwrap(), "15");
    }
}
