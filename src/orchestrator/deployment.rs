//! One deployment to one database: one transaction that brings it to its bundle, or leaves it as it was (contract §4).
//!
//! [`deploy`] is the whole of it, step by step. A new database (a blueprint) and an existing one go the same way; what
//! differs is what is there already.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pg_query::NodeEnum;
use serde_json::json;
use tokio_postgres::Client;

use super::catalog::{self, Catalog};
use super::diff::{self, SchemaValidation};
use super::error::DeployError;
use super::functions::{self, CatalogFunction};
use super::migrations::{self, Migrations};
use super::missing::{self, Missing};
use super::report::Report;
use super::runner::{Failure, Mode, Runner};
use super::standing::Standing;
use super::tracking::{self, Change, NameOf, Origin, Record, Tracked, TrackedFunction, TrackedObject};
use super::verify;
use super::{extensions, objects, seeders, shape};
use crate::bundle::Kind;
use crate::bundle::order::{Script, Target};
use crate::bundle::sql::{Class, Object, Statement};
use crate::databases::{DeploymentLock, quote_ident};

/// What to bring a database to.
#[derive(Clone, Copy)]
pub struct Goal<'a> {
    /// Read for `target`.
    pub script: &'a Script,
    /// Whether the database is empty.
    pub target: Target,
    /// What has to be there in the end; a blueprint itself is what is compared with.
    pub declared: Option<&'a Catalog>,
    /// Whether changes that lose values are applied.
    pub force: bool,
    /// Whether it is meant.
    pub mode: Mode,
    /// Who asked, and the bundle.
    pub origin: &'a Origin,
    /// How long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// The right to deploy to this database.
    pub lock: &'a DeploymentLock,
}

/// What a deployment came to.
pub struct Outcome {
    /// What was done, as the client reads it.
    pub report: Report,
    /// The catalog in the end.
    pub catalog: Catalog,
    /// What it changed, by class.
    pub validation: SchemaValidation,
    /// Every statement of the bundle that was run, and those that were generated, in order.
    pub statements: Vec<String>,
}

/// Runs the deployment on a connection of its own. An error means that nothing was changed, except by a migration that
/// PostgreSQL refuses in a transaction.
pub async fn deploy(client: &Client, goal: Goal<'_>) -> Result<Outcome, DeployError> {
    let runner = Runner::begin(client, goal.mode, goal.lock_timeout, goal.lock).await?;
    tracking::create_tables(client).await?;
    let tracked = tracking::read(client).await?;
    let before = catalog::read(client).await?;
    let standing = Standing::read(client).await.map_err(DeployError::own("looking at what is there"))?;
    runner.reset_session().await?;
    migrations::check_unedited(&goal.script.migrations, &tracked)?;
    let new_database = goal.target == Target::NewDatabase;
    let migrations = Migrations::new(&runner, goal.script, &tracked, new_database, goal.origin).await?;
    let mut deployment = Deployment {
        runner,
        goal,
        tracked,
        standing,
        migrations,
        record: Record::default(),
        report: Report::default(),
        created: HashSet::new(),
        changed_functions: Vec::new(),
        declared_tables: HashSet::new(),
        declared_types: HashSet::new(),
        waiting: Vec::new(),
    };
    deployment.install_extensions().await?;
    deployment.run_statements(&before).await?;
    deployment.settle_functions().await?;
    deployment.settle_dependants().await?;
    deployment.seed().await?;
    let (catalog, validation) = deployment.verify(&before).await?;
    let (report, statements) = deployment.finish(&catalog).await?;
    Ok(Outcome { report, catalog, validation, statements })
}

struct Deployment<'a> {
    runner: Runner<'a>,
    goal: Goal<'a>,
    tracked: Tracked,
    standing: Standing,
    migrations: Migrations<'a>,
    record: Record,
    report: Report,
    /// Tables made by this deployment.
    created: HashSet<Object>,
    changed_functions: Vec<&'a Statement>,
    /// What `tables/` declares, as PostgreSQL prints it.
    declared_tables: HashSet<String>,
    /// What `types/` declares, as PostgreSQL prints it.
    declared_types: HashSet<String>,
    /// Statements that failed for want of an object, to be tried again after the others.
    waiting: Vec<(&'a Statement, Failure)>,
}

