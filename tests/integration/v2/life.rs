//! The whole life of the example platform `examples/stores`.

use serde_json::{Value, json};

use super::{create, list, migrate, registered, store};
use crate::support::platform::get;
use crate::support::{Answer, BundleBuilder, Platform, call};

async fn call_store(platform: &Platform, store: &str, function: &str, params: Value) -> Answer {
    call(json!({"platform": platform.name(), "tenant_id": store, "function": function, "params": params})).await
}

fn rows(answer: &Answer) -> &Vec<Value> {
    assert_eq!(answer.status, 200, "{answer}");
    answer.body["rows"].as_array().expect("rows")
}

#[tokio::test]
async fn stores_are_registered_filled_called_and_brought_to_a_new_version() {
    let (main_db, tenant_db) =
        (BundleBuilder::of_example("stores/main_db"), BundleBuilder::of_example("stores/tenant_db"));
    let platform = registered().await;
    let stored = store(&platform, "main_db", &main_db).await;
    assert_eq!(stored.status, 201, "{stored}");
    assert_eq!(stored.text("status"), "registered");
    assert_eq!((stored.text("platform"), stored.text("schema_name")), (platform.name(), "main_db"));
    let has = |field: &str| stored.body[field].as_bool().expect("a boolean");
    assert!(has("has_tables") && has("has_functions") && has("has_seeders") && !has("has_migrations"), "{stored}");
    assert_eq!(stored.body["warnings"], json!([]));
    assert_eq!(store(&platform, "tenant_db", &tenant_db).await.status, 201);

    let main = create(&platform, "main_db", "main").await;
    assert_eq!(main.status, 201, "{main}");
    assert_eq!(
        (main.text("status"), main.text("database_name")),
        ("created", format!("{}_main_db_main", platform.name()).as_str())
    );
    main.counts(&[
        ("tables_created", 2),
        ("functions_deployed", 2),
        ("types_deployed", 0),
        ("extensions_installed", 0),
    ]);
    assert_eq!(main.body["seeders"], json!([{"table": "plans", "inserted": 3, "skipped": 0}]));
    for store in ["store_001", "store_002", "store_003"] {
        let created = create(&platform, "tenant_db", store).await;
        assert_eq!(created.status, 201, "{created}");
        let opened = platform.call("open_store", json!({"p_store": store})).await;
        assert_eq!(rows(&opened)[0]["plan"], "free");
        let added =
            call_store(&platform, store, "add_product", json!(["TEA-1", format!("Tea of {store}"), 4.2, 10])).await;
        assert_eq!(rows(&added)[0]["price"].to_string(), "4.20");
    }
    assert_eq!(platform.call("open_store", json!(["store_001"])).await.status, 409);
    let order = call_store(&platform, "store_002", "place_order", json!([[{"sku": "TEA-1", "quantity": 3}]])).await;
    assert_eq!(rows(&order)[0]["total"].to_string(), "12.60");
    let too_much = call_store(&platform, "store_002", "place_order", json!([[{"sku": "TEA-1", "quantity": 8}]])).await;
    too_much.refused(402, "query_failed").sqlstate("PT402");

    let next = tenant_db
        .file(
            "tables/products.pssql",
            "CREATE TABLE products (
                 sku text PRIMARY KEY,
                 name text NOT NULL,
                 price numeric(12, 2) NOT NULL CHECK (price >= 0),
                 in_stock integer NOT NULL DEFAULT 0,
                 colour text
             );
             CREATE INDEX products_by_name ON products (lower(name));",
        )
        .file("migrations/002_dear.pssql", "UPDATE products SET price = price + 1;");
    assert_eq!(store(&platform, "tenant_db", &next).await.status, 201);
    let dry = migrate(&platform, "tenant_db", json!({"dry_run": true})).await;
    assert_eq!((dry.status, dry.text("status")), (200, "planned"), "{dry}");
    assert_eq!((dry.text("platform"), dry.text("schema_name")), (platform.name(), "tenant_db"));
    assert_eq!(rows(&call_store(&platform, "store_001", "list_products", json!([])).await)[0].get("colour"), None);
    let migrated = migrate(&platform, "tenant_db", json!({})).await;
    assert_eq!((migrated.status, migrated.text("status")), (200, "completed"), "{migrated}");
    migrated.counts(&[("migrations_applied", 3), ("shapes", 1)]);
    for store in ["store_001", "store_002", "store_003"] {
        let products = call_store(&platform, store, "list_products", json!(["tea"])).await;
        let product = &rows(&products)[0];
        assert_eq!((product["price"].to_string(), &product["colour"]), ("5.20".to_owned(), &Value::Null), "{products}");
        assert_eq!(product["name"], format!("Tea of {store}"));
    }
    // A store that comes later has the new version at once, and its migrations are none of its business.
    create(&platform, "tenant_db", "store_004").await.counts(&[("migrations_applied", 2)]);
    let again = migrate(&platform, "tenant_db", json!({})).await;
    assert_eq!(again.body["databases"].as_array().map(Vec::len), Some(4));
    assert!(again.body["databases"].as_array().is_some_and(|all| all.iter().all(|one| one["status"] == "unchanged")));

    let databases = list(&platform, "databases?schema=tenant_db", "databases").await;
    let ids: Vec<_> = databases.iter().map(|one| one["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["store_001", "store_002", "store_003", "store_004"]);
    assert_eq!(list(&platform, "databases", "databases").await.len(), 5);
    let schemas = list(&platform, "schemas", "schemas").await;
    assert_eq!(schemas.iter().map(|one| &one["name"]).collect::<Vec<_>>(), ["main_db", "tenant_db"]);
    assert_eq!(schemas[1]["has_migrations"], true);
    for path in ["/platforms", "/admin/platforms"] {
        let platforms = get(path).await;
        let of_name = |one: &&Value| one["name"] == platform.name();
        let own = platforms.body["platforms"].as_array().and_then(|all| all.iter().find(of_name));
        assert_eq!(own, Some(&json!({"name": platform.name(), "schemas": 2, "databases": 5})), "{platforms}");
    }
}
