//! Statements of migrations that run out of their turn: in a new database the declaration comes first, and may need a
//! schema, type, sequence, function or key that only a migration makes, while that migration is about the declaration's
//! own tables as well. Then what is needed of it, and nothing else, runs before the declaration. Pure.
//!
//! Where the migrations up to there can run before the declaration as they are, they do; only where that is a circle, a
//! statement leaves its place in the chain, together with the earlier statements that make, drop or rename what it names.

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::{ObjectType, RenameStmt};

use super::graph::{Effort, Index, circles};
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Statement, facts};

/// How often circles are looked for: each time, all that those found ask for leaves the chain. What is still a circle
/// then is told of as one.
const ROUNDS: usize = 8;

/// `(class, schema, name)`
type Name = (Class, String, String);

/// The chain of the migrations in a new database.
pub(super) struct Chain {
    /// Whether each statement leaves it.
    pub(super) early: Vec<bool>,
    /// What each statement needs: what it names, and its place in the chain.
    pub(super) needs: Vec<Vec<usize>>,
}

/// Finds the statements that leave the chain. `named`: for each statement those that it needs by name.
/// The error is the statement at which there were too many edges.
pub(super) fn chain(
    statements: &[Statement],
    index: &Index<'_>,
    named: &[Vec<usize>],
    effort: &mut Effort,
) -> Result<Chain, usize> {
    let mut search = Search::new(statements, index, effort)?;
    for _ in 0..ROUNDS {
        let needs = search.needs(named);
        if !search.cut(&circles(&needs), &needs)? {
            return Ok(Chain { early: search.early, needs });
        }
    }
    let needs = search.needs(named);
    Ok(Chain { early: search.early, needs })
}

struct Search<'a, 'b> {
    statements: &'a [Statement],
    index: &'a Index<'a>,
    effort: &'b mut Effort,
    early: Vec<bool>,
    /// Of those that leave the chain: the earlier statements of migrations that they cannot do without.
    before: HashMap<usize, Vec<usize>>,
    /// The statements of migrations that drop a name or give it away.
    ending: HashMap<Name, Vec<usize>>,
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(statements: &'a [Statement], index: &'a Index<'a>, effort: &'b mut Effort) -> Result<Self, usize> {
        let mut ending: HashMap<Name, Vec<usize>> = HashMap::new();
        for (at, statement) in statements.iter().enumerate().filter(|(_, one)| one.kind == Kind::Migrations) {
            for name in ended(statement) {
                ending.entry(name).or_default().push(at);
            }
        }
        let early = vec![false; statements.len()];
        let mut search = Self { statements, index, effort, early, before: HashMap::new(), ending };
        for extension in extensions(statements) {
            search.leave(extension)?;
        }
        Ok(search)
    }

    fn is_migration(&self, at: usize) -> bool {
        self.statements[at].kind == Kind::Migrations
    }

    /// The names, and the chain of those that are in it.
    fn needs(&self, named: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut previous = None;
        let mut all = Vec::with_capacity(named.len());
        for (at, named) in named.iter().enumerate() {
            let mut needs = named.clone();
            if self.early[at] {
                needs.extend(self.before.get(&at).into_iter().flatten());
            } else if self.is_migration(at) {
                needs.extend(previous.replace(at));
            }
            needs.sort_unstable();
            needs.dedup();
            all.push(needs);
        }
        all
    }

    /// Whether a statement left the chain: each that a declaration of its circle needs, or one that left before.
    fn cut(&mut self, circles: &[Vec<usize>], needs: &[Vec<usize>]) -> Result<bool, usize> {
        let mut any = false;
        for circle in circles {
            let members: HashSet<usize> = circle.iter().copied().collect();
            let waits = |at: &&usize| !self.is_migration(**at) || self.early[**at];
            let wanted = circle.iter().filter(waits).flat_map(|at| &needs[*at]);
            let mut leaving: Vec<usize> = wanted.copied().filter(|at| members.contains(at)).collect();
            while let Some(at) = leaving.pop() {
                if self.is_migration(at) && !self.early[at] {
                    any = true;
                    self.leave(at)?;
                    leaving.extend(self.before[&at].iter().filter(|one| members.contains(one)));
                }
            }
        }
        Ok(any)
    }

