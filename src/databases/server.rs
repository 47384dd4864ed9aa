//! Opening connections: which hosts, which settings, and a task that drives each until the server has closed it.
//!
//! Every connection holds one of the permits that `MAX_TOTAL_CONNECTIONS` allows, from before it is opened until after
//! it is closed, whatever happens to whoever asked for it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use rand::seq::SliceRandom;
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, SimpleQueryMessage};

use super::backend::{Backend, BackendHandle, Ending};
use super::call_link::CallLink;
use super::error::{DatabaseError, describe};
use super::lent::{Lender, Lent};
use super::login::{is_refused_as_it_is, log_in};
use super::name::DatabaseName;
use super::run_as::RunAs;
use super::settings;
use super::shares::Admission;
use super::socket::{Endpoint, Socket};
use super::terminator::Terminator;
use super::terminator::awaited::awaited;
use super::terminator::process::Process;
use crate::config::Destination;
use crate::tls::{Tls, TlsMode, Way};

/// Connecting to one address, where the configuration says nothing else.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that nobody uses any more may take to end its last request and to be closed by the server.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may take to close a connection that it did not let in.
const PARTING: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose<'a> {
    /// Serving calls: bounded by the time limit of a call.
    Calls,
    /// The gateway's own statements.
    Control,
    /// Deployments: no time limit, but one for waiting on a lock.
    Deployment,
    /// The gateway's own role in a platform's database, under this search path.
    Inside(&'a str),
}

/// How to reach PostgreSQL.
pub(super) struct Server {
    config: Config,
    /// How connections are encrypted.
    pub(super) tls: Arc<Tls>,
    call_timeout_ms: AtomicU64,
    lock_timeout_ms: AtomicU64,
    /// The server's major version, as the last connection found it; zero before the first one.
    version: Arc<AtomicU32>,
    /// Ends what does not end by itself.
    pub(super) terminator: Arc<Terminator>,
}

/// An open connection. Dropped, it ends what was sent before and closes; its permit is free when the server has closed.
pub(super) struct Link {
    /// Where requests go in.
    pub(super) client: Client,
    /// Ends when the backend is gone.
    pub(super) closed: JoinHandle<()>,
    /// Dropped with the link, which tells the task that nobody waits for answers any more.
    pub(super) in_use: InUse,
    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub(super) made_room: Arc<AtomicBool>,
}

/// Tells the task that drives a connection that nobody uses it any more: by being dropped, that what was sent may end; with
/// a message, that what runs is to be interrupted. The ticket is given back when the backend is gone, so that one database
/// has no more of them than its pool may hold, whatever they do when they are told to end.
pub(super) type InUse = oneshot::Sender<Option<Admission>>;

