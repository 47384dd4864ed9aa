//! Whether the rows of tables that were there before the deployment still are: by their primary key where the seeder names
//! it; else by the key that was recorded when they were inserted, by their constants, or as the blueprint holds them.

use std::collections::{BTreeMap, HashMap};

use super::lookup::{self, Question};
use super::rows::{Row, Stored, Term, as_text};
use super::validation::{SeederValidation, count};
use super::{Course, Seed, Situation, records, rows_of};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;

/// What was found out.
#[derive(Default)]
pub struct Checked {
    pub validations: Vec<SeederValidation>,
    pub warnings: Vec<String>,
    /// By identity: the table and what tells which stored row it is.
    pub records: BTreeMap<String, (String, Stored)>,
}

/// Looks for them; that some are missing is an error, but at the start of a container.
pub async fn check(runner: &Runner<'_>, seeds: &[Seed<'_>], situation: Situation<'_>) -> Result<Checked, DeployError> {
    let rows: Vec<(usize, &Row)> = rows_of(seeds, |course| matches!(course, Course::Check | Course::Leave)).collect();
    let mut checked = Checked::default();
    if rows.is_empty() {
        return Ok(checked);
    }
    let found = match situation.at_start {
        false => find(runner, &rows, situation, &mut checked.records).await?,
        true => match find_if_possible(runner, &rows, situation, &mut checked.records).await? {
            Some(found) => found,
            None => return Ok(Checked::default()),
        },
    };
    let mut left_out: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, (at, row)) in rows.iter().enumerate() {
        let is_there = found[number];
        // What is not in the blueprint either is not expected.
        let is_expected = situation.held().and_then(|held| held.get(&*row.identity)).is_none_or(Option::is_some);
        if is_there || is_expected {
            count(&mut checked.validations, row, is_there);
            if !is_there {
                *left_out.entry(*at).or_default() += 1;
            }
        }
    }
    checked.validations.sort_by(|one, other| one.table.cmp(&other.table));
    if situation.at_start {
        checked.warnings.extend(left_out.iter().map(|(at, rows)| missing(&seeds[*at], *rows)));
    } else if !left_out.is_empty() {
        return Err(DeployError::RowsMissing { validations: checked.validations });
    }
    Ok(checked)
}

fn missing(seed: &Seed<'_>, rows: usize) -> String {
    let (path, line) = (&seed.statement.path, seed.statement.line);
    let table = seed.insert.as_ref().map_or("the table", |(_, table)| table.printed.as_str());
    format!(
        "{path}, line {line}: {table} has rows already, so that {rows} of this seeder's that are missing were not inserted; bring them with a migration"
    )
}

/// The same where it is no error that PostgreSQL refuses to look.
async fn find_if_possible(
    runner: &Runner<'_>,
    rows: &[(usize, &Row)],
    situation: Situation<'_>,
    found_anew: &mut BTreeMap<String, (String, Stored)>,
) -> Result<Option<Vec<bool>>, DeployError> {
    const STEP: &str = "looking for the seeded rows";
    runner.own(STEP, "SAVEPOINT looking").await?;
    match find(runner, rows, situation, found_anew).await {
        Ok(found) => runner.own(STEP, "RELEASE SAVEPOINT looking").await.map(|()| Some(found)),
        Err(error @ DeployError::Own { .. }) if error.sqlstate().is_some() => {
            tracing::info!(%error, "the rows of the seeders could not be looked for");
            runner.own(STEP, "ROLLBACK TO SAVEPOINT looking").await.map(|()| None)
        }
        Err(error) => Err(error),
    }
}

/// Whether each is there. What was found otherwise than by its key is recorded.
async fn find(
    runner: &Runner<'_>,
    rows: &[(usize, &Row)],
    situation: Situation<'_>,
    found_anew: &mut BTreeMap<String, (String, Stored)>,
) -> Result<Vec<bool>, DeployError> {
    let identities: Vec<&str> = rows.iter().map(|(_, row)| &*row.identity).collect();
    let records = records::read(runner.client, &identities).await?;
    let mut found = vec![false; rows.len()];
    for way in Way::IN_TURN {
        let mut questions = Vec::new();
        for (number, (_, row)) in rows.iter().enumerate().filter(|(number, _)| !found[*number]) {
            if let Some(terms) = way.terms(row, &records, situation) {
                // A named row that a trigger has moved is known by the blueprint only as long as the trigger is there.
                let is_sure = row.is_named() && way != Way::Held;
                let columns = if is_sure { Vec::new() } else { row.table.primary_key.clone() };
                let tells = columns.iter().map(|column| as_text(&row.table.columns[*column])).collect();
                questions.push((number, *row, Question { terms, tells }));
            }
        }
        for (number, told) in lookup::find(runner, &questions).await? {
            found[number] = true;
            let row = rows[number].1;
            if way != Way::Recorded && !told.is_empty() {
                let names = row.table.primary_key.iter().map(|column| row.table.columns[*column].name.clone());
                let stored = (row.table.printed.clone(), names.zip(told).collect());
                found_anew.insert(row.identity.to_string(), stored);
            }
        }
    }
    Ok(found)
}

/// A way to look for a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Named,
    Recorded,
    Constants,
    Held,
}

impl Way {
    const IN_TURN: [Self; 4] = [Self::Named, Self::Recorded, Self::Constants, Self::Held];

    fn terms(self, row: &Row, records: &HashMap<String, Stored>, situation: Situation<'_>) -> Option<Vec<Term>> {
        match self {
            Self::Named => row.by_primary_key(),
            Self::Recorded => records.get(&*row.identity).and_then(|stored| row.by_stored(stored)),
            Self::Constants => (!row.is_named()).then(|| row.by_constants()),
            Self::Held => {
                let held = situation.held()?.get(&*row.identity)?.as_ref()?;
                row.by_stored(held)
            }
        }
    }
}
