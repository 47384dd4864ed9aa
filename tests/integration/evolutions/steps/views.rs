//! Views over tables and over views.

use super::super::model::{Id, Model, Name, View};
use super::super::names::{self, sql_name};
use super::{Effects, any};
use crate::support::random::Random;

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = model.new_id();
    let over = any(&model.views, random).filter(|_| random.below(2) == 0).map(|view| (view.id, view.table));
    let (over, table) = match over {
        Some((view, table)) => (Some(view), table),
        None => (None, any(&model.tables, random)?.id),
    };
    let columns = match over {
        Some(view) => model.view(view).columns.clone(),
        None => model.table(table).columns.iter().map(|column| column.id).collect(),
    };
    let view = View {
        id,
        name: Name { schema: "public".to_owned(), name: names::any(&["report", "list", "all"], id, random) },
        table,
        over,
        columns: columns.into_iter().filter(|_| random.below(3) > 0).collect(),
        has_own_names: random.below(2) == 0,
        more_than: 0,
    };
    let words = format!("add view {}", sql_name(&view.name));
    model.views.push(view);
    Some(words)
}

pub(super) fn drop(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let view = any(&model.views, random)?;
    let (id, words) = (view.id, format!("drop view {}", sql_name(&view.name)));
    model.remove_views(|view| view.id == id);
    Some(words)
}

/// Another condition, or a column less.
pub(super) fn change(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let view = any(&model.views, random)?;
    let (id, words) = (view.id, format!("change view {}", sql_name(&view.name)));
    let dropped = any(&view.columns, random).copied().filter(|_| random.below(2) == 0);
    let mut changed = vec![id];
    while let Some(id) = changed.pop() {
        for view in model.views.iter_mut().filter(|view| view.id == id) {
            view.more_than += usize::from(dropped.is_none());
            view.columns.retain(|column| Some(*column) != dropped);
        }
        if dropped.is_some() {
            changed.extend(model.views.iter().filter(|view| view.over == Some(id)).map(|view| view.id));
        }
    }
    Some(words)
}

/// What a view calls a column of its table.
pub(in super::super) fn column_name(model: &Model, view: &View, column: Id) -> String {
    if view.has_own_names { format!("c{column}") } else { model.table(view.table).column(column).name.clone() }
}
