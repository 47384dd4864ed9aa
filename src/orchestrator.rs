//! Bundle + database → deployment. [`Orchestrator::register`] is the way in; the steps of a deployment are in
//! `deployment`, in order.
//!
//! Everything here works on one database under its deployment lock, and runs to its end even when the client that asked
//! is gone: what is half made is then either finished or taken back.

mod attempts;
mod blueprint;
mod catalog;
mod clock;
mod dependants;
mod deployment;
mod diff;
mod enum_labels;
mod error;
mod extensions;
pub mod fleet;
mod functions;
mod left_values;
mod limits;
mod migrations;
mod missing;
mod new_values;
mod objects;
mod observed;
mod prepared;
mod promised;
mod recorded;
mod report;
mod risk;
mod runner;
mod seeders;
mod shape;
mod standing;
mod sums;
mod sweep;
mod tracking;
mod turns;
mod twins;
mod underway;
mod verify;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;
use tracing::Instrument;

pub use self::attempts::Blocker;
pub use self::dependants::Left;
pub use self::diff::{Change, ChangeType, Compatibility, SchemaValidation};
pub use self::error::{DeployError, StatementError};
pub use self::limits::DeployLimits;
pub use self::report::{Registered, Report, SeedReport, SkippedStatement, Verification};
pub use self::seeders::SeederValidation;
pub use self::sweep::Swept;
pub use self::turns::Turn;

use self::blueprint::{Blueprint, Blueprints};
use self::clock::Clock;
use self::fleet::{Event, Migrated, Wish};
use self::observed::{Observer, tell_dropped};
use self::prepared::{Place, Prepared};
use self::runner::Mode;
use self::sums::{Lacking, Wanted};
use self::turns::Turns;
use self::underway::Underway;
use crate::bundle::Bundle;
use crate::config::AllowedExtensions;
use crate::databases::name::{Address, DatabaseName, Id, Which};
use crate::databases::{Databases, DeploymentLock, Ownership, RunAs, ids_to_send};
use crate::metrics::Metrics;

/// How long it is looked, before a turn is taken, whether there is anything to do.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// The databases made from a stored schema, or one of them.
pub struct SchemaDatabases {
    /// The stored schema's name.
    pub schema: Id,
    /// Only this one.
    pub database: Option<Id>,
}

/// Brings databases to their bundles. Cheap to clone.
#[derive(Clone)]
pub struct Orchestrator {
    databases: Databases,
    blueprints: Arc<Blueprints>,
    turns: Arc<Turns>,
    allowed: Arc<AllowedExtensions>,
    limits: Arc<RwLock<DeployLimits>>,
    observer: Observer,
}

impl Orchestrator {
    /// Deploys within `limits`; `allowed`: which extensions a platform's role may have that only a superuser can install.
    pub fn new(databases: Databases, limits: DeployLimits, allowed: AllowedExtensions, metrics: Arc<Metrics>) -> Self {
        let turns = Arc::new(Turns::new(at_once(&limits, &databases), limits.patience()));
        let allowed = Arc::new(allowed);
        let (blueprints, observer) = (
            Arc::new(Blueprints::new(allowed.clone())),
            Observer { metrics, databases: databases.clone(), underway: Underway::default() },
        );
        let limits = Arc::new(RwLock::new(limits));
        Self { databases, blueprints, turns, allowed, limits, observer }
    }

