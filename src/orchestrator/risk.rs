//! Counts the rows that hold a value which a change would lose, on a database as it is before the change. Reads only.

mod unfit;

use tokio_postgres::Client;

use super::diff::{AtRisk, Change, Rows, SchemaValidation};
use super::error::DeployError;
use crate::databases::{own_path, printed_path};

/// Fills in `rows_at_risk` of every change that loses values: adds to what is there, so that the counts of several
/// databases of one shape sum up.
pub async fn count(client: &Client, validation: &mut SchemaValidation) -> Result<(), DeployError> {
    for change in &mut validation.dataloss_changes {
        let rows = match &change.at_risk {
            Some(at_risk) => count_rows(client, at_risk, change).await?,
            None => 0,
        };
        change.rows_at_risk = Some(change.rows_at_risk.unwrap_or(0) + rows);
    }
    Ok(())
}

async fn count_rows(client: &Client, at_risk: &AtRisk, change: &Change) -> Result<i64, DeployError> {
    let Some(table) = &at_risk.table else { return Ok(0) };
    let condition = match &at_risk.rows {
        Rows::All => "true".to_owned(),
        Rows::With(column) => format!("{column} IS NOT NULL"),
        Rows::Without(column) => format!("{column} IS NULL"),
        Rows::Unfit { column, from, to } => unfit::condition(column, from, to),
    };
    // With the names as the catalog was read: printed for this path.
    let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
    let failed = DeployError::own("counting the rows that would be lost");
    // What is PostgreSQL's own comes first.
    let path = format!("SELECT set_config('search_path', 'pg_catalog, ' || {}, false)", printed_path(""));
    client.batch_execute(&path).await.map_err(&failed)?;
    let counted = client.query_one(&query, &[]).await;
    client.batch_execute(&own_path()).await.map_err(&failed)?;
    match counted {
        Ok(row) => Ok(row.get(0)),
        Err(error) if error.as_db_error().is_some() => {
            tracing::warn!(table = change.table, %error, "the rows at risk could not be counted");
            Ok(0)
        }
        Err(error) => Err(failed(error)),
    }
}
