//! Columns come, go, are renamed, and change their type, default and NOT NULL.

use super::super::model::{Column, Id, Model, PartKind, Table};
use super::super::names::{self, quoted, sql_name};
use super::super::types::Type;
use super::tables::any_column;
use super::{Effects, any};
use crate::support::random::Random;

const WORDS: &[&str] = &["name", "amount", "order", "state", "value", "created"];

/// A column of any kind. `table_is_new`: there are no rows that lack it.
pub(super) fn new(model: &mut Model, random: &mut Random, table_is_new: bool) -> Column {
    let id = model.new_id();
    let kind = Type::any(model, random);
    let default = if random.below(3) == 0 { kind.default(model, random) } else { None };
    let may_be_not_null = table_is_new || default.is_some();
    Column {
        id,
        name: names::any(WORDS, id, random),
        kind,
        not_null: may_be_not_null && random.below(3) == 0,
        holds_nulls: !table_is_new && default.is_none(),
        holds_distinct: table_is_new,
        default,
    }
}

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = any(&model.tables, random)?.id;
    let table_is_empty = model.table(id).rows == 0;
    let mut column = new(model, random, false);
    column.holds_nulls &= !table_is_empty;
    let table = table_mut(model, id);
    let words = format!("add column {}.{}", sql_name(&table.name), quoted(&column.name));
    table.columns.push(column);
    Some(words)
}

pub(super) fn drop(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let (table, column) = any_column(model, random, |_, _| true)?;
    let words = format!("drop column {}", words(model, table, column));
    model.remove_column(table, column);
    Some(words)
}

pub(super) fn rename(model: &mut Model, deployed: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let (table, column) = any_column(model, random, |table, column| is_in(deployed, table, column))?;
    let number = model.new_id();
    let before = model.table(table).column(column).name.clone();
    let after = names::any(WORDS, number, random);
    let words = format!("rename column {} to {}", words(model, table, column), quoted(&after));
    let name = sql_name(&model.table(table).name);
    model.migrate(table, format!("ALTER TABLE {name} RENAME COLUMN {} TO {};", quoted(&before), quoted(&after)));
    column_mut(model, table, column).name = after;
    Some(words)
}

pub(super) fn widen(model: &mut Model, deployed: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    change_type(model, deployed, random, "widen", Type::wider)
}

pub(super) fn narrow(model: &mut Model, deployed: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    change_type(model, deployed, random, "narrow", Type::narrower)
}

/// Once in a deployment: there and back would be no change at all.
fn change_type(
    model: &mut Model,
    deployed: &Model,
    random: &mut Random,
    verb: &str,
    others: fn(Type) -> Vec<Type>,
) -> Option<String> {
    let changes = |table: &Table, column: &Column| {
        let is_as_deployed =
            is_in(deployed, table, column) && deployed.table(table.id).column(column.id).kind == column.kind;
        is_as_deployed && !others(column.kind).is_empty() && !is_key(table, column.id)
    };
    let (table, column) = any_column(model, random, changes)?;
    let kinds = others(model.table(table).column(column).kind);
    let kind = kinds[random.below(kinds.len())];
    column_mut(model, table, column).kind = kind;
    Some(format!("{verb} {} to {}", words(model, table, column), kind.sql(model)))
}

fn is_key(table: &Table, column: Id) -> bool {
    let is_foreign = |kind: PartKind| matches!(kind, PartKind::ForeignKey(_));
    table.parts.iter().any(|part| is_foreign(part.kind) && part.columns.contains(&column))
}

pub(super) fn change_default(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    // Rows that get the column by its default would point nowhere.
    let (table, column) = any_column(model, random, |table, column| !is_key(table, column.id))?;
    let one = model.table(table).column(column);
    let default = match one.default {
        Some(_) if random.below(2) == 0 && !one.not_null => None,
        _ => one.kind.default(model, random),
    };
    column_mut(model, table, column).default = default;
    Some(format!("change the default of {}", words(model, table, column)))
}

pub(super) fn drop_not_null(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let (table, column) = any_column(model, random, |_, column| column.not_null)?;
    column_mut(model, table, column).not_null = false;
    Some(format!("drop NOT NULL of {}", words(model, table, column)))
}

pub(super) fn set_not_null(
    model: &mut Model,
    deployed: &Model,
    random: &mut Random,
    _: &mut Effects,
) -> Option<String> {
    let is_wanted = |table: &Table, column: &Column| is_nullable_in(deployed, table, column) && !column.holds_nulls;
    let (table, column) = any_column(model, random, is_wanted)?;
    column_mut(model, table, column).not_null = true;
    Some(format!("set NOT NULL of {}", words(model, table, column)))
}

pub(super) fn fill_and_set_not_null(
    model: &mut Model,
    deployed: &Model,
    random: &mut Random,
    effects: &mut Effects,
) -> Option<String> {
    // The migration runs before a key goes that this version no longer has.
    let binds = |table: &Table, column: &Column| is_key(table, column.id) || table.is_unique(column.id);
    let is_bound_in = |version: &Model, table: &Table, column: &Column| {
        version.tables.iter().any(|one| one.id == table.id && binds(one, column))
    };
    let is_wanted = |table: &Table, column: &Column| {
        is_nullable_in(deployed, table, column) && !binds(table, column) && !is_bound_in(deployed, table, column)
    };
    let (table, column) = any_column(model, random, is_wanted)?;
    let name = sql_name(&model.table(table).name);
    let one = column_mut(model, table, column);
    (one.not_null, one.holds_nulls, one.holds_distinct) = (true, false, false);
    let (column_name, kind) = (quoted(&one.name), one.kind);
    let value = kind.value(model, 1000);
    model.migrate(table, format!("UPDATE {name} SET {column_name} = {value}\n    WHERE {column_name} IS NULL;"));
    effects.rewritten.insert((table, column));
    Some(format!("fill and set NOT NULL of {}", words(model, table, column)))
}

/// Whether the database has the column already.
fn is_in(deployed: &Model, table: &Table, column: &Column) -> bool {
    let table = deployed.tables.iter().find(|one| one.id == table.id);
    table.is_some_and(|table| table.columns.iter().any(|one| one.id == column.id))
}

fn is_nullable_in(deployed: &Model, table: &Table, column: &Column) -> bool {
    !column.not_null && is_in(deployed, table, column) && !deployed.table(table.id).column(column.id).not_null
}

fn words(model: &Model, table: Id, column: Id) -> String {
    let table = model.table(table);
    format!("{}.{}", sql_name(&table.name), quoted(&table.column(column).name))
}

pub(super) fn table_mut(model: &mut Model, id: Id) -> &mut Table {
    model.tables.iter_mut().find(|table| table.id == id).expect("references are kept whole")
}

fn column_mut(model: &mut Model, table: Id, column: Id) -> &mut Column {
    let columns = &mut table_mut(model, table).columns;
    columns.iter_mut().find(|one| one.id == column).expect("references are kept whole")
}
