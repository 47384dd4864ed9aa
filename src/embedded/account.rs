//! Which operating-system account PostgreSQL runs as, and whether it gets to where it has to.
//!
//! PostgreSQL refuses to run as root. A gateway started by root runs it as the `postgres` user, or as the owner of the
//! cluster where there is one; an ordinary user runs it as himself.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User, geteuid};

use super::EmbeddedError;

/// All that PostgreSQL's programs get to see of the environment. The gateway's own holds secrets, and a superuser's
/// function can read the server's from `/proc/self/environ`.
const ENVIRONMENT: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "TZ"];

/// Who runs PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// The user that runs the gateway.
    Ourselves,
    /// Another one; only root can.
    Other {
        uid: u32,
        gid: u32,
        /// For messages.
        name: String,
    },
}

impl Account {
    /// The account for the cluster at this path, which may not exist yet.
    pub(super) fn choose(cluster: &Path) -> Result<Self, EmbeddedError> {
        let owner = match fs::metadata(cluster) {
            Ok(metadata) => Some((metadata.uid(), metadata.gid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(EmbeddedError::io("opening", cluster)(error)),
        };
        let us = geteuid();
        if us.is_root() {
            let postgres =
                || User::from_name("postgres").ok().flatten().map(|user| (user.uid.as_raw(), user.gid.as_raw()));
            Self::for_root(owner, postgres)
        } else {
            match owner {
                Some((uid, _)) if uid != us.as_raw() => Err(EmbeddedError::OtherOwner {
                    path: cluster.to_owned(),
                    owner: user_name(uid),
                    user: user_name(us.as_raw()),
                }),
                Some(_) | None => Ok(Self::Ourselves),
            }
        }
    }

    /// Root's choice: the owner of the cluster, who may have started it without root before, else `postgres`.
    fn for_root(
        owner: Option<(u32, u32)>,
        postgres: impl FnOnce() -> Option<(u32, u32)>,
    ) -> Result<Self, EmbeddedError> {
        let chosen = owner.filter(|(uid, _)| *uid != 0).or_else(postgres);
        let (uid, gid) = chosen.ok_or(EmbeddedError::NoPostgresUser)?;
        Ok(Self::Other { uid, gid, name: user_name(uid) })
    }

    /// A program of PostgreSQL's, to be run by this account, away from the terminal: with a process group of its own,
    /// so that Ctrl-C reaches only the gateway, which first lets the requests end.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null()).process_group(0);
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        match self {
            Self::Ourselves => {}
            Self::Other { uid, gid, .. } => {
                command.uid(*uid).gid(*gid);
            }
        }
        command
    }

    /// Makes the account the owner of a file or folder.
    pub(super) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
                .map_err(EmbeddedError::io("changing the owner of", path)),
        }
    }

    /// Refuses a folder that the account cannot reach. Tried by the account itself, so that every rule of the system
    /// counts, not only the mode. `setting` is the variable that chose the folder.
    pub(super) fn check_way(&self, setting: &'static str, folder: &Path) -> Result<(), EmbeddedError> {
        let Self::Other { name, .. } = self else { return Ok(()) };
        let mut way: Vec<&Path> = folder.ancestors().collect();
        way.reverse();
        let shell = Path::new("/bin/sh");
        let script = r#"for dir; do [ -x "$dir" ] || { printf %s "$dir"; exit; }; done"#;
        let output = self.command(shell).args(["-c", script, "sh"]).args(way).output();
        let closed = OsString::from_vec(output.map_err(EmbeddedError::io("running", shell))?.stdout);
        if closed.is_empty() {
            return Ok(());
        }
        Err(EmbeddedError::Unreachable { user: name.clone(), folder: closed.into(), path: folder.to_owned(), setting })
    }
}

fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("user {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_runs_postgresql_as_the_owner_of_the_cluster_else_as_postgres() {
        let chosen = |owner, postgres: Option<(u32, u32)>| Account::for_root(owner, || postgres);
        let uid = |account| match account {
            Ok(Account::Other { uid, gid, .. }) => (uid, gid),
            Ok(Account::Ourselves) | Err(_) => panic!("{account:?}"),
        };
        assert_eq!(uid(chosen(None, Some((70, 71)))), (70, 71));
        assert_eq!(uid(chosen(Some((0, 0)), Some((70, 71)))), (70, 71));
        assert_eq!(uid(chosen(Some((1000, 1001)), Some((70, 71)))), (1000, 1001));
        let error = chosen(None, None).expect_err("nobody to run it as").to_string();
        assert!(error.contains("no user `postgres`") && !error.contains('\n'), "{error}");
    }
}