impl<'a> Deployment<'a> {
    async fn install_extensions(&mut self) -> Result<(), DeployError> {
        let changes = extensions::install(&self.runner, &self.goal.script.extensions).await?;
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
        self.make_missing(before).await?;
        self.run_in_order(&statements[end_of_tables..], before).await?;
        match self.waiting.drain(..).next() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(()),
        }
    }

    async fn run_in_order(&mut self, statements: &'a [Statement], before: &Catalog) -> Result<(), DeployError> {
        // The last statement of the pending migration that runs now.
        let mut last_of_migration: Option<&Statement> = None;
        for (at, statement) in statements.iter().enumerate() {
            if let Some(last) = last_of_migration
                && last.path != statement.path
            {
                if statements[at + 1..].iter().any(|later| later.path == last.path) {
                    // A table that the rest of the migration needs: what the migration set is none of its business.
                    let session = self.runner.set_session_aside().await?;
                    self.run_or_wait(statement).await?;
                    self.runner.resume_session(&session).await?;
                    continue;
                }
                self.runner.end_migration(last).await?;
                last_of_migration = None;
            }
            if statement.kind != Kind::Migrations {
                self.run_or_wait(statement).await?;
                continue;
            }
            let is_pending = self.migrations.is_pending(statement);
            if is_pending {
                if last_of_migration.is_none() {
                    self.retry_waiting().await?;
                }
                if statement.refuses_transaction() {
                    self.check_before_commit(before).await?;
                }
                self.standing.changed();
                last_of_migration = Some(statement);
            }
            self.migrations.run(&self.runner, statement).await?;
        }
        if let Some(last) = last_of_migration {
            self.runner.end_migration(last).await?;
        }
        self.retry_waiting().await
    }

    /// A statement that PostgreSQL refuses in a transaction commits what came before it: the last moment to refuse that.
    async fn check_before_commit(&self, before: &Catalog) -> Result<(), DeployError> {
        self.runner.check_lock().await?;
        if self.runner.dependants.are_waiting() {
            let settled = self.runner.dependants.settle(self.runner.client).await;
            settled
                .map_err(DeployError::own("putting back what depends on a change"))?
                .map_err(|left| DeployError::Dependants { left })?;
        }
        let path = "SELECT current_setting('search_path')";
        let failed = DeployError::own("looking at what a migration changed");
        let path: String = self.runner.client.query_one(path, &[]).await.map_err(&failed)?.get(0);
        let found = catalog::read(self.runner.client).await?;
        self.check_allowed(diff::between(before, &found), Vec::new())?;
        // The migration may have set it, and goes on.
        let set = "SELECT set_config('search_path', $1, false)";
        self.runner.client.execute(set, &[&path]).await.map(drop).map_err(&failed)
    }

    /// Brings the tables and types that were there before to their declaration, as far as migrations have not.
    async fn make_missing(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return Ok(());
        };
        let found = catalog::read(self.runner.client).await?;
        let declares_tables = self.declared_names().await?;
        let wanted = declared.restricted(&self.declared_tables, &self.declared_types);
        let plan = missing::plan(&found, &wanted);
        let undeclared = if declares_tables { missing::undeclared_tables(&found, declared) } else { Vec::new() };
        let changes = plan.changes().chain(undeclared.iter().map(|one| &one.change));
        self.check_allowed(diff::between(before, &found), changes.cloned().collect())?;
        self.runner.reset_session().await?;
        self.make(&plan.columns).await?;
        self.make(&undeclared).await?;
        self.retry_waiting().await?;
        // What stood in `tables/` beside the columns may have made some of the rest by now.
        let found = catalog::read(self.runner.client).await?;
        self.runner.reset_session().await?;
        self.make(&missing::plan(&found, &wanted).definitions).await?;
        self.retry_waiting().await
    }

    /// Works out the names that PostgreSQL prints for what `tables/` and `types/` declare; whether there are tables.
    async fn declared_names(&mut self) -> Result<bool, DeployError> {
        let printed = |lookup: &'static str, objects: &[TrackedObject]| {
            let names: Vec<String> = objects.iter().map(|object| object.name.clone()).collect();
            let client = self.runner.client;
            async move {
                let query = format!("SELECT {lookup}(name)::text FROM unnest($1::text[]) AS name");
                let rows = client.query(&query, &[&names]).await.map_err(DeployError::own("looking up names"))?;
                Ok::<HashSet<String>, DeployError>(rows.iter().filter_map(|row| row.get(0)).collect())
            }
        };
        let tables = printed("to_regclass", &self.record.tables).await?;
        self.declared_types = printed("to_regtype", &self.record.types).await?;
        self.declared_tables = tables;
        Ok(!self.record.tables.is_empty())
    }

    /// Refuses what loses values without `force=true`, and what no statement of the gateway's can make.
    fn check_allowed(&self, made: Vec<diff::Change>, asked: Vec<diff::Change>) -> Result<(), DeployError> {
        let impossible = asked.iter().any(|change| change.compatibility == diff::Compatibility::Incompatible);
        let validation = SchemaValidation::of(made.into_iter().chain(asked).collect());
        if impossible || (validation.needs_force() && !self.goal.force) {
            return Err(DeployError::Blocked { validation: Box::new(validation) });
        }
        Ok(())
    }

    async fn make(&mut self, missing: &[Missing]) -> Result<(), DeployError> {
        self.standing.changed();
        for one in missing {
            // What a parent table brings needs no statement; what is missing in the end is told by the verification.
            let Some(sql) = &one.sql else { continue };
            self.runner.generated(sql).await?;
            let column = one.change.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
            self.record.changes.push(Change {
                change_type: one.change.change_type.as_str(),
                name_of: NameOf::Text,
                name: format!("{}{column}", one.change.table),
                detail: json!({ "statement": sql }),
            });
        }
        Ok(())
    }

    async fn run_or_wait(&mut self, statement: &'a Statement) -> Result<(), DeployError> {
        match self.run_statement(statement).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.wants_an_object() => {
                self.waiting.push((statement, failure));
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn retry_waiting(&mut self) -> Result<(), DeployError> {
        loop {
            let before = self.waiting.len();
            for (statement, _) in std::mem::take(&mut self.waiting) {
                self.run_or_wait(statement).await?;
            }
            if self.waiting.is_empty() || self.waiting.len() == before {
                return Ok(());
            }
        }
    }

    async fn run_statement(&mut self, statement: &'a Statement) -> Result<(), Failure> {
        match (statement.tree.as_ref(), statement.object()) {
            (NodeEnum::CreateFunctionStmt(_), Some(_)) => self.deploy_function(statement).await,
            (NodeEnum::CreateStmt(_) | NodeEnum::CreateForeignTableStmt(_), Some(table)) => {
                self.deploy_table(statement, table).await
            }
            (tree, Some(object)) if object.class == Class::Type && !matches!(tree, NodeEnum::RenameStmt(_)) => {
                self.deploy_type(statement, object).await
            }
            _ => self.deploy_other(statement).await,
        }
    }

    async fn deploy_table(&mut self, statement: &'a Statement, table: &Object) -> Result<(), Failure> {
        let name = quoted(table);
        // Also where the checksum is known: somebody, or a migration, may have dropped it.
        let is_there = self.is_there(statement, "to_regclass", &name).await?;
        let view = if is_there { objects::view_in_place_of(self.runner.client, statement, &name).await? } else { None };
        if !is_there || view.is_some() {
            match view {
                Some(drop) => {
                    let sql = format!("{drop};{}", statement.text);
                    self.runner.run_dropping(statement, &sql, drop.chars().count() + 1, &drop).await?
                }
                None => self.runner.run(statement).await?,
            };
            self.standing.changed();
            self.created.insert(table.clone());
            self.report.tables_created += 1;
            self.changed("CreateTable", NameOf::Relation, &name, statement);
        }
        self.record.tables.push(TrackedObject { name, checksum: statement.checksum.clone() });
        Ok(())
    }

    async fn deploy_type(&mut self, statement: &'a Statement, object: &Object) -> Result<(), Failure> {
        let name = quoted(object);
        if !self.is_there(statement, "to_regtype", &name).await? {
            self.runner.run(statement).await?;
            self.report.types_deployed += 1;
            self.changed("CreateType", NameOf::Type, &name, statement);
        }
        self.record.types.push(TrackedObject { name, checksum: statement.checksum.clone() });
        Ok(())
    }

    /// In an existing database: what a migration just made, or somebody by hand, is not made again. In a new one that
    /// would be two files that declare the same, which is PostgreSQL's to refuse.
    async fn is_there(&self, statement: &Statement, lookup: &str, name: &str) -> Result<bool, Failure> {
        if self.goal.target == Target::NewDatabase {
            return Ok(false);
        }
        let query = format!("SELECT {lookup}($1::text) IS NOT NULL");
        let row = self.runner.client.query_one(&query, &[&name]).await;
        row.map(|row| row.get(0)).map_err(|error| Failure::new(statement, &error, 0))
    }

    async fn deploy_function(&mut self, statement: &'a Statement) -> Result<(), Failure> {
        if self.tracked.functions.iter().any(|function| function.checksum == statement.checksum) {
            return Ok(());
        }
        let superseded = self.superseded(statement).await?;
        let replaced = match &superseded[..] {
            [] => functions::create_or_replace(&self.runner, statement).await?,
            [only] => functions::create_in_place_of(&self.runner, statement, only).await.map(|()| true)?,
            several => {
                functions::drop_superseded(&self.runner, statement, several).await?;
                functions::create_or_replace(&self.runner, statement).await.map(|_| true)?
            }
        };
        if replaced {
            self.standing.changed();
        }
        self.changed_functions.push(statement);
        Ok(())
    }

    async fn superseded(&self, statement: &Statement) -> Result<Vec<TrackedFunction>, Failure> {
        let of_name = |other: &&Statement| {
            other.kind != Kind::Migrations
                && matches!(other.tree.as_ref(), NodeEnum::CreateFunctionStmt(_))
                && functions::name_of(other) == functions::name_of(statement)
        };
        let declared: Vec<&Statement> = self.goal.script.statements.iter().filter(of_name).collect();
        let found = functions::superseded(self.runner.client, &declared, &self.tracked.functions).await;
        let found = found.map_err(|error| Failure::new(statement, &error, 0))?;
        Ok(found.into_iter().cloned().collect())
    }

    async fn deploy_other(&mut self, statement: &'a Statement) -> Result<(), Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        self.standing.remade(&self.runner.dependants.remade());
        if self.runner.dependants.were_touched() {
            self.standing.changed();
        }
        let unchanged = self.tracked.statements.contains(&statement.checksum)
            && self.standing.has_effect(self.runner.client, statement).await.map_err(failed)?;
        if !unchanged {
            // What migrations may have made before: everything in an existing database, and what comes after them.
            let may_exist =
                self.goal.target == Target::ExistingDatabase || matches!(statement.kind, Kind::Views | Kind::Functions);
            if objects::create(&self.runner, statement, may_exist).await? {
                if matches!(statement.tree.as_ref(), NodeEnum::ViewStmt(_) | NodeEnum::CreateTableAsStmt(_)) {
                    self.standing.changed();
                }
                let (kind, name_of, name) = objects::described(statement);
                self.changed(kind, name_of, &name, statement);
            }
        }
        self.record.statements.push((statement.checksum.clone(), statement.path.clone()));
        Ok(())
    }

    fn changed(&mut self, change_type: &'static str, name_of: NameOf, name: &str, statement: &Statement) {
        let detail = json!({ "file": statement.path, "line": statement.line });
        self.record.changes.push(Change { change_type, name_of, name: name.to_owned(), detail });
    }

    /// Works out which functions the bundle's statements are, checks the bodies of those that changed, and drops those
    /// that nobody declares any more.
    async fn settle_functions(&mut self) -> Result<(), DeployError> {
        let declared: Vec<&Statement> = self
            .goal
            .script
            .statements
            .iter()
            .filter(|statement| statement.kind != Kind::Migrations)
            .filter(|statement| matches!(statement.tree.as_ref(), NodeEnum::CreateFunctionStmt(_)))
            .collect();
        let mut found = functions::identify(self.runner.client, &declared).await?;
        let gone = declared.iter().zip(&found).filter(|(_, function)| function.is_none());
        let gone: Vec<&'a Statement> = gone.map(|(statement, _)| *statement).collect();
        if !gone.is_empty() {
            // Deployed early for a migration that dropped it later: the declaration is the final state.
            for statement in gone {
                functions::create_or_replace(&self.runner, statement).await?;
            }
            found = functions::identify(self.runner.client, &declared).await?;
        }
        let known: Vec<(&Statement, CatalogFunction)> =
            declared.into_iter().zip(found).filter_map(|(statement, found)| Some((statement, found?))).collect();
        self.record_functions(&known);
        let is_changed = |statement: &Statement| self.changed_functions.iter().any(|one| std::ptr::eq(*one, statement));
        let changed: Vec<_> = known.into_iter().filter(|(statement, _)| is_changed(statement)).collect();
        functions::validate(&self.runner, &changed).await?;
        self.drop_orphans().await
    }

    fn record_functions(&mut self, known: &[(&'a Statement, CatalogFunction)]) {
        for (statement, function) in known {
            let before = self.tracked.functions.iter().find(|tracked| tracked.signature == function.signature);
            if self.changed_functions.iter().any(|changed| std::ptr::eq(*changed, *statement)) {
                self.report.functions_deployed += 1;
                let change = if before.is_some() { "ReplaceFunction" } else { "CreateFunction" };
                self.changed(change, NameOf::Text, &function.signature, statement);
            } else {
                self.report.functions_unchanged += 1;
            }
            if let Some(twin) = self.record.functions.iter().find(|other| other.signature == function.signature) {
                let warning = format!(
                    "{} is defined by {} and again by {}; the later one counts",
                    function.signature, twin.source_file, statement.path
                );
                self.report.warnings.push(warning);
            }
            self.record.functions.push(TrackedFunction {
                name: function.name.1.clone(),
                signature: function.signature.clone(),
                param_types: function.param_types.clone(),
                return_type: function.return_type.clone(),
                checksum: statement.checksum.clone(),
                source_file: statement.path.clone(),
            });
        }
    }

    async fn drop_orphans(&mut self) -> Result<(), DeployError> {
        let declared: HashSet<&str> =
            self.record.functions.iter().map(|function| function.signature.as_str()).collect();
        let orphans: Vec<&TrackedFunction> =
            self.tracked.functions.iter().filter(|tracked| !declared.contains(tracked.signature.as_str())).collect();
        if orphans.is_empty() {
            return Ok(());
        }
        for (name, drop) in functions::triggers_of_orphans(&self.runner, &orphans).await? {
            self.runner.own("dropping a trigger that the bundle no longer has", &drop).await?;
            self.runner.note(&drop);
            let detail = json!({ "statement": drop });
            self.record.changes.push(Change { change_type: "DropTrigger", name_of: NameOf::Text, name, detail });
        }
        functions::drop_orphans(&self.runner, &orphans).await?;
        for orphan in orphans {
            self.record.changes.push(Change {
                change_type: "DropFunction",
                name_of: NameOf::Text,
                name: orphan.signature.clone(),
                detail: json!({ "file": orphan.source_file }),
            });
        }
        Ok(())
    }

    /// Everything ran: what still stands aside is made again now, or never.
    async fn settle_dependants(&mut self) -> Result<(), DeployError> {
        let failed = DeployError::own("putting back what depends on a change");
        let settled = self.runner.dependants.settle(self.runner.client).await.map_err(failed)?;
        self.runner.dependants.statements().iter().for_each(|sql| self.runner.note(sql));
        for one in settled.map_err(|left| DeployError::Dependants { left })? {
            let detail = json!({ "reason": one.refusal });
            let name = one.description;
            self.report.warnings.push(format!(
                "{name}, which the bundle no longer has, was dropped because it cannot stand any more: {}",
                one.refusal
            ));
            self.record.changes.push(Change { change_type: one.change_type, name_of: NameOf::Text, name, detail });
        }
        Ok(())
    }

    async fn seed(&mut self) -> Result<(), DeployError> {
        let new_database = self.goal.target == Target::NewDatabase;
        let wanted = |table: &Object| {
            new_database || self.created.iter().any(|made| (&made.schema, &made.name) == (&table.schema, &table.name))
        };
        self.report.seeders = seeders::run(&self.runner, &self.goal.script.seeds, wanted).await?;
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

    /// Before anything is committed: what would be lost, and whether the database is what its bundle declares.
    async fn verify(&self, before: &Catalog) -> Result<(Catalog, SchemaValidation), DeployError> {
        let after = catalog::read(self.runner.client).await?;
        let validation = SchemaValidation::of(diff::between(before, &after));
        if validation.needs_force() && !self.goal.force {
            return Err(DeployError::Blocked { validation: Box::new(validation) });
        }
        let compare = |declared: &Catalog| {
            verify::differences(&declared.restricted(&self.declared_tables, &self.declared_types), &after)
        };
        let declared = self.goal.declared.filter(|_| !self.runner.left_out.load(Ordering::Relaxed));
        let differences = declared.map(compare).unwrap_or_default();
        if differences.is_empty() { Ok((after, validation)) } else { Err(DeployError::Differs { differences }) }
    }

    async fn finish(mut self, after: &Catalog) -> Result<(Report, Vec<String>), DeployError> {
        let failed = DeployError::own("recording the migrations");
        let applied = self.migrations.applied();
        tracking::write_migrations(self.runner.client, applied, self.goal.origin).await.map_err(failed)?;
        self.report.migrations_applied = applied.len();
        self.report.migrations_skipped_statements = std::mem::take(&mut self.migrations.skipped);
        self.report.warnings.extend(self.goal.script.warnings.iter().cloned());
        tracking::write(self.runner.client, &self.record, self.goal.origin, &shape::of(after)).await?;
        let statements = self.runner.end().await?;
        Ok((self.report, statements))
    }
}

fn quoted(object: &Object) -> String {
    format!("{}.{}", quote_ident(&object.schema), quote_ident(&object.name))
}
