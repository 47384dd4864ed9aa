//! How `/call` reaches databases made from stored schemas (contract §6, `POST /call`).

use serde_json::{Value, json};

use super::{create, small, store, with_schema};
use crate::support::{Answer, Platform, call};

async fn count(platform: &Platform, which: Value) -> Answer {
    let mut body = json!({"platform": platform.name(), "function": "count_items"});
    if let (Some(body), Value::Object(which)) = (body.as_object_mut(), which) {
        body.extend(which);
    }
    call(body).await
}

#[tokio::test]
async fn by_schema_and_id_by_the_id_alone_and_the_one_called_main() {
    let platform = with_schema("shop", &small()).await;
    store(&platform, "desk", &small()).await;
    for (schema, id) in [("shop", "one"), ("shop", "main"), ("shop", "both"), ("desk", "both")] {
        assert_eq!(create(&platform, schema, id).await.status, 201);
    }
    let two = |answer: &Answer| assert_eq!(answer.body["rows"], json!([{"count_items": 2}]), "{answer}");
    two(&count(&platform, json!({"schema_name": "shop", "database_id": "one"})).await);
    two(&count(&platform, json!({"tenant_id": "one"})).await);
    two(&count(&platform, json!({})).await);
    two(&count(&platform, json!({"schema_name": "desk", "database_id": "both"})).await);
    let ambiguous = count(&platform, json!({"tenant_id": "both"})).await;
    ambiguous.refused(400, "invalid_request");
    ambiguous.says(&format!("{}_desk_both", platform.name())).says(&format!("{}_shop_both", platform.name()));
    count(&platform, json!({"schema_name": "shop"})).await.refused(400, "invalid_request");
    count(&platform, json!({"database_id": "one"})).await.refused(400, "invalid_request");
    count(&platform, json!({"tenant_id": "nobody"})).await.refused(404, "database_not_found");
}
