//! Who needs whom among statements: edges from names, circles, and the order. Pure; knows nothing of SQL's grammar.

use std::collections::HashMap;

use super::Target;
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Reference, Statement};

/// Statements by the names that they make.
struct Index<'a> {
    qualified: HashMap<(Class, &'a str, &'a str), Vec<usize>>,
    unqualified: HashMap<(Class, &'a str), Vec<usize>>,
}

impl<'a> Index<'a> {
    fn of(statements: &'a [Statement]) -> Self {
        let mut index = Self { qualified: HashMap::new(), unqualified: HashMap::new() };
        for (at, statement) in statements.iter().enumerate() {
            for made in &statement.makes {
                index.qualified.entry((made.class, &made.schema, &made.name)).or_default().push(at);
                index.unqualified.entry((made.class, &made.name)).or_default().push(at);
            }
        }
        index
    }

    /// Who makes what is meant. A name without a schema means `public`'s, else any schema's: what the search path will
    /// be is PostgreSQL's to know.
    fn makers<'b>(&'b self, reference: &'b Reference) -> &'b [usize] {
        let found = reference.wanted.classes().iter().find_map(|class| {
            let schema = reference.schema.as_deref().unwrap_or("public");
            self.qualified.get(&(*class, schema, &reference.name)).or_else(|| match reference.schema {
                None => self.unqualified.get(&(*class, &reference.name)),
                Some(_) => None,
            })
        });
        found.map_or(&[], Vec::as_slice)
    }
}

impl Index<'_> {
    /// The migrations that make what `statement` declares, by a rename for one: in an existing database they go first,
    /// or the declaration would stand in their way.
    fn migrations_making(&self, statements: &[Statement], statement: &Statement) -> Vec<usize> {
        let lasting = |class: Class| matches!(class, Class::Relation | Class::Type);
        let names = statement.makes.iter().filter(|made| lasting(made.class));
        names
            .filter_map(|made| self.qualified.get(&(made.class, made.schema.as_str(), made.name.as_str())))
            .flatten()
            .copied()
            .filter(|maker| statements[*maker].kind == Kind::Migrations)
            .collect()
    }
}

/// For each statement those that it needs.
pub(super) struct Graph {
    needs: Vec<Vec<usize>>,
    /// Those that each had better come after; a circle through them is no matter.
    prefers: Vec<Vec<usize>>,
    /// The makers of each reference of each statement, as in [`Statement::needs`].
    makers: Vec<Vec<Vec<usize>>>,
}

impl Graph {
    /// `statements` by kind, path and line, which is the order where nothing is referred to.
    pub(super) fn of(statements: &[Statement], target: Target) -> Self {
        let index = Index::of(statements);
        let mut graph = Self { needs: Vec::new(), prefers: Vec::new(), makers: Vec::new() };
        let mut previous_migration = None;
        for (at, statement) in statements.iter().enumerate() {
            let makers: Vec<Vec<usize>> =
                statement.needs.iter().map(|need| makers_for(statements, at, index.makers(need), target)).collect();
            let mut needs: Vec<usize> = makers.iter().flatten().copied().collect();
            if statement.kind == Kind::Migrations {
                needs.extend(previous_migration.replace(at));
            } else if target == Target::ExistingDatabase {
                needs.extend(index.migrations_making(statements, statement));
            }
            needs.sort_unstable();
            needs.dedup();
            let preferred =
                statement.prefers.iter().flat_map(|one| makers_for(statements, at, index.makers(one), target));
            graph.prefers.push(preferred.filter(|maker| statements[*maker].kind != Kind::Migrations).collect());
            graph.needs.push(needs);
            graph.makers.push(makers);
        }
        graph
    }

    /// Who makes the `need`th reference of statement `at`.
    pub(super) fn makers(&self, at: usize, need: usize) -> &[usize] {
        &self.makers[at][need]
    }

    /// Every set of statements that need each other, sorted; Tarjan's algorithm without recursion.
    pub(super) fn circles(&self) -> Vec<Vec<usize>> {
        let mut search = Tarjan::new(self.needs.len());
        for start in 0..self.needs.len() {
            search.from(start, &self.needs);
        }
        search.circles
    }

