//! Which server binaries: `PG_BIN_DIR` if set and nothing else; otherwise `pg_config --bindir`, the `PATH`, and the
//! folders of the distributions' packages, newest first. A cluster needs binaries of its own major version.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EmbeddedError;
use super::account::Account;
use crate::databases::OLDEST_MAJOR;

/// Where packages put one folder per major version: the folder, what stands before the number, what stands after.
const PACKAGES: [(&str, &str, &str); 2] = [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin")];

/// A folder with `postgres` and `initdb` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

impl fmt::Display for Binaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.major, self.dir.display())
    }
}

impl Binaries {
    /// The first that `account` can run and that fit `wanted`, the major version of an existing cluster.
    pub(super) fn find(
        explicit: Option<&Path>,
        account: &Account,
        wanted: Option<u32>,
        cluster: &Path,
    ) -> Result<Self, EmbeddedError> {
        let opened: Vec<Self> = match explicit {
            Some(dir) => {
                let none = || EmbeddedError::NoServerIn { path: dir.to_owned() };
                vec![Self::open(dir).ok_or_else(none)?]
            }
            None => candidates().iter().filter_map(|dir| Self::open(dir)).collect(),
        };
        let mut found = Vec::new();
        let mut refusal = None;
        for binaries in opened {
            match account.check_way("PG_BIN_DIR", &binaries.dir) {
                Ok(()) => found.push(binaries),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(refusal) if found.is_empty() => Err(refusal),
            Some(_) | None => choose(found, wanted, cluster),
        }
    }

    /// The folder, if both programs are there and tell their version.
    pub(super) fn open(dir: &Path) -> Option<Self> {
        let dir = dir.canonicalize().ok()?;
        (is_program(&dir.join("postgres")) && is_program(&dir.join("initdb"))).then_some(())?;
        let output = Command::new(dir.join("postgres")).arg("--version").stdin(Stdio::null()).output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { dir, major })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn choose(found: Vec<Binaries>, wanted: Option<u32>, cluster: &Path) -> Result<Binaries, EmbeddedError> {
    let described: Vec<String> = found.iter().map(ToString::to_string).collect();
    let described = described.join(", ");
    if found.is_empty() {
        return Err(EmbeddedError::NoServer);
    }
    match wanted {
        Some(wanted) if wanted < OLDEST_MAJOR => Err(EmbeddedError::OldCluster { path: cluster.to_owned(), wanted }),
        Some(wanted) => found
            .into_iter()
            .find(|binaries| binaries.major == wanted)
            .ok_or_else(|| EmbeddedError::OtherVersion { path: cluster.to_owned(), wanted, found: described }),
        None => {
            let new = found.into_iter().find(|binaries| binaries.major >= OLDEST_MAJOR);
            new.ok_or(EmbeddedError::OldServers { found: described })
        }
    }
}

pub(super) fn candidates() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = pg_config_bindir().into_iter().collect();
    if let Some(path) = std::env::var_os("PATH") {
        dirs.extend(std::env::split_paths(&path));
    }
    for (parent, before, inside) in PACKAGES {
        dirs.extend(numbered(Path::new(parent), before).into_iter().map(|dir| dir.join(inside)));
    }
    let mut distinct = Vec::new();
    for dir in dirs {
        if !distinct.contains(&dir) {
            distinct.push(dir);
        }
    }
    distinct
}

/// Without the server package, `pg_config` may be there all the same and name a folder that is not.
fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (!text.trim().is_empty()).then(|| PathBuf::from(text.trim()))
}

/// The sub-folders that are called `before` and a number, the highest number first: 18, 9, not "9", "18".
fn numbered(parent: &Path, before: &str) -> Vec<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(before)?.parse::<u32>().ok();
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let mut dirs: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    dirs.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    dirs.into_iter().map(|(_, path)| path).collect()
}

pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// `postgres (PostgreSQL) 15.13 (Debian …)` → 15; `18beta1` → 18.
pub(super) fn parse_major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL) ").nth(1)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(major: u32) -> Binaries {
        Binaries { dir: PathBuf::from(format!("/pg/{major}")), major }
    }

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        let cases = [
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("pg_ctl: no\n", None),
            ("", None),
        ];
        for (text, major) in cases {
            assert_eq!(parse_major(text), major, "{text}");
        }
    }

    #[test]
    fn the_newest_version_comes_first_by_number() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9.6", "9", "18", "100", "15", "common", "pgsql-17", "pgsql-8"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names = |before| {
            let dirs = numbered(parent.path(), before);
            dirs.iter().map(|dir| dir.file_name().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["100", "18", "15", "9"]);
        assert_eq!(names("pgsql-"), ["pgsql-17", "pgsql-8"]);
        assert!(numbered(Path::new("/nowhere"), "").is_empty());
    }

    #[test]
    fn a_cluster_gets_binaries_of_its_own_version() {
        let cluster = Path::new("/data/postgres");
        let chosen = |majors: &[u32], wanted| choose(majors.iter().map(|m| binaries(*m)).collect(), wanted, cluster);
        assert_eq!(chosen(&[18, 15], None).unwrap(), binaries(18));
        assert_eq!(chosen(&[18, 15], Some(15)).unwrap(), binaries(15));
        let error = chosen(&[18, 15], Some(16)).unwrap_err().to_string();
        assert_eq!(
            error,
            "the cluster /data/postgres was made by PostgreSQL 16, but only 18 (/pg/18), 15 (/pg/15) is here: install \
             postgresql-16, or set PG_BIN_DIR to its binaries"
        );
        assert!(matches!(chosen(&[], Some(16)), Err(EmbeddedError::NoServer)));
    }

    #[test]
    fn versions_that_are_too_old_are_passed_over_and_named_where_there_is_no_other() {
        let cluster = Path::new("/data/postgres");
        let chosen = |majors: &[u32], wanted| choose(majors.iter().map(|m| binaries(*m)).collect(), wanted, cluster);
        assert_eq!(chosen(&[14, 9, 16], None).unwrap(), binaries(16));
        let error = chosen(&[14, 9], None).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "only PostgreSQL 14 (/pg/14), 9 (/pg/9) is here, and the gateway needs version 15 or later"
            ),
            "{error}"
        );
        let error = chosen(&[14, 16], Some(14)).unwrap_err().to_string();
        assert!(error.contains("made by PostgreSQL 14") && error.contains("upgrade-postgres"), "{error}");
    }

    #[test]
    fn a_folder_without_both_programs_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("postgres"), "").unwrap();
        assert_eq!(Binaries::open(dir.path()), None);
        let error =
            Binaries::find(Some(dir.path()), &Account::Ourselves, None, Path::new("/c")).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("PG_BIN_DIR={} has no `postgres` and `initdb` that can be run", dir.path().display())
        );
    }
}
