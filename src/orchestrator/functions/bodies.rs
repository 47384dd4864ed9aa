//! Has PostgreSQL check the bodies of functions once everything that they may mention is there. Called by the deployment;
//! creates and changes nothing.
//!
//! `CREATE FUNCTION` checks a body under the settings that its `SET` clauses name. So does this, with those that decide how
//! a body is read. None that says who the session is, what it may do or whether bodies are checked is ever taken over.

use futures_util::future::join_all;

use super::CatalogFunction;
use crate::bundle::sql::Statement;
use crate::databases::{own_path, quote_literal};
use crate::orchestrator::error::{DeployError, StatementError};
use crate::orchestrator::runner::Runner;

/// What PostgreSQL's parser, and the input functions of the literals in a body, go by.
const READ_BY: &[&str] = &[
    "search_path",
    "standard_conforming_strings",
    "backslash_quote",
    "array_nulls",
    "transform_null_equals",
    "xmloption",
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
];

/// Checks the body of each function. The first one that does not hold is the error.
pub async fn validate(runner: &Runner<'_>, functions: &[(&Statement, CatalogFunction)]) -> Result<(), DeployError> {
    // Bodies are read under the path of uploaded code, where the function names none of its own.
    runner.own("checking functions", "SET check_function_bodies = on; RESET search_path").await?;
    let checks = functions.iter().map(|(statement, function)| async move {
        let Some(sql) = check(function) else { return Ok(()) };
        let checked = runner.client.batch_execute(&sql).await;
        checked.map_err(|error| DeployError::Statement(Box::new(StatementError::new(statement, &error, 0))))
    });
    // Sent one after the other without waiting, answered in the same order.
    for result in join_all(checks).await {
        result?;
    }
    runner.own("checking functions", &format!("SET check_function_bodies = off; {}", own_path())).await
}

/// The call of the language's validator, between what sets the function's settings and what takes them back.
fn check(function: &CatalogFunction) -> Option<String> {
    let validator = function.validator.as_ref()?;
    let call = format!("SELECT {validator}('{}'::pg_catalog.oid)", function.oid);
    let settings: String = function.settings.iter().filter_map(|setting| set(setting)).collect();
    if settings.is_empty() {
        return Some(call);
    }
    Some(format!("SAVEPOINT body;{settings}{call};ROLLBACK TO SAVEPOINT body;RELEASE SAVEPOINT body"))
}

/// Sets one of `pg_proc.proconfig`, `name=value`, if it is one that a body is read by.
fn set(setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=')?;
    let known = READ_BY.iter().find(|known| known.eq_ignore_ascii_case(name))?;
    Some(format!("SELECT pg_catalog.set_config('{known}', {}, true);", quote_literal(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn of(settings: &[&str], expected: &str) {
        let function = CatalogFunction {
            oid: 7,
            name: ("public".to_owned(), "f".to_owned()),
            signature: "f()".to_owned(),
            param_types: Vec::new(),
            return_type: "void".to_owned(),
            validator: Some("pg_catalog.plpgsql_validator".to_owned()),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            body: String::new(),
        };
        assert_eq!(check(&function).unwrap_or_default(), expected);
    }

    #[test]
    fn only_what_a_body_is_read_by_is_set() {
        const CALL: &str = "SELECT pg_catalog.plpgsql_validator('7'::pg_catalog.oid)";
        of(&[], CALL);
        of(
            &[
                "role=postgres",
                "session_authorization=postgres",
                "check_function_bodies=off",
                "lock_timeout=0",
                "x.y=1",
            ],
            CALL,
        );
        of(
            &["search_path=app, \"it's\"", "role=postgres", "datestyle=ISO, DMY"],
            &format!(
                "SAVEPOINT body;SELECT pg_catalog.set_config('search_path', 'app, \"it''s\"', true);\
                 SELECT pg_catalog.set_config('DateStyle', 'ISO, DMY', true);{CALL};\
                 ROLLBACK TO SAVEPOINT body;RELEASE SAVEPOINT body"
            ),
        );
    }
}
