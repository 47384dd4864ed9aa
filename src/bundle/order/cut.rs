//! Cutting circles: a table's foreign keys, checks and defaults can be added after it was made. Pure.

use std::collections::HashSet;

use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, DropBehavior, ObjectType,
    RangeVar,
};
use pg_query::{Node, NodeEnum};

use super::graph::Graph;
use crate::bundle::sql::{Statement, facts};

/// What is taken out of a statement, the most harmless first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Foreign keys.
    ForeignKeys,
    /// `CHECK` constraints and column defaults.
    Expressions,
}

impl Part {
    pub(super) const IN_ORDER: [Self; 2] = [Self::ForeignKeys, Self::Expressions];

    fn takes(self, constraint: &Constraint) -> bool {
        let wanted: &[ConstrType] = match self {
            Self::ForeignKeys => &[ConstrType::ConstrForeign],
            Self::Expressions => &[ConstrType::ConstrCheck, ConstrType::ConstrDefault],
        };
        wanted.iter().any(|kind| *kind as i32 == constraint.contype)
    }
}

/// Takes `what` out of the tables in `circles`, wherever it refers to another member, and adds it in statements of
/// their own right behind.
pub(super) fn apart(statements: Vec<Statement>, graph: &Graph, circles: &[Vec<usize>], what: Part) -> Vec<Statement> {
    let mut circle_of = vec![None; statements.len()];
    for (number, circle) in circles.iter().enumerate() {
        for member in circle {
            circle_of[*member] = Some(number);
        }
    }
    let mut result = Vec::with_capacity(statements.len());
    for (at, statement) in statements.into_iter().enumerate() {
        let Some(number) = circle_of[at] else {
            result.push(statement);
            continue;
        };
        // The names by which this statement refers to another member of its circle.
        let circular: HashSet<(Option<String>, String)> = statement
            .needs
            .iter()
            .enumerate()
            .filter(|(need, _)| {
                graph.makers(at, *need).iter().any(|maker| *maker != at && circle_of[*maker] == Some(number))
            })
            .map(|(_, reference)| (reference.schema.clone(), reference.name.clone()))
            .collect();
        result.extend(split(statement, &circular, what));
    }
    result
}

fn split(statement: Statement, circular: &HashSet<(Option<String>, String)>, what: Part) -> Vec<Statement> {
    let refers = |constraint: &Constraint| {
        let node = NodeEnum::Constraint(Box::new(constraint.clone()));
        what.takes(constraint)
            && facts::needed(&node).into_iter().any(|need| circular.contains(&(need.schema, need.name)))
    };
    let mut commands = Vec::new();
    let (tree, table) = match statement.parse() {
        Some(NodeEnum::CreateStmt(mut create)) => {
            for element in create.table_elts.iter_mut().chain(&mut create.constraints) {
                if let Some(NodeEnum::ColumnDef(column)) = &mut element.node {
                    take_from_column(column, &refers, &mut commands);
                }
            }
            for list in [&mut create.table_elts, &mut create.constraints] {
                list.retain(|element| match &element.node {
                    Some(NodeEnum::Constraint(constraint)) if refers(constraint) => {
                        commands.push(add_constraint((**constraint).clone()));
                        false
                    }
                    _ => true,
                });
            }
            let table = create.relation.clone();
            (NodeEnum::CreateStmt(create), table)
        }
        Some(NodeEnum::AlterTableStmt(mut alter)) if alter.cmds.len() > 1 => {
            alter.cmds.retain(|command| match facts::command_of(command).and_then(|command| command.def.as_deref()) {
                Some(Node { node: Some(NodeEnum::Constraint(constraint)) }) if refers(constraint) => {
                    commands.push(command.clone());
                    false
                }
                _ => true,
            });
            let table = alter.relation.clone();
            (NodeEnum::AlterTableStmt(alter), table)
        }
        _ => return vec![statement],
    };
    match table {
        Some(table) if !commands.is_empty() => rebuilt(&statement, tree, &table, commands).unwrap_or(vec![statement]),
        _ => vec![statement],
    }
}

