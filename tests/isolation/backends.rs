//! A gateway that is no superuser ends the backends of platforms' roles, also of one that has thrown it out.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use crate::place::{Place, Who};
use crate::web::Web;

const STAY: (&str, &str) = (
    "functions/stay.sql",
    "CREATE FUNCTION stay() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('client_connection_check_interval', '0', false);
        LOOP BEGIN PERFORM pg_sleep(0.2); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
    END $$;",
);

async fn leaves_nothing(client: &Client, role: &str) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state = 'active'";
    let since = Instant::now();
    while client.query_one(sql, &[&role]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "a backend of {role} stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backend_stays_though_the_gateway_is_no_superuser() {
    let place = Place::new(Who::possible()[0]);
    let folder = tempfile::Builder::new().prefix("ssdb-external-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = embedded::start(EmbeddedOptions {
        bin_dir: std::env::var_os("PG_BIN_DIR").map(PathBuf::from),
        die_with_parent: true,
        ..EmbeddedOptions::new(folder.path().join("server"))
    })
    .await
    .unwrap();
    let (client, connection) = server.connection().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("CREATE ROLE gw LOGIN CREATEDB CREATEROLE PASSWORD 'gw-password'").await.unwrap();
    let Some(Host::Unix(socket)) = server.connection().get_hosts().first() else { panic!("a socket") };
    let port = server.connection().get_ports().first().map_or_else(|| "5432".to_owned(), u16::to_string);
    let settings = [
        ("DB_HOST", socket.to_str().unwrap()),
        ("DB_PORT", &port),
        ("DB_USER", "gw"),
        ("DB_PASSWORD", "gw-password"),
        ("DB_NAME", "postgres"),
        ("PLATFORM_ROLES", "auto"),
        ("CALL_TIMEOUT_SECS", "1"),
    ];
    let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await.unwrap();
    let version: i32 = version.get(0);
    let gateway = place.start(&settings);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let named = json!({ "platform": "b", "db_user": "named", "db_password": "named-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    for (platform, role) in [("a", "stonescriptdb-a"), ("b", "named")] {
        web.register(platform, &[STAY]).await;
        let request = json!({ "platform": platform, "function": "stay" });
        assert_eq!(web.post("/call", request.clone()).await.0, 504);
        leaves_nothing(&client, role).await;
        // What somebody at the server may do, and before PostgreSQL 15 the platform's own code.
        let inherit = if version >= 160_000 { "INHERIT OPTION FOR" } else { "" };
        let by = if version >= 160_000 { "GRANTED BY gw" } else { "" };
        client.batch_execute(&format!("REVOKE {inherit} \"{role}\" FROM gw {by}")).await.unwrap();
        let member = "SELECT pg_has_role('gw', $1, 'USAGE')";
        assert!(!client.query_one(member, &[&role]).await.unwrap().get::<_, bool>(0));
        assert_eq!(web.post("/call", request).await.0, 504);
        leaves_nothing(&client, role).await;
    }
    drop(gateway);
    server.stop().await.unwrap();
}
