//! Indexes and constraints.

use super::super::model::{Column, Id, Model, Part, PartKind, Table};
use super::super::names::{self, quoted, sql_name};
use super::columns::table_mut;
use super::tables::{any_column, key_type};
use super::{Effects, any};
use crate::support::random::Random;

const WORDS: &[&str] = &["by", "rule", "idx"];

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    match random.below(7) {
        0 => add_over(model, random, PartKind::Index, |_| true),
        1 => add_over(model, random, PartKind::ExpressionIndex, |column| column.kind.is_text()),
        2 => add_over(model, random, PartKind::PartialIndex, |_| true),
        3 => {
            let is_wanted = |column: &Column| column.holds_distinct && column.kind.is_distinct();
            add_over(model, random, PartKind::Unique, is_wanted)
        }
        4 => {
            let number = 500 + u32::try_from(random.below(400)).expect("a small number");
            add_over(model, random, PartKind::Check(number), |_| true)
        }
        _ => add_foreign_key(model, random),
    }
}

pub(super) fn drop(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let (table, part) = any_part(model, random, |_| true)?;
    let part = table_mut(model, table).parts.remove(part);
    Some(format!("drop {} of {}", quoted(&part.name), sql_name(&model.table(table).name)))
}

/// Another condition under the name of a check, or another name for anything.
pub(super) fn change(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let (table, part) = any_part(model, random, |_| true)?;
    let id = model.new_id();
    let name = names::any(WORDS, id, random);
    let table = table_mut(model, table);
    let words = format!("change {} of {}", quoted(&table.parts[part].name), sql_name(&table.name));
    match &mut table.parts[part] {
        Part { kind: PartKind::Check(number), .. } => *number += 1,
        part => part.name = name,
    }
    Some(words)
}

/// A table and the place of one of its parts.
fn any_part(model: &Model, random: &mut Random, is_wanted: impl Fn(&Part) -> bool) -> Option<(Id, usize)> {
    let of = |table: &Table| -> Vec<(Id, usize)> {
        let wanted = table.parts.iter().enumerate().filter(|(_, part)| is_wanted(part));
        wanted.map(|(place, _)| (table.id, place)).collect()
    };
    let all: Vec<_> = model.tables.iter().flat_map(of).collect();
    any(&all, random).copied()
}

fn add_over(
    model: &mut Model,
    random: &mut Random,
    kind: PartKind,
    is_wanted: impl Fn(&Column) -> bool,
) -> Option<String> {
    let (table, column) = any_column(model, random, |_, column| is_wanted(column))?;
    Some(push(model, table, kind, vec![column], random))
}

/// With a column of its own, which is NULL in every row that is there.
fn add_foreign_key(model: &mut Model, random: &mut Random) -> Option<String> {
    let target = any(&model.tables, random)?;
    let (target, kind) = (target.id, key_type(target));
    let table = any(&model.tables, random)?.id;
    let id = model.new_id();
    let column = Column {
        id,
        name: names::any(&["of", "parent"], id, random),
        kind,
        not_null: false,
        default: None,
        holds_nulls: true,
        holds_distinct: false,
    };
    table_mut(model, table).columns.push(column);
    Some(push(model, table, PartKind::ForeignKey(target), vec![id], random))
}

fn push(model: &mut Model, table: Id, kind: PartKind, columns: Vec<Id>, random: &mut Random) -> String {
    let id = model.new_id();
    let part = Part { name: names::any(WORDS, id, random), kind, columns };
    let table = table_mut(model, table);
    let words = format!("add {} to {}", quoted(&part.name), sql_name(&table.name));
    table.parts.push(part);
    words
}
