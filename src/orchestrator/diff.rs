//! `Catalog × Catalog → Changes`: what happened to a database between two snapshots, or what it lacks of a declaration,
//! each change with its class (contract §4, "Classes of change"). Pure: no connection, no clock, no log.

mod types;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::catalog::{Catalog, Column, Definition, Domain, EnumType, Relation};

/// What a change does to rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
    /// Rows that hold a value which would be lost: counted on the database, for dataloss only. `None` where that is not known.
    pub rows_at_risk: Option<i64>,
    /// Which rows those are.
    #[serde(skip)]
    pub at_risk: Option<AtRisk>,
    /// Of many databases: where.
    #[serde(flatten)]
    pub places: Option<Places>,
}

/// In which of many databases a change is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Places {
    /// The first ones, by name.
    pub databases: Vec<String>,
    /// All of them.
    pub database_count: usize,
}

impl Places {
    /// More names than these help nobody.
    const MAX_NAMES: usize = 20;

    /// These databases.
    pub fn of(databases: impl IntoIterator<Item = String>) -> Self {
        let databases: Vec<_> = databases.into_iter().collect();
        Self { database_count: databases.len(), databases }.in_order()
    }

    /// These databases and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.databases.extend(others.databases);
        Self { database_count: self.database_count + others.database_count, ..self }.in_order()
    }

    fn in_order(mut self) -> Self {
        self.databases.sort_unstable();
        self.databases.truncate(Self::MAX_NAMES);
        self
    }
}

/// Which rows hold a value that a change would lose, in the names of before the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRisk {
    /// As PostgreSQL prints it; `None` where the table came with the deployment, so nothing was in it before.
    pub table: Option<String>,
    /// Which of its rows.
    pub rows: Rows,
}

/// Which rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every one.
    All,
    /// Those that have a value in the column.
    With(String),
    /// Those that have none.
    Without(String),
    /// Those whose value the other type does not take as it is.
    Unfit {
        /// The column.
        column: String,
        /// As `format_type` prints it.
        from: String,
        /// As `format_type` prints it.
        to: String,
    },
}

impl Rows {
    fn column(&mut self) -> Option<&mut String> {
        match self {
            Self::All => None,
            Self::With(column) | Self::Without(column) | Self::Unfit { column, .. } => Some(column),
        }
    }
}

/// The changes by class (`schema_validation`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
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

    /// Every change.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Change> {
        let incompatible = self.incompatible_changes.iter_mut();
        self.safe_changes.iter_mut().chain(&mut self.dataloss_changes).chain(incompatible)
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
    let types = Types::of(before, after);
    for (before, after) in pairs(&before.relations, &after.relations) {
        match (before, after) {
            (Some(before), Some(after)) => relation_changes(before, after, &types, &mut changes),
            (Some(gone), None) if gone.kind != 'c' => changes.push(dropped_table(gone)),
            (None, Some(made)) if made.kind != 'c' => {
                changes.push(plain(&made.name, ChangeType::CreateTable, None, "a new table holds no rows"));
            }
            _ => {}
        }
    }
    for (oid, was) in &before.enums {
        // A type that was made anew under its old name is the same type to whoever uses it.
        let anew = || after.enums.values().find(|one| one.name == was.name);
        if let Some(now) = after.enums.get(oid).or_else(anew) {
            enum_changes(&with_renamed_values(was, now), now, &mut changes);
        }
    }
    for (oid, was) in &before.domains {
        if let Some(now) = after.domains.get(oid) {
            domain_changes(was, now, &mut changes);
        }
    }
    changes
}

/// The enum as it was, its values under the names that they have now.
fn with_renamed_values(was: &EnumType, now: &EnumType) -> EnumType {
    let label = |(at, label): (usize, &String)| {
        let oid = was.value_oids.get(at);
        let place = oid.and_then(|oid| now.value_oids.iter().position(|one| one == oid));
        place.and_then(|place| now.values.get(place)).unwrap_or(label).clone()
    };
    EnumType { values: was.values.iter().enumerate().map(label).collect(), ..was.clone() }
}

/// Types that bear another name than before: a column of theirs has not changed its type.
#[derive(Default)]
pub(super) struct Types(BTreeMap<String, String>);

