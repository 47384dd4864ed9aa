//! Enums, domains and sequences.

use super::{Statements, World};
use crate::long_histories::model::{Enum, Type, labels};

pub(super) fn create(world: &mut World) -> Option<Statements> {
    let (id, name) = (world.model.next(), world.model.name("status"));
    let one = Enum { id, name, labels: ["draft", "open", "done"].map(str::to_owned).to_vec() };
    let text = world.model.enum_text(&one);
    world.model.enums.push(one);
    Some(vec![match world.guarded_types {
        true => format!("DO $$ BEGIN\n {text};\nEXCEPTION\n WHEN duplicate_object THEN null;\nEND $$"),
        false => text,
    }])
}

fn any(world: &mut World) -> Option<Enum> {
    let enums = world.model.enums.clone();
    world.pick(&enums)
}

pub(super) fn add_value(world: &mut World) -> Option<Statements> {
    let one = any(world)?;
    let label = format!("value {}", world.model.next());
    let before = world.chance(3);
    let full = world.model.full(&one.name);
    let mut statements = vec![match before {
        true => format!("ALTER TYPE {full} ADD VALUE '{label}' BEFORE '{}'", one.labels[0]),
        false => format!("ALTER TYPE {full} ADD VALUE IF NOT EXISTS '{label}'"),
    }];
    let changed = world.model.enums.iter_mut().find(|other| other.id == one.id)?;
    let at = if before { 0 } else { changed.labels.len() };
    changed.labels.insert(at, label.clone());
    // Used at once, where the tool's migrations are no transactions.
    let user = world.column(|model, table, column| {
        table.column(column).ty == Type::Enum(one.id) && !model.is_in_a_rule(table.id, column)
    });
    if let (false, Some((table, column))) = (world.in_transaction, user) {
        let name = world.model.idents(&[column]);
        let full = world.model.full(&table.name);
        statements.push(format!("UPDATE {full} SET {name} = '{label}' WHERE {name} IS NULL"));
    }
    Some(statements)
}

pub(super) fn rename_value(world: &mut World) -> Option<Statements> {
    let one = any(world)?;
    let at = world.random.below(one.labels.len());
    // A default that names it as text would not follow: PostgreSQL's does.
    if is_default_of(world, &one) {
        return None;
    }
    let new = format!("renamed {}", world.model.next());
    let text = format!("ALTER TYPE {} RENAME VALUE '{}' TO '{new}'", world.model.full(&one.name), one.labels[at]);
    world.model.enums.iter_mut().find(|other| other.id == one.id)?.labels[at] = new;
    Some(vec![text])
}

fn is_default_of(world: &World, one: &Enum) -> bool {
    let columns = world.model.tables.iter().flat_map(|table| &table.columns);
    columns.filter(|column| column.ty == Type::Enum(one.id)).any(|column| column.default.is_some())
}

pub(super) fn rename(world: &mut World) -> Option<Statements> {
    let one = any(world)?;
    if is_default_of(world, &one) {
        return None;
    }
    let name = world.model.name("kind");
    let text = format!("ALTER TYPE {} RENAME TO {}", world.model.full(&one.name), world.model.ident(&name));
    world.model.enums.iter_mut().find(|other| other.id == one.id)?.name = name;
    Some(vec![text])
}

/// An enum loses a value: a new type takes its place and its name.
pub(super) fn swap(world: &mut World) -> Option<Statements> {
    let one = any(world)?;
    if one.labels.len() < 3 {
        return None;
    }
    let users: Vec<_> = world
        .model
        .tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table.clone(), column.clone())))
        .filter(|(_, column)| column.ty == Type::Enum(one.id))
        .collect();
    if users
        .iter()
        .any(|(table, column)| world.model.is_read(&format!("{{c{}}}", column.id)) || table.partitions.is_some())
    {
        return None;
    }
    let mut left = one.labels.clone();
    let gone = left.remove(1);
    let new = Enum { name: format!("{}_new", one.name), labels: left, ..one.clone() };
    let old_name = format!("{}_old", one.name);
    let mut statements = Vec::new();
    for (table, column) in &users {
        let name = world.model.ident(&column.name);
        let full = world.model.full(&table.name);
        statements.push(format!("UPDATE {full} SET {name} = '{}' WHERE {name} = '{gone}'", new.labels[0]));
    }
    statements.push(format!("CREATE TYPE {} AS ENUM ({})", world.model.full(&new.name), labels(&new.labels)));
    for (table, column) in &users {
        let (name, alter, ty) = (world.model.ident(&column.name), world.alter(table), world.model.full(&new.name));
        let had_default = column.default.is_some();
        if had_default {
            statements.push(format!("{alter} ALTER COLUMN {name} DROP DEFAULT"));
        }
        statements.push(format!("{alter} ALTER COLUMN {name} TYPE {ty} USING ({name}::text::{ty})"));
        if had_default {
            statements.push(format!("{alter} ALTER COLUMN {name} SET DEFAULT '{}'", new.labels[0]));
            let default = format!("'{}'::{}", new.labels[0], world.model.full(&one.name));
            world.model.table_mut(table.id).column_mut(column.id).default = Some(default);
        }
    }
    let (full, ident) = (world.model.full(&one.name), world.model.ident(&one.name));
    statements.push(format!("ALTER TYPE {full} RENAME TO {}", world.model.ident(&old_name)));
    statements.push(format!("ALTER TYPE {} RENAME TO {ident}", world.model.full(&new.name)));
    statements.push(format!("DROP TYPE {}", world.model.full(&old_name)));
    world.model.enums.iter_mut().find(|other| other.id == one.id)?.labels = new.labels;
    Some(statements)
}

pub(super) fn create_domain(world: &mut World) -> Option<Statements> {
    let name = world.model.name("domain");
    let text = format!("CREATE DOMAIN {} AS integer CHECK (VALUE > 0)", world.model.ident(&name));
    world.model.domains.push(text.clone());
    Some(vec![text])
}

pub(super) fn create_sequence(world: &mut World) -> Option<Statements> {
    let name = world.model.name("number");
    let text = format!("CREATE SEQUENCE {} START 1000", world.model.full(&name));
    world.model.sequences.push((name, 1000));
    Some(vec![text])
}
