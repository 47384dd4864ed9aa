//! What a statement needs to be there first: what it names, the keys that foreign keys point at, what a function's body calls.

use pg_query::protobuf::{CommentStmt, ConstrType, Constraint, DefineStmt, GrantStmt, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};

use super::keys::key_needed;
use super::{body, column_of, command_of};
use crate::bundle::sql::walk::{name_parts, references};
use crate::bundle::sql::{Reference, Wanted};

pub(in crate::bundle) fn needed(tree: &NodeEnum) -> Vec<Reference> {
    let mut needs = match tree {
        // What is dropped need not be there, and must not be made first.
        NodeEnum::DropStmt(_) => return Vec::new(),
        NodeEnum::CommentStmt(comment) => comment_needs(comment),
        NodeEnum::GrantStmt(grant) => grant_needs(grant),
        NodeEnum::DefineStmt(define) => definition_needs(define),
        NodeEnum::AlterEnumStmt(alter) => by_name(Wanted::Type, &alter.type_name),
        NodeEnum::AlterDomainStmt(alter) => by_name(Wanted::Type, &alter.type_name),
        NodeEnum::CreateSeqStmt(create) => owned_by(&create.options),
        NodeEnum::AlterSeqStmt(alter) => owned_by(&alter.options),
        NodeEnum::CreateExtensionStmt(create) => {
            let schema = super::schema_of_extension(create);
            schema.map(|name| Reference { wanted: Wanted::Schema, schema: None, name }).into_iter().collect()
        }
        NodeEnum::RenameStmt(rename) => object_needs(rename.rename_type, rename.object.as_deref()),
        NodeEnum::AlterOwnerStmt(alter) => object_needs(alter.object_type, alter.object.as_deref()),
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            let mut needs = object_needs(alter.object_type, alter.object.as_deref());
            needs.push(Reference { wanted: Wanted::Schema, schema: None, name: alter.newschema.clone() });
            needs
        }
        _ => Vec::new(),
    };
    needs.extend(keys_needed(tree));
    needs.extend(references(tree));
    needs
}

fn by_name(wanted: Wanted, names: &[Node]) -> Vec<Reference> {
    let mut parts = name_parts(names);
    let name = parts.pop();
    name.map(|name| Reference { wanted, schema: parts.pop(), name }).into_iter().collect()
}

/// A foreign key needs the key that it points at, which a statement of its own may add.
fn keys_needed(tree: &NodeEnum) -> Vec<Reference> {
    let keys = match tree {
        NodeEnum::Constraint(constraint) => vec![&**constraint],
        _ => foreign_keys(tree),
    };
    keys.into_iter().filter_map(key_needed).collect()
}

/// The table that a `CREATE TABLE` or `ALTER TABLE` is about.
pub(in crate::bundle) fn altered_or_created(tree: &NodeEnum) -> Option<&RangeVar> {
    match tree {
        NodeEnum::CreateStmt(create) => create.relation.as_ref(),
        NodeEnum::AlterTableStmt(alter) => alter.relation.as_ref(),
        _ => None,
    }
}

/// The foreign keys in a `CREATE TABLE` or `ALTER TABLE`.
pub(in crate::bundle) fn foreign_keys(tree: &NodeEnum) -> Vec<&Constraint> {
    let constraints: Vec<&Node> = match tree {
        NodeEnum::CreateStmt(create) => {
            let in_columns = create.table_elts.iter().filter_map(column_of).flat_map(|column| &column.constraints);
            create.table_elts.iter().chain(&create.constraints).chain(in_columns).collect()
        }
        NodeEnum::AlterTableStmt(alter) => {
            let defs: Vec<&Node> =
                alter.cmds.iter().filter_map(command_of).filter_map(|command| command.def.as_deref()).collect();
            let in_columns = defs.iter().filter_map(|node| column_of(node)).flat_map(|column| &column.constraints);
            defs.iter().copied().chain(in_columns).collect()
        }
        _ => return Vec::new(),
    };
    constraints
        .into_iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::Constraint(constraint)) if constraint.contype == ConstrType::ConstrForeign as i32 => {
                Some(&**constraint)
            }
            _ => None,
        })
        .collect()
}

