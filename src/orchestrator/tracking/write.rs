//! What a deployment leaves in the tracking tables: rows are written where they differ, inside of its transaction.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{Change, FUNCTIONS, MIGRATIONS, NameOf, Origin, STATE, STATEMENTS};
use super::{Tracked, TrackedFunction, TrackedObject, altered, mark};
use crate::databases::{Under, ask, under};
use crate::orchestrator::error::DeployError;

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
    const STEP: &str = "writing the tracking tables";
    let done = "DELETE FROM public._stonescriptdb_gateway_progress";
    client.batch_execute(done).await.map_err(altered::failed(STEP, "progress"))?;
    let used = "DELETE FROM public._stonescriptdb_gateway_values";
    client.batch_execute(used).await.map_err(altered::failed(STEP, "values"))?;
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

/// Records other sums of applied migrations, file and sum.
pub async fn write_sums(client: &Client, (files, sums): &(Vec<String>, Vec<String>)) -> Result<(), DeployError> {
    if files.is_empty() {
        return Ok(());
    }
    let update = "UPDATE public._stonescriptdb_gateway_migrations AS tracked SET checksum = anew.checksum
                  FROM unnest($1::text[], $2::text[]) AS anew (migration_file, checksum)
                  WHERE tracked.migration_file = anew.migration_file";
    let written = client.execute(update, &[files, sums]).await;
    written.map(drop).map_err(altered::failed("recording the migrations", MIGRATIONS))
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
    let is_written = |function: &TrackedFunction| {
        let one =
            is_tracked.get(function.signature.as_str()).filter(|_| !tracked.restated.contains(&function.signature));
        one.is_some_and(|one| words(one) == words(function))
    };
    let rows: Vec<Value> = declared
        .values()
        .filter(|function| !is_written(function))
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
