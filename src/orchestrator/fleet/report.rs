//! What became of a fleet, as the client reads it (contract §6, `POST /migrate`), in the end and as it goes on.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;
use utoipa::ToSchema;

use super::look::add;
use super::{Group, Plan};
use crate::databases::name::DatabaseName;
use crate::orchestrator::diff::{Change, Places, SchemaValidation};
use crate::orchestrator::error::{DeployError, Told};
use crate::orchestrator::millis_since;
use crate::orchestrator::report::{Report, Verification};
use crate::orchestrator::risk;
use crate::orchestrator::seeders::SeederValidation;

/// What became of a database, or of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MigrationStatus)]
pub enum Status {
    /// It is at the bundle, and was changed for that.
    Completed,
    /// It was at the bundle already.
    Unchanged,
    /// Dry run: it can be brought there.
    Planned,
    /// Dry run: only with `force=true`, or with a migration.
    Blocked,
}

/// One database.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DatabaseReport {
    /// Its name.
    pub database: String,
    /// What became of it.
    pub status: Status,
    /// Migrations recorded by this deployment.
    pub migrations_applied: usize,
    /// Functions and procedures made or replaced.
    pub functions_updated: usize,
    /// From its lock to its commit.
    pub execution_time_ms: u64,
    /// Dry run: what would run, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<Vec<String>>,
    #[serde(skip)]
    warnings: Vec<String>,
    #[serde(skip)]
    seeder_validations: Vec<SeederValidation>,
}

impl DatabaseReport {
    /// It was at the bundle already.
    pub fn unchanged(database: String, dry_run: bool) -> Self {
        Self::of(database, Status::Unchanged, &Report::default(), 0, dry_run.then(Vec::new))
    }

    /// It was brought there.
    pub fn completed(database: String, report: Report, execution_time_ms: u64) -> Self {
        let warnings = report.warnings.clone();
        Self { warnings, ..Self::of(database, Status::Completed, &report, execution_time_ms, None) }
    }

    fn of(
        database: String,
        status: Status,
        report: &Report,
        execution_time_ms: u64,
        statements: Option<Vec<String>>,
    ) -> Self {
        Self {
            database,
            status,
            migrations_applied: report.migrations_applied,
            functions_updated: report.functions_deployed,
            execution_time_ms,
            statements,
            warnings: Vec::new(),
            seeder_validations: report.seeder_validations.clone(),
        }
    }
}

/// The answer of `POST /migrate`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Migrated {
    /// `completed`, or after a dry run `planned` or `blocked`.
    pub status: Status,
    /// Every database that is now at the bundle, changed or not; by name.
    pub databases_updated: Vec<String>,
    /// Sum.
    pub migrations_applied: usize,
    /// Sum.
    pub functions_updated: usize,
    /// Every table with seeders that was looked into, once, however many databases have it.
    pub seeder_validations: Vec<SeederValidation>,
    /// What was changed, or would be: each change once, however many databases it is made in.
    pub schema_validation: SchemaValidation,
    /// Every database was compared with the declaration before its commit.
    pub verification: Verification,
    /// One by one, by name.
    pub databases: Vec<DatabaseReport>,
    /// How many different catalogs the databases with something to do had.
    pub shapes: usize,
    /// What the client should know.
    pub warnings: Vec<String>,
    /// The whole request.
    pub execution_time_ms: u64,
}

/// Some databases could not be brought to the bundle.
#[derive(Debug)]
pub struct FleetFailure {
    /// Every database that is at the bundle, changed or not.
    pub updated: Vec<String>,
    /// Left as they were.
    pub failed: Vec<FailedDatabase>,
    /// Not begun.
    pub pending: Vec<String>,
    /// What was to be changed.
    pub validation: SchemaValidation,
    /// Why the first of the failed ones did.
    pub first: DeployError,
}

impl FleetFailure {
    /// For the answer's `message`.
    pub fn sentence(&self) -> String {
        let [only] = self.failed.as_slice() else {
            let (failed, pending, updated) = (self.failed.len(), self.pending.len(), self.updated.len());
            return format!(
                "{failed} databases could not be brought to the bundle and are as they were, {pending} were not begun, \
                 {updated} are at it; the first error: {}",
                self.first
            );
        };
        format!("{}: {}", only.database, self.first)
    }
}

