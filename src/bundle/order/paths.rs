//! Files that set a `search_path`: where their names lead is known once every file is read. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pg_query::NodeEnum;

use super::Script;
use crate::bundle::sql::{Class, Names, Object, Statement};

/// Gives the names in such files their schemas.
pub(super) fn resolve(script: &mut Script) {
    let paths: HashSet<Vec<String>> =
        script.statements.iter().chain(&script.seeds).filter_map(path_of).cloned().collect();
    if paths.is_empty() {
        return;
    }
    let schemas = schemas(script);
    // First what is made, then what statements are about: that may stand in any schema of the path.
    let targets: HashMap<Vec<String>, Option<String>> =
        paths.into_iter().map(|path| (path.clone(), target(&path, &schemas))).collect();
    let names = |path: &Vec<String>, made: &[Object]| {
        let target = targets.get(path).and_then(Option::as_ref);
        Arc::new(Names::new(path, target, made.iter()))
    };
    let first: HashMap<_, _> = targets.keys().map(|path| (path.clone(), names(path, &[]))).collect();
    give(script, &first);
    let made: Vec<Object> = script.statements.iter().flat_map(made_itself).collect();
    let second: HashMap<_, _> = targets.keys().map(|path| (path.clone(), names(path, &made))).collect();
    give(script, &second);
}

fn path_of(statement: &Statement) -> Option<&Vec<String>> {
    statement.settings.path.as_ref().filter(|path| !path.is_empty())
}

fn give(script: &mut Script, names: &HashMap<Vec<String>, Arc<Names>>) {
    for statement in script.statements.iter_mut().chain(&mut script.seeds) {
        if let Some(names) = path_of(statement).and_then(|path| names.get(path)).cloned() {
            statement.name_with(names);
        }
    }
}

/// Every schema that may be there: PostgreSQL passes over those of a path that are not.
fn schemas(script: &Script) -> HashSet<String> {
    let of_extensions = script.extensions.iter().filter_map(|extension| extension.schema.clone());
    let made = script.statements.iter().flat_map(|statement| &statement.makes);
    let made = made.filter(|made| made.class == Class::Schema).map(|made| made.name.clone());
    made.chain(of_extensions).chain(["public".to_owned()]).collect()
}

/// The schema in which things are made: the first one that is there. What no file makes may have been made otherwise, so it
/// counts where nothing else does.
fn target(path: &[String], schemas: &HashSet<String>) -> Option<String> {
    let can_hold = |schema: &&String| !["$user", "pg_catalog", "pg_temp"].contains(&schema.as_str());
    let mut usable = path.iter().filter(can_hold);
    usable.clone().find(|schema| schemas.contains(*schema)).or_else(|| usable.next()).cloned()
}

/// Not an index: its schema is that of its table.
fn made_itself(statement: &Statement) -> Vec<Object> {
    let is_made = |made: &&Object| !matches!(made.class, Class::Part | Class::Key | Class::Details | Class::Rows);
    match statement.tree.as_ref() {
        NodeEnum::IndexStmt(_) => Vec::new(),
        _ => statement.makes.iter().filter(is_made).cloned().collect(),
    }
}
