//! `Catalog × Catalog → Changes`: what happened to a database between two snapshots, or what it lacks of a declaration,
//! each change with its class (contract §4, "Classes of change"). Pure: no connection, no clock, no log.

mod types;

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalog::{Catalog, Column, Definition, EnumType, Relation};

/// What a change does to rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compatibility {
    /// No value is lost.
    Safe,
    /// Values are, or may be, lost: only with `force=true`.
    Dataloss,
    /// Values have no obvious counterpart: only a migration can say what becomes of them.
    Incompatible,
}

/// The contract's words for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it, and are the contract's")]
pub enum ChangeType {
    CreateTable,
    DropTable,
    AddColumn,
    DropColumn,
    RenameColumn,
    RenameTable,
    ModifyColumnType,
    SetNotNull,
    DropNotNull,
    SetDefault,
    DropDefault,
    AddConstraint,
    DropConstraint,
    AddIndex,
    DropIndex,
    AddEnumValue,
    DropEnumValue,
}

impl ChangeType {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateTable => "CreateTable",
            Self::DropTable => "DropTable",
            Self::AddColumn => "AddColumn",
            Self::DropColumn => "DropColumn",
            Self::RenameColumn => "RenameColumn",
            Self::RenameTable => "RenameTable",
            Self::ModifyColumnType => "ModifyColumnType",
            Self::SetNotNull => "SetNotNull",
            Self::DropNotNull => "DropNotNull",
            Self::SetDefault => "SetDefault",
            Self::DropDefault => "DropDefault",
            Self::AddConstraint => "AddConstraint",
            Self::DropConstraint => "DropConstraint",
            Self::AddIndex => "AddIndex",
            Self::DropIndex => "DropIndex",
            Self::AddEnumValue => "AddEnumValue",
            Self::DropEnumValue => "DropEnumValue",
        }
    }
}

/// One change, as the client reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The table, or the type of an enum value; as PostgreSQL prints it.
    pub table: String,
    /// What happened.
    pub change_type: ChangeType,
    /// The column, constraint, index or value.
    pub column: Option<String>,
    /// As `format_type` prints it.
    pub from_type: Option<String>,
    /// As `format_type` prints it.
    pub to_type: Option<String>,
    /// The class.
    pub compatibility: Compatibility,
    /// Why it has that class, and what to do.
    pub reason: String,
    /// Rows that hold a value which would be lost: counted on the database, for dataloss only.
    pub rows_at_risk: Option<i64>,
}

/// The changes by class (`schema_validation`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SchemaValidation {
    /// Applied.
    pub safe_changes: Vec<Change>,
    /// Blocked without `force=true`.
    pub dataloss_changes: Vec<Change>,
    /// Blocked, unless a migration makes it itself and `force=true`.
    pub incompatible_changes: Vec<Change>,
}

impl SchemaValidation {
    /// Sorts changes into their lists.
    pub fn of(changes: Vec<Change>) -> Self {
        let mut lists = Self::default();
        for change in changes {
            match change.compatibility {
                Compatibility::Safe => lists.safe_changes.push(change),
                Compatibility::Dataloss => lists.dataloss_changes.push(change),
                Compatibility::Incompatible => lists.incompatible_changes.push(change),
            }
        }
        lists
    }

    /// Whether changes that migrations made need `force=true`.
    pub fn needs_force(&self) -> bool {
        !self.dataloss_changes.is_empty() || !self.incompatible_changes.is_empty()
    }
}

/// What happened to a database between two of its snapshots: the same oid is the same table, the same number the same
/// column, so renames show as such.
pub fn between(before: &Catalog, after: &Catalog) -> Vec<Change> {
    let mut changes = Vec::new();
    for (before, after) in pairs(&before.relations, &after.relations) {
        match (before, after) {
            (Some(before), Some(after)) => relation_changes(before, after, &mut changes),
            (Some(gone), None) if gone.kind != 'c' => changes.push(dropped_table(gone)),
            (None, Some(made)) if made.kind != 'c' => {
                changes.push(plain(&made.name, ChangeType::CreateTable, None, "a new table holds no rows"));
            }
            _ => {}
        }
    }
    for (before, after) in pairs(&before.enums, &after.enums) {
        if let (Some(before), Some(after)) = (before, after) {
            enum_changes(before, after, &mut changes);
        }
    }
    changes
}

/// Both sides of each key.
fn pairs<'a, K: Ord + Copy, V>(
    before: &'a BTreeMap<K, V>,
    after: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (Option<&'a V>, Option<&'a V>)> {
    let kept_or_gone = before.iter().map(|(key, value)| (Some(value), after.get(key)));
    let made = after.iter().filter(|(key, _)| !before.contains_key(key)).map(|(_, value)| (None, Some(value)));
    kept_or_gone.chain(made)
}

fn change(table: &str, change_type: ChangeType, compatibility: Compatibility, reason: impl Into<String>) -> Change {
    Change {
        table: table.to_owned(),
        change_type,
        column: None,
        from_type: None,
        to_type: None,
        compatibility,
        reason: reason.into(),
        rows_at_risk: None,
    }
}

pub(super) fn plain(table: &str, change_type: ChangeType, column: Option<&str>, reason: &str) -> Change {
    Change { column: column.map(str::to_owned), ..change(table, change_type, Compatibility::Safe, reason) }
}

pub(super) fn dropped_table(gone: &Relation) -> Change {
    let reason = "every row of the table would be lost; move what is needed in a migration, then send force=true";
    change(&gone.name, ChangeType::DropTable, Compatibility::Dataloss, reason)
}

