//! Installs a bundle's extensions (contract §3, "Extensions").

use serde_json::json;

use super::error::{DeployError, StatementError};
use super::runner::Runner;
use super::tracking::{Change, NameOf};
use crate::bundle::Kind;
use crate::bundle::extension::Extension;
use crate::databases::{quote_ident, quote_literal};

/// Installs what is not there yet; one query tells what is.
pub async fn install(runner: &Runner<'_>, extensions: &[Extension]) -> Result<Vec<Change>, DeployError> {
    if extensions.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = extensions.iter().map(|extension| extension.name.as_str()).collect();
    let query = "SELECT wanted.name, installed.extname IS NOT NULL,
                        coalesce(array_agg(available.version ORDER BY available.version)
                                 FILTER (WHERE available.version IS NOT NULL), '{}')
                 FROM unnest($1::text[]) AS wanted (name)
                 LEFT JOIN pg_extension installed ON installed.extname = wanted.name
                 LEFT JOIN pg_available_extension_versions available ON available.name = wanted.name
                 GROUP BY 1, 2";
    let rows =
        runner.client.query(query, &[&names]).await.map_err(DeployError::own("asking which extensions there are"))?;
    let mut changes = Vec::new();
    for extension in extensions {
        let Some(row) = rows.iter().find(|row| row.get::<_, &str>(0) == extension.name) else { continue };
        let (installed, versions): (bool, Vec<String>) = (row.get(1), row.get(2));
        let done = changes.iter().any(|change: &Change| change.name == extension.name);
        if installed || done {
            continue;
        }
        check_available(extension, &versions)?;
        create(runner, extension).await?;
        changes.push(Change {
            change_type: "CreateExtension",
            name_of: NameOf::Text,
            name: extension.name.clone(),
            detail: json!({ "file": extension.path, "version": extension.version, "schema": extension.schema }),
        });
    }
    Ok(changes)
}

fn check_available(extension: &Extension, versions: &[String]) -> Result<(), DeployError> {
    let there = match &extension.version {
        Some(version) => versions.contains(version),
        None => !versions.is_empty(),
    };
    if there {
        return Ok(());
    }
    let available = match versions {
        [] => "install its package on the database server".to_owned(),
        versions => format!("the server has {}", versions.join(", ")),
    };
    Err(DeployError::ExtensionNotAvailable {
        name: extension.name.clone(),
        version: extension.version.clone(),
        available,
        path: extension.path.clone(),
    })
}

async fn create(runner: &Runner<'_>, extension: &Extension) -> Result<(), DeployError> {
    let mut sql = String::new();
    if let Some(schema) = &extension.schema {
        sql += &format!("CREATE SCHEMA IF NOT EXISTS {};", quote_ident(schema));
    }
    sql += &format!("CREATE EXTENSION IF NOT EXISTS {}", quote_ident(&extension.name));
    if let Some(schema) = &extension.schema {
        sql += &format!(" SCHEMA {}", quote_ident(schema));
    }
    if let Some(version) = &extension.version {
        sql += &format!(" VERSION {}", quote_literal(version));
    }
    // What it requires comes with it.
    sql += " CASCADE";
    runner.client.batch_execute(&sql).await.map_err(|error| {
        let database_error = error.as_db_error();
        DeployError::Statement(Box::new(StatementError {
            step: format!("installing the extension {} of {}", extension.name, extension.path),
            kind: Kind::Extensions,
            path: extension.path.clone(),
            line: 1,
            sqlstate: error.code().map(|code| code.code().to_owned()),
            cause: database_error.map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            detail: database_error.and_then(|error| error.detail()).map(str::to_owned),
            hint: database_error.and_then(|error| error.hint()).map(str::to_owned),
            without_value: None,
        }))
    })
}
