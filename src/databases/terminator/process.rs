//! A backend as the system knows it, where PostgreSQL runs on this machine. A signal to a process needs no connection, and
//! nothing of PostgreSQL's catalogs, which somebody may have locked.
//!
//! A number alone proves nothing: processes of other machines and containers bear the same ones, and each is used again. So
//! it has to be a child of the process that listens at the socket, as this system counts, and to have begun when it did.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const AUTOVACUUM_WORKER: &str = ": autovacuum worker";

/// A server process on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::databases) struct Process {
    pid: i32,
    parent: i32,
    /// In ticks since the system began.
    began: u64,
}

impl Process {
    /// The process with this number, if it is a child of the one that listens. To be asked while its connection is open, so
    /// that it is the one that is meant.
    pub(in crate::databases) fn of(pid: i32, listener: Option<i32>) -> Option<Self> {
        let listener = listener.filter(|listener| *listener > 1)?;
        let (parent, began) = parent_and_begin(pid)?;
        (parent == listener).then_some(Self { pid, parent, began })
    }

    /// Its number, for the log.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn is_there(&self) -> bool {
        parent_and_begin(self.pid) == Some((self.parent, self.began))
    }

    /// Has it end, as `pg_terminate_backend` does. False: it is gone, or the system does not let this user do it.
    pub(super) fn end(&self) -> bool {
        self.is_there() && kill(Pid::from_raw(self.pid), Signal::SIGTERM).is_ok()
    }

    /// Ends it at once, which has its server start again: as PostgreSQL's own emergency stop does (manual, 19.5 and
    /// `quickdie` in its source), or, where that was in vain, by the system alone.
    pub(super) fn quit(&self, in_vain: bool) -> bool {
        let signal = if in_vain { Signal::SIGKILL } else { Signal::SIGQUIT };
        self.is_there() && kill(Pid::from_raw(self.pid), signal).is_ok()
    }

    /// Whether it waits for a lock, as PostgreSQL writes into its title.
    pub(super) fn waits(&self) -> bool {
        self.is_there() && title(self.pid).is_some_and(|title| title.ends_with(" waiting"))
    }

    /// Whether somebody who wants a new session of its server waits for a lock before he is let in.
    pub(super) fn somebody_waits_at_the_door(&self) -> bool {
        let waits = |title: &str| title.ends_with(" startup waiting") || title.ends_with(" authentication waiting");
        self.siblings().iter().any(|(_, title)| waits(title))
    }

    /// The server's workers of autovacuum, which call the functions of tables' indexes.
    pub(super) fn autovacuum_workers(&self) -> Vec<Self> {
        let workers = self.siblings().into_iter().filter(|(_, title)| title.contains(AUTOVACUUM_WORKER));
        workers.filter_map(|(pid, _)| Self::of(pid, Some(self.parent))).collect()
    }

    /// The database that a worker of autovacuum works in, as PostgreSQL writes into its title.
    pub(super) fn autovacuum_database(&self) -> Option<String> {
        let title = title(self.pid).filter(|_| self.is_there())?;
        let (_, database) = title.split_once(AUTOVACUUM_WORKER)?;
        Some(database.trim().to_owned()).filter(|database| !database.is_empty())
    }

    /// Another process of the same server.
    pub(super) fn sibling(&self, pid: i32) -> Option<Self> {
        Self::of(pid, Some(self.parent))
    }

    /// All that its server has begun, with their titles.
    fn siblings(&self) -> Vec<(i32, String)> {
        // Each thread has its own.
        let threads = fs::read_dir(format!("/proc/{}/task", self.parent)).into_iter().flatten().flatten();
        let children: String =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.filter_map(|pid| Some((pid, title(pid)?))).collect()
    }
}

/// From `/proc/<pid>/stat`, whose second field is a name in parentheses that may hold anything.
fn parent_and_begin(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

fn title(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // What a program was started with is separated by these; a title that PostgreSQL has written is one piece.
    Some(text.split('\0').next().unwrap_or_default().trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_child_of_the_listener_that_began_when_it_did_is_ended() {
        let me = std::process::id().cast_signed();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("a process");
        let pid = child.id().cast_signed();
        for listener in [None, Some(0), Some(1), Some(pid)] {
            assert_eq!(Process::of(pid, listener), None, "{listener:?}");
        }
        let process = Process::of(pid, Some(me)).expect("it is there");
        let another = Process { began: process.began + 1, ..process.clone() };
        assert!(!another.end() && child.try_wait().is_ok_and(|ended| ended.is_none()));
        assert!(process.end());
        let ended = child.wait().expect("it ends");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15));
        let mut worker = std::process::Command::new("sleep");
        let mut worker =
            std::os::unix::process::CommandExt::arg0(&mut worker, "postgres: of_ours: autovacuum worker theirs")
                .arg("600")
                .spawn()
                .expect("a process");
        // It has its title a moment after it has begun.
        let since = std::time::Instant::now();
        let mut workers = process.autovacuum_workers();
        while workers.is_empty() && since.elapsed().as_secs() < 5 {
            workers = process.autovacuum_workers();
        }
        assert_eq!(workers.iter().map(|one| one.pid).collect::<Vec<_>>(), [worker.id().cast_signed()]);
        assert_eq!(workers[0].autovacuum_database().as_deref(), Some("theirs"));
        assert_eq!(process.autovacuum_database(), None);
        assert!(workers[0].end() && worker.wait().is_ok());
        assert!(!process.end() && !process.waits() && Process::of(pid, Some(me)).is_none());
    }
}
