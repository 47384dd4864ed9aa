//! Installs extensions that only a superuser may, in sessions of the gateway's own role.
//!
//! An extension's script runs as that role. It finds by a bare name what is in its own schema, in those of the extensions
//! that it needs, and in `pg_catalog`. So the schemas hold nothing that anybody else has made: in a new database because
//! nobody has been in it ([`in_new`]), in one that exists because the gateway makes a schema for it in the same transaction,
//! or knows that it did so before ([`in_existing`]). Moving an extension afterwards runs no script.
//!
//! What is installed is committed before the deployment as a whole is, which sees it at once; it stays if that fails.

use std::collections::HashSet;

use tokio_postgres::Client;

use super::around::{self, Settings};
use super::plan::{self, Facts, Plan, Step};
use super::{Terms, facts, failed};
use crate::bundle::Kind;
use crate::databases::name::DatabaseName;
use crate::databases::{Databases, SaidBy, quote_ident, quote_literal};
use crate::orchestrator::error::{DeployError, StatementError};

/// In a database that still belongs to the gateway, that nobody else can enter, and in which there is nothing yet: each
/// where it shall be.
pub async fn in_new(terms: Terms<'_>, plan: &Plan, facts: &Facts) -> Result<(), DeployError> {
    plan.by_gateway.iter().try_for_each(plan::check_name)?;
    let path = around::path(&around::schemas(plan, facts, "public"));
    let session = terms.databases.session_inside_under(terms.database, &path).await?;
    let installed = install_new(&session, terms, plan, &path).await;
    session.close().await;
    installed
}

async fn install_new(client: &Client, terms: Terms<'_>, plan: &Plan, path: &str) -> Result<(), DeployError> {
    let is_superuser = begin(client, terms.databases, plan).await?;
    let settings = hide(client, terms.database, is_superuser, path).await?;
    for step in &plan.by_gateway {
        if let (Some(schema), None) = (step.own_schema(), &step.told.fixed_schema) {
            // Also of several extensions, or of one that has made it itself: nobody else has been here.
            make_schema(client, step, schema, "IF NOT EXISTS", Shared::WithAll).await?;
        }
        let schema = step.own_schema().map_or("public", String::as_str);
        run(client, step, &create(step, schema)).await?;
        open(client, step).await?;
    }
    commit(client, terms, plan, settings).await
}

/// In a database that others have been in. `facts`: what the plan was made by.
pub async fn in_existing(terms: Terms<'_>, plan: &Plan, facts: &Facts) -> Result<(), DeployError> {
    // A name that nobody can have taken. It is gone again when the transaction ends.
    let passage = format!("stonescriptdb-{:032x}", rand::random::<u128>());
    let schemas = around::schemas(plan, facts, &passage);
    let session = terms.databases.session_inside_under(terms.database, &around::path(&schemas)).await?;
    let installed = install_existing(&session, terms, plan, &schemas, &passage).await;
    // Closing rolls back what was not committed.
    session.close().await;
    installed
}

async fn install_existing(
    client: &Client,
    terms: Terms<'_>,
    plan: &Plan,
    schemas: &[&str],
    passage: &str,
) -> Result<(), DeployError> {
    let is_superuser = begin(client, terms.databases, plan).await?;
    // Asked again here: between the plan and this transaction the platform may have done anything.
    let facts = facts::read(client, terms.databases.gateway_user()).await?;
    plan::check_existing(plan, &facts)?;
    plan::check_path(plan, &facts, schemas)?;
    let settings = hide(client, terms.database, is_superuser, &around::path(schemas)).await?;
    let missing: Vec<&Step> = plan.by_gateway.iter().filter(|step| !facts.installed.contains_key(&step.name)).collect();
    let moves = |step: &&&Step| step.own_schema().is_none() && step.told.fixed_schema.is_none();
    if let Some(first) = missing.iter().find(moves) {
        make_schema(client, first, passage, "", Shared::WithNobody).await?;
    }
    let mut standing: HashSet<&String> = facts.schemas.keys().collect();
    for step in &missing {
        // One that was not there when it was looked is made here, also where the extension would make it: whoever makes it
        // in between makes this fail, and nothing of theirs is ever run.
        if let Some(schema) = step.told.fixed_schema.as_ref().or(step.own_schema())
            && standing.insert(schema)
        {
            make_schema(client, step, schema, "", Shared::WithAll).await?;
        }
        run(client, step, &create(step, step.own_schema().map_or(passage, String::as_str))).await?;
        open(client, step).await?;
    }
    for step in missing.iter().filter(moves) {
        run(client, step, &format!("ALTER EXTENSION {} SET SCHEMA public", quote_ident(&step.name))).await?;
    }
    if let Some(last) = missing.iter().rfind(moves) {
        run(client, last, &format!("DROP SCHEMA {}", quote_ident(passage))).await?;
    }
    commit(client, terms, plan, settings).await
}

