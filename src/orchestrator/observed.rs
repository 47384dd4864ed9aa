//! Each deployment to one database as operators see it: a line in the log at its start and at its end, and a count in the
//! metrics. Says nothing to the client; changes nothing.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;

use super::diff::Change;
use super::error::DeployError;
use super::fleet::{DatabaseReport, Status};
use super::report::Report;
use super::underway::Underway;
use crate::databases::Databases;
use crate::databases::name::DatabaseName;
use crate::metrics::Metrics;
use crate::metrics::deployed::Result as Ended;

/// How many of the things that were dropped are named in one line.
const MOST_NAMED: usize = 50;

/// Who is told of deployments.
#[derive(Clone)]
pub(super) struct Observer {
    pub(super) metrics: Arc<Metrics>,
    pub(super) databases: Databases,
    pub(super) underway: Underway,
}

/// What a deployment came to, as far as it is told.
pub(super) trait Told {
    /// How it ended, and its counts.
    fn told(&self) -> (Ended, Counts);
}

/// What was done to one database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    migrations: usize,
    extensions: usize,
    types: usize,
    tables: usize,
    functions: usize,
}

impl Counts {
    fn of(report: &Report) -> Self {
        Self {
            migrations: report.migrations_applied,
            extensions: report.extensions_installed,
            types: report.types_deployed,
            tables: report.tables_created,
            functions: report.functions_deployed,
        }
    }
}

/// A database was made.
impl Told for Report {
    fn told(&self) -> (Ended, Counts) {
        (Ended::Created, Counts::of(self))
    }
}

/// One that was there; whether it was at its bundle already.
impl Told for (Report, bool) {
    fn told(&self) -> (Ended, Counts) {
        (if self.1 { Ended::Unchanged } else { Ended::Updated }, Counts::of(&self.0))
    }
}

/// One of a fleet.
impl Told for DatabaseReport {
    fn told(&self) -> (Ended, Counts) {
        let (migrations, functions) = (self.migrations_applied, self.functions_updated);
        let ended = if self.status == Status::Unchanged { Ended::Unchanged } else { Ended::Updated };
        (ended, Counts { migrations, functions, ..Counts::default() })
    }
}

impl Observer {
    /// Does `work` on the database, which brings it to the bundle with this checksum.
    pub(super) async fn watch<T: Told>(
        &self,
        database: &DatabaseName,
        checksum: &str,
        force: bool,
        work: impl Future<Output = Result<T, DeployError>> + Send,
    ) -> Result<T, DeployError> {
        let started = Instant::now();
        let _underway = self.underway.begin(database);
        tracing::info!(%database, force, "a deployment begins");
        // On the heap, without its type: a deployment's future is large and deep.
        let result = work.boxed().await;
        let took = started.elapsed();
        let duration_ms = took.as_millis();
        match &result {
            Ok(done) => {
                self.databases.note_bundle(database, checksum).boxed().await;
                let (ended, Counts { migrations, extensions, types, tables, functions }) = done.told();
                self.metrics.deployed.count(ended, took);
                let result = ended.label();
                tracing::info!(
                    %database, force, result, migrations, extensions, types, tables, functions, duration_ms,
                    "a deployment has ended"
                );
            }
            Err(error) => {
                self.metrics.deployed.count(Ended::Failed, took);
                let told = error.told();
                let cause = told.cause.unwrap_or_else(|| error.to_string());
                tracing::warn!(
                    %database,
                    force,
                    file = told.file,
                    line = told.line,
                    sqlstate = told.sqlstate,
                    cause,
                    duration_ms,
                    "a deployment was refused, or failed; the database is as it was"
                );
            }
        }
        result
    }
}

/// What values were lost by, once it is committed.
pub(super) fn tell_dropped(database: &str, changes: &[Change]) {
    let named = |change: &Change| {
        let column = change.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        format!("{} {}{column}", change.change_type.as_str(), change.table)
    };
    if !changes.is_empty() {
        let dropped: Vec<String> = changes.iter().take(MOST_NAMED).map(named).collect();
        let (number, dropped) = (changes.len(), dropped.join(", "));
        tracing::warn!(database, number, dropped, "a deployment with force has changed what had values");
    }
}
