//! One statement of a bundle at a time: run where its effect is not there yet. Called by [`super::deploy`].

use std::collections::HashSet;

use pg_query::NodeEnum;
use pg_query::protobuf::ObjectType;
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::{Deployment, quoted};
use crate::bundle::Kind;
use crate::bundle::order::Target;
use crate::bundle::sql::{Class, Object, Statement};
use crate::databases::ask;
use crate::orchestrator::catalog::{Catalog, Column, Relation, things};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::objects::subject;
use crate::orchestrator::runner::Failure;
use crate::orchestrator::standing::Snapshot;
use crate::orchestrator::tracking::{Change, NameOf, TrackedFunction, TrackedObject};
use crate::orchestrator::{functions, objects, twins};

/// Nothing runs any more in this transaction.
const ABORTED: &[SqlState] = &[SqlState::IN_FAILED_SQL_TRANSACTION];

impl<'a> Deployment<'a> {
    pub(super) async fn run_or_wait(&mut self, statement: &'a Statement) -> Result<(), DeployError> {
        match self.run_statement(statement).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.wants_an_object() || self.is_early(statement, &failure) => {
                self.waiting.push((statement, failure));
                Ok(())
            }
            // A question of the gateway's own was the first to fail: only that says why.
            Err(failure) if failure.is_one_of(ABORTED) => {
                Err(self.waiting.pop().map_or(failure, |(_, first)| first).into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Whether what a statement is about may not be yet what it is declared: `ALTER INDEX … SET STATISTICS` of a column that
    /// becomes an expression. Or a migration is still to come that changes a collation under the columns that use it.
    fn is_early(&self, statement: &Statement, failure: &Failure) -> bool {
        const STATES: [SqlState; 2] = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE];
        let is_in_use = failure.is_one_of(&[SqlState::DEPENDENT_OBJECTS_STILL_EXIST])
            && subject::made(&statement.tree).is_some_and(|made| subject::is_told_whole(&made));
        self.goal.target == Target::ExistingDatabase && (failure.is_one_of(&STATES) || is_in_use)
    }

    pub(super) async fn retry_waiting(&mut self) -> Result<(), DeployError> {
        loop {
            let before = self.waiting.len();
            for (statement, first) in std::mem::take(&mut self.waiting) {
                self.sides.is_made_now(statement);
                match self.run_or_wait(statement).await {
                    Err(DeployError::Statement(error))
                        if error.sqlstate.as_deref() == Some(SqlState::IN_FAILED_SQL_TRANSACTION.code()) =>
                    {
                        return Err(first.into());
                    }
                    result => result?,
                }
            }
            if self.waiting.is_empty() || self.waiting.len() == before {
                return Ok(());
            }
        }
    }

    async fn run_statement(&mut self, statement: &'a Statement) -> Result<(), Failure> {
        match (statement.tree.as_ref(), makes_table(statement), makes_type(statement)) {
            (NodeEnum::CreateFunctionStmt(_), ..) => self.deploy_function(statement).await,
            (_, Some(table), _) => self.deploy_table(statement, table).await,
            (_, _, Some(object)) => self.deploy_type(statement, object).await,
            _ => self.deploy_other(statement).await,
        }
    }

    async fn deploy_table(&mut self, statement: &'a Statement, table: &Object) -> Result<(), Failure> {
        let name = quoted(table);
        // Also where the checksum is known: somebody, or a migration, may have dropped it.
        let there = self.now(statement).await?.and_then(|now| now.relation(table));
        let view = there.and_then(|there| there.drop_of_view(&name));
        let is_made_by_migration = there.is_some() && view.is_none() && self.goal.target.is_new();
        if there.is_none() || view.is_some() {
            match view {
                Some(drop) => {
                    let sql = format!("{drop};{}", statement.text);
                    self.runner.run_dropping(statement, &sql, drop.chars().count() + 1, &drop).await?
                }
                None => self.runner.run(statement).await?,
            };
            self.standing.changed();
            self.migrations.declaration_made(table);
            self.report.tables_created += 1;
            self.report.makes_tables = true;
            self.changed("CreateTable", NameOf::Relation, &name, statement);
        }
        let is_there = there.is_some();
        if is_made_by_migration {
            self.report.tables_created += 1;
            self.changed("CreateTable", NameOf::Relation, &name, statement);
        }
        if is_there && matches!(statement.tree.as_ref(), NodeEnum::CreateTableAsStmt(_)) {
            self.warn_of_other_rows(statement).await?;
        }
        self.record.tables.push(TrackedObject { name, checksum: statement.checksum.clone() });
        Ok(())
    }

    /// The columns of a `CREATE TABLE … AS` are compared like those of any other table; its rows are the customer's.
    async fn warn_of_other_rows(&mut self, statement: &Statement) -> Result<(), Failure> {
        let query = "SELECT EXISTS (SELECT FROM public._stonescriptdb_gateway_tables WHERE checksum = $1)";
        let rows = ask(self.runner.client, query, &[(&statement.checksum, Type::TEXT)]).await;
        let rows = rows.map_err(|error| Failure::new(statement, &error, 0))?;
        let is_known =
            rows.first().is_some_and(|row| row.get(0)) || self.tracked.statements.contains(&statement.checksum);
        if !is_known {
            self.report.warnings.push(format!(
                "{}, line {}: the table is there already, so the query that fills it was not run; its columns were compared",
                statement.path, statement.line
            ));
        } else if let Some(columns) = self.new_columns_of_query(statement).await? {
            self.report.warnings.push(format!(
                "{}, line {}: what the query reads has changed, so the table gets {columns}, without values in the rows that it \
                 holds, for the query was not run again; fill them with a migration",
                statement.path, statement.line
            ));
        }
        Ok(())
    }

    /// The columns that the query of a `CREATE TABLE … AS` brings by now, though its text is the same (`SELECT *`), where the
    /// table has rows that will not have them.
    async fn new_columns_of_query(&mut self, statement: &Statement) -> Result<Option<String>, Failure> {
        let (Some(declared), Some(table)) = (self.goal.declared, statement.object()) else { return Ok(None) };
        let name = (table.schema.clone(), table.name.clone());
        let is_it = |relation: &&Relation| things::parts_of_name(&relation.name) == name;
        let Some(declared) = declared.relations.values().find(is_it) else { return Ok(None) };
        let columns = "SELECT quote_ident(attname) FROM pg_attribute
                       WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        let there = ask(self.runner.client, columns, &[(&quoted(table), Type::TEXT)]).await.map_err(failed)?;
        let there: HashSet<String> = there.iter().map(|row| row.get(0)).collect();
        let is_new = |column: &&Column| !there.contains(&column.name) && !column.has_value_of_its_own();
        let new: Vec<&str> = declared.columns.values().filter(is_new).map(|column| column.name.as_str()).collect();
        if new.is_empty() {
            return Ok(None);
        }
        let rows = ask(self.runner.client, &format!("SELECT FROM {} LIMIT 1", quoted(table)), &[]).await;
        let word = if new.len() == 1 { "column" } else { "columns" };
        Ok((!rows.map_err(failed)?.is_empty()).then(|| format!("the {word} {}", new.join(", "))))
    }

    async fn deploy_type(&mut self, statement: &'a Statement, object: &Object) -> Result<(), Failure> {
        let name = quoted(object);
        let is_there = self.now(statement).await?.is_some_and(|now| now.has_type(object));
        if is_there && self.goal.target.is_new() {
            self.report.types_deployed += 1;
        }
        if !is_there {
            let whole = self.migrations.whole_type(statement);
            self.runner.run(whole.as_ref().unwrap_or(statement)).await?;
            self.standing.changed();
            self.report.types_deployed += 1;
            self.changed("CreateType", NameOf::Type, &name, statement);
        }
        self.record.types.push(TrackedObject { name, checksum: statement.checksum.clone() });
        Ok(())
    }

    /// What is there, where migrations come first: what one of them just made, or somebody by hand, is not made again. Else
    /// that would be two files that declare the same, which is PostgreSQL's to refuse.
    async fn now(&mut self, statement: &Statement) -> Result<Option<&Snapshot>, Failure> {
        if self.goal.target == Target::NewDatabase {
            return Ok(None);
        }
        let now = self.standing.now(self.runner.client).await;
        now.map(Some).map_err(|error| Failure::new(statement, &error, 0))
    }

    async fn deploy_function(&mut self, statement: &'a Statement) -> Result<(), Failure> {
        // One that somebody replaced by hand is not what its checksum says.
        let stands = |function: &TrackedFunction| {
            function.checksum == statement.checksum && !self.recorded.replaced.contains(&function.signature)
        };
        // A migration may have dropped it.
        if self.tracked.functions.iter().any(stands) && self.has_routine(statement).await? {
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
        self.remade.extend(subject::made(&statement.tree));
        Ok(())
    }

    async fn has_routine(&mut self, statement: &Statement) -> Result<bool, Failure> {
        let now = self.standing.now(self.runner.client).await.map_err(|error| Failure::new(statement, &error, 0))?;
        Ok(statement.object().is_none_or(|routine| now.has_routine(routine)))
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
            && !self.is_about_remade(statement)
            && self.standing.has_effect(self.runner.client, statement).await.map_err(failed)?;
        if !unchanged {
            // What migrations may have made before: everything in an existing database, and what comes after them.
            let may_exist = self.goal.target != Target::NewDatabase
                || matches!(statement.kind, Kind::Views | Kind::Functions)
                || self.migrations.make_too(statement);
            let declared = self.goal.declared;
            let tables: &[TrackedObject] = &self.record.tables;
            let is_declared = |table: &(String, String), name: &str| is_declared(declared, tables, table, name);
            let is_named = |table: &(String, String), name: &str| self.migrations.declares_part(table, name);
            let created = match objects::create(&self.runner, statement, may_exist, is_declared, is_named).await {
                Err(failure) if self.passes_over(statement, &failure) => false,
                Err(failure) if self.stands_as_declared(statement, &failure).await => false,
                result => result?,
            };
            if created {
                self.remade.extend(subject::made(&statement.tree));
                self.standing.changed();
                if may_run_anything(statement) {
                    self.reader.distrust_session();
                }
                let (kind, name_of, name) = objects::described(statement);
                self.changed(kind, name_of, &name, statement);
            }
        }
        self.record.statements.push((statement.checksum.clone(), statement.path.to_string()));
        Ok(())
    }

    /// A comment on an extension that belongs to somebody else, the gateway for one, is passed over with a warning:
    /// dumps have one for each extension.
    pub(super) fn passes_over(&mut self, statement: &Statement, failure: &Failure) -> bool {
        let is_of_extension = matches!(statement.tree.as_ref(), NodeEnum::CommentStmt(comment)
            if comment.objtype == ObjectType::ObjectExtension as i32);
        let passes_over = is_of_extension && failure.is_one_of(&[SqlState::INSUFFICIENT_PRIVILEGE]);
        if passes_over {
            self.report.warnings.push(format!(
                "{}, line {}: COMMENT ON EXTENSION was passed over: the extension is not the platform's",
                statement.path, statement.line
            ));
        }
        passes_over
    }

    /// Whether what a refused statement makes or alters is as declared by now: a migration has brought it there, or the
    /// statement says the same in other words.
    async fn stands_as_declared(&mut self, statement: &Statement, failure: &Failure) -> bool {
        let is_sent = failure.sqlstate.is_some() && !failure.is_one_of(ABORTED);
        let subject = subject::made(&statement.tree).or_else(|| subject::altered(&statement.tree));
        let Some(subject) = subject.filter(|one| is_sent && subject::is_told_whole(one)) else { return false };
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return false;
        };
        // Where that cannot be read, the refusal is what is told.
        let Ok(now) = self.look().await else { return false };
        let is_it = |thing: &things::Thing| subject::of_thing(thing).as_ref() == Some(&subject);
        declared.things().iter().any(is_it) && !super::unlike(&now, declared).contains(&subject)
    }

    /// Whether what the statement makes is not there as declared, or what it alters was made anew or replaced, which has
    /// taken back what it says.
    fn is_about_remade(&self, statement: &Statement) -> bool {
        subject::made(&statement.tree).is_some_and(|made| self.unlike.contains(&made))
            || subject::altered(&statement.tree).is_some_and(|altered| self.remade.contains(&altered))
    }

    pub(super) fn changed(&mut self, change_type: &'static str, name_of: NameOf, name: &str, statement: &Statement) {
        let detail = json!({ "file": statement.path.as_str(), "line": statement.line });
        self.record.changes.push(Change { change_type, name_of, name: name.to_owned(), detail });
    }
}

/// The table that the statement declares.
pub(super) fn makes_table(statement: &Statement) -> Option<&Object> {
    let is_one = match statement.tree.as_ref() {
        NodeEnum::CreateStmt(_) | NodeEnum::CreateForeignTableStmt(_) => true,
        NodeEnum::CreateTableAsStmt(create) => create.objtype == ObjectType::ObjectTable as i32,
        _ => false,
    };
    statement.object().filter(|_| is_one)
}

/// The type that the statement declares.
pub(super) fn makes_type(statement: &Statement) -> Option<&Object> {
    let moves = matches!(statement.tree.as_ref(), NodeEnum::RenameStmt(_) | NodeEnum::AlterObjectSchemaStmt(_));
    statement.object().filter(|object| object.class == Class::Type && !moves)
}

/// Whether the declaration has an index or a constraint under the name that PostgreSQL has just picked for it. Of a table
/// that `tables/` does not declare nothing is brought to the declaration later, so there it is as good as declared.
fn is_declared(declared: Option<&Catalog>, tables: &[TrackedObject], table: &(String, String), name: &str) -> bool {
    let Some(declared) = declared else { return true };
    let is_it = |printed: &str| things::parts_of_name(printed) == *table;
    if let Some(view) = declared.views.values().find(|view| is_it(&view.name)) {
        return view.indexes.values().any(|one| one.name == name);
    }
    let quoted = twins::qualified(table);
    if !tables.iter().any(|known| known.name == quoted) {
        return true;
    }
    let Some(relation) = declared.relations.values().find(|relation| is_it(&relation.name)) else { return true };
    relation.indexes.values().chain(relation.constraints.values()).any(|one| one.name == name)
}

/// Whether what the statement does to the session cannot be told from its text.
fn may_run_anything(statement: &Statement) -> bool {
    !matches!(
        statement.tree.as_ref(),
        NodeEnum::ViewStmt(_)
            | NodeEnum::IndexStmt(_)
            | NodeEnum::CreateTrigStmt(_)
            | NodeEnum::CreatePolicyStmt(_)
            | NodeEnum::CreateSeqStmt(_)
            | NodeEnum::AlterTableStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::GrantStmt(_)
    )
}
