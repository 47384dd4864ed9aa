//! `GET /platform/{platform}/openapi.json`: the functions of one of a platform's databases, each as an operation of its own. All of them
//! are `POST /call`; what tells them apart stands behind a `#` in the path, which is sent to nobody, and in the body, where platform,
//! database and function are constants.

use std::collections::{HashMap, HashSet};

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::super::notes::Notes;
use super::super::platform::of_path;
use super::super::state::Gateway;
use super::operations::OPERATIONS;
use super::{JSON, components};
use crate::call::{self, Function, Functions, MOST, Type};
use crate::databases::name::{Address, Id, Which};
use crate::error::ApiError;

/// Of the platform's databases, which.
#[derive(Debug, Deserialize)]
pub(crate) struct OfDatabase {
    tenant_id: Option<String>,
    schema_name: Option<String>,
    database_id: Option<String>,
}

/// The document of a database's functions.
pub(crate) async fn show_functions(
    State(gateway): State<Arc<Gateway>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<OfDatabase>, QueryRejection>,
    notes: Notes,
) -> Result<Response, ApiError> {
    let platform = of_path(path, &notes)?;
    let Query(query) = query
        .map_err(|rejection| ApiError::invalid_request(format!("the query is malformed: {}", rejection.body_text())))?;
    let address = Address::new(platform, query.which()?)?;
    notes.note_address(&address);
    let Some(run_as) = gateway.platforms.run_as_for_call(address.platform()).await? else {
        return Err(gateway.databases.why_not(&address).await.into());
    };
    let found = call::describe(&gateway.databases, &address, &run_as).instrument(notes.span()).await?;
    if let Some(bytes) = found.too_long {
        return Err(ApiError::invalid_request(format!(
            "the functions of {} and their types take {bytes} bytes to describe, and a document has 1048576 of them at most",
            found.database.as_str()
        )));
    }
    // A platform has prepared what is told of: some MiB become many times as much for a moment.
    let turn = TURNS.acquire().await.map_err(ApiError::internal)?;
    let made = tokio::task::spawn_blocking(move || document(&address, &found).to_string());
    let text: Bytes = made.await.map_err(ApiError::internal)?.into();
    drop(turn);
    Ok(([(header::CONTENT_TYPE, JSON)], text).into_response())
}

/// Documents that are made at the same time.
static TURNS: Semaphore = Semaphore::const_new(2);

impl OfDatabase {
    /// Empty is as good as missing, as in a call.
    fn which(self) -> Result<Which, ApiError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (given(self.tenant_id), given(self.schema_name), given(self.database_id)) {
            (None, None, None) => Ok(Which::Main),
            (Some(tenant), None, None) => Ok(Which::Tenant(Id::parse("tenant_id", &tenant)?)),
            (None, Some(schema), Some(database)) => Ok(Which::Stored {
                schema: Id::parse("schema_name", &schema)?,
                database: Id::parse("database_id", &database)?,
            }),
            _ => Err(ApiError::invalid_request(
                "give the query tenant_id, or schema_name and database_id, or for the main database nothing",
            )),
        }
    }
}

fn document(address: &Address, found: &Functions) -> Value {
    let mut paths = Map::new();
    let mut namesakes: HashMap<String, usize> = HashMap::new();
    for function in &found.functions {
        let called = function.called();
        let number = namesakes.entry(called.clone()).or_default();
        *number += 1;
        let id = if *number == 1 { called.clone() } else { format!("{called}_{number}") };
        let operation = Described { address, found, function }.operation(&id);
        paths.insert(format!("/call#{called}({})", function.arguments), json!({"post": operation}));
    }
    let paths = Value::Object(paths);
    let mut components = components();
    let own = found.types.values().filter(|of| of.labels.is_some() || of.attributes.is_some());
    let own: Vec<_> = own.map(|of| (component(of), definition(found, of))).collect();
    if let Some(schemas) = components["schemas"].as_object_mut() {
        schemas.extend(own);
    }
    keep_used(&mut components["schemas"], &paths);
    let mut info =
        json!({"title": format!("Functions of {}", found.database.as_str()), "version": env!("CARGO_PKG_VERSION")});
    if found.has_more {
        info["description"] = format!("Only the first {MOST} functions, by name: the database has more.").into();
    }
    json!({"openapi": "3.1.0", "info": info, "paths": paths, "components": components})
}

/// What a type with parts or labels is called here: a name may stand for several, and may have any letter.
fn component(of: &Type) -> String {
    format!("type_{}", of.oid)
}

