//! Relations that seeders make for themselves (`CREATE TEMP TABLE`, `SELECT … INTO`, whatever a `DO` makes). What makes them runs
//! in new databases only, so that elsewhere they are not there, or another relation of the name is.

use std::collections::HashSet;

use pg_query::NodeEnum;

use super::by_name;
use super::course::{self, Course};
use super::tables::{Tables, name_of};
use crate::bundle::sql::facts::{dropped_names, is_temporary};
use crate::bundle::sql::{Class, Reference, Statement, Wanted, positional};
use crate::orchestrator::error::DeployError;

/// What a statement has to do with temporary relations of the seeders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// One that it mentions.
    pub name: Option<String>,
    /// Whether its rows go there.
    pub is_filled: bool,
}

/// For each statement, in the order in which they run.
pub fn temporary(statements: &[Statement]) -> Vec<Own> {
    let mut there: HashSet<String> = HashSet::new();
    statements.iter().map(|statement| follow(statement, &mut there)).collect()
}

fn follow(statement: &Statement, there: &mut HashSet<String>) -> Own {
    let is_own = |need: &&Reference| {
        need.wanted == Wanted::Relation
            && match need.schema.as_deref() {
                None => there.contains(&need.name),
                Some(schema) => schema == "pg_temp" || schema.starts_with("pg_temp_"),
            }
    };
    let name = statement.needs.iter().find(is_own).map(|need| need.name.clone());
    let filled = statement.makes.iter().find(|made| made.class == Class::Rows);
    let is_filled =
        filled.is_some_and(|table| statement.needs.iter().any(|need| need.name == table.name && is_own(&need)));
    let relations = statement.makes.iter().filter(|made| made.class == Class::Relation);
    if is_temporary(&statement.tree) {
        there.extend(relations.map(|made| made.name.clone()));
    }
    if let NodeEnum::DropStmt(drop) = statement.tree.as_ref() {
        for name in dropped_names(drop).iter().filter_map(|parts| parts.last()) {
            there.remove(name);
        }
    }
    Own { name, is_filled }
}

/// Those of the statements that run, in an existing database, that read what is not there: each with the sentence to warn of.
pub async fn absent(
    statements: &[Statement],
    courses: &[Course],
    tables: &Tables,
) -> Result<Vec<(usize, String)>, DeployError> {
    let is_doubtful = |(at, statement): &(usize, &Statement)| {
        courses[*at].runs() && by_name::names(statement).any(|name| tables.table(&name).is_none())
    };
    let doubtful: Vec<(usize, Statement)> =
        statements.iter().enumerate().filter(is_doubtful).map(|(at, one)| (at, one.clone())).collect();
    if doubtful.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<usize> = doubtful.iter().map(|(at, _)| *at).collect();
    let read = by_name::reading(move || {
        doubtful.iter().map(|(_, statement)| positional::read_relations(&statement.text)).collect::<Vec<_>>()
    });
    let mut absent = Vec::new();
    for (at, relations) in places.into_iter().zip(read.await?) {
        let missing = relations.iter().find(|(schema, name)| tables.table(&name_of(schema.as_deref(), name)).is_none());
        if let Some((_, name)) = missing {
            let why = format!("there is nothing of the name {name} that it reads");
            absent.push((at, course::sentence(&statements[at], &why)));
        }
    }
    Ok(absent)
}
