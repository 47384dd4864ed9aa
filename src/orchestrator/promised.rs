//! What the statements of a bundle's declaration promise: each thing that has to stand in a new database in the end, with the
//! file and line that say so. Pure; [`kept`] holds it against a catalog.
//!
//! Read from the statements' text, one after the other, so that what a later one takes back is promised no longer. That
//! something else stands there under the name is not looked for here: it is about what is gone without a word.

pub mod kept;
mod table;
mod words;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pg_query::protobuf::{ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};

use super::objects::subject::{self, Subject};
use crate::bundle::sql::{Statement, facts, on_deep_stack};

/// Schema and name, unquoted; the schema is empty where the statement names none.
pub type Name = (String, String);

/// What has to stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Of whatever kind.
    Table(Name),
    /// Also a materialized one.
    View(Name),
    /// By itself.
    Sequence(Name),
    /// Enum, domain, composite, range.
    Type(Name),
    /// At least one function, procedure or aggregate of the name.
    Routine(Name),
    /// A schema.
    Schema(String),
    /// Operators, publications and their like.
    Subject(Subject),
    /// A value of an enum.
    Label(Name, String),
    /// Of a table or a composite type.
    Column(Name, String),
    /// Also what is generated, or drawn from a sequence.
    Default(Name, String),
    /// Of a column.
    NotNull(Name, String),
    /// One with a name.
    Constraint(Name, String),
    /// One without: `contype` and text.
    Unnamed(Name, char, String),
    /// Of a table or a materialized view.
    Index(Name, String),
    /// One without a name: its text.
    UnnamedIndex(Name, String),
    /// Trigger, policy, rule or statistics (`t`, `p`, `R` restrictive policy, `r`, `s`) of a table or a view.
    Part(Name, char, String),
    /// `ENABLE` or, if so, `FORCE ROW LEVEL SECURITY`
    RowSecurity(Name, bool),
}

/// The promises of a bundle, each with the number of the statement that makes it.
#[derive(Debug, Default)]
pub struct Promises(BTreeMap<Promise, usize>);

impl Promises {
    /// Reads statements, each with its number; those of migrations promise nothing. Takes its time.
    pub fn of(statements: &[(usize, Statement)]) -> Self {
        let read = || {
            let mut promises = Self::default();
            for (at, statement) in statements {
                if let Some(tree) = statement.parse() {
                    promises.read(*at, &tree);
                }
            }
            promises
        };
        // Without a thread nothing is known to be promised.
        on_deep_stack(read).unwrap_or_default()
    }

    /// In the order of the statements that make them.
    fn in_order(&self) -> Vec<(&Promise, usize)> {
        let mut all: Vec<(&Promise, usize)> = self.0.iter().map(|(promise, at)| (promise, *at)).collect();
        all.sort_by_key(|(_, at)| *at);
        all
    }

    fn add(&mut self, at: usize, promise: Promise) {
        match self.0.entry(promise) {
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => drop(place.insert(at)),
        }
    }

    fn forget(&mut self, is_gone: impl Fn(&Promise) -> bool) {
        self.0.retain(|promise, _| !is_gone(promise));
    }

    /// Nothing is known of this relation, type or routine any more: it gets another name, or goes.
    fn forget_all_of(&mut self, name: &Name) {
        let is_it = |one: &Name| one.1 == name.1 && (one.0 == name.0 || one.0.is_empty() || name.0.is_empty());
        self.forget(|promise| match promise {
            Promise::Table(one)
            | Promise::View(one)
            | Promise::Sequence(one)
            | Promise::Type(one)
            | Promise::Routine(one)
            | Promise::Label(one, _)
            | Promise::Column(one, _)
            | Promise::Default(one, _)
            | Promise::NotNull(one, _)
            | Promise::Constraint(one, _)
            | Promise::Unnamed(one, ..)
            | Promise::UnnamedIndex(one, _)
            | Promise::Part(one, ..)
            | Promise::RowSecurity(one, _) => is_it(one),
            Promise::Index(one, index) => is_it(one) || *index == name.1,
            Promise::Schema(_) | Promise::Subject(_) => false,
        });
    }