    /// For deployments that begin from now on.
    pub fn set_limits(&self, limits: DeployLimits) {
        self.turns.set_at_once(at_once(&limits, &self.databases));
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> DeployLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the platform's next turn to deploy. Not from inside of a deployment, which has one.
    pub async fn turn(&self, platform: &Id) -> Result<Turn, DeployError> {
        self.turns.take(platform).await
    }

    /// The gateway is about to stop: whoever waits for its turn is told so. Those who have it go on.
    pub fn close(&self) {
        self.turns.close();
    }

    /// How many deployments run, a fleet counting as one: also those whose client is gone.
    pub fn underway(&self) -> usize {
        self.turns.taken()
    }

    /// The databases that are deployed to at this moment.
    pub fn databases_underway(&self) -> Vec<String> {
        self.observer.underway.names()
    }

    /// The same, on the account of a platform that has its turn.
    fn on_behalf_of(&self, platform: &Id) -> Self {
        Self { databases: self.databases.on_behalf_of(platform, self.limits().patience()), ..self.clone() }
    }

    /// The time of a deployment to the database.
    fn clock(&self, database: &DatabaseName) -> Clock {
        Clock::new(database, self.limits().deployment_timeout)
    }

    /// Creates the database if it is missing, else brings it up to date; its code runs as `run_as`. `force`: also where values
    /// are lost by it.
    pub async fn register(
        &self,
        address: Address,
        run_as: &RunAs,
        bundle: Bundle,
        force: bool,
    ) -> Result<Registered, DeployError> {
        let started = Instant::now();
        let ready = |mut report: Report, warnings: Vec<String>| {
            report.warnings.splice(0..0, warnings);
            let (database, execution_time_ms) = (address.name().to_string(), millis_since(started));
            Registered { status: "ready", database, report, execution_time_ms }
        };
        if let Some(report) = self.look(&address, run_as, &bundle).await? {
            return Ok(ready(report, bundle.warnings));
        }
        let turn = self.turn(address.platform()).await?;
        let (this, address, run_as) = (self.on_behalf_of(address.platform()), address.clone(), run_as.clone());
        let (report, warnings) = run_to_the_end(async move {
            let _turn = turn;
            let report = this.register_locked(&address, &run_as, &bundle, force).await;
            let report = report.map_err(|error| error.in_database(address.name()))?;
            Ok((report, bundle.warnings))
        })
        .await?;
        Ok(ready(report, warnings))
    }

    /// Whether there is nothing to do, which takes no turn and waits for nobody's deployment. A database that cannot be looked
    /// at in a moment is looked at again in its turn.
    async fn look(&self, address: &Address, run_as: &RunAs, bundle: &Bundle) -> Result<Option<Report>, DeployError> {
        if self.owned(address).await? != Found::Ours {
            return Ok(None);
        }
        let databases = self.databases.on_behalf_of(address.platform(), self.limits().wait_timeout);
        if !databases.to_hand_over(run_as, std::slice::from_ref(address.name())).await?.is_empty() {
            return Ok(None);
        }
        let looking = async {
            let session = databases.session(run_as, address.name()).await?;
            let state = tracking::read_state(&session).await?;
            let lacking = Wanted::of(bundle).lacking(&session, state.as_ref()).await?;
            session.close().await;
            Ok::<_, DeployError>(state.filter(|_| lacking == Lacking::Nothing))
        };
        let looked = tokio::time::timeout(LOOK_TIMEOUT, looking).await;
        let state = looked.ok().and_then(Result::ok).flatten();
        Ok(state.map(|state| Report { functions_unchanged: state.functions, ..Report::default() }))
    }

    /// Brings existing databases of a platform to their bundle: the tenant's, or, where `tenant` is not given, the main
    /// database and every tenant's. Those made from stored schemas are not among them.
    pub async fn migrate(
        &self,
        turn: Turn,
        run_as: &RunAs,
        tenant: Option<Id>,
        bundle: Bundle,
        wish: Wish,
        events: UnboundedSender<Event>,
    ) -> Result<Migrated, DeployError> {
        let (this, run_as) = (self.on_behalf_of(turn.platform()), run_as.clone());
        run_to_the_end(async move {
            let platform = turn.platform();
            let names = this.databases_to_migrate(platform, tenant).await?;
            this.hand_over(&run_as, &names).await?;
            let warnings = bundle.warnings.clone();
            let mut migrated = fleet::migrate(&this, platform, &run_as, names, bundle, wish, events).await?;
            migrated.warnings.splice(0..0, warnings);
            Ok(migrated)
        })
        .await
    }

    /// The tenant's database, or the main one and every tenant's: what [`Orchestrator::migrate`] is about. None is an error.
    pub async fn databases_to_migrate(
        &self,
        platform: &Id,
        tenant: Option<Id>,
    ) -> Result<Vec<DatabaseName>, DeployError> {
        let names = match tenant {
            Some(tenant) => vec![self.existing(Address::new(platform.clone(), Which::Tenant(tenant))?).await?],
            None => self.databases.of_platform(platform).await?,
        };
        if names.is_empty() {
            return Err(DeployError::NoDatabase { platform: platform.given().to_owned() });
        }
        Ok(names)
    }

    /// Has the bundle's blueprint made, which is how a bundle is known to deploy; its warnings.
    pub async fn validate(&self, platform: &Id, run_as: &RunAs, bundle: &Bundle) -> Result<Vec<String>, DeployError> {
        let turn = self.turn(platform).await?;
        let (this, run_as, bundle) = (self.on_behalf_of(platform), run_as.clone(), bundle.clone());
        run_to_the_end(async move {
            let warnings = bundle.warnings.clone();
            let prepared = this.prepare(turn.platform(), &run_as, bundle).await?;
            Ok(warnings.into_iter().chain(prepared.blueprint.report.warnings.iter().cloned()).collect())
        })
        .await
    }

    /// Has the blueprint of a stored schema kept for as long as that version is stored.
    pub async fn keep_blueprint(
        &self,
        platform: &Id,
        run_as: &RunAs,
        schema: &Id,
        checksum: &str,
    ) -> Result<(), DeployError> {
        self.blueprints.keep(&self.databases, platform, run_as, schema, checksum).await
    }

    /// Creates a database; one that is there is an error.
    pub async fn create(
        &self,
        turn: Turn,
        address: Address,
        run_as: &RunAs,
        bundle: Bundle,
    ) -> Result<Report, DeployError> {
        let (this, run_as) = (self.on_behalf_of(turn.platform()), run_as.clone());
        run_to_the_end(async move {
            let _turn = turn;
            let lock = this.databases.lock(address.name()).await?;
            match this.owned_locked(&address, &lock).await? {
                Found::Nothing => this.create_observed(&address, &run_as, &bundle, &lock).await,
                Found::Ours | Found::Unclaimed => {
                    Err(DeployError::AlreadyExists { database: address.name().to_string() })
                }
            }
        })
        .await
    }

    /// Brings the databases made from a stored schema to a bundle, or one of them; none yet is no error.
    pub async fn migrate_stored(
        &self,
        turn: Turn,
        of: SchemaDatabases,
        run_as: &RunAs,
        bundle: Bundle,
        wish: Wish,
        events: UnboundedSender<Event>,
    ) -> Result<Migrated, DeployError> {
        let (this, run_as) = (self.on_behalf_of(turn.platform()), run_as.clone());
        run_to_the_end(async move {
            let platform = turn.platform();
            let SchemaDatabases { schema, database } = of;
            let names = match database {
                Some(database) => {
                    let address = Address::new(platform.clone(), Which::Stored { schema, database })?;
                    vec![this.existing(address).await?]
                }
                None => this.databases.of_schema(platform, &schema).await?,
            };
            this.hand_over(&run_as, &names).await?;
            fleet::migrate(&this, platform, &run_as, names, bundle, wish, events).await
        })
        .await
    }

    /// Gives the platform's role all databases of the platform, v1's and v2's, that are not its own yet.
    pub async fn hand_over_all(&self, platform: &Id, run_as: &RunAs) -> Result<(), DeployError> {
        let turn = self.turn(platform).await?;
        let (this, run_as) = (self.on_behalf_of(platform), run_as.clone());
        run_to_the_end(async move {
            let names: Vec<_> = this.databases.list(turn.platform()).await?.into_iter().map(|info| info.name).collect();
            this.hand_over(&run_as, &names).await
        })
        .await
    }

    /// Also before a dry run, which is made as the platform's role: what is in the databases stays as it is.
    async fn hand_over(&self, run_as: &RunAs, names: &[DatabaseName]) -> Result<(), DeployError> {
        for name in self.databases.to_hand_over(run_as, names).await? {
            let lock = self.databases.lock(&name).await?;
            let handing_over = async { Ok(self.databases.hand_over(run_as, &name, &lock).await?) };
            match self.clock(&name).run(handing_over).await {
                Err(error) if error.is_gone() => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The name of a database that is there and the platform's.
    async fn existing(&self, address: Address) -> Result<DatabaseName, DeployError> {
        let reason = match self.databases.find(&address).await? {
            Ownership::Recorded { exists_on_server: true } => return Ok(address.name().clone()),
            Ownership::OtherPlatform => {
                return Err(DeployError::OtherPlatform { database: address.name().to_string() });
            }
            // Another database of the platform, whatever its name reads like.
            Ownership::OtherSpelling { recorded } => ids_to_send(&recorded),
            Ownership::Unrecorded => "exists but was not registered; POST /register adopts it".to_owned(),
            Ownership::Missing | Ownership::Unfinished | Ownership::Recorded { exists_on_server: false } => {
                match address.which() {
                    Which::Stored { .. } => "does not exist; POST /database/create makes it".to_owned(),
                    Which::Main | Which::Tenant(_) => "does not exist; POST /register makes it".to_owned(),
                }
            }
        };
        Err(DeployError::NotFound { database: address.name().to_string(), reason })
    }

    /// Creates an empty database.
    pub async fn create_tenant(&self, address: Address, run_as: &RunAs) -> Result<(), DeployError> {
        let turn = self.turn(address.platform()).await?;
        let (this, run_as) = (self.on_behalf_of(address.platform()), run_as.clone());
        run_to_the_end(async move {
            let _turn = turn;
            let lock = this.databases.lock(address.name()).await?;
            if this.owned_locked(&address, &lock).await? != Found::Nothing {
                return Err(DeployError::AlreadyExists { database: address.name().to_string() });
            }
            this.create_claimed(&address, &run_as, None, &lock).await
        })
        .await
    }

    async fn register_locked(
        &self,
        address: &Address,
        run_as: &RunAs,
        bundle: &Bundle,
        force: bool,
    ) -> Result<Report, DeployError> {
        let lock = self.databases.lock(address.name()).await?;
        match self.owned_locked(address, &lock).await? {
            Found::Nothing => self.create_observed(address, run_as, bundle, &lock).await,
            Found::Ours => self.update(address, run_as, bundle, force, &lock).await,
            Found::Unclaimed => {
                self.databases.refuse_other_roles(run_as, address.name()).await?;
                self.databases.claim(address).await?;
                self.update(address, run_as, bundle, force, &lock).await
            }
        }
    }

    /// The same for whoever has the deployment lock: a creation that never ended stands in nobody's way.
    async fn owned_locked(&self, address: &Address, lock: &DeploymentLock) -> Result<Found, DeployError> {
        if self.databases.find(address).await? == Ownership::Unfinished {
            self.databases.settle_record(address.name(), lock).await?;
        }
        self.owned(address).await
    }

    /// What there is under the address's name, where the platform may have it.
    async fn owned(&self, address: &Address) -> Result<Found, DeployError> {
        let database = || address.name().to_string();
        match self.databases.find(address).await? {
            Ownership::Missing | Ownership::Unfinished => Ok(Found::Nothing),
            Ownership::Recorded { exists_on_server: false } => Ok(Found::Nothing),
            Ownership::Recorded { exists_on_server: true } => Ok(Found::Ours),
            Ownership::Unrecorded => Ok(Found::Unclaimed),
            Ownership::OtherPlatform => Err(DeployError::OtherPlatform { database: database() }),
            Ownership::OtherSpelling { recorded } => Err(DeployError::OtherSpelling { database: database(), recorded }),
        }
    }

    async fn create_observed(
        &self,
        address: &Address,
        run_as: &RunAs,
        bundle: &Bundle,
        lock: &DeploymentLock,
    ) -> Result<Report, DeployError> {
        let creating = self.create_locked(address, run_as, bundle, lock);
        self.observer.watch(address.name(), &bundle.checksum, false, creating).await
    }

    /// A new database is a copy of its bundle's blueprint.
    async fn create_locked(
        &self,
        address: &Address,
        run_as: &RunAs,
        bundle: &Bundle,
        lock: &DeploymentLock,
    ) -> Result<Report, DeployError> {
        let blueprint = self.blueprint(address.platform(), run_as, bundle).await?;
        match self.create_claimed(address, run_as, Some(&blueprint), lock).await {
            Err(DeployError::Database(error)) if error.is_missing_template() => {
                // Somebody dropped it since; so it is built again.
                self.blueprints.forget(&blueprint);
                let blueprint = self.blueprint(address.platform(), run_as, bundle).await?;
                self.create_claimed(address, run_as, Some(&blueprint), lock).await?;
            }
            result => result?,
        }
        Ok(blueprint.report.clone())
    }

    /// Boxed: building one is a whole deployment, and the compiler would look through all of it wherever one is asked for.
    fn blueprint<'a>(
        &'a self,
        platform: &'a Id,
        run_as: &'a RunAs,
        bundle: &'a Bundle,
    ) -> BoxFuture<'a, Result<Arc<Blueprint>, DeployError>> {
        self.blueprints.ensure(&self.databases, platform, run_as, bundle, self.limits()).boxed()
    }

    /// Records the owner, then makes the database: what has no record is nobody's, so the record comes first.
    async fn create_claimed(
        &self,
        address: &Address,
        run_as: &RunAs,
        blueprint: Option<&Blueprint>,
        lock: &DeploymentLock,
    ) -> Result<(), DeployError> {
        let template = blueprint.map(|blueprint| DatabaseName::recorded(blueprint.name.clone()));
        let creating = self.databases.create_for(address, lock, template.as_ref(), run_as);
        self.clock(address.name()).run(async { Ok(creating.await?) }).await
    }

    /// The bundle, known to deploy.
    async fn prepare(&self, platform: &Id, run_as: &RunAs, bundle: Bundle) -> Result<Prepared, DeployError> {
        let blueprint = self.blueprint(platform, run_as, &bundle).await?;
        let (platform, run_as, allowed) = (platform.clone(), run_as.clone(), self.allowed.clone());
        Ok(Prepared::new(bundle, blueprint, platform, run_as, allowed, self.limits().lock_timeout))
    }

    async fn update(
        &self,
        address: &Address,
        run_as: &RunAs,
        bundle: &Bundle,
        force: bool,
        lock: &DeploymentLock,
    ) -> Result<Report, DeployError> {
        let updating = self.update_existing(address, run_as, bundle, force, lock);
        let (report, _) = self.observer.watch(address.name(), &bundle.checksum, force, updating).await?;
        Ok(report)
    }

    /// Whether it was at the bundle already, too.
    async fn update_existing(
        &self,
        address: &Address,
        run_as: &RunAs,
        bundle: &Bundle,
        force: bool,
        lock: &DeploymentLock,
    ) -> Result<(Report, bool), DeployError> {
        let clock = self.clock(address.name());
        clock.run(async { Ok(self.databases.hand_over(run_as, address.name(), lock).await?) }).await?;
        // Before there is a session: a deployment has no more of them at once than it needs.
        let prepared = self.prepare(address.platform(), run_as, bundle.clone()).await?.at_start();
        let deploying = async {
            let installed = prepared.install_in_untouched(&self.databases, lock).await?;
            let session = self.databases.session(run_as, address.name()).await?;
            let state = tracking::read_state(&session).await?;
            let place = Place::new(&self.databases, &session, lock, &clock).after(&installed);
            if let Some(state) = state.as_ref().filter(|state| state.is_at(&bundle.checksum)) {
                let renewed = prepared.renew_sums(place, state).await;
                session.close().await;
                let report = Report { functions_unchanged: state.functions, ..Report::default() };
                return renewed.map(|()| (report, true));
            }
            let deploying = self.databases.deploying(address.name());
            let result = prepared.deploy(place, state.is_some(), Mode::Apply, force).await;
            session.close().await;
            drop(deploying);
            let outcome = result?;
            tell_dropped(address.name().as_str(), &outcome.validation.dataloss_changes);
            Ok((outcome.report, false))
        };
        clock.run(deploying).await
    }
}

/// What stands under a name.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Ours,
    /// Made by hand: the first to register has it.
    Unclaimed,
}

/// In a task of its own, so that a client that hangs up leaves nothing half made.
async fn run_to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, DeployError>> + Send + 'static,
) -> Result<T, DeployError> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(result) => result,
        Err(error) => Err(DeployError::Interrupted { cause: error.to_string() }),
    }
}

/// A deployment may have two sessions at once: whoever has its turn never waits for another turn's end.
fn at_once(limits: &DeployLimits, databases: &Databases) -> usize {
    limits.at_once.min(databases.session_share() / 2).max(1)
}

fn millis_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
