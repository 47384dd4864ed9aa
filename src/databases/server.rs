//! Opening connections: which hosts, which settings, and a task that drives each until the server has closed it.
//!
//! Every connection holds one of the permits that `MAX_TOTAL_CONNECTIONS` allows, from before it is opened until after
//! it is closed, whatever happens to whoever asked for it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use rand::seq::SliceRandom;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{CancelToken, Client, Config, Connection, NoTls, SimpleQueryMessage};

use super::call_link::CallLink;
use super::error::DatabaseError;
use super::lent::Lender;
use super::name::DatabaseName;
use super::run_as::RunAs;
use super::socket::{Endpoint, Socket};

/// Connecting to one address, where the configuration says nothing else.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection that nobody uses any more may take to end its last request and to be closed by the server.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings that every session starts with, and that `RESET ALL` returns to. What the gateway reads must not depend
/// on how the server is configured; parameter values stay out of the server's log and out of error texts.
const SETTINGS: &str = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 \
                        -c bytea_output=hex -c xmlbinary=base64 -c log_parameter_max_length_on_error=0";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Serving calls: bounded by the time limit of a call.
    Calls,
    /// The gateway's own statements.
    Control,
    /// Deployments: no time limit, but one for waiting on a lock.
    Deployment,
    /// The gateway's own role in a platform's database, which finds nothing there by its bare name.
    Inside,
}

/// How to reach PostgreSQL.
#[derive(Debug)]
pub(super) struct Server {
    config: Config,
    call_timeout: Duration,
    lock_timeout: Duration,
}

/// An open connection. Dropped, it ends what was sent before and closes; its permit is free when the server has closed.
pub(super) struct Link {
    /// Where requests go in.
    pub(super) client: Client,
    /// Where to send a cancel request.
    pub(super) endpoint: Endpoint,
    /// Ends when the server has closed the connection.
    pub(super) closed: JoinHandle<()>,
    /// Dropped with the link, which tells the task that nobody waits for answers any more.
    pub(super) in_use: oneshot::Sender<()>,
}

impl Server {
    pub(super) fn new(config: Config, call_timeout: Duration, lock_timeout: Duration) -> Result<Self, DatabaseError> {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(DatabaseError::Config("no PostgreSQL host is configured".to_owned()));
        }
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if config.get_ports().len() > 1 && config.get_ports().len() != hosts {
            return Err(DatabaseError::Config(format!("{} ports for {hosts} hosts", config.get_ports().len())));
        }
        Ok(Self { config, call_timeout, lock_timeout })
    }

    /// The databases to connect to when it does not matter which.
    pub(super) fn maintenance_databases(&self) -> Vec<DatabaseName> {
        let mut names: Vec<&str> = self.config.get_dbname().into_iter().collect();
        for name in ["postgres", "template1"] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.into_iter().map(|name| DatabaseName::recorded(name.to_owned())).collect()
    }

    /// Opens a connection.
    pub(super) async fn open(
        &self,
        database: &DatabaseName,
        purpose: Purpose,
        permit: OwnedSemaphorePermit,
        run_as: &RunAs,
    ) -> Result<Link, DatabaseError> {
        let opening = self.opening(database, purpose, run_as, |socket| socket);
        in_a_task(async move {
            let Connected { client, connection, endpoint } = opening.await?;
            let (in_use, unused) = oneshot::channel();
            let closed = tokio::spawn(drive(connection, unused, permit));
            Ok(Link { client, endpoint, closed, in_use })
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
        let lender = Lender::default();
        let borrower = lender.clone();
        let opening = self.opening(database, Purpose::Calls, run_as, move |socket| borrower.lend(socket));
        in_a_task(async move { CallLink::take_over(opening.await?, &lender, permit).await }).await
    }

    fn opening<S: Stream, W: Fn(Socket) -> S + Send + Sync + 'static>(
        &self,
        database: &DatabaseName,
        purpose: Purpose,
        run_as: &RunAs,
        wrap: W,
    ) -> impl Future<Output = Result<Connected<S>, DatabaseError>> + Send + use<S, W> {
        let mut config = self.session_config(database, purpose);
        if let RunAs::Platform(role) = run_as {
            config.user(role.user()).password(role.password());
        }
        let user = run_as.owner().map(str::to_owned);
        let database = database.clone();
        async move { connect(&config, &wrap).await.map_err(|error| error.of(&database, user)) }
    }

    fn session_config(&self, database: &DatabaseName, purpose: Purpose) -> Config {
        let lock_timeout = self.lock_timeout.as_millis();
        let (application, limits) = match purpose {
            Purpose::Calls => {
                ("stonescriptdb-gateway", format!("-c statement_timeout={}", self.call_timeout.as_millis().max(1)))
            }
            Purpose::Control => {
                ("stonescriptdb-gateway control", format!("-c statement_timeout=0 -c lock_timeout={lock_timeout}"))
            }
            Purpose::Inside => (
                "stonescriptdb-gateway control",
                format!("-c statement_timeout=0 -c lock_timeout={lock_timeout} -c search_path=pg_catalog -c role=none"),
            ),
            Purpose::Deployment => (
                "stonescriptdb-gateway deployment",
                format!(
                    "-c statement_timeout=0 -c lock_timeout={lock_timeout} -c idle_in_transaction_session_timeout=0"
                ),
            ),
        };
        let given = self.config.get_options().unwrap_or_default();
        let mut config = self.config.clone();
        config.dbname(database.as_str()).application_name(application).options(format!("{given} {SETTINGS} {limits}"));
        config
    }
}

