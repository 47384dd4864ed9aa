//! Platforms and their stored schemas: `/platform/…` and `/platforms`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::ToSchema;

use super::json::{self, Fields};
use super::notes::Notes;
use super::state::Gateway;
use super::upload::{Expected, Upload};
use crate::databases::DatabaseInfo;
use crate::databases::name::{Id, Which};
use crate::error::ApiError;
use crate::platforms::PlatformSummary;
use crate::registry::SchemaRecord;

const FIELDS: Expected =
    Expected { texts: &["schema_name", "name"], archives: &["schema", "file"], refuses_unknown: false };

/// The answer of [`register_platform`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlatformRegistered {
    status: &'static str,
    platform: String,
    has_dedicated_credentials: bool,
    message: String,
    warnings: Vec<String>,
}

/// `POST /platform/register`
pub(crate) async fn register_platform(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<(StatusCode, Json<PlatformRegistered>), ApiError> {
    let fields = Fields::parse(&json::read(request).await?)?;
    let platform = Id::parse("platform", fields.required("platform")?)?;
    notes.note_platform(&platform);
    let role = read_role(&fields)?;
    let has_dedicated_credentials = role.is_some();
    gateway.platforms.register(&platform, role).instrument(notes.span()).await?;
    let platform = platform.given().to_owned();
    let message = format!("registered {platform}; POST /platform/{platform}/schema stores a schema");
    let warnings = Vec::new();
    let answer = PlatformRegistered { status: "registered", platform, has_dedicated_credentials, message, warnings };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `db_user` and `db_password`: both or neither.
fn read_role(fields: &Fields) -> Result<Option<(String, String)>, ApiError> {
    match (fields.optional("db_user")?, fields.optional("db_password")?) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some((user.to_owned(), password.to_owned()))),
        (Some(_), None) => Err(ApiError::invalid_request("db_user is given without db_password; send both or neither")),
        (None, Some(_)) => Err(ApiError::invalid_request("db_password is given without db_user; send both or neither")),
    }
}

/// The answer of [`store_schema`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchemaStored {
    status: &'static str,
    platform: String,
    schema_name: String,
    has_tables: bool,
    has_functions: bool,
    has_migrations: bool,
    has_seeders: bool,
    checksum: String,
    warnings: Vec<String>,
}

/// `POST /platform/{platform}/schema`
pub(crate) async fn store_schema(
    State(gateway): State<Arc<Gateway>>,
    path: Result<Path<String>, PathRejection>,
    notes: Notes,
    request: Request,
) -> Result<(StatusCode, Json<SchemaStored>), ApiError> {
    let platform = of_path(path, &notes)?;
    let upload = Upload::read(request, FIELDS, &gateway).await?;
    let schema = Id::parse("schema_name", upload.required_as(&["schema_name", "name"])?)?;
    let bundle = upload.into_bundle(FIELDS, &platform, &gateway).await?;
    let storing = gateway.platforms.store_schema(&platform, &schema, bundle);
    let stored = storing.instrument(notes.span()).await?;
    let SchemaRecord { name, has_tables, has_functions, has_migrations, has_seeders, checksum } = stored.record;
    let answer = SchemaStored {
        status: "registered",
        platform: platform.given().to_owned(),
        schema_name: name,
        has_tables,
        has_functions,
        has_migrations,
        has_seeders,
        checksum,
        warnings: stored.warnings,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// The answer of [`list_schemas`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchemaList {
    platform: String,
    schemas: Vec<SchemaRecord>,
    count: usize,
}

/// `GET /platform/{platform}/schemas`
pub(crate) async fn list_schemas(
    State(gateway): State<Arc<Gateway>>,
    path: Result<Path<String>, PathRejection>,
    notes: Notes,
) -> Result<Json<SchemaList>, ApiError> {
    let platform = of_path(path, &notes)?;
    let schemas = gateway.platforms.schemas(&platform).await?;
    Ok(Json(SchemaList { platform: platform.given().to_owned(), count: schemas.len(), schemas }))
}

/// The query of [`list_databases`].
#[derive(Debug, Deserialize)]
pub(crate) struct OfSchema {
    schema: Option<String>,
}

/// The answer of [`list_databases`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseList {
    platform: String,
    databases: Vec<ListedDatabase>,
    count: usize,
}

/// One database of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedDatabase {
    id: String,
    database_name: String,
    /// `null` for one of v1.
    schema_name: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
    /// Dropped by hand: `/database/create` makes it again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    missing: bool,
}

impl From<DatabaseInfo> for ListedDatabase {
    fn from(database: DatabaseInfo) -> Self {
        let (id, schema_name) = match &database.which {
            Which::Main => ("main".to_owned(), None),
            Which::Tenant(tenant) => (tenant.given().to_owned(), None),
            Which::Stored { schema, database } => (database.given().to_owned(), Some(schema.given().to_owned())),
        };
        Self {
            id,
            database_name: database.name.to_string(),
            schema_name,
            created_at: database.created_at,
            missing: !database.exists_on_server,
        }
    }
}

/// `GET /platform/{platform}/databases?schema=…`
pub(crate) async fn list_databases(
    State(gateway): State<Arc<Gateway>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<OfSchema>, QueryRejection>,
    notes: Notes,
) -> Result<Json<DatabaseList>, ApiError> {
    let platform = of_path(path, &notes)?;
    let Query(OfSchema { schema }) = query
        .map_err(|rejection| ApiError::invalid_request(format!("the query is malformed: {}", rejection.body_text())))?;
    // `?schema=` is what a form with an empty field sends.
    let schema = schema.filter(|schema| !schema.is_empty()).map(|schema| Id::parse("schema", &schema)).transpose()?;
    let databases = gateway.platforms.databases(&platform, schema.as_ref()).await?;
    let databases: Vec<_> = databases.into_iter().map(ListedDatabase::from).collect();
    Ok(Json(DatabaseList { platform: platform.given().to_owned(), count: databases.len(), databases }))
}

/// The answer of [`list_platforms`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlatformList {
    platforms: Vec<PlatformSummary>,
    count: usize,
}

/// `GET /platforms`
pub(crate) async fn list_platforms(State(gateway): State<Arc<Gateway>>) -> Result<Json<PlatformList>, ApiError> {
    let platforms = gateway.platforms.platforms().await?;
    Ok(Json(PlatformList { count: platforms.len(), platforms }))
}

pub(super) fn of_path(path: Result<Path<String>, PathRejection>, notes: &Notes) -> Result<Id, ApiError> {
    let Path(given) = path
        .map_err(|rejection| ApiError::invalid_request(format!("the path is malformed: {}", rejection.body_text())))?;
    let platform = Id::parse("platform", &given)?;
    notes.note_platform(&platform);
    Ok(platform)
}
