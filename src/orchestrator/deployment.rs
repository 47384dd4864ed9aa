//! One deployment to one database: one transaction that brings it to its bundle, or leaves it as it was (contract §4).
//!
//! [`deploy`] is the whole of it, step by step. A new database (a blueprint) and an existing one go the same way; what
//! differs is what is there already.
//!
//! | file          | what it does                                                              |
//! | ------------- | ------------------------------------------------------------------------- |
//! | `in_order`    | all statements of the bundle, migrations among them                         |
//! | `sides`       | what of a new database only its migrations made                           |
//! | `statements`  | one statement of the bundle at a time                                     |
//! | `again`       | what migrations gave away of what is declared                             |
//! | `declaration` | what is missing and what is left over, against the blueprint; verification |
//! | `functions`   | which function each statement made; orphans                               |
//! | `upheld`      | whether a new database has what its bundle declares                        |
//! | `places`      | where the bundle says something                                           |

mod again;
mod declaration;
mod functions;
mod in_order;
mod places;
mod sides;
mod statements;
mod stored_names;
mod upheld;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_postgres::Client;

use self::sides::Sides;
use self::stored_names::StoredNames;
use super::catalog::{self, Catalog, Reader};
use super::clock::Clock;
use super::diff::{self, SchemaValidation};
use super::error::DeployError;
use super::extensions::{self, Terms};
use super::left_values::{self, LeftValue};
use super::migrations::{self, Migrations};
use super::missing::Missing;
use super::new_values;
use super::objects::subject::{self, Subject};
use super::recorded::{self, Recorded};
use super::report::Report;
use super::runner::{Failure, Mode, Runner};
use super::seeders::{self, Held, Situation};
use super::standing::Standing;
use super::tracking::{self, Change, NameOf, Origin, Record, Tracked};
use super::{risk, shape};
use crate::bundle::Kind;
use crate::bundle::order::{Script, Target};
use crate::bundle::sql::{Object, Statement};
use crate::databases::{DeploymentLock, quote_ident};

/// What to bring a database to.
#[derive(Clone, Copy)]
pub struct Goal<'a> {
    /// For what the platform's role may not do: extensions.
    pub terms: Terms<'a>,
    /// The extensions that the gateway has installed in a new database.
    pub installed: &'a [Change],
    /// Read for `target`.
    pub script: &'a Script,
    /// Whether the database is empty.
    pub target: Target,
    /// What has to be there in the end; a blueprint itself is what is compared with.
    pub declared: Option<&'a Catalog>,
    /// Whether changes that lose values are applied.
    pub force: bool,
    /// Whether it is the start of a container (`/register`).
    pub at_start: bool,
    /// Whether it is meant.
    pub mode: Mode,
    /// Who asked, and the bundle.
    pub origin: &'a Origin,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// The right to deploy to this database.
    pub lock: &'a DeploymentLock,
    /// What is told of how far it has come.
    pub clock: &'a Clock,
}

impl Goal<'_> {
    /// Whether it says what others are compared with.
    fn is_blueprint(&self) -> bool {
        self.target.is_new() && self.declared.is_none()
    }
}

/// What a deployment came to.
pub struct Outcome {
    /// What was done, as the client reads it.
    pub report: Report,
    /// The catalog in the end.
    pub catalog: Arc<Catalog>,
    /// What it changed, by class.
    pub validation: SchemaValidation,
    /// Every statement of the bundle that was run, and those that were generated, in order.
    pub statements: Vec<String>,
}

/// Runs the deployment on a connection of its own. An error means that nothing was changed, except by a migration that
/// PostgreSQL refuses in a transaction, and that an enum may have values that nobody uses yet.
pub async fn deploy(client: &Client, goal: Goal<'_>) -> Result<Outcome, DeployError> {
    let result = rehearse_and_run(client, goal).await;
    if result.is_err() || goal.mode == Mode::Rehearse {
        // Fails only with the connection, and then there is nothing to take back.
        client.batch_execute("ROLLBACK").await.ok();
    }
    match result {
        Err(DeployError::Blocked { mut validation }) => {
            risk::count(client, &mut validation).await?;
            Err(DeployError::Blocked { validation })
        }
        Err(DeployError::NoValue { change, declared_at, source }) => {
            let mut validation = SchemaValidation::of(vec![*change.clone()]);
            risk::count(client, &mut validation).await?;
            let change = validation.dataloss_changes.pop().map_or(change, Box::new);
            Err(DeployError::NoValue { change, declared_at, source })
        }
        Ok(mut outcome) if goal.mode == Mode::Rehearse => {
            risk::count(client, &mut outcome.validation).await?;
            Ok(outcome)
        }
        result => result,
    }
}

