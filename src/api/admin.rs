//! `GET /admin/databases` and `POST /admin/create-tenant`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use utoipa::ToSchema;

use super::json::{self, Fields};
use super::notes::Notes;
use super::state::Gateway;
use crate::databases::DatabaseInfo;
use crate::databases::name::{Address, Id, Which};
use crate::error::ApiError;

/// The query of [`list_databases`].
#[derive(Debug, Deserialize)]
pub(crate) struct OfPlatform {
    platform: Option<String>,
}

/// The answer of [`list_databases`].
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminDatabaseList)]
pub(crate) struct DatabaseList {
    platform: String,
    databases: Vec<ListedDatabase>,
    count: usize,
}

/// One database of the list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminListedDatabase)]
pub(crate) struct ListedDatabase {
    name: String,
    r#type: &'static str,
    /// MiB; `null` for one that was dropped by hand.
    size_mb: Option<u64>,
    exists: bool,
}

impl From<DatabaseInfo> for ListedDatabase {
    fn from(database: DatabaseInfo) -> Self {
        Self {
            r#type: database.kind(),
            size_mb: database.size_mb(),
            exists: database.exists_on_server,
            name: database.name.to_string(),
        }
    }
}

/// A platform's databases.
pub(crate) async fn list_databases(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    query: Result<Query<OfPlatform>, QueryRejection>,
) -> Result<Json<DatabaseList>, ApiError> {
    let Query(query) = query
        .map_err(|rejection| ApiError::invalid_request(format!("the query is malformed: {}", rejection.body_text())))?;
    let given = query
        .platform
        .ok_or_else(|| ApiError::invalid_request("the query has no platform; ask for /admin/databases?platform=…"))?;
    let platform = Id::parse("platform", &given)?;
    notes.note_platform(&platform);
    let databases = gateway.databases.list(&platform).await?;
    let databases: Vec<_> = databases.into_iter().map(ListedDatabase::from).collect();
    Ok(Json(DatabaseList { platform: given, count: databases.len(), databases }))
}

/// The answer of [`create_tenant`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantCreated {
    status: &'static str,
    database: String,
    message: String,
    warnings: Vec<String>,
}

/// An empty database for a tenant: `/register` fills it.
pub(crate) async fn create_tenant(
    State(gateway): State<Arc<Gateway>>,
    notes: Notes,
    request: Request,
) -> Result<(StatusCode, Json<TenantCreated>), ApiError> {
    let fields = Fields::parse(&json::read(request).await?)?;
    let platform = Id::parse("platform", fields.required("platform")?)?;
    let tenant = Id::parse("tenant_id", fields.required("tenant_id")?)?;
    let address = Address::new(platform, Which::Tenant(tenant))?;
    notes.note_address(&address);
    let run_as = gateway.platforms.run_as(address.platform()).instrument(notes.span()).await?;
    let creation = gateway.orchestrator.create_tenant(address.clone(), &run_as);
    creation.instrument(notes.span()).await?;
    let database = address.name().to_string();
    let message = format!("created the empty database {database}; POST /register deploys a bundle into it");
    Ok((StatusCode::CREATED, Json(TenantCreated { status: "created", database, message, warnings: Vec::new() })))
}
