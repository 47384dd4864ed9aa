//! What pending migrations gave away of what the bundle declares: a table that goes into another schema or gets another
//! name, while the bundle declares a new one under the old name. A statement that a migration needs comes before it, finds
//! the old object under the name, and has nothing to do; afterwards nothing bears the name. So those statements are gone
//! through once more. Called by [`super::deploy`].

use std::collections::HashSet;

use pg_query::NodeEnum;

use super::Deployment;
use super::statements::{makes_table, makes_type};
use crate::bundle::Kind;
use crate::bundle::order::Target;
use crate::bundle::sql::Statement;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::functions;
use crate::orchestrator::missing::{self, Ask};
use crate::orchestrator::objects::subject;

impl<'a> Deployment<'a> {
    /// `statements`: those that have run so far. In a new database migrations take nothing away of what is declared.
    pub(super) async fn make_again(&mut self, statements: &'a [Statement]) -> Result<(), DeployError> {
        let is_pending =
            |one: &Statement| one.kind == Kind::Migrations && !one.early && self.migrations.is_pending(one);
        let last = match self.goal.target {
            Target::NewDatabase => None,
            Target::ExistingDatabase => statements.iter().rposition(is_pending),
        };
        let Some(last) = last else { return Ok(()) };
        let early: Vec<&'a Statement> = statements[..last].iter().filter(|one| one.kind != Kind::Migrations).collect();
        self.standing.changed();
        let mut is_any = self.replace_functions(&early).await?;
        let mut are_free = false;
        for statement in early {
            if self.is_taken(statement).await? {
                if !std::mem::replace(&mut are_free, true) {
                    self.free_names().await?;
                }
                is_any = true;
                self.run_or_wait(statement).await?;
            }
        }
        if is_any {
            self.retry_waiting().await?;
            self.record_once();
        }
        Ok(())
    }

    async fn is_taken(&mut self, statement: &Statement) -> Result<bool, DeployError> {
        let client = self.runner.client;
        let failed = DeployError::own("looking at what is there");
        if let Some(table) = makes_table(statement) {
            let there = self.standing.now(client).await.map_err(failed)?.relation(table);
            return Ok(there.is_none_or(|there| there.drop_of_view("").is_some()));
        }
        if let Some(object) = makes_type(statement) {
            return Ok(!self.standing.now(client).await.map_err(failed)?.has_type(object));
        }
        if matches!(statement.tree.as_ref(), NodeEnum::CreateFunctionStmt(_)) {
            return Ok(false);
        }
        self.standing.has_effect(client, statement).await.map(|stands| !stands).map_err(failed)
    }

    /// What PostgreSQL has named after a table (sequences, keys) has its old name still, which the new table's would want.
    async fn free_names(&mut self) -> Result<(), DeployError> {
        let Some(declared) = self.goal.declared else { return Ok(()) };
        let found = self.read_catalog().await?;
        self.declared_names().await?;
        let wanted = declared.restricted(&self.declared_tables, &self.declared_types);
        let known = self.recorded.known.clone();
        let mut plan = missing::plan(&Ask { found: &found, wanted: &wanted, declared, known: &known, obsolete: &[] });
        plan.obsolete.retain(|one| one.kind.starts_with("Rename"));
        self.make(&plan.obsolete).await
    }

    /// Functions first: what else is made again may call them.
    async fn replace_functions(&mut self, early: &[&'a Statement]) -> Result<bool, DeployError> {
        let is_function = |one: &&&'a Statement| matches!(one.tree.as_ref(), NodeEnum::CreateFunctionStmt(_));
        let made: Vec<&'a Statement> = early.iter().filter(is_function).copied().collect();
        if made.is_empty() {
            return Ok(false);
        }
        let found = functions::identify(self.runner.client, &made).await?;
        let gone: Vec<_> = made.into_iter().zip(found).filter(|(_, found)| found.is_none()).collect();
        for (statement, _) in &gone {
            match functions::create_or_replace(&self.runner, statement).await {
                Ok(_) => {}
                // Its types may be gone as well; then it is made in the end.
                Err(failure) if failure.wants_an_object() => continue,
                Err(failure) => return Err(failure.into()),
            }
            self.standing.changed();
            self.remade.extend(subject::made(&statement.tree));
            if !self.changed_functions.iter().any(|one| std::ptr::eq(*one, *statement)) {
                self.changed_functions.push(statement);
            }
        }
        Ok(!gone.is_empty())
    }

    /// What was met twice is one object.
    fn record_once(&mut self) {
        let mut met = HashSet::new();
        self.record.tables.retain(|one| met.insert(one.name.clone()));
        met.clear();
        self.record.types.retain(|one| met.insert(one.name.clone()));
        met.clear();
        self.record.statements.retain(|(checksum, _)| met.insert(checksum.clone()));
    }
}
