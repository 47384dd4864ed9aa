//! For the tests' throw-away server: a process that outlives this one by a moment and cleans up after it.
//!
//! A test run may be killed, and then nobody's destructors run. The watcher, a shell, reads from a pipe whose other end
//! only this process holds. When the pipe is closed, for whatever reason, it stops the server of the folder, if one
//! still runs, and **removes the folder**.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::EmbeddedError;

/// `$1` is the folder. SIGQUIT is PostgreSQL's immediate shutdown; it is waited for 10 s.
const SCRIPT: &str = r#"
read -r _
pid_file="$1/postgres/postmaster.pid"
if pid=$(head -n 1 "$pid_file"); then
    kill -QUIT "$pid"
    tries=0
    while [ -e "$pid_file" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf "$1"
"#;

/// Dropped, or gone with its process, it lets the watcher act.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
}

impl Watcher {
    pub(super) fn start(folder: &Path) -> Result<Self, EmbeddedError> {
        let program = Path::new("/bin/sh");
        let mut command = Command::new(program);
        command.args(["-c", SCRIPT, "sh"]).arg(folder).current_dir("/");
        // Ctrl-C ends the test run, but not the one who cleans up after it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let shell = command.spawn().map_err(EmbeddedError::io("running", program))?;
        Ok(Self { shell })
    }

    /// Lets the watcher act and waits for it.
    pub(super) async fn finish(mut self) {
        drop(self.shell.stdin.take());
        // Nothing hangs on its end: the server has stopped already.
        let _ = tokio::task::spawn_blocking(move || self.shell.wait()).await;
    }
}
