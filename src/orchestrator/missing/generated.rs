//! Generated columns whose type or expression is declared otherwise. Their values are worked out from the row's others, so
//! nothing is lost when such a column is dropped and made anew. Pure; called by [`super::columns`].

use super::columns::{alter, definition};
use super::{Ask, Missing, requirements};
use crate::orchestrator::catalog::things::storage_word;
use crate::orchestrator::catalog::{Catalog, Column, Relation};
use crate::orchestrator::diff::Change;

/// Since this version a generated column's expression can be changed.
const SET_EXPRESSION: u32 = 170_000;

/// Whether the column is a generated one and is declared as another one.
pub(super) fn is_another(before: &Column, after: &Column) -> bool {
    let words = |column: &Column| {
        (column.data_type.clone(), column.collation.clone(), column.generated.clone(), column.default.clone())
    };
    !before.generated.is_empty() && !after.generated.is_empty() && words(before) != words(after)
}

/// `changes`: those of the column. The first that says it has the statement; where a parent has the column, its statement
/// is the children's too.
pub(super) fn plan(
    relation: &Relation,
    before: &Column,
    after: &Column,
    changes: Vec<Change>,
    ask: &Ask<'_>,
    missing: &mut Vec<Missing>,
) {
    let anew = !before.inherited && !can_be_set(before, after, ask.found.server_version);
    let mut sql = match before.inherited {
        true => own_expression(relation, after, ask),
        false => Some(statement(relation, after, anew)),
    };
    for change in changes {
        if requirements::is_about(&change) {
            // What is made anew is made with it.
            let sql = (!anew).then(|| requirements::statement(relation, before, after)).flatten();
            missing.push(Missing::of(change, sql));
            continue;
        }
        let sql = sql.take();
        missing.push(Missing { anew: anew && sql.is_some(), ..Missing::of(change, sql) });
    }
    if !anew {
        missing.extend(requirements::of_no_word(relation, before, after));
    }
}

/// Whether the column gets its new expression in place. A virtual one (since PostgreSQL 18) does not where the table has a
/// `CHECK` or is published; it holds nothing that would have to be written again.
fn can_be_set(before: &Column, after: &Column, server_version: u32) -> bool {
    let type_of = |column: &Column| (column.data_type.clone(), column.collation.clone(), column.generated.clone());
    server_version >= SET_EXPRESSION && type_of(before) == type_of(after) && after.generated == "s"
}

/// A child may work the column out otherwise than its parent, whose expression it gets whenever that is set.
fn own_expression(relation: &Relation, after: &Column, ask: &Ask<'_>) -> Option<String> {
    let mut parents = ask.wanted.relations.values().filter(|one| relation.parents.contains(&one.name));
    let is_its_own = parents.any(|parent| expression_in(parent, &after.name).is_some_and(|one| *one != after.default));
    (is_its_own && ask.found.server_version >= SET_EXPRESSION).then(|| statement(relation, after, false))
}

fn expression_in<'a>(relation: &'a Relation, column: &str) -> Option<&'a Option<String>> {
    relation.columns.values().find(|one| one.name == column).map(|one| &one.default)
}

/// Of a column that stays as it is: sets a child's own expression again behind its parent's.
pub(super) fn set_again(relation: &Relation, column: &Column, ask: &Ask<'_>) -> Option<Missing> {
    if column.generated.is_empty() || !column.inherited {
        return None;
    }
    let of = |catalog: &Catalog, name: &String| {
        let parent = catalog.relations.values().find(|one| one.name == *name)?;
        expression_in(parent, &column.name)?.clone()
    };
    let changes = relation.parents.iter().any(|parent| of(ask.found, parent) != of(ask.wanted, parent));
    let sql = own_expression(relation, column, ask).filter(|_| changes)?;
    Some(Missing::silent("SetDefault", &format!("{}.{}", relation.name, column.name), sql))
}

fn statement(relation: &Relation, after: &Column, anew: bool) -> String {
    let name = &after.name;
    if let Some(expression) = after.default.as_ref().filter(|_| !anew) {
        return alter(relation, &format!("ALTER COLUMN {name} SET EXPRESSION AS ({expression})"));
    }
    // With what depends on it out of the way it is dropped already.
    let mut sql = alter(relation, &format!("DROP COLUMN IF EXISTS {name}, ADD COLUMN {}", definition(after)));
    if let Some(storage) = after.storage {
        let storage = format!("ALTER COLUMN {name} SET STORAGE {}", storage_word(storage));
        sql += &format!("; {}", alter(relation, &storage));
    }
    if let Some(command) = requirements::aside(after) {
        sql += &format!("; {}", alter(relation, &command));
    }
    sql
}
