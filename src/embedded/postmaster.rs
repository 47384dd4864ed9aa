//! One running postmaster: started or taken over, waited for, stopped.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use tracing::{info, warn};

use super::account::Account;
use super::binaries::Binaries;
use super::cluster::main_line;
use super::folder::{Folder, PORT};
use super::pid_file::{self, Holder};
use super::{EmbeddedError, EmbeddedOptions, room, server_log, stack};
use crate::scheduling;

/// How often it is looked whether a postmaster has got ready or has ended.
const GLANCE: Duration = Duration::from_millis(20);
/// A postmaster that says nothing at all for this long will not get ready.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Recovery after a crash may take long, and says so; longer than this is somebody's business.
const RECOVERY_LIMIT: Duration = Duration::from_secs(600);
/// A fast shutdown ends the sessions and writes a checkpoint.
const FAST_STOP_LIMIT: Duration = Duration::from_secs(45);
/// An immediate one only ends the processes.
const IMMEDIATE_STOP_LIMIT: Duration = Duration::from_secs(10);

/// How the postmaster of one cluster is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    account: Account,
    program: PathBuf,
    arguments: Vec<OsString>,
    cluster: PathBuf,
    log: PathBuf,
    password_file: PathBuf,
    connection: tokio_postgres::Config,
}

impl Launch {
    pub(super) fn new(
        folder: &Folder,
        cluster: &Path,
        binaries: &Binaries,
        account: Account,
        connection: tokio_postgres::Config,
        options: &EmbeddedOptions,
    ) -> Self {
        let cluster = cluster.to_owned();
        let mut arguments = vec![OsString::from("-D"), cluster.clone().into_os_string()];
        // The folder stands in a list there: between quotes it may hold commas.
        let mut sockets = OsString::from("unix_socket_directories=\"");
        sockets.push(cluster.to_string_lossy().replace('"', "\"\""));
        sockets.push("\"");
        let settings = settings(options.max_connections).into_iter().map(|(name, value)| (name.to_owned(), value));
        // Tests' own servers are small on disks that are not.
        let log_mib = if options.die_with_parent { None } else { room::log_mib_at(&cluster) };
        let settings = settings.chain(log_mib.into_iter().flat_map(|mib| {
            // The least is what is kept after each checkpoint.
            [("min_wal_size", 32), ("max_wal_size", mib)].map(|(name, mib)| (name.to_owned(), format!("{mib}MB")))
        }));
        let all = settings.chain(options.settings.iter().cloned());
        let words = all.map(|(name, value)| OsString::from(format!("{name}={value}")));
        for word in std::iter::once(sockets).chain(words) {
            arguments.extend(["-c".into(), word]);
        }
        let (program, log) = (binaries.program("postgres"), folder.log());
        Self { account, program, arguments, cluster, log, password_file: folder.password_file(), connection }
    }

    /// Whether a process was started just like this.
    fn matches(&self, words: &[OsString]) -> bool {
        let program = std::iter::once(self.program.as_os_str());
        program.chain(self.arguments.iter().map(OsString::as_os_str)).eq(words.iter().map(OsString::as_os_str))
    }
}

/// What the gateway relies on; the rest stands in the cluster's `postgresql.conf`, for the operator to tune.
fn settings(max_connections: usize) -> Vec<(&'static str, String)> {
    let fixed = |name, value: &str| (name, value.to_owned());
    vec![
        fixed("listen_addresses", ""),
        ("port", PORT.to_string()),
        // Root passes all the same.
        fixed("unix_socket_permissions", "0700"),
        ("max_connections", max_connections.to_string()),
        // One deployment is one transaction over all its tables and indexes, each of which takes a lock.
        fixed("max_locks_per_transaction", "256"),
        // Statements of a gateway that died, or of a client that hung up, end within a second.
        fixed("client_connection_check_interval", "1000"),
        fixed("cluster_name", "stonescriptdb"),
        fixed("log_destination", "stderr"),
        fixed("logging_collector", "off"),
        fixed("log_line_prefix", "%m [%p] "),
        fixed("log_checkpoints", "off"),
        // Errors of statements go to those who sent them. In the log they would show values, and statements that set
        // a password.
        fixed("log_min_messages", "log"),
        fixed("log_min_error_statement", "panic"),
    ]
}

