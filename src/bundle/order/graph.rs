//! Who needs whom among statements: edges from names, circles, and the order. Pure; knows nothing of SQL's grammar.
//!
//! Where a thousand statements make one name and a thousand need it, there are a million edges: [`Effort`] ends that.

use std::collections::HashMap;

use super::{Target, early};
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Object, Reference, Statement, facts};

/// Statements by the names that they make.
pub(super) struct Index<'a> {
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
    pub(super) fn makers<'b>(&'b self, reference: &'b Reference) -> &'b [usize] {
        let found = reference.wanted.classes().iter().find_map(|class| {
            let schema = reference.schema.as_deref().unwrap_or("public");
            self.qualified.get(&(*class, schema, &reference.name)).or_else(|| match reference.schema {
                None => self.unqualified.get(&(*class, &reference.name)),
                Some(_) => None,
            })
        });
        found.map_or(&[], Vec::as_slice)
    }

    /// Who makes this very name.
    pub(super) fn made<'b>(&'b self, object: &'b Object) -> &'b [usize] {
        let name = (object.class, object.schema.as_str(), object.name.as_str());
        self.qualified.get(&name).map_or(&[], Vec::as_slice)
    }
}

impl Index<'_> {
    /// How many statements make a name that `statement` makes.
    fn namesakes(&self, statement: &Statement) -> usize {
        let names = statement.makes.iter().map(|made| (made.class, made.schema.as_str(), made.name.as_str()));
        names.filter_map(|name| self.qualified.get(&name)).map(Vec::len).sum()
    }

    /// Who makes what `statement` makes and has the first turn. In a new database that is the declaration; in an existing
    /// one the migrations, by a rename for one, or the declaration would stand in their way.
    fn first_makers(&self, statements: &[Statement], statement: &Statement, target: Target) -> Vec<usize> {
        let lasting = |class: Class| match target {
            Target::NewDatabase => matches!(class, Class::Relation | Class::Type | Class::Schema | Class::Part),
            Target::NewByMigrations | Target::ExistingDatabase => matches!(class, Class::Relation | Class::Type),
        };
        let has_first_turn = |maker: &usize| match target {
            Target::NewDatabase => statements[*maker].kind.is_final(),
            Target::NewByMigrations | Target::ExistingDatabase => statements[*maker].kind == Kind::Migrations,
        };
        let names = statement.makes.iter().filter(|made| lasting(made.class));
        names.flat_map(|made| self.made(made)).copied().filter(has_first_turn).collect()
    }
}

/// What the edges may cost, so much for each reference and something beside: a real bundle's names are made once or
/// twice. [`crate::bundle::cost`] counts on it.
pub(super) struct Effort {
    looks: usize,
    edges: usize,
}

impl Effort {
    fn of(statements: &[Statement]) -> Self {
        let references: usize =
            statements.iter().map(|statement| statement.needs.len() + statement.prefers.len() + 1).sum();
        Self { looks: 1_000_000 + 64 * references, edges: 20_000 + 8 * references }
    }

    pub(super) fn spend(&mut self, looks: usize, edges: usize) -> Option<()> {
        self.looks = self.looks.checked_sub(looks)?;
        self.edges = self.edges.checked_sub(edges)?;
        Some(())
    }
}

/// For each statement those that it needs.
pub(super) struct Graph {
    needs: Vec<Vec<usize>>,
    /// Those that each had better come after; a circle through them is no matter.
    prefers: Vec<Vec<usize>>,
    /// The makers of each reference of each statement, as in [`Statement::needs`].
    makers: Vec<Vec<Vec<usize>>>,
    /// Whether each runs out of its turn ([`early`]).
    early: Vec<bool>,
}

impl Graph {
    /// `statements` by kind, path and line, which is the order where nothing is referred to.
    /// The error is the statement at which there were too many edges.
    pub(super) fn of(statements: &[Statement], target: Target) -> Result<Self, usize> {
        let index = Index::of(statements);
        let mut effort = Effort::of(statements);
        let mut graph = Self { needs: Vec::new(), prefers: Vec::new(), makers: Vec::new(), early: Vec::new() };
        for (at, statement) in statements.iter().enumerate() {
            let mut makers_of = |reference| {
                let all = index.makers(reference);
                let makers = makers_for(statements, at, all, target);
                effort.spend(all.len(), makers.len()).map(|()| makers).ok_or(at)
            };
            let makers = statement.needs.iter().map(&mut makers_of).collect::<Result<Vec<_>, _>>()?;
            let preferred = statement.prefers.iter().map(&mut makers_of).collect::<Result<Vec<_>, _>>()?;
            let mut needs: Vec<usize> = makers.iter().flatten().copied().collect();
            if (statement.kind == Kind::Migrations) == (target == Target::NewDatabase) {
                effort.spend(index.namesakes(statement), 0).ok_or(at)?;
                needs.extend(index.first_makers(statements, statement, target));
            }
            needs.sort_unstable();
            needs.dedup();
            let preferred = preferred.into_iter().flatten();
            graph.prefers.push(preferred.filter(|maker| statements[*maker].kind != Kind::Migrations).collect());
            graph.needs.push(needs);
            graph.makers.push(makers);
        }
        graph.add_chain(statements, &index, target, &mut effort)?;
        Ok(graph)
    }

