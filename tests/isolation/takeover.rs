//! What the gateway of an earlier commit left, data folder and cluster, is the gateway's of today: called before anything
//! else, registered again without a change, and migrated. `tests/takeover/make.sh` packed it; each of its folders is one
//! commit, and each is tried.

mod left;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::place::{Place, Who};
use crate::web::Web;
use left::{Left, Step};

/// What today's release of every bundle has besides: a table, a column's worth of rows in it, a migration and a function; and
/// a table with a seeder, which runs no other seeder's statements again.
const RELEASE: &[(&str, &str)] = &[
    ("tables/taken_over_kind.sql", "CREATE TABLE taken_over_kind (kind text PRIMARY KEY);"),
    ("seeders/taken_over_kind.sql", "INSERT INTO taken_over_kind VALUES ('seeded');"),
    (
        "tables/taken_over.sql",
        "CREATE TABLE taken_over (id int PRIMARY KEY, by_whom text NOT NULL DEFAULT session_user);",
    ),
    ("migrations/990_taken_over.sql", "INSERT INTO taken_over (id) VALUES (1) ON CONFLICT DO NOTHING;"),
    (
        "functions/taken_over.sql",
        "CREATE FUNCTION taken_over() RETURNS text LANGUAGE sql AS $$ SELECT by_whom || ' ' || session_user FROM taken_over $$;",
    ),
];

/// Functions that only read, so that they answer today what they answered then.
const READERS: &[&str] =
    &["list_users", "todo_count", "list_notes", "who", "find_thing", "list_products", "list_plans", "hr.leave_left"];

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_commit_left_is_called_registered_again_and_migrated() {
    for commit in left::commits() {
        take_over(&Left::read(&commit)).await;
    }
}

async fn take_over(left: &Left) {
    let place = Place::new(Who::possible()[0]);
    left.restore(&place).await;
    let before = extensions(&place, left).await;
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    calls_answer_as_they_did(&web, left).await;
    same_bundles_change_nothing(&web, left).await;
    sums_are_todays(&place, left).await;
    other_line_ends_change_nothing(&web, left).await;
    the_next_release_reaches_every_database(&web, left).await;
    calls_answer_as_they_did(&web, left).await;
    stored_schemas_go_on(&web, left).await;
    assert_eq!(extensions(&place, left).await, before, "extensions stay where they are");
    everything_has_its_owner(&place).await;
    gateway.stop(nix::sys::signal::Signal::SIGTERM);
    // A second start finds what the first one made of it.
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    for (address, _) in left.databases() {
        assert_eq!(web.call_at(&address, "taken_over", json!([])).await.0, 200, "{address:?}");
    }
}

async fn calls_answer_as_they_did(web: &Web, left: &Left) {
    let mut last = BTreeMap::new();
    for step in left.steps.iter().filter(|step| step.path == "/call") {
        let function = step.body["function"].as_str().unwrap();
        if READERS.contains(&function) {
            last.insert(format!("{} {function}", left::address(&step.body)), step);
        }
    }
    assert!(last.len() >= 10, "{last:?}");
    for step in last.values() {
        let (status, body) = web.post("/call", step.body.clone()).await;
        assert_eq!((status, &body["rows"]), (200, &step.answer["rows"]), "{}: {body}", step.body);
    }
    let role = web.value("early", "who", json!([])).await;
    assert_eq!(role, "stonescriptdb-early", "a platform of the time without roles gets one");
}

async fn same_bundles_change_nothing(web: &Web, left: &Left) {
    let mut platforms = BTreeMap::new();
    for (address, bundle) in left.databases() {
        let fields: Vec<(&str, &str)> = address.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (status, body) = web.upload_archive("/register", &fields, left.bundle(&bundle)).await;
        assert_eq!(status, 200, "{address:?}: {body}");
        for count in
            ["migrations_applied", "extensions_installed", "types_deployed", "tables_created", "functions_deployed"]
        {
            assert_eq!(body[count], 0, "{count} of {address:?}: {body}");
        }
        assert_ne!(body["functions_unchanged"], 0, "{address:?}: {body}");
        platforms.insert(address["platform"].clone(), bundle);
    }
    for (platform, bundle) in platforms.iter().filter(|(platform, _)| *platform != "named") {
        let (status, body) = web.upload_archive("/migrate", &[("platform", platform)], left.bundle(bundle)).await;
        assert_eq!(status, 200, "{platform}: {body}");
        let databases = body["databases"].as_array().unwrap();
        assert!(
            !databases.is_empty() && databases.iter().all(|one| one["status"] == "unchanged"),
            "{platform}: {body}"
        );
    }
}

/// Sums of migrations were taken over their bytes once; whoever was registered again has today's.
async fn sums_are_todays(place: &Place, left: &Left) {
    let earlier = "SELECT count(*) FROM _stonescriptdb_gateway_migrations WHERE checksum !~ '^statements:'";
    let registered = left.steps.iter().filter(|step| step.path == "/register");
    for database in registered.filter_map(|step| step.answer["database"].as_str()) {
        let client = place.connect_to(database).await;
        assert_eq!(client.query_one(earlier, &[]).await.unwrap().get::<_, i64>(0), 0, "{database}");
    }
}

/// The same with other line ends.
async fn other_line_ends_change_nothing(web: &Web, left: &Left) {
    for (address, bundle) in left.databases() {
        let fields: Vec<(&str, &str)> = address.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let archive = left::with_line_ends(&left.bundle(&bundle));
        let (status, body) = web.upload_archive("/register", &fields, archive).await;
        assert_eq!((status, &body["migrations_applied"]), (200, &json!(0)), "{address:?}: {body}");
    }
}

