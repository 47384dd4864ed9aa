//! What pending migrations gave away of what the bundle declares: a table that goes into another schema or gets another
//! name, while the bundle declares a new one under the old name. A statement that a migration needs comes before it, finds
//! the old object under the name, and has nothing to do; afterwards nothing bears the name. So those statements are gone
//! through once more. Called by [`super::deploy`].

use std::collections::HashSet;
use std::mem::discriminant;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableCmd, AlterTableType};

use super::Deployment;
use super::statements::{makes_table, makes_type};
use crate::bundle::Kind;
use crate::bundle::order::Target;
use crate::bundle::sql::{Statement, facts};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::functions;
use crate::orchestrator::missing::{self, Ask};
use crate::orchestrator::objects::subject;

impl<'a> Deployment<'a> {
    /// `statements`: those that have run so far. In a new database migrations take nothing away of what is declared.
    pub(super) async fn make_again(&mut self, statements: &'a [Statement]) -> Result<(), DeployError> {
        if self.goal.target == Target::NewDatabase {
            return Ok(());
        }
        let is_pending =
            |one: &Statement| one.kind == Kind::Migrations && !one.early && self.migrations.is_pending(one);
        let Some(last) = statements.iter().rposition(is_pending) else { return Ok(()) };
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

    /// What migrations say of something declared (a comment, a privilege, a trigger's state) they say later than the
    /// declaration, which is the final state: so that is said once more.
    pub(super) async fn say_again(&mut self) -> Result<(), DeployError> {
        let statements = &self.goal.script.statements;
        let is_new = self.goal.target.is_new();
        let is_pending = |one: &Statement| one.kind == Kind::Migrations && self.migrations.is_pending(one);
        let Some(last) = statements.iter().rposition(is_pending) else { return Ok(()) };
        let pending = || statements.iter().filter(|one| is_pending(one));
        let kinds: HashSet<_> =
            pending().filter(|one| says(one, false)).map(|one| discriminant(one.tree.as_ref())).collect();
        // In an existing database, what a block took away is found by comparison.
        let may_say_anything =
            |one: &Statement| matches!(one.tree.as_ref(), NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_));
        let anything = is_new && pending().any(may_say_anything);
        // In a new one, what comes behind the last migration has been said last.
        let early = if is_new { &statements[..last] } else { &statements[..] };
        let declared = early.iter().filter(|one| one.kind != Kind::Migrations && says(one, true));
        for statement in declared.filter(|one| anything || kinds.contains(&discriminant(one.tree.as_ref()))) {
            match self.runner.run(statement).await {
                Ok(_) => {}
                // What it is about is gone, which is told of in the end.
                Err(failure) if failure.wants_an_object() => {}
                Err(failure) => return Err(failure.into()),
            }
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
    pub(super) fn record_once(&mut self) {
        let mut met = HashSet::new();
        self.record.tables.retain(|one| met.insert(one.name.clone()));
        met.clear();
        self.record.types.retain(|one| met.insert(one.name.clone()));
        met.clear();
        self.record.statements.retain(|(checksum, _)| met.insert(checksum.clone()));
    }
}

/// Whether a statement says something of what is there, and says the same when it is run once more; `only`: it does nothing
/// else.
fn says(statement: &Statement, only: bool) -> bool {
    use AlterTableType as Alter;
    let command_says = |command: &AlterTableCmd| {
        matches!(
            Alter::try_from(command.subtype),
            Ok(Alter::AtSetStatistics
                | Alter::AtSetOptions
                | Alter::AtResetOptions
                | Alter::AtSetStorage
                | Alter::AtSetCompression
                | Alter::AtClusterOn
                | Alter::AtDropCluster
                | Alter::AtSetRelOptions
                | Alter::AtResetRelOptions
                | Alter::AtReplicaIdentity
                | Alter::AtEnableTrig
                | Alter::AtEnableAlwaysTrig
                | Alter::AtEnableReplicaTrig
                | Alter::AtDisableTrig
                | Alter::AtEnableRule
                | Alter::AtEnableAlwaysRule
                | Alter::AtEnableReplicaRule
                | Alter::AtDisableRule)
        )
    };
    match statement.tree.as_ref() {
        NodeEnum::CommentStmt(_) | NodeEnum::GrantStmt(_) | NodeEnum::AlterDefaultPrivilegesStmt(_) => true,
        NodeEnum::AlterTableStmt(alter) => {
            let mut commands = alter.cmds.iter().filter_map(facts::command_of);
            if only { commands.all(command_says) } else { commands.any(command_says) }
        }
        _ => false,
    }
}
