//! The gateway's own tables in every database (contract §5): what was deployed, with which checksums, and the changelog.

pub mod altered;
mod mark;

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::error::DeployError;
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

/// What the tables say before a deployment.
#[derive(Clone, Debug, Default)]
pub struct Tracked {
    /// By file name.
    pub migrations: HashMap<String, String>,
    /// Checksums of statements that make neither table, type nor function: views, triggers, indexes, comments.
    pub statements: HashSet<String>,
    /// Those that are still there.
    pub functions: Vec<TrackedFunction>,
    /// The signatures of the others.
    lost_functions: Vec<String>,
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
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(altered::explain(client, STEP, STATE, error).await),
    }
}

/// Where a database stands, in one query, or two where somebody has changed it or works with temporary tables; `None`
/// where nothing was deployed.
pub async fn read_state(client: &Client) -> Result<Option<State>, DeployError> {
    let query = format!(
        "SELECT pg_catalog.left(bundle_checksum, 200), (SELECT count(*) FROM public._stonescriptdb_gateway_functions),
                pg_catalog.left(catalog_shape, 200), coalesce(catalog_mark = {}, false)
         FROM public._stonescriptdb_gateway_state LIMIT 2",
        mark::quick()
    );
    let Some(row) = only_row(client, &query).await? else { return Ok(None) };
    let mut state = State {
        bundle_checksum: altered::value(&row, 0, STATE)?,
        functions: usize::try_from(row.get::<_, i64>(1)).unwrap_or(0),
        shape: altered::value(&row, 2, STATE)?,
        untouched: altered::value(&row, 3, STATE)?,
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
    // A function that somebody dropped by hand is not there, whatever the table says.
    let functions = under(
        Under::Database,
        "SELECT function_name, signature, param_types, return_type, body_checksum, source_file,
                to_regprocedure(signature) IS NOT NULL
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
        let function = tracked_function(row)?;
        match altered::value(row, 6, FUNCTIONS)? {
            true => tracked.functions.push(function),
            false => tracked.lost_functions.push(function.signature),
        }
    }
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

/// What a deployment leaves in the tables. Of tables, types, functions and statements: all that the bundle declares.
#[derive(Debug, Default)]
pub struct Record {
    /// Declared tables.
    pub tables: Vec<TrackedObject>,
    /// Declared types.
    pub types: Vec<TrackedObject>,
    /// Declared functions.
    pub functions: Vec<TrackedFunction>,
    /// Checksum and file of every other statement.
    pub statements: Vec<(String, String)>,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// Writes the rows, inside the deployment's transaction; `tracked` is what they say. Rows of unchanged objects keep their
/// times.
pub async fn write(
    client: &Client,
    tracked: &Tracked,
    record: &Record,
    origin: &Origin,
    shape: &str,
) -> Result<(), DeployError> {
    write_rows(client, tracked, record, origin, shape).await
}

/// Records applied migrations, file and checksum, in the table and the changelog; those recorded before are passed over.
/// An error comes with the table that it is about.
pub async fn write_migrations(
    client: &Client,
    migrations: &[(String, String)],
    origin: &Origin,
) -> Result<(), (&'static str, tokio_postgres::Error)> {
    if migrations.is_empty() {
        return Ok(());
    }
    let (files, checksums): (Vec<_>, Vec<_>) = migrations.iter().cloned().unzip();
    let applied = client
        .query(
            "INSERT INTO public._stonescriptdb_gateway_migrations (migration_file, checksum)
             SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING
             RETURNING migration_file::text, checksum::text",
            &[&files, &checksums],
        )
        .await
        .map_err(|error| (MIGRATIONS, error))?;
    let change = |row: &Row| Change {
        change_type: "ApplyMigration",
        name_of: NameOf::Text,
        name: row.get(0),
        detail: serde_json::json!({ "checksum": row.get::<_, &str>(1) }),
    };
    let changes: Vec<Change> = applied.iter().map(change).collect();
    write_changes(client, &changes, origin).await.map_err(|error| ("changelog", error))
}

async fn write_rows(
    client: &Client,
    tracked: &Tracked,
    record: &Record,
    origin: &Origin,
    shape: &str,
) -> Result<(), DeployError> {
    const STEP: &str = "writing the tracking tables";
    let done = "DELETE FROM public._stonescriptdb_gateway_progress";
    client.batch_execute(done).await.map_err(altered::failed(STEP, "progress"))?;
    let tables = write_objects(client, "tables", "table_name", "to_regclass", &record.tables);
    tables.await.map_err(altered::failed(STEP, "tables"))?;
    let types = write_objects(client, "types", "type_name", "to_regtype", &record.types);
    types.await.map_err(altered::failed(STEP, "types"))?;
    write_functions(client, tracked, &record.functions).await.map_err(altered::failed(STEP, FUNCTIONS))?;
    write_statements(client, tracked, &record.statements).await.map_err(altered::failed(STEP, STATEMENTS))?;
    write_changes(client, &record.changes, origin).await.map_err(altered::failed(STEP, "changelog"))?;
    let state = format!(
        "INSERT INTO public._stonescriptdb_gateway_state (bundle_checksum, catalog_shape, catalog_mark)
         VALUES ($1, $2, {})
         ON CONFLICT (one_row) DO UPDATE
         SET bundle_checksum = $1, catalog_shape = $2, catalog_mark = excluded.catalog_mark, deployed_at = clock_timestamp()",
        mark::exact()
    );
    let written = client.execute(&state, &[&origin.bundle_checksum, &shape]).await;
    written.map(drop).map_err(altered::failed(STEP, STATE))
}

async fn write_objects(
    client: &Client,
    table: &str,
    column: &str,
    printer: &str,
    objects: &[TrackedObject],
) -> Result<(), tokio_postgres::Error> {
    let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    let checksums: Vec<&str> = objects.iter().map(|object| object.checksum.as_str()).collect();
    let table = format!("public._stonescriptdb_gateway_{table}");
    let printed = under(
        Under::Database,
        &format!(
            "SELECT DISTINCT ON (1) coalesce({printer}(name)::text, name) AS name, checksum
             FROM unnest($1::text[], $2::text[]) AS declared (name, checksum)"
        ),
    );
    let declared = format!(
        "WITH declared AS MATERIALIZED ({printed}),
         gone AS (DELETE FROM {table} WHERE {column} NOT IN (SELECT name FROM declared))
         INSERT INTO {table} AS tracked ({column}, checksum) SELECT name, checksum FROM declared
         ON CONFLICT ({column}) DO UPDATE SET checksum = excluded.checksum, deployed_at = clock_timestamp()
         WHERE tracked.checksum <> excluded.checksum"
    );
    let array = Type::TEXT_ARRAY;
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&names, array.clone()), (&checksums, array)];
    ask(client, &declared, &params).await.map(drop)
}

async fn write_functions(
    client: &Client,
    tracked: &Tracked,
    functions: &[TrackedFunction],
) -> Result<(), tokio_postgres::Error> {
    let mut declared: HashMap<&str, &TrackedFunction> = HashMap::new();
    for function in functions {
        // Of two statements that make the same, the first is on record.
        declared.entry(&function.signature).or_insert(function);
    }
    let is_tracked: HashMap<&str, &TrackedFunction> =
        tracked.functions.iter().map(|function| (function.signature.as_str(), function)).collect();
    let known = tracked.functions.iter().map(|function| &function.signature).chain(&tracked.lost_functions);
    let gone: Vec<&str> = known.map(String::as_str).filter(|signature| !declared.contains_key(signature)).collect();
    let words = |function: &TrackedFunction| {
        (function.return_type.clone(), function.checksum.clone(), function.source_file.clone())
    };
    let rows: Vec<Value> = declared
        .values()
        .filter(|function| is_tracked.get(function.signature.as_str()).is_none_or(|one| words(one) != words(function)))
        .map(|function| {
            serde_json::json!({
                "function_name": function.name, "signature": function.signature, "param_types": function.param_types,
                "return_type": function.return_type, "body_checksum": function.checksum,
                "source_file": function.source_file,
            })
        })
        .collect();
    if rows.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let rows = Value::Array(rows).to_string();
    client
        .execute(
            "WITH gone AS (DELETE FROM public._stonescriptdb_gateway_functions WHERE signature = ANY ($2::text[]))
             INSERT INTO public._stonescriptdb_gateway_functions
                 (function_name, signature, param_types, return_type, body_checksum, source_file)
             SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS declared
                 (function_name text, signature text, param_types text[], return_type text, body_checksum text,
                  source_file text)
             ON CONFLICT (signature) DO UPDATE SET (param_types, return_type, body_checksum, source_file, deployed_at) =
                 (excluded.param_types, excluded.return_type, excluded.body_checksum, excluded.source_file,
                  clock_timestamp())",
            &[&rows, &gone],
        )
        .await
        .map(drop)
}

async fn write_statements(
    client: &Client,
    tracked: &Tracked,
    statements: &[(String, String)],
) -> Result<(), tokio_postgres::Error> {
    if statements.iter().map(|(checksum, _)| checksum).collect::<HashSet<_>>() == tracked.statements.iter().collect() {
        return Ok(());
    }
    let (checksums, files): (Vec<_>, Vec<_>) = statements.iter().cloned().unzip();
    client
        .execute(
            "WITH declared AS (
                 SELECT DISTINCT ON (1) * FROM unnest($1::text[], $2::text[]) AS declared (checksum, source_file)),
             gone AS (DELETE FROM public._stonescriptdb_gateway_statements
                      WHERE checksum NOT IN (SELECT checksum FROM declared))
             INSERT INTO public._stonescriptdb_gateway_statements (checksum, source_file) SELECT * FROM declared
             ON CONFLICT DO NOTHING",
            &[&checksums, &files],
        )
        .await
        .map(drop)
}

