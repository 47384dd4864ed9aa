//! Errors in the document: the body that all of them share, and which of them an operation answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::operations::Operation;
use super::{headers, reference};
use crate::access::Purpose;
use crate::error::ErrorCode::{self, *};
use crate::orchestrator::fleet::FailedDatabase;
use crate::orchestrator::{Blocker, SchemaValidation, SeederValidation, Verification};

/// A JSON body that holds some names.
pub(super) const JSON_BODY: &[ErrorCode] = &[InvalidRequest, PayloadTooLarge, UnsupportedMediaType];

/// An archive, and the memory for it.
pub(super) const UPLOAD: &[ErrorCode] =
    &[InvalidRequest, SchemaExtractionFailed, PayloadTooLarge, UnsupportedMediaType, UploadsBusy];

/// A query or a path that holds names.
pub(super) const NAMES: &[ErrorCode] = &[InvalidRequest];

/// A look into databases.
pub(super) const DATABASE: &[ErrorCode] = &[PoolExhausted, ConnectionFailed, QueryFailed(503), DiskFull];

/// A bundle, deployed.
pub(super) const DEPLOYMENT: &[ErrorCode] = &[
    ExtensionNotAvailable,
    PlatformIsolationViolation,
    MigrationFailed,
    FunctionDeployFailed,
    ExtensionInstallFailed,
    DeploymentsBusy,
    PayloadTooLarge,
];

/// A call; beside these, whatever status the function chooses.
pub(super) const CALLED: &[ErrorCode] = &[
    QueryFailed(400),
    QueryFailed(403),
    PlatformIsolationViolation,
    DatabaseNotFound,
    FunctionNotFound,
    QueryFailed(409),
    QueryFailed(500),
    QueryTimeout,
];

/// Every request.
const EVERY: &[ErrorCode] = &[RequestTimeout, UriTooLong, HeadersTooLarge, InternalError, TooManyConnections];

/// `error` is for programs, `message` for people; the others where they help.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "errors are put together field by field; this says which there are")]
struct ErrorBody {
    /// A word for programs.
    error: String,
    /// What is wrong and what to do.
    message: String,
    /// PostgreSQL's words.
    cause: Option<String>,
    /// PostgreSQL's code.
    sqlstate: Option<String>,
    /// PostgreSQL's detail.
    detail: Option<String>,
    /// What to do.
    hint: Option<String>,
    /// The file of the bundle.
    file: Option<String>,
    /// The line in it.
    line: Option<usize>,
    /// Which database it is about.
    database: Option<String>,
    /// Which platform it is about.
    platform: Option<String>,
    /// Which stored schema it is about.
    schema_name: Option<String>,
    /// The extension that is not there, or was refused.
    extension: Option<String>,
    /// Its version that is wanted.
    version: Option<String>,
    /// The table at fault.
    table: Option<String>,
    /// The column at fault.
    column: Option<String>,
    /// Rows that have no value.
    rows_at_risk: Option<i64>,
    /// The statement that failed, which the gateway has made.
    statement: Option<String>,
    /// The changes that would lose data, beside the others.
    schema_validation: Option<SchemaValidation>,
    /// What would not be as it is declared: a sentence each.
    differences: Option<Vec<String>>,
    /// What was compared.
    verification: Option<Verification>,
    /// Tables whose seeded rows were looked for.
    seeder_validations: Option<Vec<SeederValidation>>,
    /// What stands in the way of a change.
    dependants: Option<Vec<String>>,
    /// Statements that need each other in a circle.
    members: Option<Vec<CircleMember>>,
    /// Sessions that hold the lock.
    blocked_by: Option<Vec<Blocker>>,
    /// Of many databases: those that are at the bundle.
    databases_updated: Option<Vec<String>>,
    /// Of many databases: those that were left as they were.
    databases_failed: Option<Vec<FailedDatabase>>,
    /// Of many databases: those that were not begun.
    databases_pending: Option<Vec<String>>,
}

/// A statement of a circle.
#[derive(ToSchema)]
#[expect(dead_code, reason = "see above")]
struct CircleMember {
    /// What it makes.
    object: String,
    /// The file of the bundle.
    file: String,
    /// The line in it.
    line: usize,
}

/// The body with all that it refers to.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut found = Vec::new();
    ErrorBody::schemas(&mut found);
    found.push((ErrorBody::name().into_owned(), ErrorBody::schema()));
    found
}

/// A response for each status, with the words that go with it.
pub(super) fn add(responses: &mut Map<String, Value>, operation: &Operation) {
    let guards: &[ErrorCode] = match operation.purpose {
        Purpose::Watch => &[],
        Purpose::Call => &[Forbidden],
        Purpose::Deploy | Purpose::Administer => &[Forbidden, Unauthorized],
    };
    let mut words: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in operation.errors.iter().copied().chain([guards, EVERY]).flatten().copied() {
        let statuses = if code.is_already_there() { vec![400, 409] } else { vec![code.status()] };
        for status in statuses {
            let words = words.entry(status).or_default();
            if !words.contains(&code.code()) {
                words.push(code.code());
            }
        }
    }
    for (status, words) in words {
        let error = json!({"allOf": [reference("Error"), {"properties": {"error": {"enum": words}}}]});
        let response = responses
            .entry(status.to_string())
            .or_insert_with(|| json!({"description": words.join(", "), "headers": headers(status), "content": {}}));
        let content = &mut response["content"]["application/json"];
        let other = content["schema"].take();
        content["schema"] = if other.is_null() { error } else { json!({"anyOf": [other, error]}) };
    }
    if operation.chooses_status {
        for range in ["4XX", "5XX"] {
            let error = json!({"allOf": [reference("Error"), {"properties": {"error": {"const": "query_failed"}}}]});
            let description = "A status that the function chooses (RAISE … USING ERRCODE = 'PT404').";
            let content = json!({"application/json": {"schema": error}});
            responses.insert(
                range.to_owned(),
                json!({"description": description, "headers": headers(400), "content": content}),
            );
        }
    }
}
