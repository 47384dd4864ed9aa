//! Where the databases of a fleet stand: at the bundle already, or of which shape. Reads only.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_postgres::Client;
use tracing::Instrument;

use crate::databases::RunAs;
use crate::databases::name::DatabaseName;
use crate::orchestrator::diff::SchemaValidation;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::sums::{Lacking, Wanted};
use crate::orchestrator::tracking::{self, State};
use crate::orchestrator::{Orchestrator, catalog, risk, shape};

/// A fleet, looked at. Each list in the order in which the databases were named.
#[derive(Default)]
pub struct Fleet {
    /// Nothing to do.
    pub current: Vec<DatabaseName>,
    /// Nothing but to replace the sums that an earlier version took.
    pub to_sum: Vec<DatabaseName>,
    /// The others, by shape.
    pub groups: Vec<Group>,
    /// On record, but no longer on the server.
    pub gone: Vec<DatabaseName>,
}

/// Databases that a deployment does the same to.
pub struct Group {
    /// At least one.
    pub databases: Vec<DatabaseName>,
    /// The bundle that they are at; none in one that the gateway never deployed to.
    pub bundle_checksum: Option<String>,
    /// The fingerprint of their catalog.
    pub shape: String,
    /// Whether a deployment outside the transaction was interrupted in them.
    pub interrupted: bool,
}

/// What decides what a deployment does to a database.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    bundle_checksum: Option<String>,
    shape: String,
    /// Migrations applied, and where an interrupted one stopped.
    history: String,
    interrupted: bool,
}

enum Seen {
    Current,
    ToSum,
    Other(Key),
    Gone,
}

/// Looks at every database, `width` at a time: one connection and one query where nothing is to be done for the bundle.
pub async fn at_all(
    orchestrator: &Orchestrator,
    run_as: &RunAs,
    names: Vec<DatabaseName>,
    wanted: Wanted,
    width: usize,
) -> Result<Fleet, DeployError> {
    let looks = names.clone().into_iter().map(|name| {
        let (orchestrator, run_as, wanted) = (orchestrator.clone(), run_as.clone(), wanted.clone());
        async move {
            let looking = async move { look(&orchestrator, &run_as, &name, &wanted).await };
            let looked = tokio::spawn(looking.in_current_span()).await;
            looked.map_err(|error| DeployError::Interrupted { cause: error.to_string() })?
        }
    });
    let seen: Vec<Seen> = stream::iter(looks).buffered(width).try_collect().await?;
    let mut fleet = Fleet::default();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for (database, seen) in names.into_iter().zip(seen) {
        let key = match seen {
            Seen::Current => {
                fleet.current.push(database);
                continue;
            }
            Seen::ToSum => {
                fleet.to_sum.push(database);
                continue;
            }
            Seen::Gone => {
                fleet.gone.push(database);
                continue;
            }
            Seen::Other(key) => key,
        };
        let place = *places.entry(key.clone()).or_insert_with(|| {
            let Key { bundle_checksum, shape, interrupted, .. } = key;
            fleet.groups.push(Group { databases: Vec::new(), bundle_checksum, shape, interrupted });
            fleet.groups.len() - 1
        });
        fleet.groups[place].databases.push(database);
    }
    Ok(fleet)
}

async fn look(
    orchestrator: &Orchestrator,
    run_as: &RunAs,
    name: &DatabaseName,
    wanted: &Wanted,
) -> Result<Seen, DeployError> {
    let looking = async {
        let session = orchestrator.databases.session(run_as, name).await?;
        let seen = see(&session, wanted).await;
        session.close().await;
        seen.map_err(|error| error.in_database(name))
    };
    match orchestrator.clock(name).run(looking).await {
        Err(error) if error.is_gone() => Ok(Seen::Gone),
        seen => seen,
    }
}

async fn see(client: &Client, wanted: &Wanted) -> Result<Seen, DeployError> {
    let state = tracking::read_state(client).await?;
    match wanted.lacking(client, state.as_ref()).await? {
        Lacking::Nothing => Ok(Seen::Current),
        Lacking::Sums => Ok(Seen::ToSum),
        Lacking::Deployment => read_key(client, state).await.map(Seen::Other),
    }
}

async fn read_key(client: &Client, state: Option<State>) -> Result<Key, DeployError> {
    let Some(state) = state else {
        let shape = shape::of(&catalog::read(client).await?);
        return Ok(Key { bundle_checksum: None, shape, history: String::new(), interrupted: false });
    };
    let shape = match state.shape.filter(|_| state.untouched) {
        Some(shape) => shape,
        None => shape::of(&catalog::read(client).await?),
    };
    let (history, interrupted) = tracking::read_history(client).await?;
    Ok(Key { bundle_checksum: Some(state.bundle_checksum), shape, history, interrupted })
}

/// Sums up, over the databases of a group, the rows that hold a value which would be lost.
pub async fn count_rows_at_risk(
    orchestrator: &Orchestrator,
    run_as: &RunAs,
    group: &Group,
    validation: &mut SchemaValidation,
    width: usize,
) -> Result<(), DeployError> {
    if validation.dataloss_changes.is_empty() {
        return Ok(());
    }
    // What was counted on the copy of a blueprint is of nobody's database.
    let uncounted = validation.clone();
    for change in validation.dataloss_changes.iter_mut().filter(|change| change.at_risk.is_some()) {
        change.rows_at_risk = Some(0);
    }
    let counts = group.databases.clone().into_iter().map(|name| {
        let (orchestrator, run_as, mut validation) = (orchestrator.clone(), run_as.clone(), uncounted.clone());
        async move {
            let counting = async {
                let session = orchestrator.databases.session(&run_as, &name).await?;
                let counted = risk::count(&session, &mut validation).await;
                session.close().await;
                counted
            };
            match orchestrator.clock(&name).run(counting).await {
                Err(error) if error.is_gone() => return Ok(Vec::new()),
                counted => counted?,
            }
            Ok::<_, DeployError>(validation.dataloss_changes.iter().map(|change| change.rows_at_risk).collect())
        }
    });
    let mut counts = stream::iter(counts).buffer_unordered(width);
    while let Some(counted) = counts.try_next().await? {
        for (change, rows) in validation.dataloss_changes.iter_mut().zip(counted) {
            change.rows_at_risk = add(change.rows_at_risk, rows);
        }
    }
    drop(counts);
    validation.dataloss_changes.iter_mut().for_each(risk::say_where_uncounted);
    Ok(())
}

/// Where one of them could not be counted, nobody knows the sum.
pub(super) fn add(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one?.checked_add(other?)
}
