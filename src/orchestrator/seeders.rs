//! Fills tables with their reference rows: in a new database, and in tables that this deployment made.

use std::collections::HashMap;

use pg_query::NodeEnum;

use super::error::DeployError;
use super::report::SeedReport;
use super::runner::{Failure, Runner};
use crate::bundle::sql::{Class, Object, Statement};
use crate::databases::quote_ident;

/// Runs the seeders of the tables that `wanted` says; each where its table is empty.
pub async fn run(
    runner: &Runner<'_>,
    seeds: &[Statement],
    wanted: impl Fn(&Object) -> bool,
) -> Result<Vec<SeedReport>, DeployError> {
    let mut tables = Tables::default();
    let mut statements = Vec::new();
    for seed in seeds {
        match table_of(seed) {
            Some(table) if !wanted(table) => {}
            Some(table) => {
                if tables.is_empty_now(runner, table).await? {
                    statements.push(seed);
                } else {
                    tables.skip(table, rows_in(seed));
                }
            }
            // What is no INSERT (`SELECT setval(…)`) belongs to the rows before it.
            None if !statements.is_empty() => statements.push(seed),
            None => {}
        }
    }
    if statements.is_empty() {
        return Ok(tables.reports());
    }
    runner.own("deferring constraints for the seeders", "SET CONSTRAINTS ALL DEFERRED").await?;
    insert(runner, statements, &mut tables).await?;
    // Deferred keys are checked here, where the error can still say that the seeders are at fault.
    if let Err(error) = runner.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await {
        let Some(last) = seeds.last() else { return Err(DeployError::own("checking the seeders")(error)) };
        return Err(Failure::new(last, &error, 0).into());
    }
    Ok(tables.reports())
}

/// Inserts in the order given; what fails because a row that it points at is not there yet is tried again after the
/// others, backwards and forwards in turn, as long as that brings anything.
async fn insert(runner: &Runner<'_>, statements: Vec<&Statement>, tables: &mut Tables) -> Result<(), DeployError> {
    let mut waiting = statements;
    loop {
        let mut failed = Vec::new();
        let mut first_failure = None;
        let count = waiting.len();
        for statement in waiting {
            match runner.run(statement).await {
                Ok(rows) => tables.inserted(statement, rows),
                Err(failure) if failure.is_one_of(&[tokio_postgres::error::SqlState::FOREIGN_KEY_VIOLATION]) => {
                    first_failure.get_or_insert(failure);
                    failed.push(statement);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        match first_failure {
            None => return Ok(()),
            Some(failure) if failed.len() == count => return Err(failure.into()),
            Some(_) => failed.reverse(),
        }
        waiting = failed;
    }
}

/// The table that a seeder's `INSERT` fills.
pub fn table_of(seed: &Statement) -> Option<&Object> {
    seed.makes.iter().find(|made| made.class == Class::Rows)
}

/// How many rows an `INSERT … VALUES` has.
fn rows_in(seed: &Statement) -> u64 {
    let NodeEnum::InsertStmt(insert) = seed.tree.as_ref() else { return 0 };
    match insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => select.values_lists.len() as u64,
        _ => 0,
    }
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
        let query = "SELECT to_regclass($1)::text";
        let printed = runner.client.query_one(query, &[&name]).await.map_err(DeployError::own("looking up a table"))?;
        let printed: Option<String> = printed.get(0);
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
            self.reports[*at].skipped += rows_in(statement).saturating_sub(rows);
        }
    }

    fn reports(self) -> Vec<SeedReport> {
        self.reports
    }
}

fn quoted(table: &Object) -> String {
    format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name))
}

