//! The cluster on disk: is there one, and making one. A cluster is made aside and moved into its place when it is whole,
//! so that a start which was killed in the middle leaves nothing that the next one could stumble over.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::account::Account;
use super::binaries::Binaries;
use super::folder::{Folder, PORT};
use super::{EmbeddedError, SUPERUSER};

/// What an interrupted start may leave behind.
const LEFTOVERS: [&str; 2] = ["postgres.new-", ".postgres-pwfile-"];

/// `C.UTF-8` knows the letters of every script and sorts alike everywhere; systems without it have `C`.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// What is where the cluster should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing, or an empty folder.
    Missing,
    /// A cluster of this major version.
    Made { major: u32 },
}

impl State {
    /// The version that the binaries must have.
    pub(super) fn version(self) -> Option<u32> {
        match self {
            Self::Missing => None,
            Self::Made { major } => Some(major),
        }
    }
}

/// Looks at the cluster's folder; refuses one that holds something else.
pub(super) fn inspect(cluster: &Path) -> Result<State, EmbeddedError> {
    let version_file = cluster.join("PG_VERSION");
    match fs::read_to_string(&version_file) {
        Ok(text) => match text.trim().parse() {
            Ok(major) => Ok(State::Made { major }),
            Err(_) => Err(EmbeddedError::NotACluster { path: cluster.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_dir(cluster) {
            Ok(mut entries) => match entries.next() {
                Some(_) => Err(EmbeddedError::NotACluster { path: cluster.to_owned() }),
                None => Ok(State::Missing),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Missing),
            Err(error) => Err(EmbeddedError::io("opening", cluster)(error)),
        },
        // The folder is closed to us: whose it is says more than this error, and `Account::choose` says it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Account::choose(cluster).and(Err(EmbeddedError::io("opening", &version_file)(error)))
        }
        Err(error) => Err(EmbeddedError::io("opening", &version_file)(error)),
    }
}

/// Makes a cluster. It has the password of the one that was here before, where that is known: whoever moves a cluster away and
/// restores its dump into the new one restores its password, too, and may want to go back to the old one.
pub(super) async fn create(folder: &Folder, binaries: &Binaries, account: &Account) -> Result<(), EmbeddedError> {
    info!(version = binaries.major, cluster = %folder.cluster().display(), "making a PostgreSQL cluster");
    let aside = folder.path().join(format!("postgres.new-{}", random_hex::<8>()));
    let known = known_password(&folder.password_file())?;
    make_aside(folder, binaries, account, &aside, known.as_deref()).await.inspect_err(|_| {
        // The error that led here is the one to report.
        let _ = fs::remove_dir_all(&aside);
    })
}

async fn make_aside(
    folder: &Folder,
    binaries: &Binaries,
    account: &Account,
    aside: &Path,
    known: Option<&str>,
) -> Result<(), EmbeddedError> {
    let made_up = known.is_none().then(random_hex::<32>);
    let password = known.or(made_up.as_deref()).unwrap_or_default();
    init(folder, binaries, account, aside, password, &LOCALES, &[]).await?;
    // The password first: with the cluster in its place both have to be there.
    let (file, cluster) = (folder.password_file(), folder.cluster());
    if let Some(password) = &made_up {
        let new_file = folder.path().join(format!(".postgres-pwfile-{}", random_hex::<8>()));
        write_private(&new_file, password)?;
        fs::rename(&new_file, &file).map_err(EmbeddedError::io("writing", &file))?;
    }
    fs::rename(aside, &cluster).map_err(EmbeddedError::io("moving the new cluster to", &cluster))?;
    let synced = File::open(folder.path()).and_then(|dir| dir.sync_all());
    synced.map_err(EmbeddedError::io("writing", folder.path()))
}

/// An empty cluster in this folder, which is made, with the first of the locales that the system has. `extra`: further words for
/// `initdb`.
pub(super) async fn init(
    folder: &Folder,
    binaries: &Binaries,
    account: &Account,
    aside: &Path,
    password: &str,
    locales: &[&str],
    extra: &[String],
) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o700).create(aside).map_err(EmbeddedError::io("creating", aside))?;
    account.own(aside)?;
    // initdb runs as the account and cannot read the gateway's own password file.
    let lent = folder.path().join(format!(".postgres-pwfile-{}", random_hex::<8>()));
    write_private(&lent, password)?;
    let made = match account.own(&lent) {
        Ok(()) => initdb(binaries, account, (aside, &lent), locales, extra).await,
        Err(error) => Err(error),
    };
    fs::remove_file(&lent).map_err(EmbeddedError::io("removing", &lent))?;
    made
}

