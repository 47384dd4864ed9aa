//! Indexes, constraints, policies, comments and rights.

use super::{Statements, World};
use crate::long_histories::model::{Constraint, Index, Rule, Table, Type};

fn new_index(world: &mut World) -> Option<(Table, Index)> {
    let (table, id) = world.column(|_, table, column| {
        let plain = ["integer", "bigint", "text", "character varying(40)", "character varying(80)", "date", "uuid"];
        matches!(table.column(column).ty, Type::Plain(ty) if plain.contains(&ty)) && table.key() != Some(column)
    })?;
    let column = table.column(id);
    let is_text = column.ty == Type::Plain("text");
    let unique = column.distinct && table.partitions.is_none() && column.generated.is_none() && world.chance(3);
    let on = match world.random.below(4) {
        0 if is_text => format!("(lower({{c{id}}}))"),
        1 => format!("({{c{id}}}) WHERE {{c{id}}} IS NOT NULL"),
        2 => format!("({{c{id}}} DESC)"),
        _ => format!("({{c{id}}})"),
    };
    let number = world.model.next();
    let name = format!("{}_{}_{number}_idx", table.name, column.name);
    Some((table, Index { name, unique, on }))
}

pub(super) fn add_index(world: &mut World) -> Option<Statements> {
    let (table, index) = new_index(world)?;
    let how = if world.chance(4) { "IF NOT EXISTS " } else { "" };
    let text = world.model.index_text(&table, &index, how);
    world.model.table_mut(table.id).indexes.push(index);
    Some(vec![text])
}

pub(super) fn add_index_concurrently(world: &mut World) -> Option<Statements> {
    let (table, index) = new_index(world)?;
    if table.partitions.is_some() {
        return None;
    }
    let text = world.model.index_text(&table, &index, "CONCURRENTLY ");
    world.model.table_mut(table.id).indexes.push(index);
    Some(vec![text])
}

fn any_index(world: &mut World) -> Option<(Table, Index)> {
    let table = world.table(|_, table| !table.indexes.is_empty())?;
    let index = world.pick(&table.indexes)?;
    Some((table, index))
}

pub(super) fn drop_index(world: &mut World) -> Option<Statements> {
    let (table, index) = any_index(world)?;
    world.model.table_mut(table.id).indexes.retain(|other| other.name != index.name);
    let if_exists = if world.chance(2) { "IF EXISTS " } else { "" };
    Some(vec![format!("DROP INDEX {if_exists}{}", world.model.full(&index.name))])
}

pub(super) fn rename_index(world: &mut World) -> Option<Statements> {
    let (table, index) = any_index(world)?;
    if table.partitions.is_some() {
        return None;
    }
    let name = world.model.name("index");
    let text = format!("ALTER INDEX {} RENAME TO {}", world.model.full(&index.name), world.model.ident(&name));
    for other in &mut world.model.table_mut(table.id).indexes {
        if other.name == index.name {
            other.name.clone_from(&name);
        }
    }
    Some(vec![text])
}

pub(super) fn add_constraint(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        let column = table.column(column);
        table.partitions.is_none()
            && column.generated.is_none()
            && column.origin == crate::long_histories::model::Origin::Written
    })?;
    let column = table.column(id);
    let what = match column.ty {
        Type::Plain("integer" | "bigint" | "numeric(8,2)") if world.chance(2) => Rule::Check(format!("{{c{id}}} >= 0")),
        Type::Plain("text") if world.chance(2) => Rule::Check(format!("length({{c{id}}}) > 0")),
        _ if column.distinct && table.key() != Some(id) => Rule::Unique(vec![id]),
        _ => return None,
    };
    let name = world.model.name("rule");
    let constraint = Constraint { name, what };
    let text = world.model.constraint_text(&constraint);
    world.model.table_mut(table.id).constraints.push(constraint);
    Some(vec![format!("{} ADD {text}", world.alter(&table))])
}

fn any_constraint(world: &mut World) -> Option<(Table, Constraint)> {
    let table = world.table(|_, table| {
        table.partitions.is_none() && table.constraints.iter().any(|one| !matches!(one.what, Rule::Primary(_)))
    })?;
    let others: Vec<_> =
        table.constraints.iter().filter(|one| !matches!(one.what, Rule::Primary(_))).cloned().collect();
    let constraint = world.pick(&others)?;
    Some((table, constraint))
}

pub(super) fn drop_constraint(world: &mut World) -> Option<Statements> {
    let (table, constraint) = any_constraint(world)?;
    world.model.table_mut(table.id).constraints.retain(|other| other.name != constraint.name);
    let if_exists = if world.chance(3) { "IF EXISTS " } else { "" };
    Some(vec![format!("{} DROP CONSTRAINT {if_exists}{}", world.alter(&table), world.model.ident(&constraint.name))])
}

pub(super) fn rename_constraint(world: &mut World) -> Option<Statements> {
    let (table, constraint) = any_constraint(world)?;
    let name = world.model.name("rule");
    let (old, new) = (world.model.ident(&constraint.name), world.model.ident(&name));
    let text = format!("ALTER TABLE {} RENAME CONSTRAINT {old} TO {new}", world.model.full(&table.name));
    for other in &mut world.model.table_mut(table.id).constraints {
        if other.name == constraint.name {
            other.name.clone_from(&name);
        }
    }
    Some(vec![text])
}

pub(super) fn add_policy(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, table, column| {
        table.column(column).ty == Type::Plain("integer") && table.policies.len() < 2 && table.partitions.is_none()
    })?;
    let name = format!("policy_{}", world.model.next());
    let kind = world.pick(&["FOR SELECT", "AS RESTRICTIVE FOR ALL"])?;
    let text = format!("{kind} TO PUBLIC USING ({{c{id}}} > 0)");
    let full = world.model.full(&table.name);
    let mut statements = vec![format!("CREATE POLICY {name} ON {full} {}", world.model.fill(&text))];
    if !table.row_security {
        statements.insert(0, format!("ALTER TABLE {full} ENABLE ROW LEVEL SECURITY"));
    }
    let changed = world.model.table_mut(table.id);
    changed.row_security = true;
    changed.policies.push((name, text));
    Some(statements)
}

pub(super) fn drop_policy(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| !table.policies.is_empty())?;
    let (name, _) = world.model.table_mut(table.id).policies.pop()?;
    Some(vec![format!("DROP POLICY {name} ON {}", world.model.full(&table.name))])
}

pub(super) fn comment(world: &mut World) -> Option<Statements> {
    let (table, id) = world.column(|_, _, _| true)?;
    let text = format!("Note {}", world.model.next());
    let full = world.model.full(&table.name);
    if world.chance(2) {
        world.model.table_mut(table.id).comment = Some(text.clone());
        return Some(vec![format!("COMMENT ON TABLE {full} IS '{text}'")]);
    }
    let is_removal = table.column(id).comment.is_some() && world.chance(2);
    world.model.table_mut(table.id).column_mut(id).comment = (!is_removal).then(|| text.clone());
    let text = if is_removal { "NULL".to_owned() } else { format!("'{text}'") };
    Some(vec![format!("COMMENT ON COLUMN {full}.{} IS {text}", world.model.idents(&[id]))])
}

pub(super) fn grant(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, _| true)?;
    let changed = world.model.table_mut(table.id);
    changed.readable_by_all = !changed.readable_by_all;
    let (what, to) = if changed.readable_by_all { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
    Some(vec![format!("{what} SELECT ON {} {to} PUBLIC", world.model.full(&table.name))])
}