/// What an integer holds is longer than anything lives.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Server {
    pub(super) fn new(
        Destination { connection: config, tls }: Destination,
        call_timeout: Duration,
        lock_timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(DatabaseError::Config("no PostgreSQL host is configured".to_owned()));
        }
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if config.get_ports().len() > 1 && config.get_ports().len() != hosts {
            return Err(DatabaseError::Config(format!("{} ports for {hosts} hosts", config.get_ports().len())));
        }
        let terminator = Terminator::new(supervising(&config), tls.clone(), own_databases(&config));
        let (call_timeout_ms, lock_timeout_ms) = (millis(call_timeout).into(), millis(lock_timeout).into());
        Ok(Self { config, tls, call_timeout_ms, lock_timeout_ms, version: Arc::default(), terminator })
    }

    /// How long a call may take.
    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms.load(Ordering::Relaxed))
    }

    /// For sessions from now on; whether they are others than before.
    pub(super) fn set_time_limits(&self, call_timeout: Duration, lock_timeout: Duration) -> bool {
        let set = |limit: &AtomicU64, to| limit.swap(millis(to), Ordering::Relaxed) != millis(to);
        // Both, whatever the first one says.
        set(&self.call_timeout_ms, call_timeout) | set(&self.lock_timeout_ms, lock_timeout)
    }

    /// The databases to connect to when it does not matter which.
    pub(super) fn maintenance_databases(&self) -> Vec<DatabaseName> {
        maintenance_names(&self.config).map(|name| DatabaseName::recorded(name.to_owned())).collect()
    }

    /// The gateway's own role.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// Opens a connection.
    pub(super) async fn open(
        &self,
        database: &DatabaseName,
        purpose: Purpose<'_>,
        permit: OwnedSemaphorePermit,
        run_as: &RunAs,
    ) -> Result<Link, DatabaseError> {
        let (opening, terminator) = (self.opening(database, purpose, run_as), self.terminator.clone());
        let holder = run_as.owner().unwrap_or(database.as_str()).to_owned();
        let takes_turns = purpose != Purpose::Control;
        in_a_task(async move {
            let Connected { client, connection, lender, endpoint, backend, .. } = opening.await?;
            if takes_turns {
                lender.take_turns(&holder);
            } else {
                lender.hear_notices();
            }
            let (in_use, unused) = oneshot::channel();
            let hear = hearing(terminator.clone(), endpoint.clone());
            let handle = BackendHandle::new(endpoint, client.cancel_token(), backend, terminator);
            let made_room = handle.made_room();
            let closed = tokio::spawn(drive(close(connection, lender, hear), unused, handle, permit));
            Ok(Link { client, closed, in_use, made_room })
        })
        .await
    }

    /// Opens a connection for calls.
    pub(super) async fn open_for_calls(
        &self,
        database: &DatabaseName,
        permit: OwnedSemaphorePermit,
        run_as: &RunAs,
    ) -> Result<CallLink, DatabaseError> {
        let (opening, terminator) = (self.opening(database, Purpose::Calls, run_as), self.terminator.clone());
        in_a_task(async move { CallLink::take_over(opening.await?, terminator, permit).await }).await
    }

    fn opening(
        &self,
        database: &DatabaseName,
        purpose: Purpose<'_>,
        run_as: &RunAs,
    ) -> impl Future<Output = Result<Connected, DatabaseError>> + Send + use<> {
        let mut config = self.session_config(database, purpose, run_as);
        if let RunAs::Platform(role) = run_as {
            config.user(role.user()).password(role.password());
        }
        let user = run_as.owner().map(str::to_owned);
        let database = database.clone();
        let (bare, tls, version) = (self.config.clone(), self.tls.clone(), self.version.clone());
        let terminator = matches!(run_as, RunAs::Platform(_)).then(|| self.terminator.clone());
        async move {
            if let (Some(terminator), Some(role)) = (&terminator, &user) {
                let kept_out = |wait: Duration| DatabaseError::RoleKeptOut { role: role.clone(), wait };
                terminator.admits(role).map_err(kept_out)?;
            }
            let connected = connect_knowing(&config, &bare, &tls, &version).await;
            let connected = connected.map_err(|error| error.of(&database, user))?;
            if let Some(terminator) = terminator {
                terminator.stand_by(&connected.endpoint).await;
            }
            Ok(connected)
        }
    }

    fn session_config(&self, database: &DatabaseName, purpose: Purpose<'_>, run_as: &RunAs) -> Config {
        let application = match purpose {
            Purpose::Calls => "stonescriptdb-gateway",
            Purpose::Control | Purpose::Inside(_) => "stonescriptdb-gateway control",
            Purpose::Deployment => "stonescriptdb-gateway deployment",
        };
        let given = self.config.get_options().unwrap_or_default();
        let limits = [&self.call_timeout_ms, &self.lock_timeout_ms].map(|limit| limit.load(Ordering::Relaxed).into());
        let [call_timeout, lock_timeout] = limits;
        let pinned = settings::options(purpose, run_as, call_timeout, lock_timeout);
        let mut config = self.config.clone();
        config.dbname(database.as_str()).application_name(application).options(format!("{given}{pinned}"));
        config
    }
}

/// The databases to log in to when it does not matter which.
fn maintenance_names(config: &Config) -> impl Iterator<Item = &str> {
    let configured = config.get_dbname();
    configured.into_iter().chain(["postgres", "template1"].into_iter().filter(move |name| configured != Some(name)))
}

/// The gateway's own database, which no platform's code reaches, and what there is before that is made.
fn own_databases(config: &Config) -> Vec<String> {
    let own = DatabaseName::gateway();
    std::iter::once(own.as_str()).chain(maintenance_names(config)).map(str::to_owned).collect()
}

/// How to log in to end backends. Its name tells the connection from those that the budget counts.
fn supervising(config: &Config) -> Config {
    let given = config.get_options().unwrap_or_default();
    let mut config = config.clone();
    config.application_name("stonescriptdb-supervisor").options(format!("{given}{}", settings::supervising()));
    config
}

