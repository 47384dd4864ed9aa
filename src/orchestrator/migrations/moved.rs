//! Rows of a declared table that a migration renames, or moves into another schema, while the bundle declares both names. In a
//! new database both tables are there from the beginning, so the statement is left out; the rows that earlier migrations put
//! under the old name go to the table that has them by psql.

use pg_query::NodeEnum;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::declared::{Declared, History, Name, renamed_table};
use super::read_back;
use crate::databases::quote_ident;
use crate::orchestrator::runner::Runner;
use crate::orchestrator::twins::qualified;

/// The old name, where the rows of statement number `at` have gone to another table and it has to be emptied.
pub(super) async fn move_rows(
    runner: &Runner<'_>,
    at: usize,
    tree: &NodeEnum,
    declared: &Declared,
    history: &History,
) -> Result<Option<Name>, Error> {
    let Some((old, new)) = renamed_table(tree) else { return Ok(None) };
    // What the new name is called in the end.
    let last = history.renamed_to(&new, at).unwrap_or_else(|| new.clone());
    if old == last || !declared.is_table(&old) || !declared.is_table(&last) || history.is_swapped(&old, at) {
        return Ok(None);
    }
    let client = runner.client;
    let there = read_back::columns_in_order(client, &old).await?;
    let columns = plain_columns(client, &last).await?;
    let former = history.former_columns(&new, at, &columns);
    let pairs: Vec<(String, String)> = columns.into_iter().zip(former).filter(|(_, one)| there.contains(one)).collect();
    if pairs.is_empty() || !has_rows(client, &old).await? {
        return Ok(None);
    }
    client.batch_execute(&statements(client, &old, &last, &pairs).await?).await?;
    runner.changed();
    Ok(Some(old))
}

/// Those that can be written.
async fn plain_columns(client: &Client, table: &Name) -> Result<Vec<String>, Error> {
    let query =
        "SELECT attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid AND c.relkind IN ('r', 'p')
                 WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                 ORDER BY attnum";
    let rows = client.query_typed(query, &[(&qualified(table), Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn has_rows(client: &Client, table: &Name) -> Result<bool, Error> {
    let row = client.query_one(&format!("SELECT EXISTS (SELECT FROM {})", qualified(table)), &[]).await?;
    Ok(row.get(0))
}

/// In nobody's sight: no trigger sees the rows a second time. The sequences of their columns go along.
async fn statements(client: &Client, old: &Name, new: &Name, pairs: &[(String, String)]) -> Result<String, Error> {
    let list = |columns: Vec<&String>| columns.into_iter().map(|one| quote_ident(one)).collect::<Vec<_>>().join(", ");
    let (to, from) =
        (list(pairs.iter().map(|(one, _)| one).collect()), list(pairs.iter().map(|(_, one)| one).collect()));
    let (old, new) = (qualified(old), qualified(new));
    let triggers =
        "SELECT quote_ident(tgname), CASE tgenabled WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' ELSE '' END
                    FROM pg_trigger WHERE tgrelid = to_regclass($1::text) AND NOT tgisinternal AND tgenabled <> 'D'
                    ORDER BY oid";
    let (mut off, mut on) = (String::new(), String::new());
    for row in client.query_typed(triggers, &[(&new, Type::TEXT)]).await? {
        let (trigger, how): (String, String) = (row.get(0), row.get(1));
        off += &format!("ALTER TABLE {new} DISABLE TRIGGER {trigger};");
        on += &format!("ALTER TABLE {new} ENABLE{how} TRIGGER {trigger};");
    }
    let sequences = "SELECT format('SELECT pg_catalog.setval(%L, last_value, is_called) FROM %s', of_new, of_old)
                     FROM unnest($3::text[], $4::text[]) AS pair (new, old),
                          pg_get_serial_sequence($1::text, new) AS of_new, pg_get_serial_sequence($2::text, old) AS of_old
                     WHERE of_new IS NOT NULL AND of_old IS NOT NULL";
    let (of_new, of_old): (Vec<&str>, Vec<&str>) = pairs.iter().map(|(to, from)| (to.as_str(), from.as_str())).unzip();
    let params: [(&(dyn ToSql + Sync), Type); 4] =
        [(&new, Type::TEXT), (&old, Type::TEXT), (&of_new, Type::TEXT_ARRAY), (&of_old, Type::TEXT_ARRAY)];
    let rows = client.query_typed(sequences, &params).await?;
    let sequences: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(format!(
        "{off}INSERT INTO {new} ({to}) OVERRIDING SYSTEM VALUE SELECT {from} FROM {old};{on}{}",
        sequences.join(";")
    ))
}