impl Types {
    fn of(before: &Catalog, after: &Catalog) -> Self {
        let names = |catalog: &Catalog| -> BTreeMap<String, String> {
            let enums = catalog.enums.iter().map(|(oid, one)| (format!("enum {oid}"), one.name.clone()));
            let domains = catalog.domains.iter().map(|(oid, one)| (format!("domain {oid}"), one.name.clone()));
            let relations = catalog.relations.iter().map(|(oid, one)| (format!("relation {oid}"), one.name.clone()));
            let others = catalog.others.iter().map(|(key, one)| (key.clone(), one.name.clone()));
            enums.chain(domains).chain(relations).chain(others).collect()
        };
        let now = names(after);
        let renamed = names(before).into_iter().filter_map(|(identity, old)| {
            let new = now.get(&identity)?;
            (*new != old).then(|| (old, new.clone()))
        });
        Self(renamed.collect())
    }

    /// A type's name of before, as it is now.
    fn now<'a>(&'a self, printed: &'a str) -> std::borrow::Cow<'a, str> {
        let (element, array) = printed.strip_suffix("[]").map_or((printed, ""), |element| (element, "[]"));
        match self.0.get(element) {
            Some(new) => format!("{new}{array}").into(),
            None => printed.into(),
        }
    }
}

/// Has the changes, which `found` names as it does, count their rows in `before`: the same tables and columns under the
/// names that they had then.
pub fn count_in_before(changes: &mut [Change], before: &Catalog, found: &Catalog) {
    for at_risk in changes.iter_mut().filter_map(|change| change.at_risk.as_mut()) {
        let Some(table) = at_risk.table.take() else { continue };
        let Some((oid, now)) = found.relations.iter().find(|(_, relation)| relation.name == table) else { continue };
        let Some(then) = before.relations.get(oid) else { continue };
        at_risk.table = Some(then.name.clone());
        if let Some(column) = at_risk.rows.column()
            && let Some((number, _)) = now.columns.iter().find(|(_, one)| one.name == *column)
        {
            match then.columns.get(number) {
                Some(one) => *column = one.name.clone(),
                None => at_risk.table = None,
            }
        }
    }
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
        at_risk: None,
        places: None,
    }
}

fn at_risk(table: &str, rows: Rows) -> Option<AtRisk> {
    Some(AtRisk { table: Some(table.to_owned()), rows })
}

pub(super) fn plain(table: &str, change_type: ChangeType, column: Option<&str>, reason: &str) -> Change {
    Change { column: column.map(str::to_owned), ..change(table, change_type, Compatibility::Safe, reason) }
}

pub(super) fn dropped_table(gone: &Relation) -> Change {
    let reason = "every row of the table would be lost; write a migration that moves what is needed elsewhere, or keep the \
                  table's file, or send force=true";
    let drop = change(&gone.name, ChangeType::DropTable, Compatibility::Dataloss, reason);
    Change { at_risk: at_risk(&gone.name, Rows::All), ..drop }
}

fn relation_changes(before: &Relation, after: &Relation, types: &Types, changes: &mut Vec<Change>) {
    let table = &after.name;
    let first = changes.len();
    if before.name != after.name {
        let reason = format!("the table {} keeps its rows", before.name);
        changes.push(plain(table, ChangeType::RenameTable, None, &reason));
    }
    for (number, column) in pairs_by_number(before, after) {
        match column {
            (Some(before), Some(after)) => column_changes(table, before, after, types, changes),
            (Some(gone), None) => match computed_anew(gone, number, before, after) {
                Some(now) => column_changes(table, gone, now, types, changes),
                None => changes.push(dropped_column(table, gone)),
            },
            (None, Some(added)) if computed_anew(added, number, after, before).is_some() => {}
            (None, Some(added)) => changes.push(added_column(table, added)),
            (None, None) => {}
        }
    }
    definition_changes(table, &before.constraints, &after.constraints, changes);
    definition_changes(table, &before.indexes, &after.indexes, changes);
    for at_risk in changes[first..].iter_mut().filter_map(|change| change.at_risk.as_mut()) {
        at_risk.table = Some(before.name.clone());
    }
}

