//! Sums of applied migrations that an earlier version took over their bytes. A deployment replaces them; this does it where a
//! database is at its bundle, so that there is none (contract §3, "Migrations"): else a comment that is edited later would
//! be refused for good. What is left of migrations whose files are gone is nobody's to replace.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::error::DeployError;
use super::migrations;
use super::prepared::Place;
use super::runner::{Mode, Runner};
use super::tracking::{self, State};
use crate::bundle::Bundle;
use crate::bundle::order::Migration;

/// What a database lacks of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    Nothing,
    /// It is there, and only its sums are those of an earlier version.
    Sums,
    Deployment,
}

/// A bundle as databases are asked whether they are at it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Wanted {
    checksum: Arc<str>,
    /// Its migrations as they are tracked.
    migrations: Arc<[String]>,
}

impl Wanted {
    pub fn of(bundle: &Bundle) -> Self {
        let migrations = bundle.migrations().map(str::to_owned).collect();
        Self { checksum: bundle.checksum.as_str().into(), migrations }
    }

    /// `state`: where the database stands.
    pub async fn lacking(&self, client: &Client, state: Option<&State>) -> Result<Lacking, DeployError> {
        let Some(state) = state.filter(|state| state.is_at(&self.checksum)) else { return Ok(Lacking::Deployment) };
        if !state.has_earlier_sums {
            return Ok(Lacking::Nothing);
        }
        let tracked = tracking::read_sums(client, &self.migrations).await?;
        let earlier = tracked.values().any(|sum| Migration::is_of_bytes(sum));
        Ok(if earlier { Lacking::Sums } else { Lacking::Nothing })
    }
}

/// Replaces them in a transaction of its own, in a database at the bundle with these migrations. One that fits nowhere is
/// refused, as a deployment refuses it.
pub async fn renew(place: Place<'_>, migrations: &[Migration], lock_timeout: Duration) -> Result<(), DeployError> {
    let result = renew_in_transaction(place, migrations, lock_timeout).await;
    if result.is_err() {
        // Fails only with the connection, and then there is nothing to take back.
        place.client.batch_execute("ROLLBACK").await.ok();
    }
    result
}

async fn renew_in_transaction(
    place: Place<'_>,
    migrations: &[Migration],
    lock_timeout: Duration,
) -> Result<(), DeployError> {
    let client = place.client;
    let runner = Runner::begin(client, Mode::Apply, lock_timeout, place.lock, place.clock).await?;
    tracking::altered::check(client).await?;
    let files: Vec<String> = migrations.iter().map(|migration| migration.file.clone()).collect();
    let tracked = tracking::read_sums(client, &files).await?;
    migrations::check_unedited(migrations, &tracked)?;
    tracking::write_sums(client, &migrations::to_be_summed_anew(migrations, &tracked)).await?;
    runner.end().await.map(drop)
}