/// Each stands in the document once, however many others have it inside of them.
fn definition(found: &Functions, of: &Type) -> Value {
    if let Some(labels) = &of.labels {
        let labels = labels.iter().map(|label| json!(label)).chain([Value::Null]);
        return json!({"description": of.printed, "enum": labels.collect::<Vec<_>>()});
    }
    let attributes = of.attributes.as_deref().unwrap_or_default();
    let properties: Map<_, _> = attributes.iter().map(|one| (one.name.clone(), schema(found, one.of, 0))).collect();
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({"description": of.printed, "type": ["object", "null"], "properties": properties, "required": required})
}

/// Domains over domains over arrays of domains …: what lies deeper may be anything.
const DEEPEST: usize = 32;

/// What JSON a value of the type is; NULL is one of every type.
fn schema(found: &Functions, of: u32, depth: usize) -> Value {
    let Some(of) = found.types.get(&of).filter(|_| depth < DEEPEST) else { return json!({}) };
    if let Some(base) = of.base {
        return schema(found, base, depth + 1);
    }
    if let Some(element) = of.element {
        // Of any number of dimensions.
        let element = json!({"anyOf": [schema(found, element, depth + 1), {"type": "array"}]});
        return json!({"type": ["array", "null"], "items": element});
    }
    if of.labels.is_some() || of.attributes.is_some() {
        return json!({"$ref": format!("{PREFIX}{}", component(of))});
    }
    match of.name.as_deref() {
        Some("int2" | "int4") => json!({"type": ["integer", "null"], "format": "int32"}),
        Some("int8") => json!({"type": ["integer", "null"], "format": "int64"}),
        // By itself a number, inside of others a string.
        Some("oid") => json!({"type": ["integer", "string", "null"]}),
        // NaN and the infinities are strings.
        Some("float4" | "float8" | "numeric") => json!({"type": ["number", "string", "null"]}),
        Some("bool") => json!({"type": ["boolean", "null"]}),
        Some("uuid") => json!({"type": ["string", "null"], "format": "uuid"}),
        // Without a format: the calendar is larger than RFC 3339's, and has infinity.
        Some("text" | "varchar" | "bpchar" | "name" | "date" | "timestamptz" | "timestamp" | "time" | "timetz") => {
            json!({"type": ["string", "null"], "description": of.printed})
        }
        Some("void") => json!({"type": "null"}),
        Some("json" | "jsonb" | "int2vector" | "oidvector") => json!({}),
        // Those that stand for any type, and those of extensions, some of which are objects.
        _ if of.kind == 'p' => json!({}),
        None => json!({"description": of.printed}),
        Some(_) => json!({"type": ["string", "null"], "description": of.printed}),
    }
}

/// How a schema is referred to.
const PREFIX: &str = "#/components/schemas/";

/// Schemas that nothing here refers to are of no use.
fn keep_used(schemas: &mut Value, paths: &Value) {
    let mut used: HashSet<String> = HashSet::new();
    let mut look = vec![paths];
    while let Some(value) = look.pop() {
        match value {
            Value::Object(fields) => {
                let name = fields.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix(PREFIX));
                if let Some(name) = name.filter(|name| used.insert((*name).to_owned())) {
                    look.extend(schemas.get(name));
                }
                look.extend(fields.values());
            }
            Value::Array(values) => look.extend(values),
            _ => {}
        }
    }
    if let Some(schemas) = schemas.as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
}

/// One function, and what is needed to tell of it.
struct Described<'a> {
    address: &'a Address,
    found: &'a Functions,
    function: &'a Function,
}

