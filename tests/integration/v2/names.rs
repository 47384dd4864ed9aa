//! Names that try to leave the data folder, or that nobody can have.

use serde_json::json;

use super::{registered, small};
use crate::support::gateway;
use crate::support::platform::{get, post_json, upload};

#[tokio::test]
async fn no_spelling_of_a_name_leaves_the_data_folder() {
    let platform = registered().await;
    let long = "x".repeat(300);
    let names = [
        "..",
        "../..",
        "/etc",
        "a/../b",
        "%2e%2e",
        "%2e%2e%2f",
        "..%2f..",
        "a\0b",
        "",
        ".",
        "~",
        "a b",
        "ä",
        "con:",
        &long,
    ];
    for name in names {
        let register = post_json("/platform/register", json!({"platform": name})).await;
        register.refused(400, "invalid_request");
        let path = format!("/platform/{}/schema", platform.name());
        upload(&path, &[("schema_name", name)], "schema", small().tar_gz()).await.refused(400, "invalid_request");
        let body = json!({"platform": platform.name(), "schema_name": name, "database_id": "d"});
        post_json("/database/create", body).await.refused(400, "invalid_request");
        let body = json!({"platform": platform.name(), "schema_name": "s", "database_id": name});
        post_json("/database/create", body).await.refused(400, "invalid_request");
    }
    for path in [
        "/platform/%2e%2e/schemas",
        "/platform/..%2f..%2fetc/schemas",
        "/platform/%00/databases",
        "/platform/a%20b/schemas",
    ] {
        let answer = get(path).await;
        assert!([400, 404].contains(&answer.status), "{path}: {answer}");
    }
    let names =
        std::fs::read_dir(&gateway().data_dir).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    assert!(names.into_iter().all(|name| name.to_string_lossy().starts_with('t')), "only platforms of these tests");
}

#[tokio::test]
async fn a_reserved_name_and_malformed_fields_are_refused() {
    post_json("/platform/register", json!({"platform": "postgres"}))
        .await
        .refused(400, "invalid_request")
        .says("reserved");
    post_json("/platform/register", json!({"platform": 7})).await.refused(400, "invalid_request");
    post_json("/platform/register", json!({})).await.refused(400, "invalid_request").says("platform");
    let platform = registered().await;
    let body = json!({"platform": platform.name(), "schema_name": "s", "force": []});
    post_json("/v2/migrate", body).await.refused(400, "invalid_request").says("force");
    let long = "d".repeat(60);
    let body = json!({"platform": platform.name(), "schema_name": "s", "database_id": long});
    post_json("/database/create", body).await.refused(400, "invalid_request").says("63");
}
