//! The end of a deployment's functions: which one each statement made, whether the bodies hold, and those that nobody
//! declares any more. Called by [`super::deploy`].

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use serde_json::json;

use super::Deployment;
use crate::bundle::Kind;
use crate::bundle::sql::Statement;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::functions::{self, CatalogFunction};
use crate::orchestrator::tracking::{Change, NameOf, TrackedFunction};

impl<'a> Deployment<'a> {
    /// Works out which functions the bundle's statements are, checks the bodies of those that changed, and drops those
    /// that nobody declares any more.
    pub(super) async fn settle_functions(&mut self) -> Result<(), DeployError> {
        let declared: Vec<&'a Statement> = self
            .goal
            .script
            .statements
            .iter()
            .filter(|statement| statement.kind != Kind::Migrations)
            .filter(|statement| matches!(statement.tree.as_ref(), NodeEnum::CreateFunctionStmt(_)))
            .collect();
        let mut found = functions::identify(self.runner.client, &declared).await?;
        let lost = self.lost_to_migrations(&declared, &found);
        if !lost.is_empty() {
            for statement in lost {
                functions::create_or_replace(&self.runner, statement).await?;
                if !self.changed_functions.iter().any(|one| std::ptr::eq(*one, statement)) {
                    self.changed_functions.push(statement);
                }
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

    /// Deployed early for a migration, or in an earlier release, and dropped or replaced by a migration: the declaration is
    /// the final state. Of several statements that make the same function the last one counts.
    fn lost_to_migrations(&self, declared: &[&'a Statement], found: &[Option<CatalogFunction>]) -> Vec<&'a Statement> {
        let last: HashMap<u32, usize> =
            found.iter().enumerate().filter_map(|(at, one)| Some((one.as_ref()?.oid, at))).collect();
        let may_be_replaced = !self.migrations.applied().is_empty();
        let is_lost = |at: usize, statement: &Statement| match &found[at] {
            None => true,
            Some(one) => may_be_replaced && last.get(&one.oid) == Some(&at) && one.has_another_body(statement),
        };
        declared.iter().enumerate().filter(|(at, one)| is_lost(*at, one)).map(|(_, one)| *one).collect()
    }

    fn record_functions(&mut self, known: &[(&'a Statement, CatalogFunction)]) {
        for (statement, function) in known {
            self.declared_routines.insert(format!("routine {}", function.oid));
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
                source_file: statement.path.to_string(),
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
    pub(super) async fn settle_dependants(&mut self) -> Result<(), DeployError> {
        let failed = DeployError::own("putting back what depends on a change");
        if self.runner.dependants.are_waiting() {
            self.runner.changed();
        }
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
}