/// What is committed before the deployment as a whole is (new enum values, a migration's step outside of transactions)
/// cannot be taken back. So everything that can be refused is refused by a rehearsal before that.
async fn rehearse_and_run(client: &Client, goal: Goal<'_>) -> Result<Outcome, DeployError> {
    let reader = Reader::new(client);
    let is_empty = goal.is_blueprint() && goal.installed.is_empty() && goal.script.extensions.is_empty();
    let before = Arc::new(if is_empty { catalog::of_empty(client).await? } else { reader.read().await? });
    let Some(declared) = goal.declared.filter(|_| goal.target == Target::ExistingDatabase) else {
        return attempt(&reader, goal, &[], before, false).await;
    };
    let pending = migrations::read_pending(client, goal.script).await?;
    let left = left_values::read(client, &before, declared, &pending).await?;
    let before = left_values::without(before, &left);
    let values = new_values::wanted(&before, declared, &pending);
    let early: Vec<String> =
        left.iter().map(LeftValue::sql).chain(values.iter().map(|value| value.sql.clone())).collect();
    let leaves = pending.iter().any(|statement| statement.refuses_transaction());
    let mut outcome = if goal.mode == Mode::Rehearse || (early.is_empty() && !leaves) {
        attempt(&reader, goal, &early, before, false).await?
    } else {
        Box::pin(attempt(&reader, Goal { mode: Mode::Rehearse, ..goal }, &early, before.clone(), false)).await?;
        client.batch_execute("ROLLBACK").await.map_err(DeployError::own("rolling back the rehearsal"))?;
        if !early.is_empty() {
            if !goal.lock.is_still_held().await {
                return Err(DeployError::LockLost);
            }
            new_values::commit(client, &left, &values, goal.origin).await?;
        }
        let mut outcome = attempt(&reader, goal, &[], before, true).await?;
        outcome.statements.splice(0..0, early);
        outcome
    };
    outcome.report.warnings.extend(left.iter().map(LeftValue::warning));
    Ok(outcome)
}

/// One transaction. `before`: the catalog as it was before anything was committed; `early`: statements about enum values that
/// only a rehearsal runs inside its transaction; `outdated`: something was committed since `before`.
async fn attempt(
    reader: &Reader<'_>,
    goal: Goal<'_>,
    early: &[String],
    before: Arc<Catalog>,
    outdated: bool,
) -> Result<Outcome, DeployError> {
    let client = reader.client();
    let runner = Runner::begin(client, goal.mode, goal.lock_timeout, goal.lock, goal.clock).await?;
    tracking::create_tables(client).await?;
    let tracked = tracking::read(client).await?;
    let mut recorded = Recorded::read(client, &before).await?;
    if let Some(declared) = goal.declared {
        recorded.compare_routines(&before, declared);
    }
    let unlike = goal.declared.map(|declared| unlike(&before, declared)).unwrap_or_default();
    let standing = Standing::read(client).await.map_err(DeployError::own("looking at what is there"))?;
    migrations::check_unedited(&goal.script.migrations, &tracked.migrations)?;
    let migrations =
        Migrations::new(&runner, goal.script, &tracked.migrations, goal.target, goal.declared, goal.origin).await?;
    let seen = (!outdated).then(|| (runner.changes(), before.clone()));
    let mut deployment = Deployment {
        runner,
        reader,
        seen,
        goal,
        tracked,
        recorded,
        standing,
        migrations,
        record: Record::default(),
        report: Report::default(),
        changed_functions: Vec::new(),
        unlike,
        remade: HashSet::new(),
        declared_tables: HashSet::new(),
        declared_types: HashSet::new(),
        sides: Sides::default(),
        declared_routines: HashSet::new(),
        held: Held::new(),
        postponed: Vec::new(),
        planned: SchemaValidation::default(),
        waiting: Vec::new(),
        stored_names: StoredNames::none(),
    };
    let running = Box::pin(deployment.run(early, &before)).await;
    match running {
        Ok((catalog, validation)) => {
            let (report, statements) = deployment.finish(&catalog).await?;
            Ok(Outcome { report, catalog, validation, statements })
        }
        // It went as far as a rehearsal can go.
        Err(error) if deployment.runner.may_be_wrong(&error) => {
            let Deployment { report, planned, runner, .. } = deployment;
            let statements = runner.end().await?;
            Ok(Outcome { report, catalog: before, validation: planned, statements })
        }
        Err(error) => Err(error),
    }
}

