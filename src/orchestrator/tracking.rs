//! The gateway's own tables in every database (contract §5): what was deployed, with which checksums, and the changelog.

pub mod altered;
mod mark;
mod write;

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

pub use self::write::{Record, write, write_changes, write_migrations, write_sums};
use super::error::DeployError;
use super::runner::FailedIn;
use crate::bundle::order;
use crate::databases::{Under, ask, under};

/// What a name in the changelog stands for, which decides how PostgreSQL prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOf {
    /// `to_regclass`
    Relation,
    /// `to_regtype`
    Type,
    /// Printed as it is.
    Text,
}

impl NameOf {
    fn word(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Type => "type",
            Self::Text => "text",
        }
    }
}

/// One row of the changelog: an object that was really changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// The statement's kind, e.g. `CreateTable`.
    pub change_type: &'static str,
    /// What `name` stands for.
    pub name_of: NameOf,
    /// Quoted where it is an SQL name.
    pub name: String,
    /// File and line, and what else helps.
    pub detail: Value,
}

/// A table or type of the bundle, as it is tracked.
#[derive(Clone, Debug)]
pub struct TrackedObject {
    /// Quoted and qualified.
    pub name: String,
    /// Of its statement.
    pub checksum: String,
}

/// A function or procedure, as it is tracked.
#[derive(Clone, Debug)]
pub struct TrackedFunction {
    /// Unquoted, without schema.
    pub name: String,
    /// As PostgreSQL prints it (`regprocedure`).
    pub signature: String,
    /// Input types, as `format_type` prints them.
    pub param_types: Vec<String>,
    /// As `pg_get_function_result` prints it; empty for a procedure.
    pub return_type: String,
    /// Of its statement.
    pub checksum: String,
    /// The file.
    pub source_file: String,
}

/// Of applied migrations, by file.
pub type Sums = HashMap<String, String>;