impl Link {
    /// Closes and returns when the server has closed too.
    pub(super) async fn close(self) {
        drop(self.client);
        drop(self.in_use);
        // The task bounds itself; a panic in it has dropped the socket.
        let _ = self.closed.await;
    }

    /// Asks the server to stop what this connection runs, then lets go of it.
    pub(super) async fn cancel(self) {
        cancel(&self.client.cancel_token(), &self.endpoint).await;
    }
}

/// Asks the server to stop what a connection runs. The server does not say whether it did.
pub(super) async fn cancel(token: &CancelToken, endpoint: &Endpoint) {
    let sent = async {
        let socket = Socket::connect(endpoint, &Config::new(), CONNECT_TIMEOUT).await?;
        token.cancel_query_raw(socket, NoTls).await.map_err(io::Error::other)
    };
    match timeout(CONNECT_TIMEOUT, sent).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a query could not be cancelled"),
        Err(_) => tracing::warn!("a query could not be cancelled: no answer"),
    }
}

/// Reads and writes until the connection is closed, by either side.
async fn drive(
    mut connection: Connection<Socket, NoTlsStream>,
    unused: oneshot::Receiver<()>,
    permit: OwnedSemaphorePermit,
) {
    {
        // Notices are dropped: they may hold values.
        let end = pin!(async { while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {} });
        match select(end, unused).await {
            Either::Left(_) => {}
            Either::Right((_, end)) => {
                if timeout(CLOSE_TIMEOUT, end).await.is_err() {
                    tracing::warn!("a server connection did not close by itself");
                }
            }
        }
    }
    drop(connection);
    drop(permit);
}

/// Why an attempt to connect failed.
enum ConnectError {
    Io { endpoint: String, error: io::Error },
    Postgres(tokio_postgres::Error),
}

impl ConnectError {
    fn of(self, database: &DatabaseName, role: Option<String>) -> DatabaseError {
        match self {
            Self::Io { endpoint, error } => DatabaseError::Unreachable { cause: format!("{endpoint}: {error}") },
            Self::Postgres(error) => DatabaseError::of_connecting(database, &error, role),
        }
    }
}

/// What tokio-postgres can speak over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A connection that nobody drives yet.
pub(super) struct Connected<S> {
    pub(super) client: Client,
    pub(super) connection: Connection<S, NoTlsStream>,
    pub(super) endpoint: Endpoint,
}

/// Opens in a task of its own: a request that gives up half-way neither leaves a backend behind that nobody counts nor
/// frees its permit too early.
async fn in_a_task<T: Send + 'static>(
    opening: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
) -> Result<T, DatabaseError> {
    let opened = tokio::spawn(opening).await;
    opened.unwrap_or_else(|error| Err(DatabaseError::Unreachable { cause: error.to_string() }))
}

/// The first host that takes the connection and is what `target_session_attrs` asks for.
async fn connect<S: Stream>(
    config: &Config,
    wrap: &(impl Fn(Socket) -> S + Sync),
) -> Result<Connected<S>, ConnectError> {
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
            match connect_to(config, endpoint, limit, wrap).await {
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
        return Ok(vec![Endpoint::Tcp((*address, port).into())]);
    }
    match config.get_hosts().get(index) {
        Some(Host::Unix(folder)) => Ok(vec![Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}")))]),
        Some(Host::Tcp(host)) => {
            let resolved = tokio::net::lookup_host((host.as_str(), port)).await;
            let addresses = resolved.map_err(|error| ConnectError::Io { endpoint: format!("{host}:{port}"), error })?;
            Ok(addresses.map(Endpoint::Tcp).collect())
        }
        None => Ok(Vec::new()),
    }
}

async fn connect_to<S: Stream>(
    config: &Config,
    endpoint: Endpoint,
    limit: Duration,
    wrap: &(impl Fn(Socket) -> S + Sync),
) -> Result<Connected<S>, ConnectError> {
    let named = |error| ConnectError::Io { endpoint: name_of(&endpoint), error };
    let socket = Socket::connect(&endpoint, config, limit).await.map_err(named)?;
    let handshake = async {
        let (client, mut connection) = config.connect_raw(wrap(socket), NoTls).await.map_err(ConnectError::Postgres)?;
        let wanted = config.get_target_session_attrs();
        if wanted != TargetSessionAttrs::Any {
            let read_only = is_read_only(&client, &mut connection).await.map_err(ConnectError::Postgres)?;
            if read_only != (wanted == TargetSessionAttrs::ReadOnly) {
                let reason = if read_only { "the server is read-only" } else { "the server is not read-only" };
                return Err(named(io::Error::new(io::ErrorKind::PermissionDenied, reason)));
            }
        }
        Ok((client, connection))
    };
    match timeout(limit, handshake).await {
        Ok(result) => result.map(|(client, connection)| Connected { client, connection, endpoint }),
        Err(_) => {
            Err(named(io::Error::new(io::ErrorKind::TimedOut, "the server took the connection but did not answer")))
        }
    }
}

/// Asks before the connection has a task that drives it.
async fn is_read_only<S: Stream>(
    client: &Client,
    connection: &mut Connection<S, NoTlsStream>,
) -> Result<bool, tokio_postgres::Error> {
    let answer = pin!(client.simple_query("SHOW transaction_read_only"));
    let driven = pin!(async { while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {} });
    let rows = match select(answer, driven).await {
        Either::Left((rows, _)) => rows?,
        // The connection has ended, so the answer is there, or the error that ended it.
        Either::Right(((), answer)) => answer.await?,
    };
    Ok(rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))))
}

fn name_of(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(path) => path.display().to_string(),
    }
}
