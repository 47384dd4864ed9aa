//! The `stonescriptdb-gateway` program. Start: configuration, logging, port, PostgreSQL, server. Stop: requests end,
//! pools close, PostgreSQL stops.
//!
//! What ends the program is told in one line on stderr. Exit codes: 0 stopped as asked, 1 failed, 2 the configuration or
//! the command line is wrong, 130 stopped at once by a second Ctrl-C.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use stonescriptdb_gateway::api::state::Gateway;
use stonescriptdb_gateway::command_line::{Arguments, Task};
use stonescriptdb_gateway::config::{Config, ConfigError, Destination, Environment, PlatformRoles, PostgresSource};
use stonescriptdb_gateway::databases::{DatabaseError, Databases};
use stonescriptdb_gateway::embedded::{
    self, EmbeddedError, EmbeddedOptions, SupervisedPostgres, UpgradeError, UpgradeOptions,
};
use stonescriptdb_gateway::logging::{self, LogError, LogLevel};
use stonescriptdb_gateway::orchestrator::Orchestrator;
use stonescriptdb_gateway::reload::Reload;
use stonescriptdb_gateway::router;
use stonescriptdb_gateway::scheduling;
use stonescriptdb_gateway::server::{self, ServerLimits, StopSignals};
use stonescriptdb_gateway::systemd::{self, Notifier};
use tokio::net::TcpListener;
use tracing::{info, warn};

/// A call allocates some fifty times; glibc's allocator takes twice as long for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections of the embedded PostgreSQL beyond the gateway's own budget: for `psql`, `pg_dump` and the like.
const SPARE_CONNECTIONS: usize = 20;
/// How long PostgreSQL is given to hear that it shall stop, when the user wants to be gone.
const PARTING: Duration = Duration::from_millis(200);

/// What ends the program early.
#[derive(Debug, thiserror::Error)]
enum Fatal {
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot listen on {host} port {port}: {reason}")]
    Bind { host: String, port: u16, reason: String },
    #[error("connections to PostgreSQL: {0}")]
    Databases(#[from] DatabaseError),
    #[error("embedded PostgreSQL: {0}")]
    Embedded(#[from] EmbeddedError),
    #[error("upgrade-postgres: {0}")]
    Upgrade(#[from] UpgradeError),
    #[error("upgrade-postgres is for the private PostgreSQL, but {variable} says that another one is used")]
    NotOurs { variable: &'static str },
    #[error("{doing}: {source}")]
    System { doing: &'static str, source: std::io::Error },
    #[error("stopped at once; PostgreSQL, if it is the gateway's own, stops by itself")]
    Insisted,
}

impl Fatal {
    fn system(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { doing, source }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Log(_)
            | Self::Databases(_)
            | Self::Bind { .. }
            | Self::Embedded(_)
            | Self::Upgrade(_)
            | Self::NotOurs { .. }
            | Self::System { .. } => 1,
            Self::Insisted => 130,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_command_line();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            let line = fatal.to_string().replace(['\n', '\r'], " ");
            // A closed stderr is no reason to end otherwise than by the code below.
            let _ = writeln!(std::io::stderr(), "stonescriptdb-gateway: {line}");
            ExitCode::from(fatal.exit_code())
        }
    }
}

/// Of each thread that serves: a deployment's states lie within each other, and in a debug build they come near the usual 2 MiB.
/// What is not touched takes no memory.
const WORKER_STACK_BYTES: usize = 8 << 20;

fn run(arguments: &Arguments) -> Result<(), Fatal> {
    let environment = Environment::load(Path::new(".env"))?;
    let config = Config::from_env(|variable| environment.get(variable))?;
    match &arguments.command {
        Some(Task::CheckConfig) => {
            return write!(std::io::stdout(), "configuration ok\n{config}").map_err(Fatal::system("printing"));
        }
        Some(Task::UpgradePostgres { new_bin_dir, dump, trust_platforms }) => {
            return upgrade(&config, new_bin_dir.clone(), *dump, *trust_platforms);
        }
        None => {}
    }
    // Before there is any other thread.
    let scheduled = scheduling::run_in_batches();
    let log = logging::init(&config.log)?;
    if let Err(error) = scheduled {
        warn!(%error, "calls take more of the processors than they need to: SCHED_BATCH could not be set");
    }
    raise_file_limit();
    let max_connections = client_connections(&config);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // A system that does not allow it is no worse for that.
    runtime.enable_all().on_thread_start(|| drop(scheduling::go_first())).thread_stack_size(WORKER_STACK_BYTES);
    let runtime = runtime.build();
    let runtime = runtime.map_err(Fatal::system("starting threads"))?;
    let result = runtime.block_on(run_until_stopped(config, environment, log.level(), max_connections));
    // What still runs there now has been given up.
    runtime.shutdown_background();
    result
}

/// What is told goes to stdout: somebody has typed this.
fn upgrade(config: &Config, new_bin_dir: Option<PathBuf>, dump: bool, trust_platforms: bool) -> Result<(), Fatal> {
    if let PostgresSource::External(_) = config.postgres {
        return Err(Fatal::NotOurs { variable: "DB_HOST or DATABASE_URL" });
    }
    let say = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
    let (directory, bin_dir) = (config.data_dir.clone(), config.pg_bin_dir.clone());
    let options = UpgradeOptions { directory, bin_dir, new_bin_dir, dump, trust_platforms, same_version_too: false };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Fatal::system("starting threads"))?.block_on(async {
        let signals = StopSignals::listen().map_err(Fatal::system("listening for signals"))?;
        Ok::<_, Fatal>(embedded::upgrade(options, say, signals.requested()).await?)
    })?;
    say(&done.to_string());
    Ok(())
}

/// Every client takes a file descriptor, and every server connection up to three; the soft limit of 1024 is for programs that use
/// `select`.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
        true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
        false => Ok(()),
    });
    if let Err(error) = raised {
        warn!(%error, "could not raise the limit of open files");
    }
}

