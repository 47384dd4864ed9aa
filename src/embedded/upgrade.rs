//! `upgrade-postgres`: the cluster under `DATA_DIR` → one of a newer major version, with everything that is in it.
//!
//! The new cluster is made beside the old one, and both folders change places in one step when it is whole. Up to then the old
//! one is the cluster, whatever fails and whenever the command is killed; afterwards it is kept beside, and nothing of it is
//! changed. What a killed command has left is put in order by the next one (`aside`).
//!
//! Two ways lead over (`transfer`): `pg_upgrade` where the new version has one, else a dump that is restored at once. A restore
//! evaluates all that tables check as the superuser: so the dump has to be asked for. `pg_upgrade` evaluates constant parts of
//! some expressions: where these call a platform's code, it is refused unless the operator trusts that (`evaluated`). Either way a
//! new cluster in which a role may do more than in the old one is none (`contents`).
//!
//! Blueprints and what was being made stay behind: the gateway makes them again.

mod aside;
mod contents;
mod evaluated;
mod plan;
mod transfer;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};

use self::aside::Aside;
use self::contents::{Contents, Opened};
use self::plan::{Method, Plan};
use super::account::Account;
use super::cluster::{self, State};
use super::folder::Folder;
use super::pid_file::{self, Holder};
use super::postmaster::{self, Launch, Postmaster};
use super::{EmbeddedError, EmbeddedOptions};

/// What [`upgrade`] needs to know.
#[derive(Clone, Debug)]
pub struct UpgradeOptions {
    /// `DATA_DIR`.
    pub directory: PathBuf,
    /// `PG_BIN_DIR`: of the old or of the new version.
    pub bin_dir: Option<PathBuf>,
    /// The new version's programs; `None`: `PG_BIN_DIR` if it is newer, else the newest that is installed.
    pub new_bin_dir: Option<PathBuf>,
    /// By a dump.
    pub dump: bool,
    /// What platforms have written may be run as the superuser.
    pub trust_platforms: bool,
    /// For tests, where only one version is installed: to a new cluster of the same.
    pub same_version_too: bool,
}

/// Why nothing was upgraded. The old cluster is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// What starting the servers needs, too.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// `DATA_DIR` has none.
    #[error("there is no PostgreSQL cluster in {}: nothing to upgrade", path.display())]
    NoCluster {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// `--new-bin-dir` leads nowhere.
    #[error("--new-bin-dir {} has no `postgres` and `initdb` that can be run", path.display())]
    NoServerIn {
        /// Its value.
        path: PathBuf,
    },
    /// PostgreSQL does not go back.
    #[error("the cluster was made by PostgreSQL {old}, and {} is {new}: there is no way back to an older version", path.display())]
    Older {
        /// The cluster's version.
        old: u32,
        /// The one that was asked for.
        new: u32,
        /// Its programs.
        path: PathBuf,
    },
    /// The packages of servers without clients.
    #[error(
        "no pg_upgrade from {old} to {new}: it needs {missing}. Install the distribution's packages of PostgreSQL {new} (Debian, \
         Ubuntu: postgresql-{new}); or run `upgrade-postgres --dump`, which restores a dump: then what the platforms' tables \
         check (CHECK, generated columns, domains) is run as the superuser, so do that only if you trust their code"
    )]
    NoPgUpgrade {
        /// The cluster's version.
        old: u32,
        /// The new one.
        new: u32,
        /// The first program that is not there.
        missing: String,
    },
    /// Nothing to dump with.
    #[error(
        "found no pg_dump, pg_dumpall and psql of PostgreSQL {old} to {new} in one folder: install the client package (Debian, \
         Ubuntu: postgresql-client-{new} or postgresql-client-{old})"
    )]
    NoClients {
        /// The cluster's version.
        old: u32,
        /// The new one.
        new: u32,
    },
    /// The copy would not fit.
    #[error("the new cluster needs about {needed_mb} MB in {}, where {free_mb} MB are free", path.display())]
    NoRoom {
        /// `DATA_DIR`.
        path: PathBuf,
        /// What the old one takes, and something for the rest.
        needed_mb: u64,
        /// What is free.
        free_mb: u64,
    },
    /// What databases need and the new version has not.
    #[error(
        "PostgreSQL {new} lacks extensions: {missing}. Install their packages for {new}, or drop them from these databases"
    )]
    NoExtensions {
        /// The new version.
        new: u32,
        /// Each with the databases that have it.
        missing: String,
    },
    /// Code that is not the operator's would get the superuser's rights.
    #[error(
        "pg_upgrade may run platforms' code as the superuser: {found}. All of them are listed above; look through what these \
         functions do, in every version that there was, and then run `upgrade-postgres --trust-platforms`; or drop them before \
         and make them again after it"
    )]
    PlatformsCode {
        /// Databases, expressions and functions, the first ones.
        found: String,
    },
    /// It has got them.
    #[error(
        "in the new cluster {power}, which was not so in the old one: code of a platform's has run as the superuser. The new \
         cluster is removed"
    )]
    Empowered {
        /// Whom, and what.
        power: String,
    },
    /// A program of PostgreSQL's failed.
    #[error("{doing}: {reason} (more in {})", log.display())]
    Failed {
        /// What it was doing.
        doing: String,
        /// Its words.
        reason: String,
        /// All that it said.
        log: PathBuf,
    },
    /// A question about what is in a cluster failed.
    #[error("{doing}: {reason}")]
    Asking {
        /// What was asked.
        doing: &'static str,
        /// PostgreSQL's words.
        reason: String,
    },
    /// The new cluster has not what the old one has.
    #[error("the new cluster does not have what the old one has: {difference}")]
    Incomplete {
        /// What is missing or too much.
        difference: String,
    },
    /// A signal.
    #[error("stopped; the cluster is as it was, and the command can be run again")]
    Stopped,
}