    /// Each statement of the migrations after the one before it.
    fn add_chain(
        &mut self,
        statements: &[Statement],
        index: &Index<'_>,
        target: Target,
        effort: &mut Effort,
    ) -> Result<(), usize> {
        if target == Target::NewDatabase {
            let chain = early::chain(statements, index, &self.needs, effort)?;
            (self.needs, self.early) = (chain.needs, chain.early);
            return Ok(());
        }
        self.early = vec![false; statements.len()];
        let mut previous = None;
        for at in (0..statements.len()).filter(|at| statements[*at].kind == Kind::Migrations) {
            self.needs[at].extend(previous.replace(at));
        }
        Ok(())
    }

    /// Whether statement `at` runs out of its turn.
    pub(super) fn is_early(&self, at: usize) -> bool {
        self.early[at]
    }

    /// Who makes the `need`th reference of statement `at`.
    pub(super) fn makers(&self, at: usize, need: usize) -> &[usize] {
        &self.makers[at][need]
    }

    /// Every set of statements that need each other, sorted.
    pub(super) fn circles(&self) -> Vec<Vec<usize>> {
        circles(&self.needs)
    }

    /// For circles that are left in an existing database: no statement of a migration waits any longer for a declared one
    /// of its own circle, first of all the relations. Such a declaration waits for a later migration, for one that makes
    /// its column's type; so the earlier migration met what was there before, not what is declared now.
    ///
    /// A circle of declarations alone stays.
    pub(super) fn without_waiting_migrations(&mut self, statements: &[Statement]) {
        let is_relation = |one: &Statement| one.makes.iter().any(|made| made.class == Class::Relation);
        self.let_migrations_go(statements, is_relation);
        self.let_migrations_go(statements, |_| true);
    }

    fn let_migrations_go(&mut self, statements: &[Statement], is_let_go: impl Fn(&Statement) -> bool) {
        let is_migration = |at: usize| statements[at].kind == Kind::Migrations;
        let mut circle_of: Vec<Option<usize>> = vec![None; statements.len()];
        for (circle, members) in self.circles().iter().enumerate() {
            members.iter().for_each(|member| circle_of[*member] = Some(circle));
        }
        for at in (0..statements.len()).filter(|at| is_migration(*at) && circle_of[*at].is_some()) {
            let stays = |need: &usize| {
                is_migration(*need) || circle_of[*need] != circle_of[at] || !is_let_go(&statements[*need])
            };
            self.needs[at].retain(stays);
        }
    }

    /// The order, where there is no circle of needs. What runs out of its turn comes together, behind the types.
    pub(super) fn order(&self, statements: &[Statement]) -> Vec<usize> {
        let types = (0..statements.len()).filter(|at| statements[*at].kind == Kind::Types);
        let early = (0..statements.len()).filter(|at| self.early[*at]);
        let starts: Vec<usize> = types.chain(early).chain(0..statements.len()).collect();
        depth_first(&starts, &self.needs, &self.prefers)
    }
}

/// Every set of statements that need each other, sorted; Tarjan's algorithm without recursion.
pub(super) fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Tarjan::new(needs.len());
    for start in 0..needs.len() {
        search.from(start, needs);
    }
    search.circles
}