/// A column's constraints, with the attributes (`DEFERRABLE`) that the grammar puts behind them as nodes of their own.
fn take_from_column(column: &mut ColumnDef, refers: &impl Fn(&Constraint) -> bool, commands: &mut Vec<Node>) {
    let mut kept: Vec<Node> = Vec::new();
    let mut taken: Option<Constraint> = None;
    for node in std::mem::take(&mut column.constraints) {
        let Some(NodeEnum::Constraint(constraint)) = &node.node else {
            kept.push(node);
            continue;
        };
        if let Some(taken) = &mut taken
            && add_attribute(taken, constraint.contype)
        {
            continue;
        }
        commands.extend(taken.take().map(|taken| added_to_column(&column.colname, taken)));
        if refers(constraint) {
            taken = Some((**constraint).clone());
        } else {
            kept.push(node);
        }
    }
    commands.extend(taken.map(|taken| added_to_column(&column.colname, taken)));
    column.constraints = kept;
}

fn add_attribute(constraint: &mut Constraint, attribute: i32) -> bool {
    match ConstrType::try_from(attribute) {
        Ok(ConstrType::ConstrAttrDeferrable) => constraint.deferrable = true,
        Ok(ConstrType::ConstrAttrNotDeferrable) => constraint.deferrable = false,
        Ok(ConstrType::ConstrAttrDeferred) => {
            constraint.deferrable = true;
            constraint.initdeferred = true;
        }
        Ok(ConstrType::ConstrAttrImmediate) => constraint.initdeferred = false,
        Ok(ConstrType::ConstrAttrEnforced) => constraint.is_enforced = true,
        Ok(ConstrType::ConstrAttrNotEnforced) => constraint.is_enforced = false,
        _ => return false,
    }
    true
}

fn added_to_column(column: &str, mut constraint: Constraint) -> Node {
    match ConstrType::try_from(constraint.contype) {
        Ok(ConstrType::ConstrDefault) => command(AlterTableType::AtColumnDefault, column, constraint.raw_expr.take()),
        Ok(ConstrType::ConstrForeign) => {
            let name = pg_query::protobuf::String { sval: column.to_owned() };
            constraint.fk_attrs = vec![Node { node: Some(NodeEnum::String(name)) }];
            add_constraint(constraint)
        }
        _ => add_constraint(constraint),
    }
}

fn add_constraint(constraint: Constraint) -> Node {
    let def = Node { node: Some(NodeEnum::Constraint(Box::new(constraint))) };
    command(AlterTableType::AtAddConstraint, "", Some(Box::new(def)))
}

fn command(subtype: AlterTableType, name: &str, def: Option<Box<Node>>) -> Node {
    let command = AlterTableCmd {
        subtype: subtype as i32,
        name: name.to_owned(),
        def,
        behavior: DropBehavior::DropRestrict as i32,
        ..AlterTableCmd::default()
    };
    Node { node: Some(NodeEnum::AlterTableCmd(Box::new(command))) }
}

/// The statement without what was taken out, and one statement for each part that was; `None` where the grammar's
/// writer refuses, and then the circle is reported.
fn rebuilt(original: &Statement, tree: NodeEnum, table: &RangeVar, commands: Vec<Node>) -> Option<Vec<Statement>> {
    let mut result = vec![rewritten(original, tree)?];
    for command in commands {
        let alter = AlterTableStmt {
            relation: Some(table.clone()),
            cmds: vec![command],
            objtype: ObjectType::ObjectTable as i32,
            missing_ok: false,
        };
        result.push(rewritten(original, NodeEnum::AlterTableStmt(alter))?);
    }
    Some(result)
}

/// `original` with another parse tree and the text that belongs to it.
pub fn rewritten(original: &Statement, tree: NodeEnum) -> Option<Statement> {
    original.rewritten(tree)
}