    fn read(&mut self, at: usize, tree: &NodeEnum) {
        match tree {
            NodeEnum::CreateStmt(create) => table::created(self, at, create),
            NodeEnum::CreateForeignTableStmt(create) => {
                if let Some(base) = &create.base_stmt {
                    table::created(self, at, base);
                }
            }
            NodeEnum::AlterTableStmt(alter) => table::altered(self, at, alter),
            NodeEnum::IndexStmt(index) => table::index(self, at, index),
            NodeEnum::CreateTableAsStmt(create) => {
                let made = create.into.as_ref().and_then(|into| into.rel.as_ref()).and_then(lasting);
                let is_view = create.objtype == ObjectType::ObjectMatview as i32;
                let promise = if is_view { Promise::View } else { Promise::Table };
                self.add_each(at, made.map(promise));
            }
            NodeEnum::SelectStmt(select) => {
                let made = select.into_clause.as_ref().and_then(|into| into.rel.as_ref()).and_then(lasting);
                self.add_each(at, made.map(Promise::Table));
            }
            NodeEnum::ViewStmt(create) => self.add_each(at, create.view.as_ref().and_then(lasting).map(Promise::View)),
            NodeEnum::CreateSeqStmt(create) => {
                self.add_each(at, create.sequence.as_ref().and_then(lasting).map(Promise::Sequence));
            }
            NodeEnum::CreateTrigStmt(create) => self.part(at, create.relation.as_ref(), 't', &create.trigname),
            NodeEnum::RuleStmt(create) => self.part(at, create.relation.as_ref(), 'r', &create.rulename),
            NodeEnum::CreatePolicyStmt(create) => {
                let kind = if create.permissive { 'p' } else { 'R' };
                self.part(at, create.table.as_ref(), kind, &create.policy_name);
            }
            NodeEnum::CreateStatsStmt(create) => {
                let of = create.relations.first().and_then(|relation| match &relation.node {
                    Some(NodeEnum::RangeVar(relation)) => Some(relation),
                    _ => None,
                });
                if let Some((_, name)) = named(&create.defnames) {
                    self.part(at, of, 's', &name);
                }
            }
            NodeEnum::CreateFunctionStmt(create) => self.add_each(at, named(&create.funcname).map(Promise::Routine)),
            NodeEnum::CreateSchemaStmt(create) if !create.schemaname.is_empty() => {
                self.add(at, Promise::Schema(create.schemaname.clone()));
            }
            NodeEnum::CreateEnumStmt(_)
            | NodeEnum::AlterEnumStmt(_)
            | NodeEnum::CreateDomainStmt(_)
            | NodeEnum::AlterDomainStmt(_)
            | NodeEnum::CreateRangeStmt(_)
            | NodeEnum::CompositeTypeStmt(_) => self.read_type(at, tree),
            NodeEnum::RenameStmt(rename) => {
                self.forget_named(rename.relation.as_ref(), rename.object.as_deref());
                self.forget(|promise| matches!(promise, Promise::Subject(_) | Promise::Schema(_)));
            }
            NodeEnum::AlterObjectSchemaStmt(alter) => {
                self.forget_named(alter.relation.as_ref(), alter.object.as_deref());
                self.forget(|promise| matches!(promise, Promise::Subject(_)));
            }
            NodeEnum::DropStmt(drop) => {
                for mut name in facts::dropped_names(drop) {
                    // The last two words of what is part of a table are the table's name and its own.
                    let last = name.pop().unwrap_or_default();
                    let before = name.pop().unwrap_or_default();
                    self.forget(
                        |promise| matches!(promise, Promise::Part(of, _, part) if of.1 == before && *part == last),
                    );
                    self.forget(|promise| matches!(promise, Promise::Subject(_)));
                    self.forget(|promise| matches!(promise, Promise::Schema(schema) if *schema == last));
                    self.forget_all_of(&(before, last));
                }
            }
            other => self.read_other(at, other),
        }
    }

