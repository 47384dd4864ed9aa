//! Where log lines go: stdout, and daily files in `LOG_DIR` where that is set. `RUST_LOG` says which.
//!
//! One line per event with `name=value` fields, or one JSON object (`LOG_FORMAT`), without colours unless stdout is a terminal, so that
//! journald and files stay readable. Written by threads of their own (`logging/lines.rs`): a reader of stdout that stands still never holds up a
//! request (after 32 MiB of waiting lines, further ones are dropped and counted).

mod journal;
mod lines;
mod plain;

use std::fs::{DirBuilder, File};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use self::journal::{Prioritized, is_journal};
use self::lines::{LineWriter, Lines, write_lines_to};
use self::plain::Plain;
use crate::config::{LogConfig, LogFormat};

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
    /// No thread to write with.
    #[error("the log cannot be started: {0}")]
    Thread(io::Error),
    /// Called twice in one process.
    #[error("the log is already set up")]
    AlreadySetUp,
}

/// Keeps the writing threads alive; dropped, it writes what is still waiting.
#[must_use = "dropped, the log ends"]
#[derive(Debug)]
pub struct LogGuard {
    _writers: Vec<LineWriter>,
    level: LogLevel,
}

/// How much is logged. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogGuard {
    /// To change how much is logged.
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }
}

impl LogLevel {
    /// Another filter than that of the start. [`crate::config`] has checked it.
    pub fn set(&self, filter: &str) {
        let made = EnvFilter::try_new(filter).map(|filter| self.0.reload(filter));
        if !matches!(made, Ok(Ok(()))) {
            tracing::error!(filter, "RUST_LOG stays as it was");
        }
    }
}

/// Sets the log of this process up.
pub fn init(config: &LogConfig) -> Result<LogGuard, LogError> {
    let (filter, level) = reload::Layer::new(EnvFilter::try_new(&config.filter)?);
    // Standard output itself would write line by line.
    let unbuffered = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(LogError::Thread)?);
    let (stdout, stdout_writer) = write_lines_to(unbuffered).map_err(LogError::Thread)?;
    let mut writers = vec![stdout_writer];
    let mut file = None;
    if let Some(dir) = &config.dir {
        let (lines, writer) = open_files(dir)?;
        writers.push(writer);
        let layer = fmt::layer().with_ansi(false).with_writer(move || lines.clone());
        file = Some(match config.format {
            LogFormat::Text => layer.event_format(Plain { timed: true }).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).boxed(),
        });
    }
    let in_journal = is_journal(io::stdout(), std::env::var("JOURNAL_STREAM").ok().as_deref());
    let is_terminal = io::stdout().is_terminal();
    let layer = fmt::layer().with_writer(move || stdout.clone());
    let stdout = match (config.format, in_journal) {
        (LogFormat::Text, _) if is_terminal => layer.with_ansi(true).boxed(),
        (LogFormat::Text, false) => layer.event_format(Plain { timed: true }).with_ansi(false).boxed(),
        (LogFormat::Text, true) => layer.event_format(Prioritized(Plain { timed: false })).with_ansi(false).boxed(),
        (LogFormat::Json, false) => layer.json().flatten_event(true).boxed(),
        (LogFormat::Json, true) => {
            let json = fmt::format().json().flatten_event(true).without_time();
            layer.json().event_format(Prioritized(json)).boxed()
        }
    };
    let set_up = tracing_subscriber::registry().with(filter).with(stdout).with(file).try_init();
    set_up.map_err(|_| LogError::AlreadySetUp)?;
    Ok(LogGuard { _writers: writers, level: LogLevel(level) })
}

/// `stonescriptdb-gateway.2026-01-31.log`, a new one each day (UTC), and `stonescriptdb-gateway.log`, which leads to the current one.
fn open_files(dir: &Path) -> Result<(Lines, LineWriter), LogError> {
    let refuse = |reason: String| LogError::Folder { path: dir.to_owned(), reason };
    let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
    made.map_err(|error| refuse(error.to_string()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("stonescriptdb-gateway")
        .filename_suffix("log")
        .latest_symlink("stonescriptdb-gateway.log")
        .max_log_files(KEPT_FILES)
        .build(dir);
    let files = files.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        refuse(cause.unwrap_or_else(|| error.to_string()))
    })?;
    write_lines_to(files).map_err(LogError::Thread)
}