/// Of the makers of a name those that statement `at` has to wait for.
fn makers_for(statements: &[Statement], at: usize, makers: &[usize], target: Target) -> Vec<usize> {
    let is_migration = |maker: &usize| statements[*maker].kind == Kind::Migrations;
    let in_migration = is_migration(&at);
    if in_migration && target == Target::NewDatabase {
        return declared_for(statements, at, makers);
    }
    let declared: Vec<usize> = makers.iter().copied().filter(|maker| *maker != at && !is_migration(maker)).collect();
    if in_migration {
        // Migrations are in order already, and what an earlier one makes is there.
        let made_before = makers.iter().any(|maker| is_migration(maker) && *maker <= at);
        // The declaration waits for the migration that makes the same; a statement before that one means what is there
        // already (`DROP TABLE t; ALTER TABLE t_new RENAME TO t`).
        let made_later = makers.iter().any(is_migration);
        if !made_before && !made_later {
            return declared;
        }
        // Nobody waits for a migration that makes the same function.
        let before: Vec<usize> = makers.iter().copied().filter(|maker| is_migration(maker) && *maker <= at).collect();
        return declared.into_iter().filter(is_other_overload(statements, &before)).collect();
    }
    // The declaration goes before a migration that makes the same: it is the final state.
    if makers.contains(&at) {
        // It makes the name itself: another file that makes it too is PostgreSQL's to refuse, or an overload.
        return Vec::new();
    }
    if declared.is_empty() { makers.to_vec() } else { declared }
}

/// In a new database, of the makers of a name those that the migrations' statement `at` has to wait for: types and tables
/// as declared, which are final, and of views and functions those that no migration has made by then.
fn declared_for(statements: &[Statement], at: usize, makers: &[usize]) -> Vec<usize> {
    let is_migration = |one: &usize| statements[*one].kind == Kind::Migrations;
    let made_before: Vec<usize> = makers.iter().copied().filter(|maker| is_migration(maker) && *maker <= at).collect();
    let is_other = is_other_overload(statements, &made_before);
    let is_needed = |one: &usize| statements[*one].kind.is_final() || made_before.is_empty() || is_other(one);
    makers.iter().copied().filter(|maker| !is_migration(maker)).filter(is_needed).collect()
}

/// Whether a statement makes a function, and none that a migration among `makers` makes; one that moves a function says
/// not which of them that is.
fn is_other_overload<'a>(statements: &'a [Statement], makers: &'a [usize]) -> impl Fn(&usize) -> bool {
    let migrations = makers.iter().filter(|maker| statements[**maker].kind == Kind::Migrations);
    let made: Vec<_> = migrations.map(|maker| facts::input_types(&statements[*maker].tree)).collect();
    move |one| {
        let types = facts::input_types(&statements[*one].tree);
        types.is_some() && !made.contains(&types) && !made.contains(&None)
    }
}

/// Each item in turn, but first what it needs. Within a circle, the given order.
pub(super) fn after_their_needs(needs: &[Vec<usize>]) -> Vec<usize> {
    let starts: Vec<usize> = (0..needs.len()).collect();
    depth_first(&starts, needs, &vec![Vec::new(); needs.len()])
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
fn depth_first(starts: &[usize], needs: &[Vec<usize>], prefers: &[Vec<usize>]) -> Vec<usize> {
    let mut search = Search::new(needs);
    let mut path: Vec<(usize, usize)> = Vec::new();
    for &start in starts {
        if search.states[start] == State::New {
            search.enter(start);
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let (at, step) = (*at, *next);
            *next += 1;
            let needed = needs[at].get(step).copied();
            let preferred = || {
                let one = prefers[at].get(step - needs[at].len()).copied()?;
                Some(if search.waiting[one] > 0 { at } else { one })
            };
            match needed.or_else(preferred) {
                Some(one) if search.states[one] == State::New => {
                    search.enter(one);
                    path.push((one, 0));
                }
                Some(_) => {}
                None => {
                    search.leave(at);
                    path.pop();
                }
            }
        }
    }
    search.order
}

/// How far a search is.
struct Search {
    order: Vec<usize>,
    states: Vec<State>,
    /// How many of each one's needs are on the path.
    waiting: Vec<usize>,
    needed_by: Vec<Vec<usize>>,
}

impl Search {
    fn new(needs: &[Vec<usize>]) -> Self {
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (at, needs) in needs.iter().enumerate() {
            for need in needs {
                needed_by[*need].push(at);
            }
        }
        let (states, waiting) = (vec![State::New; needs.len()], vec![0; needs.len()]);
        Self { order: Vec::with_capacity(needs.len()), states, waiting, needed_by }
    }

    fn enter(&mut self, at: usize) {
        self.states[at] = State::Entered;
        for one in &self.needed_by[at] {
            self.waiting[*one] += 1;
        }
    }

    fn leave(&mut self, at: usize) {
        self.states[at] = State::Done;
        for one in &self.needed_by[at] {
            self.waiting[*one] -= 1;
        }
        self.order.push(at);
    }
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