fn pairs_by_number<'a>(
    before: &'a Relation,
    after: &'a Relation,
) -> impl Iterator<Item = (i16, (Option<&'a Column>, Option<&'a Column>))> {
    let numbers =
        before.columns.keys().chain(after.columns.keys().filter(|number| !before.columns.contains_key(number)));
    numbers.map(|number| (*number, (before.columns.get(number), after.columns.get(number))))
}

/// A generated column that `other` does not have under this number, but has made anew under its name: its values are
/// worked out from the row's others at any time, so it is the same column.
fn computed_anew<'a>(column: &Column, number: i16, one: &Relation, other: &'a Relation) -> Option<&'a Column> {
    if column.generated.is_empty() || other.columns.contains_key(&number) {
        return None;
    }
    let of_name = other.columns.iter().find(|(_, now)| now.name == column.name && !now.generated.is_empty());
    of_name.filter(|(number, _)| !one.columns.contains_key(number)).map(|(_, now)| now)
}

pub(super) fn dropped_column(table: &str, gone: &Column) -> Change {
    if !gone.generated.is_empty() {
        let reason = "what a generated column holds can be worked out again from the row's other columns";
        let drop = plain(table, ChangeType::DropColumn, Some(&gone.name), reason);
        return Change { from_type: Some(gone.data_type.clone()), ..drop };
    }
    let reason = "the column's values would be lost; write a migration that moves them, or that renames the column if that \
                  is what is meant, or send force=true";
    Change {
        column: Some(gone.name.clone()),
        from_type: Some(gone.data_type.clone()),
        at_risk: at_risk(table, Rows::With(gone.name.clone())),
        ..change(table, ChangeType::DropColumn, Compatibility::Dataloss, reason)
    }
}

pub(super) fn added_column(table: &str, added: &Column) -> Change {
    let (compatibility, reason) = if added.not_null && !added.has_value_of_its_own() {
        let reason = "rows that are there have no value for it; give it a DEFAULT, or write a migration that adds it as \
                      nullable, fills it and sets NOT NULL, and send force=true";
        (Compatibility::Dataloss, reason)
    } else {
        (Compatibility::Safe, "rows that are there get NULL or the default")
    };
    let rows = (compatibility == Compatibility::Dataloss).then(|| at_risk(table, Rows::All)).flatten();
    Change {
        column: Some(added.name.clone()),
        to_type: Some(added.data_type.clone()),
        at_risk: rows,
        ..change(table, ChangeType::AddColumn, compatibility, reason)
    }
}

pub(super) fn column_changes(table: &str, before: &Column, after: &Column, types: &Types, changes: &mut Vec<Change>) {
    let name = Some(after.name.as_str());
    if before.name != after.name {
        let reason = format!("the column {} keeps its values", before.name);
        changes.push(plain(table, ChangeType::RenameColumn, name, &reason));
    }
    if types.now(&before.data_type) != after.data_type {
        changes.push(changed_type(table, before, after));
    } else if (&before.collation, before.storage) != (&after.collation, after.storage) {
        let reason = "the values stay; only how they are sorted or stored changes";
        let same = plain(table, ChangeType::ModifyColumnType, name, reason);
        let data_type = Some(after.data_type.clone());
        changes.push(Change { from_type: data_type.clone(), to_type: data_type, ..same });
    }
    match (before.not_null, after.not_null) {
        (false, true) => {
            let reason = "rows with NULL in it would stand in the way; write a migration that fills them, then send \
                          force=true";
            let set = change(table, ChangeType::SetNotNull, Compatibility::Dataloss, reason);
            let rows = at_risk(table, Rows::Without(before.name.clone()));
            changes.push(Change { column: Some(after.name.clone()), at_risk: rows, ..set });
        }
        (true, false) => changes.push(plain(table, ChangeType::DropNotNull, name, "every row is still allowed")),
        (false, false) => changes.extend(changed_requirement(table, before, after)),
        (true, true) => {}
    }
    changes.extend(changed_default(table, before, after));
}