/// Connections at once where only `/metrics` is.
const METRICS_CONNECTIONS: usize = 64;

/// Files that the gateway has open beside connections: the registry's, logs, PostgreSQL's own.
const OTHER_FILES: u64 = 100;

/// `MAX_CLIENT_CONNECTIONS`, as far as the system lets the gateway open files: who cannot be accepted cannot even ask for
/// `/health`.
fn client_connections(config: &Config) -> usize {
    let wanted = config.server.max_client_connections;
    let Ok((files, _)) = getrlimit(Resource::RLIMIT_NOFILE) else { return wanted };
    let servers = 3 * config.pool.max_total_connections as u64;
    let room = usize::try_from(files.saturating_sub(servers + OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if room < wanted {
        warn!(
            files,
            "the limit of open files leaves room for {room} client connections, not {wanted}; raise it (LimitNOFILE=)"
        );
    }
    wanted.min(room)
}

async fn run_until_stopped(
    config: Config,
    environment: Environment,
    level: LogLevel,
    max_connections: usize,
) -> Result<(), Fatal> {
    let signals = StopSignals::listen().map_err(Fatal::system("listening for signals"))?;
    // Before PostgreSQL, which takes a while to start: a taken port is the likeliest mistake.
    let systemd = Notifier::from_env();
    let listener = bind(&config, &systemd).await?;
    let address = listener.local_addr().map_err(Fatal::system("asking for the port"))?;
    let metrics = match config.metrics.address {
        Some(address) => Some(bind_metrics(address).await?),
        None => None,
    };
    systemd::keep_alive(&systemd);
    let starting = systemd::starting(&systemd, "PostgreSQL is starting");
    let postgres = tokio::select! {
        started = start_postgres(&config) => started?,
        () = signals.requested() => {
            info!("stopped while PostgreSQL was starting");
            return Ok(());
        }
    };
    let limits = &config.limits;
    let databases = Databases::start(postgres.destination(), &config.pool, limits.call_timeout, limits.lock_timeout)?;
    if let Postgres::Embedded(postgres) = &postgres {
        databases.own_server();
        if let Some(room) = postgres.room() {
            databases.keep_room(room);
        }
    }
    let gateway = Arc::new(Gateway::new(config, databases.clone()));
    prepare_roles(&gateway, &postgres).await;
    tokio::spawn(gateway.platforms.clone().sweep_regularly());
    let orchestrator = gateway.orchestrator.clone();
    // Whoever waits for a turn to deploy would only be cut off later.
    let (stop_begins, mut stop_begun) = tokio::sync::oneshot::channel();
    let stop = async {
        signals.requested().await;
        orchestrator.close();
        // Nobody to tell where serving has failed before.
        let _ = stop_begins.send(Instant::now());
    };
    let watched = metrics.map(|listener| {
        let app = router::metrics_alone(gateway.clone());
        let limits = ServerLimits { max_connections: METRICS_CONNECTIONS, ..ServerLimits::default() };
        tokio::spawn(server::serve_within(limits, listener, app, std::future::pending()))
    });
    reload_on_request(&systemd, &signals, {
        let gateway = gateway.clone();
        Reload::new(environment, level, move |config| gateway.apply(config))
    });
    let app = router::app(gateway.clone());
    info!(version = env!("CARGO_PKG_VERSION"), "listening on http://{address}");
    drop(starting);
    tell_systemd(systemd, signals.clone(), orchestrator.clone(), databases.clone());
    let serving = ServerLimits { max_connections, ..ServerLimits::default() };
    let serving_and_deploying = async {
        let served = server::serve_within(serving, listener, app, stop).await.map_err(Fatal::system("serving"));
        let begun = stop_begun.try_recv().unwrap_or_else(|_| Instant::now());
        end_deployments(&orchestrator, &databases, begun + gateway.shutdown_timeout()).await;
        served
    };
    let served = tokio::select! {
        served = serving_and_deploying => served,
        () = signals.insisted() => Err(Fatal::Insisted),
    };
    let closed = match &served {
        Ok(()) => tokio::select! {
            () = databases.close() => true,
            () = signals.insisted() => false,
        },
        Err(_) => false,
    };
    if !closed {
        databases.abandon().await;
    }
    if let Some(watched) = watched {
        watched.abort();
    }
    stop_postgres(postgres, &signals, served).await
}

/// From now on systemd knows how the gateway is, to its end.
fn tell_systemd(systemd: Notifier, signals: StopSignals, orchestrator: Orchestrator, databases: Databases) {
    tokio::spawn(async move {
        let serving = systemd::tell_state(&systemd, move || {
            let databases = databases.clone();
            async move { databases.health().await.connected }
        });
        signals.requested().await;
        drop(serving);
        let _stopping = systemd::stopping(&systemd, move || orchestrator.underway());
        std::future::pending::<()>().await;
    });
}

/// SIGHUP, to the end of the program.
fn reload_on_request(systemd: &Notifier, signals: &StopSignals, mut reload: Reload) {
    let (systemd, mut requests) = (systemd.clone(), signals.reload_requests());
    tokio::spawn(async move {
        loop {
            requests.next().await;
            systemd::reloading(&systemd);
            reload.run();
            systemd::reloaded(&systemd);
        }
    });
}

/// Waits for deployments whose clients are gone, and says which ones are cut off then. PostgreSQL undoes what they have not committed.
async fn end_deployments(orchestrator: &Orchestrator, databases: &Databases, latest: Instant) {
    let mut told = false;
    while orchestrator.underway() > 0 && Instant::now() < latest {
        if !std::mem::replace(&mut told, true) {
            info!(deployments = orchestrator.underway(), "letting the deployments end");
        }
        tokio::time::sleep(PARTING).await;
    }
    if orchestrator.underway() == 0 {
        return;
    }
    for database in orchestrator.databases_underway() {
        warn!(
            database,
            "a deployment is cut off because the gateway stops (SHUTDOWN_TIMEOUT_SECS); what it has not committed is undone: deploy again"
        );
    }
    databases.abandon().await;
}

/// What can be known of platforms' roles before the first request. An external PostgreSQL may be away, which is no reason
/// to wait; whoever comes before it is back has the role looked up then.
async fn prepare_roles(gateway: &Arc<Gateway>, postgres: &Postgres) {
    gateway.platforms.load_roles().await;
    let preparing = {
        let gateway = gateway.clone();
        async move {
            gateway.platforms.meet_recorded().await;
            warn_of_superuser(&gateway).await;
        }
    };
    match postgres {
        Postgres::Embedded(_) => {
            // Nobody else uses this server, so platforms have no business in its other databases.
            if let Err(error) = gateway.databases.close_to_platforms().await {
                warn!(%error, "the server's own databases are open to platforms");
            }
            preparing.await;
            let databases = gateway.databases.clone();
            tokio::spawn(async move {
                if let Err(error) = databases.close_functions().await {
                    warn!(%error, "functions that write past all limits stay open where nothing is deployed");
                }
            });
        }
        Postgres::External(_) => drop(tokio::spawn(preparing)),
    }
}

async fn warn_of_superuser(gateway: &Gateway) {
    if gateway.config.platform_roles == PlatformRoles::Off
        && let Ok(true) = gateway.databases.gateway_is_superuser().await
    {
        warn!(
            "PLATFORM_ROLES=off and the gateway's role is a superuser: the code that platforms without credentials of \
             their own upload can do anything on this PostgreSQL server, also to other platforms' databases and to the \
             server's files; set PLATFORM_ROLES=auto, or register platforms with db_user and db_password"
        );
    }
}

/// PostgreSQL is stopped even if serving has failed; a second signal ends the wait for it.
async fn stop_postgres(postgres: Postgres, signals: &StopSignals, served: Result<(), Fatal>) -> Result<(), Fatal> {
    let Postgres::Embedded(postgres) = postgres else {
        info!("stopped");
        return served;
    };
    info!("stopping PostgreSQL");
    let mut stop = std::pin::pin!(postgres.stop());
    let stopped = tokio::select! {
        stopped = &mut stop => stopped.map_err(Fatal::from),
        () = signals.insisted() => match tokio::time::timeout(PARTING, &mut stop).await {
            Ok(stopped) => stopped.map_err(Fatal::from),
            Err(_) => Err(Fatal::Insisted),
        },
    };
    info!("stopped");
    served.and(stopped)
}

/// The socket that was kept over a restart of the service, or a new one, which is kept from now on.
async fn bind(config: &Config, systemd: &Notifier) -> Result<TcpListener, Fatal> {
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let wanted: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await.map(Iterator::collect).unwrap_or_default();
    if let Some(kept) = systemd::take_kept(systemd, &wanted) {
        return TcpListener::from_std(kept).map_err(Fatal::system("taking over the socket"));
    }
    let bound = TcpListener::bind((host, port)).await;
    let listener = bound.map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => "the port is taken: stop the program that has it, or set GATEWAY_PORT \
                                              to another"
                .to_owned(),
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 are not for ordinary users: set GATEWAY_PORT to another".to_owned()
            }
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address: set GATEWAY_HOST".to_owned(),
            _ => format!("{error}: set GATEWAY_HOST and GATEWAY_PORT"),
        };
        Fatal::Bind { host: host.to_owned(), port, reason }
    })?;
    systemd::keep(systemd, &listener);
    Ok(listener)
}

