//! What may fail on the copy of a blueprint only because the rows of the real databases are not in it. Everything else that
//! fails there is told, and no database is touched. No I/O.

use crate::databases::DatabaseError;
use crate::orchestrator::error::DeployError;

/// PostgreSQL's codes, or a class of them (two characters), each with what a migration may do without rows.
const OF_MISSING_ROWS: &[(&str, &str)] = &[
    ("02", "a query that has to find a row finds none"),
    ("23", "a row is inserted that refers to others, is computed from them, or is there from a seeder"),
    ("P0001", "a DO block says itself that rows are missing"),
    ("P0002", "SELECT INTO STRICT finds no row"),
    ("P0004", "an ASSERT about rows"),
    ("22003", "setval to the number of rows, which is 0"),
    ("22004", "EXECUTE of a text that is NULL, because it was built from a row"),
    ("22012", "an average over no rows, by hand"),
    ("42601", "EXECUTE of a text with a gap, because format() takes NULL for nothing"),
    ("55000", "currval of a sequence that no row has drawn from"),
];

/// The classes of PostgreSQL's own codes that begin with a letter; others are a platform's own, raised by its code.
const OWN_CLASSES: &[&str] = &["F0", "HV", "P0", "XX"];

/// Whether a failure on the copy tells nothing about databases with rows, or the copy could not be made at all because its
/// blueprint is gone.
pub fn says_nothing(error: &DeployError) -> bool {
    match error {
        DeployError::Database(DatabaseError::MissingTemplate { .. } | DatabaseError::Gone { .. }) => true,
        // A DO block may have done something else where there are rows; and seeders' rows may be a migration's to insert.
        DeployError::Differs { .. } | DeployError::RowsMissing { .. } => true,
        error => error.sqlstate().is_some_and(is_of_missing_rows),
    }
}

fn is_of_missing_rows(sqlstate: &str) -> bool {
    OF_MISSING_ROWS.iter().any(|(code, _)| sqlstate.starts_with(code)) || is_the_platforms(sqlstate)
}

fn is_the_platforms(sqlstate: &str) -> bool {
    sqlstate.starts_with(|first: char| first.is_ascii_uppercase())
        && !OWN_CLASSES.iter().any(|class| sqlstate.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rows_decide_is_passed_over() {
        for passed_over in ["23503", "23502", "02000", "P0001", "P0002", "22012", "UE001"] {
            assert!(is_of_missing_rows(passed_over), "{passed_over}");
        }
        for told in ["42501", "28000", "42704", "42P01", "53100", "57014", "XX000", "0A000", "P0003", "25006"] {
            assert!(!is_of_missing_rows(told), "{told}");
        }
    }
}
