//! What developers do to a schema, one step at a time: each changes the model and gives the statements that a migration
//! has for it, or nothing where the model has no place for it.

mod columns;
mod kinds;
mod routines;
mod rows;
mod rules;
mod tables;

use super::model::{Model, Table};
use crate::support::random::Random;

/// A model, and how its tool writes things.
pub(super) struct World {
    pub(super) model: Model,
    pub(super) random: Random,
    /// Keys and references in statements of their own, behind the table.
    pub(super) keys_apart: bool,
    /// `ALTER TABLE ONLY`.
    pub(super) only: bool,
    /// A migration runs in a transaction: a new enum value cannot be used in it.
    pub(super) in_transaction: bool,
    /// Types are made in a block that forgives their being there.
    pub(super) guarded_types: bool,
    /// The tool's own function makes the triggers.
    pub(super) managed_triggers: bool,
}

/// Statements without the `;`. One that cannot be in a transaction is alone.
pub(super) type Statements = Vec<String>;

type Step = fn(&mut World) -> Option<Statements>;

/// Each as often as it stands here.
const STEPS: &[(&str, Step)] = &[
    ("create_table", tables::create),
    ("create_table", tables::create),
    ("rename_table", tables::rename),
    ("drop_table", tables::drop),
    ("swap_table", tables::swap),
    ("create_partitioned", tables::create_partitioned),
    ("add_partition", tables::add_partition),
    ("drop_partition", tables::drop_partition),
    ("add_column", columns::add),
    ("add_column", columns::add),
    ("add_column_with_rows", columns::add_filled),
    ("add_reference", columns::add_reference),
    ("add_generated", columns::add_generated),
    ("rename_column", columns::rename),
    ("drop_column", columns::drop),
    ("change_type", columns::change_type),
    ("change_default", columns::change_default),
    ("change_null", columns::change_null),
    ("add_index", rules::add_index),
    ("add_index", rules::add_index),
    ("add_index_concurrently", rules::add_index_concurrently),
    ("drop_index", rules::drop_index),
    ("rename_index", rules::rename_index),
    ("add_constraint", rules::add_constraint),
    ("drop_constraint", rules::drop_constraint),
    ("rename_constraint", rules::rename_constraint),
    ("create_enum", kinds::create),
    ("add_value", kinds::add_value),
    ("swap_enum", kinds::swap),
    ("rename_value", kinds::rename_value),
    ("rename_enum", kinds::rename),
    ("create_domain", kinds::create_domain),
    ("create_function", routines::create),
    ("replace_function", routines::replace),
    ("drop_function", routines::drop),
    ("create_trigger", routines::create_trigger),
    ("drop_trigger", routines::drop_trigger),
    ("create_view", routines::create_view),
    ("replace_view", routines::replace_view),
    ("drop_view", routines::drop_view),
    ("refresh_view", routines::refresh),
    ("insert_rows", rows::insert),
    ("insert_rows", rows::insert),
    ("insert_rows", rows::insert),
    ("update_rows", rows::update),
    ("delete_rows", rows::delete),
    ("copy_rows", rows::copy),
    ("add_policy", rules::add_policy),
    ("drop_policy", rules::drop_policy),
    ("comment", rules::comment),
    ("grant", rules::grant),
    ("create_sequence", kinds::create_sequence),
];

/// Names of the steps, for the check that each was taken.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = STEPS.iter().map(|(name, _)| *name).collect();
    names.dedup();
    names
}

impl World {
    /// Takes any step that has a place.
    pub(super) fn step(&mut self) -> (&'static str, Statements) {
        loop {
            let (name, step) = STEPS[self.random.below(STEPS.len())];
            let before = self.model.clone();
            match step(self) {
                Some(statements) => return (name, statements),
                None => self.model = before,
            }
        }
    }

    pub(super) fn create_table(&mut self) -> Statements {
        tables::create(self).expect("a table can always be made")
    }

    fn chance(&mut self, of: usize) -> bool {
        self.random.below(of) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.random.below(from.len())].clone())
    }

    /// Any table that fits.
    fn table(&mut self, fits: impl Fn(&Model, &Table) -> bool) -> Option<Table> {
        let tables: Vec<usize> =
            self.model.tables.iter().filter(|table| fits(&self.model, table)).map(|table| table.id).collect();
        let id = self.pick(&tables)?;
        Some(self.model.table(id).clone())
    }

    /// Any column that fits, and its table.
    fn column(&mut self, fits: impl Fn(&Model, &Table, usize) -> bool) -> Option<(Table, usize)> {
        let model = &self.model;
        let columns: Vec<(usize, usize)> = model
            .tables
            .iter()
            .flat_map(|table| table.columns.iter().map(move |column| (table, column.id)))
            .filter(|(table, column)| fits(model, table, *column))
            .map(|(table, column)| (table.id, column))
            .collect();
        let (table, column) = self.pick(&columns)?;
        Some((self.model.table(table).clone(), column))
    }

    /// `ALTER TABLE` and the table's name.
    fn alter(&self, table: &Table) -> String {
        let only = if self.only && table.partitions.is_none() { "ONLY " } else { "" };
        format!("ALTER TABLE {only}{}", self.model.full(&table.name))
    }

    /// What follows when something was renamed that texts of functions name: PostgreSQL does not look into those.
    fn replaced_readers(&self, place: &str) -> Statements {
        let readers = self.model.functions.iter().filter(|function| function.text.contains(place));
        readers.map(|function| self.model.function_text(function, "OR REPLACE ")).collect()
    }

    /// Views that have to go before something about a column changes, and come back after it.
    fn without_views(&self, place: &str, statements: Statements) -> Statements {
        let views: Vec<_> = self.model.views.iter().filter(|view| view.query.contains(place)).collect();
        let kind = |materialized| if materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        let drops =
            views.iter().map(|view| format!("DROP {} {}", kind(view.materialized), self.model.full(&view.name)));
        let mut all: Statements = drops.collect();
        all.extend(statements);
        for view in views {
            all.push(self.model.view_text(view));
            all.extend(view.indexes.iter().map(|(_, index)| index.clone()));
        }
        all
    }
}
