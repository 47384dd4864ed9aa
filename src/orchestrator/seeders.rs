//! Fills tables with their reference rows: in a new database, and in tables that this deployment made. Of other tables,
//! the rows have to be there ([`validation`]).

mod validation;

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

pub use self::validation::SeederValidation;
use super::error::DeployError;
use super::report::SeedReport;
use super::runner::{Failure, Runner};
use crate::bundle::sql::{Class, Object, Statement};
use crate::databases::{Under, ask, quote_ident, under};

/// Runs the seeders of the tables that `wanted` says, each where its table is empty, and validates the others.
pub async fn run(
    runner: &Runner<'_>,
    seeds: &[Statement],
    wanted: impl Fn(&Object) -> bool,
) -> Result<Vec<SeedReport>, DeployError> {
    let mut tables = Tables::default();
    let mut statements = Vec::new();
    let mut expected: BTreeMap<String, Vec<&Statement>> = BTreeMap::new();
    for seed in seeds {
        match table_of(seed) {
            Some(table) if wanted(table) && tables.is_empty_now(runner, table).await? => statements.push(seed),
            Some(table) => {
                tables.skip(table, seed.rows);
                expected.entry(quoted(table)).or_default().push(seed);
            }
            // What is no INSERT (`SELECT setval(…)`) belongs to the rows before it.
            None if !statements.is_empty() => statements.push(seed),
            None => {}
        }
    }
    if !statements.is_empty() {
        runner.own("deferring constraints for the seeders", "SET CONSTRAINTS ALL DEFERRED").await?;
        insert(runner, statements, &mut tables).await?;
    }
    validate(runner, &expected).await?;
    Ok(tables.reports())
}

async fn validate(runner: &Runner<'_>, expected: &BTreeMap<String, Vec<&Statement>>) -> Result<(), DeployError> {
    let mut validations = validation::validate(runner, expected).await?;
    validations.retain(|validation| !validation.missing.is_empty());
    if validations.is_empty() { Ok(()) } else { Err(DeployError::RowsMissing { validations }) }
}

/// Inserts in the order given. Where rows point at rows that come later, everything is inserted once more with every
/// key of these tables checked at the end.
async fn insert(runner: &Runner<'_>, statements: Vec<&Statement>, tables: &mut Tables) -> Result<(), DeployError> {
    const STEP: &str = "seeding";
    runner.own(STEP, "SAVEPOINT seeds").await?;
    let counts = tables.reports.clone();
    match insert_all(runner, &statements, tables).await {
        Err(failure) if failure.is_one_of(&[SqlState::FOREIGN_KEY_VIOLATION]) => {
            runner.own(STEP, "ROLLBACK TO SAVEPOINT seeds").await?;
            tables.reports = counts;
        }
        Err(failure) => return Err(failure.into()),
        Ok(()) => return check_keys(runner, &statements).await,
    }
    let keys = immediate_keys(runner, tables).await?;
    alter_keys(runner, &keys, "DEFERRABLE INITIALLY DEFERRED").await?;
    insert_all(runner, &statements, tables).await?;
    check_keys(runner, &statements).await?;
    alter_keys(runner, &keys, "NOT DEFERRABLE").await
}

async fn insert_all(runner: &Runner<'_>, statements: &[&Statement], tables: &mut Tables) -> Result<(), Failure> {
    for statement in statements {
        let rows = runner.run(statement).await?;
        tables.inserted(statement, rows);
    }
    Ok(())
}

/// Has PostgreSQL check what was deferred, here, where the error can still name a seeder.
async fn check_keys(runner: &Runner<'_>, statements: &[&Statement]) -> Result<(), DeployError> {
    match runner.check_constraints().await {
        Ok(()) => Ok(()),
        Err(error) => Err(blame(runner, statements, error).await),
    }
}

/// A key that is checked at the end does not say which statement broke it. Where it can be checked row by row, one of
/// the statements fails in the same words; else the table alone tells.
async fn blame(runner: &Runner<'_>, statements: &[&Statement], error: tokio_postgres::Error) -> DeployError {
    let told = error.as_db_error();
    let detail = told.and_then(|error| error.detail());
    if let Err(lost) = runner.own("seeding", "ROLLBACK TO SAVEPOINT seeds").await {
        return lost;
    }
    for statement in statements {
        match runner.run(statement).await {
            Err(failure) if failure.error.detail.as_deref() == detail => return failure.into(),
            Err(_) | Ok(_) => {}
        }
    }
    let table = told.and_then(|error| error.table());
    let of_table = |one: &&&Statement| table_of(one).map(|made| made.name.as_str()) == table;
    match statements.iter().find(of_table).or(statements.first()) {
        Some(statement) => Failure::new(statement, &error, 0).into(),
        None => DeployError::own("seeding")(error),
    }
}

/// Foreign keys of the seeded tables that are checked row by row: table and name, both quoted.
async fn immediate_keys(runner: &Runner<'_>, tables: &Tables) -> Result<Vec<(String, String)>, DeployError> {
    let names: Vec<&str> = tables.known.keys().map(String::as_str).collect();
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

/// The table that a seeder's `INSERT` fills.
pub fn table_of(seed: &Statement) -> Option<&Object> {
    seed.makes.iter().find(|made| made.class == Class::Rows)
}

/// The tables met so far, in order.
#[derive(Default)]
struct Tables {
    reports: Vec<SeedReport>,
    /// By quoted name: place in `reports`, and whether it was empty.
    known: HashMap<String, (usize, bool)>,
}

impl Tables {
    async fn is_empty_now(&mut self, runner: &Runner<'_>, table: &Object) -> Result<bool, DeployError> {
        let name = quoted(table);
        if let Some((_, empty)) = self.known.get(&name) {
            return Ok(*empty);
        }
        // A table that is not there at all is the INSERT's error to report, with its file and line.
        let query = under(Under::Database, "SELECT to_regclass($1)::text");
        let printed = ask(runner.client, &query, &[(&name, Type::TEXT)]).await;
        let printed = printed.map_err(DeployError::own("looking up a table"))?;
        let printed: Option<String> = printed.first().and_then(|row| row.get(0));
        let empty = match &printed {
            Some(_) => {
                let query = format!("SELECT NOT EXISTS (SELECT FROM {name})");
                let row = runner.client.query_one(&query, &[]).await;
                row.map_err(DeployError::own("looking whether a table is empty"))?.get(0)
            }
            None => true,
        };
        let report = SeedReport { table: printed.unwrap_or_else(|| name.clone()), inserted: 0, skipped: 0 };
        self.known.insert(name, (self.reports.len(), empty));
        self.reports.push(report);
        Ok(empty)
    }

    fn skip(&mut self, table: &Object, rows: u64) {
        if let Some((at, _)) = self.known.get(&quoted(table)) {
            self.reports[*at].skipped += rows;
        }
    }

    fn inserted(&mut self, statement: &Statement, rows: u64) {
        let at = table_of(statement).and_then(|table| self.known.get(&quoted(table)));
        if let Some((at, _)) = at {
            self.reports[*at].inserted += rows;
            // `ON CONFLICT DO NOTHING` may leave some out.
            self.reports[*at].skipped += statement.rows.saturating_sub(rows);
        }
    }

    fn reports(self) -> Vec<SeedReport> {
        self.reports
    }
}

fn quoted(table: &Object) -> String {
    format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name))
}
