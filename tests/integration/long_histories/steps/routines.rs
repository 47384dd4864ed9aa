//! Functions, triggers and views.

use super::{Statements, World};
use crate::long_histories::model::{Function, Table, Trigger, View};

const TOUCH: &str =
    "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  NEW.updated_at = now();\n  RETURN NEW;\nEND;\n$$";

pub(super) fn create(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| table.columns.len() > 2)?;
    let (id, name) = (world.model.next(), world.model.name("count"));
    let text = body(world, &table, "");
    let function = Function { id, name, text, arguments: "(integer)" };
    let statement = world.model.function_text(&function, if id % 2 == 0 { "OR REPLACE " } else { "" });
    world.model.functions.push(function);
    Some(vec![statement])
}

fn body(world: &mut World, table: &Table, more: &str) -> String {
    let columns: Vec<usize> = table.columns.iter().map(|column| column.id).collect();
    let column = world.pick(&columns).unwrap_or_default();
    let from = format!("FROM {{t{}}} WHERE {{c{column}}} IS NOT NULL{more}", table.id);
    match world.chance(2) {
        true => format!("(lowest integer) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) {from} $$"),
        false => format!(
            "(lowest integer) RETURNS bigint LANGUAGE plpgsql AS $fn$\nDECLARE n bigint;\nBEGIN\n  \
             SELECT count(*) INTO n {from};\n  RETURN greatest(n, lowest);\nEND $fn$"
        ),
    }
}

fn any_but_triggers(world: &mut World) -> Option<Function> {
    let functions: Vec<_> = world.model.functions.iter().filter(|one| one.arguments == "(integer)").cloned().collect();
    world.pick(&functions)
}

pub(super) fn replace(world: &mut World) -> Option<Statements> {
    let mut function = any_but_triggers(world)?;
    let table = world.table(|_, _| true)?;
    function.text = body(world, &table, " AND lowest > 0");
    let statement = world.model.function_text(&function, "OR REPLACE ");
    world.model.functions.iter_mut().find(|one| one.id == function.id)?.text = function.text;
    Some(vec![statement])
}

pub(super) fn drop(world: &mut World) -> Option<Statements> {
    let function = any_but_triggers(world)?;
    world.model.functions.retain(|one| one.id != function.id);
    let if_exists = if world.chance(2) { "IF EXISTS " } else { "" };
    Some(vec![format!("DROP FUNCTION {if_exists}{}{}", world.model.full(&function.name), function.arguments)])
}

pub(super) fn create_trigger(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| {
        table.triggers.is_empty()
            && table.partitions.is_none()
            && table.columns.iter().any(|one| one.name == "updated_at")
    })?;
    let mut statements = Vec::new();
    let shared = world.model.functions.iter().find(|one| one.arguments == "()").map(|one| one.id);
    let is_shared = world.managed_triggers || !world.chance(3);
    let function = match shared.filter(|_| is_shared) {
        Some(id) => id,
        None => {
            let (id, name) = (world.model.next(), world.model.name("touch"));
            let function = Function { id, name, text: TOUCH.to_owned(), arguments: "()" };
            statements.push(world.model.function_text(&function, "OR REPLACE "));
            world.model.functions.push(function);
            id
        }
    };
    let is_managed = world.managed_triggers;
    let name = if is_managed { "set_updated_at".to_owned() } else { world.model.name("set_updated_at") };
    let trigger = Trigger { name, function };
    statements.push(match is_managed {
        true => format!("SELECT diesel_manage_updated_at('{}')", table.name),
        false => world.model.trigger_text(&table, &trigger),
    });
    world.model.table_mut(table.id).triggers.push(trigger);
    Some(statements)
}

pub(super) fn drop_trigger(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, table| !table.triggers.is_empty())?;
    let trigger = world.model.table_mut(table.id).triggers.pop()?;
    let if_exists = if world.chance(2) { "IF EXISTS " } else { "" };
    let (name, full) = (world.model.ident(&trigger.name), world.model.full(&table.name));
    Some(vec![format!("DROP TRIGGER {if_exists}{name} ON {full}")])
}

fn query(world: &mut World, table: &Table) -> String {
    let columns: Vec<usize> = table.columns.iter().map(|column| column.id).collect();
    let column = world.pick(&columns).unwrap_or_default();
    format!("SELECT t.{{c{}}} AS key, t.{{c{column}}} AS value FROM {{t{}}} t", columns[0], table.id)
}

pub(super) fn create_view(world: &mut World) -> Option<Statements> {
    let table = world.table(|_, _| true)?;
    let mut view = View {
        name: world.model.name("list"),
        materialized: world.chance(3),
        query: query(world, &table),
        indexes: Vec::new(),
    };
    let mut statements = vec![world.model.view_text(&view)];
    if view.materialized {
        let name = world.model.name("list_index");
        let index = format!("CREATE INDEX {} ON {} (key)", world.model.ident(&name), world.model.full(&view.name));
        statements.push(index.clone());
        view.indexes.push((name, index));
    }
    world.model.views.push(view);
    Some(statements)
}

fn any_view(world: &mut World, materialized: bool) -> Option<View> {
    let views: Vec<_> = world.model.views.iter().filter(|view| view.materialized == materialized).cloned().collect();
    world.pick(&views)
}

pub(super) fn replace_view(world: &mut World) -> Option<Statements> {
    let mut view = any_view(world, false)?;
    let more = if view.query.contains(" WHERE ") { " AND true" } else { " WHERE true" };
    view.query.push_str(more);
    let statement = world.model.view_text(&view).replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
    world.model.views.iter_mut().find(|other| other.name == view.name)?.query = view.query;
    Some(vec![statement])
}

pub(super) fn drop_view(world: &mut World) -> Option<Statements> {
    let materialized = world.chance(2);
    let view = any_view(world, materialized)?;
    world.model.views.retain(|other| other.name != view.name);
    let kind = if materialized { "MATERIALIZED VIEW" } else { "VIEW" };
    Some(vec![format!("DROP {kind} IF EXISTS {}", world.model.full(&view.name))])
}

pub(super) fn refresh(world: &mut World) -> Option<Statements> {
    let view = any_view(world, true)?;
    Some(vec![format!("REFRESH MATERIALIZED VIEW {}", world.model.full(&view.name))])
}
