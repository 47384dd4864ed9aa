//! Defaults that columns of declared tables had when a migration wrote rows, and do not have any more: a row that names no
//! value for a column which must have one got that of then.

use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ConstrType, DropBehavior, ObjectType, RangeVar,
};
use pg_query::{Node, NodeEnum};
use tokio_postgres::Error;

use super::declared::{self, Name};
use super::history::History;
use crate::bundle::sql::Statement;
use crate::databases::quote_ident;
use crate::orchestrator::runner::Runner;
use crate::orchestrator::twins::qualified;

/// The statements that may set defaults, and those that are set for one statement.
pub(super) struct FormerDefaults {
    statements: Vec<(usize, Statement)>,
    set: Vec<(Name, String)>,
}

impl FormerDefaults {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn of(migrations: &[&Statement]) -> Self {
        let sets = |(_, statement): &(usize, &&Statement)| {
            matches!(statement.tree.as_ref(), NodeEnum::CreateStmt(_) | NodeEnum::AlterTableStmt(_))
        };
        let statements = migrations.iter().enumerate().filter(sets);
        Self { statements: statements.map(|(at, one)| (at, (*one).clone())).collect(), set: Vec::new() }
    }

    /// Sets the default that a column had before statement number `at`; whether it had one, and does not have it again
    /// already.
    pub(super) async fn set(
        &mut self,
        runner: &Runner<'_>,
        (at, statement): (usize, &Statement),
        (table, column): (&Name, &str),
        history: &History,
    ) -> Result<bool, Error> {
        let place = (table.clone(), column.to_owned());
        if self.set.contains(&place) {
            return Ok(false);
        }
        let Some(default) = self.of_then(at, &place, history) else { return Ok(false) };
        let Some(set) = statement.rewritten(setting(&place, default)) else { return Ok(false) };
        if runner.run_as(statement, &set.text, 0).await.is_err() {
            return Ok(false);
        }
        runner.forget_last();
        self.set.push(place);
        Ok(true)
    }

    /// The columns are as declared again.
    pub(super) async fn drop(&mut self, runner: &Runner<'_>) -> Result<(), Error> {
        for (table, column) in self.set.drain(..) {
            let (table, column) = (qualified(&table), quote_ident(&column));
            runner.client.batch_execute(&format!("ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")).await?;
            runner.changed();
        }
        Ok(())
    }

    /// `place`: the column by its last names.
    fn of_then(&self, at: usize, place: &(Name, String), history: &History) -> Option<Node> {
        let before = self.statements.iter().rev().filter(|(number, _)| *number < at);
        for (number, statement) in before {
            let (table, defaults) = defaults(statement)?;
            let mut meant = defaults.into_iter().rev();
            let is_it = |(column, _): &Said| history.fate_of_column(&table, column, *number).as_ref() == Some(place);
            if let Some((_, default)) = meant.find(is_it) {
                return default;
            }
        }
        None
    }
}

/// A column, and its default.
type Said = (String, Option<Node>);

/// The table, and what the statement says of its columns' defaults.
fn defaults(statement: &Statement) -> Option<(Name, Vec<Said>)> {
    match statement.parse()? {
        NodeEnum::CreateStmt(create) => {
            let columns = create.table_elts.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::ColumnDef(column)) => Some((column.colname.clone(), default_of(column))),
                _ => None,
            });
            Some((declared::name(create.relation.as_ref()?), columns.collect()))
        }
        NodeEnum::AlterTableStmt(alter) => {
            let said = alter.cmds.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::AlterTableCmd(command)) => said_by(command),
                _ => None,
            });
            Some((declared::name(alter.relation.as_ref()?), said.collect()))
        }
        _ => None,
    }
}

fn said_by(command: &AlterTableCmd) -> Option<Said> {
    match (AlterTableType::try_from(command.subtype).ok()?, command.def.as_deref()) {
        (AlterTableType::AtColumnDefault, default) => Some((command.name.clone(), default.cloned())),
        (AlterTableType::AtAddColumn, Some(Node { node: Some(NodeEnum::ColumnDef(column)) })) => {
            Some((column.colname.clone(), default_of(column)))
        }
        _ => None,
    }
}

fn default_of(column: &pg_query::protobuf::ColumnDef) -> Option<Node> {
    column.constraints.iter().find_map(|node| match &node.node {
        Some(NodeEnum::Constraint(one)) if one.contype == ConstrType::ConstrDefault as i32 => {
            one.raw_expr.as_deref().cloned()
        }
        _ => None,
    })
}

/// `ALTER TABLE … ALTER COLUMN … SET DEFAULT …`
fn setting(((schema, table), column): &(Name, String), default: Node) -> NodeEnum {
    let (schemaname, relname) = (schema.clone(), table.clone());
    let relation = RangeVar { schemaname, relname, inh: true, relpersistence: "p".to_owned(), ..RangeVar::default() };
    let command = AlterTableCmd {
        subtype: AlterTableType::AtColumnDefault as i32,
        name: column.clone(),
        def: Some(Box::new(default)),
        // The grammar's writer ends the process where an enum has none of its values.
        behavior: DropBehavior::DropRestrict as i32,
        ..AlterTableCmd::default()
    };
    NodeEnum::AlterTableStmt(AlterTableStmt {
        relation: Some(relation),
        cmds: vec![Node { node: Some(NodeEnum::AlterTableCmd(Box::new(command))) }],
        objtype: ObjectType::ObjectTable as i32,
        missing_ok: false,
    })
}