    fn leave(&mut self, at: usize) -> Result<(), usize> {
        let statement = &self.statements[at];
        let mut before = Vec::new();
        for reference in statement.needs.iter().chain(&statement.prefers) {
            let makers = self.index.makers(reference);
            self.effort.spend(makers.len(), 0).ok_or(at)?;
            before.extend(makers.iter().copied().filter(|maker| *maker < at && self.is_migration(*maker)));
        }
        for made in &statement.makes {
            let namesakes = self.index.made(made);
            let ending = self.ending.get(&(made.class, made.schema.clone(), made.name.clone()));
            self.effort.spend(namesakes.len() + ending.map_or(0, Vec::len), 0).ok_or(at)?;
            let all = namesakes.iter().chain(ending.into_iter().flatten()).copied();
            before.extend(all.filter(|one| *one < at && self.is_migration(*one)));
        }
        before.sort_unstable();
        before.dedup();
        self.effort.spend(0, before.len()).ok_or(at)?;
        self.before.insert(at, before);
        self.early[at] = true;
        Ok(())
    }
}

/// The extensions that migrations create: what of them a declaration uses, its text does not tell. Where a path was set
/// before, the schema is not known, and the statement keeps its place.
fn extensions(statements: &[Statement]) -> Vec<usize> {
    if !statements.iter().any(|statement| statement.kind.is_final()) {
        return Vec::new();
    }
    let mut path_set_in = None;
    let mut found = Vec::new();
    for (at, statement) in statements.iter().enumerate().filter(|(_, one)| one.kind == Kind::Migrations) {
        match statement.tree.as_ref() {
            NodeEnum::VariableSetStmt(_) => path_set_in = Some(&statement.path),
            NodeEnum::SelectStmt(_) if statement.needs.iter().any(|need| need.name == "set_config") => {
                path_set_in = Some(&statement.path);
            }
            NodeEnum::CreateExtensionStmt(create) => {
                let names_schema = facts::schema_of_extension(create).is_some();
                if names_schema || path_set_in != Some(&statement.path) {
                    found.push(at);
                }
            }
            _ => {}
        }
    }
    found
}

/// The names that a statement drops or gives away.
fn ended(statement: &Statement) -> Vec<Name> {
    match statement.tree.as_ref() {
        NodeEnum::DropStmt(drop) => {
            let Some(class) = class_of(drop.remove_type) else { return Vec::new() };
            let names = facts::dropped_names(drop).into_iter();
            names.filter_map(|parts| name_of(class, &parts)).collect()
        }
        NodeEnum::RenameStmt(rename) => renamed(rename).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn renamed(rename: &RenameStmt) -> Option<Name> {
    let class = class_of(rename.rename_type)?;
    match (&rename.relation, rename.object.as_ref().and_then(|object| object.node.as_ref())) {
        (Some(relation), _) => {
            let object = facts::relation(relation);
            Some((class, object.schema, object.name))
        }
        (None, Some(NodeEnum::List(list))) => name_of(class, &facts::words(&list.items)),
        _ => None,
    }
}

fn class_of(kind: i32) -> Option<Class> {
    Some(match ObjectType::try_from(kind).ok()? {
        ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectSequence
        | ObjectType::ObjectIndex => Class::Relation,
        ObjectType::ObjectType | ObjectType::ObjectDomain => Class::Type,
        ObjectType::ObjectFunction | ObjectType::ObjectProcedure | ObjectType::ObjectAggregate => Class::Routine,
        ObjectType::ObjectSchema => Class::Schema,
        _ => return None,
    })
}

fn name_of(class: Class, parts: &[String]) -> Option<Name> {
    let (name, before) = parts.split_last()?;
    Some((class, before.last().cloned().unwrap_or_else(|| "public".to_owned()), name.clone()))
}
