//! Unnamed constraints and indexes: PostgreSQL makes a second one under another name as often as it is asked. Here a
//! statement that would make the twin of one that is there is taken back, and so is one that would make something beside
//! what it is to replace: `t_n_idx1` where `t_n_idx` is declared.

use std::collections::HashMap;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::runner::{Failure, Runner};
use crate::bundle::sql::Statement;
use crate::databases::quote_ident;

/// Runs a statement about `table` (schema and name, unquoted); `false` where it made a twin, or something that is not
/// `is_declared` under the name that it got, and was taken back. What `stands_beside` is a twin to nothing: it is declared
/// under a name of its own, as what the statement makes is.
pub async fn run(
    runner: &Runner<'_>,
    statement: &Statement,
    table: &(String, String),
    is_declared: impl Fn(&str) -> bool,
    stands_beside: impl Fn(&str) -> bool,
) -> Result<bool, Failure> {
    let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
    let before = read_definitions(runner.client, table);
    // Of two savepoints, this one outlives the statement's own.
    let savepoint = runner.client.batch_execute("SAVEPOINT twins");
    let (before, ()) = tokio::try_join!(biased; before, savepoint).map_err(failed)?;
    let result = runner.run(statement).await;
    let twin = match &result {
        Ok(_) => {
            let after = read_definitions(runner.client, table).await.map_err(failed)?;
            let mut made = after.iter().filter(|(object, _)| !before.contains_key(*object));
            let is_twin =
                |one: &Known| before.values().any(|known| known.meaning == one.meaning && !stands_beside(&known.name));
            made.any(|(_, one)| !is_declared(&one.name) || is_twin(one))
        }
        Err(_) => false,
    };
    if twin {
        runner.forget_last();
    }
    let end = if twin { "ROLLBACK TO SAVEPOINT twins" } else { "RELEASE SAVEPOINT twins" };
    runner.client.batch_execute(end).await.map_err(failed)?;
    result.map(|_| !twin)
}

struct Known {
    /// As PostgreSQL prints it.
    name: String,
    /// What it does, without its name.
    meaning: String,
}

/// The constraints and indexes of a table, by identity.
async fn read_definitions(
    client: &Client,
    table: &(String, String),
) -> Result<HashMap<String, Known>, tokio_postgres::Error> {
    let rows = client
        .query_typed(
            "SELECT 'constraint ' || oid, 'constraint ' || pg_get_constraintdef(oid), quote_ident(conname)
             FROM pg_constraint WHERE conrelid = to_regclass($1::text)
             UNION ALL
             SELECT 'index ' || i.indexrelid, concat_ws(' ', 'index', c.relam, i.indkey, i.indclass, i.indcollation,
                    i.indoption, i.indisunique, pg_get_expr(i.indexprs, i.indrelid), 'where',
                    pg_get_expr(i.indpred, i.indrelid)), quote_ident(c.relname)
             FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             -- Half an index, of an interrupted REINDEX CONCURRENTLY say, does not do what another one does.
             WHERE i.indrelid = to_regclass($1::text) AND (i.indisvalid OR c.relkind = 'I')",
            &[(&qualified(table), Type::TEXT)],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), Known { meaning: row.get(1), name: row.get(2) })).collect())
}

/// A name for SQL.
pub fn qualified((schema, name): &(String, String)) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}
