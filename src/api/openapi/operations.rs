//! Every endpoint on one screen: what it takes, what it answers, which errors.

use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::super::{admin, database, health, platform};
use super::errors::{CALLED, DATABASE, DEPLOYMENT, JSON_BODY, NAMES, UPLOAD};
use super::requests::*;
use crate::access::Purpose::{self, Administer, Call, Deploy, Watch};
use crate::error::ErrorCode::{self, *};
use crate::orchestrator::Registered;
use crate::orchestrator::fleet::{Event, Migrated};

/// One method of one path.
pub(crate) struct Operation {
    pub(crate) purpose: Purpose,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// Its type, and its schema.
    pub(super) body: Option<(&'static str, &'static str)>,
    pub(super) replies: &'static [Reply],
    pub(super) errors: &'static [&'static [ErrorCode]],
    /// Whether the function that is called decides.
    pub(super) chooses_status: bool,
}

/// A part of the path or of the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) required: bool,
    pub(super) description: &'static str,
}

/// What is answered where nothing went wrong.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) media_type: &'static str,
    /// None: text.
    pub(super) schema: Option<&'static str>,
    pub(super) description: &'static str,
}

const fn json(status: u16, schema: &'static str, description: &'static str) -> Reply {
    Reply { status, media_type: "application/json", schema: Some(schema), description }
}

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";

const PLATFORM: Parameter = Parameter {
    name: "platform",
    place: "path",
    required: true,
    description: "The platform: letters, digits, _ and -.",
};
const OF_PLATFORM: Parameter = Parameter {
    name: "platform",
    place: "query",
    required: true,
    description: "The platform: letters, digits, _ and -.",
};
const OF_SCHEMA: Parameter =
    Parameter { name: "schema", place: "query", required: false, description: "Only those of this stored schema." };
const TENANT: Parameter = Parameter {
    name: "tenant_id",
    place: "query",
    required: false,
    description: "The tenant; missing: the main database.",
};
const SCHEMA_NAME: Parameter = Parameter {
    name: "schema_name",
    place: "query",
    required: false,
    description: "With database_id, of a database that was made from a stored schema.",
};
const DATABASE_ID: Parameter =
    Parameter { name: "database_id", place: "query", required: false, description: "See schema_name." };

const PLAIN: Operation = Operation {
    purpose: Watch,
    method: "get",
    path: "",
    id: "",
    tag: "",
    summary: "",
    parameters: &[],
    body: None,
    replies: &[],
    errors: &[],
    chooses_status: false,
};

/// What operations are about.
pub(super) const TAGS: [(&str, &str); 4] = [
    ("calls", "Functions of a database."),
    ("deployments", "Bundles into databases."),
    ("platforms", "Platforms, stored schemas, and databases made from them."),
    ("watching", "For operators and their programs."),
];