/// What the password file of an earlier cluster says; an empty one is none.
fn known_password(file: &Path) -> Result<Option<String>, EmbeddedError> {
    match fs::read_to_string(file) {
        // `initdb` takes a file's first line.
        Ok(text) => {
            Ok(Some(text.trim().to_owned()).filter(|password| !password.is_empty() && !password.contains('\n')))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(EmbeddedError::io("reading the password of the cluster that was here before from", file)(error))
        }
    }
}

async fn initdb(
    binaries: &Binaries,
    account: &Account,
    (aside, pwfile): (&Path, &Path),
    locales: &[&str],
    extra: &[String],
) -> Result<(), EmbeddedError> {
    let mut first_reason = None;
    for locale in locales {
        let program = binaries.program("initdb");
        let mut command = account.command(&program);
        command.args(["--username", SUPERUSER, "--encoding", "UTF8", "--locale", locale]);
        command.args(["--auth-local", "scram-sha-256", "--auth-host", "scram-sha-256", "--pwfile"]).arg(pwfile);
        command.args(extra).arg("--pgdata").arg(aside);
        // A gateway that is stopped meanwhile takes initdb with it.
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
        let output = output.map_err(EmbeddedError::io("running", &program))?;
        if output.status.success() {
            return Ok(());
        }
        first_reason.get_or_insert_with(|| main_line(&String::from_utf8_lossy(&output.stderr)));
    }
    let reason = first_reason.unwrap_or_default();
    Err(EmbeddedError::Initdb { path: aside.with_file_name("postgres"), reason })
}

/// The line that says why, among those that say what followed from it.
pub(super) fn main_line(messages: &str) -> String {
    let lines = || messages.lines().map(str::trim).filter(|line| !line.is_empty());
    let marks = ["PANIC:", "FATAL:", "error:"];
    let marked = lines().find_map(|line| marks.iter().find_map(|mark| line.find(mark).map(|at| &line[at..])));
    marked.or_else(|| lines().next_back()).unwrap_or("it said nothing").to_owned()
}

/// The password that a file has.
pub(super) fn read_password(file: &Path) -> Result<String, EmbeddedError> {
    let text = fs::read_to_string(file).map_err(EmbeddedError::io("reading the cluster's password from", file))?;
    Ok(text.trim().to_owned())
}

/// How to connect to a cluster in this folder.
pub(super) fn connection(folder: &Folder, cluster: &Path) -> Result<tokio_postgres::Config, EmbeddedError> {
    let password = read_password(&folder.password_file())?;
    let mut config = tokio_postgres::Config::new();
    config.host_path(cluster).port(PORT).dbname("postgres").user(SUPERUSER).password(password);
    config.application_name("stonescriptdb-gateway");
    Ok(config)
}

/// Removes what a start that was killed has left. Its initdb may still be writing, which is no reason to stop.
pub(super) fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        if LEFTOVERS.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                warn!(path = %path.display(), %error, "could not remove what an interrupted start has left");
            }
        }
    }
}

/// Only the gateway's user can read it. Run by root, that keeps it from PostgreSQL's user and with it from SQL
/// (`pg_read_file`); run by an ordinary user, both are the same user, and a superuser's SQL can read it.
fn write_private(path: &PathBuf, text: &str) -> Result<(), EmbeddedError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(EmbeddedError::io("writing", path))
}

pub(super) fn random_hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = std::array::from_fn(|_| rand::random());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why_is_found() {
        let cases = [
            (
                "creating… ok\n2026 UTC [1] FATAL:  could not write: No space left on device\nchild process exited\n",
                "FATAL:  could not write: No space left on device",
            ),
            (
                "initdb: error: could not create directory \"/x\": Permission denied\ninitdb: removing\n",
                "error: could not create directory \"/x\": Permission denied",
            ),
            ("one\ntwo\n\n", "two"),
            ("", "it said nothing"),
        ];
        for (messages, expected) in cases {
            assert_eq!(main_line(messages), expected);
        }
    }

    #[test]
    fn a_folder_is_a_cluster_or_missing_or_refused() {
        let parent = tempfile::tempdir().unwrap();
        let cluster = parent.path().join("postgres");
        assert_eq!(inspect(&cluster).unwrap(), State::Missing);
        fs::create_dir(&cluster).unwrap();
        assert_eq!(inspect(&cluster).unwrap(), State::Missing);
        fs::write(cluster.join("notes"), "").unwrap();
        assert!(matches!(inspect(&cluster), Err(EmbeddedError::NotACluster { .. })));
        fs::write(cluster.join("PG_VERSION"), "16\n").unwrap();
        assert_eq!(inspect(&cluster).unwrap(), State::Made { major: 16 });
        fs::write(cluster.join("PG_VERSION"), "").unwrap();
        assert!(matches!(inspect(&cluster), Err(EmbeddedError::NotACluster { .. })));
    }

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, two) = (random_hex::<32>(), random_hex::<32>());
        assert_eq!(one.len(), 64);
        assert_ne!(one, two);
    }
}
