//! What PostgreSQL makes of a bundle without the gateway: its statements, sent by hand in the contract's order of kinds;
//! what fails is tried again after the rest, until all is done. Slow and simple, and knows nothing of the gateway's
//! graph, so that the two can be compared.
//!
//! Not for bundles in which a file's statement must be taken apart (a circle of foreign keys written inline) or skipped
//! (migrations whose effect is declared already), cannot run in a transaction, or needs another's rows before it commits.

use super::{BundleBuilder, Sql};

/// One thing to try: a statement, or a migration as a whole.
struct Unit {
    place: String,
    sql: String,
}

/// Makes `database` and deploys the bundle into it.
pub(crate) async fn deploy_by_hand(database: &str, bundle: &BundleBuilder) {
    Sql::connect("postgres").await.run(&format!("CREATE DATABASE \"{database}\" TEMPLATE template0")).await;
    let sql = Sql::connect(database).await;
    deploy_units(&sql, units_of(bundle, &["extensions", "types", "tables", "migrations", "views", "functions"])).await;
    // Rows come when all is there, triggers too.
    deploy_units(&sql, units_of(bundle, &["seeders"])).await;
}

/// Tries all, then those again that failed, until none is left.
async fn deploy_units(sql: &Sql, mut remaining: Vec<Unit>) {
    let mut bodies_checked = true;
    while !remaining.is_empty() {
        let mut refused = Vec::new();
        let before = remaining.len();
        for unit in remaining {
            if let Err(error) = try_unit(sql, &unit, bodies_checked).await {
                refused.push((unit, error));
            }
        }
        if refused.len() == before {
            let list: Vec<_> = refused.iter().map(|(unit, error)| format!("{}: {error}", unit.place)).collect();
            assert!(bodies_checked, "PostgreSQL takes these in no order:\n{}", list.join("\n"));
            // Functions in SQL that call each other.
            bodies_checked = false;
        }
        remaining = refused.into_iter().map(|(unit, _)| unit).collect();
    }
}

/// Each in a transaction of its own, and none sees what another has set.
async fn try_unit(sql: &Sql, unit: &Unit, bodies_checked: bool) -> Result<(), String> {
    let attempt = format!("SET check_function_bodies = {bodies_checked};\n{}\n;RESET ALL", unit.sql);
    if let Err(error) = sql.try_run(&attempt).await {
        // Only a migration with a BEGIN of its own leaves anything to roll back.
        sql.run("ROLLBACK; RESET ALL").await;
        return Err(error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned()));
    }
    Ok(())
}

fn units_of(bundle: &BundleBuilder, kinds: &[&str]) -> Vec<Unit> {
    let mut units = Vec::new();
    for kind in kinds {
        let prefix = format!("{kind}/");
        let mut files: Vec<_> = bundle.files().iter().filter(|(path, _)| path.starts_with(&prefix)).collect();
        files.sort();
        for (path, text) in files {
            match *kind {
                "extensions" => units.push(Unit { place: path.clone(), sql: extension(path, text) }),
                "migrations" => units.push(Unit { place: path.clone(), sql: text.clone() }),
                _ => units.extend(statements(path, text)),
            }
        }
    }
    units
}

fn statements(path: &str, text: &str) -> Vec<Unit> {
    let parts = pg_query::split_with_parser(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let unit =
        |(number, sql): (usize, &str)| Unit { place: format!("{path}, statement {}", number + 1), sql: sql.to_owned() };
    parts.into_iter().enumerate().map(unit).collect()
}

/// `CREATE EXTENSION` for a file of `extensions/`, by its name and comments.
fn extension(path: &str, text: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
    let option = |label: &str| text.lines().find_map(|line| line.strip_prefix(&format!("-- {label}: ")));
    let schema = option("schema").map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {schema};")).unwrap_or_default();
    let place = option("schema").map(|schema| format!(" SCHEMA {schema}")).unwrap_or_default();
    let version = option("version").map(|version| format!(" VERSION '{version}'")).unwrap_or_default();
    format!("{schema} CREATE EXTENSION IF NOT EXISTS \"{name}\"{place}{version}")
}
