//! What a platform's code can do to the gateway's tables in its own database: harm that database's deployments, with words,
//! and gain nothing.

use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;

const RUN: (&str, &str) = (
    "functions/run.sql",
    "CREATE FUNCTION run(p_sql text) RETURNS text LANGUAGE plpgsql AS $$
     BEGIN EXECUTE p_sql; RETURN current_user; END $$;",
);

const NEXT: (&str, &str) = ("migrations/1.sql", "SELECT 1;");

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_alters_the_tracking_tables_stops_its_own_deployments_alone() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("b", &[RUN]).await;
    for (platform, alteration) in [
        ("a1", "ALTER TABLE {migrations} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"),
        ("a2", "REVOKE ALL ON {migrations} FROM CURRENT_USER"),
        ("a3", "ALTER TABLE {migrations} DROP COLUMN checksum"),
        ("a4", "ALTER TABLE {migrations} SET SCHEMA pg_temp"),
        ("a5", "CREATE RULE r AS ON INSERT TO {migrations} DO INSTEAD SELECT pg_read_file('/etc/passwd')"),
        (
            "a6",
            "CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS $f$
             BEGIN EXECUTE 'ALTER ROLE \"stonescriptdb-a6\" SUPERUSER'; RETURN NULL; END $f$;
             CREATE TRIGGER up AFTER INSERT ON {migrations} EXECUTE FUNCTION up()",
        ),
        ("a7", "DROP TABLE {migrations}; CREATE FUNCTION m() RETURNS TABLE (migration_file text, checksum text) LANGUAGE plpgsql AS
                $f$ BEGIN EXECUTE 'ALTER ROLE \"stonescriptdb-a7\" SUPERUSER'; END $f$;
                CREATE VIEW {migrations} AS SELECT * FROM m()"),
    ] {
        web.register(platform, &[RUN]).await;
        let sql = alteration.replace("{migrations}", "public._stonescriptdb_gateway_migrations");
        let (status, body) = web.call(platform, "run", json!([sql])).await;
        if status != 200 {
            // What PostgreSQL refuses the role is no danger.
            assert_eq!(platform, "a4", "{body}");
            continue;
        }
        let (status, body) = web.upload("/register", &[("platform", platform)], &[RUN, NEXT]).await;
        assert_eq!((status, &body["error"]), (409, &json!("migration_failed")), "{platform}: {body}");
        assert_eq!(body["table"], "public._stonescriptdb_gateway_migrations", "{platform}: {body}");
        assert!(body["hint"].as_str().is_some_and(|hint| hint.starts_with("put it back")), "{platform}: {body}");
        // Calls go on, and so does everybody else.
        assert_eq!(web.call(platform, "run", json!(["SELECT 1"])).await.0, 200);
        let client = place.connect().await;
        let supers = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper AND rolname LIKE 'stonescriptdb-%'";
        assert_eq!(client.query_one(supers, &[]).await.unwrap().get::<_, Option<String>>(0), None);
    }
    let (status, body) = web.upload("/register", &[("platform", "b")], &[RUN, NEXT]).await;
    assert_eq!(status, 200, "{body}");
    a_database_that_its_owner_shuts_is_told_of_and_costs_nobody_a_connection(&place, &web).await;
}

/// PostgreSQL has one code for a full database and a full server; only for the latter what others leave idle gives way.
async fn a_database_that_its_owner_shuts_is_told_of_and_costs_nobody_a_connection(place: &Place, web: &Web) {
    web.register("owner", &[RUN]).await;
    assert_eq!(web.call("b", "run", json!(["SELECT 1"])).await.0, 200);
    let client = place.connect().await;
    let sessions = async || -> Vec<i32> {
        let of_b = "SELECT pid FROM pg_stat_activity WHERE usename = 'stonescriptdb-b' ORDER BY pid";
        client.query(of_b, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let before = sessions().await;
    assert!(!before.is_empty());
    for (tenant, shut) in [("full", "CONNECTION LIMIT 0"), ("closed", "ALLOW_CONNECTIONS false")] {
        let (status, body) =
            web.post("/admin/create-tenant", json!({ "platform": "owner", "tenant_id": tenant })).await;
        assert_eq!(status, 201, "{body}");
        let sql = format!("ALTER DATABASE owner_{tenant} {shut}");
        assert_eq!(web.call("owner", "run", json!([sql])).await.0, 200);
        let call = json!({ "platform": "owner", "tenant_id": tenant, "function": "run", "params": ["SELECT 1"] });
        let (status, body) = web.post("/call", call).await;
        assert_eq!((status, &body["error"]), (503, &json!("connection_failed")), "{body}");
        assert!(body["message"].as_str().unwrap().contains("ALTER DATABASE"), "{body}");
        let of_tenant = [("platform", "owner"), ("tenant_id", tenant)];
        let (status, body) = web.upload("/register", &of_tenant, &[RUN]).await;
        assert_eq!((status, &body["error"]), (503, &json!("connection_failed")), "{body}");
    }
    assert_eq!(sessions().await, before);
}
