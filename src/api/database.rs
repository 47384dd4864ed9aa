//! Databases made from stored schemas: `POST /database/create` and `POST /v2/migrate`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::mpsc::unbounded_channel;
use tracing::Instrument;
use utoipa::ToSchema;

use super::json::{self, Fields};
use super::migrate;
use super::notes::Notes;
use super::state::Gateway;
use crate::databases::name::{Address, Id, Which};
use crate::error::ApiError;
use crate::orchestrator::fleet::{Migrated, Wish};
use crate::orchestrator::{SchemaDatabases, SeedReport};

/// The answer of [`create_database`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseCreated {
    status: &'static str,
    platform: String,
    schema_name: String,
    database_id: String,
    database_name: String,
    extensions_installed: usize,
    types_deployed: usize,
    tables_created: usize,
    functions_deployed: usize,
    migrations_applied: usize,
    seeders: Vec<SeedReport>,
    warnings: Vec<String>,
    execution_time_ms: u64,
}

/// `POST /database/create`
pub(crate) async fn create_database(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<(StatusCode, Json<DatabaseCreated>), ApiError> {
    let fields = Fields::parse(&json::read(request).await?)?;
    let database = fields.database_id()?;
    let database = database.ok_or_else(|| ApiError::invalid_request("the field database_id is missing"))?;
    create(&gateway, &notes, &fields, database).await
}

/// `POST /admin/database/create`: without an id, the platform's one database of the schema is meant.
pub(crate) async fn create_database_by_admin(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<(StatusCode, Json<DatabaseCreated>), ApiError> {
    let fields = Fields::parse(&json::read(request).await?)?;
    let database = match fields.database_id()? {
        Some(database) => database,
        None => Id::parse("database_id", "main")?,
    };
    create(&gateway, &notes, &fields, database).await
}

async fn create(
    gateway: &Gateway,
    notes: &Notes,
    fields: &Fields,
    database: Id,
) -> Result<(StatusCode, Json<DatabaseCreated>), ApiError> {
    let platform = Id::parse("platform", fields.required("platform")?)?;
    let schema = Id::parse("schema_name", fields.required("schema_name")?)?;
    let which = Which::Stored { schema: schema.clone(), database: database.clone() };
    let address = Address::new(platform.clone(), which)?;
    notes.note_address(&address);
    let created = gateway.platforms.create_database(address).instrument(notes.span()).await?;
    let report = created.report;
    let answer = DatabaseCreated {
        status: "created",
        platform: platform.given().to_owned(),
        schema_name: schema.given().to_owned(),
        database_id: database.given().to_owned(),
        database_name: created.database,
        extensions_installed: report.extensions_installed,
        types_deployed: report.types_deployed,
        tables_created: report.tables_created,
        functions_deployed: report.functions_deployed,
        migrations_applied: report.migrations_applied,
        seeders: report.seeders,
        warnings: report.warnings,
        execution_time_ms: created.execution_time_ms,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The answer of [`migrate_databases`]: that of `/migrate`, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoredMigrated {
    platform: String,
    schema_name: String,
    #[serde(flatten)]
    migrated: Migrated,
}

const MIGRATE_FIELDS: &[&str] = &["platform", "schema_name", "database_id", "uuid", "force", "dry_run"];

/// `POST /v2/migrate`
pub(crate) async fn migrate_databases(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<Response, ApiError> {
    let streams = migrate::wants_lines(request.headers());
    migrate::refuse_query(request.uri())?;
    let fields = Fields::parse(&json::read(request).await?)?;
    let platform = Id::parse("platform", fields.required("platform")?)?;
    notes.note_platform(&platform);
    let schema = Id::parse("schema_name", fields.required("schema_name")?)?;
    let database = fields.database_id()?;
    fields.refuse_unknown(MIGRATE_FIELDS)?;
    let wish = Wish { force: fields.flag("force")?, dry_run: fields.flag("dry_run")? };
    let (events, heard) = unbounded_channel();
    let span = notes.span();
    // Not in the task that a stream has: a client that hangs up while it waits gives up its place.
    let turn = gateway.platforms.turn(&platform).instrument(span.clone()).await?;
    let migration = async move {
        let (platform_given, schema_given) = (platform.given().to_owned(), schema.given().to_owned());
        let of = SchemaDatabases { schema, database };
        let migrated = gateway.platforms.migrate(turn, of, wish, events).await?;
        Ok::<_, ApiError>(StoredMigrated { platform: platform_given, schema_name: schema_given, migrated })
    };
    migrate::answer(streams, migration.instrument(span), heard).await
}
