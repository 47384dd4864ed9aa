//! What a statement changes or drops, as far as other objects may stand in its way: found in the catalog by the names
//! that the statement gives.

use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, DropBehavior, DropStmt, ObjectType, ObjectWithArgs, RangeVar,
};
use pg_query::{Node, NodeEnum};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::Address;
use crate::bundle::sql::{self, facts};
use crate::databases::{Under, ask, quote_ident, under};
use crate::orchestrator::functions::type_text;

/// An object that a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Which one.
    pub address: Address,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a [`Root`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The statement drops it, and with it what belongs to it.
    Dropped,
    /// A column: the statement changes its type.
    Retyped,
    /// It is dropped for the statement, which makes it anew: what belongs to it is kept, with grants and comment.
    Replaced,
}

/// What `tree` drops or changes the type of; nothing for statements that only make things, or that say `CASCADE`.
pub async fn of(client: &Client, path: Under<'_>, tree: &NodeEnum) -> Result<Vec<Root>, Error> {
    match tree {
        NodeEnum::AlterTableStmt(alter) => of_alter(client, path, alter).await,
        NodeEnum::DropStmt(drop) if drop.behavior != DropBehavior::DropCascade as i32 => {
            of_drop(client, path, drop).await
        }
        _ => Ok(Vec::new()),
    }
}

/// The same of a statement that the gateway wrote.
pub async fn of_text(client: &Client, path: Under<'_>, sql: &str) -> Result<Vec<Root>, Error> {
    let mut roots = Vec::new();
    for tree in sql::trees(sql) {
        roots.extend(of(client, path, &tree).await?);
    }
    Ok(roots)
}

/// The relation of that name, to be made anew.
pub async fn relation(client: &Client, path: Under<'_>, name: &RangeVar, fate: Fate) -> Result<Vec<Root>, Error> {
    let name = qualified(&[name.schemaname.clone(), name.relname.clone()]);
    found(client, path, "SELECT 'pg_class'::regclass::oid, to_regclass($1)::oid, 0", &name, fate).await
}

/// The routine of that signature, which `to_regprocedure` reads.
pub async fn routine(client: &Client, path: Under<'_>, signature: &str, fate: Fate) -> Result<Vec<Root>, Error> {
    found(client, path, "SELECT 'pg_proc'::regclass::oid, to_regprocedure($1)::oid, 0", signature, fate).await
}

async fn found(client: &Client, path: Under<'_>, query: &str, name: &str, fate: Fate) -> Result<Vec<Root>, Error> {
    let rows = ask(client, &under(path, query), &[(&name, Type::TEXT)]).await?;
    let root = |row: &tokio_postgres::Row| {
        let object: Option<u32> = row.get(1);
        Some(Root { address: Address { class: row.get(0), object: object?, sub: row.get(2) }, fate })
    };
    Ok(rows.iter().filter_map(root).collect())
}

async fn of_alter(client: &Client, path: Under<'_>, alter: &AlterTableStmt) -> Result<Vec<Root>, Error> {
    let Some(relation) = &alter.relation else { return Ok(Vec::new()) };
    let table = qualified(&[relation.schemaname.clone(), relation.relname.clone()]);
    let mut roots = Vec::new();
    for command in alter.cmds.iter().filter_map(facts::command_of) {
        if let Some((query, fate)) = of_command(command) {
            let params: [(&(dyn ToSql + Sync), Type); 2] = [(&table, Type::TEXT), (&command.name, Type::TEXT)];
            let rows = ask(client, &under(path, query), &params).await?;
            let address =
                |row: &tokio_postgres::Row| Address { class: row.get(0), object: row.get(1), sub: row.get(2) };
            roots.extend(rows.iter().map(|row| Root { address: address(row), fate }));
            if fate == Fate::Retyped {
                // PostgreSQL changes no type under a generated column: that is made anew behind it.
                let rows = ask(client, &under(path, include_str!("generated.sql")), &params).await?;
                let fate = Fate::Replaced;
                roots.extend(rows.iter().map(|row| Root { address: address(row), fate }));
            }
        }
    }
    Ok(roots)
}

fn of_command(command: &AlterTableCmd) -> Option<(&'static str, Fate)> {
    // Tables that inherit the column have it changed too.
    const COLUMN: &str = "
        WITH RECURSIVE tree AS (
            SELECT to_regclass($1)::oid AS oid, 0 AS depth
            UNION SELECT i.inhrelid, depth + 1 FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent)
        SELECT 'pg_class'::regclass::oid, a.attrelid, a.attnum::int4
        FROM (SELECT oid, max(depth) AS depth FROM tree GROUP BY oid) AS tree
        JOIN pg_attribute a ON a.attrelid = tree.oid
        WHERE a.attname = $2::text AND NOT a.attisdropped ORDER BY depth, 2";
    // With the index that a foreign key or a GROUP BY leans on.
    const CONSTRAINT: &str = "
        WITH one AS (SELECT oid, conindid FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2::text)
        SELECT 'pg_constraint'::regclass::oid, oid, 0 FROM one
        UNION ALL SELECT 'pg_class'::regclass::oid, conindid, 0 FROM one WHERE conindid <> 0";
    match AlterTableType::try_from(command.subtype) {
        Ok(AlterTableType::AtAlterColumnType) => Some((COLUMN, Fate::Retyped)),
        Ok(AlterTableType::AtDropColumn) => Some((COLUMN, Fate::Dropped)),
        Ok(AlterTableType::AtDropConstraint) => Some((CONSTRAINT, Fate::Dropped)),
        _ => None,
    }
}

