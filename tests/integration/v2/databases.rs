//! Databases on demand: made, made at once, dropped by hand, migrated.

use std::time::Duration;

use serde_json::json;

use super::{create, list, migrate, small, store, with_schema};
use crate::support::platform::get;
use crate::support::sql::databases_named;
use crate::support::{Sql, migrate as migrate_v1, register};

#[tokio::test]
async fn one_that_exists_is_not_made_again() {
    let platform = with_schema("shop", &small()).await;
    assert_eq!(create(&platform, "shop", "one").await.status, 201);
    let again = create(&platform, "shop", "one").await;
    again.refused(400, "database_already_exists");
    assert_eq!(again.text("database"), format!("{}_shop_one", platform.name()));
    create(&platform, "shop", "One").await.refused(400, "invalid_request");
}

#[tokio::test]
async fn eight_at_once_are_eight_databases_and_the_same_at_once_is_one() {
    let platform = with_schema("shop", &small()).await;
    let ids: Vec<String> = (0..8).map(|n| format!("d{n}")).collect();
    let answers = futures_util::future::join_all(ids.iter().map(|id| create(&platform, "shop", id))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    let same = futures_util::future::join_all((0..4).map(|_| create(&platform, "shop", "same"))).await;
    let mut statuses: Vec<_> = same.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400, 400, 400]);
    assert_eq!(list(&platform, "databases", "databases").await.len(), 9);
}

#[tokio::test]
async fn one_that_could_not_be_made_leaves_nothing_behind() {
    let platform = with_schema("shop", &small()).await;
    let records = Sql::connect("stonescriptdb-gateway").await;
    let blueprint =
        format!("SELECT name FROM blueprints WHERE platform = '{}' AND 'shop' = ANY (schemas)", platform.name());
    let blueprint = records.value(&blueprint).await;
    let server = Sql::connect("postgres").await;
    server.run(&format!("ALTER DATABASE \"{blueprint}\" ALLOW_CONNECTIONS true")).await;
    // PostgreSQL copies no database that somebody is connected to.
    let busy = Sql::connect(&blueprint).await;
    let answer = create(&platform, "shop", "one").await;
    assert!(answer.status >= 400, "{answer}");
    assert_eq!(list(&platform, "databases", "databases").await.len(), 0);
    assert_eq!(databases_named(&format!("{}_shop", platform.name())).await, Vec::<String>::new());
    let recorded = format!("SELECT name FROM databases WHERE name LIKE '{}\\_shop%'", platform.name());
    assert_eq!(records.column(&recorded).await, Vec::<String>::new());

    drop(busy);
    server.run(&format!("ALTER DATABASE \"{blueprint}\" ALLOW_CONNECTIONS false")).await;
    assert_eq!(create(&platform, "shop", "one").await.status, 201);
}

#[tokio::test]
async fn one_that_was_dropped_by_hand_is_missing_and_can_be_made_again() {
    let platform = with_schema("shop", &small()).await;
    create(&platform, "shop", "one").await;
    create(&platform, "shop", "two").await;
    let name = format!("{}_shop_one", platform.name());
    Sql::connect("postgres").await.run(&format!("DROP DATABASE {name}")).await;
    let listed = list(&platform, "databases", "databases").await;
    assert_eq!((&listed[0]["database_name"], &listed[0]["missing"]), (&json!(name), &json!(true)));
    assert_eq!(listed[1].get("missing"), None);
    let migrated = migrate(&platform, "shop", json!({})).await;
    assert_eq!(migrated.body["databases_updated"], json!([format!("{}_shop_two", platform.name())]), "{migrated}");
    assert_eq!(create(&platform, "shop", "one").await.status, 201);
    assert_eq!(list(&platform, "databases", "databases").await[0].get("missing"), None);
}