impl Link {
    /// Closes and returns when the server has closed too: at once where nothing runs any more, and never late.
    pub(super) async fn close(self) {
        drop(self.client);
        drop(self.in_use);
        // A backend that stays longer is ended and counted on.
        let _ = timeout(2 * CLOSE_TIMEOUT, self.closed).await;
    }

    /// Has what this connection runs cancelled, and the backend ended if it does not listen. What is returned is ready when
    /// the backend is gone, and need not be waited for; until then nobody gets `ticket`.
    pub(super) fn interrupt(self, ticket: Option<Admission>) -> JoinHandle<()> {
        // Not sent: the connection has ended, and with it the task.
        let _ = self.in_use.send(ticket);
        self.closed
    }
}

/// Tells the terminator for whom a `DROP DATABASE` waits, where PostgreSQL says so.
fn hearing(terminator: Arc<Terminator>, endpoint: Endpoint) -> impl Fn(&DbError) {
    move |notice| {
        if let Some(pid) = awaited(notice) {
            terminator.hear_of(&endpoint, pid);
        }
    }
}

/// Reads and writes until the backend is gone. Ready with an error: the connection broke.
async fn close(mut connection: Connection<Lent, Lent>, lender: Lender, hear: impl Fn(&DbError)) -> io::Result<()> {
    // Notices are kept nowhere: they may hold values.
    while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
        if let AsyncMessage::Notice(notice) = message {
            hear(&notice);
        }
    }
    drop(connection);
    match lender.take() {
        Some(mut socket) => socket.shutdown().await,
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// Drives a connection, and keeps its permit until its backend is gone.
async fn drive(
    closing: impl Future<Output = io::Result<()>>,
    unused: oneshot::Receiver<Option<Admission>>,
    handle: BackendHandle,
    permit: OwnedSemaphorePermit,
) {
    let mut closing = pin!(closing);
    let (ticket, ending) = match select(closing.as_mut(), unused).await {
        Either::Left((Ok(()), _)) => return,
        Either::Left((Err(error), _)) => {
            handle.see_out(async { Err(error) }, Ending::Interrupted).await;
            return;
        }
        Either::Right((Ok(ticket), _)) => (ticket, Ending::Interrupted),
        Either::Right((Err(_), _)) => (None, Ending::Orderly),
    };
    handle.see_out(closing, ending).await;
    drop((ticket, permit));
}

/// Why an attempt to connect failed.
enum ConnectError {
    Io {
        endpoint: String,
        error: io::Error,
    },
    Postgres(tokio_postgres::Error),
    /// By `pg_hba.conf`, and what may be the reason.
    Refused {
        error: tokio_postgres::Error,
        hint: &'static str,
    },
}

impl ConnectError {
    fn of(self, database: &DatabaseName, role: Option<String>) -> DatabaseError {
        match self {
            Self::Io { endpoint, error } => DatabaseError::Unreachable { cause: format!("{endpoint}: {error}") },
            Self::Postgres(error) => DatabaseError::of_connecting(database, &error, role),
            Self::Refused { error, hint } => DatabaseError::of_connecting(database, &error, role).with_hint(hint),
        }
    }
}

/// A connection that nobody drives yet.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) connection: Connection<Lent, Lent>,
    /// Has the socket when the connection is dropped.
    pub(super) lender: Lender,
    pub(super) endpoint: Endpoint,
    pub(super) backend: Option<Backend>,
    /// The server's major version.
    version: u32,
}

/// Opens in a task of its own: a request that gives up half-way neither leaves a backend behind that nobody counts nor
/// frees its permit too early.
async fn in_a_task<T: Send + 'static>(
    opening: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
) -> Result<T, DatabaseError> {
    let opened = tokio::spawn(opening).await;
    opened.unwrap_or_else(|error| Err(DatabaseError::Unreachable { cause: error.to_string() }))
}