    /// The order, where there is no circle of needs.
    pub(super) fn order(&self) -> Vec<usize> {
        depth_first(&self.needs, &self.prefers)
    }
}

/// Of the makers of a name those that statement `at` has to wait for.
fn makers_for(statements: &[Statement], at: usize, makers: &[usize], target: Target) -> Vec<usize> {
    let is_migration = |maker: &usize| statements[*maker].kind == Kind::Migrations;
    let in_migration = is_migration(&at);
    let declared: Vec<usize> = makers.iter().copied().filter(|maker| *maker != at && !is_migration(maker)).collect();
    if in_migration {
        // Migrations are in order already, and what an earlier one makes is there.
        let made_before = makers.iter().any(|maker| is_migration(maker) && *maker <= at);
        // In an existing database the declaration waits for the migration that makes the same; a statement before that
        // one means what is there already (`DROP TABLE t; ALTER TABLE t_new RENAME TO t`).
        let made_later = target == Target::ExistingDatabase && makers.iter().any(is_migration);
        return if made_before || made_later { Vec::new() } else { declared };
    }
    // The declaration goes before a migration that makes the same: it is the final state.
    if makers.contains(&at) {
        // It makes the name itself: another file that makes it too is PostgreSQL's to refuse, or an overload.
        return Vec::new();
    }
    if declared.is_empty() { makers.to_vec() } else { declared }
}

/// Each item in turn, but first what it needs. Within a circle, the given order.
pub(super) fn after_their_needs(needs: &[Vec<usize>]) -> Vec<usize> {
    depth_first(needs, &vec![Vec::new(); needs.len()])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// On the path that is being followed.
    Entered,
    Done,
}

/// Depth first: so the given order holds wherever needs allow it, and what is needed early comes just before the one
/// that needs it. A preference is followed unless it leads back at once to one that waits for its needs.
fn depth_first(needs: &[Vec<usize>], prefers: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(needs.len());
    let mut states = vec![State::New; needs.len()];
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..needs.len() {
        if states[start] == State::New {
            states[start] = State::Entered;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let (at, step) = (*at, *next);
            *next += 1;
            let needed = needs[at].get(step).copied();
            let preferred = || {
                let one = prefers[at].get(step - needs[at].len()).copied()?;
                let waits = needs[one].iter().any(|need| states[*need] == State::Entered);
                Some(if waits { at } else { one })
            };
            match needed.or_else(preferred) {
                Some(one) if states[one] == State::New => {
                    states[one] = State::Entered;
                    path.push((one, 0));
                }
                Some(_) => {}
                None => {
                    order.push(at);
                    states[at] = State::Done;
                    path.pop();
                }
            }
        }
    }
    order
}

struct Tarjan {
    index: Vec<Option<usize>>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    circles: Vec<Vec<usize>>,
}

impl Tarjan {
    fn new(size: usize) -> Self {
        Self {
            index: vec![None; size],
            low: vec![0; size],
            on_stack: vec![false; size],
            stack: Vec::new(),
            count: 0,
            circles: Vec::new(),
        }
    }

    fn enter(&mut self, at: usize) {
        self.index[at] = Some(self.count);
        self.low[at] = self.count;
        self.count += 1;
        self.stack.push(at);
        self.on_stack[at] = true;
    }

    fn from(&mut self, start: usize, needs: &[Vec<usize>]) {
        if self.index[start].is_some() {
            return;
        }
        self.enter(start);
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            if let Some(&need) = needs[at].get(*next) {
                *next += 1;
                match self.index[need] {
                    None => {
                        self.enter(need);
                        path.push((need, 0));
                    }
                    Some(index) if self.on_stack[need] => self.low[at] = self.low[at].min(index),
                    Some(_) => {}
                }
            } else {
                path.pop();
                if let Some((parent, _)) = path.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[at]);
                }
                self.leave(at);
            }
        }
    }

    fn leave(&mut self, at: usize) {
        if self.index[at] != Some(self.low[at]) {
            return;
        }
        let mut members = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack[member] = false;
            members.push(member);
            if member == at {
                break;
            }
        }
        if members.len() > 1 {
            members.sort_unstable();
            self.circles.push(members);
        }
    }
}
