//! Who runs the cluster: `postmaster.pid` and what the system says about that process.
//!
//! A pid alone proves nothing: after a crash or a restart of the machine another process may bear it. The command line
//! in `/proc`, which every user may read, tells a postmaster of this very cluster from any other process.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::unistd::Pid;

/// Who is named in `postmaster.pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// There is no such file, or no such process.
    Nobody,
    /// The cluster's postmaster, alive.
    Postmaster(Pid),
    /// Some other process that now bears the pid, or one that has ended but was not waited for.
    Other(Pid),
}

/// Reads the file of this cluster.
pub(super) fn holder(cluster: &Path) -> Holder {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).unwrap_or_default();
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).filter(|pid| *pid > 1);
    match pid.map(Pid::from_raw) {
        None => Holder::Nobody,
        Some(pid) => match command_line(pid) {
            None => Holder::Nobody,
            Some(words) if serves(&words, cluster) => Holder::Postmaster(pid),
            Some(_) => Holder::Other(pid),
        },
    }
}

/// The words that a process was started with; none for one that has ended but was not waited for; `None`: no such
/// process.
pub(super) fn command_line(pid: Pid) -> Option<Vec<OsString>> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let mut words: Vec<OsString> = words.collect();
    // The last word is ended by a NUL, too.
    words.pop();
    Some(words)
}

/// Whether these are the words of a postmaster of this cluster.
pub(super) fn serves(words: &[OsString], cluster: &Path) -> bool {
    let is_server = words.first().is_some_and(|program| Path::new(program).file_name() == Some("postgres".as_ref()));
    is_server && words.windows(2).any(|pair| pair[0] == *"-D" && Path::new(&pair[1]) == cluster)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn with_pid_file(text: &str) -> Holder {
        let cluster = tempfile::tempdir().unwrap();
        fs::write(cluster.path().join("postmaster.pid"), text).unwrap();
        holder(cluster.path())
    }

    #[test]
    fn a_pid_file_that_names_nobody_is_stale() {
        assert_eq!(holder(Path::new("/nowhere")), Holder::Nobody);
        for text in ["", "\n", "x\n", "0\n", "1\n", "-1\n", "-7\n", "99999999999\n", "4194305\n/data\n"] {
            assert_eq!(with_pid_file(text), Holder::Nobody, "{text:?}");
        }
    }

    #[test]
    fn a_living_process_that_is_no_postmaster_is_told_apart() {
        let pid = std::process::id();
        assert_eq!(with_pid_file(&format!("{pid}\n")), Holder::Other(Pid::from_raw(pid.cast_signed())));
    }

    #[test]
    fn a_process_that_nobody_waited_for_is_no_postmaster() {
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let ended = |_: &()| command_line(pid).is_some_and(|words| words.is_empty());
        let waited =
            std::iter::repeat_n((), 500).inspect(|()| std::thread::sleep(std::time::Duration::from_millis(10)));
        assert!(waited.take(500).any(|unit| ended(&unit)), "the child has not ended");
        assert_eq!(with_pid_file(&format!("{pid}\n")), Holder::Other(pid));
        child.wait().unwrap();
        assert_eq!(with_pid_file(&format!("{pid}\n")), Holder::Nobody);
    }

    #[test]
    fn a_postmaster_of_another_cluster_does_not_count() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let cluster = Path::new("/data/postgres");
        assert!(serves(&words(&["/usr/lib/postgresql/15/bin/postgres", "-D", "/data/postgres", "-c", "a=b"]), cluster));
        assert!(!serves(&words(&["/bin/postgres", "-D", "/data/postgres2"]), cluster));
        assert!(!serves(&words(&["/bin/postgres", "/data/postgres", "-D"]), cluster));
        assert!(!serves(&words(&["/bin/vi", "-D", "/data/postgres"]), cluster));
        assert!(!serves(&[], cluster));
    }
}
