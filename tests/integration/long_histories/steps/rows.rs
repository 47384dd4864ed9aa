//! Rows that migrations bring and change.

use super::{Statements, World};
use crate::long_histories::model::{Origin, Rule, Table, Type};

/// A constant for a column; no two of the types that can be told apart are equal.
pub(super) fn value(world: &mut World, ty: Type) -> String {
    let number = world.model.next();
    match ty {
        Type::Enum(id) => {
            let labels = world.model.enumeration(id).labels.clone();
            format!("'{}'", world.pick(&labels).expect("an enum has values"))
        }
        Type::Plain("integer" | "bigint") => number.to_string(),
        Type::Plain("numeric(8,2)" | "numeric(12,2)") => format!("{number}.25"),
        Type::Plain("boolean") => (if number.is_multiple_of(2) { "true" } else { "false" }).to_owned(),
        Type::Plain("date") => format!("'2021-03-{:02}'", 1 + number % 28),
        Type::Plain("timestamp with time zone" | "timestamp without time zone") => {
            format!("'2021-03-{:02} 10:00:00'", 1 + number % 28)
        }
        Type::Plain("jsonb") => format!("'{{\"n\": {number}}}'"),
        Type::Plain("uuid") => format!("'00000000-0000-4000-8000-{number:012}'"),
        Type::Plain("text[]") => format!("'{{a,b{number}}}'"),
        Type::Plain(_) => format!("'It''s no. {number}'"),
    }
}

/// The same with its type, as a default is printed.
pub(super) fn default(world: &mut World, ty: Type) -> String {
    let value = value(world, ty);
    match ty {
        Type::Plain("integer" | "bigint" | "boolean" | "numeric(8,2)" | "numeric(12,2)") => value,
        _ => format!("{value}::{}", world.model.type_name(ty)),
    }
}

/// One that a reference may hold: `None` where there is no row.
fn referred(world: &World, table: usize, column: usize) -> Option<String> {
    let target = world.model.table(table);
    target.has_rows.then(|| {
        let name = world.model.idents(&[column]);
        format!("(SELECT {name} FROM {} ORDER BY 1 LIMIT 1)", world.model.full(&target.name))
    })
}

fn row(world: &mut World, table: &Table, columns: &[usize]) -> Option<String> {
    let mut values = Vec::new();
    for id in columns {
        let column = table.column(*id);
        let reference = table.constraints.iter().find_map(|constraint| match constraint.what {
            Rule::Foreign(own, other, key, _) if own == *id => Some((other, key)),
            _ => None,
        });
        values.push(match reference {
            Some((other, key)) => match referred(world, other, key) {
                Some(value) => value,
                None if column.not_null => return None,
                None => "NULL".to_owned(),
            },
            None => value(world, column.ty),
        });
    }
    Some(format!("({})", values.join(", ")))
}

/// The columns that an INSERT names: all that have to be, and some others.
fn named(world: &mut World, table: &Table) -> Vec<usize> {
    let mut columns = Vec::new();
    for column in &table.columns {
        let is_own = column.generated.is_some() || !matches!(column.origin, Origin::Written);
        let is_needed = column.not_null && column.default.is_none();
        let is_random = column.default.as_ref().is_some_and(|default| default.starts_with("gen_random"));
        if !is_own && (is_needed || is_random || !world.chance(3)) {
            columns.push(column.id);
        }
    }
    columns
}

pub(super) fn insert(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, _| true)?;
    let columns = named(world, &table);
    if columns.is_empty() {
        return None;
    }
    let rows: Option<Vec<String>> = (0..1 + world.random.below(3)).map(|_| row(world, &table, &columns)).collect();
    let names = world.model.idents(&columns);
    let changed = world.model.table_mut(table.id);
    (changed.had_rows, changed.has_rows) = (true, true);
    Some(vec![format!("INSERT INTO {} ({names}) VALUES {}", world.model.full(&table.name), rows?.join(", "))])
}

pub(super) fn update(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|model, table, column| {
        let one = table.column(column);
        one.generated.is_none() && table.had_rows && !one.of_the_moment && !model.is_in_a_rule(table.id, column)
    })?;
    let column = table.column(id).clone();
    let (name, value) = (world.model.ident(&column.name), value(world, column.ty));
    world.model.table_mut(table.id).column_mut(id).distinct = false;
    let which = if world.chance(2) { format!(" WHERE {name} IS NOT NULL") } else { String::new() };
    Some(vec![format!("UPDATE {} SET {name} = {value}{which}", world.model.full(&table.name))])
}

pub(super) fn delete(world: &mut World) -> Option<Statements> {
    let table =
        world.table(|model, table| table.had_rows && !model.is_referenced(table.id) && table.key().is_some())?;
    let name = world.model.full(&table.name);
    world.model.table_mut(table.id).has_rows = false;
    let key = world.model.idents(&[table.key()?]);
    Some(vec![format!("DELETE FROM {name} WHERE {key} IN (SELECT {key} FROM {name} ORDER BY {key} DESC LIMIT 1)")])
}

/// A column's values go into a table of their own.
pub(super) fn copy(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        table.column(column).ty == Type::Plain("text") && table.partitions.is_none() && table.had_rows
    })?;
    let target = world.table(|_, other| {
        let mut columns = other.columns.iter();
        other.id != table.id
            && columns.next().is_some_and(|key| key.origin != Origin::Written)
            && other.columns.iter().skip(1).all(|column| !column.not_null || column.default.is_some())
            && other.columns.iter().skip(1).any(|column| column.ty == Type::Plain("text") && column.generated.is_none())
    })?;
    let into = target.columns.iter().skip(1).find(|one| one.ty == Type::Plain("text") && one.generated.is_none())?.id;
    if world.model.is_in_a_rule(target.id, into) {
        return None;
    }
    let (from, to) = (world.model.idents(&[id]), world.model.idents(&[into]));
    let (source, goal) = (world.model.full(&table.name), world.model.full(&target.name));
    let changed = world.model.table_mut(target.id);
    changed.had_rows = true;
    changed.column_mut(into).distinct = false;
    Some(vec![format!("INSERT INTO {goal} ({to}) SELECT coalesce({from}, 'none') FROM {source} ORDER BY 1")])
}
