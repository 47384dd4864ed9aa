//! Which rows are there already, where a table holds some when the seeders come to it: by the same primary key, else by the
//! same values of a whole unique key, else by the same constants.

use std::collections::{HashMap, VecDeque};

use super::lookup::{self, Question};
use super::rows::{Row, Stored, Term, as_text};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;

/// A row that is there.
#[derive(Debug, Default)]
pub struct Existing {
    /// What tells which stored row it is; nothing where its seeder names the primary key.
    pub stored: Stored,
    /// The key is the same, and other constants are not: in words.
    pub differs: Option<String>,
}

/// Those that are there, by their place among `rows`.
pub async fn find(runner: &Runner<'_>, rows: &[&Row]) -> Result<HashMap<usize, Existing>, DeployError> {
    let mut existing = HashMap::new();
    let mut keys: Vec<VecDeque<Vec<Term>>> = rows.iter().map(|row| row.by_unique_keys().into()).collect();
    let most = keys.iter().map(VecDeque::len).max().unwrap_or(0);
    for turn in 0..=most {
        let mut questions = Vec::new();
        for (at, row) in rows.iter().enumerate().filter(|(at, _)| !existing.contains_key(at)) {
            let mut tells: Vec<String> =
                row.telling_columns().iter().map(|column| as_text(&row.table.columns[*column])).collect();
            let terms = match (keys[at].pop_front(), turn == most && !row.is_named()) {
                (Some(key), _) => {
                    tells.extend(row.differences());
                    key
                }
                // Then no constant differs.
                (None, true) => row.by_constants(),
                (None, false) => continue,
            };
            questions.push((at, *row, Question { terms, tells }));
        }
        for (at, told) in lookup::find(runner, &questions).await? {
            let row = rows[at];
            let columns = row.telling_columns();
            let (stored, differences) = told.split_at(columns.len().min(told.len()));
            let names = columns.iter().map(|column| row.table.columns[*column].name.clone());
            let is_named = turn == 0 && row.is_named();
            let stored = if is_named { Stored::new() } else { names.zip(stored.iter().cloned()).collect() };
            existing.insert(at, Existing { stored, differs: row.told(differences) });
        }
    }
    Ok(existing)
}
