//! What a bundle declares, told from its text: before any of it is made, and whatever is there yet. Pure.

use std::collections::HashSet;

use pg_query::NodeEnum;

use super::declared::{self, Name};
use crate::bundle::Kind;
use crate::bundle::extension::Extension;
use crate::bundle::sql::{Class, Object, Statement, Wanted, facts};

/// The names that `types/`, `tables/`, `views/` and `functions/` make.
#[derive(Clone, Debug, Default)]
pub struct DeclaredText {
    /// Tables, of whatever kind.
    pub tables: HashSet<Name>,
    /// Types of every kind.
    pub types: HashSet<Name>,
    /// Everything with a name, tables and types too.
    objects: HashSet<Object>,
    /// The input types of each overload of a function.
    pub overloads: HashSet<(Object, Vec<String>)>,
    /// Extensions.
    pub extensions: HashSet<String>,
    /// Schemas, and those of everything else.
    pub schemas: HashSet<String>,
    /// Tables into which the declaration's own statements put rows.
    pub filled: HashSet<Name>,
    /// Whether `types/` or `tables/` declare anything that is there before the first migration.
    pub declares: bool,
}

impl DeclaredText {
    /// Reads the statements of a bundle; those of migrations declare nothing.
    pub fn of(statements: &[Statement], extensions: &[Extension]) -> Self {
        let mut text =
            Self { extensions: extensions.iter().map(|extension| extension.name.clone()).collect(), ..Self::default() };
        for statement in statements.iter().filter(|statement| statement.kind != Kind::Migrations) {
            text.declares |= statement.kind.is_final();
            let named = statement.object().map(|object| (object.schema.clone(), object.name.clone()));
            match statement.tree.as_ref() {
                NodeEnum::CreateStmt(_) | NodeEnum::CreateForeignTableStmt(_) => text.tables.extend(named),
                NodeEnum::RenameStmt(_) => {}
                _ if statement.object().is_some_and(|object| object.class == Class::Type) => text.types.extend(named),
                _ => {}
            }
            let lasting = |made: &&Object| !matches!(made.class, Class::Key | Class::Details | Class::Rows);
            text.schemas.extend(statement.makes.iter().filter(lasting).map(|made| match made.class {
                Class::Schema => made.name.clone(),
                _ => made.schema.clone(),
            }));
            if let NodeEnum::CreateExtensionStmt(create) = statement.tree.as_ref() {
                text.extensions.insert(create.extname.clone());
            }
            text.objects.extend(statement.makes.iter().filter(lasting).cloned());
            text.overloads.extend(overload(statement));
            text.filled.extend(filled(statement));
        }
        text
    }

    /// Whether a relation of this name is declared by itself: an index, a view, a sequence.
    pub fn has_relation(&self, name: &Name) -> bool {
        self.has(Class::Relation, &name.0, name.1.clone())
    }

    /// Whether a statement of its own declares this part of a table.
    pub fn has_part(&self, table: &Name, part: &str) -> bool {
        self.has(Class::Part, &table.0, format!("{}.{part}", table.1))
    }

    fn has(&self, class: Class, schema: &str, name: String) -> bool {
        self.has_object(&Object { class, schema: schema.to_owned(), name })
    }

    /// Whether it is declared.
    pub fn has_object(&self, object: &Object) -> bool {
        self.objects.contains(object)
    }

    /// Whether it makes a schema and, in one go, something inside that is not declared: without the schema, that would not be
    /// there either.
    pub fn lacks_what_is_made_inside(&self, statement: &Statement) -> bool {
        let NodeEnum::CreateSchemaStmt(create) = statement.tree.as_ref() else { return false };
        let is_declared = |element: &pg_query::Node| {
            let name = match &element.node {
                Some(NodeEnum::CreateStmt(table)) => table.relation.as_ref().map(|name| &name.relname),
                Some(NodeEnum::ViewStmt(view)) => view.view.as_ref().map(|name| &name.relname),
                Some(NodeEnum::CreateSeqStmt(sequence)) => sequence.sequence.as_ref().map(|name| &name.relname),
                Some(NodeEnum::IndexStmt(index)) => Some(&index.idxname),
                _ => None,
            };
            name.is_some_and(|name| self.has_relation(&(create.schemaname.clone(), name.clone())))
        };
        !create.schema_elts.iter().all(is_declared)
    }

    /// Whether a migration's statement makes something that is declared as well.
    pub fn has_what_is_made_by(&self, statement: &Statement) -> bool {
        let is_needed = match statement.tree.as_ref() {
            NodeEnum::CreateExtensionStmt(create) => self.extensions.contains(&create.extname),
            NodeEnum::CreateSchemaStmt(create) => self.schemas.contains(&create.schemaname),
            _ => false,
        };
        match overload(statement) {
            Some(overload) => self.overloads.contains(&overload),
            None => is_needed || statement.makes.iter().any(|made| self.objects.contains(made)),
        }
    }

    /// Whether it drops something under a name that is declared: an earlier release may have made it, and this one will.
    pub fn has_what_is_dropped_by(&self, statement: &Statement) -> bool {
        let NodeEnum::DropStmt(drop) = statement.tree.as_ref() else { return false };
        facts::dropped_names(drop).into_iter().any(|mut words| {
            let name = words.pop().unwrap_or_default();
            let schema = words.pop().unwrap_or_else(|| "public".to_owned());
            let part = format!("{schema}.{name}");
            self.objects.iter().any(|one| one.name == name && one.schema == schema || one.name == part)
        })
    }

    /// Whether it alters a table or an enum that is declared. Where migrations come first, one that no text of theirs makes (a
    /// `DO` block does) is made as declared before them.
    pub fn has_what_is_altered_by(&self, statement: &Statement) -> bool {
        match statement.tree.as_ref() {
            NodeEnum::AlterEnumStmt(alter) => {
                let mut words = facts::words(&alter.type_name);
                let name = words.pop().unwrap_or_default();
                self.types.contains(&(words.pop().unwrap_or_else(|| "public".to_owned()), name))
            }
            tree => declared::altered(tree).is_some_and(|table| self.tables.contains(&table)),
        }
    }

    /// Whether it makes a function, view or trigger that is declared as well: in any database the declaration replaces
    /// what stands there under its name.
    pub fn will_replace(&self, statement: &Statement) -> bool {
        let is_replaced = matches!(
            statement.tree.as_ref(),
            NodeEnum::CreateFunctionStmt(_) | NodeEnum::ViewStmt(_) | NodeEnum::CreateTrigStmt(_)
        );
        is_replaced && self.has_what_is_made_by(statement)
    }
}

fn overload(statement: &Statement) -> Option<(Object, Vec<String>)> {
    Some((statement.object()?.clone(), facts::input_types(&statement.tree)?))
}

/// The tables among which are those that a statement puts rows into.
fn filled(statement: &Statement) -> Vec<Name> {
    match statement.tree.as_ref() {
        NodeEnum::CreateTableAsStmt(_) => {
            statement.object().map(|made| (made.schema.clone(), made.name.clone())).into_iter().collect()
        }
        NodeEnum::InsertStmt(_) | NodeEnum::MergeStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::CopyStmt(_) => statement
            .needs
            .iter()
            .filter(|need| need.wanted == Wanted::Relation)
            .map(|need| (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone()))
            .collect(),
        _ => Vec::new(),
    }
}