async fn the_next_release_reaches_every_database(web: &Web, left: &Left) {
    let mut platforms = BTreeMap::new();
    for (address, bundle) in left.databases() {
        platforms.entry(address["platform"].clone()).or_insert((bundle, Vec::new())).1.push(address);
    }
    for (platform, (bundle, addresses)) in platforms {
        let archive = left::with_files(&left.bundle(&bundle), RELEASE);
        let dry = [("platform", platform.as_str()), ("dry_run", "true")];
        let (status, body) = web.upload_archive("/migrate", &dry, archive.clone()).await;
        assert_eq!((status, &body["status"]), (200, &json!("planned")), "{platform}: {body}");
        let (status, body) = web.upload_archive("/migrate", &dry[..1], archive).await;
        assert_eq!((status, &body["status"]), (200, &json!("completed")), "{platform}: {body}");
        let role = if platform == "named" {
            "named role".to_owned()
        } else {
            format!("stonescriptdb-{}", platform.replace('-', "_"))
        };
        for address in addresses {
            let (status, body) = web.call_at(&address, "taken_over", json!([])).await;
            assert_eq!(
                (status, &body["rows"][0]["taken_over"]),
                (200, &json!(format!("{role} {role}"))),
                "{address:?}: {body}"
            );
        }
        let (status, body) =
            web.post("/admin/create-tenant", json!({ "platform": platform, "tenant_id": "made-after" })).await;
        assert_eq!(status, 201, "{platform}: {body}");
    }
}

/// v2: uploading again, `/v2/migrate` with nothing and with something to do, a further database.
async fn stored_schemas_go_on(web: &Web, left: &Left) {
    let stored: Vec<&Step> = left.steps.iter().filter(|step| step.path.ends_with("/schema")).collect();
    assert!(!stored.is_empty());
    for step in stored {
        let schema = step.fields["schema_name"].as_str();
        let target = json!({ "platform": "stores", "schema_name": schema });
        let upload = async |archive| web.upload_archive(&step.path, &[("schema_name", schema)], archive).await;
        let bundle = left.bundle(step.bundle.as_deref().unwrap());
        let (status, body) = upload(bundle.clone()).await;
        assert_eq!((status, &body["checksum"]), (201, &step.answer["checksum"]), "{schema}: {body}");
        let (status, body) = web.post("/v2/migrate", target.clone()).await;
        assert_eq!(status, 200, "{schema}: {body}");
        let unchanged =
            |body: &Value| body["databases"].as_array().unwrap().iter().all(|one| one["status"] == "unchanged");
        assert!(unchanged(&body), "{schema}: {body}");
        let create = json!({ "platform": "stores", "schema_name": schema, "database_id": "Made-After" });
        let (status, body) = web.post("/database/create", create).await;
        assert_eq!(status, 201, "{schema}: {body}");

        let (status, body) = upload(left::with_files(&bundle, RELEASE)).await;
        assert_eq!(status, 201, "{schema}: {body}");
        let (status, body) = web.post("/v2/migrate", target).await;
        assert_eq!((status, unchanged(&body)), (200, false), "{schema}: {body}");
        for id in left.stored_databases(schema).into_iter().chain(["Made-After"]) {
            let call =
                json!({ "platform": "stores", "schema_name": schema, "database_id": id, "function": "taken_over" });
            let (status, body) = web.post("/call", call).await;
            let expected = json!("stonescriptdb-stores stonescriptdb-stores");
            assert_eq!((status, &body["rows"][0]["taken_over"]), (200, &expected), "{schema} {id}: {body}");
        }
    }
}

/// Each database's extensions with their schemas.
async fn extensions(place: &Place, left: &Left) -> BTreeMap<String, String> {
    let running = place.postmaster().is_some();
    let server = if running { None } else { Some(left::start_server(place).await) };
    let mut found = BTreeMap::new();
    for database in left.database_names() {
        let client = place.connect_to(&database).await;
        let row = client
            .query_one("SELECT string_agg(extname || ' in ' || extnamespace::regnamespace, ', ' ORDER BY extname) FROM pg_extension", &[])
            .await
            .unwrap();
        found.insert(database, row.get(0));
    }
    if let Some(server) = server {
        server.stop().await.unwrap();
    }
    found
}

/// Databases belong to their platforms, blueprints to the gateway, and nobody else gets in.
async fn everything_has_its_owner(place: &Place) {
    let client = place.connect().await;
    // Those that nobody uses any more are taken back after the start, in their turn.
    let unsealed = "SELECT count(*) FROM pg_database WHERE datname LIKE 'stonescriptdb-blueprint-%'
                    AND (datallowconn OR pg_get_userbyid(datdba) <> current_user)";
    for _ in 0..100 {
        if client.query_one(unsealed, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let rows = client
        .query(
            "SELECT datname::text, pg_get_userbyid(datdba)::text, datallowconn, has_database_privilege('public', oid, 'CONNECT')
             FROM pg_database WHERE datname NOT IN ('template0', 'stonescriptdb-gateway') ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    for row in rows {
        let (name, owner, open, public): (String, String, bool, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        // A blueprint of the time without roles is closed to everybody by being closed.
        if name.starts_with("stonescriptdb-blueprint-") {
            assert_eq!((owner.as_str(), open), ("stonescriptdb", false), "{name}");
            continue;
        }
        assert!(!public, "{name} is open to everybody");
        if !["postgres", "template1"].contains(&name.as_str()) {
            assert_ne!(owner, "stonescriptdb", "{name}");
        }
    }
}
