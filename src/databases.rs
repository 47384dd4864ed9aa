//! Which database, whose it is, a connection to it.
//!
//! [`Databases`] is the way in; everything that talks to PostgreSQL gets its connections here, so that
//! `MAX_TOTAL_CONNECTIONS` holds for calls, deployments and the gateway itself together.
//!
//! | file           | what it owns                                                              |
//! | -------------- | ------------------------------------------------------------------------- |
//! | [`name`]       | names of platforms, tenants and databases                                 |
//! | [`quote`]      | identifiers and literals in SQL text                                      |
//! | `records`      | the gateway's own database                                                |
//! | `owner`        | whose a database is                                                       |
//! | `resolve`      | from the ids of a call to a database                                      |
//! | `budget`       | who may have a connection now                                             |
//! | `bundles`      | which bundle each database was deployed at last                           |
//! | `database`     | a database as calls see it                                                |
//! | `deploying`    | which databases this gateway deploys to now                               |
//! | `pools`        | one pool per database, all within the budget                              |
//! | `capacity`     | a budget that the server has room for                                     |
//! | `connection`   | a connection that requests share                                          |
//! | `creation`     | making a database that nobody enters too early                            |
//! | `session`      | a connection of its own for a deployment; statements about databases      |
//! | `shares`       | what deployments of all platforms share, so that none takes it all        |
//! | `unfinished`   | databases that are being made, and what a kill leaves of them             |
//! | `orphans`      | backends inside a deployment whose gateway is gone                        |
//! | `locks`        | one deployment per database at a time                                     |
//! | `run_as`       | as whom a session in a platform's database is opened                      |
//! | `role_admission` | making such a role, or judging one that is there                        |
//! | `role_powers`  | refusing one that is more than an ordinary one                            |
//! | `role_upkeep`  | keeping it as it was made                                                 |
//! | `room`         | nobody writes the last of the disk                                        |
//! | `hand_over`    | giving a database to its platform's role                                  |
//! | `server`       | opening connections                                                       |
//! | `settings`     | what every session starts with                                            |
//! | `own_path`     | the path of the gateway's own statements beside uploaded code's            |
//! | `backend`      | the server process behind a connection, until it is gone                  |
//! | `terminator`   | ending one that does not end by itself                                    |
//! | `socket`       | a socket that is closed when the server has closed it                     |
//! | `pipe`         | a Unix socket that wakes nobody without need                              |
//! | `lent`         | a socket that tokio-postgres has for as long as it logs in                |
//! | [`wire`]       | the protocol of a connection for calls                                    |
//! | `call_link`    | cancelling and closing such a connection                                  |
//! | `error`        | what goes wrong                                                           |

mod answers;
mod backend;
mod budget;
mod bundles;
mod call_link;
mod capacity;
mod closed_functions;
mod connection;
mod creation;
mod database;
mod deaf_workers;
mod deploying;
mod dropping;
mod encrypted;
mod error;
mod hand_over;
mod large_turn;
mod lent;
mod locks;
mod login;
pub mod name;
mod orphans;
mod own_path;
mod owner;
mod pipe;
mod pools;
pub mod quote;
mod records;
mod resolve;
mod role_admission;
mod role_powers;
mod role_upkeep;
mod room;
mod run_as;
mod said_by;
mod server;
mod session;
mod settings;
mod shares;
mod socket;
mod take_back;
mod terminator;
mod unfinished;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

pub use self::closed_functions::record_as_initial;
pub use self::connection::{CallConnection, ControlConnection};
pub use self::database::Database;
pub use self::deploying::Deploying;
pub use self::error::{DatabaseError, LOCK_LOST};
pub(crate) use self::error::{describe, exceeds_limits};
pub use self::locks::DeploymentLock;
pub use self::own_path::{Under, ask, commit_and_go_on, own_path, printed_path, set_path, set_printed_path, under};
pub use self::owner::{DatabaseInfo, Owned, Ownership};
pub use self::quote::{quote_ident, quote_literal};
pub use self::records::OLDEST_MAJOR;
pub(crate) use self::resolve::ids_to_send;
pub use self::room::{Turn, Watched, Writing};
pub use self::run_as::{Role, RunAs, Upkeep};
pub use self::said_by::SaidBy;
pub(crate) use self::said_by::{postgres_code, raises};
pub use self::session::{ENDED_FOR_ROOM, InsideSession, Session};
pub use self::settings::{OWN_PATH, PINNED, PINNED_SINCE, upgrading};

use self::dropping::Later;
use self::locks::Locks;
use self::name::DatabaseName;
use self::pools::{Pools, sweep_regularly, watch_locks};
use self::records::Records;
use self::resolve::Routes;
use self::role_upkeep::Restored;
use self::server::Server;
use self::shares::{Account, Shares};
use crate::config::{Destination, PoolConfig};
use crate::tls::Tls;

/// How long `/health` waits for PostgreSQL.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stop waits for connections to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one who does not wait waits for backends to be told to end.
const PARTING: Duration = Duration::from_secs(1);

/// All databases of one PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Databases {
    pools: Arc<Pools>,
    records: Arc<Records>,
    routes: Arc<Routes>,
    locks: Arc<Locks>,
    /// What deployments of all platforms share, and who pays for what is taken of it here.
    shares: Arc<Shares>,
    account: Account,
    later: Arc<Later>,
    restored: Arc<Restored>,
}

