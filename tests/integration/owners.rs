//! Which database, and whose: names, owners, spellings, and clients that come at the same moment.

use serde_json::json;

use crate::support::catalog::{assert_same, in_words};
use crate::support::platform::{archive_part, register_at_once, send_form};
use crate::support::sql::databases_named;
use crate::support::{
    BundleBuilder, Platform, Sql, bundle, call, check_deploys_and_is_stable, get, post_json, register,
};

fn small() -> BundleBuilder {
    bundle()
        .file("tables/notes.sql", "CREATE TABLE notes (id int PRIMARY KEY, body text DEFAULT first_words());")
        .file(
            "functions/first_words.sql",
            "CREATE FUNCTION first_words() RETURNS text LANGUAGE sql AS $$ SELECT current_database()::text $$;",
        )
        .file("seeders/notes.sql", "INSERT INTO notes (id) VALUES (1), (2);")
}

#[tokio::test]
async fn eight_clients_with_the_same_new_database_end_with_one_and_eight_200s() {
    let platform = Platform::new();
    let answers = register_at_once(&[(platform.name(), None); 8], &small()).await;
    let mut created = 0;
    for answer in &answers {
        answer.ready();
        created += answer.count("tables_created");
    }
    assert_eq!(created, 1, "{answers:?}");
    assert_eq!(databases_named(&format!("{}_", platform.name())).await, [platform.main()]);
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT count(*) FROM notes").await, "2");
    assert_eq!(sql.value("SELECT count(*) FROM _stonescriptdb_gateway_functions").await, "1");
}

#[tokio::test]
async fn eight_tenants_of_a_new_bundle_at_once_are_all_made_and_equal() {
    let platform = Platform::new();
    let tenants = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let requests = tenants.map(|tenant| (platform.name(), Some(tenant)));
    for answer in register_at_once(&requests, &small()).await {
        answer.ready().counts(&[("tables_created", 1), ("functions_deployed", 1)]);
    }
    let first = in_words(&platform.database("a")).await;
    for tenant in tenants {
        assert_same(tenant, &first, &in_words(&platform.database(tenant)).await);
    }
}

#[tokio::test]
async fn a_new_version_sent_by_eight_clients_at_once_is_applied_once() {
    let platform = Platform::new();
    platform.register(&small()).await.ready();
    let next = small().file("migrations/001.sql", "UPDATE notes SET body = body || '!';");
    let answers = register_at_once(&[(platform.name(), None); 8], &next).await;
    let applied: u64 = answers.iter().map(|answer| answer.ready().count("migrations_applied")).sum();
    assert_eq!(applied, 1, "{answers:?}");
    let once = "SELECT count(*) FROM notes WHERE body LIKE '%!' AND body NOT LIKE '%!!'";
    assert_eq!(platform.sql().await.value(once).await, "2");
}

