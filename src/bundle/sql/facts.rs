//! One statement's facts: what it makes, what it needs, and how the bundle treats it. Pure; called by [`super::read`].

mod keys;
mod needs;
mod signature;

use std::collections::HashSet;

use pg_query::protobuf::{AlterObjectSchemaStmt, CommentStmt, CreateExtensionStmt, RenameStmt};
use pg_query::protobuf::{AlterTableStmt, AlterTableType, CreateStmt, DefineStmt, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};

pub(in crate::bundle) use self::keys::table_of_key;
pub(in crate::bundle) use self::needs::{altered_or_created, needed};
use self::needs::{calls_in_body, comment_needs};
pub use self::signature::{input_types, types_of_named};
use super::walk::{name_parts, touches_own};
use super::{Class, Object, Reference, Wanted};
use crate::bundle::Kind;

/// What becomes of a statement.
pub(super) enum Treatment {
    Deploy,
    /// The same in another form, with the sentence to warn of it.
    DeployAs(Box<NodeEnum>, &'static str),
    /// Left out, with the sentence to warn of it.
    PassOver(&'static str),
    /// The `BEGIN` or `COMMIT` around a migration.
    OuterControl,
    /// Transaction control.
    Refuse,
    /// About databases or the server.
    RefuseServerWide,
    /// About the gateway's own tables.
    RefuseOwn,
    /// Needs rows from the client.
    RefuseCopy,
}

pub(super) fn treatment(kind: Kind, tree: &NodeEnum, first: bool, last: bool) -> Treatment {
    use pg_query::protobuf::TransactionStmtKind as Control;
    match tree {
        NodeEnum::TransactionStmt(control) => match Control::try_from(control.kind) {
            Ok(Control::TransStmtBegin | Control::TransStmtStart) if kind == Kind::Migrations && first => {
                Treatment::OuterControl
            }
            Ok(Control::TransStmtCommit) if kind == Kind::Migrations && last => Treatment::OuterControl,
            _ => Treatment::Refuse,
        },
        _ if is_server_wide(tree) => Treatment::RefuseServerWide,
        _ if touches_own(tree) => Treatment::RefuseOwn,
        _ if is_copy_stream(tree) => Treatment::RefuseCopy,
        NodeEnum::AlterOwnerStmt(_) => Treatment::PassOver(OWNER),
        NodeEnum::AlterTableStmt(alter) => without_owner(alter),
        NodeEnum::CreateSchemaStmt(create) if create.schemaname == PUBLIC && create.schema_elts.is_empty() => {
            Treatment::PassOver("the schema public is there already, so making it was passed over")
        }
        _ => Treatment::Deploy,
    }
}

const OWNER: &str = "OWNER TO was passed over: what a platform deploys belongs to the role that deploys it";

/// `ALTER TABLE` and its like, which may do something else in the same statement.
fn without_owner(alter: &AlterTableStmt) -> Treatment {
    let sets_owner =
        |node: &Node| command_of(node).is_some_and(|command| command.subtype == AlterTableType::AtChangeOwner as i32);
    match alter.cmds.iter().filter(|command| sets_owner(command)).count() {
        0 => Treatment::Deploy,
        all if all == alter.cmds.len() => Treatment::PassOver(OWNER),
        _ => {
            let mut rest = alter.clone();
            rest.cmds.retain(|command| !sets_owner(command));
            Treatment::DeployAs(Box::new(NodeEnum::AlterTableStmt(rest)), OWNER)
        }
    }
}

/// `COPY` from or to the client.
pub(super) fn is_copy_stream(tree: &NodeEnum) -> bool {
    matches!(tree, NodeEnum::CopyStmt(copy) if copy.filename.is_empty())
}

/// Statements about databases as a whole, tablespaces and the server's settings: their effect would not stay in the one
/// database that the bundle is for.
fn is_server_wide(tree: &NodeEnum) -> bool {
    let database = ObjectType::ObjectDatabase as i32;
    let tablespace = ObjectType::ObjectTablespace as i32;
    match tree {
        NodeEnum::CreatedbStmt(_)
        | NodeEnum::DropdbStmt(_)
        | NodeEnum::AlterDatabaseStmt(_)
        | NodeEnum::AlterDatabaseSetStmt(_)
        | NodeEnum::AlterDatabaseRefreshCollStmt(_)
        | NodeEnum::CreateTableSpaceStmt(_)
        | NodeEnum::DropTableSpaceStmt(_)
        | NodeEnum::AlterTableSpaceOptionsStmt(_)
        | NodeEnum::AlterSystemStmt(_) => true,
        NodeEnum::RenameStmt(rename) => [database, tablespace].contains(&rename.rename_type),
        NodeEnum::AlterOwnerStmt(alter) => [database, tablespace].contains(&alter.object_type),
        NodeEnum::GrantStmt(grant) => [database, tablespace].contains(&grant.objtype),
        _ => false,
    }
}

/// `(makes, needs, prefers)`
pub(in crate::bundle) fn of(kind: Kind, tree: &NodeEnum) -> (Vec<Object>, Vec<Reference>, Vec<Reference>) {
    // A temporary table is no object of the database's.
    let mut makes = if kind == Kind::Migrations && is_temporary(tree) { Vec::new() } else { made(tree) };
    let optional = |reference: &Reference| matches!(reference.wanted, Wanted::Cast | Wanted::Details);
    let (mut prefers, mut needs): (Vec<_>, Vec<_>) = needed(tree).into_iter().partition(optional);
    prefers.extend(calls_in_body(tree));
    if kind == Kind::Seeders
        && let NodeEnum::InsertStmt(insert) = tree
        && let Some(table) = &insert.relation
    {
        makes.push(relation_as(Class::Rows, table));
    }
    for schema in needs.iter().filter_map(|reference| reference.schema.clone()).collect::<Vec<_>>() {
        needs.push(Reference { wanted: Wanted::Schema, schema: None, name: schema });
    }
    for schema in makes.iter().filter(|made| made.class != Class::Schema).map(|made| made.schema.clone()) {
        needs.push(Reference { wanted: Wanted::Schema, schema: None, name: schema });
    }
    (makes, once(needs), once(prefers))
}

/// Each in its first place.
fn once(references: Vec<Reference>) -> Vec<Reference> {
    let mut met = HashSet::new();
    let is_first: Vec<bool> = references.iter().map(|reference| met.insert(reference)).collect();
    let different = met.len();
    // A list of its own: what the walk found may have been a hundred times as long.
    let mut kept = Vec::with_capacity(different);
    kept.extend(references.into_iter().zip(is_first).filter(|(_, is_first)| *is_first).map(|(one, _)| one));
    kept
}

/// How many rows an `INSERT … VALUES` has.
pub(super) fn rows(tree: &NodeEnum) -> u64 {
    let NodeEnum::InsertStmt(insert) = tree else { return 0 };
    match insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => select.values_lists.len() as u64,
        _ => 0,
    }
}

/// Whether it makes a relation that goes with the session.
pub fn is_temporary(tree: &NodeEnum) -> bool {
    let relation = match tree {
        NodeEnum::CreateStmt(create) => create.relation.as_ref(),
        NodeEnum::ViewStmt(create) => create.view.as_ref(),
        NodeEnum::CreateSeqStmt(create) => create.sequence.as_ref(),
        NodeEnum::CreateTableAsStmt(create) => create.into.as_ref().and_then(|into| into.rel.as_ref()),
        NodeEnum::SelectStmt(select) => select.into_clause.as_ref().and_then(|into| into.rel.as_ref()),
        _ => None,
    };
    relation.is_some_and(|relation| relation.relpersistence == "t" || relation.schemaname == "pg_temp")
}

fn made(tree: &NodeEnum) -> Vec<Object> {
    let one = |object: Option<Object>| object.into_iter().collect();
    match tree {
        NodeEnum::CreateStmt(create) => table_made(create),
        NodeEnum::CreateForeignTableStmt(create) => create.base_stmt.as_ref().map(table_made).unwrap_or_default(),
        NodeEnum::ViewStmt(create) => one(create.view.as_ref().map(relation)),
        NodeEnum::CreateTableAsStmt(create) => {
            one(create.into.as_ref().and_then(|into| into.rel.as_ref()).map(relation))
        }
        NodeEnum::SelectStmt(select) => {
            one(select.into_clause.as_ref().and_then(|into| into.rel.as_ref()).map(relation))
        }
        NodeEnum::CreateSeqStmt(create) => one(create.sequence.as_ref().map(relation)),
        NodeEnum::IndexStmt(create) => index_made(create),
        NodeEnum::CreateEnumStmt(create) => one(named(Class::Type, &create.type_name)),
        NodeEnum::CreateRangeStmt(create) => one(named(Class::Type, &create.type_name)),
        NodeEnum::CreateDomainStmt(create) => one(named(Class::Type, &create.domainname)),
        NodeEnum::CompositeTypeStmt(create) => one(create.typevar.as_ref().map(|name| relation_as(Class::Type, name))),
        NodeEnum::CreateFunctionStmt(create) => one(named(Class::Routine, &create.funcname)),
        NodeEnum::DefineStmt(create) => one(definition_made(create)),
        NodeEnum::CreateOpClassStmt(create) => one(named(Class::OperatorClass, &create.opclassname)),
        NodeEnum::CreateSchemaStmt(create) => {
            vec![Object { class: Class::Schema, schema: PUBLIC.to_owned(), name: create.schemaname.clone() }]
        }
        NodeEnum::CreateTrigStmt(create) => one(part(create.relation.as_ref(), &create.trigname)),
        NodeEnum::CreatePolicyStmt(create) => one(part(create.table.as_ref(), &create.policy_name)),
        NodeEnum::RuleStmt(create) => one(part(create.relation.as_ref(), &create.rulename)),
        NodeEnum::AlterTableStmt(alter) => alterations_made(alter),
        NodeEnum::RenameStmt(rename) => one(rename_made(rename)),
        NodeEnum::AlterObjectSchemaStmt(alter) => one(moved(alter)),
        NodeEnum::CommentStmt(comment) => comment_made(comment),
        NodeEnum::CreateCastStmt(create) => {
            one(create.targettype.as_ref().and_then(|target| named(Class::Cast, &target.names)))
        }
        _ => Vec::new(),
    }
}

fn rename_made(rename: &RenameStmt) -> Option<Object> {
    match ObjectType::try_from(rename.rename_type) {
        Ok(
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectSequence
            | ObjectType::ObjectIndex,
        ) => {
            let mut object = relation(rename.relation.as_ref()?);
            object.name = rename.newname.clone();
            Some(object)
        }
        Ok(ObjectType::ObjectType | ObjectType::ObjectDomain) => match &rename.object.as_ref()?.node {
            Some(NodeEnum::List(list)) => {
                let mut object = named(Class::Type, &list.items)?;
                object.name = rename.newname.clone();
                Some(object)
            }
            _ => None,
        },
        Ok(ObjectType::ObjectColumn) => part(rename.relation.as_ref(), &rename.newname),
        Ok(
            ObjectType::ObjectFunction
            | ObjectType::ObjectProcedure
            | ObjectType::ObjectRoutine
            | ObjectType::ObjectAggregate,
        ) => match &rename.object.as_ref()?.node {
            Some(NodeEnum::ObjectWithArgs(routine)) => {
                let mut object = named(Class::Routine, &routine.objname)?;
                object.name = rename.newname.clone();
                Some(object)
            }
            _ => None,
        },
        _ => None,
    }
}

/// What `SET SCHEMA` makes: the object where it is then.
fn moved(alter: &AlterObjectSchemaStmt) -> Option<Object> {
    let listed = || match alter.object.as_ref().and_then(|object| object.node.as_ref()) {
        Some(NodeEnum::List(list)) => Some(&list.items),
        Some(NodeEnum::ObjectWithArgs(routine)) => Some(&routine.objname),
        _ => None,
    };
    let object = match ObjectType::try_from(alter.object_type).ok()? {
        ObjectType::ObjectTable
        | ObjectType::ObjectForeignTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectSequence => relation(alter.relation.as_ref()?),
        ObjectType::ObjectType | ObjectType::ObjectDomain => named(Class::Type, listed()?)?,
        ObjectType::ObjectFunction
        | ObjectType::ObjectProcedure
        | ObjectType::ObjectRoutine
        | ObjectType::ObjectAggregate => named(Class::Routine, listed()?)?,
        _ => return None,
    };
    Some(Object { schema: alter.newschema.clone(), ..object })
}

const PUBLIC: &str = "public";

pub(in crate::bundle) fn relation(name: &RangeVar) -> Object {
    relation_as(Class::Relation, name)
}

fn relation_as(class: Class, name: &RangeVar) -> Object {
    let schema = schema_of(name).unwrap_or_else(|| PUBLIC.to_owned());
    Object { class, schema, name: name.relname.clone() }
}

fn schema_of(name: &RangeVar) -> Option<String> {
    Some(name.schemaname.clone()).filter(|schema| !schema.is_empty())
}

fn named(class: Class, names: &[Node]) -> Option<Object> {
    let mut parts = name_parts(names);
    let name = parts.pop()?;
    Some(Object { class, schema: parts.pop().unwrap_or_else(|| PUBLIC.to_owned()), name })
}

fn part(table: Option<&RangeVar>, name: &str) -> Option<Object> {
    let table = table?;
    let mut object = relation_as(Class::Part, table);
    object.name = format!("{}.{name}", table.relname);
    Some(object)
}

fn table_made(create: &CreateStmt) -> Vec<Object> {
    let Some(table) = &create.relation else { return Vec::new() };
    let mut made = vec![relation(table)];
    // A serial column's sequence may be named by others (`ALTER SEQUENCE`, `GRANT`).
    for column in create.table_elts.iter().filter_map(column_of) {
        let serial = column.type_name.as_ref().and_then(|name| name_parts(&name.names).pop());
        if serial.is_some_and(|name| name.to_ascii_lowercase().contains("serial")) {
            let mut sequence = relation(table);
            sequence.name = format!("{}_{}_seq", table.relname, column.colname);
            made.push(sequence);
        }
    }
    made.extend(keys::of_table(create));
    made
}

pub(in crate::bundle) fn column_of(element: &Node) -> Option<&pg_query::protobuf::ColumnDef> {
    match &element.node {
        Some(NodeEnum::ColumnDef(column)) => Some(column),
        _ => None,
    }
}

fn index_made(create: &pg_query::protobuf::IndexStmt) -> Vec<Object> {
    let Some(table) = &create.relation else { return Vec::new() };
    let mut made = Vec::new();
    if !create.idxname.is_empty() {
        let mut index = relation(table);
        index.name = create.idxname.clone();
        made.push(index);
    }
    made.extend(keys::of_index(create));
    made.push(relation_as(Class::Details, table));
    made
}

/// A comment on a table or one of its parts, which `LIKE … INCLUDING COMMENTS` copies.
fn comment_made(comment: &CommentStmt) -> Vec<Object> {
    let needs = comment_needs(comment);
    let of_table = needs.into_iter().filter(|reference| reference.wanted == Wanted::Relation);
    of_table
        .map(|reference| Object {
            class: Class::Details,
            schema: reference.schema.unwrap_or_else(|| PUBLIC.to_owned()),
            name: reference.name,
        })
        .collect()
}

fn definition_made(define: &DefineStmt) -> Option<Object> {
    let class = match ObjectType::try_from(define.kind) {
        Ok(ObjectType::ObjectAggregate) => Class::Routine,
        Ok(ObjectType::ObjectOperator) => Class::Operator,
        Ok(ObjectType::ObjectType) => Class::Type,
        Ok(ObjectType::ObjectCollation) => Class::Collation,
        _ => return None,
    };
    named(class, &define.defnames)
}

fn alterations_made(alter: &AlterTableStmt) -> Vec<Object> {
    let mut made = Vec::new();
    let Some(table) = &alter.relation else { return made };
    made.push(relation_as(Class::Details, table));
    for command in alter.cmds.iter().filter_map(command_of) {
        let added = command.def.as_deref().and_then(|def| def.node.as_ref());
        made.extend(keys::of_command(table, command));
        match (AlterTableType::try_from(command.subtype), added) {
            (Ok(AlterTableType::AtAddConstraint), Some(NodeEnum::Constraint(constraint))) => {
                made.extend(part(Some(table), &constraint.conname));
            }
            (Ok(AlterTableType::AtAddColumn), Some(NodeEnum::ColumnDef(column))) => {
                made.extend(part(Some(table), &column.colname));
            }
            _ => {}
        }
    }
    made
}

pub fn command_of(node: &Node) -> Option<&pg_query::protobuf::AlterTableCmd> {
    match &node.node {
        Some(NodeEnum::AlterTableCmd(command)) => Some(command),
        _ => None,
    }
}

/// The text of a function in a language that PostgreSQL's scanner reads.
pub(super) fn body(tree: &NodeEnum) -> Option<String> {
    let language = language(tree)?;
    matches!(language.as_str(), "sql" | "plpgsql").then(|| body_text(tree)).flatten()
}

fn language(tree: &NodeEnum) -> Option<String> {
    match &option(tree, "language")?.node {
        Some(NodeEnum::String(name)) => Some(name.sval.to_ascii_lowercase()),
        _ => None,
    }
}

/// The string after `AS`.
fn body_text(tree: &NodeEnum) -> Option<String> {
    match &option(tree, "as")?.node {
        Some(NodeEnum::List(list)) => name_parts(&list.items).into_iter().next(),
        _ => None,
    }
}

fn option<'a>(tree: &'a NodeEnum, name: &str) -> Option<&'a Node> {
    let NodeEnum::CreateFunctionStmt(create) = tree else { return None };
    create.options.iter().find_map(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) if option.defname == name => option.arg.as_deref(),
        _ => None,
    })
}

/// The words of a name, in its parts.
pub fn words(names: &[Node]) -> Vec<String> {
    name_parts(names)
}

/// The names in a `DROP`, each in its parts.
pub fn dropped_names(drop: &pg_query::protobuf::DropStmt) -> Vec<Vec<String>> {
    let parts = |object: &Node| match &object.node {
        Some(NodeEnum::List(list)) => name_parts(&list.items),
        Some(NodeEnum::TypeName(name)) => name_parts(&name.names),
        Some(NodeEnum::ObjectWithArgs(object)) => name_parts(&object.objname),
        Some(NodeEnum::String(name)) => vec![name.sval.clone()],
        _ => Vec::new(),
    };
    drop.objects.iter().map(parts).filter(|parts| !parts.is_empty()).collect()
}

/// The schema that a `CREATE EXTENSION` names.
pub fn schema_of_extension(create: &CreateExtensionStmt) -> Option<String> {
    create.options.iter().find_map(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) if option.defname == "schema" => match &option.arg.as_ref()?.node {
            Some(NodeEnum::String(name)) => Some(name.sval.clone()),
            _ => None,
        },
        _ => None,
    })
}
