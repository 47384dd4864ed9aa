//! Runs what is to run of the seeders, in order. Where rows point at rows that come later, everything is run once more with
//! every key of these tables checked at the end.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio_postgres::error::SqlState;

use super::columns::Table;
use super::rows::{self, Insert, Stored};
use super::{Seed, existing, table_of};
use crate::bundle::sql::Statement;
use crate::orchestrator::error::{DeployError, StatementError};
use crate::orchestrator::runner::{Failure, Runner};

/// What running the seeders came to; by the place of their statements.
#[derive(Default)]
pub struct Outcome {
    /// How many rows were inserted.
    pub inserted: HashMap<usize, u64>,
    /// What tells which stored row each is, by statement and place; only where that was asked for.
    pub stored: HashMap<(usize, usize), Stored>,
}

const STEP: &str = "seeding";

/// Runs them.
pub async fn all(
    runner: &Runner<'_>,
    seeds: &[Seed<'_>],
    there: &HashSet<(usize, usize)>,
) -> Result<Outcome, DeployError> {
    if !seeds.iter().any(Seed::runs) {
        return Ok(Outcome::default());
    }
    runner.own("deferring constraints for the seeders", "SET CONSTRAINTS ALL DEFERRED").await?;
    runner.own(STEP, "SAVEPOINT seeds").await?;
    match once(runner, seeds, there).await {
        Err(DeployError::Statement(error))
            if error.sqlstate.as_deref() == Some(SqlState::FOREIGN_KEY_VIOLATION.code()) =>
        {
            runner.own(STEP, "ROLLBACK TO SAVEPOINT seeds").await?;
        }
        Err(error) => return Err(error),
        Ok(outcome) => {
            check_keys(runner, seeds).await?;
            return Ok(outcome);
        }
    }
    let keys = immediate_keys(runner, seeds).await?;
    alter_keys(runner, &keys, "DEFERRABLE INITIALLY DEFERRED").await?;
    let outcome = once(runner, seeds, there).await?;
    check_keys(runner, seeds).await?;
    alter_keys(runner, &keys, "NOT DEFERRABLE").await?;
    Ok(outcome)
}

async fn once(
    runner: &Runner<'_>,
    seeds: &[Seed<'_>],
    there: &HashSet<(usize, usize)>,
) -> Result<Outcome, DeployError> {
    let mut outcome = Outcome::default();
    let mut others_ran = false;
    for (at, seed) in seeds.iter().enumerate().filter(|(_, seed)| seed.runs()) {
        let Some((insert, table)) = seed.rows() else {
            let rows = runner.run(seed.statement).await?;
            if table_of(seed.statement).is_some() {
                outcome.inserted.insert(at, rows);
            }
            others_ran = true;
            continue;
        };
        let mut skipped: HashSet<usize> =
            (0..insert.rows.len()).filter(|place| there.contains(&(at, *place))).collect();
        if others_ran && !skipped.is_empty() {
            // What ran since may have deleted them.
            let rows: Vec<_> = insert.rows.iter().filter(|row| skipped.contains(&row.place)).collect();
            let still = existing::find(runner, &rows).await?;
            skipped =
                rows.iter().enumerate().filter(|(one, _)| still.contains_key(one)).map(|(_, row)| row.place).collect();
        }
        let rows = insert_rows(runner, seed, (insert, table), &skipped, at, &mut outcome).await?;
        outcome.inserted.insert(at, rows);
    }
    Ok(outcome)
}

/// The rows of one statement without the skipped ones.
async fn insert_rows(
    runner: &Runner<'_>,
    seed: &Seed<'_>,
    (insert, table): (&Insert, &Table),
    skipped: &HashSet<usize>,
    at: usize,
    outcome: &mut Outcome,
) -> Result<u64, DeployError> {
    let places: Vec<usize> = (0..insert.rows.len()).filter(|place| !skipped.contains(place)).collect();
    let told = if insert.needs_record(table) { telling(insert, table) } else { Vec::new() };
    let is_apart = !told.is_empty() && table.may_swallow && places.len() > 1;
    let parts = match (is_apart, skipped.is_empty()) {
        // Where one is swallowed, it has to be known which.
        (true, _) => rows::apart(seed.statement, places).await?.ok_or_else(|| cannot_part(seed))?,
        (false, true) => vec![(seed.statement.clone(), places)],
        (false, false) => rows::some_of(seed.statement, places).await?.ok_or_else(|| cannot_part(seed))?,
    };
    let columns: Vec<String> = told.iter().map(|column| rows::as_text(&table.columns[*column])).collect();
    let returning = format!("RETURNING {}", columns.join(", "));
    let mut inserted = 0;
    for (statement, places) in parts {
        if told.is_empty() {
            inserted += runner.run(&statement).await?;
            continue;
        }
        let (count, returned) = runner.run_returning(&statement, &returning).await?;
        inserted += count;
        if returned.len() == places.len() {
            for (place, values) in places.into_iter().zip(returned) {
                let names = told.iter().map(|column| table.columns[*column].name.clone());
                outcome.stored.insert((at, place), names.zip(values).collect());
            }
        }
    }
    Ok(inserted)
}

fn cannot_part(seed: &Seed<'_>) -> DeployError {
    let cause = "its rows have to be inserted apart, and cannot be told from each other".to_owned();
    DeployError::Statement(Box::new(StatementError::of(seed.statement, SqlState::FEATURE_NOT_SUPPORTED.code(), cause)))
}

/// The columns that tell which stored row is which; none where they cannot be asked for.
fn telling(insert: &Insert, table: &Table) -> Vec<usize> {
    if !insert.may_return || !table.returns_rows {
        return Vec::new();
    }
    let columns: BTreeSet<usize> = insert.rows.iter().flat_map(rows::Row::telling_columns).collect();
    columns.into_iter().collect()
}

/// Has PostgreSQL check what was deferred, here, where the error can still name a seeder.
async fn check_keys(runner: &Runner<'_>, seeds: &[Seed<'_>]) -> Result<(), DeployError> {
    match runner.check_constraints().await {
        Ok(()) => Ok(()),
        Err(error) => Err(blame(runner, seeds, error).await),
    }
}

/// A key that is checked at the end does not say which statement broke it. Where it can be checked row by row, one of
/// the statements fails in the same words; else the table alone tells.
async fn blame(runner: &Runner<'_>, seeds: &[Seed<'_>], error: tokio_postgres::Error) -> DeployError {
    let told = error.as_db_error();
    let detail = told.and_then(|error| error.detail());
    if let Err(lost) = runner.own(STEP, "ROLLBACK TO SAVEPOINT seeds").await {
        return lost;
    }
    let statements: Vec<_> = seeds.iter().filter(|seed| seed.runs()).map(|seed| seed.statement).collect();
    for statement in &statements {
        match runner.run(statement).await {
            Err(failure) if failure.error.detail.as_deref() == detail => return failure.into(),
            Err(_) | Ok(_) => {}
        }
    }
    let table = told.and_then(|error| error.table());
    let of_table = |one: &&&Statement| table_of(one).map(|made| made.name.as_str()) == table;
    match statements.iter().find(of_table).or(statements.first()) {
        Some(statement) => Failure::new(statement, &error, 0).into(),
        None => DeployError::own(STEP)(error),
    }
}

/// Foreign keys of the seeded tables that are checked row by row: table and name, both quoted.
async fn immediate_keys(runner: &Runner<'_>, seeds: &[Seed<'_>]) -> Result<Vec<(String, String)>, DeployError> {
    let names: Vec<&str> =
        seeds.iter().filter(|seed| seed.runs()).filter_map(Seed::rows).map(|(_, table)| table.name.as_str()).collect();
    let query = "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
                 WHERE contype = 'f' AND NOT condeferrable AND conparentid = 0
                   AND conrelid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)";
    let rows = runner.client.query(query, &[&names]).await.map_err(DeployError::own("looking for foreign keys"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// In the same transaction, so nobody ever sees the keys otherwise than as declared.
async fn alter_keys(runner: &Runner<'_>, keys: &[(String, String)], how: &str) -> Result<(), DeployError> {
    let alter = keys.iter().map(|(table, name)| format!("ALTER TABLE {table} ALTER CONSTRAINT {name} {how};"));
    let sql: String = alter.collect();
    if sql.is_empty() { Ok(()) } else { runner.own("deferring foreign keys for the seeders", &sql).await }
}