struct Deployment<'a> {
    runner: Runner<'a>,
    reader: &'a Reader<'a>,
    /// The catalog as it was last read, and [`Runner::changes`] then.
    seen: Option<(u64, Arc<Catalog>)>,
    goal: Goal<'a>,
    tracked: Tracked,
    recorded: Recorded,
    standing: Standing,
    migrations: Migrations<'a>,
    record: Record,
    report: Report,
    changed_functions: Vec<&'a Statement>,
    /// What was not there at the start as it is declared: operators, dictionaries and their like.
    unlike: HashSet<Subject>,
    /// What this deployment has made or replaced.
    remade: HashSet<Subject>,
    /// What `tables/` declares, as PostgreSQL prints it.
    declared_tables: HashSet<String>,
    /// What `types/` declares, as PostgreSQL prints it.
    declared_types: HashSet<String>,
    /// Of a blueprint: who made what.
    sides: Sides,
    /// The functions that the bundle declares, by identity ([`super::catalog::things::Thing::identity`]).
    declared_routines: HashSet<String>,
    /// In a new database: what it holds of seeders' rows that are not there as these say them.
    held: Held,
    /// What is to be dropped, but something still depended on it.
    postponed: Vec<Missing>,
    /// What is known of the changes before they are made.
    planned: SchemaValidation,
    /// Statements that failed for want of an object, to be tried again after the others.
    waiting: Vec<(&'a Statement, Failure)>,
    /// What rows may hold by its oid.
    stored_names: StoredNames,
}

impl<'a> Deployment<'a> {
    /// Everything but the commit.
    async fn run(
        &mut self,
        early: &[String],
        before: &Catalog,
    ) -> Result<(Arc<Catalog>, SchemaValidation), DeployError> {
        for statement in early {
            self.runner.generated(statement).await?;
        }
        self.note_stored_names().await?;
        self.install_extensions().await?;
        self.take_back_default_privileges(before).await?;
        self.change_domains_first(before).await?;
        self.run_statements(before).await?;
        self.settle_functions().await?;
        self.settle_dependants().await?;
        self.drop_postponed().await?;
        self.mend(before).await?;
        self.follow_stored_names().await?;
        self.seed().await?;
        let found = self.look().await?;
        self.check_promises(&found).await?;
        self.verify(before).await
    }

    async fn install_extensions(&mut self) -> Result<(), DeployError> {
        let Goal { terms, installed, target, .. } = self.goal;
        let mut changes = installed.to_vec();
        changes.extend(extensions::install(&self.runner, terms, &self.goal.script.extensions, target).await?);
        if !changes.is_empty() {
            self.runner.changed();
        }
        self.report.extensions_installed = changes.len();
        self.record.changes.extend(changes);
        Ok(())
    }

    /// Every statement in order. The graph proposed the order; what it could not see (a body that is run at once,
    /// dynamic SQL) shows as an object that is missing, and is tried again as long as that brings anything.
    async fn run_statements(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let statements = &self.goal.script.statements;
        let shapes_tables =
            |statement: &Statement| matches!(statement.kind, Kind::Types | Kind::Migrations | Kind::Tables);
        let end_of_tables = statements.iter().rposition(shapes_tables).map_or(0, |last| last + 1);
        self.run_in_order(&statements[..end_of_tables], before).await?;
        self.migrations.settle(&self.runner).await?;
        self.make_again(&statements[..end_of_tables]).await?;
        self.make_missing(before).await?;
        self.run_in_order(&statements[end_of_tables..], before).await?;
        if self.waiting.is_empty() {
            return self.say_again().await;
        }
        let cause = self.first_cause(0);
        Err(self.waiting.swap_remove(cause).1.into())
    }