/// A database that was left as it was.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FailedDatabase {
    /// Its name.
    pub database: String,
    /// The sentence that a `/register` of it would answer.
    pub error: String,
    /// PostgreSQL's words, and where in the bundle.
    #[serde(flatten)]
    pub told: Told,
}

impl FailedDatabase {
    fn of(database: &DatabaseName, error: &DeployError) -> Self {
        Self { database: database.to_string(), error: error.to_string(), told: error.told() }
    }
}

/// A line of progress.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
#[schema(as = MigrationEvent)]
pub enum Event {
    /// Work begins.
    Started {
        /// How many there are.
        databases: usize,
    },
    /// What is done from now on.
    Phase {
        /// In a word.
        phase: Phase,
    },
    /// One has ended.
    Database(DatabaseEvent),
}

/// The steps of a release, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MigrationPhase)]
pub enum Phase {
    /// What the bundle declares is worked out, and each database looked at.
    Blueprint,
    /// What will be done is tried, for each kind of database.
    Rehearsal,
    /// One alone.
    FirstDatabase,
    /// The others, side by side.
    Databases,
}

/// How one database ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DatabaseEvent {
    /// At the bundle, or planned.
    Report(DatabaseReport),
    /// Left as it was.
    Failed {
        /// Always `failed`.
        status: &'static str,
        /// Which, and why.
        #[serde(flatten)]
        failed: FailedDatabase,
    },
}

/// Collects what becomes of the databases, and tells whoever listens.
pub(super) struct Progress {
    events: UnboundedSender<Event>,
    reports: Vec<DatabaseReport>,
    failed: Vec<FailedDatabase>,
    first_failure: Option<DeployError>,
    pending: Vec<String>,
    validation: SchemaValidation,
    warnings: Vec<String>,
    blocked: bool,
    dry_run: bool,
    pub(super) shapes: usize,
}

impl Progress {
    pub(super) fn new(events: UnboundedSender<Event>, dry_run: bool) -> Self {
        Self {
            events,
            reports: Vec::new(),
            failed: Vec::new(),
            first_failure: None,
            pending: Vec::new(),
            validation: SchemaValidation::default(),
            warnings: Vec::new(),
            blocked: false,
            dry_run,
            shapes: 0,
        }
    }

    fn tell(&self, event: Event) {
        // Whoever listened may be gone; the work goes on.
        drop(self.events.send(event));
    }

    pub(super) fn started(&self, databases: usize) {
        self.tell(Event::Started { databases });
    }

    pub(super) fn begins(&self, phase: Phase) {
        self.tell(Event::Phase { phase });
    }

    pub(super) fn ended(&mut self, report: DatabaseReport) {
        self.tell(Event::Database(DatabaseEvent::Report(report.clone())));
        for warning in &report.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
        self.reports.push(report);
    }

    pub(super) fn failed(&mut self, database: &DatabaseName, error: DeployError) {
        let failed = FailedDatabase::of(database, &error);
        self.tell(Event::Database(DatabaseEvent::Failed { status: "failed", failed: failed.clone() }));
        self.failed.push(failed);
        self.first_failure.get_or_insert(error);
    }

    pub(super) fn pending(&mut self, database: &DatabaseName) {
        self.pending.push(database.to_string());
    }

    pub(super) fn warn_of_gone(&mut self, databases: &[DatabaseName]) {
        for database in databases {
            self.warnings.push(format!("the database {database} is on record but no longer on the server"));
        }
    }

    /// The changes of a shape's databases, beside those of the shapes before.
    pub(super) fn changes(&mut self, group: &Group, mut validation: SchemaValidation) {
        let places = Places::of(group.databases.iter().map(DatabaseName::to_string));
        validation.all_mut().for_each(|change| change.places = Some(places.clone()));
        merge(&mut self.validation.safe_changes, validation.safe_changes);
        merge(&mut self.validation.dataloss_changes, validation.dataloss_changes);
        merge(&mut self.validation.incompatible_changes, validation.incompatible_changes);
    }

    pub(super) fn validation(&self) -> SchemaValidation {
        self.validation.clone()
    }