#[tokio::test]
async fn the_first_platform_to_ask_owns_a_name_that_two_would_have() {
    let platform = Platform::new();
    let (mine, theirs) = (platform.name().to_owned(), format!("{}_app", platform.name()));
    let made = register(&mine, Some("app_main"), &small()).await;
    assert_eq!(made.ready().text("database"), format!("{theirs}_main"), "{made}");
    let refused = register(&theirs, None, &small()).await;
    refused.refused(403, "platform_isolation_violation");
    let called = call(json!({"platform": theirs, "function": "first_words"})).await;
    called.refused(403, "platform_isolation_violation");
    let own = call(json!({"platform": mine, "tenant_id": "app_main", "function": "first_words"})).await;
    assert_eq!(own.status, 200, "{own}");
    let tenant = post_json("/admin/create-tenant", json!({"platform": theirs, "tenant_id": "main"})).await;
    assert!([400, 403].contains(&tenant.status), "{tenant}");

    // The one that is refused still has databases of its own, and each sees only what it owns.
    register(&theirs, Some("one"), &small()).await.ready();
    let of = async |platform: &str| {
        let answer = get(&format!("/admin/databases?platform={platform}")).await;
        let list = answer.body["databases"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        list.iter().filter_map(|database| database["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(of(&mine).await, [format!("{theirs}_main")]);
    assert_eq!(of(&theirs).await, [format!("{theirs}_one")]);
}

#[tokio::test]
async fn a_platform_written_differently_is_the_same_platform() {
    let platform = Platform::new();
    let spelled = |name: &str| format!("{}{name}", platform.name());
    register(&spelled("-My-App"), None, &small()).await.ready();
    let again = register(&spelled("_my_app"), None, &small()).await;
    assert_eq!(again.ready().text("database"), spelled("_my_app_main"), "{again}");
    again.counts(&[("tables_created", 0), ("functions_unchanged", 1)]);
    let called = call(json!({"platform": spelled("_MY-app"), "function": "first_words"})).await;
    assert_eq!(called.body["rows"][0]["first_words"], json!(spelled("_my_app_main")), "{called}");
}

#[tokio::test]
async fn a_tenant_written_differently_is_refused() {
    let platform = Platform::new();
    register(platform.name(), Some("a-b"), &small()).await.ready();
    register(platform.name(), Some("a_b"), &small()).await.refused(400, "invalid_request").says("a-b");
    register(platform.name(), Some("A-B"), &small()).await.refused(400, "invalid_request");
    let made = post_json("/admin/create-tenant", json!({"platform": platform.name(), "tenant_id": "a_b"})).await;
    made.refused(400, "invalid_request");
    register(platform.name(), Some("a-b"), &small()).await.ready();
    assert_eq!(databases_named(&format!("{}_", platform.name())).await, [platform.database("a_b")]);
}

#[tokio::test]
async fn an_empty_or_null_tenant_is_the_main_database() {
    let platform = Platform::new();
    for tenant in [None, Some(""), Some("null")] {
        let answer = register(platform.name(), tenant, &small()).await;
        assert_eq!(answer.ready().text("database"), platform.main(), "{answer}");
    }
    let called = call(json!({"platform": platform.name(), "tenant_id": null, "function": "first_words"})).await;
    assert_eq!(called.body["rows"][0]["first_words"], json!(platform.main()), "{called}");
}

#[tokio::test]
async fn ids_with_other_characters_or_too_many_are_refused_and_nothing_is_made() {
    let platform = Platform::new();
    let long = "x".repeat(63);
    for tenant in ["a b", "a/b", "../x", "a.b", "ä", "a;b", "a\"b", "a'b", "a\0b", " ", "%2e", "a\nb", long.as_str()] {
        let answer = register(platform.name(), Some(tenant), &small()).await;
        assert_eq!((answer.status, answer.text("error")), (400, "invalid_request"), "{tenant:?}: {answer}");
    }
    for name in ["", "a b", "../x", "template1;--", "ß", long.as_str()] {
        let form = reqwest::multipart::Form::new().text("platform", name.to_owned());
        let answer = send_form(form.part("schema", archive_part(small().tar_gz()))).await;
        assert_eq!((answer.status, answer.text("error")), (400, "invalid_request"), "{name:?}: {answer}");
    }
    assert_eq!(databases_named(&format!("{}_", platform.name())).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_name_of_63_bytes_is_taken_whole() {
    let platform = Platform::new();
    let tenant = "x".repeat(63 - platform.name().len() - 1);
    let answer = register(platform.name(), Some(&tenant), &small()).await;
    assert_eq!(answer.ready().text("database"), platform.database(&tenant), "{answer}");
    let longer = format!("{tenant}y");
    register(platform.name(), Some(&longer), &small()).await.refused(400, "invalid_request").says("63");
}

#[tokio::test]
async fn the_servers_and_the_gateways_own_databases_are_out_of_reach() {
    for (platform, tenant) in
        [("postgres", None), ("template1", None), ("stonescriptdb-gateway", None), ("stonescriptdb", Some("gateway"))]
    {
        let answer = call(json!({"platform": platform, "tenant_id": tenant, "function": "first_words"})).await;
        answer.refused(404, "database_not_found");
    }
}

#[tokio::test]
async fn a_database_made_by_hand_belongs_to_the_first_that_registers_it() {
    let platform = Platform::new();
    let theirs = format!("{}_app", platform.name());
    Sql::connect("postgres").await.run(&format!("CREATE DATABASE {theirs}_main")).await;
    register(&theirs, None, &small()).await.ready();
    register(platform.name(), Some("app_main"), &small()).await.refused(403, "platform_isolation_violation");
}

#[tokio::test]
async fn a_database_that_was_dropped_by_hand_is_made_again() {
    let platform = Platform::new();
    check_deploys_and_is_stable(&platform, &small()).await;
    assert_eq!(platform.value_of("first_words", json!([])).await, json!(platform.main()));
    Sql::connect("postgres").await.run(&format!("DROP DATABASE {} WITH (FORCE)", platform.main())).await;
    platform.register(&small()).await.ready().counts(&[("tables_created", 1), ("functions_deployed", 1)]);
    assert_eq!(platform.value_of("first_words", json!([])).await, json!(platform.main()));
}
