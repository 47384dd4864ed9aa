//! Statements that PostgreSQL refuses inside a transaction, and what the same is inside one.

use std::sync::Arc;

use pg_query::protobuf::Token;
use pg_query::{Node, NodeEnum};

use super::facts::command_of;
use super::{Statement, tokens};

/// Statements of which PostgreSQL says "cannot run inside a transaction block" (its `PreventInTransactionBlock`).
pub(super) fn refuses(tree: &NodeEnum) -> bool {
    let has_option = |options: &[Node], wanted: &str| {
        options.iter().any(|option| match &option.node {
            Some(NodeEnum::DefElem(option)) => option.defname == wanted,
            _ => false,
        })
    };
    match tree {
        NodeEnum::IndexStmt(create) => create.concurrent,
        NodeEnum::DropStmt(drop) => drop.concurrent,
        NodeEnum::ReindexStmt(reindex) => {
            use pg_query::protobuf::ReindexObjectType as Object;
            let whole = [Object::ReindexObjectSchema, Object::ReindexObjectSystem, Object::ReindexObjectDatabase];
            has_option(&reindex.params, "concurrently") || whole.iter().any(|kind| *kind as i32 == reindex.kind)
        }
        NodeEnum::AlterTableStmt(alter) => alter.cmds.iter().filter_map(command_of).any(|command| {
            matches!(command.def.as_deref(), Some(Node { node: Some(NodeEnum::PartitionCmd(partition)) }) if partition.concurrent)
        }),
        NodeEnum::VacuumStmt(vacuum) => vacuum.is_vacuumcmd,
        NodeEnum::ClusterStmt(cluster) => cluster.relation.is_none(),
        NodeEnum::CreateSubscriptionStmt(_) => true,
        // `CREATE DATABASE` and its like are refused before this is asked.
        _ => false,
    }
}

/// See [`Statement::without_concurrently`].
pub(super) fn without_concurrently(statement: &Statement) -> Option<Statement> {
    let mut tree = statement.tree.clone();
    match Arc::make_mut(&mut tree) {
        NodeEnum::IndexStmt(create) if create.concurrent => create.concurrent = false,
        NodeEnum::DropStmt(drop) if drop.concurrent => drop.concurrent = false,
        _ => return None,
    }
    // No name can be this word without quotes, and before it stand only `CREATE UNIQUE INDEX` or `DROP INDEX`.
    let word = tokens::first(&statement.text, Token::Concurrently)?;
    let mut text = String::from(&statement.text);
    text.replace_range(word.clone(), &" ".repeat(word.len()));
    Some(Statement { tree, text: text.into(), ..statement.clone() })
}
