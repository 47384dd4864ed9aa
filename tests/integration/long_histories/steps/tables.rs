//! Whole tables.

use super::{Statements, World, columns};
use crate::long_histories::model::{Column, Constraint, Origin, Rule, Table, Type};

const WORDS: &[&str] =
    &["order", "invoice", "customer", "shop", "parcel", "ticket", "album", "lesson", "visit", "plan"];

fn empty(id: usize, name: String) -> Table {
    Table {
        id,
        name,
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        triggers: Vec::new(),
        policies: Vec::new(),
        row_security: false,
        comment: None,
        readable_by_all: false,
        partitions: None,
        had_rows: false,
        has_rows: false,
    }
}

/// A column to be the key.
fn key(world: &mut World, table: &str) -> Column {
    let kinds = ["serial", "bigserial", "identity", "uuid", "text"];
    let kind = world.pick(&kinds).expect("one of five");
    let (ty, origin, default) = match kind {
        "serial" | "bigserial" => {
            let ty = if kind == "serial" { "integer" } else { "bigint" };
            let sequence = format!("{table}_id_seq");
            let default = format!("nextval('{}'::regclass)", world.model.full(&sequence));
            (ty, Origin::Serial(sequence, ty), Some(default))
        }
        "identity" => ("bigint", Origin::Identity(format!("{table}_id_seq")), None),
        "uuid" => ("uuid", Origin::Written, Some("gen_random_uuid()".to_owned())),
        _ => ("text", Origin::Written, None),
    };
    Column {
        id: world.model.next(),
        name: "id".to_owned(),
        ty: Type::Plain(ty),
        not_null: true,
        default,
        generated: None,
        origin,
        comment: None,
        distinct: true,
        of_the_moment: false,
    }
}

pub(super) fn create(world: &mut World) -> Option<Statements> {
    let word = world.pick(WORDS)?;
    let (id, name) = (world.model.next(), world.model.name(word));
    let mut table = empty(id, name);
    let key = key(world, &table.name);
    let primary = Constraint { name: format!("{}_pkey", table.name), what: Rule::Primary(vec![key.id]) };
    table.columns.push(key);
    table.constraints.push(primary);
    for _ in 0..2 + world.random.below(4) {
        let column = columns::any(world);
        table.columns.push(column);
    }
    if world.chance(2) {
        for name in ["created_at", "updated_at"] {
            let column = columns::timestamp(world, name);
            table.columns.push(column);
        }
    }
    let mut references = Vec::new();
    for _ in 0..world.random.below(3) {
        references.extend(columns::reference(world, &mut table));
    }
    if world.chance(3) {
        let fitting: Vec<usize> = table.columns.iter().skip(1).filter(|one| one.distinct).map(|one| one.id).collect();
        if let Some(column) = world.pick(&fitting) {
            let name = format!("{}_{}_key", table.name, table.column(column).name);
            table.constraints.push(Constraint { name, what: Rule::Unique(vec![column]) });
        }
    }
    world.model.tables.push(table.clone());
    let statements = match world.keys_apart {
        true => {
            // The key is written with the table by Prisma, and behind it by a dump.
            let inside = if world.only { &[][..] } else { &table.constraints[..] };
            let mut statements = vec![world.model.table_text(&table, inside, true)];
            let outside = if world.only { &table.constraints[..] } else { &[][..] };
            for constraint in outside.iter().chain(&references) {
                statements.push(format!("{} ADD {}", world.alter(&table), world.model.constraint_text(constraint)));
            }
            statements
        }
        false => {
            let all: Vec<_> = table.constraints.iter().chain(&references).cloned().collect();
            vec![world.model.table_text(&table, &all, true)]
        }
    };
    world.model.table_mut(table.id).constraints.extend(references);
    Some(statements)
}

pub(super) fn rename(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| table.partitions.is_none())?;
    let word = world.pick(WORDS)?;
    let name = world.model.name(word);
    let text = format!("ALTER TABLE {} RENAME TO {}", world.model.full(&table.name), world.model.ident(&name));
    world.model.table_mut(table.id).name = name;
    let mut statements = vec![text];
    statements.extend(world.replaced_readers(&format!("{{t{}}}", table.id)));
    Some(statements)
}

pub(super) fn drop(world: &mut World) -> Option<Statements> {
    let table = world.table(|model, table| {
        !model.is_referenced(table.id) && !model.is_read(&format!("{{t{}}}", table.id)) && model.tables.len() > 6
    })?;
    world.model.tables.retain(|other| other.id != table.id);
    let if_exists = if world.chance(2) { "IF EXISTS " } else { "" };
    Some(vec![format!("DROP TABLE {if_exists}{}", world.model.full(&table.name))])
}

