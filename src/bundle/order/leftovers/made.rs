//! What the files of a bundle make, by name, and which of it its declaration.

use std::collections::{HashMap, HashSet};

use pg_query::protobuf::{CreateStmt, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};

use super::words;
use crate::bundle::Kind;
use crate::bundle::order::Script;
use crate::bundle::sql::{Class, Statement, facts};

/// Names by class; one without a schema is found in each.
#[derive(Default)]
struct Names<'a> {
    qualified: HashSet<(Class, &'a str, &'a str)>,
    unqualified: HashSet<(Class, &'a str)>,
}

impl<'a> Names<'a> {
    fn insert(&mut self, class: Class, schema: &'a str, name: &'a str) {
        self.qualified.insert((class, schema, name));
        self.unqualified.insert((class, name));
    }

    fn has(&self, class: Class, parts: &[String]) -> bool {
        match parts {
            [name] => self.unqualified.contains(&(class, name)),
            [.., schema, name] => self.qualified.contains(&(class, schema, name)),
            [] => false,
        }
    }
}

/// What is made, by whatever file.
pub(super) struct Made<'a> {
    all: Names<'a>,
    /// Beside `migrations/`.
    declared: Names<'a>,
    extensions: HashSet<&'a str>,
    /// The statements that make a relation or a composite type of a name.
    makers: HashMap<&'a str, Vec<&'a Statement>>,
}

impl<'a> Made<'a> {
    pub(super) fn of(script: &'a Script) -> Self {
        let (all, declared, makers) = Default::default();
        let extensions = script.extensions.iter().map(|extension| extension.name.as_str()).collect();
        let mut made = Self { all, declared, extensions, makers };
        for schema in script.extensions.iter().filter_map(|extension| extension.schema.as_deref()) {
            made.all.insert(Class::Schema, "public", schema);
        }
        // Every database has it.
        made.all.insert(Class::Schema, "public", "public");
        script.statements.iter().for_each(|statement| made.add(statement));
        made
    }

    fn add(&mut self, statement: &'a Statement) {
        if let NodeEnum::CreateExtensionStmt(create) = statement.tree.as_ref() {
            self.extensions.insert(&create.extname);
            if let Some(schema) = extension_schema(statement) {
                self.all.insert(Class::Schema, "public", schema);
            }
        }
        for object in &statement.makes {
            self.all.insert(object.class, &object.schema, &object.name);
            if statement.kind != Kind::Migrations {
                self.declared.insert(object.class, &object.schema, &object.name);
            }
            if matches!(object.class, Class::Relation | Class::Type) {
                self.makers.entry(&object.name).or_default().push(statement);
            }
        }
    }

    pub(super) fn has(&self, class: Class, parts: &[String]) -> bool {
        self.all.has(class, parts)
    }

    pub(super) fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }

    pub(super) fn declares(&self, class: Class, parts: &[String]) -> bool {
        self.declared.has(class, parts)
    }

    /// Also one that PostgreSQL makes with a table and names after it: a key's index, a column's sequence.
    pub(super) fn declares_relation(&self, name: &RangeVar) -> bool {
        let parts = parts(name);
        let is_declared = |class| self.declares(class, &parts);
        let stems = name.relname.char_indices().filter(|(_, character)| *character == '_');
        let mut stems = stems.map(|(at, _)| &name.relname[..at]);
        is_declared(Class::Relation)
            || is_declared(Class::Type)
            || stems.any(|stem| self.declared.unqualified.contains(&(Class::Relation, stem)))
    }

    /// Of an object that is no relation.
    pub(super) fn declares_named(&self, kind: i32, object: Option<&Node>) -> bool {
        let class = match ObjectType::try_from(kind) {
            Ok(ObjectType::ObjectType | ObjectType::ObjectDomain | ObjectType::ObjectDomconstraint) => Class::Type,
            Ok(
                ObjectType::ObjectFunction
                | ObjectType::ObjectProcedure
                | ObjectType::ObjectRoutine
                | ObjectType::ObjectAggregate,
            ) => Class::Routine,
            Ok(ObjectType::ObjectOperator) => Class::Operator,
            Ok(ObjectType::ObjectOpclass) => Class::OperatorClass,
            Ok(ObjectType::ObjectCollation) => Class::Collation,
            _ => return false,
        };
        object.is_some_and(|object| self.declares(class, &words(object)))
    }

    /// Whether a statement gives a table, or a composite type, a column of this name, or may do so unsaid.
    pub(super) fn has_column(&self, table: &RangeVar, column: &str) -> bool {
        let parts = parts(table);
        let part = format!("{}.{column}", table.relname);
        let added = [&parts[..parts.len() - 1], &[part]].concat();
        let is_it = |statement: &&&Statement| {
            let names = statement.makes.iter().filter(|made| made.name == table.relname);
            names.into_iter().any(|made| table.schemaname.is_empty() || made.schema == table.schemaname)
        };
        let mut makers = self.makers.get(table.relname.as_str()).into_iter().flatten().filter(is_it);
        self.has(Class::Part, &added) || makers.any(|maker| may_have_column(maker, column))
    }
}

fn parts(name: &RangeVar) -> Vec<String> {
    let schema = Some(name.schemaname.clone()).filter(|schema| !schema.is_empty());
    schema.into_iter().chain([name.relname.clone()]).collect()
}

fn extension_schema(statement: &Statement) -> Option<&str> {
    let of_schema = |need: &&crate::bundle::sql::Reference| need.wanted == crate::bundle::sql::Wanted::Schema;
    statement.needs.iter().find(of_schema).map(|need| need.name.as_str())
}

fn may_have_column(maker: &Statement, column: &str) -> bool {
    let is_it = |node: &Node| facts::column_of(node).is_some_and(|one| one.colname == column);
    match maker.parse() {
        Some(NodeEnum::CreateStmt(create)) => takes_over_columns(&create) || create.table_elts.iter().any(is_it),
        Some(NodeEnum::CompositeTypeStmt(create)) => create.coldeflist.iter().any(is_it),
        // The columns of a query are not told by the text.
        Some(NodeEnum::CreateTableAsStmt(_) | NodeEnum::SelectStmt(_) | NodeEnum::CreateForeignTableStmt(_)) => true,
        _ => false,
    }
}

/// Whether columns come from elsewhere, too.
fn takes_over_columns(create: &CreateStmt) -> bool {
    let copies = |node: &Node| matches!(node.node, Some(NodeEnum::TableLikeClause(_)));
    !create.inh_relations.is_empty() || create.of_typename.is_some() || create.table_elts.iter().any(copies)
}