/// Of a column in which rows may hold NULL before and after: what is `NOT VALID` is about the rows to come.
fn changed_requirement(table: &str, before: &Column, after: &Column) -> Option<Change> {
    let of = |column: &Column| column.requirement.as_ref().filter(|one| one.local).map(|one| one.name.clone());
    match (of(before), of(after)) {
        (None, Some(made)) => {
            let reason = "it is NOT VALID: PostgreSQL checks new rows, not those that are there";
            Some(plain(table, ChangeType::AddConstraint, Some(&made), reason))
        }
        (Some(gone), None) => Some(plain(table, ChangeType::DropConstraint, Some(&gone), "every row is still allowed")),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

fn changed_default(table: &str, before: &Column, after: &Column) -> Option<Change> {
    let name = Some(after.name.as_str());
    let value = |column: &Column| (column.default.clone(), column.identity.clone(), column.generated.clone());
    if value(before) == value(after) {
        return None;
    }
    if before.generated.is_empty() && !after.generated.is_empty() {
        let reason = "the values that are there would give way to computed ones; write a migration that drops the column \
                      and adds it again as generated, and send force=true";
        let set = change(table, ChangeType::SetDefault, Compatibility::Incompatible, reason);
        return Some(Change { column: Some(after.name.clone()), ..set });
    }
    let change_type = if after.has_value_of_its_own() { ChangeType::SetDefault } else { ChangeType::DropDefault };
    let reason = match after.generated.as_str() {
        "" => "rows that are there keep their values",
        _ => "the values are computed anew from the row's other columns",
    };
    Some(plain(table, change_type, name, reason))
}

fn changed_type(table: &str, before: &Column, after: &Column) -> Change {
    let is_computed = !before.generated.is_empty() && !after.generated.is_empty();
    let compatibility = match is_computed {
        true => Compatibility::Safe,
        false => types::compare(&before.data_type, &after.data_type),
    };
    let reason = match compatibility {
        Compatibility::Safe if is_computed => "the values are computed anew from the row's other columns",
        Compatibility::Safe => "every value fits the wider type",
        Compatibility::Dataloss => {
            "not every value fits the narrower type; write a migration that mends those, then send force=true"
        }
        Compatibility::Incompatible => {
            "values have no obvious counterpart in the other type; write a migration with ALTER COLUMN … TYPE … USING \
             and send force=true"
        }
    };
    let unfit =
        Rows::Unfit { column: before.name.clone(), from: before.data_type.clone(), to: after.data_type.clone() };
    Change {
        column: Some(after.name.clone()),
        from_type: Some(before.data_type.clone()),
        to_type: Some(after.data_type.clone()),
        at_risk: (compatibility == Compatibility::Dataloss).then(|| at_risk(table, unfit)).flatten(),
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
    let reason = "rows may hold the value; write a migration that makes a new type and moves the columns to it, and \
                  send force=true";
    for value in if gone.is_empty() { before.values.iter().collect() } else { gone } {
        let drop = change(&after.name, ChangeType::DropEnumValue, Compatibility::Incompatible, reason);
        changes.push(Change { column: Some(value.clone()), ..drop });
    }
}

/// What can be said of a domain without touching the columns that use it.
pub(super) fn domain_changes(before: &Domain, after: &Domain, changes: &mut Vec<Change>) {
    let domain = &after.name;
    if before.base_type != after.base_type {
        let reason = "a domain cannot be moved to another type; write a migration that makes a new domain and moves the \
                      columns to it, and send force=true";
        let modify = change(domain, ChangeType::ModifyColumnType, Compatibility::Incompatible, reason);
        let (from_type, to_type) = (Some(before.base_type.clone()), Some(after.base_type.clone()));
        changes.push(Change { from_type, to_type, ..modify });
    }
    match (before.not_null, after.not_null) {
        (false, true) => {
            let reason = "columns of the domain may hold NULL; write a migration that fills them, then send force=true";
            changes.push(change(domain, ChangeType::SetNotNull, Compatibility::Dataloss, reason));
        }
        (true, false) => changes.push(plain(domain, ChangeType::DropNotNull, None, "every row is still allowed")),
        (false, false) | (true, true) => {}
    }
    match (&before.default, &after.default) {
        (before, Some(after)) if before.as_ref() != Some(after) => {
            changes.push(plain(domain, ChangeType::SetDefault, None, "rows that are there keep their values"));
        }
        (Some(_), None) => {
            changes.push(plain(domain, ChangeType::DropDefault, None, "rows that are there keep their values"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
