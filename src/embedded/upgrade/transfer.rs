//! The two ways over: `pg_upgrade`, and a dump that is restored at once.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tokio::io::AsyncWriteExt;

use super::super::account::Account;
use super::super::cluster;
use super::super::folder::{Folder, PORT};
use super::super::{EmbeddedError, SUPERUSER};
use super::UpgradeError;
use super::aside::Aside;
use super::plan::Plan;
use crate::databases::upgrading;

/// Of one of `pg_upgrade`'s files, in the log.
const FILE_BYTES: usize = 1 << 20;
/// Of its words, in an error.
const REASON_CHARS: usize = 600;

/// As many as the gateway's server has: all of a database comes over in one transaction.
const LOCKS: &str = "-c max_locks_per_transaction=256";

/// What both ways have said.
pub(super) fn log(folder: &Path) -> PathBuf {
    folder.join("postgres-upgrade.log")
}

/// Runs a program to its end; what it says goes to the log.
pub(super) async fn run(command: Command, doing: &str, log: &Path) -> Result<(), UpgradeError> {
    let output = output_of(command).await?;
    note(log, doing, &output);
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(doing, cluster::main_line(&String::from_utf8_lossy(&output.stderr)), log)),
    }
}

async fn output_of(command: Command) -> Result<Output, UpgradeError> {
    let program = PathBuf::from(command.get_program());
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
    Ok(output.map_err(EmbeddedError::io("running", &program))?)
}

fn failed(doing: &str, mut reason: String, log: &Path) -> UpgradeError {
    if reason.contains(UNKNOWN_PARAMETER) {
        reason.push_str(OLDER_MINOR);
    }
    UpgradeError::Failed { doing: doing.to_owned(), reason, log: log.to_owned() }
}

/// Minor releases may keep new notes in tables (`pg_attver`, of November 2026), which programs of before take for options.
const UNKNOWN_PARAMETER: &str = "unrecognized parameter";
const OLDER_MINOR: &str = ": the installed minor release of the new version is older than that of the old one; install its \
     newest one and run the command again";

/// The log helps, and nothing depends on it. Restored rows may be in it.
fn note(log: &Path, doing: &str, output: &Output) {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log);
    let _ = file.and_then(|mut file| {
        writeln!(file, "== {doing}: {}", output.status)?;
        file.write_all(&output.stdout)?;
        file.write_all(&output.stderr)
    });
}

/// Has the new version's `pg_upgrade` copy everything. Neither server may run.
pub(super) async fn pg_upgrade(
    plan: &Plan,
    account: &Account,
    folder: &Folder,
    aside: &Aside,
) -> Result<(), UpgradeError> {
    // It writes its scripts where it stands, and not into the cluster; any start removes this folder.
    let work = folder.path().join(format!("postgres.new-{}", cluster::random_hex::<4>()));
    fs::create_dir(&work).map_err(EmbeddedError::io("creating", &work))?;
    account.own(&work)?;
    let mut command = account.command(&plan.new.program("pg_upgrade"));
    command.current_dir(&work).arg("--old-bindir").arg(&plan.old.dir).arg("--new-bindir").arg(&plan.new.dir);
    command.arg("--old-datadir").arg(folder.cluster()).arg("--new-datadir").arg(aside.path());
    command.args(["--username", SUPERUSER, "--old-options", LOCKS, "--new-options", LOCKS]);
    command.env("PGPASSWORD", cluster::read_password(&folder.password_file())?).env("PGOPTIONS", upgrading());
    let output = output_of(command).await;
    let _ = fs::remove_dir_all(&work);
    let output = output?;
    let (doing, log) = ("pg_upgrade", log(folder.path()));
    note(&log, doing, &output);
    if output.status.success() {
        return Ok(());
    }
    let mut reason = reason_of(&String::from_utf8_lossy(&output.stdout));
    let mut errors = Vec::new();
    keep_logs(&aside.path().join("pg_upgrade_output.d"), &log, &mut errors);
    if let Some(error) = errors.first() {
        reason = format!("{error} ({reason})");
    }
    Err(failed(doing, reason, &log))
}

/// From the first step that failed on, in one line.
fn reason_of(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    let is_failure =
        |line: &&str| line.ends_with("fatal") || line.ends_with("*failure*") || line.starts_with("could not");
    let from = lines.iter().position(is_failure).unwrap_or(lines.len().saturating_sub(5));
    let words: Vec<&str> = lines[from..].iter().flat_map(|line| line.split_whitespace()).collect();
    words.join(" ").chars().take(REASON_CHARS).collect()
}

/// It names files for what is wrong, and they go with the new cluster. Its dumps stay out of the log, and so do
/// passwords. Lines with PostgreSQL's errors go to `errors`.
fn keep_logs(folder: &Path, log: &Path, errors: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let is_words = path.extension().is_some_and(|extension| extension == "log" || extension == "txt");
        if path.is_dir() {
            keep_logs(&path, log, errors);
        } else if let Some(mut text) = fs::read(&path).ok().filter(|_| is_words) {
            text.truncate(FILE_BYTES);
            let words = String::from_utf8_lossy(&text);
            errors.extend(words.lines().filter(|line| line.contains("ERROR: ")).map(|line| line.trim().to_owned()));
            let lines: Vec<&str> =
                words.lines().map(|line| line.split(" PASSWORD '").next().unwrap_or_default()).collect();
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log);
            let _ = file.and_then(|mut file| writeln!(file, "== {}\n{}", path.display(), lines.join("\n")));
        }
    }
}

