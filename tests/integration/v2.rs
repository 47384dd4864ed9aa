//! v2 of the API: platforms that store their schemas and make databases on demand (contract §6 from `/platform/register`
//! on, §8 "Storage").

mod calls;
mod databases;
mod life;
mod listed;
mod names;
mod schemas;

use serde_json::{Value, json};

use crate::support::platform::{get, post_json, upload};
use crate::support::{Answer, BundleBuilder, Platform, bundle};

/// A table and a function that counts its rows.
pub(super) fn small() -> BundleBuilder {
    bundle()
        .file("tables/items.sql", "CREATE TABLE items (id int PRIMARY KEY, name text);")
        .file(
            "functions/items.sql",
            "CREATE FUNCTION count_items() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM items';",
        )
        .file("seeders/items.sql", "INSERT INTO items VALUES (1, 'one'), (2, 'two');")
}

/// A registered platform.
pub(super) async fn registered() -> Platform {
    let platform = Platform::new();
    let answer = post_json("/platform/register", json!({"platform": platform.name()})).await;
    assert_eq!(answer.status, 201, "{answer}");
    platform
}

/// A registered platform with a stored schema.
pub(super) async fn with_schema(schema: &str, bundle: &BundleBuilder) -> Platform {
    let platform = registered().await;
    let answer = store(&platform, schema, bundle).await;
    assert_eq!(answer.status, 201, "{answer}");
    platform
}

/// `POST /platform/{platform}/schema`
pub(super) async fn store(platform: &Platform, schema: &str, bundle: &BundleBuilder) -> Answer {
    upload(&format!("/platform/{}/schema", platform.name()), &[("schema_name", schema)], "schema", bundle.tar_gz())
        .await
}

/// `POST /database/create`
pub(super) async fn create(platform: &Platform, schema: &str, id: &str) -> Answer {
    post_json("/database/create", json!({"platform": platform.name(), "schema_name": schema, "database_id": id})).await
}

/// `POST /v2/migrate` with more fields.
pub(super) async fn migrate(platform: &Platform, schema: &str, more: Value) -> Answer {
    let mut body = json!({"platform": platform.name(), "schema_name": schema});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    post_json("/v2/migrate", body).await
}

/// The list at a path below `/platform/{platform}/`.
pub(super) async fn list(platform: &Platform, path: &str, field: &str) -> Vec<Value> {
    let answer = get(&format!("/platform/{}/{path}", platform.name())).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.text("platform"), platform.name());
    let items = answer.body[field].as_array().expect("a list").clone();
    assert_eq!(answer.count("count"), items.len() as u64);
    items
}