#[tokio::test]
async fn migrating_takes_the_schemas_databases_or_one_and_leaves_v1_alone() {
    let platform = with_schema("shop", &small()).await;
    let none = migrate(&platform, "shop", json!({})).await;
    assert_eq!((none.status, none.text("status")), (200, "completed"), "{none}");
    assert_eq!((&none.body["databases_updated"], &none.body["databases"]), (&json!([]), &json!([])));
    create(&platform, "shop", "one").await;
    create(&platform, "shop", "two").await;
    register(platform.name(), None, &small()).await.ready();
    let listed = list(&platform, "databases", "databases").await;
    let main = listed.iter().find(|one| one["database_name"] == json!(platform.main())).expect("v1's is listed too");
    assert_eq!((listed.len(), &main["schema_name"]), (3, &json!(null)));
    let next = small().file("tables/more.sql", "CREATE TABLE more (id int);");
    store(&platform, "shop", &next).await;
    let one = migrate(&platform, "shop", json!({"database_id": "one"})).await;
    assert_eq!(one.body["databases_updated"], json!([format!("{}_shop_one", platform.name())]), "{one}");
    migrate(&platform, "shop", json!({"database_id": "three"})).await.refused(404, "database_not_found");
    let rest = migrate(&platform, "shop", json!({"force": "false", "dry_run": null})).await;
    assert_eq!(rest.body["databases"].as_array().map(Vec::len), Some(2), "{rest}");
    let more = "SELECT to_regclass('more') IS NOT NULL";
    assert_eq!(platform.sql().await.value(more).await, "f");
    // And v1's leaves v2 alone.
    let v1 = migrate_v1(platform.name(), &small(), &[]).await;
    assert_eq!(v1.body["databases_updated"], json!([platform.main()]), "{v1}");
    let lost = small().without("tables/items.sql").without("functions/items.sql").without("seeders/items.sql");
    store(&platform, "shop", &lost.file("tables/more.sql", "CREATE TABLE more (id int);")).await;
    let blocked = migrate(&platform, "shop", json!({})).await;
    blocked.refused(409, "migration_failed");
    assert_eq!(blocked.body["schema_validation"]["dataloss_changes"][0]["rows_at_risk"], 4, "{blocked}");
    let forced = migrate(&platform, "shop", json!({"force": true})).await;
    assert_eq!(forced.status, 200, "{forced}");
}

#[tokio::test]
async fn another_platforms_databases_are_out_of_reach() {
    let platform = with_schema("a_shop", &small()).await;
    assert_eq!(create(&platform, "a_shop", "one").await.status, 201);
    // The same name from other words: platform `t1_a` + schema `shop`.
    let other = format!("{}_a", platform.name());
    let body = json!({"platform": other});
    assert_eq!(crate::support::post_json("/platform/register", body).await.status, 201);
    let path = format!("/platform/{other}/schema");
    crate::support::platform::upload(&path, &[("name", "shop")], "file", small().tar_gz()).await;
    let ids = json!({"platform": other, "schema_name": "shop", "database_id": "one"});
    crate::support::post_json("/database/create", ids.clone()).await.refused(403, "platform_isolation_violation");
    crate::support::post_json("/v2/migrate", ids).await.refused(403, "platform_isolation_violation");
    let call = json!({"platform": other, "schema_name": "shop", "database_id": "one", "function": "count_items"});
    crate::support::call(call).await.refused(403, "platform_isolation_violation");
    let listed = get(&format!("/platform/{other}/databases")).await;
    assert_eq!(listed.body["databases"], json!([]));
}

#[tokio::test]
async fn blueprints_of_old_versions_go_and_none_is_ever_listed() {
    let platform = with_schema("shop", &small()).await;
    for n in 0..8 {
        let bundle =
            small().file("functions/n.sql", format!("CREATE FUNCTION n() RETURNS int LANGUAGE sql AS 'SELECT {n}';"));
        assert_eq!(store(&platform, "shop", &bundle).await.status, 201);
    }
    let recorded = format!("SELECT name FROM blueprints WHERE platform = '{}'", platform.name());
    let records = Sql::connect("stonescriptdb-gateway").await;
    let mut own = records.column(&recorded).await;
    // They go after the answer.
    for _ in 0..300 {
        if own.len() <= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        own = records.column(&recorded).await;
    }
    assert!(own.len() <= 4, "the stored one and three more: {own:?}");
    let there = databases_named("stonescriptdb-blueprint").await;
    assert!(own.iter().all(|name| there.contains(name)));
    // No spelling of platform and tenant leads there.
    let digest = own[0].trim_start_matches("stonescriptdb-blueprint-");
    for (platform, tenant) in [("stonescriptdb-blueprint", digest), ("stonescriptdb", &format!("blueprint-{digest}"))] {
        let call = json!({"platform": platform, "tenant_id": tenant, "function": "n"});
        crate::support::call(call).await.refused(404, "database_not_found");
        let fields = [("tenant_id", tenant)];
        migrate_v1(platform, &small(), &fields).await.refused(404, "database_not_found");
    }
    assert_eq!(list(&platform, "databases", "databases").await.len(), 0);
    let admin = get(&format!("/admin/databases?platform={}", platform.name())).await;
    assert_eq!(admin.body["databases"], json!([]));
}
