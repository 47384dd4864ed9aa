//! Columns of tables that are there.

use super::{Statements, World, rows};
use crate::long_histories::model::{Column, Constraint, Origin, Rule, Table, Type};

const WORDS: &[&str] = &["title", "amount", "note", "code", "rank", "state", "weight", "day", "label", "size"];

const TYPES: &[&str] = &[
    "integer",
    "bigint",
    "text",
    "character varying(40)",
    "boolean",
    "numeric(8,2)",
    "date",
    "jsonb",
    "uuid",
    "text[]",
];

pub(super) fn any(world: &mut World) -> Column {
    let kinds: Vec<usize> = world.model.enums.iter().map(|one| one.id).collect();
    let ty = match world.chance(4) {
        true => world.pick(&kinds).map(Type::Enum),
        false => None,
    };
    let ty = ty.or_else(|| world.pick(TYPES).map(Type::Plain)).expect("there are types");
    any_of(world, ty)
}

pub(super) fn any_of(world: &mut World, ty: Type) -> Column {
    let word = world.pick(WORDS).expect("there are words");
    let name = world.model.name(word);
    let distinct = matches!(ty, Type::Plain("integer" | "bigint" | "text" | "character varying(40)" | "uuid"));
    let mut column = Column {
        id: world.model.next(),
        name,
        ty,
        not_null: world.chance(3),
        default: None,
        generated: None,
        origin: Origin::Written,
        comment: None,
        distinct,
        of_the_moment: false,
    };
    if world.chance(3) {
        column.default = Some(rows::default(world, ty));
        column.distinct = false;
    }
    column
}

pub(super) fn timestamp(world: &mut World, name: &str) -> Column {
    let mut column = any_of(world, Type::Plain("timestamp with time zone"));
    column.name = name.to_owned();
    column.not_null = true;
    column.default = Some("now()".to_owned());
    column.distinct = false;
    column.of_the_moment = true;
    column
}

/// Adds a column that refers to another table; gives the constraint.
pub(super) fn reference(world: &mut World, table: &mut Table) -> Option<Constraint> {
    let own = table.id;
    let target = world.table(|_, other| other.id != own && other.key().is_some())?;
    let key = target.key()?;
    let ty = target.column(key).ty;
    let mut column = any_of(world, ty);
    column.name = if world.model.names.quoted {
        format!("{}Id{}", target.name, column.id)
    } else {
        format!("{}_id_{}", target.name, column.id)
    };
    column.default = None;
    column.distinct = false;
    column.not_null = column.not_null && !table.had_rows && target.has_rows;
    let more = match (column.not_null, world.random.below(4)) {
        (_, 0) => "",
        (_, 1) => " ON DELETE CASCADE",
        (false, 2) => " ON UPDATE CASCADE ON DELETE SET NULL",
        _ => " ON UPDATE CASCADE ON DELETE RESTRICT",
    };
    let name = format!("{}_{}_fkey", table.name, column.name);
    let what = Rule::Foreign(column.id, target.id, key, more.to_owned());
    table.columns.push(column);
    Some(Constraint { name, what })
}

fn push(world: &mut World, table: &Table, column: &Column) -> String {
    world.model.table_mut(table.id).columns.push(column.clone());
    let if_missing = if world.chance(4) { "IF NOT EXISTS " } else { "" };
    format!("{} ADD COLUMN {if_missing}{}", world.alter(table), world.model.column_text(column, true))
}

pub(super) fn add(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, _| true)?;
    let mut column = any(world);
    column.not_null &= column.default.is_some();
    Some(vec![push(world, &table, &column)])
}

/// A column that is NOT NULL in the end, for rows that are there.
pub(super) fn add_filled(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| table.had_rows && table.partitions.is_none())?;
    let mut column = any(world);
    (column.default, column.not_null, column.distinct) = (None, false, false);
    let value = rows::value(world, column.ty);
    let name = world.model.ident(&column.name);
    let full = world.model.full(&table.name);
    let mut statements = vec![push(world, &table, &column)];
    statements.push(format!("UPDATE {full} SET {name} = {value} WHERE {name} IS NULL"));
    statements.push(format!("{} ALTER COLUMN {name} SET NOT NULL", world.alter(&table)));
    world.model.table_mut(table.id).column_mut(column.id).not_null = true;
    Some(statements)
}

pub(super) fn add_reference(world: &mut World) -> Option<Statements> {
    let mut table = world.table(|_, table| table.partitions.is_none())?;
    let constraint = reference(world, &mut table)?;
    let column = table.columns.last()?.clone();
    let mut statements = vec![push(world, &table, &column)];
    world.model.table_mut(table.id).constraints.push(constraint.clone());
    let text = world.model.constraint_text(&constraint);
    match world.chance(3) {
        true => {
            statements.push(format!("{} ADD {text} NOT VALID", world.alter(&table)));
            let name = world.model.ident(&constraint.name);
            statements.push(format!("{} VALIDATE CONSTRAINT {name}", world.alter(&table)));
        }
        false => statements.push(format!("{} ADD {text}", world.alter(&table))),
    }
    Some(statements)
}

