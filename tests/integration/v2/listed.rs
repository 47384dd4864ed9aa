//! `GET /platforms` lists exactly the platforms that v2 accepts: whom v1 has registered is registered, a failed request
//! registers nobody.

use serde_json::{Value, json};

use crate::support::platform::upload;
use crate::support::{Platform, bundle, get, post_json};

async fn listed(platform: &Platform) -> Option<Value> {
    let answer = get("/platforms").await;
    let platforms = answer.body["platforms"].as_array().expect("a list");
    assert_eq!(answer.body["count"], platforms.len());
    platforms.iter().find(|one| one["name"] == platform.name()).cloned()
}

async fn accepted(platform: &Platform) -> u16 {
    get(&format!("/platform/{}/schemas", platform.name())).await.status
}

#[tokio::test]
async fn a_failed_register_registers_nobody() {
    let platform = Platform::new();
    let broken = bundle().file("tables/t.sql", "CREATE TABLE t (x no_such_type);");
    platform.register_refused(&broken).await;
    assert_eq!((listed(&platform).await, accepted(&platform).await), (None, 404));
    let path = format!("/platform/{}/schema", platform.name());
    let schema = upload(&path, &[("schema_name", "s")], "schema", broken.tar_gz()).await;
    assert_eq!(schema.status, 404, "{schema}");
    assert_eq!((listed(&platform).await, accepted(&platform).await), (None, 404));
}

#[tokio::test]
async fn a_platform_that_v1_registered_is_accepted_by_v2_and_may_be_registered_once() {
    let platform = Platform::new();
    let bundle = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);");
    platform.register(&bundle).await.ready();
    let entry =
        |schemas: u8, databases: u8| Some(json!({"name": platform.name(), "schemas": schemas, "databases": databases}));
    assert_eq!((listed(&platform).await, accepted(&platform).await), (entry(0, 1), 200));
    let path = format!("/platform/{}/schema", platform.name());
    let stored = upload(&path, &[("schema_name", "s")], "schema", bundle.tar_gz()).await;
    assert_eq!(stored.status, 201, "{stored}");
    let create = json!({"platform": platform.name(), "schema_name": "s", "database_id": "d"});
    let created = post_json("/database/create", create).await;
    assert_eq!(created.status, 201, "{created}");
    assert_eq!(listed(&platform).await, entry(1, 2));
    for status in [201, 400] {
        let registered = post_json("/platform/register", json!({"platform": platform.name()})).await;
        assert_eq!(registered.status, status, "{registered}");
        assert_eq!((listed(&platform).await, accepted(&platform).await), (entry(1, 2), 200));
    }
}