async fn of_drop(client: &Client, path: Under<'_>, drop: &DropStmt) -> Result<Vec<Root>, Error> {
    const RELATION: &str = "SELECT 'pg_class'::regclass::oid, to_regclass($1)::oid, 0";
    const TYPE: &str = "SELECT 'pg_type'::regclass::oid, to_regtype($1)::oid, 0";
    const ROUTINE: &str = "SELECT 'pg_proc'::regclass::oid, to_regprocedure($1)::oid, 0";
    // DROP FUNCTION without parameters: PostgreSQL takes it where the name is that of one only.
    const NAMED: &str = "SELECT 'pg_proc'::regclass::oid, to_regproc($1)::oid, 0";
    const OPERATOR: &str = "SELECT 'pg_operator'::regclass::oid, to_regoperator($1)::oid, 0";
    const COLLATION: &str = "SELECT 'pg_collation'::regclass::oid, to_regcollation($1)::oid, 0";
    const CAST: &str = "
        SELECT 'pg_cast'::regclass::oid, c.oid, 0 FROM json_array_elements_text($1::text::json) WITH ORDINALITY AS one (name, place)
        JOIN json_array_elements_text($1::text::json) WITH ORDINALITY AS other (name, place) ON one.place = 1 AND other.place = 2
        JOIN pg_cast c ON c.castsource = to_regtype(one.name) AND c.casttarget = to_regtype(other.name)";
    let mut roots = Vec::new();
    for object in &drop.objects {
        let (query, name) = match (ObjectType::try_from(drop.remove_type), &object.node) {
            (
                Ok(
                    ObjectType::ObjectTable
                    | ObjectType::ObjectView
                    | ObjectType::ObjectMatview
                    | ObjectType::ObjectForeignTable
                    | ObjectType::ObjectSequence
                    | ObjectType::ObjectIndex,
                ),
                Some(NodeEnum::List(list)),
            ) => (RELATION, qualified(&sql::name_parts(&list.items))),
            (Ok(ObjectType::ObjectType | ObjectType::ObjectDomain), Some(NodeEnum::TypeName(name))) => {
                (TYPE, qualified(&sql::name_parts(&name.names)))
            }
            (Ok(ObjectType::ObjectCollation), Some(NodeEnum::List(list))) => {
                (COLLATION, qualified(&sql::name_parts(&list.items)))
            }
            (Ok(ObjectType::ObjectOperator), Some(NodeEnum::ObjectWithArgs(object))) => match operator(object) {
                Some(operator) => (OPERATOR, operator),
                None => continue,
            },
            (Ok(ObjectType::ObjectCast), Some(NodeEnum::List(list))) => {
                (CAST, serde_json::json!(list.items.iter().map(type_of).collect::<Vec<_>>()).to_string())
            }
            (
                Ok(
                    ObjectType::ObjectFunction
                    | ObjectType::ObjectProcedure
                    | ObjectType::ObjectRoutine
                    | ObjectType::ObjectAggregate,
                ),
                Some(NodeEnum::ObjectWithArgs(object)),
            ) => match signature(object) {
                Some(signature) => (ROUTINE, signature),
                None => (NAMED, qualified(&sql::name_parts(&object.objname))),
            },
            _ => continue,
        };
        roots.extend(found(client, path, query, &name, Fate::Dropped).await?);
    }
    Ok(roots)
}

fn signature(object: &ObjectWithArgs) -> Option<String> {
    if object.args_unspecified {
        return None;
    }
    let types: Option<Vec<String>> = object.objargs.iter().map(type_of).collect();
    Some(format!("{}({})", qualified(&sql::name_parts(&object.objname)), types?.join(",")))
}

fn type_of(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::TypeName(name)) => type_text(name),
        _ => None,
    }
}

/// `schema.+(left,right)`, for `to_regoperator`. What stands for `NONE` is a node without content.
fn operator(object: &ObjectWithArgs) -> Option<String> {
    let mut parts = sql::name_parts(&object.objname);
    let symbol = parts.pop()?;
    let schema = parts.pop().map(|schema| format!("{}.", quote_ident(&schema))).unwrap_or_default();
    let types: Vec<String> =
        object.objargs.iter().map(|node| type_of(node).unwrap_or_else(|| "NONE".to_owned())).collect();
    Some(format!("{schema}{symbol}({})", types.join(",")))
}

fn qualified(parts: &[String]) -> String {
    parts.iter().filter(|part| !part.is_empty()).map(|part| quote_ident(part)).collect::<Vec<_>>().join(".")
}