/// What was done, for whoever typed the command.
#[derive(Debug)]
pub enum Upgraded {
    /// There was nothing to do.
    Nothing {
        /// The cluster's version.
        major: u32,
    },
    /// The cluster is of the new version.
    Done {
        /// The version before, and now.
        from: u32,
        /// See `from`.
        to: u32,
        /// Where the old cluster is.
        kept: PathBuf,
        /// And its password.
        kept_password: PathBuf,
        /// What has to be set for the gateway to start.
        bin_dir: Option<PathBuf>,
        /// What the old cluster's files set otherwise.
        settings: Vec<String>,
    },
}

impl fmt::Display for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing { major } => {
                write!(f, "nothing to do: the cluster is PostgreSQL {major}, and no newer version was found")
            }
            Self::Done { from, to, kept, kept_password, bin_dir, settings } => {
                writeln!(f, "done: the cluster is PostgreSQL {to}")?;
                for setting in settings {
                    writeln!(f, "set in the old cluster's files, not in the new ones: {setting}")?;
                }
                if let Some(dir) = bin_dir {
                    writeln!(f, "start the gateway with PG_BIN_DIR={}", dir.display())?;
                }
                write!(
                    f,
                    "the cluster of PostgreSQL {from} is {}, its password {}: remove both when all is well. To go back, stop \
                     the gateway, move `postgres` away and this one in its place",
                    kept.display(),
                    kept_password.display()
                )
            }
        }
    }
}

/// Brings the cluster to the newer version, unless `stop` is ready before. `say` tells of the steps.
pub async fn upgrade(
    options: UpgradeOptions,
    say: impl Fn(&str),
    stop: impl Future<Output = ()>,
) -> Result<Upgraded, UpgradeError> {
    if !options.directory.is_dir() {
        return Err(UpgradeError::NoCluster { path: options.directory });
    }
    let folder = Folder::open(&options.directory)?;
    aside::put_in_order(&folder, &say).await?;
    cluster::remove_leftovers(folder.path());
    let State::Made { major } = cluster::inspect(&folder.cluster())? else {
        return Err(UpgradeError::NoCluster { path: folder.cluster() });
    };
    let account = Account::choose(&folder.cluster())?;
    account.check_way("DATA_DIR", folder.path())?;
    let Some(plan) = Plan::make(&options, &account, major, &folder)? else { return Ok(Upgraded::Nothing { major }) };
    aside::try_exchange(&folder)?;
    say(&plan.to_string());
    let mut upgrade = Upgrade {
        aside: Aside::new(&folder)?,
        folder: &folder,
        account,
        plan: &plan,
        trust_platforms: options.trust_platforms,
        say: &say,
        servers: Servers::default(),
        opened: Opened::default(),
    };
    let brought = tokio::select! {
        brought = upgrade.bring_over() => brought,
        () = stop => Err(UpgradeError::Stopped),
    };
    // The error that led here is the one to report.
    let closed = upgrade.close_again().await;
    let stopped = upgrade.stop_all().await;
    let whole = match (brought, closed, stopped) {
        (Ok(settings), Ok(()), Ok(())) => upgrade.aside.sync(&upgrade.account, &plan).await.map(|()| settings),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => Err(error),
    };
    match whole {
        Ok(settings) => upgrade.aside.take_place(&plan, settings),
        Err(error) => {
            upgrade.aside.remove();
            // Of what was cut off.
            cluster::remove_leftovers(folder.path());
            Err(error)
        }
    }
}

/// Closes what a command that was killed has left open, in the cluster that a gateway has started.
pub(super) async fn close_what_is_open(folder: &Folder, cluster: &tokio_postgres::Config) -> Result<(), UpgradeError> {
    let opened = Opened::left(folder)?;
    if opened.is_empty() {
        return Ok(());
    }
    opened.close(cluster).await?;
    opened.forget(folder)
}

