//! Generated columns whose type or expression is declared otherwise. Their values are worked out from the row's others, so
//! nothing is lost when such a column is dropped and made anew. Pure; called by [`super::columns`].

use super::Missing;
use super::columns::{alter, definition};
use crate::orchestrator::catalog::things::storage_word;
use crate::orchestrator::catalog::{Column, Relation};
use crate::orchestrator::diff::{Change, ChangeType};

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
    let mut sql = (!before.inherited).then(|| statement(relation, before, after, server_version));
    for change in changes {
        let name = &after.name;
        let not_null = match change.change_type {
            ChangeType::SetNotNull => Some(format!("ALTER COLUMN {name} SET NOT NULL")),
            ChangeType::DropNotNull => Some(format!("ALTER COLUMN {name} DROP NOT NULL")),
            _ => None,
        };
        if let Some(command) = not_null {
            missing.push(Missing::of(change, Some(alter(relation, &command))));
            continue;
        }
        let sql = sql.take();
        let anew = sql.as_ref().is_some_and(|sql| !sql.contains(" SET EXPRESSION AS "));
        missing.push(Missing { anew, ..Missing::of(change, sql) });
    }
}

fn statement(relation: &Relation, before: &Column, after: &Column, server_version: u32) -> String {
    let name = &after.name;
    let type_of = |column: &Column| (column.data_type.clone(), column.collation.clone(), column.generated.clone());
    if server_version >= SET_EXPRESSION
        && type_of(before) == type_of(after)
        && let Some(expression) = &after.default
    {
        return alter(relation, &format!("ALTER COLUMN {name} SET EXPRESSION AS ({expression})"));
    }
    // With what depends on it out of the way it is dropped already.
    let mut sql = alter(relation, &format!("DROP COLUMN IF EXISTS {name}, ADD COLUMN {}", definition(after)));
    if let Some(storage) = after.storage {
        let storage = format!("ALTER COLUMN {name} SET STORAGE {}", storage_word(storage));
        sql += &format!("; {}", alter(relation, &storage));
    }
    sql
}
