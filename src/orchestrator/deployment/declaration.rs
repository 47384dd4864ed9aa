//! Brings what was there before to its declaration, which is read from the blueprint, and compares in the end. Called by
//! [`super::deploy`].

use std::collections::HashSet;
use std::sync::Arc;

use pg_query::NodeEnum;
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::statements::{makes_table, makes_type};
use super::{Deployment, places};
use crate::bundle::Kind;
use crate::bundle::order::Target;
use crate::bundle::sql::{Object, Statement};
use crate::databases::{Under, ask, under};
use crate::orchestrator::catalog::things::{self, Thing};
use crate::orchestrator::catalog::{self, Catalog};
use crate::orchestrator::diff::{self, Change, Compatibility, SchemaValidation};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::missing::{self, Ask, Missing};
use crate::orchestrator::tracking::{self, NameOf};
use crate::orchestrator::verify;

/// How often [`Deployment::mend`] looks again: an index is made anew, then what is said of it, then its comment.
const MENDING_ROUNDS: usize = 3;

impl<'a> Deployment<'a> {
    /// Brings the tables and types that were there before to their declaration, as far as migrations have not.
    pub(super) async fn make_missing(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return Ok(());
        };
        let found = self.read_catalog().await?;
        let declares_tables = self.declared_names().await?;
        let wanted = declared.restricted(&self.declared_tables, &self.declared_types);
        let undeclared = if declares_tables { missing::undeclared_tables(&found, declared) } else { Vec::new() };
        let going = undeclared.iter().map(|one| one.object.clone()).collect();
        let obsolete = self.recorded.obsolete(&found, declared, &going);
        let known = self.recorded.known.clone();
        let all = Ask { found: &found, wanted: &wanted, declared, known: &known, obsolete: &obsolete };
        let mut plan = missing::plan(&all);
        let mut asked: Vec<Change> = plan.changes().cloned().collect();
        asked.extend(undeclared.iter().filter_map(|one| one.change.clone()));
        diff::count_in_before(&mut asked, before, &found);
        self.check_allowed(diff::between(before, &found), asked)?;
        let leaves_all_standing = plan.only_adds_columns() && undeclared.is_empty();
        if !plan.obsolete.is_empty() {
            self.warn_of_counters(&plan.obsolete).await?;
            self.drop_where_possible(std::mem::take(&mut plan.obsolete)).await?;
            let found = self.read_catalog().await?;
            plan = missing::plan(&Ask { found: &found, obsolete: &[], ..all });
        }
        self.make(&plan.columns).await?;
        if !plan.columns.is_empty() && wanted.relations.values().any(|relation| !relation.parents.is_empty()) {
            // What is said of a parent's column is carried to the children, also to one that declares it otherwise.
            let found = self.read_catalog().await?;
            self.make(&missing::plan(&Ask { found: &found, obsolete: &[], ..all }).columns).await?;
        }
        // What takes its place as a view needs the name now; the others may wait for what depends on them to go.
        let (now, later): (Vec<_>, Vec<_>) =
            undeclared.into_iter().partition(|one| declared.views.values().any(|view| view.name == one.object));
        self.make(&now).await?;
        self.drop_where_possible(later).await?;
        self.retry_waiting().await?;
        let found = if leaves_all_standing {
            found
        } else {
            // What stood in `tables/` beside the columns may have made some of the rest by now.
            let found = self.read_catalog().await?;
            self.make(&missing::plan(&Ask { found: &found, obsolete: &[], ..all }).definitions).await?;
            found
        };
        // A view over all columns of a table (`SELECT *`) does not get those that came after it.
        let stale = stale_views(&found, declared).into_iter().map(|(oid, _)| oid).collect();
        self.standing.distrust(stale);
        self.retry_waiting().await
    }

    /// What an earlier bundle's `ALTER DEFAULT PRIVILEGES` said and this one does not say must not reach what this one makes.
    pub(super) async fn take_back_default_privileges(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return Ok(());
        };
        let obsolete = missing::default_privileges(&self.recorded.obsolete(before, declared, &HashSet::new()));
        if obsolete.is_empty() { Ok(()) } else { self.make(&obsolete).await }
    }

    /// See [`missing::domains_before_columns`]. Where a migration is to run, the values that are there may not be as they have to
    /// be before it.
    pub(super) async fn change_domains_first(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return Ok(());
        };
        let mut migrations = self.goal.script.statements.iter().filter(|one| one.kind == Kind::Migrations);
        if migrations.any(|one| self.migrations.is_pending(one)) {
            return Ok(());
        }
        let first = missing::domains_before_columns(before, declared);
        if first.is_empty() { Ok(()) } else { self.make(&first).await }
    }

    /// Works out the names that PostgreSQL prints for what `tables/` and `types/` declare; whether there are tables.
    pub(super) async fn declared_names(&mut self) -> Result<bool, DeployError> {
        // Also those that stand in a file of another folder, which is run later.
        let statements = &self.goal.script.statements;
        let declaring = || statements.iter().filter(|one| one.kind != Kind::Migrations);
        let tables: Vec<String> = declaring().filter_map(makes_table).map(super::quoted).collect();
        let types: Vec<String> = declaring().filter_map(makes_type).map(super::quoted).collect();
        let printed = |lookup: &'static str, names: Vec<String>| {
            let client = self.runner.client;
            async move {
                let query = format!("SELECT {lookup}(name)::text FROM unnest($1::text[]) AS name");
                // As the catalog prints them.
                let rows = ask(client, &under(Under::Printed(""), &query), &[(&names, Type::TEXT_ARRAY)]).await;
                let rows = rows.map_err(DeployError::own("looking up names"))?;
                Ok::<HashSet<String>, DeployError>(rows.iter().filter_map(|row| row.get(0)).collect())
            }
        };
        let tables = printed("to_regclass", tables).await?;
        self.declared_types = printed("to_regtype", types).await?;
        self.declared_tables = tables;
        self.name_as_declared();
        Ok(!self.record.tables.is_empty())
    }

    /// A table or type that is not there has no name in this database, but in the declaration: it must not be left out of
    /// what is compared.
    fn name_as_declared(&mut self) {
        let Some(declared) = self.goal.declared else { return };
        let statements = || self.goal.script.statements.iter().filter(|one| one.kind != Kind::Migrations);
        let name = |object: &Object| (object.schema.clone(), object.name.clone());
        let tables: HashSet<_> = statements().filter_map(makes_table).map(name).collect();
        let types: HashSet<_> = statements().filter_map(makes_type).map(name).collect();
        for thing in declared.things() {
            match thing.kind {
                things::Kind::Table if tables.contains(&things::parts_of_name(&thing.object)) => {
                    self.declared_tables.insert(thing.object.clone());
                }
                things::Kind::Type if types.contains(&things::parts_of_name(&thing.object)) => {
                    self.declared_types.insert(thing.object.clone());
                }
                _ => {}
            }
        }
    }

    /// Refuses what loses values without `force=true`, and what no statement of the gateway's can make.
    pub(super) fn check_allowed(&mut self, made: Vec<Change>, asked: Vec<Change>) -> Result<(), DeployError> {
        let impossible = asked.iter().any(|change| change.compatibility == Compatibility::Incompatible);
        let validation = SchemaValidation::of(made.into_iter().chain(asked).collect());
        if impossible || (validation.needs_force() && !self.goal.force) {
            return Err(DeployError::Blocked { validation: Box::new(validation) });
        }
        self.planned = validation;
        Ok(())
    }

    pub(super) async fn make(&mut self, missing: &[Missing]) -> Result<(), DeployError> {
        self.standing.changed();
        for one in missing {
            // What a parent table brings needs no statement; what is missing in the end is told by the verification.
            let Some(sql) = &one.sql else { continue };
            let made = if one.anew { self.runner.generated_anew(sql).await } else { self.runner.generated(sql).await };
            made.map_err(|error| self.told_of_rows(error, one))?;
            self.log(one);
        }
        Ok(())
    }

    /// Where rows stand in the way of a NOT NULL: which rows, and where it is declared.
    fn told_of_rows(&self, error: DeployError, one: &Missing) -> DeployError {
        let error = self.told_of_place(error, one);
        let Some(change) = &one.change else { return error };
        let is_it = |planned: &&Change| {
            (&planned.table, planned.change_type, &planned.column)
                == (&change.table, change.change_type, &change.column)
        };
        match (error, self.planned.dataloss_changes.iter().find(is_it)) {
            (DeployError::Generated { source, .. }, Some(planned))
                if source.code() == Some(&SqlState::NOT_NULL_VIOLATION) =>
            {
                let declared_at = places::of_name(&self.goal.script.statements, &change.table);
                DeployError::NoValue { change: Box::new(planned.clone()), declared_at, source }
            }
            (error, _) => error,
        }
    }

    /// Where the bundle says what the statement is to bring about.
    fn told_of_place(&self, error: DeployError, one: &Missing) -> DeployError {
        let DeployError::Generated { statement, source, .. } = error else { return error };
        let table = one.change.as_ref().map(|change| change.table.as_str());
        let thing = self.goal.declared.and_then(|declared| {
            let mut things = declared.things().iter().filter(|thing| thing.object == one.object);
            things.find(|thing| table.is_none() || thing.table.as_deref() == table)
        });
        let statements = &self.goal.script.statements;
        let place = thing.and_then(|thing| places::of(statements, thing));
        let declared_at = place.or_else(|| table.and_then(|table| places::of_name(statements, table)));
        DeployError::Generated { statement, source, declared_at }
    }

    fn log(&mut self, one: &Missing) {
        let mut detail = json!({ "statement": one.sql });
        if let Some(change) = &one.change
            && one.object == change.table
            && let Some(value) = &change.column
        {
            detail["value"] = json!(value);
        }
        let (change_type, name) = (one.kind, one.object.clone());
        self.record.changes.push(tracking::Change { change_type, name_of: NameOf::Text, name, detail });
    }

    /// A sequence that goes takes with it how far it has counted: declared again, it begins anew.
    async fn warn_of_counters(&mut self, dropping: &[Missing]) -> Result<(), DeployError> {
        let sequences = dropping.iter().filter(|one| one.kind == "DropSequence");
        let names: Vec<String> = sequences.map(|one| one.object.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let query = "SELECT name, pg_sequence_last_value(to_regclass(name))::text FROM unnest($1::text[]) AS name";
        let rows = ask(self.runner.client, &under(Under::Printed(""), query), &[(&names, Type::TEXT_ARRAY)]).await;
        for row in rows.map_err(DeployError::own("reading how far sequences have counted"))? {
            if let (name, Some(value)) = (row.get::<_, String>(0), row.get::<_, Option<String>>(1)) {
                self.report.warnings.push(format!(
                    "the sequence {name} is declared no longer, so it was dropped; its last value was {value}, and where it \
                     is declared again it begins anew"
                ));
            }
        }
        Ok(())
    }

    /// Drops, as often as that brings anything, what nothing depends on; the rest waits for the end, when functions that
    /// nobody declares are gone too.
    async fn drop_where_possible(&mut self, mut dropping: Vec<Missing>) -> Result<(), DeployError> {
        self.standing.changed();
        loop {
            let before = dropping.len();
            for one in std::mem::take(&mut dropping) {
                let Some(sql) = &one.sql else { continue };
                if self.runner.generated_unless_needed(sql).await? {
                    self.log(&one);
                } else {
                    dropping.push(one);
                }
            }
            if dropping.is_empty() || dropping.len() == before {
                self.postponed.extend(dropping);
                return Ok(());
            }
        }
    }

    /// What still has dependants now is refused in PostgreSQL's words, except types: one that is in use stays.
    pub(super) async fn drop_postponed(&mut self) -> Result<(), DeployError> {
        if self.postponed.is_empty() {
            return Ok(());
        }
        let postponed = std::mem::take(&mut self.postponed);
        self.drop_where_possible(postponed).await?;
        let (tables, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.postponed).into_iter().partition(|one| one.kind == "DropTable");
        if !tables.is_empty() {
            // Those that only depend on each other go together.
            let names: Vec<&str> = tables.iter().map(|one| one.object.as_str()).collect();
            self.runner.generated(&format!("DROP TABLE {}", names.join(", "))).await?;
            tables.iter().for_each(|one| self.log(one));
        }
        for one in others {
            let Some(sql) = &one.sql else { continue };
            if matches!(one.kind, "DropType" | "DropCollation" | "DropObject" | "DropSchema") {
                let left = format!("{} is declared no longer, but something depends on it, so it stays", one.object);
                self.report.warnings.push(left);
            } else {
                self.runner.generated(sql).await?;
                self.log(&one);
            }
        }
        Ok(())
    }

    /// Puts back what somebody took away or changed by hand and no statement of the bundle brought again.
    /// And takes back what came along to what was made.
    pub(super) async fn mend(&mut self, before: &Catalog) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared.filter(|_| self.goal.target == Target::ExistingDatabase) else {
            return Ok(());
        };
        // Those of other folders are there by now.
        self.declared_names().await?;
        self.remake_views(declared).await?;
        self.standing.remade(&self.runner.dependants.remade());
        let wanted = self.wanted(declared);
        let known = self.recorded.known.clone();
        // What is made anew may have lost what was still its own when the catalog was read.
        for _ in 0..MENDING_ROUNDS {
            let found = self.read_catalog().await?;
            let mut mended = missing::mend(found.things(), &wanted);
            let made = missing::Made {
                found: &found,
                before,
                declared,
                wanted: &wanted,
                known: &known,
                standing: &self.standing,
            };
            mended.extend(missing::undeclared_belongings(&made));
            if mended.is_empty() {
                break;
            }
            self.make(&mended).await?;
        }
        Ok(())
    }

    /// A view that was made before what it selects all of (`SELECT *`) had all its columns, or that came back in PostgreSQL's
    /// words after that was replaced, has fewer than it is declared with.
    async fn remake_views(&mut self, declared: &Catalog) -> Result<(), DeployError> {
        let statements = &self.goal.script.statements;
        // One may be over another one.
        for _ in 0..MENDING_ROUNDS {
            let found = self.read_catalog().await?;
            let (oids, names): (HashSet<u32>, HashSet<(String, String)>) =
                stale_views(&found, declared).into_iter().map(|(oid, name)| (oid, things::parts_of_name(name))).unzip();
            if oids.is_empty() {
                break;
            }
            self.standing.distrust(oids);
            let makes = |one: &Statement| {
                matches!(one.tree.as_ref(), NodeEnum::ViewStmt(_) | NodeEnum::CreateTableAsStmt(_))
                    && one.makes.iter().any(|made| names.contains(&(made.schema.clone(), made.name.clone())))
            };
            for statement in statements.iter().filter(|one| one.kind != Kind::Migrations && makes(one)) {
                self.run_or_wait(statement).await?;
            }
            self.retry_waiting().await?;
            if !self.waiting.is_empty() {
                return Err(self.waiting.swap_remove(self.first_cause(0)).1.into());
            }
            self.settle_dependants().await?;
            self.record_once();
        }
        Ok(())
    }

    fn wanted<'c>(&self, declared: &'c Catalog) -> Vec<&'c Thing> {
        verify::declared(declared, declared.things(), &self.declared_tables, &self.declared_types)
    }

    /// Before anything is committed: what would be lost, and whether the database is what its bundle declares.
    pub(super) async fn verify(&mut self, before: &Catalog) -> Result<(Arc<Catalog>, SchemaValidation), DeployError> {
        let mut after = self.look().await?;
        let validation = SchemaValidation::of(diff::between(before, &after));
        if validation.needs_force() && !self.goal.force {
            return Err(DeployError::Blocked { validation: Box::new(validation) });
        }
        let migrated = self.only_migrated(&after);
        if !migrated.is_empty() {
            Arc::make_mut(&mut after).migrated = migrated;
        }
        if !self.held.is_empty() {
            Arc::make_mut(&mut after).seeded = std::mem::take(&mut self.held);
        }
        let Some(declared) = self.goal.declared else { return Ok((after, validation)) };
        let differences = verify::differences(&self.wanted(declared), after.things());
        let useless = verify::useless_indexes(&self.wanted(declared), after.things());
        self.report.warnings.extend(useless);
        if differences.is_empty() {
            return Ok((after, validation));
        }
        let verification = verify::verification(&differences);
        let first = differences.first().map(|difference| difference.name.as_str());
        let first = first.and_then(|name| declared.things().iter().find(|thing| thing.name == name));
        let declared_at = first.and_then(|thing| places::of(&self.goal.script.statements, thing));
        let differences = differences.into_iter().map(|difference| difference.words).collect();
        Err(DeployError::Differs { differences, verification, declared_at })
    }
}

/// Views that are not what they are declared: oid and name.
fn stale_views<'c>(found: &'c Catalog, declared: &Catalog) -> Vec<(u32, &'c str)> {
    let is_stale = |view: &catalog::View| {
        let wanted = declared.views.values().find(|wanted| wanted.name == view.name);
        let words = |view: &catalog::View| things::in_any_column_order(&view.definition);
        wanted.is_some_and(|wanted| words(wanted) != words(view))
    };
    found.views.iter().filter(|(_, view)| is_stale(view)).map(|(oid, view)| (*oid, view.name.as_str())).collect()
}
