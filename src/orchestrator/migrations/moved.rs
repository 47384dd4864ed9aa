//! Rows of a declared table that a migration renames, or moves into another schema, while the bundle declares both names. In a
//! new database both tables are there from the beginning, so the statement is left out; the rows that earlier migrations put
//! under the old name go to the table that has them by psql. So do those of a declared table that a migration makes with rows.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::declared::{Declared, Name};
use super::history::{History, renamed_table};
use super::read_back;
use crate::bundle::sql::Statement;
use crate::databases::quote_ident;
use crate::orchestrator::runner::{Failure, Runner};
use crate::orchestrator::twins::qualified;

/// What has become of the rows of a table whose rename is left out.
pub(super) enum Moved {
    /// There is nothing to be moved.
    None,
    /// They stand in the other table, and the one of this name has to be emptied.
    All(Name),
    /// The other table does not take them as they are now.
    Refused(Box<Failure>),
}

/// Moves the rows where statement number `at` renames a declared table and both names are declared.
pub(super) async fn move_rows(
    runner: &Runner<'_>,
    (at, statement): (usize, &Statement),
    declared: &Declared,
    history: &History,
) -> Result<Moved, Error> {
    let Some((old, new)) = renamed_table(&statement.tree) else { return Ok(Moved::None) };
    // What the new name is called in the end.
    let last = history.renamed_to(&new, at).unwrap_or_else(|| new.clone());
    if old == last || !declared.is_table(&old) || !declared.is_table(&last) || history.is_swapped(&old, at) {
        return Ok(Moved::None);
    }
    // The declaration's own rows are where they belong.
    if declared.filled.contains(&old) {
        return Ok(Moved::None);
    }
    move_between(runner, (at, statement), (&old, &new, &last), history).await
}

/// Moves the rows of a table into another one, which is called `new` at statement number `at` and `last` in the end.
pub(super) async fn move_between(
    runner: &Runner<'_>,
    (at, statement): (usize, &Statement),
    (old, new, last): (&Name, &Name, &Name),
    history: &History,
) -> Result<Moved, Error> {
    let client = runner.client;
    let there = read_back::columns_in_order(client, old).await?;
    let columns = plain_columns(client, last).await?;
    let former = history.former_columns(new, at, &columns);
    let pairs: Vec<(String, String)> = columns.into_iter().zip(former).filter(|(_, one)| there.contains(one)).collect();
    if pairs.is_empty() {
        return Ok(Moved::None);
    }
    let sql = statements(client, old, last, &pairs).await?;
    runner.changed();
    // Row security would hide rows, which would then be lost: an error is better.
    let sql = format!(
        "SAVEPOINT moving; SET LOCAL row_security = off; {sql}; SET LOCAL row_security = on; RELEASE SAVEPOINT moving"
    );
    match client.batch_execute(&sql).await {
        Ok(()) => Ok(Moved::All(old.clone())),
        Err(error) if error.as_db_error().is_some() => {
            client.batch_execute("ROLLBACK TO SAVEPOINT moving").await?;
            Ok(Moved::Refused(Box::new(Failure::new(statement, &error, 0))))
        }
        Err(error) => Err(error),
    }
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

/// In nobody's sight: no trigger or rule sees the rows a second time. The sequences of their columns go along.
async fn statements(client: &Client, old: &Name, new: &Name, pairs: &[(String, String)]) -> Result<String, Error> {
    let list = |columns: Vec<&String>| columns.into_iter().map(|one| quote_ident(one)).collect::<Vec<_>>().join(", ");
    let (to, from) =
        (list(pairs.iter().map(|(one, _)| one).collect()), list(pairs.iter().map(|(_, one)| one).collect()));
    let (old, new) = (qualified(old), qualified(new));
    let (off, on) = watchers(client, &new).await?;
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

/// What puts the triggers and rules of a table, named as in SQL, out of action, and what puts them back.
pub(super) async fn watchers(client: &Client, table: &str) -> Result<(String, String), Error> {
    let watching = "SELECT what, CASE enabled WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' ELSE '' END
                    FROM (SELECT format('TRIGGER %I', tgname), tgenabled, tgrelid FROM pg_trigger WHERE NOT tgisinternal
                          UNION ALL SELECT format('RULE %I', rulename), ev_enabled, ev_class FROM pg_rewrite
                          WHERE ev_type IN ('2', '3')) AS watcher (what, enabled, watched)
                    WHERE watched = to_regclass($1::text) AND enabled <> 'D' ORDER BY what";
    let (mut off, mut on) = (String::new(), String::new());
    for row in client.query_typed(watching, &[(&table, Type::TEXT)]).await? {
        let (watcher, how): (String, String) = (row.get(0), row.get(1));
        off += &format!("ALTER TABLE {table} DISABLE {watcher};");
        on += &format!("ALTER TABLE {table} ENABLE{how} {watcher};");
    }
    Ok((off, on))
}
