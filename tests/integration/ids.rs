//! The ids decide, not the name that they read (contract §2): a database is reached by the kind and the ids of its record,
//! as they were written, at every endpoint, also when the gateway knows the database from calls before.

use serde_json::{Value, json};

use self::Ids::{Main, Stored, Tenant};
use crate::support::platform::upload;
use crate::support::{Answer, BundleBuilder, Platform, bundle, call, get, post_json};

/// What a request names a database by.
#[derive(Clone, Copy, Debug)]
enum Ids {
    Main,
    Tenant(&'static str),
    Stored(&'static str, &'static str),
}

/// A database, and other ids that make the same name.
const SAME_NAME: &[(Ids, &[Ids])] = &[
    (Main, &[Tenant("main"), Tenant("Main"), Tenant("MAIN")]),
    (Tenant("main"), &[Main, Tenant("Main")]),
    (Tenant("a-b"), &[Tenant("a_b"), Tenant("A-B"), Stored("a", "b")]),
    (Tenant("org1"), &[Tenant("Org1"), Tenant("ORG1")]),
    (Tenant("x_y_z"), &[Stored("x", "y_z"), Stored("x_y", "z"), Tenant("x-y-z")]),
    (
        Stored("retail", "eu_17"),
        &[
            Stored("retail_eu", "17"),
            Stored("Retail", "eu_17"),
            Stored("retail", "EU_17"),
            Stored("retail", "eu-17"),
            Tenant("retail_eu_17"),
            Tenant("retail-eu-17"),
        ],
    ),
    (Stored("shop", "One"), &[Stored("shop", "one"), Stored("shop", "ONE"), Tenant("shop_One")]),
];

/// A database, and ids without a database that only read like its id.
const SAME_ID: &[(Ids, &[Ids])] = &[
    (Stored("shop", "One"), &[Tenant("one"), Tenant("ONE")]),
    (Stored("shop", "org_1"), &[Tenant("Org-1"), Tenant("org-1"), Tenant("ORG_1")]),
    (Stored("shop", "Main"), &[Main, Tenant("main")]),
];

impl Ids {
    fn with(self, platform: &Platform, more: Value) -> Value {
        let mut body = json!({"platform": platform.name()});
        let ids = match self {
            Main => json!({}),
            Tenant(tenant) => json!({"tenant_id": tenant}),
            Stored(schema, database) => json!({"schema_name": schema, "database_id": database}),
        };
        for fields in [ids, more] {
            body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        }
        body
    }

    /// As messages give them to send.
    fn sentence(self) -> String {
        match self {
            Main => "the main database, without tenant_id".to_owned(),
            Tenant(tenant) => format!("tenant_id {tenant:?}"),
            Stored(schema, database) => format!("schema_name {schema:?}, database_id {database:?}"),
        }
    }

    async fn call(self, platform: &Platform) -> Answer {
        call(self.with(platform, json!({"function": "where_am_i"}))).await
    }

    /// Every endpoint that makes a database by such ids.
    async fn create_everywhere(self, platform: &Platform) -> Vec<Answer> {
        match self {
            Main => vec![platform.register(&small()).await],
            Tenant(tenant) => vec![
                crate::support::register(platform.name(), Some(tenant), &small()).await,
                post_json("/admin/create-tenant", self.with(platform, json!({}))).await,
            ],
            Stored(..) => vec![
                post_json("/database/create", self.with(platform, json!({}))).await,
                post_json("/admin/database/create", self.with(platform, json!({}))).await,
            ],
        }
    }