/// A table is built anew beside the old one and takes its place.
pub(super) fn swap(world: &mut World) -> Option<Statements> {
    let table = world.table(|model, table| {
        let is_plain = table.partitions.is_none() && table.policies.is_empty() && table.triggers.is_empty();
        let has_serial = table.columns.iter().any(|column| matches!(column.origin, Origin::Serial(..)));
        is_plain && !has_serial && !model.is_referenced(table.id) && !model.is_read(&format!("{{t{}}}", table.id))
    })?;
    let mut new = table.clone();
    new.name = format!("new_{}", table.name);
    new.indexes.clear();
    new.comment = None;
    new.readable_by_all = false;
    new.row_security = false;
    for column in &mut new.columns {
        column.comment = None;
        if let Origin::Identity(sequence) = &mut column.origin {
            let name = format!("{}_id_seq", new.name);
            // The one before was made beside another one already, which has its name still.
            let is_taken = *sequence == name;
            *sequence = if is_taken { format!("{name}1") } else { name };
        }
    }
    for constraint in &mut new.constraints {
        constraint.name = format!("{}_{}", constraint.name, world.model.next());
    }
    let written: Vec<usize> = table.columns.iter().filter(|one| one.generated.is_none()).map(|one| one.id).collect();
    let columns = world.model.idents(&written);
    let (old_name, new_name) = (world.model.full(&table.name), world.model.full(&new.name));
    let mut statements = vec![
        world.model.table_text(&new, &new.constraints, true),
        format!("INSERT INTO {new_name} ({columns}) SELECT {columns} FROM {old_name}"),
    ];
    match world.chance(2) {
        true => statements.push(format!("DROP TABLE {old_name}")),
        false => statements
            .push(format!("ALTER TABLE {old_name} RENAME TO {}", world.model.ident(&format!("old_{}", table.name)))),
    }
    statements.push(format!("ALTER TABLE {new_name} RENAME TO {}", world.model.ident(&table.name)));
    if statements[2].starts_with("ALTER") {
        statements.push(format!("DROP TABLE {}", world.model.full(&format!("old_{}", table.name))));
    }
    new.name = table.name.clone();
    *world.model.table_mut(table.id) = new;
    Some(statements)
}

pub(super) fn create_partitioned(world: &mut World) -> Option<Statements> {
    if world.model.tables.iter().filter(|table| table.partitions.is_some()).count() >= 3 {
        return None;
    }
    let (id, name) = (world.model.next(), world.model.name("event"));
    let mut table = empty(id, name);
    let mut key = columns::any_of(world, Type::Plain("integer"));
    key.not_null = true;
    key.default = None;
    table.partitions = Some((key.id, vec![(format!("{}_p1", table.name), 0, 100_000)]));
    table.constraints.push(Constraint { name: format!("{}_pkey", table.name), what: Rule::Primary(vec![key.id]) });
    table.columns.push(key);
    for _ in 0..2 {
        let column = columns::any(world);
        table.columns.push(column);
    }
    world.model.tables.push(table.clone());
    let mut statements = vec![world.model.table_text(&table, &table.constraints, true)];
    let partitions = table.partitions.iter().flat_map(|(_, partitions)| partitions);
    statements.extend(partitions.map(|partition| world.model.partition_text(&table, partition)));
    Some(statements)
}

pub(super) fn add_partition(world: &mut World) -> Option<Statements> {
    let mut table = world.table(|_, table| table.partitions.is_some())?;
    let number = world.model.next();
    let partition = (format!("{}_p{number}", table.name), number * 100_000, (number + 1) * 100_000);
    let text = world.model.partition_text(&table, &partition);
    table.partitions.as_mut()?.1.push(partition);
    world.model.table_mut(table.id).partitions = table.partitions;
    Some(vec![text])
}

pub(super) fn drop_partition(world: &mut World) -> Option<Statements> {
    let mut table = world.table(|model, table| {
        table.partitions.as_ref().is_some_and(|(_, list)| list.len() > 1) && !model.is_referenced(table.id)
    })?;
    let (name, _, _) = table.partitions.as_mut()?.1.pop()?;
    let (parent, name) = (world.model.full(&table.name), world.model.full(&name));
    world.model.table_mut(table.id).partitions = table.partitions;
    Some(match world.chance(2) {
        true => vec![format!("DROP TABLE {name}")],
        false => vec![format!("ALTER TABLE {parent} DETACH PARTITION {name}"), format!("DROP TABLE {name}")],
    })
}
