//! Asks whether rows are there, many in one query.

use std::collections::HashMap;

use super::rows::Row;
use crate::databases::{own_path, set_path};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;

/// Rows asked for in one query: each is a sub-select of its own.
const ROWS_PER_QUERY: usize = 200;

const STEP: &str = "looking for the seeded rows";

/// One way to look for a row: the condition, and what to tell of the row that is found, as SQL of type text.
pub struct Question {
    pub condition: String,
    pub tells: Vec<String>,
}

/// What was told of rows that are there, by their numbers.
pub type Found = HashMap<usize, Vec<Option<String>>>;

/// The rows of these numbers that are there.
pub async fn find(runner: &Runner<'_>, rows: &[(usize, &Row, Question)]) -> Result<Found, DeployError> {
    let mut found = Found::new();
    if rows.is_empty() {
        return Ok(found);
    }
    // What the seeders name is found as they find it; what is PostgreSQL's own comes first.
    let path = format!("pg_catalog, {}", runner.first_path());
    runner.own(STEP, &set_path(path.trim_end_matches([',', ' ']))).await?;
    for some in rows.chunks(ROWS_PER_QUERY) {
        let queries: Vec<String> = some.iter().map(query).collect();
        let told = runner.client.query(&queries.join(" UNION ALL "), &[]).await.map_err(DeployError::own(STEP))?;
        found.extend(told.iter().filter_map(|row| {
            let number = usize::try_from(row.get::<_, i64>(0)).ok()?;
            Some((number, row.get::<_, Vec<Option<String>>>(1)))
        }));
    }
    runner.own(STEP, &own_path()).await?;
    Ok(found)
}

fn query((number, row, question): &(usize, &Row, Question)) -> String {
    let Question { condition, tells } = question;
    format!(
        "(SELECT {number}::pg_catalog.int8, ARRAY[{}]::pg_catalog.text[] FROM {} WHERE {condition} LIMIT 1)",
        tells.join(", "),
        row.table.name
    )
}