/// Connects with the settings that the server knows, which its version tells. That is learned from it, and learned again
/// where it has changed: then the connection is opened anew.
async fn connect_knowing(
    config: &Config,
    bare: &Config,
    tls: &Tls,
    version: &AtomicU32,
) -> Result<Connected, ConnectError> {
    loop {
        let believed = version.load(Ordering::Relaxed);
        let newer = settings::newer(believed);
        let given = config.get_options().unwrap_or_default();
        let connected = connect(config.clone().options(format!("{given}{newer}")), bare, tls).await;
        let found = match &connected {
            Ok(connected) => connected.version,
            // An older one than before, which refuses what it does not know.
            Err(ConnectError::Postgres(error))
                if !newer.is_empty() && error.code() == Some(&SqlState::UNDEFINED_OBJECT) =>
            {
                0
            }
            Err(_) => return connected,
        };
        version.store(found, Ordering::Relaxed);
        if settings::newer(found) == newer {
            return connected;
        }
        if let Ok(Connected { client, connection, lender, .. }) = connected {
            drop((client, connection));
            part(&lender).await;
        }
    }
}

/// Waits until the backend is gone, so that there are no more of them than permits.
async fn part(lender: &Lender) {
    if let Some(mut socket) = lender.take() {
        socket.say_end();
        let _ = timeout(PARTING, socket.shutdown()).await;
    }
}

