//! What becomes of an enum's values by the statements of migrations, told from their text. PostgreSQL lets nobody use a
//! value in the transaction that adds it, unless the type was made with it: so a type that a deployment makes gets at once
//! the values that the same deployment adds later, and one that is there gets them just before ([`super::new_values`]).
//! What no text tells of is told from the blueprint, where there is one. Pure.

use std::collections::{HashMap, HashSet};

use pg_query::protobuf::{AlterEnumStmt, ObjectType};
use pg_query::{Node, NodeEnum};

use super::catalog::Catalog;
use super::catalog::things::parts_of_name;
use crate::bundle::Kind;
use crate::bundle::sql::{Statement, facts};

/// An enum with more values than this is nobody's, and following it takes long.
const MOST: usize = 10_000;

/// Schema and name, unquoted.
pub type Name = (String, String);

/// The values of one enum while migrations change it.
#[derive(Clone, Debug)]
pub struct Labels {
    name: Name,
    /// Each value as it is called at first, and as it is called by then.
    values: Vec<(String, String)>,
    is_gone: bool,
}

impl Labels {
    /// An enum as it is made, or found.
    pub fn new(name: Name, values: &[String]) -> Self {
        Self { name, values: values.iter().map(|one| (one.clone(), one.clone())).collect(), is_gone: false }
    }

    /// Follows one more statement. The place of the value that it adds: `None` where it adds none that could be added at
    /// first.
    pub fn follow(&mut self, statement: &Statement) -> Option<usize> {
        if self.is_gone || self.values.len() > MOST || !changed(statement).contains(&self.name) {
            return None;
        }
        match statement.tree.as_ref() {
            NodeEnum::RenameStmt(rename) => self.name.1.clone_from(&rename.newname),
            NodeEnum::DropStmt(_) => self.is_gone = true,
            NodeEnum::AlterEnumStmt(alter) => return self.alter(alter),
            _ => {}
        }
        None
    }

    fn alter(&mut self, alter: &AlterEnumStmt) -> Option<usize> {
        let by_then = |values: &[(String, String)], value: &str| values.iter().position(|(_, now)| now == value);
        if !alter.old_val.is_empty() {
            let at = by_then(&self.values, &alter.old_val)?;
            self.values[at].1.clone_from(&alter.new_val);
            return None;
        }
        let is_taken = self.values.iter().any(|(first, now)| *first == alter.new_val || *now == alter.new_val);
        if is_taken || alter.new_val.is_empty() {
            return None;
        }
        let at = match alter.new_val_neighbor.as_str() {
            "" => self.values.len(),
            neighbor => by_then(&self.values, neighbor)? + usize::from(alter.new_val_is_after),
        };
        self.values.insert(at, (alter.new_val.clone(), alter.new_val.clone()));
        Some(at)
    }

    /// Takes in what the type has in the end, in this order, and no text tells of; answers that.
    fn complete(&mut self, all: &[String]) -> Vec<String> {
        let mut unseen = Vec::new();
        for (at, value) in all.iter().enumerate() {
            if self.values.iter().any(|(first, now)| first == value || now == value) {
                continue;
            }
            let by_then = |one: &String| self.values.iter().position(|(_, now)| now == one);
            let previous = all[..at].iter().rev().find_map(by_then);
            self.values.insert(previous.map_or(0, |previous| previous + 1), (value.clone(), value.clone()));
            unseen.push(value.clone());
        }
        unseen
    }

    /// The values, as they are called at first.
    pub fn at_first(&self) -> impl Iterator<Item = &String> {
        self.values.iter().map(|(first, _)| first)
    }

    /// The type's name by then; `None` where it is gone.
    pub fn name(&self) -> Option<&Name> {
        Some(&self.name).filter(|_| !self.is_gone)
    }
}

/// A type that is made, and what is added to it later.
struct Growing<'a> {
    statement: &'a Statement,
    added: Vec<(String, usize)>,
    labels: Labels,
}

/// The types of a deployment that are made with the values that it adds to them later.
#[derive(Debug, Default)]
pub struct MadeWhole {
    /// By path and place in the file, what is run in a `CREATE TYPE`'s stead.
    creations: HashMap<(String, usize), Statement>,
    /// The additions that are done by then.
    additions: HashSet<(String, usize)>,
    /// Values of theirs that no text tells of, by the names of their types.
    unseen: Vec<(Name, String)>,
}

