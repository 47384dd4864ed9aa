//! Finds out what a deployment will do to databases of one shape, without touching any of them where that is possible.
//!
//! Where they are what an older bundle's blueprint is, the deployment is made for real on a copy of that: no rows, no
//! locks, and what PostgreSQL refuses in a transaction runs too. Otherwise, and where it fails there (perhaps only for
//! want of rows), it is made in the first database of the group, in a transaction that is rolled back.

use super::{Group, without_rows};
use crate::databases::DatabaseError;
use crate::databases::name::DatabaseName;
use crate::orchestrator::blueprint::Blueprint;
use crate::orchestrator::clock::Clock;
use crate::orchestrator::deployment::Outcome;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::prepared::{Place, Prepared};
use crate::orchestrator::runner::Mode;
use crate::orchestrator::{Orchestrator, shape, tracking};

/// Rehearses the deployment.
pub async fn rehearse(
    orchestrator: &Orchestrator,
    group: &Group,
    prepared: &Prepared,
    force: bool,
) -> Result<Outcome, DeployError> {
    if let Some(older) = older_blueprint(orchestrator, group, prepared).await? {
        match on_copy(orchestrator, &older, prepared, force).await {
            // The last word has a database with rows.
            Err(error) if without_rows::says_nothing(&error) => {
                tracing::info!(%error, "the rehearsal on a copy says nothing about databases with rows");
            }
            result => return result,
        }
    }
    let mut last = None;
    for database in &group.databases {
        match in_place(orchestrator, database, prepared, force).await {
            Err(error) if error.is_gone() => last = Some(error),
            result => return result,
        }
    }
    Err(last.unwrap_or(DeployError::Interrupted { cause: "a group without a database".to_owned() }))
}

/// The blueprint that databases of this shape equal.
async fn older_blueprint(
    orchestrator: &Orchestrator,
    group: &Group,
    prepared: &Prepared,
) -> Result<Option<Blueprint>, DeployError> {
    let Some(checksum) = group.bundle_checksum.as_ref().filter(|_| !group.interrupted) else { return Ok(None) };
    let blueprints = &orchestrator.blueprints;
    let older = blueprints.recorded(&orchestrator.databases, &prepared.platform, &prepared.run_as, checksum).await?;
    Ok(older.filter(|blueprint| shape::of(&blueprint.catalog) == group.shape))
}

async fn on_copy(
    orchestrator: &Orchestrator,
    older: &Blueprint,
    prepared: &Prepared,
    force: bool,
) -> Result<Outcome, DeployError> {
    let databases = &orchestrator.databases;
    let copy = DatabaseName::rehearsal(&older.name, &prepared.blueprint.name);
    // Two that rehearse the same come one after the other, and what a crash left gives way.
    let lock = databases.lock(&copy).await?;
    let clock = Clock::of_trial(orchestrator.limits().deployment_timeout);
    let rehearsing = async {
        databases.drop_database(&copy).await?;
        let older = DatabaseName::recorded(older.name.clone());
        databases.create_database(&copy, Some(&older), &prepared.run_as).await?;
        let session = databases.session(&prepared.run_as, &copy).await?;
        // It is a copy of what an older bundle left.
        let result = prepared.deploy(Place::new(databases, &session, &lock, &clock), true, Mode::Apply, force).await;
        session.close().await;
        result
    };
    let result = clock.run(rehearsing).await;
    let dropped: Result<(), DatabaseError> = databases.drop_database(&copy).await;
    if let Err(error) = dropped {
        tracing::warn!(database = %copy, %error, "the copy on which a deployment was rehearsed could not be dropped");
    }
    result
}

async fn in_place(
    orchestrator: &Orchestrator,
    database: &DatabaseName,
    prepared: &Prepared,
    force: bool,
) -> Result<Outcome, DeployError> {
    let lock = orchestrator.databases.lock(database).await?;
    let clock = orchestrator.clock(database);
    let rehearsing = async {
        let session = orchestrator.databases.session(&prepared.run_as, database).await?;
        let at = tracking::read_bundle_checksum(&session).await?;
        let place = Place::new(&orchestrator.databases, &session, &lock, &clock);
        let result = prepared.deploy(place, at.is_some(), Mode::Rehearse, force).await;
        session.close().await;
        result
    };
    clock.run(rehearsing).await
}
