//! What is kept of a statement's tree once its facts are known: PostgreSQL's trees take some hundred times the memory of
//! their text, and a deployment asks only what kind of statement it is and what the statement is about.

use std::sync::{Arc, LazyLock};

use pg_query::protobuf::{CommentStmt, CreateStmt, CreateTableAsStmt, IntoClause, ObjectType};
use pg_query::{Node, NodeEnum};

/// Statements about rows, comments and privileges are told apart by their kind alone; each kind is in memory once.
static SELECT: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::SelectStmt(Box::default())));
static INSERT: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::InsertStmt(Box::default())));
static UPDATE: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::UpdateStmt(Box::default())));
static DELETE: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::DeleteStmt(Box::default())));
static MERGE: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::MergeStmt(Box::default())));
static COPY: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::CopyStmt(Box::default())));
static COMMENT: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::CommentStmt(Box::default())));
static GRANT: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::GrantStmt(Default::default())));
static GRANT_ROLE: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::GrantRoleStmt(Default::default())));
static DO: LazyLock<Arc<NodeEnum>> = LazyLock::new(|| Arc::new(NodeEnum::DoStmt(Default::default())));

/// The tree without what only [`super::facts`] looks at: expressions, queries, columns and options. Whole for `ALTER`,
/// `DROP`, `RENAME` and the rest. [`super::cost`](crate::bundle::cost) counts on it.
pub(super) fn of(tree: NodeEnum) -> Arc<NodeEnum> {
    Arc::new(match tree {
        // `SELECT … INTO t` makes a table, and is told of as what it is.
        NodeEnum::SelectStmt(select) if select.into_clause.is_some() => {
            let rel = select.into_clause.and_then(|into| into.rel);
            let into = Some(Box::new(IntoClause { rel, ..IntoClause::default() }));
            let objtype = ObjectType::ObjectTable as i32;
            NodeEnum::CreateTableAsStmt(Box::new(CreateTableAsStmt { into, objtype, ..CreateTableAsStmt::default() }))
        }
        NodeEnum::SelectStmt(_) => return SELECT.clone(),
        NodeEnum::InsertStmt(_) => return INSERT.clone(),
        NodeEnum::UpdateStmt(_) => return UPDATE.clone(),
        NodeEnum::DeleteStmt(_) => return DELETE.clone(),
        NodeEnum::MergeStmt(_) => return MERGE.clone(),
        NodeEnum::CopyStmt(_) => return COPY.clone(),
        NodeEnum::DoStmt(_) => return DO.clone(),
        // Whether it can be made depends on whose the extension is.
        NodeEnum::CommentStmt(comment) if comment.objtype == ObjectType::ObjectExtension as i32 => {
            let objtype = comment.objtype;
            NodeEnum::CommentStmt(Box::new(CommentStmt { objtype, ..CommentStmt::default() }))
        }
        NodeEnum::CommentStmt(_) => return COMMENT.clone(),
        NodeEnum::GrantStmt(_) => return GRANT.clone(),
        NodeEnum::GrantRoleStmt(_) => return GRANT_ROLE.clone(),
        NodeEnum::DropStmt(mut drop) => {
            shrink(&mut drop.objects);
            NodeEnum::DropStmt(drop)
        }
        NodeEnum::CreateStmt(create) => NodeEnum::CreateStmt(table(create)),
        NodeEnum::CreateForeignTableStmt(mut create) => {
            create.base_stmt = create.base_stmt.map(table);
            create.options = Vec::new();
            NodeEnum::CreateForeignTableStmt(create)
        }
        NodeEnum::ViewStmt(mut create) => {
            (create.query, create.aliases, create.options) = Default::default();
            NodeEnum::ViewStmt(create)
        }
        NodeEnum::CreateTableAsStmt(mut create) => {
            create.query = None;
            if let Some(into) = &mut create.into {
                (into.col_names, into.options, into.view_query) = Default::default();
            }
            NodeEnum::CreateTableAsStmt(create)
        }
        NodeEnum::IndexStmt(mut create) => {
            (create.index_params, create.index_including_params, create.options) = Default::default();
            (create.where_clause, create.exclude_op_names) = Default::default();
            NodeEnum::IndexStmt(create)
        }
        NodeEnum::CreateTrigStmt(mut create) => {
            (create.args, create.columns, create.when_clause, create.transition_rels) = Default::default();
            NodeEnum::CreateTrigStmt(create)
        }
        NodeEnum::CreatePolicyStmt(mut create) => {
            (create.roles, create.qual, create.with_check) = Default::default();
            NodeEnum::CreatePolicyStmt(create)
        }
        NodeEnum::RuleStmt(mut create) => {
            (create.where_clause, create.actions) = Default::default();
            NodeEnum::RuleStmt(create)
        }
        NodeEnum::CreateFunctionStmt(mut create) => {
            create.sql_body = None;
            for list in [&mut create.funcname, &mut create.parameters, &mut create.options] {
                shrink(list);
            }
            NodeEnum::CreateFunctionStmt(create)
        }
        whole => whole,
    })
}

/// A list begins with room for four, and a node is large: what stays gets no more room than it needs.
fn shrink(nodes: &mut Vec<Node>) {
    nodes.shrink_to_fit();
    for node in nodes {
        match &mut node.node {
            Some(NodeEnum::List(list)) => shrink(&mut list.items),
            Some(NodeEnum::TypeName(name)) => shrink(&mut name.names),
            Some(NodeEnum::FunctionParameter(parameter)) => {
                parameter.arg_type.iter_mut().for_each(|name| shrink(&mut name.names));
            }
            Some(NodeEnum::ObjectWithArgs(object)) => {
                for list in [&mut object.objname, &mut object.objargs, &mut object.objfuncargs] {
                    shrink(list);
                }
            }
            _ => {}
        }
    }
}

/// A table's name.
fn table(create: CreateStmt) -> CreateStmt {
    CreateStmt { relation: create.relation, if_not_exists: create.if_not_exists, ..CreateStmt::default() }
}
