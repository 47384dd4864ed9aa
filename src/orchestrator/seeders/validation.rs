//! What was found of the rows that seeders name, as the client reads it (contract §4, "Seeders").

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::rows::Row;

/// What was looked for in one table, and what was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeederValidation {
    /// As PostgreSQL prints it.
    pub table: String,
    /// Rows that the seeders name.
    pub expected: usize,
    /// Those that are there.
    pub found: usize,
    /// The others: the columns that were compared, as SQL.
    #[schema(value_type = Vec<std::collections::BTreeMap<String, String>>)]
    pub missing: Vec<Map<String, Value>>,
}

/// Adds a row to what is known of its table.
pub fn count(validations: &mut Vec<SeederValidation>, row: &Row, is_there: bool) {
    let table = &row.table.printed;
    let at = validations.iter().rposition(|one| one.table == *table).unwrap_or_else(|| {
        let (expected, found, missing) = Default::default();
        validations.push(SeederValidation { table: table.clone(), expected, found, missing });
        validations.len() - 1
    });
    let validation = &mut validations[at];
    validation.expected += 1;
    if is_there {
        validation.found += 1;
    } else {
        let shown = row.shown().into_iter();
        validation.missing.push(shown.map(|(column, literal)| (column, Value::String(literal))).collect());
    }
}