/// A postmaster that runs, or ran a moment ago. Dropped, it is told to stop but not waited for.
#[derive(Debug)]
pub(super) struct Postmaster {
    launch: Launch,
    pid: Pid,
    /// `None`: a gateway that died has started it.
    child: Option<Child>,
    /// Where this start begins in the log.
    log_offset: u64,
}

impl Postmaster {
    /// Takes over the cluster's postmaster if it runs and was started just as it would be now; else starts one.
    pub(super) async fn take_over_or_start(launch: Launch) -> Result<Self, EmbeddedError> {
        if let Holder::Postmaster(pid) = pid_file::holder(&launch.cluster) {
            let same = pid_file::command_line(pid).is_some_and(|words| launch.matches(&words));
            let mut left =
                Self { launch: launch.clone(), pid, child: None, log_offset: server_log::length(&launch.log) };
            if same && left.wait_until_ready().await.is_ok() {
                info!(pid = pid.as_raw(), "took over the PostgreSQL that an earlier gateway has left running");
                return Ok(left);
            }
            info!(pid = pid.as_raw(), "stopping the PostgreSQL that an earlier gateway has left, to start it anew");
            left.stop().await?;
        }
        let mut started = Self::spawn(launch)?;
        started.wait_until_ready().await?;
        info!(pid = started.pid.as_raw(), "PostgreSQL is ready");
        Ok(started)
    }

