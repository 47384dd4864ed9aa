//! A bundle that is known to deploy, and what all its deployments share: read once, however many databases there are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::attempts;
use super::blueprint::Blueprint;
use super::clock::Clock;
use super::deployment::{Goal, Outcome};
use super::error::DeployError;
use super::extensions::{self, Terms};
use super::runner::Mode;
use super::sums;
use super::tracking::{self, Change, Origin, State};
use crate::bundle::Bundle;
use crate::bundle::order::{self, OrderError, Script, Target};
use crate::config::AllowedExtensions;
use crate::databases::name::Id;
use crate::databases::{Databases, DeploymentLock, RunAs, Session};
use crate::uploads;

/// Where a deployment goes.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// For other connections.
    pub databases: &'a Databases,
    /// A connection of the deployment's own.
    pub client: &'a Session,
    /// The right to deploy there.
    pub lock: &'a DeploymentLock,
    /// How long it may take; everything that is done with the connection runs inside of it.
    pub clock: &'a Clock,
    /// The extensions that were installed before the connection was opened.
    pub installed: &'a [Change],
}

impl<'a> Place<'a> {
    /// All but the extensions: there are none.
    pub fn new(databases: &'a Databases, client: &'a Session, lock: &'a DeploymentLock, clock: &'a Clock) -> Self {
        Self { databases, client, lock, clock, installed: &[] }
    }

    /// The same after [`Prepared::install_in_untouched`].
    pub fn after(self, installed: &'a [Change]) -> Self {
        Self { installed, ..self }
    }
}

/// A bundle with its blueprint.
pub struct Prepared {
    /// Whose it is.
    pub platform: Id,
    /// As whom all of it runs.
    pub run_as: RunAs,
    /// What is declared.
    pub blueprint: Arc<Blueprint>,
    /// Who asked, and the bundle.
    pub origin: Origin,
    bundle: Bundle,
    allowed: Arc<AllowedExtensions>,
    lock_timeout: Duration,
    /// See [`Goal::at_start`].
    at_start: bool,
    /// Read when the first database needs it.
    for_existing: OnceCell<Script>,
    for_new: OnceCell<Script>,
}

impl Prepared {
    /// `allowed`: what the operator allows; `lock_timeout`: how long a deployment's statement waits for a lock.
    pub fn new(
        bundle: Bundle,
        blueprint: Arc<Blueprint>,
        platform: Id,
        run_as: RunAs,
        allowed: Arc<AllowedExtensions>,
        lock_timeout: Duration,
    ) -> Self {
        let origin = Origin { platform: platform.given().to_owned(), bundle_checksum: bundle.checksum.clone() };
        Self {
            platform,
            run_as,
            blueprint,
            origin,
            bundle,
            allowed,
            lock_timeout,
            at_start: false,
            for_existing: OnceCell::new(),
            for_new: OnceCell::new(),
        }
    }

    /// The same for the start of a container.
    pub fn at_start(self) -> Self {
        Self { at_start: true, ..self }
    }

    /// Brings a database to the bundle; `deployed_before`: it is at some bundle already.
    pub async fn deploy(
        &self,
        place: Place<'_>,
        deployed_before: bool,
        mode: Mode,
        force: bool,
    ) -> Result<Outcome, DeployError> {
        let empty = !deployed_before && tracking::is_empty(place.client).await?;
        let target = if empty { self.blueprint.target() } else { Target::ExistingDatabase };
        let script = self.script(target).await?;
        let declared = Some(&self.blueprint.catalog);
        let (lock_timeout, at_start) = (self.lock_timeout, self.at_start);
        let (origin, lock, clock) = (&self.origin, place.lock, place.clock);
        let (terms, installed) = (self.terms(place.databases, lock), place.installed);
        let goal = Goal {
            terms,
            installed,
            script,
            target,
            declared,
            force,
            at_start,
            mode,
            origin,
            lock_timeout,
            lock,
            clock,
        };
        attempts::deploy(place.databases, place.client, goal).await
    }

    /// Replaces the sums that an earlier version took, in a database that is at the bundle.
    pub async fn renew_sums(&self, place: Place<'_>, state: &State) -> Result<(), DeployError> {
        if !state.has_earlier_sums {
            return Ok(());
        }
        let script = self.script(Target::ExistingDatabase).await?;
        sums::renew(place, &script.migrations, self.lock_timeout).await
    }

    /// Before a connection is opened to deploy to a database that may be as it was made: what could only be installed while
    /// nobody can be in it. Nothing to do there, mostly.
    pub async fn install_in_untouched(
        &self,
        databases: &Databases,
        lock: &DeploymentLock,
    ) -> Result<Vec<Change>, DeployError> {
        if self.blueprint.report.extensions_installed == 0 {
            return Ok(Vec::new());
        }
        let script = self.script(self.blueprint.target()).await?;
        extensions::install_in_untouched(self.terms(databases, lock), &script.extensions, lock).await
    }

    fn terms<'a>(&'a self, databases: &'a Databases, lock: &'a DeploymentLock) -> Terms<'a> {
        let (platform, run_as, allowed) = (&self.platform, &self.run_as, &*self.allowed);
        Terms { databases, platform, run_as, database: lock.database(), allowed }
    }

    async fn script(&self, target: Target) -> Result<&Script, DeployError> {
        let place = match target {
            Target::NewDatabase | Target::NewByMigrations => &self.for_new,
            Target::ExistingDatabase => &self.for_existing,
        };
        place.get_or_try_init(|| read(self.bundle.clone(), target)).await
    }
}

/// Reads and sorts a bundle, on a thread that may take its time.
pub async fn read(bundle: Bundle, target: Target) -> Result<Script, DeployError> {
    let reading = uploads::read(move || order::read(&bundle, target)).await?;
    Ok(reading.ok_or_else(|| OrderError::NoThread("the reader stopped".to_owned()))??)
}