/// What is not a superuser's to install is trusted, and made for other people's databases.
async fn hide<'a>(
    client: &Client,
    database: &'a DatabaseName,
    is_superuser: bool,
    path: &str,
) -> Result<Option<Settings<'a>>, DeployError> {
    Ok(if is_superuser { Some(Settings::hide(client, database, path).await?) } else { None })
}

/// Opens the transaction, where the gateway's role may do what is wanted at all; whether it is a superuser.
async fn begin(client: &Client, databases: &Databases, plan: &Plan) -> Result<bool, DeployError> {
    let asking = DeployError::own("asking what the gateway's role may do");
    let query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.text";
    let user = databases.gateway_user();
    let row = client.query_typed_opt(query, &[(&user, tokio_postgres::types::Type::TEXT)]).await.map_err(asking)?;
    let is_superuser = row.is_some_and(|row| row.get(0));
    match plan.by_gateway.iter().find(|step| step.told.needs_superuser) {
        Some(step) if !is_superuser => Err(not_allowed(step, user)),
        _ => {
            client.batch_execute("BEGIN").await.map_err(DeployError::own("installing extensions"))?;
            Ok(is_superuser)
        }
    }
}

fn not_allowed(step: &Step, user: &str) -> DeployError {
    DeployError::Statement(Box::new(StatementError {
        step: format!("installing the extension {} of {}", step.name, step.path),
        kind: Kind::Extensions,
        path: step.path.clone(),
        line: 1,
        sqlstate: Some("42501".to_owned()),
        said_by: SaidBy::Server,
        cause: format!("only a superuser may install {}, and the gateway's role {user} is none", step.name),
        detail: None,
        hint: Some("give the gateway a role that is a superuser, or leave the extension out".to_owned()),
        without_value: None,
    }))
}

/// Who may use what is in a schema.
#[derive(PartialEq, Eq)]
enum Shared {
    /// Everybody.
    WithAll,
    /// Nobody else.
    WithNobody,
}

/// A schema of the gateway's: others may at most use what is in it. Where others have been, one that is there is not taken
/// for it: `unless` is empty.
async fn make_schema(
    client: &Client,
    step: &Step,
    schema: &str,
    unless: &str,
    shared: Shared,
) -> Result<(), DeployError> {
    let schema = quote_ident(schema);
    let mut sql = format!("CREATE SCHEMA {unless} {schema}; REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;");
    if shared == Shared::WithAll {
        sql += &format!("GRANT USAGE ON SCHEMA {schema} TO PUBLIC");
    }
    run(client, step, &sql).await
}

/// Some make a schema of their own, which is theirs as they are: what is granted there is what their scripts grant, and the
/// right to look.
async fn open(client: &Client, step: &Step) -> Result<(), DeployError> {
    match &step.told.fixed_schema {
        Some(schema) if !schema.starts_with("pg_") => {
            run(client, step, &format!("GRANT USAGE ON SCHEMA {} TO PUBLIC", quote_ident(schema))).await
        }
        _ => Ok(()),
    }
}

/// What it needs is there by now.
fn create(step: &Step, schema: &str) -> String {
    let mut sql = format!("CREATE EXTENSION IF NOT EXISTS {}", quote_ident(&step.name));
    // One that has a schema of its own refuses to hear of another, and is told of it where the bundle does.
    if step.told.fixed_schema.is_none() || step.schema.is_some() {
        sql += &format!(" SCHEMA {}", quote_ident(schema));
    }
    if let Some(version) = &step.version {
        sql += &format!(" VERSION {}", quote_literal(version));
    }
    sql
}

async fn run(client: &Client, step: &Step, sql: &str) -> Result<(), DeployError> {
    client.batch_execute(sql).await.map_err(|error| failed(step, &error))
}

async fn commit(
    client: &Client,
    terms: Terms<'_>,
    plan: &Plan,
    settings: Option<Settings<'_>>,
) -> Result<(), DeployError> {
    super::closing::close(client, terms).await?;
    if let Some(settings) = settings {
        settings.restore(client).await?;
    }
    client.batch_execute("COMMIT").await.map_err(DeployError::own("installing extensions"))?;
    for step in &plan.by_gateway {
        tracing::info!(database = %terms.database, extension = step.name, "installed by the gateway's own role");
    }
    Ok(())
}
