//! Bodies of requests in the document. They are read field by field; these types say which fields there are.
#![expect(dead_code, reason = "read field by field, not into these")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// What `/call` takes.
#[derive(ToSchema)]
pub(super) struct CallBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The tenant; missing or null: the main database.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    tenant_id: Option<String>,
    /// Of a database that was made from a stored schema.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    schema_name: Option<String>,
    /// Of a database that was made from a stored schema.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    database_id: Option<String>,
    /// The function, optionally with its schema.
    #[schema(pattern = "^([a-z_][a-z0-9_]{0,62}\\.)?[a-z_][a-z0-9_]{0,62}$")]
    function: String,
    /// The same as `database_id`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    uuid: Option<String>,
    /// An array by position or an object by name; those with defaults may be left out.
    #[schema(value_type = Value, required = false)]
    params: Option<Value>,
}

/// The answer of a call.
#[derive(ToSchema)]
pub(super) struct CallAnswer {
    /// One object a row, its columns in the function's order.
    rows: Vec<BTreeMap<String, Value>>,
    /// How many.
    row_count: u64,
    /// In the gateway.
    execution_time_ms: u64,
}

/// What `/ready` and `/live` say.
#[derive(ToSchema)]
pub(super) struct WatchAnswer {
    /// `ready`, `not_ready` or `live`.
    status: String,
    /// Why it is not ready.
    cause: Option<String>,
}

/// What `/register` takes.
#[derive(ToSchema)]
pub(super) struct RegisterForm {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The tenant; missing, empty or `null`: the main database.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    tenant_id: Option<String>,
    /// The bundle as `tar.gz`.
    #[schema(format = Binary, content_media_type = "application/gzip")]
    schema: String,
    /// `true`: changes that lose data are made too.
    force: Option<String>,
}

/// What `/migrate` takes; any other field that says something is refused.
#[derive(ToSchema)]
pub(super) struct MigrateForm {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// One tenant; missing, empty or `null`: all databases.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    tenant_id: Option<String>,
    /// The bundle as `tar.gz`.
    #[schema(format = Binary, content_media_type = "application/gzip")]
    schema: String,
    /// `true`: changes that lose data are made too.
    force: Option<String>,
    /// `true`: only tell what would be done.
    dry_run: Option<String>,
}

/// What `/platform/{platform}/schema` takes.
#[derive(ToSchema)]
pub(super) struct SchemaForm {
    /// The schema's name; `name` means the same.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    schema_name: String,
    /// The bundle as `tar.gz`; `file` means the same.
    #[schema(format = Binary, content_media_type = "application/gzip")]
    schema: String,
}

/// What `/platform/register` takes.
#[derive(ToSchema)]
pub(super) struct RegisterPlatformBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// A role of its own, with `db_password`.
    db_user: Option<String>,
    /// The role's password.
    db_password: Option<String>,
}

/// What `/database/create` takes.
#[derive(ToSchema)]
pub(super) struct CreateDatabaseBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The stored schema.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    schema_name: String,
    /// The database's id; `uuid` means the same.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    database_id: String,
}

/// What `/admin/database/create` takes.
#[derive(ToSchema)]
pub(super) struct AdminCreateDatabaseBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The stored schema.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    schema_name: String,
    /// The database's id; `uuid` means the same. Missing: `main`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    database_id: Option<String>,
}

/// What `/v2/migrate` takes; any other field that says something is refused.
#[derive(ToSchema)]
pub(super) struct MigrateStoredBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The stored schema.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    schema_name: String,
    /// One database; missing, empty or null: all that were made from the schema.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    database_id: Option<String>,
    /// The same as `database_id`.
    #[schema(pattern = "^[A-Za-z0-9_-]*$")]
    uuid: Option<String>,
    /// Changes that lose data are made too.
    force: Option<bool>,
    /// Only tell what would be done.
    dry_run: Option<bool>,
}

/// What `/admin/create-tenant` takes.
#[derive(ToSchema)]
pub(super) struct CreateTenantBody {
    /// The platform.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    platform: String,
    /// The tenant.
    #[schema(pattern = "^[A-Za-z0-9_-]+$")]
    tenant_id: String,
}