/// The two servers, as far as they run.
#[derive(Default)]
struct Servers {
    old: Option<Postmaster>,
    new: Option<Postmaster>,
}

impl Servers {
    async fn stop(&mut self) -> Result<(), UpgradeError> {
        let (old, new) = (self.stop_old().await, self.stop_new().await);
        old.and(new)
    }

    async fn stop_old(&mut self) -> Result<(), UpgradeError> {
        match self.old.take() {
            Some(mut server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }

    async fn stop_new(&mut self) -> Result<(), UpgradeError> {
        match self.new.take() {
            Some(mut server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
}

struct Upgrade<'a, S> {
    aside: Aside,
    folder: &'a Folder,
    account: Account,
    plan: &'a Plan,
    trust_platforms: bool,
    say: &'a S,
    servers: Servers,
    opened: Opened,
}

impl<S: Fn(&str)> Upgrade<'_, S> {
    /// Makes the new cluster and fills it. Gives what the old one's files set otherwise.
    async fn bring_over(&mut self) -> Result<Vec<String>, UpgradeError> {
        self.start_old().await?;
        let old = self.connection(&self.folder.cluster())?;
        self.opened = Opened::find(&old, self.folder).await?;
        self.opened.open(&old, self.folder).await?;
        let contents = Contents::read(&old).await?;
        evaluated::check(&contents, &old, (&self.plan.method, self.trust_platforms), self.say).await?;
        (self.say)("making the new cluster");
        self.aside.init(self.folder, &self.account, self.plan, &contents).await?;
        let new = self.connection(self.aside.path())?;
        self.start_new(true).await?;
        contents.check_extensions(&new, self.plan.new.major).await?;
        let settings = contents.settings_to_set(&new).await?;
        match &self.plan.method {
            Method::PgUpgrade => {
                self.servers.stop().await?;
                (self.say)("running pg_upgrade");
                transfer::pg_upgrade(self.plan, &self.account, self.folder, &self.aside).await?;
                self.start_new(false).await?;
                contents::drop_passing(&new).await?;
            }
            Method::Dump { tools } => {
                let way = transfer::Way { tools, account: &self.account, folder: self.folder, new: self.aside.path() };
                way.bring_roles().await?;
                for database in contents.lasting() {
                    (self.say)(&format!("bringing over {database}"));
                    way.bring(database).await?;
                }
            }
        }
        contents.verify(&new).await?;
        (self.say)("collecting statistics");
        contents::analyze(&new, &contents).await;
        self.opened.close(&new).await?;
        Ok(settings)
    }

    fn connection(&self, cluster: &Path) -> Result<tokio_postgres::Config, UpgradeError> {
        Ok(cluster::connection(self.folder, cluster)?)
    }

    async fn start_old(&mut self) -> Result<(), UpgradeError> {
        let cluster = self.folder.cluster();
        let options = EmbeddedOptions::new(self.folder.path());
        let connection = self.connection(&cluster)?;
        let launch = Launch::new(self.folder, &cluster, &self.plan.old, self.account.clone(), connection, &options);
        self.servers.old = Some(Postmaster::take_over_or_start(launch).await?);
        Ok(())
    }

    /// `in_haste`: what is written is synced at the end.
    async fn start_new(&mut self, in_haste: bool) -> Result<(), UpgradeError> {
        let mut options = EmbeddedOptions::new(self.folder.path());
        if in_haste {
            let settings = [("fsync", "off"), ("full_page_writes", "off"), ("max_wal_size", "4GB")];
            options.settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        }
        let connection = self.connection(self.aside.path())?;
        let (new, account) = (&self.plan.new, self.account.clone());
        let launch = Launch::new(self.folder, self.aside.path(), new, account, connection, &options);
        self.servers.new = Some(Postmaster::take_over_or_start(launch).await?);
        Ok(())
    }

    /// Also what `pg_upgrade` had started when it was cut off.
    async fn stop_all(&mut self) -> Result<(), UpgradeError> {
        let stopped = self.servers.stop().await;
        for cluster in [&self.folder.cluster(), self.aside.path()] {
            if let Holder::Postmaster(pid) = pid_file::holder(cluster) {
                postmaster::end(pid, cluster).await?;
            }
        }
        stopped
    }

    /// The databases of the old cluster that were opened to be read.
    async fn close_again(&mut self) -> Result<(), UpgradeError> {
        if self.opened.is_empty() {
            return Ok(());
        }
        if self.servers.old.is_none() {
            // It stops the one that a `pg_upgrade` which was cut off has left.
            self.start_old().await?;
        }
        self.opened.close(&self.connection(&self.folder.cluster())?).await?;
        self.opened.forget(self.folder)
    }
}
