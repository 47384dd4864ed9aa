//! `GET /openapi.json`: every endpoint with what it takes and what it answers, as OpenAPI 3.1. The schemas of answers come from the
//! types that are sent, errors from [`crate::error::ErrorCode`]; `docs/api/openapi.json` is the same text, by a test.

mod errors;
pub(crate) mod functions;
pub(crate) mod operations;
mod requests;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use self::operations::{OPERATIONS, Operation, Parameter, Reply};
use crate::access::Purpose;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is served, made once.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());

/// The document of all endpoints.
pub(crate) async fn show_document() -> Response {
    ([(header::CONTENT_TYPE, JSON)], DOCUMENT.clone()).into_response()
}

/// Of all endpoints of the gateway.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.render();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "StoneScriptDB Gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Deploys the schemas of platforms, one database per tenant, and calls their functions.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": operations::TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": paths,
        "components": components(),
    })
}

/// What operations refer to.
fn components() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in operations::schemas().into_iter().chain(errors::schemas()) {
        schemas.insert(name, json!(schema));
    }
    mend(&mut schemas);
    schemas.values_mut().for_each(without_links);
    schemas.sort_keys();
    json!({
        "schemas": schemas,
        "headers": {
            "X-Request-Id": {
                "description": "The client's own if it sent a sensible one; the gateway's log has it.",
                "schema": {"type": "string"},
            },
            "Retry-After": {
                "description": "After so many seconds it may be sent again as it is; missing where it may have been done all the same.",
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
            },
        },
        "securitySchemes": {
            "adminToken": {
                "type": "http",
                "scheme": "bearer",
                "description": "ADMIN_TOKEN, where one is set: for /admin, and with ADMIN_SCOPE=deploy for all but calls.",
            },
        },
    })
}

/// What derived schemas say otherwise than what is sent.
fn mend(schemas: &mut Map<String, Value>) {
    // An error has what its kind of failure knows, and nothing that is not listed.
    if let Some(error) = schemas.get_mut("Error") {
        error["additionalProperties"] = false.into();
    }
    if let Some(call) = schemas.get_mut("CallBody") {
        call["properties"]["params"]["type"] = json!(["array", "object", "null"]);
    }
    // A struct that is not there is no `null` beside the others: its fields are missing.
    if let Some(change) = schemas.get_mut("Change") {
        let parts = change["allOf"].take();
        *change = parts.as_array().and_then(|parts| parts.last()).cloned().unwrap_or_default();
        let databases = "Of many databases: the first ones that have it.";
        change["properties"]["databases"] =
            json!({"type": "array", "items": {"type": "string"}, "description": databases});
        change["properties"]["database_count"] = json!({"type": "integer", "description": "How many have it."});
    }
    schemas.remove("Places");
    schemas.insert(
        "Document".to_owned(),
        json!({"type": "object", "description": "OpenAPI 3.1.", "required": ["openapi"]}),
    );
    let working = json!({
        "type": "object",
        "required": ["event", "phase", "seconds"],
        "properties": {"event": {"const": "working"}, "phase": {"type": ["string", "null"]}, "seconds": {"type": "integer"}},
    });
    let last =
        |event: &str| json!({"type": "object", "required": ["event"], "properties": {"event": {"const": event}}});
    let lines = json!([reference("MigrationEvent"), working, last("completed"), last("failed")]);
    let description =
        "One line of the answer; the last one has, beside its event, the fields of the whole answer or of the error.";
    schemas.insert("MigrationLine".to_owned(), json!({"description": description, "anyOf": lines}));
}

/// The words of the code's own documentation, without what only its readers can follow.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => *text = text.replace("[`", "`").replace("`]", "`"),
                    value => without_links(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        _ => {}
    }
}

impl Operation {
    fn render(&self) -> Value {
        let mut responses = Map::new();
        for reply in self.replies {
            let response = responses.entry(reply.status.to_string()).or_insert_with(
                || json!({"description": reply.description, "headers": headers(reply.status), "content": {}}),
            );
            response["content"][reply.media_type] = json!({"schema": reply.schema()});
        }
        errors::add(&mut responses, self);
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "responses": responses,
        });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.iter().map(Parameter::render).collect();
        }
        if let Some((media_type, schema)) = self.body {
            operation["requestBody"] =
                json!({"required": true, "content": {media_type: {"schema": reference(schema)}}});
        }
        if matches!(self.purpose, Purpose::Deploy | Purpose::Administer) {
            operation["security"] = json!([{"adminToken": []}, {}]);
        }
        operation
    }
}

impl Parameter {
    fn render(&self) -> Value {
        json!({
            "name": self.name,
            "in": self.place,
            "required": self.required,
            "description": self.description,
            "schema": {"type": "string", "pattern": if self.required { "^[A-Za-z0-9_-]+$" } else { "^[A-Za-z0-9_-]*$" }},
        })
    }
}

impl Reply {
    fn schema(&self) -> Value {
        match self.schema {
            Some(name) => reference(name),
            None => json!({"type": "string"}),
        }
    }
}

fn headers(status: u16) -> Value {
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}});
    if matches!(status, 503 | 504) {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/Retry-After"});
    }
    headers
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
