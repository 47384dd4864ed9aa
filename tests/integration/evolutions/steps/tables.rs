//! Tables come, go, and are renamed.

use super::super::model::{Column, Id, Key, Model, Name, PartKind, Table};
use super::super::names::{self, quoted, sql_name};
use super::super::types::Type;
use super::{Effects, any, columns};
use crate::support::random::Random;

const WORDS: &[&str] = &["orders", "user", "items", "invoices", "group", "notes"];

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = model.new_id();
    let schema = match model.schemas.first() {
        Some(schema) if random.below(3) == 0 => schema.clone(),
        _ => "public".to_owned(),
    };
    let keys = [Key::Integer, Key::Serial, Key::BigSerial, Key::Identity, Key::IdentityByDefault];
    let comment = (random.below(4) == 0).then(|| "It's \"here\"".to_owned());
    let mut table = Table {
        id,
        name: Name { schema, name: names::any(WORDS, id, random) },
        key: keys[random.below(keys.len())],
        columns: Vec::new(),
        parts: Vec::new(),
        comment,
        rows: 0,
    };
    for _ in 0..=random.below(5) {
        let column = columns::new(model, random, true);
        table.columns.push(column);
    }
    let words = format!("add table {}", sql_name(&table.name));
    model.tables.push(table);
    Some(words)
}

/// Without the migrations that were about it: a new database would have nothing to run them on.
pub(super) fn drop(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let unreferenced = model.tables.iter().filter(|table| !is_referenced(model, table.id));
    let table = any(unreferenced, random).filter(|_| model.tables.len() > 1)?;
    let (id, words) = (table.id, format!("drop table {}", sql_name(&table.name)));
    model.tables.retain(|table| table.id != id);
    model.remove_views(|view| view.table == id);
    model.migrations.retain(|migration| migration.table != id);
    Some(words)
}

fn is_referenced(model: &Model, id: Id) -> bool {
    model
        .tables
        .iter()
        .filter(|table| table.id != id)
        .flat_map(|table| &table.parts)
        .any(|part| part.kind == PartKind::ForeignKey(id))
}

/// Only with a key that draws from no sequence: that would keep its name.
pub(super) fn rename(model: &mut Model, deployed: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let there = |table: &&Table| deployed.tables.iter().any(|one| one.id == table.id);
    let id = any(model.tables.iter().filter(there).filter(|table| table.key == Key::Integer), random)?.id;
    let number = model.new_id();
    let table = model.tables.iter_mut().find(|table| table.id == id)?;
    let before = table.name.clone();
    table.name.name = names::any(WORDS, number, random);
    let after = table.name.clone();
    // The primary key's name comes from the table's.
    let sql = format!(
        "ALTER TABLE {} RENAME TO {};\nALTER INDEX {} RENAME TO {};",
        sql_name(&before),
        quoted(&after.name),
        sql_name(&primary_key(&before)),
        quoted(&primary_key(&after).name)
    );
    model.migrate(id, sql);
    Some(format!("rename table {} to {}", sql_name(&before), sql_name(&after)))
}

fn primary_key(table: &Name) -> Name {
    Name { schema: table.schema.clone(), name: format!("{}_pkey", table.name) }
}

pub(super) fn comment(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = any(&model.tables, random)?.id;
    let number = model.new_id();
    let table = model.tables.iter_mut().find(|table| table.id == id)?;
    table.comment = Some(format!("version {number}"));
    Some(format!("comment on table {}", sql_name(&table.name)))
}

/// What a column that refers to the table's key is made of.
pub(super) fn key_type(table: &Table) -> Type {
    match table.key {
        Key::BigSerial | Key::Identity => Type::BigInt,
        Key::Integer | Key::Serial | Key::IdentityByDefault => Type::Integer,
    }
}

/// A table and one of its columns.
pub(super) fn any_column(
    model: &Model,
    random: &mut Random,
    is_wanted: impl Fn(&Table, &Column) -> bool,
) -> Option<(Id, Id)> {
    let columns: Vec<_> = model
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
        .filter(|(table, column)| is_wanted(table, column))
        .map(|(table, column)| (table.id, column.id))
        .collect();
    any(&columns, random).copied()
}
