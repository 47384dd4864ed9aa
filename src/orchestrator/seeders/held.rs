//! What a blueprint holds of the rows that are not there as their seeders say them: a trigger has changed or swallowed them,
//! another statement has, or a migration's row stands in their place. Databases that are brought to the bundle are looked
//! into for what it holds.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::lookup::{self, Question};
use super::rows::{Row, Stored, as_text};
use super::{Course, Seed, rows_of};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;

/// By identity of the row: the values that it has there, or nothing where it is not there at all.
pub type Held = BTreeMap<String, Option<Stored>>;

/// Looks at what the seeders have left; `stored` tells which row is which.
pub async fn read(
    runner: &Runner<'_>,
    seeds: &[Seed<'_>],
    inserted: &HashMap<usize, u64>,
    stored: &HashMap<(usize, usize), Stored>,
) -> Result<Held, DeployError> {
    let others_ran = seeds.iter().any(|seed| seed.insert.is_none());
    let is_doubtful = |(at, seed): (usize, &Seed<'_>)| {
        let (insert, table) = seed.rows()?;
        let is_sure = !others_ran
            && seed.course == Course::Run
            && table.keeps_rows
            && insert.is_plain
            && inserted.get(&at) == Some(&(insert.rows.len() as u64));
        (!is_sure).then_some(at)
    };
    let doubtful: HashSet<usize> = seeds.iter().enumerate().filter_map(is_doubtful).collect();
    let rows: Vec<(usize, &Row)> = rows_of(seeds, Course::runs).filter(|(at, _)| doubtful.contains(at)).collect();
    let as_said = |(number, (_, row)): (usize, &(usize, &'_ Row))| {
        let terms = row.by_primary_key().unwrap_or_else(|| row.by_constants());
        (number, terms)
    };
    let questions: Vec<_> = rows
        .iter()
        .enumerate()
        .map(as_said)
        .map(|(number, terms)| (number, rows[number].1, Question { terms, tells: Vec::new() }))
        .collect();
    let found = lookup::find(runner, &questions).await?;
    let mut held = Held::new();
    let mut questions = Vec::new();
    for (number, (at, row)) in rows.iter().enumerate().filter(|(number, _)| !found.contains_key(number)) {
        held.insert(row.identity.to_string(), None);
        if let Some(terms) = stored.get(&(*at, row.place)).and_then(|stored| row.by_stored(stored)) {
            let tells = row.stable_columns().iter().map(|column| as_text(&row.table.columns[*column])).collect();
            questions.push((number, *row, Question { terms, tells }));
        }
    }
    for (number, told) in lookup::find(runner, &questions).await? {
        let row = rows[number].1;
        let columns = row.stable_columns();
        let names = columns.iter().map(|column| row.table.columns[*column].name.clone());
        held.insert(row.identity.to_string(), Some(names.zip(told).collect()));
    }
    Ok(held)
}