/// What the tables say before a deployment.
#[derive(Clone, Debug, Default)]
pub struct Tracked {
    /// Of migrations.
    pub migrations: Sums,
    /// Checksums of statements that make neither table, type nor function: views, triggers, indexes, comments.
    pub statements: HashSet<String>,
    /// Those that are still there.
    pub functions: Vec<TrackedFunction>,
    /// What the rows of the others have as signatures, and of those that are printed otherwise by now.
    lost_functions: Vec<String>,
    /// The signatures of those, as they are printed now.
    restated: HashSet<String>,
}

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_migrations (
    migration_file text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_types (
    type_name text PRIMARY KEY,
    checksum text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_tables (
    table_name text PRIMARY KEY,
    checksum text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_functions (
    function_name text NOT NULL,
    signature text PRIMARY KEY,
    param_types text[] NOT NULL,
    return_type text NOT NULL,
    body_checksum text NOT NULL,
    source_file text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_statements (
    checksum text PRIMARY KEY,
    source_file text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_changelog (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_type text NOT NULL,
    object_name text NOT NULL,
    detail jsonb NOT NULL,
    platform text NOT NULL,
    schema_checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_progress (
    migration_file text PRIMARY KEY,
    statements_done integer NOT NULL,
    statements_checksum text NOT NULL);
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_declared (
    object text PRIMARY KEY,
    checksum text NOT NULL,
    by_migration boolean NOT NULL);
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_seeds (
    seed text PRIMARY KEY,
    table_name text NOT NULL,
    stored text NOT NULL);
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_values (
    statement text PRIMARY KEY,
    type_name text NOT NULL,
    value text NOT NULL);
CREATE TABLE IF NOT EXISTS public._stonescriptdb_gateway_state (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    bundle_checksum text NOT NULL,
    deployed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    catalog_shape text,
    catalog_mark text);
";

/// Nobody else writes to what is read as a whole until the transaction ends.
const LOCK: &str = "
LOCK TABLE public._stonescriptdb_gateway_migrations, public._stonescriptdb_gateway_functions,
    public._stonescriptdb_gateway_statements, public._stonescriptdb_gateway_progress,
    public._stonescriptdb_gateway_declared IN SHARE ROW EXCLUSIVE MODE;
";

/// Makes the tables where they are missing, in a transaction that has begun; refuses those that somebody altered.
pub async fn create_tables(client: &Client) -> Result<(), DeployError> {
    altered::check(client).await?;
    // Wherever the role's defaults say that its own tables go, and however these are kept.
    let plain = "SET LOCAL default_tablespace = ''; SET LOCAL default_table_access_method = heap;";
    let make = format!("{plain}{CREATE}RESET default_tablespace; RESET default_table_access_method;{LOCK}");
    client.batch_execute(&make).await.map_err(altered::failed("making the tracking tables", "migrations"))
}

/// Where a database stands.
#[derive(Clone, Debug)]
pub struct State {
    /// The bundle of its last deployment.
    pub bundle_checksum: String,
    /// How many functions it has from it.
    pub functions: usize,
    /// The fingerprint of the catalog that it left.
    pub shape: Option<String>,
    /// Whether the catalog is as that deployment left it.
    pub untouched: bool,
    /// Whether migrations have sums of an earlier version.
    pub has_earlier_sums: bool,
}

impl State {
    /// Whether there is nothing to do for a bundle.
    pub fn is_at(&self, bundle_checksum: &str) -> bool {
        self.untouched && self.bundle_checksum == bundle_checksum
    }
}

/// The bundle of a database's last deployment; `None` where nothing was deployed.
pub async fn read_bundle_checksum(client: &Client) -> Result<Option<String>, DeployError> {
    let query = "SELECT pg_catalog.left(bundle_checksum, 200) FROM public._stonescriptdb_gateway_state LIMIT 2";
    match only_row(client, query).await? {
        Some(row) => altered::value(&row, 0, STATE).map(Some),
        None => Ok(None),
    }
}

const STATE: &str = "state";

/// What a query of the table `state` finds; nothing where there is no such table. The platform's own code may have put
/// anything there, so no more than two short rows are asked for.
async fn only_row(client: &Client, query: &str) -> Result<Option<Row>, DeployError> {
    const STEP: &str = "reading which bundle the database is at";
    match client.query_typed(query, &[]).await {
        Ok(rows) if rows.len() > 1 => Err(altered::altered(STATE, "it has more than one row".to_owned(), None)),
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) && FailedIn::of(&error) == FailedIn::Text => {
            Ok(None)
        }
        Err(error) => Err(altered::explain(client, STEP, STATE, error).await),
    }
}

/// Where a database stands, in one query, or two where somebody has changed it or works with temporary tables; `None`
/// where nothing was deployed.
pub async fn read_state(client: &Client) -> Result<Option<State>, DeployError> {
    let query = format!(
        "SELECT pg_catalog.left(bundle_checksum, 200), (SELECT count(*) FROM public._stonescriptdb_gateway_functions),
                pg_catalog.left(catalog_shape, 200), coalesce(catalog_mark = {}, false),
                EXISTS (SELECT FROM public._stonescriptdb_gateway_migrations
                        WHERE NOT pg_catalog.starts_with(checksum, '{}'))
         FROM public._stonescriptdb_gateway_state LIMIT 2",
        mark::quick(),
        order::SUM_PREFIX
    );
    let Some(row) = only_row(client, &query).await? else { return Ok(None) };
    let mut state = State {
        bundle_checksum: altered::value(&row, 0, STATE)?,
        functions: usize::try_from(row.get::<_, i64>(1)).unwrap_or(0),
        shape: altered::value(&row, 2, STATE)?,
        untouched: altered::value(&row, 3, STATE)?,
        has_earlier_sums: altered::value(&row, 4, STATE)?,
    };
    if !state.untouched {
        let query = format!(
            "SELECT coalesce(catalog_mark = {}, false) FROM public._stonescriptdb_gateway_state LIMIT 2",
            mark::exact()
        );
        let row = only_row(client, &query).await?;
        state.untouched = row.is_some_and(|row| row.get(0));
    }
    Ok(Some(state))
}

/// Which migrations were applied, as a checksum, and whether one outside the transaction was interrupted.
pub async fn read_history(client: &Client) -> Result<(String, bool), DeployError> {
    let query = "SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
                            coalesce((SELECT string_agg(migration_file || ' ' || checksum, E'\n' ORDER BY migration_file)
                                      FROM public._stonescriptdb_gateway_migrations), '')
                            || coalesce((SELECT string_agg(concat_ws(' ', migration_file, statements_done), E'\n'
                                                           ORDER BY migration_file)
                                         FROM public._stonescriptdb_gateway_progress), ''), 'UTF8')), 'hex'),
                        EXISTS (SELECT FROM public._stonescriptdb_gateway_progress)";
    match client.query_typed_one(query, &[]).await {
        Ok(row) => Ok((row.get(0), row.get(1))),
        Err(error) => Err(altered::explain(client, "reading which migrations were applied", MIGRATIONS, error).await),
    }
}

const MIGRATIONS: &str = "migrations";

/// The sums of these migrations, of those that are applied.
pub async fn read_sums(client: &Client, files: &[String]) -> Result<Sums, DeployError> {
    // No others: the platform's own code may have put anything there.
    let query = "SELECT migration_file, pg_catalog.left(checksum, 200) FROM public._stonescriptdb_gateway_migrations
                 WHERE migration_file OPERATOR(pg_catalog.=) ANY ($1)";
    let rows = client.query_typed(query, &[(&files, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(altered::failed("reading the sums of migrations", MIGRATIONS))?;
    let sum = |row: &Row| Ok((altered::value(row, 0, MIGRATIONS)?, altered::value(row, 1, MIGRATIONS)?));
    rows.iter().map(sum).collect()
}

/// Whether a database holds nothing of anybody's, so that a bundle finds it as it finds a new one.
pub async fn is_empty(client: &Client) -> Result<bool, DeployError> {
    let query = "
        WITH ours AS (SELECT oid FROM pg_namespace
                      WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'),
             members AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
        SELECT NOT EXISTS (SELECT FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours)
                           AND ('pg_class'::regclass, oid) NOT IN (SELECT * FROM members))
           AND NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours)
                           AND ('pg_proc'::regclass, oid) NOT IN (SELECT * FROM members))
           AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace IN (SELECT oid FROM ours) AND typtype IN ('e', 'd')
                           AND ('pg_type'::regclass, oid) NOT IN (SELECT * FROM members))";
    let row =
        client.query_typed_one(query, &[]).await.map_err(DeployError::own("looking whether the database is empty"))?;
    Ok(row.get(0))
}

/// Everything that is tracked; the tables exist.
pub async fn read(client: &Client) -> Result<Tracked, DeployError> {
    const STEP: &str = "reading the tracking tables";
    altered::check_size(client).await?;
    let query = |sql: &'static str| client.query_typed(sql, &[]);
    let migrations = query("SELECT migration_file, checksum FROM public._stonescriptdb_gateway_migrations");
    let statements = query("SELECT checksum FROM public._stonescriptdb_gateway_statements");
    // A function that somebody dropped by hand is not there, whatever the table says. How one is printed depends on the path
    // that the database has, and on where its extensions stand: both may have changed since.
    let functions = under(
        Under::Database,
        "SELECT function_name, signature, param_types, return_type, body_checksum, source_file,
                to_regprocedure(signature)::text
         FROM public._stonescriptdb_gateway_functions ORDER BY signature",
    );
    let functions = ask(client, &functions, &[]);
    let (migrations, statements, functions) = tokio::join!(migrations, statements, functions);
    let migrations = migrations.map_err(altered::failed(STEP, MIGRATIONS))?;
    let statements = statements.map_err(altered::failed(STEP, STATEMENTS))?;
    let functions = functions.map_err(altered::failed(STEP, FUNCTIONS))?;
    let mut tracked = Tracked::default();
    for row in &migrations {
        tracked.migrations.insert(altered::value(row, 0, MIGRATIONS)?, altered::value(row, 1, MIGRATIONS)?);
    }
    for row in &statements {
        tracked.statements.insert(altered::value(row, 0, STATEMENTS)?);
    }
    for row in &functions {
        let mut function = tracked_function(row)?;
        let Some(printed) = altered::value::<Option<String>>(row, 6, FUNCTIONS)? else {
            tracked.lost_functions.push(function.signature);
            continue;
        };
        if printed != function.signature {
            tracked.restated.insert(printed.clone());
            tracked.lost_functions.push(std::mem::replace(&mut function.signature, printed));
        }
        tracked.functions.push(function);
    }
    altered::check_signatures(tracked.lost_functions.clone()).await?;
    Ok(tracked)
}

const STATEMENTS: &str = "statements";
const FUNCTIONS: &str = "functions";

fn tracked_function(row: &Row) -> Result<TrackedFunction, DeployError> {
    Ok(TrackedFunction {
        name: altered::value(row, 0, FUNCTIONS)?,
        signature: altered::value(row, 1, FUNCTIONS)?,
        param_types: altered::value(row, 2, FUNCTIONS)?,
        return_type: altered::value(row, 3, FUNCTIONS)?,
        checksum: altered::value(row, 4, FUNCTIONS)?,
        source_file: altered::value(row, 5, FUNCTIONS)?,
    })
}

/// Where a change came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who asked.
    pub platform: String,
    /// The bundle.
    pub bundle_checksum: String,
}
