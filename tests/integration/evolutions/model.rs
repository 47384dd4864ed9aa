//! A schema as its developer has it in mind: things with an identity of their own, so that a column that is renamed is
//! still the same one, and whoever refers to it writes its new name in the next bundle.

use super::extras::Extra;
use super::types::Type;

/// What tells things apart, whatever they are called.
pub(super) type Id = u32;

/// Everything that a bundle declares, and the migrations that it has collected.
#[derive(Clone, Default)]
pub(super) struct Model {
    last_id: Id,
    /// No number is given twice, also where its migration's file is gone.
    last_migration: usize,
    /// Beside `public`.
    pub(super) schemas: Vec<String>,
    pub(super) enums: Vec<EnumType>,
    pub(super) tables: Vec<Table>,
    pub(super) views: Vec<View>,
    pub(super) functions: Vec<Function>,
    pub(super) migrations: Vec<Migration>,
    pub(super) extras: Vec<Extra>,
}

/// A name with its schema, unquoted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: String,
    pub(super) name: String,
}

/// An enum type.
#[derive(Clone)]
pub(super) struct EnumType {
    pub(super) id: Id,
    pub(super) name: Name,
    /// In their order.
    pub(super) values: Vec<String>,
    /// Those that no database has before the next deployment.
    pub(super) new_values: Vec<String>,
}

/// A table; its key is a column of its own kind.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) id: Id,
    pub(super) name: Name,
    pub(super) key: Key,
    pub(super) columns: Vec<Column>,
    pub(super) parts: Vec<Part>,
    /// Whether `COMMENT ON TABLE` stands beside it.
    pub(super) comment: Option<String>,
    /// Rows that it holds, with keys from 1.
    pub(super) rows: usize,
}

/// How a table's primary key is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Integer,
    Serial,
    BigSerial,
    Identity,
    IdentityByDefault,
}

/// A column.
#[derive(Clone)]
pub(super) struct Column {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) not_null: bool,
    pub(super) default: Option<Default>,
    /// Whether some row may hold NULL in it.
    pub(super) holds_nulls: bool,
    /// Whether each row was given a value of its own.
    pub(super) holds_distinct: bool,
}

/// A default.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Default {
    /// A literal, as it stands in SQL.
    Literal(String),
    /// `now()` and the like.
    Expression(String),
}

/// What hangs on a table and refers to its columns.
#[derive(Clone)]
pub(super) struct Part {
    /// Unquoted.
    pub(super) name: String,
    pub(super) kind: PartKind,
    /// The columns that it mentions.
    pub(super) columns: Vec<Id>,
}

/// Indexes and constraints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    /// A plain index.
    Index,
    /// An index over `lower(…)` of a column's text.
    ExpressionIndex,
    /// An index over rows where the column is something.
    PartialIndex,
    /// `UNIQUE` within the table's statement.
    Unique,
    /// `CHECK`, with a number in it that may change.
    Check(u32),
    /// A foreign key to a table's key.
    ForeignKey(Id),
}

/// A view over a table, or over another view of it.
#[derive(Clone)]
pub(super) struct View {
    pub(super) id: Id,
    pub(super) name: Name,
    /// The table that its rows come from in the end.
    pub(super) table: Id,
    /// What it is over, where that is a view.
    pub(super) over: Option<Id>,
    /// Of the table, beside the key.
    pub(super) columns: Vec<Id>,
    /// Whether its columns have names of their own, which stay when the table's change.
    pub(super) has_own_names: bool,
    /// A condition with a number in it that may change.
    pub(super) more_than: usize,
}

/// A function that stands alone.
#[derive(Clone)]
pub(super) struct Function {
    pub(super) id: Id,
    pub(super) name: Name,
    /// Name and type of each.
    pub(super) parameters: Vec<(String, Type)>,
    pub(super) result: Type,
    /// What its body says.
    pub(super) revision: u32,
    pub(super) language: Language,
}

/// What a body is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Sql,
    Plpgsql,
}

/// A file of `migrations/`.
#[derive(Clone)]
pub(super) struct Migration {
    /// Its place in the order.
    pub(super) number: usize,
    /// The table that it is about.
    pub(super) table: Id,
    pub(super) sql: String,
}

impl Model {
    /// A new identity.
    pub(super) fn new_id(&mut self) -> Id {
        self.last_id += 1;
        self.last_id
    }

    /// Adds a migration after the others.
    pub(super) fn migrate(&mut self, table: Id, sql: String) {
        self.last_migration += 1;
        self.migrations.push(Migration { number: self.last_migration, table, sql });
    }

    /// Whether a database of the version `deployed` loses values by this one, so that the contract wants `force=true`.
    pub(super) fn loses_values_of(&self, deployed: &Self) -> bool {
        deployed.tables.iter().any(|before| match self.tables.iter().find(|one| one.id == before.id) {
            Some(after) => before.columns.iter().any(|column| {
                let after = after.columns.iter().find(|one| one.id == column.id);
                after.is_none_or(|after| {
                    column.kind.narrower().contains(&after.kind) || (after.not_null && !column.not_null)
                })
            }),
            None => true,
        })
    }

    pub(super) fn table(&self, id: Id) -> &Table {
        self.tables.iter().find(|table| table.id == id).expect("references are kept whole")
    }

    pub(super) fn view(&self, id: Id) -> &View {
        self.views.iter().find(|view| view.id == id).expect("references are kept whole")
    }

    /// Takes views away, and what is over them.
    pub(super) fn remove_views(&mut self, is_gone: impl Fn(&View) -> bool) {
        let mut gone: Vec<Id> = self.views.iter().filter(|view| is_gone(view)).map(|view| view.id).collect();
        while let Some(id) = gone.pop() {
            self.views.retain(|view| view.id != id);
            gone.extend(self.views.iter().filter(|view| view.over == Some(id)).map(|view| view.id));
        }
    }

    /// Takes a column away, and what mentions it.
    pub(super) fn remove_column(&mut self, table: Id, column: Id) {
        self.views.iter_mut().for_each(|view| view.columns.retain(|one| *one != column));
        for table in self.tables.iter_mut().filter(|one| one.id == table) {
            table.parts.retain(|part| !part.columns.contains(&column));
            table.columns.retain(|one| one.id != column);
        }
    }

    pub(super) fn enum_type(&self, id: Id) -> &EnumType {
        self.enums.iter().find(|one| one.id == id).expect("references are kept whole")
    }
}

impl Table {
    pub(super) fn column(&self, id: Id) -> &Column {
        self.columns.iter().find(|column| column.id == id).expect("references are kept whole")
    }

    /// Whether no two rows may have the same in it.
    pub(super) fn is_unique(&self, column: Id) -> bool {
        self.parts.iter().any(|part| part.kind == PartKind::Unique && part.columns.contains(&column))
    }
}