    /// The endpoint that brings a database of such ids to a bundle; without an id it means all.
    async fn migrate(self, platform: &Platform) -> Option<Answer> {
        match self {
            Main => None,
            Tenant(tenant) => Some(platform.migrate(&small(), &[("tenant_id", tenant)]).await),
            Stored(..) => Some(post_json("/v2/migrate", self.with(platform, json!({}))).await),
        }
    }
}

fn small() -> BundleBuilder {
    bundle().file(
        "functions/where.sql",
        "CREATE FUNCTION where_am_i() RETURNS text LANGUAGE sql AS $$ SELECT current_database()::text $$;",
    )
}

async fn store(platform: &Platform, schema: &str) {
    let path = format!("/platform/{}/schema", platform.name());
    let stored = upload(&path, &[("schema_name", schema)], "schema", small().tar_gz()).await;
    assert_eq!(stored.status, 201, "{stored}");
}

/// A platform with this database and no other, and with the schemas that `others` name.
async fn with(recorded: Ids, others: &[Ids]) -> Platform {
    let platform = Platform::new();
    let registered = post_json("/platform/register", json!({"platform": platform.name()})).await;
    assert_eq!(registered.status, 201, "{registered}");
    let mut schemas = std::collections::BTreeMap::new();
    for ids in [recorded].iter().chain(others) {
        if let Stored(schema, _) = ids {
            // The first spelling is the one that is stored.
            schemas.entry(schema.to_lowercase()).or_insert(*schema);
        }
    }
    for schema in schemas.values() {
        store(&platform, schema).await;
    }
    let made = recorded.create_everywhere(&platform).await;
    assert!([200, 201].contains(&made[0].status), "{recorded:?}: {}", made[0]);
    platform
}

async fn reached(ids: Ids, platform: &Platform, database: &Value) {
    let answer = ids.call(platform).await;
    assert_eq!(&answer.body["rows"][0]["where_am_i"], database, "{ids:?}: {answer}");
}

/// The name under which the platform's only database is listed.
async fn only_database(platform: &Platform) -> Value {
    let list = get(&format!("/admin/databases?platform={}", platform.name())).await;
    assert_eq!(list.count("count"), 1, "{list}");
    list.body["databases"][0]["name"].clone()
}

#[tokio::test]
async fn no_other_ids_reach_a_database_at_any_endpoint() {
    for (recorded, others) in SAME_NAME {
        let platform = with(*recorded, others).await;
        let database = only_database(&platform).await;
        let sentence = recorded.sentence();
        // Cold, when the gateway has never heard of the database; then when it has it at hand; then after lists.
        for round in ["cold", "warm", "listed"] {
            for other in *others {
                let called = other.call(&platform).await;
                called.refused(404, "database_not_found").says(&sentence);
                assert_eq!(called.status, 404, "{round} {recorded:?} {other:?}");
                if let Some(migrated) = other.migrate(&platform).await {
                    migrated.refused(404, "database_not_found").says(&sentence);
                }
                for created in other.create_everywhere(&platform).await {
                    assert_eq!((created.status, created.text("error")), (400, "invalid_request"), "{created}");
                    if !matches!((recorded, other), (Stored(one, _), Stored(other, _)) if one != other) {
                        created.says(&sentence);
                    }
                }
            }
            reached(*recorded, &platform, &database).await;
            if round == "warm" {
                let path = format!("/platform/{}/databases", platform.name());
                assert_eq!(get(&path).await.count("count"), 1);
                assert_eq!(only_database(&platform).await, database);
            }
        }
        if let Some(migrated) = recorded.migrate(&platform).await {
            assert_eq!(migrated.status, 200, "{migrated}");
        }
        reached(*recorded, &platform, &database).await;
    }
}

#[tokio::test]
async fn a_tenant_id_that_reads_like_an_id_of_v2_is_told_how_that_is_written() {
    for (recorded, others) in SAME_ID {
        let platform = with(*recorded, &[]).await;
        let database = only_database(&platform).await;
        let Stored(_, id) = *recorded else { panic!("of v2") };
        for _ in ["cold", "warm"] {
            for other in *others {
                let called = other.call(&platform).await;
                called.refused(404, "database_not_found").says(&recorded.sentence());
            }
            reached(*recorded, &platform, &database).await;
            reached(Tenant(id), &platform, &database).await;
        }
    }
}

#[tokio::test]
async fn an_id_that_two_spellings_have_leads_to_the_one_that_is_written_so() {
    let platform = with(Stored("shop", "one"), &[Stored("desk", "One")]).await;
    let made = post_json("/database/create", Stored("desk", "One").with(&platform, json!({}))).await;
    assert_eq!(made.status, 201, "{made}");
    for _ in ["cold", "warm"] {
        reached(Tenant("one"), &platform, &json!(format!("{}_shop_one", platform.name()))).await;
        reached(Tenant("One"), &platform, &json!(format!("{}_desk_one", platform.name()))).await;
        Tenant("ONE").call(&platform).await.refused(404, "database_not_found").says("\"one\"").says("\"One\"");
    }
    // A second one of the very id, just after the first was called by it.
    let path = format!("/platform/{}/schema", platform.name());
    upload(&path, &[("schema_name", "crm")], "schema", small().tar_gz()).await;
    let made = post_json("/database/create", Stored("crm", "one").with(&platform, json!({}))).await;
    assert_eq!(made.status, 201, "{made}");
    let two = Tenant("one").call(&platform).await;
    two.refused(400, "invalid_request").says("shop_one").says("crm_one");
    // A tenant of its own comes first.
    crate::support::register(platform.name(), Some("one"), &small()).await.ready();
    reached(Tenant("one"), &platform, &json!(platform.database("one"))).await;
}

#[tokio::test]
async fn an_id_of_v2_leads_to_its_database_though_another_one_has_the_name() {
    let platform = with(Stored("shop", "x_y"), &[Stored("x", "y")]).await;
    let made = post_json("/database/create", Stored("x", "y").with(&platform, json!({}))).await;
    assert_eq!(made.status, 201, "{made}");
    for _ in ["cold", "warm"] {
        // `x_y` reads like the name of schema x's database y, which it must not reach.
        reached(Tenant("x_y"), &platform, &json!(format!("{}_shop_x_y", platform.name()))).await;
        reached(Stored("x", "y"), &platform, &json!(format!("{}_x_y", platform.name()))).await;
    }
}

#[tokio::test]
async fn a_schema_written_otherwise_is_not_that_schema() {
    let platform = with(Stored("retail", "one"), &[]).await;
    let create = Stored("Retail", "two").create_everywhere(&platform).await;
    for answer in create {
        answer.refused(400, "invalid_request").says("retail");
    }
    let migrated = post_json("/v2/migrate", json!({"platform": platform.name(), "schema_name": "Retail"})).await;
    migrated.refused(404, "schema_not_found").says("retail");
    let migrated = post_json("/v2/migrate", json!({"platform": platform.name(), "schema_name": "retail"})).await;
    assert_eq!((migrated.status, migrated.body["databases_updated"].as_array().map(Vec::len)), (200, Some(1)));
}

#[tokio::test]
async fn no_ids_reach_what_is_the_gateways_own() {
    for (platform, ids) in [
        ("stonescriptdb", Tenant("gateway")),
        ("stonescriptdb-gateway", Main),
        ("StoneScriptDB", Tenant("Gateway")),
        ("stonescriptdb", Stored("blueprint", "0")),
        ("stonescriptdb-blueprint", Tenant("0")),
        ("postgres", Main),
        ("template1", Main),
    ] {
        let mut body = json!({"platform": platform, "function": "where_am_i"});
        match ids {
            Main => {}
            Tenant(tenant) => body["tenant_id"] = json!(tenant),
            Stored(schema, database) => {
                body["schema_name"] = json!(schema);
                body["database_id"] = json!(database);
            }
        }
        call(body).await.refused(404, "database_not_found");
    }
}
