//! The order of seeders: the rows of a table after those that its foreign keys point at; what is no `INSERT` of rows that
//! it spells out stays where its file has it. Pure.
//!
//! Rows of two tables may need each other, and a table's rows one another; that is PostgreSQL's to judge when they are
//! inserted, so a circle here is no error.

use std::collections::{HashMap, HashSet};

use super::graph::after_their_needs;
use crate::bundle::sql::{Class, Object, Statement, Wanted, facts};

type Table = (String, String);

/// Statements that stay together. Where a file has other statements than `INSERT … VALUES`, it is cut at each of these:
/// every piece comes after the one before. The rows of other files are one group for each table.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    /// The file and its piece, both counted.
    piece: Option<(usize, usize)>,
    table: Option<Table>,
}

#[derive(Default)]
struct Groups {
    seeds: Vec<Vec<Statement>>,
    needs: Vec<Vec<usize>>,
    /// What each fills.
    tables: Vec<Option<Table>>,
    places: HashMap<Place, usize>,
    /// For each table a group without statements, which needs all that fill it.
    all_of: HashMap<Table, usize>,
}

/// `seeds` by path and line; `statements` declare the tables.
pub(super) fn sort(seeds: Vec<Statement>, statements: &[Statement]) -> Vec<Statement> {
    let mut groups = Groups::of(seeds);
    groups.follow(&foreign_keys(statements));
    groups.follow_queries();
    let Groups { mut seeds, needs, .. } = groups;
    after_their_needs(&needs).into_iter().flat_map(|group| std::mem::take(&mut seeds[group])).collect()
}

impl Groups {
    fn of(seeds: Vec<Statement>) -> Self {
        let others = seeds.iter().filter(|seed| seed.writes.is_some());
        let cut: HashSet<String> = others.map(|seed| seed.path.to_string()).collect();
        let mut groups = Self::default();
        let mut path = String::new();
        let mut at = (0, 0);
        // Of the pieces of the file at hand: the one before, and this one.
        let (mut before, mut now): (Vec<usize>, Vec<usize>) = Default::default();
        let mut ends = false;
        for seed in seeds {
            if *path != *seed.path {
                path = seed.path.to_string();
                at = (at.0 + 1, 0);
                (before, now, ends) = Default::default();
            }
            let is_cut = cut.contains(&path);
            if is_cut && (ends || seed.writes.is_some()) {
                at.1 += 1;
                if !now.is_empty() {
                    before = std::mem::take(&mut now);
                }
            }
            ends = seed.writes.is_some();
            let table = seed.makes.iter().find(|made| made.class == Class::Rows).map(key);
            let group = groups.place(Place { piece: is_cut.then_some(at), table }, &before);
            if now.last() != Some(&group) {
                now.push(group);
            }
            groups.seeds[group].push(seed);
        }
        let tables = groups.tables.clone();
        for (group, table) in tables.into_iter().enumerate() {
            let Some(table) = table else { continue };
            let all = *groups.all_of.entry(table).or_insert_with(|| {
                groups.seeds.push(Vec::new());
                groups.needs.push(Vec::new());
                groups.seeds.len() - 1
            });
            groups.needs[all].push(group);
        }
        groups
    }

    fn place(&mut self, place: Place, before: &[usize]) -> usize {
        if let Some(group) = self.places.get(&place) {
            return *group;
        }
        let group = self.seeds.len();
        self.seeds.push(Vec::new());
        self.needs.push(before.to_vec());
        self.tables.push(place.table.clone());
        self.places.insert(place, group);
        group
    }

    fn follow(&mut self, points_at: &HashMap<Table, HashSet<Table>>) {
        for group in 0..self.tables.len() {
            let Some(table) = &self.tables[group] else { continue };
            let targets = points_at.get(table).into_iter().flatten().filter(|target| *target != table);
            let needs: Vec<usize> = targets.filter_map(|target| self.all_of.get(target)).copied().collect();
            self.needs[group].extend(needs);
            self.needs[group].sort_unstable();
        }
    }

    /// `INSERT … SELECT` comes after the rows that it reads.
    fn follow_queries(&mut self) {
        for group in 0..self.tables.len() {
            let Some(table) = &self.tables[group] else { continue };
            let queries = self.seeds[group].iter().filter(|seed| seed.writes.is_some());
            let read = queries.flat_map(|seed| &seed.needs).filter(|need| need.wanted == Wanted::Relation);
            let read = read.map(|need| (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone()));
            let needs: Vec<usize> =
                read.filter(|read| read != table).filter_map(|read| self.all_of.get(&read)).copied().collect();
            self.needs[group].extend(needs);
        }
    }
}

fn key(object: &Object) -> Table {
    (object.schema.clone(), object.name.clone())
}

/// For each table those that its foreign keys point at.
fn foreign_keys(statements: &[Statement]) -> HashMap<Table, HashSet<Table>> {
    let mut found: HashMap<Table, HashSet<Table>> = HashMap::new();
    for statement in statements {
        let Some(table) = facts::altered_or_created(&statement.tree) else { continue };
        for target in statement.needs.iter().filter(|need| need.wanted == Wanted::Key) {
            let schema = target.schema.clone().unwrap_or_else(|| "public".to_owned());
            found
                .entry(key(&facts::relation(table)))
                .or_default()
                .insert((schema, facts::table_of_key(&target.name).to_owned()));
        }
    }
    found
}