impl Described<'_> {
    fn operation(&self, id: &str) -> Value {
        let call = OPERATIONS.iter().find(|operation| operation.path == "/call").map(|call| call.render());
        let mut operation = call.unwrap_or_default();
        operation["operationId"] = id.into();
        operation["tags"] = json!([self.function.schema]);
        operation["summary"] = format!("{}({})", self.function.called(), self.function.arguments).into();
        if let Some(comment) = &self.function.comment {
            operation["description"] = comment.as_str().into();
        }
        operation["requestBody"]["content"]["application/json"]["schema"] = self.body();
        operation["responses"]["200"]["content"]["application/json"]["schema"] = self.answer();
        operation
    }

    fn body(&self) -> Value {
        let mut properties = json!({"platform": {"const": self.address.platform().given()}});
        let mut required = vec!["platform", "function"];
        let mut constant = |name: &'static str, value: &str| {
            properties[name] = json!({"const": value});
            required.push(name);
        };
        match self.address.which() {
            Which::Main => {}
            Which::Tenant(tenant) => constant("tenant_id", tenant.given()),
            Which::Stored { schema, database } => {
                constant("schema_name", schema.given());
                constant("database_id", database.given());
            }
        }
        properties["function"] = json!({"const": self.function.called()});
        let (params, may_be_missing) = self.params();
        properties["params"] = params;
        if !may_be_missing {
            required.push("params");
        }
        json!({"type": "object", "required": required, "properties": properties})
    }

    /// By name where all have one, else by position; and whether all of them may be left out.
    fn params(&self) -> (Value, bool) {
        let given: Vec<_> = self.function.parameters().filter(|(mode, ..)| matches!(mode, 'i' | 'b' | 'v')).collect();
        // What is VARIADIC may be empty as well.
        let variadic = given.iter().filter(|(mode, ..)| *mode == 'v').count();
        let least = given.len().saturating_sub(self.function.defaults.max(variadic));
        if given.iter().any(|(_, name, _)| name.is_none()) || (variadic > 0 && self.function.defaults == 0) {
            let single = |(mode, _, of): &(char, Option<&str>, u32)| (*mode != 'v').then(|| self.schema(*of));
            let items: Vec<_> = given.iter().filter_map(single).collect();
            let rest = given.iter().find(|(mode, ..)| *mode == 'v').and_then(|(_, _, of)| self.element(*of));
            let params = json!({
                "type": "array", "prefixItems": items, "minItems": least, "items": rest.unwrap_or(Value::Bool(false)),
            });
            return (without_empty(params), least == 0);
        }
        let mut properties = Map::new();
        for (_, name, of) in &given {
            properties.insert(name.unwrap_or_default().to_owned(), self.schema(*of));
        }
        let required: Vec<_> = given.iter().take(least).filter_map(|(_, name, _)| *name).collect();
        let params = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        });
        (params, least == 0)
    }

    fn answer(&self) -> Value {
        let rows = json!({"type": "array", "items": self.row()});
        let mut answer = json!({
            "type": "object",
            "required": ["rows", "row_count", "execution_time_ms"],
            "properties": {"rows": rows, "row_count": {"type": "integer"}, "execution_time_ms": {"type": "integer"}},
        });
        if !self.function.returns_set {
            answer["properties"]["rows"]["maxItems"] = 1.into();
        }
        answer
    }

    /// The columns, under the names that PostgreSQL gives them.
    fn row(&self) -> Value {
        let columns: Vec<_> = self.function.parameters().filter(|(mode, ..)| matches!(mode, 'o' | 'b' | 't')).collect();
        // A domain over a composite type has its columns.
        let mut result = self.found.types.get(&self.function.result);
        while let Some(base) = result.and_then(|of| of.base) {
            result = self.found.types.get(&base);
        }
        match (columns.as_slice(), result.and_then(|result| result.attributes.as_ref())) {
            ([], Some(_)) => result.map_or_else(|| json!({}), |of| self.schema(of.oid)),
            // What a bare record holds, and what a procedure without a result answers, is known when it has run.
            ([], None) if self.function.is_procedure => json!({"type": "object"}),
            ([], None) if result.is_some_and(|result| result.name.as_deref() == Some("record")) => {
                json!({"type": "object"})
            }
            ([], None) => self.columns(vec![(None, self.function.result)]),
            (columns, _) => self.columns(columns.iter().map(|(_, name, of)| (*name, *of)).collect()),
        }
    }

    fn columns(&self, columns: Vec<(Option<&str>, u32)>) -> Value {
        let mut properties = Map::new();
        let alone = columns.len() == 1;
        for (index, (name, of)) in columns.into_iter().enumerate() {
            let name = match name {
                Some(name) => name.to_owned(),
                None if alone => self.function.name.clone(),
                None => format!("column{}", index + 1),
            };
            properties.insert(name, self.schema(of));
        }
        let required: Vec<_> = properties.keys().cloned().collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    fn element(&self, of: u32) -> Option<Value> {
        Some(self.schema(self.found.types.get(&of)?.element?))
    }

    fn schema(&self, of: u32) -> Value {
        schema(self.found, of, 0)
    }
}

/// An empty `prefixItems` is no schema.
fn without_empty(mut params: Value) -> Value {
    if let Some(fields) = params.as_object_mut()
        && fields.get("prefixItems").is_some_and(|items| items.as_array().is_some_and(Vec::is_empty))
    {
        fields.remove("prefixItems");
    }
    params
}