    /// The catalog as it is now; read only where something may have changed it since the last time.
    async fn look(&mut self) -> Result<Arc<Catalog>, DeployError> {
        let changes = self.runner.changes();
        if let Some((then, catalog)) = &self.seen
            && *then == changes
        {
            return Ok(catalog.clone());
        }
        let catalog = Arc::new(self.reader.read().await?);
        self.seen = Some((changes, catalog.clone()));
        Ok(catalog)
    }

    /// The same; the session is as it was at the start.
    async fn read_catalog(&mut self) -> Result<Arc<Catalog>, DeployError> {
        let catalog = self.look().await?;
        self.runner.reset_session().await?;
        Ok(catalog)
    }

    /// A statement that PostgreSQL refuses in a transaction commits what came before it: the last moment to refuse that.
    async fn check_before_commit(&mut self, before: &Catalog) -> Result<(), DeployError> {
        self.runner.check_lock().await?;
        if self.runner.dependants.are_waiting() {
            let settled = self.runner.dependants.settle(self.runner.client).await;
            settled
                .map_err(DeployError::own("putting back what depends on a change"))?
                .map_err(|left| DeployError::Dependants { left })?;
        }
        self.follow_stored_names().await?;
        if !self.goal.script.seeds.is_empty() {
            self.standing.changed();
            let made = self.standing.made(self.runner.client).await;
            let made = made.map_err(DeployError::own("looking at what is there"))?;
            seeders::note_made(self.runner.client, &made).await?;
        }
        let found = self.look().await?;
        self.check_allowed(diff::between(before, &found), Vec::new())
    }

    async fn seed(&mut self) -> Result<(), DeployError> {
        let Goal { script, target, declared, at_start, .. } = self.goal;
        let situation = Situation { new_database: target.is_new(), at_start, before: self.standing.before(), declared };
        let seeded = seeders::run(&self.runner, &script.seeds, situation).await;
        let seeded = seeded.map_err(|error| if target.is_new() { seeders::of_new_database(error) } else { error })?;
        self.held = seeded.held;
        self.report.seeders = seeded.reports;
        self.report.seeder_validations = seeded.validations;
        self.report.warnings.extend(seeded.warnings);
        self.reader.distrust_session();
        for seeded in self.report.seeders.iter().filter(|seeded| seeded.inserted > 0) {
            self.record.changes.push(Change {
                change_type: "SeedTable",
                name_of: NameOf::Text,
                name: seeded.table.clone(),
                detail: json!({ "inserted": seeded.inserted }),
            });
        }
        Ok(())
    }

    async fn finish(mut self, after: &Catalog) -> Result<(Report, Vec<String>), DeployError> {
        // The bundle's own statements may have altered the tables since they were read.
        tracking::altered::check(self.runner.client).await?;
        let applied = self.migrations.applied();
        let recorded = tracking::write_migrations(self.runner.client, applied, self.goal.origin).await;
        recorded.map_err(|(table, error)| tracking::altered::failed("recording the migrations", table)(error))?;
        let anew = migrations::to_be_summed_anew(&self.goal.script.migrations, &self.tracked.migrations);
        tracking::write_sums(self.runner.client, &anew).await?;
        self.report.migrations_applied = applied.len();
        self.report.migrations_skipped_statements = std::mem::take(&mut self.migrations.skipped);
        self.report.leaves_rows_out = self.migrations.leaves_rows_out();
        self.report.warnings.extend(self.goal.script.warnings.iter().cloned());
        let (client, origin) = (self.runner.client, self.goal.origin);
        recorded::write(client, self.recorded, after, self.goal.declared.unwrap_or(after)).await?;
        tracking::write(client, &self.tracked, &self.record, origin, &shape::of(after)).await?;
        let statements = self.runner.end().await?;
        Ok((self.report, statements))
    }
}

/// What is not there as it is declared, though a statement of the bundle that made it may be on record.
fn unlike(before: &Catalog, declared: &Catalog) -> HashSet<Subject> {
    let there: HashMap<&str, &str> =
        before.things().iter().map(|thing| (thing.name.as_str(), thing.words.as_str())).collect();
    let differ = declared.things().iter().filter(|thing| there.get(thing.name.as_str()) != Some(&thing.words.as_str()));
    differ.filter_map(subject::of_thing).collect()
}

fn quoted(object: &Object) -> String {
    format!("{}.{}", quote_ident(&object.schema), quote_ident(&object.name))
}