/// What `/health` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether PostgreSQL answers.
    pub connected: bool,
    /// Pools with open connections.
    pub active_pools: usize,
    /// Connections open on the server.
    pub total_connections: usize,
}

/// What `GET /metrics` shows of connections and deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Pools with open connections.
    pub pools: usize,
    /// Connections open on the server.
    pub connections: usize,
    /// How many there may be.
    pub most_connections: usize,
    /// Who waits for one.
    pub waiting: usize,
    /// Databases that are being deployed to.
    pub deployments: usize,
    /// Backends that were told to end since the start.
    pub terminated: u64,
}

impl Databases {
    /// Opens nothing yet: PostgreSQL may come later. Needs a Tokio runtime, in which connections are driven.
    ///
    /// `call_timeout` bounds each statement of a call, `lock_timeout` what a deployment's statement waits for a lock.
    pub fn start(
        postgres: impl Into<Destination>,
        pool: &PoolConfig,
        call_timeout: Duration,
        lock_timeout: Duration,
    ) -> Result<Self, DatabaseError> {
        let sessions = pool.session_limit();
        let pools = Pools::new(Server::new(postgres.into(), call_timeout, lock_timeout)?, pool);
        tokio::spawn(sweep_regularly(Arc::downgrade(&pools), pool.idle_timeout, pool.max_lifetime));
        tokio::spawn(watch_locks(Arc::downgrade(&pools)));
        Ok(Self {
            pools,
            records: Arc::default(),
            routes: Arc::default(),
            locks: Arc::default(),
            shares: Arc::new(Shares::new(sessions)),
            account: Account::own(sessions, pool.wait_timeout),
            later: Arc::default(),
            restored: Arc::default(),
        })
    }

    /// The server is the gateway's own: where uploaded code keeps everybody out and nothing else ends it, the server is
    /// made to start again (`docs/security.md`).
    pub fn own_server(&self) {
        self.pools.server.terminator.owns_server();
        tokio::spawn(deaf_workers::watch(self.clone()));
    }

    /// A connection of the database's pool, as whom the database was resolved for. Waits its turn within the budget.
    pub async fn for_call(&self, database: &Arc<Database>) -> Result<CallConnection, DatabaseError> {
        match self.pools.pooled(database).await {
            Err(error) if error.is_login_failure() => Box::pin(self.restored_for_call(database, error)).await,
            pooled => CallConnection::new(pooled?),
        }
    }

    async fn restored_for_call(
        &self,
        database: &Arc<Database>,
        error: DatabaseError,
    ) -> Result<CallConnection, DatabaseError> {
        let RunAs::Platform(role) = &database.run_as else { return Err(error) };
        self.restore_role(role).await?;
        CallConnection::new(self.pools.pooled(database).await?)
    }

    /// The name of the gateway's own role, as the configuration has it.
    pub fn gateway_user(&self) -> &str {
        self.pools.server.user()
    }

    /// The time limit of a call.
    pub fn call_timeout(&self) -> Duration {
        self.pools.server.call_timeout()
    }

    /// Other time limits than those of the start. A connection has its limit from when it was opened, so the idle ones are closed,
    /// and those in use with the end of their calls.
    pub fn set_time_limits(&self, call_timeout: Duration, lock_timeout: Duration) {
        if self.pools.server.set_time_limits(call_timeout, lock_timeout) {
            self.pools.renew_all();
        }
    }

    /// From now on connections are opened with the certificates that were read again.
    pub fn renew_certificates(&self, renewed: &Tls) {
        self.pools.server.tls.renew(renewed);
    }

    /// What was prepared for the database, and what is known of its catalog, is void.
    pub fn deployed(&self, database: &DatabaseName) {
        if let Some(database) = self.pools.get(database) {
            database.renew();
        }
    }

    /// What `GET /metrics` shows of connections and deployments; asks nobody.
    pub fn figures(&self) -> Figures {
        let (pools, connections) = self.pools.counts();
        Figures {
            pools,
            connections,
            most_connections: self.pools.most(),
            waiting: self.pools.waiting(),
            deployments: self.pools.deployments.running(),
            terminated: self.pools.server.terminator.ended(),
        }
    }

    /// Whether PostgreSQL answers, and how many connections are open.
    pub async fn health(&self) -> Health {
        let asking = async {
            match self.control().await {
                Ok(control) => control.check_connection().await.is_ok(),
                // The gateway is busy, which PostgreSQL is the reason of only if it answers nobody.
                Err(DatabaseError::PoolExhausted { .. }) => true,
                Err(_) => false,
            }
        };
        let connected = tokio::time::timeout(HEALTH_TIMEOUT, asking).await.unwrap_or(false);
        let (active_pools, total_connections) = self.pools.counts();
        Health { connected, active_pools, total_connections }
    }

    /// Ends: nobody gets a connection any more. Returns when all are closed, those in use after their work.
    pub async fn close(&self) {
        self.locks.close().await;
        self.pools.close(CLOSE_TIMEOUT).await;
    }

    /// Ends at once: whatever backends are there are told to end, and not waited for.
    pub async fn abandon(&self) {
        let ending = self.pools.server.terminator.terminate_all();
        let _ = tokio::time::timeout(PARTING, ending).await;
    }
}
