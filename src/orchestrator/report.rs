//! What a deployment did, as the client reads it (contract §6, `POST /register`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::seeders::SeederValidation;

/// The answer of `POST /register`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Registered {
    /// Always `ready`.
    pub status: &'static str,
    /// The database's name.
    pub database: String,
    /// What was done.
    #[serde(flatten)]
    pub report: Report,
    /// From the first look at the request to the commit.
    pub execution_time_ms: u64,
}

/// What a deployment did to one database.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Migrations recorded by this deployment, in a new database all of them.
    pub migrations_applied: usize,
    /// Extensions that were not there before.
    pub extensions_installed: usize,
    /// Types made.
    pub types_deployed: usize,
    /// Tables of `tables/` made.
    pub tables_created: usize,
    /// Functions and procedures made or replaced.
    pub functions_deployed: usize,
    /// Functions and procedures that were already as the bundle has them.
    pub functions_unchanged: usize,
    /// For each table that this deployment filled.
    pub seeders: Vec<SeedReport>,
    /// For each table that was there before and has seeders: whether their rows are there.
    #[serde(skip)]
    pub seeder_validations: Vec<SeederValidation>,
    /// In a new database: statements of migrations whose effect the declaration already has.
    pub migrations_skipped_statements: Vec<SkippedStatement>,
    /// Whether rows are missing for that, which the migrations would make by themselves.
    #[serde(skip)]
    pub leaves_rows_out: bool,
    /// Whether a declared table was made that was not there: in a new database, one that no migration before it makes.
    #[serde(skip)]
    pub makes_tables: bool,
    /// What the client should know.
    pub warnings: Vec<String>,
}

/// Rows of one table's seeders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeedReport {
    /// As PostgreSQL prints it.
    pub table: String,
    /// Rows inserted.
    pub inserted: u64,
    /// Rows not inserted, because the table held rows already.
    pub skipped: u64,
}

/// A migration's statement that a new database did not need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SkippedStatement {
    /// The file, below `migrations/`.
    pub migration: String,
    /// From 1.
    pub line: usize,
    /// Its beginning.
    pub statement: String,
    /// Why.
    pub reason: String,
}

/// Whether a database is what its bundle declares, as the deployment compared it before its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the contract's fields")]
pub struct Verification {
    /// All of them.
    pub passed: bool,
    /// Every extension is installed.
    pub extensions_verified: bool,
    /// Enums, domains and composite types.
    pub types_verified: bool,
    /// Tables with their columns, constraints and indexes.
    pub tables_verified: bool,
    /// Views and materialized views.
    pub views_verified: bool,
    /// Functions, procedures, aggregates.
    pub functions_verified: bool,
    /// Every row that a seeder names is there.
    pub seeders_verified: bool,
}

impl Verification {
    /// As it is after every deployment that was committed.
    pub fn passed() -> Self {
        Self {
            passed: true,
            extensions_verified: true,
            types_verified: true,
            tables_verified: true,
            views_verified: true,
            functions_verified: true,
            seeders_verified: true,
        }
    }
}