    pub(super) fn log(&self) -> &Path {
        &self.launch.log
    }

    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Only where [`pid_file::holder`] has found no postmaster.
    fn spawn(launch: Launch) -> Result<Self, EmbeddedError> {
        let (log, log_offset) = server_log::open(&launch.log).map_err(EmbeddedError::io("opening", &launch.log))?;
        let log_too = log.try_clone().map_err(EmbeddedError::io("opening", &launch.log))?;
        let mut command = launch.account.command(&launch.program);
        command.args(&launch.arguments).stdout(log).stderr(log_too);
        if let Holder::Other(pid) = pid_file::holder(&launch.cluster) {
            // PostgreSQL takes any living process with the pid in its file for a postmaster, unless it is told that it
            // is its starter's parent. Its other guard, the shared memory of a server that still runs, stays.
            info!(pid = pid.as_raw(), "postmaster.pid is stale: another process bears its pid now");
            command.env("PG_GRANDPARENT_PID", pid.to_string());
        }
        remove_socket_lock(&launch.cluster)?;
        stack::raise_limit();
        let spawned = scheduling::in_line(|| command.spawn());
        let spawned = spawned.unwrap_or_else(|_| Err(io::Error::other("the thread that was to start it has ended")));
        let child = spawned.map_err(EmbeddedError::io("starting", &launch.program))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        Ok(Self { launch, pid, child: Some(child), log_offset })
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => {
                pid_file::command_line(self.pid).is_some_and(|words| pid_file::serves(&words, &self.launch.cluster))
            }
        }
    }

    /// Returns when it has ended.
    pub(super) async fn ended(&mut self, glance: Duration) {
        while self.is_running() {
            sleep(glance).await;
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), EmbeddedError> {
        let begin = Instant::now();
        let mut silent_since = begin;
        let mut told = begin;
        loop {
            let answer = self.try_connect().await;
            let reason = match answer {
                Answer::Ready => return Ok(()),
                Answer::WrongPassword => {
                    return Err(EmbeddedError::WrongPassword { path: self.launch.password_file.clone() });
                }
                Answer::Busy(reason) => {
                    silent_since = Instant::now();
                    reason
                }
                Answer::Silent(reason) => reason,
            };
            if !self.is_running() {
                return Err(EmbeddedError::Start { reason: self.last_words(), log: self.launch.log.clone() });
            }
            if silent_since.elapsed() > SILENCE_LIMIT || begin.elapsed() > RECOVERY_LIMIT {
                let (seconds, log) = (begin.elapsed().as_secs(), self.launch.log.clone());
                return Err(EmbeddedError::NotReady { seconds, reason, log });
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                info!(reason, "waiting for PostgreSQL");
            }
            sleep(GLANCE).await;
        }
    }

    async fn try_connect(&self) -> Answer {
        match timeout(Duration::from_secs(5), self.launch.connection.connect(NoTls)).await {
            Ok(Ok(_)) => Answer::Ready,
            Ok(Err(error)) => match error.code() {
                // It runs, and has no room for us at this moment.
                Some(&SqlState::TOO_MANY_CONNECTIONS) => Answer::Ready,
                Some(&SqlState::CANNOT_CONNECT_NOW) => Answer::Busy(error.to_string()),
                Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
                    Answer::WrongPassword
                }
                Some(_) | None => Answer::Silent(error.to_string()),
            },
            Err(_) => Answer::Silent("it does not answer".to_owned()),
        }
    }

    /// A fast shutdown, and an immediate one if that takes too long. PostgreSQL recovers from either.
    pub(super) async fn stop(&mut self) -> Result<(), EmbeddedError> {
        for (signal, limit) in [(Signal::SIGINT, FAST_STOP_LIMIT), (Signal::SIGQUIT, IMMEDIATE_STOP_LIMIT)] {
            self.signal(signal);
            if timeout(limit, self.ended(GLANCE)).await.is_ok() {
                return Ok(());
            }
            warn!(pid = self.pid.as_raw(), %signal, seconds = limit.as_secs(), "PostgreSQL has not stopped yet");
        }
        Err(EmbeddedError::Stop { pid: self.pid.as_raw() })
    }

    /// Stops another postmaster of the same cluster: one whose start was given up.
    pub(super) async fn stop_successor(&self) -> Result<(), EmbeddedError> {
        match pid_file::holder(&self.launch.cluster) {
            Holder::Postmaster(pid) => {
                let mut successor = Self { launch: self.launch.clone(), pid, child: None, log_offset: self.log_offset };
                successor.stop().await
            }
            Holder::Nobody | Holder::Other(_) => Ok(()),
        }
    }

    /// Only to a process that is known to be the postmaster: a pid may have a new owner.
    fn signal(&mut self, signal: Signal) {
        if self.is_running()
            && let Err(error) = kill(self.pid, signal)
        {
            warn!(pid = self.pid.as_raw(), %error, "could not signal PostgreSQL");
        }
    }

    /// Why it ended, in its own words.
    fn last_words(&self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.launch.log).and_then(|mut log| {
            log.seek(SeekFrom::Start(self.log_offset))?;
            log.take(1 << 20).read_to_end(&mut text)
        });
        match read {
            Ok(_) => main_line(&String::from_utf8_lossy(&text)),
            Err(error) => format!("it ended, and its log cannot be read: {error}"),
        }
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}

/// Stops a postmaster of this cluster that somebody else has started.
pub(super) async fn end(pid: Pid, cluster: &Path) -> Result<(), EmbeddedError> {
    let serves = || pid_file::command_line(pid).is_some_and(|words| pid_file::serves(&words, cluster));
    let ended = async {
        while serves() {
            sleep(GLANCE).await;
        }
    };
    let mut ended = std::pin::pin!(ended);
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        if serves() {
            // It has ended by itself: that is seen below.
            let _ = kill(pid, signal);
        }
        if timeout(IMMEDIATE_STOP_LIMIT, &mut ended).await.is_ok() {
            return Ok(());
        }
    }
    Err(EmbeddedError::Stop { pid: pid.as_raw() })
}

/// What came of an attempt to connect.
enum Answer {
    Ready,
    /// It is starting, recovering or stopping.
    Busy(String),
    WrongPassword,
    /// Nothing, or nothing that helps.
    Silent(String),
}

/// The socket's lock file names a pid too, and no postmaster runs that could have written it.
fn remove_socket_lock(cluster: &Path) -> Result<(), EmbeddedError> {
    let path = cluster.join(format!(".s.PGSQL.{PORT}.lock"));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EmbeddedError::io("removing", &path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