async fn bind_metrics(address: SocketAddr) -> Result<TcpListener, Fatal> {
    TcpListener::bind(address).await.map_err(|error| Fatal::Bind {
        host: address.ip().to_string(),
        port: address.port(),
        reason: format!("{error}: set METRICS_ADDR to another address or port"),
    })
}

/// The PostgreSQL that this gateway stands in front of.
enum Postgres {
    Embedded(Box<SupervisedPostgres>),
    /// Not ours to start or stop, nor to be there at this moment.
    External(Box<Destination>),
}

impl Postgres {
    fn destination(&self) -> Destination {
        match self {
            Self::Embedded(postgres) => postgres.connection().clone().into(),
            Self::External(destination) => destination.as_ref().clone(),
        }
    }
}

async fn start_postgres(config: &Config) -> Result<Postgres, EmbeddedError> {
    match &config.postgres {
        PostgresSource::External(destination) => Ok(Postgres::External(destination.clone())),
        PostgresSource::Embedded => {
            let options = EmbeddedOptions {
                bin_dir: config.pg_bin_dir.clone(),
                max_connections: config.pool.max_total_connections + SPARE_CONNECTIONS,
                ..EmbeddedOptions::new(&config.data_dir)
            };
            Ok(Postgres::Embedded(Box::new(embedded::start(options).await?.supervise())))
        }
    }
}
