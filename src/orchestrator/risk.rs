//! Counts the rows that hold a value which a change would lose, on a database as it is before the change. Reads only.

mod unfit;

use tokio_postgres::Client;

use super::diff::{AtRisk, Change, Rows, SchemaValidation};
use super::error::DeployError;
use crate::databases::{describe, own_path, printed_path};

/// What is added to a change's reason where the rows could not be counted: nobody is to take silence for none.
const UNCOUNTED: &str = "; how many rows that is could not be counted, the gateway's log says why";

/// Fills in `rows_at_risk` of every change that loses values and says which rows those are; `None` where they could not be
/// counted.
pub async fn count(client: &Client, validation: &mut SchemaValidation) -> Result<(), DeployError> {
    for change in &mut validation.dataloss_changes {
        if let Some(at_risk) = &change.at_risk {
            change.rows_at_risk = count_rows(client, at_risk, change).await?;
            say_where_uncounted(change);
        }
    }
    Ok(())
}

/// Has the reason of a change whose rows could not be counted say so.
pub fn say_where_uncounted(change: &mut Change) {
    if change.at_risk.is_some() && change.rows_at_risk.is_none() && !change.reason.ends_with(UNCOUNTED) {
        change.reason.push_str(UNCOUNTED);
    }
}

async fn count_rows(client: &Client, at_risk: &AtRisk, change: &Change) -> Result<Option<i64>, DeployError> {
    let Some(table) = &at_risk.table else { return Ok(Some(0)) };
    let condition = match &at_risk.rows {
        Rows::All => "true".to_owned(),
        Rows::With(column) => format!("{column} IS NOT NULL"),
        Rows::Without(column) => format!("{column} IS NULL"),
        Rows::Unfit { column, from, to } => unfit::condition(column, from, to),
    };
    // With the names as the catalog was read: printed for this path.
    let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
    let failed = DeployError::own("counting the rows that would be lost");
    // What is PostgreSQL's own comes first. Rows that a policy hides from the owner are lost as well, and a policy's
    // expression may do anything: PostgreSQL refuses to count under one.
    let path = format!(
        "SET row_security = off; SELECT set_config('search_path', 'pg_catalog, ' || {}, false)",
        printed_path("")
    );
    client.batch_execute(&path).await.map_err(&failed)?;
    let counted = client.query_one(&query, &[]).await;
    client.batch_execute(&format!("{}; SET row_security = on", own_path())).await.map_err(&failed)?;
    match counted {
        Ok(row) => Ok(Some(row.get(0))),
        Err(error) if error.as_db_error().is_some() => {
            let (column, cause) = (change.column.as_deref(), describe(&error));
            tracing::warn!(table = change.table, column, cause, "the rows at risk could not be counted");
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}
