//! The document of all endpoints.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::api::openapi::{document, operations::OPERATIONS};
use crate::router;

#[test]
fn the_file_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api/openapi.json");
    let text = format!("{:#}\n", document());
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/api/openapi.json is out of date: UPDATE_OPENAPI=1 cargo test --lib api::tests::openapi"
    );
}

#[test]
fn every_route_is_in_it_with_what_guards_it() {
    let routes: BTreeSet<_> =
        router::table().iter().map(|route| (route.path, format!("{:?}", route.purpose))).collect();
    let told: BTreeSet<_> = OPERATIONS.iter().map(|one| (one.path, format!("{:?}", one.purpose))).collect();
    assert_eq!(routes, told);
}

#[tokio::test]
async fn every_method_in_it_is_served_and_no_other() {
    let server = Server::start().await;
    for operation in OPERATIONS {
        let answer = server.ask("BREW", &operation.path.replace("{platform}", "myapp"), "").await;
        let allowed = if operation.method == "get" { "GET,HEAD" } else { "POST" };
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{}", operation.path);
    }
}

#[test]
fn whatever_it_refers_to_is_in_it_and_all_that_is_in_it_is_referred_to() {
    let document = document();
    let mut referred = BTreeSet::new();
    references(&document, &mut referred);
    for reference in &referred {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(referred.contains(&format!("#/components/schemas/{name}")), "{name}");
    }
    let ids: BTreeSet<_> = OPERATIONS.iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), OPERATIONS.len());
}

fn references(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(|one| one.as_str()).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn it_is_served() {
    let answer = Server::start().await.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), document());
}