pub(super) fn add_generated(world: &mut World) -> Option<Statements> {
    let (table, source) = world.column(|_, table, column| {
        let column = table.column(column);
        matches!(column.ty, Type::Plain("integer" | "text")) && column.generated.is_none() && table.partitions.is_none()
    })?;
    let ty = table.column(source).ty;
    let mut column = any_of(world, ty);
    (column.default, column.not_null, column.distinct) = (None, false, false);
    let is_text = ty == Type::Plain("text");
    column.generated = Some(if is_text { format!("upper({{c{source}}})") } else { format!("{{c{source}}} % 10") });
    Some(vec![push(world, &table, &column)])
}

pub(super) fn rename(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        table.key() != Some(column) && table.partitions.is_none() && !table.column(column).of_the_moment
    })?;
    let word = world.pick(WORDS)?;
    let name = world.model.name(word);
    let (old, new) = (world.model.ident(&table.column(id).name), world.model.ident(&name));
    let text = format!("ALTER TABLE {} RENAME COLUMN {old} TO {new}", world.model.full(&table.name));
    world.model.table_mut(table.id).column_mut(id).name = name;
    let mut statements = vec![text];
    statements.extend(world.replaced_readers(&format!("{{c{id}}}")));
    Some(statements)
}

pub(super) fn drop(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|model, table, column| {
        let is_bound = table.key() == Some(column) || table.partitions.is_some() || table.columns.len() < 4;
        let is_fixed = table.column(column).of_the_moment && !table.triggers.is_empty();
        let is_target = model
            .tables
            .iter()
            .flat_map(|other| &other.constraints)
            .any(|constraint| matches!(&constraint.what, Rule::Foreign(_, _, target, _) if *target == column));
        !is_bound && !is_fixed && !is_target && !model.is_read(&format!("{{c{column}}}"))
    })?;
    let place = format!("{{c{id}}}");
    let name = world.model.ident(&table.column(id).name);
    let changed = world.model.table_mut(table.id);
    changed.columns.retain(|column| column.id != id);
    changed.indexes.retain(|index| !index.on.contains(&place));
    changed.constraints.retain(|constraint| match &constraint.what {
        Rule::Primary(columns) | Rule::Unique(columns) => !columns.contains(&id),
        Rule::Foreign(own, ..) => *own != id,
        Rule::Check(text) => !text.contains(&place),
    });
    Some(vec![format!("{} DROP COLUMN {name}", world.alter(&table))])
}

pub(super) fn change_type(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|model, table, column| {
        let is_read = model.tables.iter().any(|table| {
            let place = format!("{{c{column}}}");
            table.columns.iter().any(|one| one.generated.as_ref().is_some_and(|text| text.contains(&place)))
                || table.policies.iter().any(|(_, text)| text.contains(&place))
        });
        let one = table.column(column);
        !is_read && one.generated.is_none() && one.default.is_none() && !model.is_in_a_rule(table.id, column)
    })?;
    let (ty, using) = match table.column(id).ty {
        Type::Plain("integer") => (world.pick(&["bigint", "numeric(12,2)", "text"])?, true),
        Type::Plain("character varying(40)") => (world.pick(&["character varying(80)", "text"])?, false),
        Type::Plain("character varying(80)") => ("text", false),
        Type::Plain("numeric(8,2)") => ("numeric(12,2)", false),
        Type::Plain("date") => ("timestamp without time zone", false),
        _ => return None,
    };
    let name = world.model.ident(&table.column(id).name);
    let using = if using { format!(" USING {name}::{ty}") } else { String::new() };
    let text = format!("{} ALTER COLUMN {name} TYPE {ty}{using}", world.alter(&table));
    world.model.table_mut(table.id).column_mut(id).ty = Type::Plain(ty);
    Some(world.without_views(&format!("{{c{id}}}"), vec![text]))
}

pub(super) fn change_default(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        let one = table.column(column);
        let is_reference = table
            .constraints
            .iter()
            .any(|constraint| matches!(constraint.what, Rule::Foreign(own, ..) if own == column));
        one.generated.is_none()
            && !one.of_the_moment
            && table.key() != Some(column)
            && table.partitions.is_none()
            && !is_reference
    })?;
    let column = table.column(id).clone();
    let name = world.model.ident(&column.name);
    let (default, text) = match column.default {
        Some(_) => (None, "DROP DEFAULT".to_owned()),
        None => {
            let default = rows::default(world, column.ty);
            (Some(default.clone()), format!("SET DEFAULT {default}"))
        }
    };
    let changed = world.model.table_mut(table.id).column_mut(id);
    changed.distinct &= default.is_none();
    changed.default = default;
    Some(vec![format!("{} ALTER COLUMN {name} {text}", world.alter(&table))])
}

pub(super) fn change_null(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        let one = table.column(column);
        let is_free = one.generated.is_none() && table.key() != Some(column) && table.partitions.is_none();
        is_free && (one.not_null || !table.had_rows) && !one.of_the_moment
    })?;
    let column = table.column(id).clone();
    if !column.not_null && table.constraints.iter().any(|one| matches!(one.what, Rule::Foreign(own, ..) if own == id)) {
        return None;
    }
    let what = if column.not_null { "DROP" } else { "SET" };
    world.model.table_mut(table.id).column_mut(id).not_null = !column.not_null;
    let name = world.model.ident(&column.name);
    Some(vec![format!("{} ALTER COLUMN {name} {what} NOT NULL", world.alter(&table))])
}