pub(super) fn comment_needs(comment: &CommentStmt) -> Vec<Reference> {
    object_needs(comment.objtype, comment.object.as_deref())
}

/// Statements that work on any kind of object name it as a list of words.
fn object_needs(kind: i32, object: Option<&Node>) -> Vec<Reference> {
    let Some(NodeEnum::List(list)) = object.and_then(|object| object.node.as_ref()) else { return Vec::new() };
    let mut parts = name_parts(&list.items);
    match ObjectType::try_from(kind) {
        Ok(
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectSequence
            | ObjectType::ObjectIndex
            | ObjectType::ObjectForeignTable,
        ) => by_name(Wanted::Relation, &list.items),
        Ok(ObjectType::ObjectType | ObjectType::ObjectDomain) => by_name(Wanted::Type, &list.items),
        Ok(ObjectType::ObjectCollation) => by_name(Wanted::Collation, &list.items),
        Ok(
            ObjectType::ObjectColumn
            | ObjectType::ObjectTrigger
            | ObjectType::ObjectPolicy
            | ObjectType::ObjectRule
            | ObjectType::ObjectTabconstraint,
        ) => {
            let (Some(part), Some(table)) = (parts.pop(), parts.pop()) else { return Vec::new() };
            let schema = parts.pop();
            vec![
                Reference { wanted: Wanted::Part, schema: schema.clone(), name: format!("{table}.{part}") },
                Reference { wanted: Wanted::Relation, schema, name: table },
            ]
        }
        _ => Vec::new(),
    }
}

fn grant_needs(grant: &GrantStmt) -> Vec<Reference> {
    let wanted = match ObjectType::try_from(grant.objtype) {
        Ok(ObjectType::ObjectType | ObjectType::ObjectDomain) => Wanted::Type,
        Ok(ObjectType::ObjectSchema) => Wanted::Schema,
        _ => return Vec::new(),
    };
    grant
        .objects
        .iter()
        .flat_map(|object| match &object.node {
            Some(NodeEnum::List(list)) => by_name(wanted, &list.items),
            Some(NodeEnum::String(name)) => vec![Reference { wanted, schema: None, name: name.sval.clone() }],
            _ => Vec::new(),
        })
        .collect()
}

/// `CREATE AGGREGATE … (sfunc = my_function)`: the grammar reads a function's name there as a type's.
fn definition_needs(define: &DefineStmt) -> Vec<Reference> {
    references(define)
        .into_iter()
        .filter(|reference| reference.wanted == Wanted::Type)
        .map(|reference| Reference { wanted: Wanted::Routine, ..reference })
        .collect()
}

/// `OWNED BY table.column`
fn owned_by(options: &[Node]) -> Vec<Reference> {
    options
        .iter()
        .filter_map(|option| match &option.node {
            Some(NodeEnum::DefElem(option)) if option.defname == "owned_by" => option.arg.as_deref(),
            _ => None,
        })
        .flat_map(|arg| match &arg.node {
            Some(NodeEnum::List(list)) if list.items.len() > 1 => {
                by_name(Wanted::Relation, &list.items[..list.items.len() - 1])
            }
            _ => Vec::new(),
        })
        .collect()
}

/// What a function calls when it runs, which is early where a default, a trigger or a migration calls it.
pub(super) fn calls_in_body(tree: &NodeEnum) -> Vec<Reference> {
    let called = body(tree).map(|body| crate::bundle::sql::tokens::called_names(&body)).unwrap_or_default();
    called.into_iter().map(|(schema, name)| Reference { wanted: Wanted::Routine, schema, name }).collect()
}