impl MadeWhole {
    /// `is_pending`: whether a migration's statement is to be run; `declared`: where that is known, what there is in the end.
    pub fn of(statements: &[Statement], is_pending: impl Fn(&Statement) -> bool, declared: Option<&Catalog>) -> Self {
        let enums = declared.into_iter().flat_map(|declared| declared.enums.values());
        let finally: HashMap<Name, &[String]> =
            enums.map(|one| (parts_of_name(&one.name), one.values.as_slice())).collect();
        let mut made = Self::default();
        let mut types: HashMap<Name, Growing<'_>> = HashMap::new();
        for statement in statements.iter().filter(|one| one.kind != Kind::Migrations || is_pending(one)) {
            match statement.tree.as_ref() {
                NodeEnum::CreateEnumStmt(create) => {
                    // Where there is one already, this is one that the declaration has made.
                    let labels = Labels::new(named(&facts::words(&create.type_name)), &facts::words(&create.vals));
                    let growing = Growing { statement, added: Vec::new(), labels };
                    types.entry(growing.labels.name.clone()).or_insert(growing);
                }
                _ if statement.kind == Kind::Migrations => {
                    for name in changed(statement) {
                        let Some(mut growing) = types.remove(&name) else { continue };
                        if growing.labels.follow(statement).is_some() {
                            growing.added.push(key(statement));
                        }
                        match growing.labels.name().cloned() {
                            Some(name) => drop(types.insert(name, growing)),
                            None => made.take(growing, &finally),
                        }
                    }
                }
                _ => {}
            }
        }
        types.into_values().for_each(|growing| made.take(growing, &finally));
        made
    }

    fn take(&mut self, growing: Growing<'_>, finally: &HashMap<Name, &[String]>) {
        let Growing { statement, added, mut labels } = growing;
        let NodeEnum::CreateEnumStmt(create) = statement.tree.as_ref() else { return };
        // A migration that gives a declared name away is about another type, which had it before.
        let is_its_own = |name: &&Name| {
            statement.kind == Kind::Migrations
                || statement.object().is_some_and(|made| (&made.schema, &made.name) == (&name.0, &name.1))
        };
        let all = labels.name().filter(is_its_own).and_then(|name| finally.get(name));
        let unseen = all.map(|all| labels.complete(all)).unwrap_or_default();
        if added.is_empty() && unseen.is_empty() {
            return;
        }
        self.unseen.extend(unseen.into_iter().map(|value| (labels.name.clone(), value)));
        let value = |sval: &String| {
            let value = pg_query::protobuf::String { sval: sval.clone() };
            Node { node: Some(NodeEnum::String(value)) }
        };
        let vals = labels.at_first().map(value).collect();
        let whole = pg_query::protobuf::CreateEnumStmt { vals, ..create.clone() };
        if let Some(whole) = statement.rewritten(NodeEnum::CreateEnumStmt(whole)) {
            self.creations.insert(key(statement), whole);
            self.additions.extend(added);
        }
    }

    /// What is run in a `CREATE TYPE`'s stead.
    pub fn creation(&self, statement: &Statement) -> Option<&Statement> {
        self.creations.get(&key(statement))
    }

    /// Values that came with their types and that some statement will add.
    pub fn unseen(&mut self) -> &mut Vec<(Name, String)> {
        &mut self.unseen
    }

    /// Whether the value that a statement adds came with its type.
    pub fn has_added(&self, statement: &Statement) -> bool {
        self.additions.contains(&key(statement))
    }
}

fn key(statement: &Statement) -> (String, usize) {
    (statement.path.to_string(), statement.start)
}

/// The types that a statement may change, by the names that they have by then.
pub fn changed(statement: &Statement) -> Vec<Name> {
    let of_type = ObjectType::ObjectType as i32;
    match statement.tree.as_ref() {
        NodeEnum::AlterEnumStmt(alter) => vec![named(&facts::words(&alter.type_name))],
        NodeEnum::DropStmt(drop) if drop.remove_type == of_type => {
            facts::dropped_names(drop).iter().map(|parts| named(parts)).collect()
        }
        NodeEnum::RenameStmt(rename) if rename.rename_type == of_type => {
            match rename.object.as_ref().and_then(|object| object.node.as_ref()) {
                Some(NodeEnum::List(list)) => vec![named(&facts::words(&list.items))],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// A type's name in its parts; `public`'s where none is named.
pub fn named(parts: &[String]) -> Name {
    match parts {
        [.., schema, name] => (schema.clone(), name.clone()),
        [name] => ("public".to_owned(), name.clone()),
        [] => Default::default(),
    }
}