/// Writes rows of the changelog.
pub async fn write_changes(client: &Client, changes: &[Change], origin: &Origin) -> Result<(), tokio_postgres::Error> {
    let types: Vec<&str> = changes.iter().map(|change| change.change_type).collect();
    let kinds: Vec<&str> = changes.iter().map(|change| change.name_of.word()).collect();
    let names: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let details: Vec<String> = changes.iter().map(|change| change.detail.to_string()).collect();
    let printed = under(
        Under::Database,
        "SELECT change_type,
                coalesce(CASE name_of WHEN 'relation' THEN to_regclass(name)::text
                                      WHEN 'type' THEN to_regtype(name)::text END, name),
                detail::jsonb, $5::text, $6::text
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
              WITH ORDINALITY AS change (change_type, name_of, name, detail, place)
         ORDER BY place",
    );
    let insert = format!(
        "INSERT INTO public._stonescriptdb_gateway_changelog
             (change_type, object_name, detail, platform, schema_checksum) {printed}"
    );
    let (array, text) = (Type::TEXT_ARRAY, Type::TEXT);
    let params: [(&(dyn ToSql + Sync), Type); 6] = [
        (&types, array.clone()),
        (&kinds, array.clone()),
        (&names, array.clone()),
        (&details, array),
        (&origin.platform, text.clone()),
        (&origin.bundle_checksum, text),
    ];
    ask(client, &insert, &params).await.map(drop)
}
