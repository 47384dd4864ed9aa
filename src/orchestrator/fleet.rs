//! Many databases, one bundle (contract §4, "Many databases"): every one is looked at and every kind of change rehearsed
//! before the first is touched; then one goes alone, then the rest side by side. One that fails is left as it was and
//! stops those that have not begun.
//!
//! | file        | what it does                                                       |
//! | ----------- | ------------------------------------------------------------------ |
//! | `look`      | where each database stands; databases of one shape share a plan     |
//! | `rehearsal` | what the deployment will do to a shape, without touching a tenant   |
//! | `without_rows` | which failures on a copy without rows say nothing of the databases |
//! | `report`    | the answer, and the lines of progress                               |

mod look;
mod rehearsal;
mod report;
mod without_rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::UnboundedSender;
use tracing::Instrument;

use self::look::{Fleet, Group};
use self::report::Progress;
pub use self::report::{DatabaseReport, Event, FailedDatabase, FleetFailure, Migrated, Phase, Status};
use super::deployment::Outcome;
use super::error::DeployError;
use super::prepared::{Place, Prepared};
use super::runner::Mode;
use super::sums::Wanted;
use super::tracking;
use super::{Orchestrator, millis_since};
use crate::bundle::Bundle;
use crate::databases::RunAs;
use crate::databases::name::{DatabaseName, Id};

/// The most databases that are worked on at once, where the connection budget allows it. What PostgreSQL does for a
/// deployment is work for the processor: more of them would only wait for each other.
const MAX_SIDE_BY_SIDE: usize = 16;

/// How a fleet is to be brought to its bundle.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Also where values are lost by it.
    pub force: bool,
    /// Only tell what would be done.
    pub dry_run: bool,
}

/// Brings the platform's databases to the bundle. `events` hears of each as it ends; nobody has to listen.
pub(super) async fn migrate(
    orchestrator: &Orchestrator,
    platform: &Id,
    run_as: &RunAs,
    names: Vec<DatabaseName>,
    bundle: Bundle,
    wish: Wish,
    events: UnboundedSender<Event>,
) -> Result<Migrated, DeployError> {
    let started = Instant::now();
    let mut progress = Progress::new(events, wish.dry_run);
    progress.started(names.len());
    progress.begins(Phase::Blueprint);
    // One that installs an extension has two sessions.
    let width = MAX_SIDE_BY_SIDE.min(orchestrator.databases.session_share() / 2);
    let wanted = Wanted::of(&bundle);
    let preparing = orchestrator.prepare(platform, run_as, bundle);
    let looking = look::at_all(orchestrator, run_as, names, wanted, width);
    let (prepared, fleet) = match width {
        // With one session for both, the looks could wait for it longer than anybody may.
        0 | 1 => (preparing.await?, looking.await?),
        // What is declared is worked out while the databases are looked at.
        _ => tokio::try_join!(preparing, looking)?,
    };
    let (prepared, Fleet { mut current, mut to_sum, groups, gone }) = (Arc::new(prepared), fleet);
    progress.warn_of_gone(&gone);
    if wish.dry_run {
        current.append(&mut to_sum);
    }
    for database in current {
        progress.ended(DatabaseReport::unchanged(database.to_string(), wish.dry_run));
    }
    progress.shapes = groups.len();
    if !groups.is_empty() {
        progress.begins(Phase::Rehearsal);
    }
    let plans = plan(orchestrator, &groups, &prepared, wish, &mut progress, width).await?;
    if wish.dry_run {
        for (group, plan) in groups.iter().zip(plans) {
            progress.planned(group, plan);
        }
        return Ok(progress.into_answer(started));
    }
    let waiting: Vec<DatabaseName> = groups.into_iter().flat_map(|group| group.databases).collect();
    apply(orchestrator, to_sum, waiting, &prepared, wish.force, &mut progress, width).await?;
    Ok(progress.into_answer(started))
}

/// What will be done to the databases of one shape.
enum Plan {
    Possible(Box<Outcome>),
    /// Only in a dry run: what stands in the way, and what would run with `force=true`.
    Blocked(Vec<String>),
    /// Dropped by hand since they were looked at.
    Gone,
}

/// Rehearses every shape. Unless it is a dry run, the first one that is refused ends it: nothing was touched.
async fn plan(
    orchestrator: &Orchestrator,
    groups: &[Group],
    prepared: &Arc<Prepared>,
    wish: Wish,
    progress: &mut Progress,
    width: usize,
) -> Result<Vec<Plan>, DeployError> {
    let mut plans = Vec::new();
    let mut blocked = false;
    for (at, group) in groups.iter().enumerate() {
        match rehearsal::rehearse(orchestrator, group, prepared, wish.force).await {
            Ok(mut outcome) => {
                look::count_rows_at_risk(orchestrator, &prepared.run_as, group, &mut outcome.validation, width).await?;
                progress.changes(group, outcome.validation.clone());
                plans.push(Plan::Possible(Box::new(outcome)));
            }
            Err(DeployError::Blocked { mut validation }) => {
                look::count_rows_at_risk(orchestrator, &prepared.run_as, group, &mut validation, width).await?;
                progress.changes(group, *validation);
                blocked = true;
                let forced = match wish.dry_run {
                    true => rehearsal::rehearse(orchestrator, group, prepared, true).await.ok(),
                    false => None,
                };
                plans.push(Plan::Blocked(forced.map(|outcome| outcome.statements).unwrap_or_default()));
            }
            // Everybody is gone: nothing to do.
            Err(error) if error.is_gone() => plans.push(Plan::Gone),
            Err(error) => {
                let pending = groups[at + 1..].iter().flat_map(|group| &group.databases);
                return Err(progress.refused(&group.databases, pending, error));
            }
        }
    }
    if blocked && !wish.dry_run {
        return Err(DeployError::Blocked { validation: Box::new(progress.validation()) });
    }
    Ok(plans)
}