fn relation_changes(before: &Relation, after: &Relation, changes: &mut Vec<Change>) {
    let table = &after.name;
    if before.name != after.name {
        let reason = format!("the table {} keeps its rows", before.name);
        changes.push(plain(table, ChangeType::RenameTable, None, &reason));
    }
    for (before, after) in pairs(&before.columns, &after.columns) {
        match (before, after) {
            (Some(before), Some(after)) => column_changes(table, before, after, changes),
            (Some(gone), None) => changes.push(dropped_column(table, gone)),
            (None, Some(added)) => changes.push(added_column(table, added)),
            (None, None) => {}
        }
    }
    definition_changes(table, &before.constraints, &after.constraints, changes);
    definition_changes(table, &before.indexes, &after.indexes, changes);
}

pub(super) fn dropped_column(table: &str, gone: &Column) -> Change {
    let reason = "the column's values would be lost; move what is needed in a migration, then send force=true";
    Change {
        column: Some(gone.name.clone()),
        from_type: Some(gone.data_type.clone()),
        ..change(table, ChangeType::DropColumn, Compatibility::Dataloss, reason)
    }
}

pub(super) fn added_column(table: &str, added: &Column) -> Change {
    let (compatibility, reason) = if added.not_null && !added.has_value_of_its_own() {
        let reason = "rows that are there have no value for it; give it a DEFAULT, or add it as nullable, fill it in a \
                      migration and set NOT NULL there";
        (Compatibility::Dataloss, reason)
    } else {
        (Compatibility::Safe, "rows that are there get NULL or the default")
    };
    Change {
        column: Some(added.name.clone()),
        to_type: Some(added.data_type.clone()),
        ..change(table, ChangeType::AddColumn, compatibility, reason)
    }
}

pub(super) fn column_changes(table: &str, before: &Column, after: &Column, changes: &mut Vec<Change>) {
    let name = Some(after.name.as_str());
    if before.name != after.name {
        let reason = format!("the column {} keeps its values", before.name);
        changes.push(plain(table, ChangeType::RenameColumn, name, &reason));
    }
    if before.data_type != after.data_type {
        changes.push(changed_type(table, before, after));
    }
    match (before.not_null, after.not_null) {
        (false, true) => {
            let reason = "rows with NULL in it would stand in the way; fill them in a migration, then send force=true";
            let set = change(table, ChangeType::SetNotNull, Compatibility::Dataloss, reason);
            changes.push(Change { column: Some(after.name.clone()), ..set });
        }
        (true, false) => changes.push(plain(table, ChangeType::DropNotNull, name, "every row is still allowed")),
        (false, false) | (true, true) => {}
    }
    let value = |column: &Column| (column.default.clone(), column.identity.clone(), column.generated.clone());
    if value(before) != value(after) {
        let change_type = if after.has_value_of_its_own() { ChangeType::SetDefault } else { ChangeType::DropDefault };
        changes.push(plain(table, change_type, name, "rows that are there keep their values"));
    }
}

fn changed_type(table: &str, before: &Column, after: &Column) -> Change {
    let compatibility = types::compare(&before.data_type, &after.data_type);
    let reason = match compatibility {
        Compatibility::Safe => "every value fits the wider type",
        Compatibility::Dataloss => {
            "not every value fits the narrower type; check or mend them in a migration, then send force=true"
        }
        Compatibility::Incompatible => {
            "values have no obvious counterpart in the other type; write a migration with ALTER COLUMN … TYPE … USING \
             and send force=true"
        }
    };
    Change {
        column: Some(after.name.clone()),
        from_type: Some(before.data_type.clone()),
        to_type: Some(after.data_type.clone()),
        ..change(table, ChangeType::ModifyColumnType, compatibility, reason)
    }
}

fn definition_changes(
    table: &str,
    before: &BTreeMap<u32, Definition>,
    after: &BTreeMap<u32, Definition>,
    changes: &mut Vec<Change>,
) {
    for (before, after) in pairs(before, after) {
        let (kind, name, added) = match (before, after) {
            (None, Some(made)) => (made.kind, &made.name, true),
            (Some(gone), None) => (gone.kind, &gone.name, false),
            _ => continue,
        };
        let (change_type, reason) = match (kind, added) {
            ('i', true) => (ChangeType::AddIndex, "an index holds no values of its own"),
            ('i', false) => (ChangeType::DropIndex, "an index holds no values of its own"),
            (_, true) => (ChangeType::AddConstraint, "PostgreSQL checks it against the rows that are there"),
            (_, false) => (ChangeType::DropConstraint, "every row is still allowed"),
        };
        changes.push(plain(table, change_type, Some(name), reason));
    }
}

/// An enum keeps its values in their order, or columns of it change their meaning.
pub(super) fn enum_changes(before: &EnumType, after: &EnumType, changes: &mut Vec<Change>) {
    let mut kept = after.values.iter().filter(|value| before.values.contains(value));
    let in_order = before.values.iter().all(|value| kept.next() == Some(value));
    for value in after.values.iter().filter(|value| !before.values.contains(value)) {
        let reason = "rows that are there hold other values";
        changes.push(plain(&after.name, ChangeType::AddEnumValue, Some(value), reason));
    }
    if in_order {
        return;
    }
    let gone: Vec<&String> = before.values.iter().filter(|value| !after.values.contains(value)).collect();
    let reason = "rows may hold the value; write a migration that makes a new type and moves the columns to it";
    for value in if gone.is_empty() { before.values.iter().collect() } else { gone } {
        let drop = change(&after.name, ChangeType::DropEnumValue, Compatibility::Incompatible, reason);
        changes.push(Change { column: Some(value.clone()), ..drop });
    }
}

#[cfg(test)]
mod tests;
