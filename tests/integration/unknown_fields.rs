//! Ids under other names, and fields that nobody knows (contract §6, "Ids in JSON bodies"): none of them widens a request.

use serde_json::{Value, json};

use crate::support::platform::upload;
use crate::support::{Answer, BundleBuilder, Platform, bundle, call, post_bytes, post_json};

fn one_function(answer: u8) -> BundleBuilder {
    bundle().file("functions/f.sql", format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT {answer}';"))
}

async fn stored(ids: &[&str]) -> Platform {
    let platform = Platform::new();
    status(&post_json("/platform/register", json!({"platform": platform.name()})).await, 201);
    store(&platform, 1).await;
    for id in ids {
        status(&post_json("/database/create", with(&platform, json!({"database_id": id}))).await, 201);
    }
    platform
}

async fn store(platform: &Platform, answer: u8) {
    let path = format!("/platform/{}/schema", platform.name());
    status(&upload(&path, &[("schema_name", "s")], "schema", one_function(answer).tar_gz()).await, 201);
}

async fn answer_of(platform: &Platform, id: &str) -> Value {
    let answer = call(with(platform, json!({"uuid": id, "function": "f"}))).await;
    status(&answer, 200).body["rows"][0]["f"].clone()
}

fn status(answer: &Answer, expected: u16) -> &Answer {
    assert_eq!(answer.status, expected, "{answer}");
    answer
}

fn with(platform: &Platform, more: Value) -> Value {
    let mut body = json!({"platform": platform.name(), "schema_name": "s"});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

#[tokio::test]
async fn uuid_means_database_id_at_every_endpoint() {
    let platform = stored(&["t1", "t2"]).await;
    for path in ["/database/create", "/admin/database/create"] {
        let id = path.replace('/', "");
        status(&post_json(path, with(&platform, json!({"uuid": id}))).await, 201);
        let differ = post_json(path, with(&platform, json!({"uuid": "x", "database_id": "X"}))).await;
        status(&differ, 400).says("say different things");
    }
    store(&platform, 2).await;
    let migrated = post_json("/v2/migrate", with(&platform, json!({"uuid": "t1"}))).await;
    assert_eq!(status(&migrated, 200).body["databases"].as_array().map(Vec::len), Some(1));
    assert_eq!((answer_of(&platform, "t1").await, answer_of(&platform, "t2").await), (json!(2), json!(1)));
}

#[tokio::test]
async fn without_an_id_the_administrator_makes_main_and_others_are_asked_for_one() {
    let platform = stored(&[]).await;
    for nothing in [json!({}), json!({"uuid": null}), json!({"database_id": "", "uuid": ""})] {
        let refused = post_json("/database/create", with(&platform, nothing)).await;
        status(&refused, 400).says("database_id is missing");
    }
    let made = post_json("/admin/database/create", with(&platform, json!({"database_id": null}))).await;
    assert_eq!(status(&made, 201).body["database_id"], "main");
}

#[tokio::test]
async fn an_unknown_field_that_says_something_widens_no_migration() {
    let platform = stored(&["t1", "t2"]).await;
    store(&platform, 2).await;
    for says in [json!("t1"), json!(true), json!(0), json!(["t1"]), json!({"a": 1}), json!("null")] {
        let refused = post_json("/v2/migrate", with(&platform, json!({"tenant": says}))).await;
        status(&refused, 400).says("\"tenant\"").says("database_id, uuid");
    }
    assert_eq!((answer_of(&platform, "t1").await, answer_of(&platform, "t2").await), (json!(1), json!(1)));
    let silent = json!({"tenant": null, "a": "", "b": false, "c": [], "d": {}});
    status(&post_json("/v2/migrate", with(&platform, silent)).await, 200);
    assert_eq!((answer_of(&platform, "t1").await, answer_of(&platform, "t2").await), (json!(2), json!(2)));
}

#[tokio::test]
async fn an_id_that_is_passed_over_widens_no_migration() {
    let platform = stored(&["t1", "t2"]).await;
    store(&platform, 2).await;
    let query = post_json("/v2/migrate?database_id=t1", with(&platform, json!({}))).await;
    status(&query, 400).says("send the fields in the body");
    let twice = format!(r#"{{"platform":"{}","schema_name":"s","uuid":"t1","uuid":null}}"#, platform.name());
    status(&post_bytes("/v2/migrate", twice).await, 400).says("\"uuid\" is there twice");
    assert_eq!((answer_of(&platform, "t1").await, answer_of(&platform, "t2").await), (json!(1), json!(1)));
    let marked = format!("\u{feff}{}", with(&platform, json!({"uuid": "t1"})));
    status(&post_bytes("/v2/migrate", marked).await, 200);
    assert_eq!((answer_of(&platform, "t1").await, answer_of(&platform, "t2").await), (json!(2), json!(1)));
}

#[tokio::test]
async fn an_unknown_part_of_a_form_widens_no_migration() {
    let platform = Platform::new();
    platform.register(&one_function(1)).await.ready();
    for part in [("tenant", "t1"), ("uuid", "t1"), ("Tenant_id", "t1"), ("tenantid", "0"), ("x", "true"), ("x", " ")] {
        let refused = platform.migrate(&one_function(2), &[part]).await;
        status(&refused, 400).says(part.0).says("tenant_id");
    }
    for nothing in ["", "null", "false", "[]", "{}"] {
        status(&platform.migrate(&one_function(2), &[("tenant", nothing)]).await, 200);
    }
}

#[tokio::test]
async fn every_answer_of_a_change_has_warnings() {
    let platform = stored(&[]).await;
    let tenant = json!({"platform": platform.name(), "tenant_id": "t"});
    let answers = [
        post_json("/admin/create-tenant", tenant).await,
        post_json("/database/create", with(&platform, json!({"uuid": "a"}))).await,
        post_json("/v2/migrate", with(&platform, json!({}))).await,
        platform.register(&one_function(1)).await,
        platform.migrate(&one_function(1), &[("dry_run", "true")]).await,
    ];
    for answer in answers {
        assert!(answer.status < 300 && answer.body["warnings"].is_array(), "{answer}");
    }
}