/// All of them, in the router's order.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/health",
        id: "showHealth",
        tag: "watching",
        summary: "Whether the gateway and PostgreSQL are well.",
        replies: &[json(200, "HealthAnswer", "Well."), json(503, "HealthAnswer", "PostgreSQL is away.")],
        ..PLAIN
    },
    Operation {
        path: "/ready",
        id: "showReady",
        tag: "watching",
        summary: "Whether calls can be served.",
        replies: &[json(200, "WatchAnswer", "They can."), json(503, "WatchAnswer", "PostgreSQL is away.")],
        ..PLAIN
    },
    Operation {
        path: "/live",
        id: "showLive",
        tag: "watching",
        summary: "Whether the process answers.",
        replies: &[json(200, "WatchAnswer", "It does.")],
        ..PLAIN
    },
    Operation {
        purpose: Call,
        method: "post",
        path: "/call",
        id: "callFunction",
        tag: "calls",
        summary: "Call a function or procedure of a database.",
        body: Some((JSON, "CallBody")),
        replies: &[json(200, "CallAnswer", "Its rows.")],
        errors: &[JSON_BODY, CALLED, DATABASE],
        chooses_status: true,
        ..PLAIN
    },
    Operation {
        purpose: Call,
        path: "/platform/{platform}/openapi.json",
        id: "showFunctions",
        tag: "calls",
        summary: "A database's functions, as such a document: an operation each.",
        parameters: &[PLATFORM, TENANT, SCHEMA_NAME, DATABASE_ID],
        replies: &[json(200, "Document", "OpenAPI 3.1.")],
        errors: &[NAMES, DATABASE, &[PlatformIsolationViolation, DatabaseNotFound, QueryTimeout]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/register",
        id: "registerDatabase",
        tag: "deployments",
        summary: "Make a database, or bring it up to date with a bundle.",
        body: Some((FORM, "RegisterForm")),
        replies: &[json(200, "Registered", "The database is as the bundle has it.")],
        errors: &[UPLOAD, DEPLOYMENT, DATABASE],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/migrate",
        id: "migrateDatabases",
        tag: "deployments",
        summary: "Bring a platform's databases up to date with a bundle.",
        body: Some((FORM, "MigrateForm")),
        replies: &[json(200, "Migrated", "What became of them."), LINES],
        errors: &[UPLOAD, DEPLOYMENT, DATABASE, &[DatabaseNotFound]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/platform/register",
        id: "registerPlatform",
        tag: "platforms",
        summary: "Register a platform.",
        body: Some((JSON, "RegisterPlatformBody")),
        replies: &[json(201, "PlatformRegistered", "It is registered.")],
        errors: &[JSON_BODY, DATABASE, &[AlreadyRegistered, PlatformIsolationViolation, MigrationFailed]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/platform/{platform}/schema",
        id: "storeSchema",
        tag: "platforms",
        summary: "Store a schema of a platform, or a new version of it.",
        parameters: &[PLATFORM],
        body: Some((FORM, "SchemaForm")),
        replies: &[json(201, "SchemaStored", "It deploys, and is stored.")],
        errors: &[UPLOAD, DEPLOYMENT, DATABASE, &[PlatformNotFound]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        path: "/platform/{platform}/schemas",
        id: "listSchemas",
        tag: "platforms",
        summary: "A platform's stored schemas.",
        parameters: &[PLATFORM],
        replies: &[json(200, "SchemaList", "They are.")],
        errors: &[NAMES, DATABASE, &[PlatformNotFound]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        path: "/platform/{platform}/databases",
        id: "listDatabases",
        tag: "platforms",
        summary: "A platform's databases.",
        parameters: &[PLATFORM, OF_SCHEMA],
        replies: &[json(200, "DatabaseList", "They are.")],
        errors: &[NAMES, DATABASE, &[PlatformNotFound]],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        path: "/metrics",
        id: "showMetrics",
        tag: "watching",
        summary: "Figures, in the text format of Prometheus. With METRICS_ADDR they are there instead.",
        replies: &[Reply { status: 200, media_type: "text/plain", schema: None, description: "All figures." }],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        path: "/openapi.json",
        id: "showDocument",
        tag: "watching",
        summary: "This document.",
        replies: &[json(200, "Document", "OpenAPI 3.1.")],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        path: "/platforms",
        id: "listPlatforms",
        tag: "platforms",
        summary: "All platforms.",
        replies: &[json(200, "PlatformList", "They are.")],
        errors: &[DATABASE],
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/database/create",
        id: "createDatabase",
        tag: "platforms",
        summary: "Make a database from a stored schema.",
        body: Some((JSON, "CreateDatabaseBody")),
        replies: &[json(201, "DatabaseCreated", "It is there.")],
        errors: CREATION,
        ..PLAIN
    },
    Operation {
        purpose: Deploy,
        method: "post",
        path: "/v2/migrate",
        id: "migrateStoredDatabases",
        tag: "deployments",
        summary: "Bring the databases of a stored schema to what is stored.",
        body: Some((JSON, "MigrateStoredBody")),
        replies: &[json(200, "StoredMigrated", "What became of them."), LINES],
        errors: &[JSON_BODY, DEPLOYMENT, DATABASE, &[PlatformNotFound, SchemaNotFound, DatabaseNotFound, UploadsBusy]],
        ..PLAIN
    },
    Operation {
        purpose: Administer,
        path: "/admin/databases",
        id: "listDatabasesByAdmin",
        tag: "platforms",
        summary: "A platform's databases, with their sizes.",
        parameters: &[OF_PLATFORM],
        replies: &[json(200, "AdminDatabaseList", "They are.")],
        errors: &[NAMES, DATABASE],
        ..PLAIN
    },
    Operation {
        purpose: Administer,
        method: "post",
        path: "/admin/create-tenant",
        id: "createTenant",
        tag: "deployments",
        summary: "Make an empty database for a tenant.",
        body: Some((JSON, "CreateTenantBody")),
        replies: &[json(201, "TenantCreated", "It is there.")],
        errors: &[JSON_BODY, DEPLOYMENT, DATABASE, &[DatabaseAlreadyExists]],
        ..PLAIN
    },
    Operation {
        purpose: Administer,
        path: "/admin/platforms",
        id: "listPlatformsByAdmin",
        tag: "platforms",
        summary: "All platforms.",
        replies: &[json(200, "PlatformList", "They are.")],
        errors: &[DATABASE],
        ..PLAIN
    },
    Operation {
        purpose: Administer,
        method: "post",
        path: "/admin/database/create",
        id: "createDatabaseByAdmin",
        tag: "platforms",
        summary: "Make a database from a stored schema; without an id, the one called main.",
        body: Some((JSON, "AdminCreateDatabaseBody")),
        replies: &[json(201, "DatabaseCreated", "It is there.")],
        errors: CREATION,
        ..PLAIN
    },
];

const CREATION: &[&[ErrorCode]] =
    &[JSON_BODY, DEPLOYMENT, DATABASE, &[DatabaseAlreadyExists, PlatformNotFound, SchemaNotFound, UploadsBusy]];

const LINES: Reply = Reply {
    status: 200,
    media_type: "application/x-ndjson",
    schema: Some("MigrationLine"),
    description: "What became of them.",
};

/// The schemas that operations name, with all that these refer to.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut found = Vec::new();
    add::<health::HealthAnswer>(&mut found);
    add::<WatchAnswer>(&mut found);
    add::<CallBody>(&mut found);
    add::<CallAnswer>(&mut found);
    add::<RegisterForm>(&mut found);
    add::<Registered>(&mut found);
    add::<MigrateForm>(&mut found);
    add::<Migrated>(&mut found);
    add::<Event>(&mut found);
    add::<RegisterPlatformBody>(&mut found);
    add::<platform::PlatformRegistered>(&mut found);
    add::<SchemaForm>(&mut found);
    add::<platform::SchemaStored>(&mut found);
    add::<platform::SchemaList>(&mut found);
    add::<platform::DatabaseList>(&mut found);
    add::<platform::PlatformList>(&mut found);
    add::<CreateDatabaseBody>(&mut found);
    add::<AdminCreateDatabaseBody>(&mut found);
    add::<database::DatabaseCreated>(&mut found);
    add::<MigrateStoredBody>(&mut found);
    add::<database::StoredMigrated>(&mut found);
    add::<admin::DatabaseList>(&mut found);
    add::<CreateTenantBody>(&mut found);
    add::<admin::TenantCreated>(&mut found);
    found
}

fn add<T: ToSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(found);
    found.push((T::name().into_owned(), T::schema()));
}
