//! The private PostgreSQL of the default set-up: its cluster is made on the first start, it listens on a Unix socket
//! only, has a password of its own and stops with the gateway. A gateway that died leaves a running cluster, which the
//! next start takes over.
//!
//! `main` calls it when neither `DB_HOST` nor `DATABASE_URL` is set; the tests call it for their throw-away server.
//! Opens connections only to find out that PostgreSQL is ready; sends no SQL but for an upgrade. Where PostgreSQL refuses something, its
//! own words are in the [`EmbeddedError`], which is always one line.
//!
//! What lies in the folder (`DATA_DIR`); none of these names can be a platform's but `postgres`:
//!
//! ```text
//! postgres/           the cluster and its socket, owned by the account that PostgreSQL runs as, mode 0700
//! postgres.log        PostgreSQL's own messages, without statements and values, up to some size; postgres.log.1 is the one
//!                     before, or the end of one that was cut
//! .postgres-password  the superuser's password, mode 0600, outside the cluster
//! .postgres-reserve   room that is kept for when there is none left; see `room`. The same with `.files` are files
//! .gateway.lock       held while a gateway runs on this folder
//! postgres.new-…      a cluster in the making; left by an interrupted start, removed by the next
//! postgres.upgrade-…  a cluster of a newer version in the making; see `upgrade`
//! postgres.15         the cluster before an upgrade, and .postgres.15-password
//! ```

mod account;
mod binaries;
mod cluster;
mod folder;
mod pid_file;
mod postmaster;
mod room;
mod server_log;
mod stack;
mod supervisor;
mod upgrade;
mod watcher;

pub use supervisor::SupervisedPostgres;
pub use upgrade::{UpgradeError, UpgradeOptions, Upgraded, upgrade};

use std::io;
use std::path::{Path, PathBuf};

use account::Account;
use binaries::Binaries;
use folder::Folder;
use postmaster::{Launch, Postmaster};
use room::Keeper;
use tracing::warn;
use watcher::Watcher;

use crate::databases::OLDEST_MAJOR;

/// The superuser, as which the gateway connects.
pub const SUPERUSER: &str = "stonescriptdb";

/// What [`start`] needs to know.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The folder that holds everything; made if missing. Started by root, the user `postgres` must be able to enter it
    /// and all above it: a test best names one that is not there yet, as a fresh temporary folder is closed to others.
    pub directory: PathBuf,
    /// Where `postgres` and `initdb` are; `None`: searched for.
    pub bin_dir: Option<PathBuf>,
    /// PostgreSQL's `max_connections`.
    pub max_connections: usize,
    /// Further settings as name and value; they win over the gateway's own.
    pub settings: Vec<(String, String)>,
    /// For tests: the server ends at once, **and the folder is removed**, when this process ends, however it ends.
    pub die_with_parent: bool,
}

impl EmbeddedOptions {
    /// The gateway's settings for a server in this folder.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            bin_dir: None,
            max_connections: 220,
            settings: Vec::new(),
            die_with_parent: false,
        }
    }
}

