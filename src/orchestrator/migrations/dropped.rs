//! What a migration drops, in a new database: nothing that the bundle declares, for the declaration is the final state. Pure;
//! called by [`super::declared`].

use pg_query::protobuf::{DropStmt, ObjectType};
use pg_query::{Node, NodeEnum};

use super::declared::{Decision, Declared, Live, Name};
use crate::bundle::sql::{Class, Object, facts};

/// What becomes of a `DROP`: whatever of it is declared is left out. `live` is what there is of the first table in it.
pub fn decide(drop: &DropStmt, declared: &Declared, live: &Live) -> Decision {
    let (kept, rest): (Vec<&Node>, Vec<&Node>) =
        drop.objects.iter().partition(|object| is_declared(drop, object, declared));
    if let Some(first) = kept.first() {
        let name = words(first).pop().unwrap_or_default();
        let reason = format!("{name} is declared, and the declaration is the final state");
        if rest.is_empty() {
            return Decision::Skip(reason);
        }
        let rest = DropStmt { objects: rest.into_iter().cloned().collect(), ..drop.clone() };
        return Decision::RunOnly { tree: Box::new(NodeEnum::DropStmt(rest)), reason };
    }
    // Where the bundle declares tables, one that is neither declared nor there is gone as it should be.
    let declares = declared.has_any();
    match names(drop).as_slice() {
        [table] if drop.remove_type == ObjectType::ObjectTable as i32 && declares && !live.exists => {
            Decision::Skip(format!("the table {} is not declared and not there", table.1))
        }
        _ => Decision::Run { forgiving: declares },
    }
}

fn is_declared(drop: &DropStmt, object: &Node, declared: &Declared) -> bool {
    use ObjectType as Kind;
    let mut words = words(object);
    let Some(last) = words.pop() else { return false };
    let before = words.pop();
    let name = (before.clone().unwrap_or_else(|| PUBLIC.to_owned()), last.clone());
    match Kind::try_from(drop.remove_type) {
        Ok(Kind::ObjectTable | Kind::ObjectForeignTable) => declared.is_table(&name),
        Ok(Kind::ObjectTrigger | Kind::ObjectPolicy | Kind::ObjectRule) => {
            // The words are schema, table and name.
            let schema = words.pop().unwrap_or_else(|| PUBLIC.to_owned());
            declared.parts.contains(&((schema, before.unwrap_or_default()), last))
        }
        Ok(Kind::ObjectFunction | Kind::ObjectProcedure | Kind::ObjectRoutine | Kind::ObjectAggregate) => {
            is_declared_routine(object, declared)
        }
        Ok(Kind::ObjectSchema) => declared.schemas.contains(&last),
        Ok(Kind::ObjectExtension) => declared.extensions.contains(&last),
        _ => declared.relations.contains(&name) || declared.types.contains(&name),
    }
}

/// Whether a routine that is named with or without its types is declared.
pub fn is_declared_routine(object: &Node, declared: &Declared) -> bool {
    let Some(NodeEnum::ObjectWithArgs(named)) = &object.node else { return false };
    let mut words = words(object);
    let Some(name) = words.pop() else { return false };
    let schema = words.pop().unwrap_or_else(|| PUBLIC.to_owned());
    let routine = Object { class: Class::Routine, schema, name };
    match facts::types_of_named(named) {
        Some(types) => declared.overloads.contains(&(routine, types)),
        None => declared.overloads.iter().any(|(declared, _)| *declared == routine),
    }
}

const PUBLIC: &str = "public";

/// The relations or types that a `DROP` names.
pub fn names(drop: &DropStmt) -> Vec<Name> {
    let of_relations =
        drop.objects.iter().filter(|object| matches!(&object.node, Some(NodeEnum::List(_) | NodeEnum::TypeName(_))));
    let name = |object: &Node| {
        let mut words = words(object);
        let last = words.pop()?;
        Some((words.pop().unwrap_or_else(|| PUBLIC.to_owned()), last))
    };
    of_relations.filter_map(name).collect()
}

/// The schemas that a `DROP SCHEMA` names.
pub fn schemas(drop: &DropStmt) -> Vec<String> {
    drop.objects.iter().filter_map(|object| words(object).pop()).collect()
}

fn words(object: &Node) -> Vec<String> {
    match &object.node {
        Some(NodeEnum::List(list)) => facts::words(&list.items),
        Some(NodeEnum::TypeName(name)) => facts::words(&name.names),
        Some(NodeEnum::ObjectWithArgs(object)) => facts::words(&object.objname),
        Some(NodeEnum::String(name)) => vec![name.sval.clone()],
        _ => Vec::new(),
    }
}