/// `to_sum`: those that are at the bundle but for their sums.
async fn apply(
    orchestrator: &Orchestrator,
    to_sum: Vec<DatabaseName>,
    databases: Vec<DatabaseName>,
    prepared: &Arc<Prepared>,
    force: bool,
    progress: &mut Progress,
    width: usize,
) -> Result<(), DeployError> {
    let failed = Arc::new(AtomicBool::new(false));
    let mut waiting = databases.into_iter();
    // One alone: what the rehearsal could not see (the rows) shows here, where it harms nobody else.
    let first: Vec<_> = waiting.by_ref().take(1).collect();
    let rounds = [
        (None, to_sum, width),
        (Some(Phase::FirstDatabase), first, 1),
        (Some(Phase::Databases), waiting.collect(), width),
    ];
    for (phase, databases, width) in rounds {
        if let Some(phase) = phase.filter(|_| !databases.is_empty() && !failed.load(Ordering::Acquire)) {
            progress.begins(phase);
        }
        let work = databases.into_iter().map(|database| {
            let (orchestrator, prepared, failed) = (orchestrator.clone(), prepared.clone(), failed.clone());
            async move {
                if failed.load(Ordering::Acquire) {
                    return Ended::NotBegun(database);
                }
                let name = database.clone();
                let deployment = async move { apply_one(&orchestrator, &name, &prepared, force).await };
                // A task of its own: side by side on all processors.
                match tokio::spawn(deployment.in_current_span()).await {
                    Ok(Ok(report)) => Ended::Done(report),
                    Ok(Err(error)) if error.is_gone() => Ended::Gone(database),
                    Ok(Err(error)) => {
                        failed.store(true, Ordering::Release);
                        Ended::Failed(database, error)
                    }
                    Err(error) => {
                        failed.store(true, Ordering::Release);
                        Ended::Failed(database, DeployError::Interrupted { cause: error.to_string() })
                    }
                }
            }
        });
        let mut ended = stream::iter(work).buffer_unordered(width);
        while let Some(ended) = ended.next().await {
            match ended {
                Ended::Done(report) => progress.ended(report),
                Ended::Failed(database, error) => progress.failed(&database, error),
                Ended::NotBegun(database) => progress.pending(&database),
                Ended::Gone(database) => progress.warn_of_gone(&[database]),
            }
        }
    }
    progress.check()
}

/// What became of one database.
enum Ended {
    Done(DatabaseReport),
    Failed(DatabaseName, DeployError),
    NotBegun(DatabaseName),
    /// Dropped by hand since it was looked at.
    Gone(DatabaseName),
}

async fn apply_one(
    orchestrator: &Orchestrator,
    database: &DatabaseName,
    prepared: &Prepared,
    force: bool,
) -> Result<DatabaseReport, DeployError> {
    let applying = apply_locked(orchestrator, database, prepared, force);
    orchestrator.observer.watch(database, &prepared.origin.bundle_checksum, force, applying).await
}

/// One database under its deployment lock. Somebody else may have brought it there in the meantime.
async fn apply_locked(
    orchestrator: &Orchestrator,
    database: &DatabaseName,
    prepared: &Prepared,
    force: bool,
) -> Result<DatabaseReport, DeployError> {
    let started = Instant::now();
    let lock = orchestrator.databases.lock(database).await?;
    let clock = orchestrator.clock(database);
    let applying = async {
        let installed = prepared.install_in_untouched(&orchestrator.databases, &lock).await?;
        let session = orchestrator.databases.session(&prepared.run_as, database).await?;
        let at = tracking::read_bundle_checksum(&session).await?;
        let target = &prepared.origin.bundle_checksum;
        let place = Place::new(&orchestrator.databases, &session, &lock, &clock).after(&installed);
        if at.as_ref() == Some(target)
            && let Some(state) = tracking::read_state(&session).await?.filter(|state| state.is_at(target))
        {
            let renewed = prepared.renew_sums(place, &state).await;
            session.close().await;
            return renewed.map(|()| DatabaseReport::unchanged(database.to_string(), false));
        }
        let deploying = orchestrator.databases.deploying(database);
        let result = prepared.deploy(place, at.is_some(), Mode::Apply, force).await;
        session.close().await;
        drop(deploying);
        let outcome = result?;
        super::observed::tell_dropped(database.as_str(), &outcome.validation.dataloss_changes);
        Ok(DatabaseReport::completed(database.to_string(), outcome.report, millis_since(started)))
    };
    clock.run(applying).await
}