    fn read_other(&mut self, at: usize, tree: &NodeEnum) {
        if let NodeEnum::DefineStmt(define) = tree
            && define.kind == ObjectType::ObjectAggregate as i32
        {
            self.add_each(at, named(&define.defnames).map(Promise::Routine));
            return;
        }
        self.add_each(at, subject::made(tree).map(Promise::Subject));
    }

    fn read_type(&mut self, at: usize, tree: &NodeEnum) {
        match tree {
            NodeEnum::CreateEnumStmt(create) => {
                let Some(name) = named(&create.type_name) else { return };
                for label in facts::words(&create.vals) {
                    self.add(at, Promise::Label(name.clone(), label));
                }
                self.add(at, Promise::Type(name));
            }
            NodeEnum::AlterEnumStmt(alter) => {
                let Some(name) = named(&alter.type_name) else { return };
                self.forget(
                    |promise| matches!(promise, Promise::Label(of, old) if of.1 == name.1 && *old == alter.old_val),
                );
                self.add(at, Promise::Label(name, alter.new_val.clone()));
            }
            NodeEnum::CreateDomainStmt(create) => {
                let Some(name) = named(&create.domainname) else { return };
                table::domain(self, at, &name, &create.constraints);
                self.add(at, Promise::Type(name));
            }
            NodeEnum::AlterDomainStmt(alter) => {
                let Some(name) = named(&alter.type_name) else { return };
                self.forget(|promise| !matches!(promise, Promise::Type(_)) && is_part_of(promise, &name));
            }
            NodeEnum::CreateRangeStmt(create) => self.add_each(at, named(&create.type_name).map(Promise::Type)),
            NodeEnum::CompositeTypeStmt(create) => {
                let Some(name) = create.typevar.as_ref().map(name_of) else { return };
                table::columns(self, at, &name, &create.coldeflist);
                self.add(at, Promise::Type(name));
            }
            _ => {}
        }
    }

    fn add_each(&mut self, at: usize, promises: impl IntoIterator<Item = Promise>) {
        promises.into_iter().for_each(|promise| self.add(at, promise));
    }

    fn part(&mut self, at: usize, relation: Option<&RangeVar>, kind: char, name: &str) {
        self.add_each(at, relation.and_then(lasting).map(|of| Promise::Part(of, kind, name.to_owned())));
    }

    fn forget_named(&mut self, relation: Option<&RangeVar>, object: Option<&Node>) {
        if let Some(relation) = relation {
            self.forget_all_of(&name_of(relation));
        }
        let words = match object.map(|object| &object.node) {
            Some(Some(NodeEnum::List(list))) => facts::words(&list.items),
            Some(Some(NodeEnum::ObjectWithArgs(routine))) => facts::words(&routine.objname),
            _ => Vec::new(),
        };
        if let Some(last) = words.last() {
            self.forget_all_of(&(String::new(), last.clone()));
        }
    }
}

/// Whether it is part of the domain.
fn is_part_of(promise: &Promise, name: &Name) -> bool {
    match promise {
        Promise::Default(of, _) | Promise::NotNull(of, _) | Promise::Constraint(of, _) | Promise::Unnamed(of, ..) => {
            of.1 == name.1
        }
        _ => false,
    }
}

fn name_of(relation: &RangeVar) -> Name {
    (relation.schemaname.clone(), relation.relname.clone())
}

/// A temporary one is gone with the session.
fn lasting(relation: &RangeVar) -> Option<Name> {
    (relation.relpersistence != "t" && relation.schemaname != "pg_temp").then(|| name_of(relation))
}

fn named(names: &[Node]) -> Option<Name> {
    let mut words = facts::words(names);
    let name = words.pop()?;
    Some((words.pop().unwrap_or_default(), name))
}

#[cfg(test)]
mod tests;
