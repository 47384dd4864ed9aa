//! Installs a bundle's extensions (contract §3, "Extensions").

use serde_json::json;
use tokio_postgres::error::SqlState;

use super::error::{DeployError, StatementError};
use super::runner::{Doubt, Mode, Runner};
use super::tracking::{Change, NameOf};
use crate::bundle::Kind;
use crate::bundle::extension::Extension;
use crate::databases::name::DatabaseName;
use crate::databases::{Databases, quote_ident, quote_literal};

/// Installs what is not there yet; one query tells what is.
pub async fn install(
    runner: &Runner<'_>,
    databases: &Databases,
    extensions: &[Extension],
) -> Result<Vec<Change>, DeployError> {
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
        create(runner, databases, extension).await?;
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

/// Installs it as the session's role. Where that may not, because an extension that could leave the database (one that is
/// not `trusted`) is a superuser's to install, the gateway's own role does it: see [`create_as_gateway`].
async fn create(runner: &Runner<'_>, databases: &Databases, extension: &Extension) -> Result<(), DeployError> {
    const SAVEPOINT: &str = "SAVEPOINT extension";
    const RELEASE: &str = "RELEASE SAVEPOINT extension";
    const ROLLBACK: &str = "ROLLBACK TO SAVEPOINT extension";
    let sql = match &extension.schema {
        Some(schema) => format!("CREATE SCHEMA IF NOT EXISTS {};{}", quote_ident(schema), statement(extension, None)),
        None => statement(extension, None),
    };
    runner.own("preparing for an extension", SAVEPOINT).await?;
    let refused = match runner.client.batch_execute(&sql).await {
        Ok(()) => return runner.own("installing an extension", RELEASE).await,
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => error,
        Err(error) => return Err(failed(extension, &error)),
    };
    // What it held is let go, so that nobody waits for this transaction.
    runner.own("installing an extension", ROLLBACK).await?;
    if runner.mode == Mode::Rehearse {
        // It cannot be taken back, so a rehearsal goes on without it, for as long as nothing needs it.
        runner.doubt(Doubt::Schema);
        return Ok(());
    }
    let row = runner.client.query_one("SELECT current_database()::text, session_user::text", &[]).await;
    let row = row.map_err(DeployError::own("asking who installs the extension"))?;
    let (database, owner) = (DatabaseName::recorded(row.get(0)), row.get(1));
    match create_as_gateway(databases, &database, owner, extension).await? {
        Ok(()) => Ok(()),
        // The gateway may not either: what the platform was told says what is wanted.
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Err(failed(extension, &refused)),
        Err(error) => Err(failed(extension, &error)),
    }
}

/// Installs exactly this extension in a session of the gateway's own role, and commits: it is there before the rest of
/// the deployment, which sees it at once, and stays if the deployment fails. Its script runs as the gateway's role, so it
/// finds nothing by a bare name but what it makes itself and PostgreSQL's own: the path is `pg_catalog` alone, and the
/// schema that it goes to is named. The extension belongs to the gateway's role; what the platform may do with it is what
/// its script grants to everybody.
async fn create_as_gateway(
    databases: &Databases,
    database: &DatabaseName,
    owner: &str,
    extension: &Extension,
) -> Result<Result<(), tokio_postgres::Error>, DeployError> {
    let session = databases.session_inside(database).await?;
    let own = DeployError::own("asking where the extension goes");
    // Some can be in one schema only, and refuse to hear of another.
    let query = "SELECT bool_or(v.schema IS NOT NULL) FROM pg_catalog.pg_available_extension_versions AS v
                 WHERE v.name = $1";
    let fixed: Option<bool> = session.query_one(query, &[&extension.name]).await.map_err(own)?.get(0);
    let default_schema = (fixed != Some(true)).then_some("public");
    let mut sql = String::new();
    if let Some(schema) = &extension.schema {
        sql += &format!("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {};", quote_ident(schema), quote_ident(owner));
    }
    sql += &statement(extension, default_schema);
    let created = session.batch_execute(&sql).await;
    session.close().await;
    if created.is_ok() {
        tracing::info!(database = %database, extension = extension.name, "installed by the gateway's own role");
    }
    Ok(created)
}

fn statement(extension: &Extension, default_schema: Option<&str>) -> String {
    let mut sql = format!("CREATE EXTENSION IF NOT EXISTS {}", quote_ident(&extension.name));
    if let Some(schema) = extension.schema.as_deref().or(default_schema) {
        sql += &format!(" SCHEMA {}", quote_ident(schema));
    }
    if let Some(version) = &extension.version {
        sql += &format!(" VERSION {}", quote_literal(version));
    }
    // What it requires comes with it.
    sql + " CASCADE"
}

fn failed(extension: &Extension, error: &tokio_postgres::Error) -> DeployError {
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
}