/// From one running server to the other, with the clients in a folder.
pub(super) struct Way<'a> {
    pub(super) tools: &'a Path,
    pub(super) account: &'a Account,
    pub(super) folder: &'a Folder,
    /// The new cluster.
    pub(super) new: &'a Path,
}

impl Way<'_> {
    /// Roles and what belongs to no database.
    pub(super) async fn bring_roles(&self) -> Result<(), UpgradeError> {
        let (doing, log) = ("bringing over the roles", log(self.folder.path()));
        let mut dump = self.client("pg_dumpall", &self.folder.cluster())?;
        dump.args(["--globals-only", "--no-password"]);
        let dumped = output_of(dump).await?;
        if !dumped.status.success() {
            note(&log, doing, &dumped);
            return Err(failed(doing, cluster::main_line(&String::from_utf8_lossy(&dumped.stderr)), &log));
        }
        let mut restore = tokio::process::Command::from(self.psql(&[])?);
        restore.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let running = |error| UpgradeError::from(EmbeddedError::io("running clients in", self.tools)(error));
        let restored = async {
            let mut child = restore.spawn()?;
            let mut stdin = child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let write = async {
                let written = stdin.write_all(&dumped.stdout).await;
                drop(stdin);
                written
            };
            let (written, output) = tokio::join!(write, child.wait_with_output());
            // That it takes no more, it says better itself.
            output.map(|output| (written.is_ok(), output))
        };
        let (is_written, restored) = restored.await.map_err(running)?;
        note(&log, doing, &restored);
        let errors = String::from_utf8_lossy(&restored.stderr);
        // The cluster has been made with this one.
        let known = format!("role \"{SUPERUSER}\" already exists");
        let other = errors.lines().find(|line| line.contains("ERROR:") && !line.ends_with(&known));
        match other {
            None if is_written && restored.status.success() => Ok(()),
            other => Err(failed(doing, other.map_or_else(|| cluster::main_line(&errors), str::to_owned), &log)),
        }
    }

    /// A database, from the one server's output to the other's input.
    pub(super) async fn bring(&self, database: &str) -> Result<(), UpgradeError> {
        let (doing, log) = (format!("bringing over {database}"), log(self.folder.path()));
        let mut dump = self.client("pg_dump", &self.folder.cluster())?;
        dump.args(["--no-password", "--dbname", &connection_string(database)]);
        // These two are there.
        let target = match database {
            "postgres" | "template1" => database,
            _ => {
                dump.arg("--create");
                "postgres"
            }
        };
        let running = |error| UpgradeError::from(EmbeddedError::io("running clients in", self.tools)(error));
        let mut restore = self.psql(&["--set", "ON_ERROR_STOP=1", "--dbname", target])?;
        let (reader, writer) = std::io::pipe().map_err(running)?;
        dump.stdout(writer);
        restore.stdin(reader).stdout(Stdio::null());
        let (dumped, restored) = tokio::join!(end_of(dump), end_of(restore));
        let (dumped, restored) = (dumped.map_err(running)?, restored.map_err(running)?);
        for output in [&dumped, &restored] {
            note(&log, &doing, output);
        }
        // When the second stops, the first only says that nobody listens.
        match [&restored, &dumped].into_iter().find(|output| !output.status.success()) {
            None => Ok(()),
            Some(output) => Err(failed(&doing, reason_in(&output.stderr), &log)),
        }
    }

    fn psql(&self, arguments: &[&str]) -> Result<Command, UpgradeError> {
        let mut command = self.client("psql", self.new)?;
        command.args(["--no-psqlrc", "--quiet", "--no-password"]).args(arguments);
        Ok(command)
    }

    fn client(&self, program: &str, cluster: &Path) -> Result<Command, UpgradeError> {
        let mut command = self.account.command(&self.tools.join(program));
        // Not what the owner of a database has set for all sessions in it.
        command.env("PGOPTIONS", upgrading());
        command.env("PGPASSWORD", cluster::read_password(&self.folder.password_file())?);
        command
            .env("PGHOST", cluster)
            .env("PGPORT", PORT.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", "postgres");
        Ok(command)
    }
}

/// Runs a command that has its input and output; what it says of errors comes back. It and its ends of pipes are gone once it runs.
async fn end_of(command: Command) -> std::io::Result<Output> {
    let mut command = tokio::process::Command::from(command);
    let child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    drop(command);
    child.wait_with_output().await
}

fn reason_in(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let error = text.lines().find(|line| line.contains("ERROR:"));
    error.map_or_else(|| cluster::main_line(&text), |line| line.trim().to_owned())
}

/// A name may look like a whole connection string.
fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_begins_where_pg_upgrade_failed() {
        let cases = [
            (
                "Checking cluster versions     ok\nChecking for presence of required libraries   fatal\n\nYour installation \
                 references\n    /x/loadable_libraries.txt\nFailure, exiting\n",
                "Checking for presence of required libraries fatal Your installation references /x/loadable_libraries.txt \
                 Failure, exiting",
            ),
            ("one\ntwo\n", "one two"),
            ("", ""),
        ];
        for (said, reason) in cases {
            assert_eq!(reason_of(said), reason);
        }
    }

    #[test]
    fn a_databases_name_is_only_a_name() {
        assert_eq!(connection_string("app_main"), "dbname='app_main'");
        assert_eq!(connection_string("a' host=b\\"), "dbname='a\\' host=b\\\\'");
    }
}
