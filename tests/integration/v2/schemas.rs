//! Stored schemas: what is refused, what replaces what, and what is on the disk.

use std::path::PathBuf;

use serde_json::json;

use super::{create, list, migrate, registered, small, store, with_schema};
use crate::support::gateway;
use crate::support::platform::{get, post_json, upload};
use crate::support::{Platform, bundle, call};

fn folder(platform: &Platform) -> PathBuf {
    gateway().data_dir.join(platform.name())
}

#[tokio::test]
async fn a_platform_is_registered_once() {
    let platform = registered().await;
    let again = post_json("/platform/register", json!({"platform": platform.name()})).await;
    again.refused(400, "invalid_request").says("registered already");
    let other = post_json("/platform/register", json!({"platform": platform.name().to_uppercase()})).await;
    other.refused(400, "invalid_request");
    let file = std::fs::read_to_string(folder(&platform).join("platform.json")).expect("the record");
    assert!(file.contains(platform.name()));
}

#[tokio::test]
async fn the_fields_have_two_names() {
    let platform = registered().await;
    let path = format!("/platform/{}/schema", platform.name());
    let answer = upload(&path, &[("name", "one")], "file", small().tar_gz()).await;
    assert_eq!((answer.status, answer.text("schema_name")), (201, "one"), "{answer}");
    let both = upload(&path, &[("name", "one"), ("schema_name", "two")], "file", small().tar_gz()).await;
    both.refused(400, "invalid_request").says("schema_name");
    upload(&path, &[], "file", small().tar_gz()).await.refused(400, "invalid_request").says("schema_name");
    upload(&path, &[("name", "x")], "file", b"no archive".to_vec()).await.refused(400, "schema_extraction_failed");
    assert_eq!(list(&platform, "schemas", "schemas").await.len(), 1);
}

#[tokio::test]
async fn what_is_unknown_is_404() {
    let platform = registered().await;
    let nobody = Platform::new();
    store(&nobody, "s", &small()).await.refused(404, "platform_not_found");
    get(&format!("/platform/{}/schemas", nobody.name())).await.refused(404, "platform_not_found");
    get(&format!("/platform/{}/databases", nobody.name())).await.refused(404, "platform_not_found");
    create(&nobody, "s", "d").await.refused(404, "platform_not_found");
    migrate(&nobody, "s", json!({})).await.refused(404, "platform_not_found");
    create(&platform, "s", "d").await.refused(404, "schema_not_found");
    migrate(&platform, "s", json!({})).await.refused(404, "schema_not_found");
    assert_eq!(list(&platform, "databases?schema=s", "databases").await.len(), 0);
}

#[tokio::test]
async fn a_bundle_that_does_not_deploy_is_refused_and_the_stored_version_stays() {
    let platform = with_schema("shop", &small()).await;
    let before = list(&platform, "schemas", "schemas").await;
    let broken =
        small().file("functions/bad.sql", "\nCREATE FUNCTION bad() RETURNS int LANGUAGE sql AS 'SELECT nowhere';");
    store(&platform, "shop", &broken)
        .await
        .refused(409, "function_deploy_failed")
        .at("functions/bad.sql", 2)
        .sqlstate("42703");
    let missing = small().file("extensions/no_such_extension.sql", "");
    store(&platform, "shop", &missing).await.refused(400, "extension_not_available");
    assert_eq!(before, list(&platform, "schemas", "schemas").await);
    assert_eq!(create(&platform, "shop", "one").await.status, 201);
}

#[tokio::test]
async fn the_disk_holds_the_files_as_they_were_uploaded_and_nothing_else() {
    let bundle =
        small().file("functions/deep/er/f.pssql", "-- ä\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
    let platform = with_schema("shop", &bundle).await;
    let stored = folder(&platform).join("shop");
    for (path, text) in bundle.files() {
        assert_eq!(std::fs::read_to_string(stored.join(path)).expect(path), *text);
    }
    let smaller = bundle.without("functions/deep/er/f.pssql");
    assert_eq!(store(&platform, "shop", &smaller).await.status, 201);
    assert!(!stored.join("functions/deep").exists());
    let mut left: Vec<_> = std::fs::read_dir(folder(&platform))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [".lock", "platform.json", "shop"]);
}

#[tokio::test]
async fn a_damaged_schema_is_told_of_and_an_upload_mends_it() {
    let platform = with_schema("shop", &small()).await;
    let file = folder(&platform).join("shop/tables/items.sql");
    std::fs::write(&file, "CREATE TABLE other (id int);").expect("the file can be written");
    let refused = create(&platform, "shop", "one").await;
    refused.refused(500, "internal_error").says("damaged");
    assert!(!refused.to_string().contains(gateway().data_dir.to_str().expect("UTF-8")), "no path: {refused}");
    assert_eq!(store(&platform, "shop", &small()).await.status, 201);
    assert_eq!(create(&platform, "shop", "one").await.status, 201);
}

#[tokio::test]
async fn two_uploads_at_once_leave_one_whole_version() {
    let platform = registered().await;
    let versions: Vec<_> = (0..4)
        .map(|n| {
            small().file("functions/n.sql", format!("CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT {n}';"))
        })
        .collect();
    let answers = futures_util::future::join_all(versions.iter().map(|bundle| store(&platform, "shop", bundle))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    let stored = list(&platform, "schemas", "schemas").await;
    assert!(answers.iter().any(|answer| answer.text("checksum") == stored[0]["checksum"]));
    let created = create(&platform, "shop", "one").await;
    assert_eq!(created.status, 201, "{created}");
    let n = call(json!({"platform": platform.name(), "tenant_id": "one", "function": "n"})).await;
    let n = n.body["rows"][0]["n"].as_u64().expect("a number");
    let last = answers.iter().position(|answer| answer.text("checksum") == stored[0]["checksum"]);
    assert_eq!(last, usize::try_from(n).ok());
}

#[tokio::test]
async fn another_spelling_of_a_schema_is_refused() {
    let platform = with_schema("tenant-db", &small()).await;
    store(&platform, "tenant_db", &small()).await.refused(400, "invalid_request").says("tenant-db");
    assert_eq!(list(&platform, "schemas", "schemas").await[0]["name"], "tenant-db");
}

#[tokio::test]
async fn an_empty_bundle_is_stored_with_a_warning() {
    let platform = registered().await;
    let answer = store(&platform, "s", &bundle().file("tables/README.md", "nothing")).await;
    assert_eq!(answer.status, 201, "{answer}");
    assert_ne!(answer.body["warnings"], json!([]));
}
