//! `PLATFORM_ROLES=auto` on a PostgreSQL that is not the gateway's own, with a gateway that is no superuser.

use std::path::PathBuf;

use serde_json::json;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions};
use tokio_postgres::NoTls;
use tokio_postgres::config::Host;

use crate::place::{Place, Who};
use crate::web::Web;

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_may_make_roles_and_databases_needs_no_superuser() {
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
    client.batch_execute("CREATE ROLE plain LOGIN CREATEDB PASSWORD 'plain-password'").await.unwrap();
    let Some(Host::Unix(socket)) = server.connection().get_hosts().first() else { panic!("a socket") };
    let host = socket.to_str().unwrap();
    let port = server.connection().get_ports().first().map_or_else(|| "5432".to_owned(), u16::to_string);
    let settings = |user: &'static str, password: &'static str| {
        [("DB_HOST", host), ("DB_PORT", &port), ("DB_USER", user), ("DB_PASSWORD", password), ("DB_NAME", "postgres")]
            .map(|(name, value): (&'static str, &str)| (name, value.to_owned()))
    };
    let start = |user, password, roles: &'static str| {
        let settings = settings(user, password);
        let mut variables: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.push(("PLATFORM_ROLES", roles));
        variables.push(("ALLOWED_EXTENSIONS", "+dblink"));
        place.start(&variables)
    };
    // Off: as ever. Then on: what was made is handed over by a role that is no superuser.
    let gateway = start("gw", "gw-password", "off");
    gateway.wait_until_healthy();
    Web::new(gateway.address())
        .register("early", &[WHO, ("tables/t.sql", "CREATE TABLE t (id serial PRIMARY KEY);")])
        .await;
    gateway.stop(nix::sys::signal::Signal::SIGTERM);

    let gateway = start("gw", "gw-password", "auto");
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("early", &[WHO, ("tables/t.sql", "CREATE TABLE t (id serial PRIMARY KEY, n int);")]).await;
    assert_eq!(web.value("early", "who", json!([])).await, "stonescriptdb-early");
    web.register("a", &[WHO]).await;
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    let (status, body) =
        web.upload("/migrate", &[("platform", "a")], &[WHO, ("tables/t.sql", "CREATE TABLE t (id int);")]).await;
    assert_eq!(status, 200, "{body}");
    // The superuser's database is not one that the gateway could give to anybody: told so, and nobody's afterwards.
    client.batch_execute("CREATE DATABASE a_hand").await.unwrap();
    let of_tenant = [("platform", "a"), ("tenant_id", "hand")];
    let (status, body) = web.upload("/register", &of_tenant, &[WHO]).await;
    assert_eq!((status, &body["error"]), (403, &json!("platform_isolation_violation")), "{body}");
    client.batch_execute("ALTER DATABASE a_hand OWNER TO gw").await.unwrap();
    assert_eq!(web.upload("/register", &of_tenant, &[WHO]).await.0, 200);
    // dblink is a superuser's to install, and the gateway is none.
    let (status, body) = web.upload("/register", &[("platform", "a")], &[WHO, ("extensions/dblink.sql", "")]).await;
    assert_eq!((status, &body["sqlstate"]), (409, &json!("42501")), "{body}");
    let named = json!({ "platform": "a", "db_user": "named", "db_password": "named-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    assert_eq!(web.value("a", "who", json!([])).await, "named");
    drop(gateway);

    client.batch_execute("DROP DATABASE IF EXISTS \"stonescriptdb-gateway\" WITH (FORCE)").await.unwrap();
    let gateway = start("plain", "plain-password", "auto");
    gateway.wait_until_healthy();
    let (status, body) = Web::new(gateway.address()).upload("/register", &[("platform", "c")], &[WHO]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("CREATEROLE"), "{body}");
    drop(gateway);
    server.stop().await.unwrap();
}