/// The number before the first dot of e.g. `15.14 (Debian 15.14-0)` or `18beta1`.
fn major_version(text: &str) -> u32 {
    let digits = text.split(|character: char| !character.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The first host that takes the connection and is what `target_session_attrs` asks for.
///
/// `bare` is how the gateway itself logs in, without the settings of its sessions.
async fn connect(config: &Config, bare: &Config, tls: &Tls) -> Result<Connected, ConnectError> {
    let limit = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    let mut last = ConnectError::Io { endpoint: "no host".to_owned(), error: io::ErrorKind::NotFound.into() };
    let count = config.get_hosts().len().max(config.get_hostaddrs().len());
    let mut order: Vec<usize> = (0..count).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        order.shuffle(&mut rand::rng());
    }
    for index in order {
        let endpoints = match endpoints_of(config, index).await {
            Ok(endpoints) => endpoints,
            Err(error) => {
                last = error;
                continue;
            }
        };
        for endpoint in endpoints {
            if let Err(error) = check_attributes(bare, &endpoint, tls, limit).await {
                last = error;
                continue;
            }
            match connect_to(config, endpoint, tls, limit).await {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

async fn endpoints_of(config: &Config, index: usize) -> Result<Vec<Endpoint>, ConnectError> {
    let port = config.get_ports().get(index).or_else(|| config.get_ports().first()).copied().unwrap_or(5432);
    if let Some(address) = config.get_hostaddrs().get(index) {
        let host = match config.get_hosts().get(index) {
            Some(Host::Tcp(host)) => Some(host.as_str().into()),
            _ => None,
        };
        return Ok(vec![Endpoint::Tcp((*address, port).into(), host)]);
    }
    match config.get_hosts().get(index) {
        Some(Host::Unix(folder)) => Ok(vec![Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}")))]),
        Some(Host::Tcp(host)) => {
            let resolved = tokio::net::lookup_host((host.as_str(), port)).await;
            let addresses = resolved.map_err(|error| ConnectError::Io { endpoint: format!("{host}:{port}"), error })?;
            let host: Arc<str> = host.as_str().into();
            Ok(addresses.map(|address| Endpoint::Tcp(address, Some(host.clone()))).collect())
        }
        None => Ok(Vec::new()),
    }
}

/// Makes sure that the server is what `target_session_attrs` asks for. Asked on a connection of its own, as the gateway:
/// the sessions of platforms start with settings that would hide it.
async fn check_attributes(bare: &Config, endpoint: &Endpoint, tls: &Tls, limit: Duration) -> Result<(), ConnectError> {
    let wanted = bare.get_target_session_attrs();
    if wanted == TargetSessionAttrs::Any {
        return Ok(());
    }
    let named = |error| ConnectError::Io { endpoint: name_of(endpoint), error };
    let ask_by = async |way| {
        let socket = Socket::connect(endpoint, bare, (tls, way), limit).await.map_err(named)?;
        let encrypted = socket.is_encrypted();
        let lender = Lender::default();
        let lent = lender.lend(socket);
        let asking = async {
            let (client, mut connection) = log_in(bare, lent).await?;
            ask(is_read_only(&client), &mut connection).await
        };
        let asked = timeout(limit, asking).await;
        part(&lender).await;
        Ok((asked, encrypted))
    };
    let asked = match ask_by(tls.first()).await? {
        (Ok(Err(error)), true) if tls.first() == Way::IfOffered && is_refused_as_it_is(&error) => {
            ask_by(Way::Plain).await?.0
        }
        (asked, _) => asked,
    };
    let refused = |reason| Err(named(io::Error::new(io::ErrorKind::PermissionDenied, reason)));
    match asked {
        Err(_) => Err(named(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))),
        Ok(Err(error)) => Err(named(io::Error::other(describe(&error)))),
        Ok(Ok(true)) if wanted != TargetSessionAttrs::ReadOnly => refused("the server is read-only"),
        Ok(Ok(false)) if wanted == TargetSessionAttrs::ReadOnly => refused("the server is not read-only"),
        Ok(Ok(_)) => Ok(()),
    }
}

async fn connect_to(
    config: &Config,
    endpoint: Endpoint,
    tls: &Tls,
    limit: Duration,
) -> Result<Connected, ConnectError> {
    let first = connect_by(config, endpoint.clone(), (tls, tls.first()), limit).await;
    match first {
        Err((ConnectError::Postgres(error), true)) if tls.first() == Way::IfOffered && is_refused_as_it_is(&error) => {
            tls.tell_of_plain(&describe(&error));
            let second = connect_by(config, endpoint, (tls, Way::Plain), limit).await;
            second.map_err(|(second, _)| match second {
                // It is not for TLS that it was refused.
                ConnectError::Postgres(second) if is_refused_as_it_is(&second) => ConnectError::Postgres(error),
                second => second,
            })
        }
        Err((ConnectError::Postgres(error), encrypted)) if is_refused_as_it_is(&error) => {
            Err(ConnectError::Refused { hint: hint_for(tls, encrypted, &endpoint), error })
        }
        first => first.map_err(|(error, _)| error),
    }
}

/// What in the settings of TLS may be the reason of a refusal.
fn hint_for(tls: &Tls, encrypted: bool, endpoint: &Endpoint) -> &'static str {
    match tls.settings().mode {
        _ if matches!(endpoint, Endpoint::Unix(_)) => "",
        TlsMode::Disable => "; DB_SSLMODE=disable, so that was without TLS",
        _ if encrypted && tls.settings().client.is_none() => "; DB_SSLCERT and DB_SSLKEY are not set",
        _ => "",
    }
}

/// With the error: whether it came through TLS.
async fn connect_by(
    config: &Config,
    endpoint: Endpoint,
    way: (&Tls, Way),
    limit: Duration,
) -> Result<Connected, (ConnectError, bool)> {
    let named = |error| ConnectError::Io { endpoint: name_of(&endpoint), error };
    let socket = Socket::connect(&endpoint, config, way, limit).await.map_err(|error| (named(error), false))?;
    let (listener, encrypted) = (socket.listener(), socket.is_encrypted());
    let lender = Lender::default();
    let lent = lender.lend(socket);
    let handshake = async {
        let (client, mut connection) = log_in(config, lent).await.map_err(ConnectError::Postgres)?;
        let backend = ask(Backend::of(&client), &mut connection).await.map_err(ConnectError::Postgres)?;
        let backend = backend.map(|backend| Backend { process: Process::of(backend.pid, listener), ..backend });
        Ok((client, connection, backend))
    };
    let error = match timeout(limit, handshake).await {
        Ok(Ok((client, connection, backend))) => {
            let version = connection.parameter("server_version").map_or(0, major_version);
            return Ok(Connected { client, connection, lender, endpoint, backend, version });
        }
        Ok(Err(error)) => error,
        Err(_) => named(io::Error::new(io::ErrorKind::TimedOut, "the server took the connection but did not answer")),
    };
    // The backend that was about to be there is counted until it has noticed.
    part(&lender).await;
    Err((error, encrypted))
}

/// Asks before the connection has a task that drives it.
async fn ask<T>(
    question: impl Future<Output = Result<T, tokio_postgres::Error>>,
    connection: &mut Connection<Lent, Lent>,
) -> Result<T, tokio_postgres::Error> {
    let question = pin!(question);
    let driven = pin!(async { while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {} });
    match select(question, driven).await {
        Either::Left((answer, _)) => answer,
        // The connection has ended, so the answer is there, or the error that ended it.
        Either::Right(((), question)) => question.await,
    }
}

async fn is_read_only(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let rows = client.simple_query("SHOW transaction_read_only").await?;
    Ok(rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))))
}

fn name_of(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address, _) => address.to_string(),
        Endpoint::Unix(path) => path.display().to_string(),
    }
}
