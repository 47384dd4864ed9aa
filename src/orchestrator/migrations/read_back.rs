//! Reads what [`super::declared`] wants to know of a new database: what was declared in it, and what it holds now.

use std::collections::HashSet;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::declared::{Declared, Live, Name};
use crate::orchestrator::twins;

const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
                    AND c.relname NOT LIKE '\\_stonescriptdb\\_gateway\\_%'";

/// What is in the database; before the first migration that is what the declaration made.
pub(super) async fn declared(client: &Client) -> Result<Declared, Error> {
    let mut declared = Declared::default();
    let columns = format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p', 'f', 'c') AND {OURS}"
    );
    for row in client.query_typed(&columns, &[]).await? {
        let columns = declared.columns.entry((row.get(0), row.get(1))).or_default();
        columns.extend(row.get::<_, Option<String>>(2));
    }
    let secured = format!(
        "SELECT n.nspname::text, c.relname::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND {OURS}"
    );
    for row in client.query_typed(&secured, &[]).await? {
        let kinds = [(false, row.get(2)), (true, row.get(3))].into_iter().filter(|(_, is_so)| *is_so);
        declared.secured.extend(kinds.map(|(is_forced, _)| ((row.get(0), row.get(1)), is_forced)));
    }
    let parts = format!(
        "SELECT n.nspname::text, c.relname::text, part.name::text FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN (SELECT conrelid AS rel, conname AS name FROM pg_constraint
               UNION ALL SELECT tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL SELECT polrelid, polname FROM pg_policy
               UNION ALL SELECT ev_class, rulename FROM pg_rewrite) AS part ON part.rel = c.oid
         WHERE {OURS}"
    );
    let rows = client.query_typed(&parts, &[]).await?;
    declared.parts = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    let relations = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('i', 'I', 'S', 'v', 'm') AND {OURS}"
    );
    let rows = client.query_typed(&relations, &[]).await?;
    declared.relations = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let types = "SELECT n.nspname::text, t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                 WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    let rows = client.query_typed(types, &[]).await?;
    declared.types = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(declared)
}

/// Of these relations, those that are there.
pub(super) async fn there(client: &Client, names: &HashSet<Name>) -> Result<Vec<Name>, Error> {
    let (schemas, relations): (Vec<&str>, Vec<&str>) =
        names.iter().map(|(schema, name)| (schema.as_str(), name.as_str())).unzip();
    let query = "SELECT n.nspname::text, c.relname::text FROM unnest($1::text[], $2::text[]) AS named (schema, name)
                 JOIN pg_namespace n ON n.nspname = named.schema
                 JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = named.name";
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&schemas, Type::TEXT_ARRAY), (&relations, Type::TEXT_ARRAY)];
    let rows = client.query_typed(query, &params).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What there is of a relation at this moment.
pub(super) async fn live(client: &Client, name: &Name) -> Result<Live, Error> {
    let query = "SELECT relation.oid IS NOT NULL,
                        ARRAY(SELECT attname::text FROM pg_attribute
                              WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped),
                        ARRAY(SELECT conname::text FROM pg_constraint WHERE conrelid = relation.oid
                              UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = relation.oid
                              UNION ALL SELECT polname FROM pg_policy WHERE polrelid = relation.oid)
                 FROM (SELECT to_regclass($1::text)::oid AS oid) AS relation";
    let rows = client.query_typed(query, &[(&twins::qualified(name), Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(Live::default()) };
    let (columns, parts): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
    let parts: HashSet<String> = parts.into_iter().collect();
    Ok(Live { exists: row.get(0), columns: columns.into_iter().collect(), parts })
}

/// The columns of a table, in their order; none where it is not there.
pub(super) async fn columns_in_order(client: &Client, name: &Name) -> Result<Vec<String>, Error> {
    let query = "SELECT attname::text FROM pg_attribute
                 WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = client.query_typed(query, &[(&twins::qualified(name), Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
