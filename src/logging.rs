//! Where log lines go: stdout, and daily files in `LOG_DIR` where that is set. `RUST_LOG` says which.
//!
//! One line per event with `name=value` fields, without colours unless stdout is a terminal, so that journald and files
//! stay readable. Written by threads of their own: a reader of stdout that stands still never holds up a request (after
//! 128,000 waiting lines, further ones are dropped).

use std::fs::DirBuilder;
use std::io::{self, BufWriter, IsTerminal};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::LogConfig;

/// Lines that wait are written together, which at thousands of requests per second saves a system call for each. The
/// writing thread flushes as soon as none waits.
const BATCH_BYTES: usize = 64 * 1024;

/// Older files than this many days are removed.
const KEPT_FILES: usize = 30;

/// Why there is no log. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `LOG_DIR` cannot be made or written to.
    #[error("LOG_DIR={}: {reason}", path.display())]
    Folder {
        /// Its value.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// [`crate::config`] has checked the filter.
    #[error("RUST_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Called twice in one process.
    #[error("the log is already set up")]
    AlreadySetUp,
}

/// Keeps the writing threads alive; dropped, it writes what is still waiting.
#[must_use = "dropped, the log ends"]
#[derive(Debug)]
pub struct LogGuard {
    _workers: Vec<WorkerGuard>,
}

/// Sets the log of this process up.
pub fn init(config: &LogConfig) -> Result<LogGuard, LogError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let (stdout, stdout_worker) = tracing_appender::non_blocking(BufWriter::with_capacity(BATCH_BYTES, io::stdout()));
    let mut workers = vec![stdout_worker];
    let mut file = None;
    if let Some(dir) = &config.dir {
        let (writer, worker) = open_files(dir)?;
        workers.push(worker);
        file = Some(fmt::layer().with_ansi(false).with_writer(writer));
    }
    let stdout = fmt::layer().with_ansi(io::stdout().is_terminal()).with_writer(stdout);
    let set_up = tracing_subscriber::registry().with(filter).with(stdout).with(file).try_init();
    set_up.map_err(|_| LogError::AlreadySetUp)?;
    Ok(LogGuard { _workers: workers })
}

/// `gateway.2026-01-31.log`, a new one each day (UTC).
fn open_files(dir: &Path) -> Result<(NonBlocking, WorkerGuard), LogError> {
    let refuse = |reason: String| LogError::Folder { path: dir.to_owned(), reason };
    let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
    made.map_err(|error| refuse(error.to_string()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("gateway")
        .filename_suffix("log")
        .max_log_files(KEPT_FILES)
        .build(dir);
    let files = files.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        refuse(cause.unwrap_or_else(|| error.to_string()))
    })?;
    Ok(tracing_appender::non_blocking(BufWriter::with_capacity(BATCH_BYTES, files)))
}