    /// Dry run: the databases of a group.
    pub(super) fn planned(&mut self, group: &Group, plan: Plan) {
        let (status, report, statements) = match plan {
            Plan::Possible(outcome) => {
                self.warnings.extend(outcome.report.warnings.iter().cloned());
                (Status::Planned, outcome.report, outcome.statements)
            }
            Plan::Blocked(statements) => {
                self.blocked = true;
                (Status::Blocked, Report::default(), statements)
            }
            Plan::Gone => return self.warn_of_gone(&group.databases),
        };
        for database in &group.databases {
            let statements = Some(statements.clone());
            self.ended(DatabaseReport::of(database.to_string(), status, &report, 0, statements));
        }
    }

    /// The rehearsal failed: nothing was touched.
    pub(super) fn refused<'a>(
        &mut self,
        group: &[DatabaseName],
        pending: impl Iterator<Item = &'a DatabaseName>,
        error: DeployError,
    ) -> DeployError {
        self.failed = group.iter().map(|database| FailedDatabase::of(database, &error)).collect();
        self.pending.extend(pending.map(DatabaseName::to_string));
        self.failure(error)
    }

    /// An error where one has failed.
    pub(super) fn check(&mut self) -> Result<(), DeployError> {
        match self.first_failure.take() {
            None => Ok(()),
            Some(first) => Err(self.failure(first)),
        }
    }

    fn failure(&mut self, first: DeployError) -> DeployError {
        let reports = std::mem::take(&mut self.reports).into_iter();
        let mut updated: Vec<String> = reports.map(|report| report.database).collect();
        updated.sort_unstable();
        self.pending.sort_unstable();
        DeployError::Fleet(Box::new(FleetFailure {
            updated,
            failed: std::mem::take(&mut self.failed),
            pending: std::mem::take(&mut self.pending),
            validation: std::mem::take(&mut self.validation),
            first,
        }))
    }

    pub(super) fn into_answer(mut self, started: Instant) -> Migrated {
        self.reports.sort_by(|one, other| one.database.cmp(&other.database));
        let status = match (self.blocked, self.dry_run) {
            (true, _) => Status::Blocked,
            (false, true) => Status::Planned,
            (false, false) => Status::Completed,
        };
        let is_updated = |report: &&DatabaseReport| matches!(report.status, Status::Completed | Status::Unchanged);
        Migrated {
            status,
            databases_updated: self.reports.iter().filter(is_updated).map(|one| one.database.clone()).collect(),
            migrations_applied: self.reports.iter().map(|report| report.migrations_applied).sum(),
            functions_updated: self.reports.iter().map(|report| report.functions_updated).sum(),
            seeder_validations: validations(&self.reports),
            schema_validation: self.validation,
            verification: Verification::passed(),
            databases: self.reports,
            shapes: self.shapes,
            warnings: self.warnings,
            execution_time_ms: millis_since(started),
        }
    }
}

/// By table. Where a blueprint holds less than its seeders name, one database may have more of it than another.
fn validations(reports: &[DatabaseReport]) -> Vec<SeederValidation> {
    let mut tables: BTreeMap<&str, &SeederValidation> = BTreeMap::new();
    for validation in reports.iter().flat_map(|report| &report.seeder_validations) {
        let known = tables.entry(&validation.table).or_insert(validation);
        if validation.expected > known.expected {
            *known = validation;
        }
    }
    tables.into_values().cloned().collect()
}

/// The same change in another shape is told once; its rows are added up.
fn merge(changes: &mut Vec<Change>, more: Vec<Change>) {
    for change in more {
        let same = |known: &&mut Change| {
            (&known.table, known.change_type, &known.column, &known.from_type, &known.to_type)
                == (&change.table, change.change_type, &change.column, &change.from_type, &change.to_type)
        };
        match changes.iter_mut().find(same) {
            Some(known) => {
                known.rows_at_risk = add(known.rows_at_risk, change.rows_at_risk);
                known.places = match (known.places.take(), change.places) {
                    (Some(one), Some(other)) => Some(one.and(other)),
                    (one, other) => one.or(other),
                };
                risk::say_where_uncounted(known);
            }
            None => changes.push(change),
        }
    }
}
