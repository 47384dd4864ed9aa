//! Enum values: new ones take the place that the declaration gives them; values that are gone or have moved are a
//! migration's. Pure; called by [`super`].

use super::Missing;
use crate::databases::quote_literal;
use crate::orchestrator::catalog::EnumType;
use crate::orchestrator::diff::{self, ChangeType};

pub(super) fn plan(found: &EnumType, wanted: &EnumType, missing: &mut Vec<Missing>) {
    let mut changes = Vec::new();
    diff::enum_changes(found, wanted, &mut changes);
    for change in changes {
        let value = change.column.clone().unwrap_or_default();
        let adds = change.change_type == ChangeType::AddEnumValue;
        let sql = adds.then(|| add_value(&wanted.name, &value, &found.values, &wanted.values));
        missing.push(Missing::of(change, sql));
    }
}

/// The statement that adds `value`, after those that stand before it in `wanted` and are there already.
pub fn add_value(name: &str, value: &str, found: &[String], wanted: &[String]) -> String {
    let at = wanted.iter().position(|one| one == value).unwrap_or(0);
    let place = match at.checked_sub(1) {
        Some(previous) => format!(" AFTER {}", quote_literal(&wanted[previous])),
        None => found.first().map(|first| format!(" BEFORE {}", quote_literal(first))).unwrap_or_default(),
    };
    format!("ALTER TYPE {name} ADD VALUE {}{place}", quote_literal(value))
}
