//! The order of seeders: the rows of a table after those that its foreign keys point at. Pure.
//!
//! Rows of two tables may need each other, and a table's rows one another; that is PostgreSQL's to judge when they are
//! inserted, so a circle here is no error.

use std::collections::{HashMap, HashSet};

use super::graph::after_their_needs;
use crate::bundle::Text;
use crate::bundle::sql::{Class, Object, Statement, Wanted, facts};

/// `seeds` by path and line; `statements` declare the tables.
pub(super) fn sort(seeds: Vec<Statement>, statements: &[Statement]) -> Vec<Statement> {
    let points_at = foreign_keys(statements);
    let mut groups: Vec<Vec<Statement>> = Vec::new();
    let mut group_of: HashMap<(String, String), usize> = HashMap::new();
    let mut needs: Vec<Vec<usize>> = Vec::new();
    let mut tables_of_groups: Vec<Option<(String, String)>> = Vec::new();
    // Of the file at hand: what the next statement that is no INSERT stays behind.
    let mut groups_of_file: (Text, Vec<usize>) = Default::default();
    for seed in seeds {
        if groups_of_file.0 != seed.path {
            groups_of_file = (seed.path.clone(), Vec::new());
        }
        let table = seed.makes.iter().find(|made| made.class == Class::Rows).map(key);
        let known = table.as_ref().and_then(|table| group_of.get(table)).copied();
        let group = known.unwrap_or_else(|| {
            groups.push(Vec::new());
            // What is no INSERT (`SELECT setval(…)`) stays behind the rows before it in its file.
            needs.push(if table.is_none() { std::mem::take(&mut groups_of_file.1) } else { Vec::new() });
            tables_of_groups.push(table.clone());
            groups.len() - 1
        });
        if let Some(table) = table {
            group_of.insert(table, group);
        }
        groups_of_file.1.push(group);
        groups[group].push(seed);
    }
    for (group, table) in tables_of_groups.iter().enumerate() {
        let targets = table.as_ref().and_then(|table| points_at.get(table)).into_iter().flatten();
        needs[group]
            .extend(targets.filter_map(|target| group_of.get(target)).copied().filter(|target| *target != group));
        needs[group].sort_unstable();
    }
    after_their_needs(&needs).into_iter().flat_map(|group| std::mem::take(&mut groups[group])).collect()
}

fn key(object: &Object) -> (String, String) {
    (object.schema.clone(), object.name.clone())
}

type Table = (String, String);

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
