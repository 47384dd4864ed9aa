//! Generated columns whose type or expression is declared otherwise. Their values are worked out from the row's others, so
//! nothing is lost when such a column is dropped and made anew. Pure; called by [`super::columns`].

use super::columns::{alter, definition};
use super::{Missing, requirements};
use crate::orchestrator::catalog::things::storage_word;
use crate::orchestrator::catalog::{Column, Relation};
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
    server_version: u32,
    missing: &mut Vec<Missing>,
) {
    let anew = !before.inherited && !can_be_set(before, after, server_version);
    let mut sql = (!before.inherited).then(|| statement(relation, after, anew));
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
