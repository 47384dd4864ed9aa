//! `PLATFORM_ROLES=auto` with a gateway that may make roles and databases, and is no superuser: what it puts right.

use std::path::PathBuf;

use serde_json::json;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions, EmbeddedPostgres};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use crate::place::{Place, Who};
use crate::web::Web;

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

/// A server that is not the gateway's own, with a role `gw` for the gateway; a superuser's connection, and the gateway's
/// settings.
async fn server(folder: &tempfile::TempDir) -> (EmbeddedPostgres, Client, Vec<(&'static str, String)>) {
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
    let settings = vec![
        ("DB_HOST", socket.to_str().unwrap().to_owned()),
        ("DB_PORT", port),
        ("DB_USER", "gw".to_owned()),
        ("DB_PASSWORD", "gw-password".to_owned()),
        ("DB_NAME", "postgres".to_owned()),
        ("PLATFORM_ROLES", "auto".to_owned()),
    ];
    (server, client, settings)
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("ssdb-external-").tempdir_in("/tmp").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_set_again_also_right_after_the_first_registration() {
    let (place, folder) = (Place::new(Who::possible()[0]), folder());
    let (server, client, settings) = server(&folder).await;
    let variables: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let gateway = place.start(&variables);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    // Somebody asks before it is there, as a container's health check does.
    assert_eq!(web.call("a", "who", json!([])).await.0, 404);
    web.register("a", &[WHO]).await;
    for sql in ["ALTER ROLE \"stonescriptdb-a\" PASSWORD 'mine'", "ALTER ROLE \"stonescriptdb-a\" NOLOGIN"] {
        client.batch_execute(sql).await.unwrap();
        let put_out = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'stonescriptdb-a'";
        client.batch_execute(put_out).await.unwrap();
        assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a", "{sql}");
        web.register("a", &[WHO]).await;
    }
    // As a member that inherits, the gateway's role may end the backends of the platform's.
    let may = "SELECT pg_has_role('gw', 'stonescriptdb-a', 'USAGE')";
    assert!(client.query_one(may, &[]).await.unwrap().get::<_, bool>(0));
    // A role that has become more than an ordinary one is refused, not used.
    client.batch_execute("ALTER ROLE \"stonescriptdb-a\" CREATEDB").await.unwrap();
    let (status, body) = web.upload("/register", &[("platform", "a")], &[WHO]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
    drop(gateway);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_to_another_server_with_the_same_data_folder_gets_the_roles_made_again() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[WHO]).await;
    let named = json!({ "platform": "b", "db_user": "named", "db_password": "named-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    web.register("b", &[WHO]).await;
    gateway.stop(nix::sys::signal::Signal::SIGTERM);

    let folder = folder();
    let (server, client, settings) = server(&folder).await;
    let variables: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let gateway = place.start(&variables);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.call("a", "who", json!([])).await.0, 404);
    web.register("a", &[WHO]).await;
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    web.register("b", &[WHO]).await;
    assert_eq!(web.value("b", "who", json!([])).await, "named");
    let made =
        "SELECT count(*) FROM pg_roles WHERE rolname IN ('stonescriptdb-a', 'named') AND NOT rolsuper AND rolcanlogin";
    assert_eq!(client.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 2);
    drop(gateway);
    server.stop().await.unwrap();
}