/// Why there is no PostgreSQL. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The file system refused.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "creating".
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder's lock is held.
    #[error("another gateway ({holder}) runs on DATA_DIR {}: stop it, or give this one another DATA_DIR", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// "process 123", where it is known.
        holder: String,
    },
    /// No server binaries anywhere.
    #[error(
        "found no PostgreSQL server to start: install it (Debian, Ubuntu: apt-get install postgresql), set PG_BIN_DIR to \
         the folder of `postgres` and `initdb`, or set DB_HOST or DATABASE_URL to use a server that runs elsewhere"
    )]
    NoServer,
    /// All that there are are too old.
    #[error(
        "only PostgreSQL {found} is here, and the gateway needs version {} or later: install one (where the distribution has none: \
         apt-get install postgresql-common, then /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh and apt-get install \
         postgresql), set PG_BIN_DIR, or set DB_HOST or DATABASE_URL to use a server that runs elsewhere",
        OLDEST_MAJOR
    )]
    OldServers {
        /// The versions found and where.
        found: String,
    },
    /// The cluster is of a version that is too old.
    #[error(
        "the cluster {} was made by PostgreSQL {wanted}, and the gateway needs version {} or later: install one, and run \
         stonescriptdb-gateway upgrade-postgres", path.display(), OLDEST_MAJOR
    )]
    OldCluster {
        /// The cluster.
        path: PathBuf,
        /// Its `PG_VERSION`.
        wanted: u32,
    },
    /// `PG_BIN_DIR` leads nowhere.
    #[error("PG_BIN_DIR={} has no `postgres` and `initdb` that can be run", path.display())]
    NoServerIn {
        /// Its value.
        path: PathBuf,
    },
    /// The cluster needs another major version.
    #[error(
        "the cluster {} was made by PostgreSQL {wanted}, but only {found} is here: install postgresql-{wanted}, or set \
         PG_BIN_DIR to its binaries", path.display()
    )]
    OtherVersion {
        /// The cluster.
        path: PathBuf,
        /// Its `PG_VERSION`.
        wanted: u32,
        /// The versions found and where.
        found: String,
    },
    /// Started by root on a machine without the account that PostgreSQL is to run as.
    #[error(
        "started by root, and PostgreSQL refuses root, but there is no user `postgres` to run it as: install the \
         postgresql package, or start the gateway as an ordinary user"
    )]
    NoPostgresUser,
    /// A folder on the way shuts the account out.
    #[error("the user {user} cannot enter {}, which is on the way to {}: open it (chmod o+x), or choose another {setting}",
        folder.display(), path.display())]
    Unreachable {
        /// The account that PostgreSQL runs as.
        user: String,
        /// The folder that stops it.
        folder: PathBuf,
        /// Where it has to get.
        path: PathBuf,
        /// The variable that decides: `DATA_DIR` or `PG_BIN_DIR`.
        setting: &'static str,
    },
    /// Something else is where the cluster should be.
    #[error("{} has files in it but is no PostgreSQL cluster (PG_VERSION is missing): move it away, or choose another \
        DATA_DIR", path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// The cluster is another user's.
    #[error("the cluster {} belongs to {owner}, not to {user}: start the gateway as the user who did so first, or choose \
        another DATA_DIR", path.display())]
    OtherOwner {
        /// The cluster.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who wants it.
        user: String,
    },
    /// A Unix socket's path has at most 107 bytes.
    #[error("the socket {} would have a path of {bytes} bytes, 107 are possible: choose a DATA_DIR with a shorter path",
        path.display())]
    SocketPathTooLong {
        /// The socket.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// `initdb` failed.
    #[error("making a cluster in {}: {reason}", path.display())]
    Initdb {
        /// Where.
        path: PathBuf,
        /// PostgreSQL's words.
        reason: String,
    },
    /// PostgreSQL ended while it was starting.
    #[error("PostgreSQL did not start: {reason} (more in {})", log.display())]
    Start {
        /// PostgreSQL's words.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// PostgreSQL runs but does not get ready.
    #[error("PostgreSQL was not ready after {seconds} s: {reason} (more in {})", log.display())]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The last answer.
        reason: String,
        /// Its log.
        log: PathBuf,
    },
    /// The cluster and the password file do not belong together.
    #[error("the password in {} does not open the cluster beside it: put the file back that belongs to it", path.display())]
    WrongPassword {
        /// The password file.
        path: PathBuf,
    },
    /// It neither ended by itself nor when told to.
    #[error("PostgreSQL (process {pid}) did not stop")]
    Stop {
        /// The postmaster.
        pid: i32,
    },
}

impl EmbeddedError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// A running PostgreSQL that belongs to this process. Dropped, it is told to stop but not waited for.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    connection: tokio_postgres::Config,
    // In the order in which they have to go: the server, the lock on its folder, the watcher.
    postmaster: Postmaster,
    keeper: Option<Keeper>,
    _folder: Folder,
    watcher: Option<Watcher>,
}

/// Brings the cluster of a folder up: makes it, starts it, or takes over the one that runs. Returns when it accepts
/// connections.
pub async fn start(options: EmbeddedOptions) -> Result<EmbeddedPostgres, EmbeddedError> {
    let folder = Folder::open(&options.directory)?;
    let watcher = options.die_with_parent.then(|| Watcher::start(folder.path())).transpose()?;
    let state = cluster::inspect(&folder.cluster())?;
    let account = Account::choose(&folder.cluster())?;
    account.check_way("DATA_DIR", folder.path())?;
    let binaries = Binaries::find(options.bin_dir.as_deref(), &account, state.version(), &folder.cluster())?;
    let socket = folder.socket();
    if socket.as_os_str().len() > 107 {
        return Err(EmbeddedError::SocketPathTooLong { bytes: socket.as_os_str().len(), path: socket });
    }
    cluster::remove_leftovers(folder.path());
    if state == cluster::State::Missing {
        cluster::create(&folder, &binaries, &account).await?;
    }
    let cluster = folder.cluster();
    let connection = cluster::connection(&folder, &cluster)?;
    // One that ends with a test has no need of a reserve.
    let keeper = (!options.die_with_parent).then(|| Keeper::new(folder.cluster(), folder.reserve()));
    if let Some(keeper) = &keeper {
        // Before it starts, which takes some room.
        keeper.look(true);
    }
    let launch = Launch::new(&folder, &cluster, &binaries, account, connection.clone(), &options);
    let postmaster = Postmaster::take_over_or_start(launch).await?;
    if let Err(error) = upgrade::close_what_is_open(&folder, &connection).await {
        warn!(%error, "databases that an interrupted upgrade has opened to superusers are still open");
    }
    Ok(EmbeddedPostgres { connection, postmaster, keeper, _folder: folder, watcher })
}

impl EmbeddedPostgres {
    /// How to connect: the superuser, in the database `postgres`, over the socket.
    pub fn connection(&self) -> &tokio_postgres::Config {
        &self.connection
    }

    /// Ends every session and stops PostgreSQL; returns when it has stopped.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        self.postmaster.stop().await?;
        self.postmaster.stop_successor().await?;
        if let Some(watcher) = self.watcher.take() {
            watcher.finish().await;
        }
        Ok(())
    }

    /// From now on PostgreSQL is started again whenever it ends by itself.
    pub fn supervise(self) -> SupervisedPostgres {
        SupervisedPostgres::new(self)
    }
}
