//! The real program before a PostgreSQL that takes nobody over its network without TLS.

use std::time::Duration;

use serde_json::json;

use crate::place::{Place, Who};
use crate::web::Web;
use certificates::Valid;
use stage::{EITHER, PASSWORD, Stage, WITH};

#[path = "../call/tls/certificates.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod certificates;
#[path = "../call/server.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod server;
#[path = "../call/tls/stage.rs"]
#[expect(dead_code, reason = "shared with the tests of connections")]
mod stage;

const FUNCTIONS: [(&str, &str); 3] = [
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;"),
    ("functions/nap.sql", "CREATE FUNCTION nap() RETURNS void LANGUAGE sql AS $$ SELECT pg_sleep(600) $$;"),
    (
        "functions/safe.sql",
        "CREATE FUNCTION safe() RETURNS boolean LANGUAGE sql AS $$
            SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid() $$;",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn registered_migrated_and_called_over_tls() {
    let (place, stage) = (Place::new(Who::possible()[0]), Stage::new().await);
    stage.serve(None, EITHER).await;
    let roots = place.path().join("roots.pem");
    std::fs::write(&roots, stage.authority.certificate()).unwrap();
    std::fs::set_permissions(&roots, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let port = stage.port.to_string();
    let variables = |mode: &'static str| {
        [
            ("DB_HOST", "localhost"),
            ("DB_PORT", port.as_str()),
            ("DB_USER", "postgres"),
            ("DB_PASSWORD", PASSWORD),
            ("DB_SSLMODE", mode),
            ("DB_SSLROOTCERT", roots.to_str().unwrap()),
            ("PLATFORM_ROLES", "auto"),
            ("CALL_TIMEOUT_SECS", "1"),
        ]
    };
    // It starts before a server that it cannot use yet, and says why it cannot.
    let mut gateway = place.start(&variables("verify-full"));
    assert_eq!(gateway.health(), 503);
    let web = Web::new(gateway.address());
    assert_eq!(web.call("shop", "who", json!([])).await.0, 503);
    let line = gateway.wait_for_line("DB_SSLMODE=verify-full asks for it");
    assert!(line.contains("the server has no TLS"), "{line}");

    stage.serve(Some(stage.authority.issue("localhost", Valid::Now)), WITH).await;
    gateway.wait_until_healthy();
    web.register("shop", &FUNCTIONS).await;
    assert_eq!(web.value("shop", "who", json!([])).await, "stonescriptdb-shop");
    assert_eq!(web.value("shop", "safe", json!([])).await, true);
    let table = ("tables/t.sql", "CREATE TABLE t (id int);");
    let [who, nap, safe] = FUNCTIONS;
    let (status, body) = web.upload("/migrate", &[("platform", "shop")], &[who, nap, safe, table]).await;
    assert_eq!(status, 200, "{body}");
    let named = json!({ "platform": "named", "db_user": "named", "db_password": "named-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    web.register("named", &FUNCTIONS).await;
    assert_eq!(web.value("named", "who", json!([])).await, "named");
    // Two that are cut off: by PostgreSQL, and because nobody waits any more.
    assert_eq!(web.call("shop", "nap", json!([])).await.0, 504);
    let body = r#"{"platform":"shop","function":"nap","params":[]}"#;
    let begun = gateway.send_bytes(&format!(
        "POST /call HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(begun);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let superuser = stage.connect().await;
    let count = async |condition: &str| -> i64 {
        let question = format!(
            "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
             WHERE application_name LIKE 'stonescriptdb%' AND {condition}"
        );
        superuser.query_one(&question, &[]).await.unwrap().get(0)
    };
    assert_eq!((count("NOT ssl").await, count("wait_event = 'PgSleep'").await), (0, 0));
    assert!(count("ssl").await > 0);
    gateway.stop(nix::sys::signal::Signal::SIGTERM);

    // The same authority as one that the system trusts, and no mode: nothing less than its name is asked for.
    let trusted = variables("").map(|(name, value)| (name, if name == "DB_SSLROOTCERT" { "system" } else { value }));
    let trusted = [&trusted[..], &[("SSL_CERT_FILE", roots.to_str().unwrap())]].concat();
    let (_, shown, _) = place.run(&["check-config"], &trusted);
    assert!(shown.contains("TLS: verify-full"), "{shown}");
    let gateway = place.start(&trusted);
    gateway.wait_until_healthy();
    gateway.stop(nix::sys::signal::Signal::SIGTERM);

    // Without TLS it is told what PostgreSQL has against that, and which setting that hangs on.
    let without: Vec<_> = variables("disable").into_iter().filter(|(name, _)| *name != "DB_SSLROOTCERT").collect();
    let mut gateway = place.start(&without);
    assert_eq!(Web::new(gateway.address()).call("shop", "who", json!([])).await.0, 503);
    let line = gateway.wait_for_line("DB_SSLMODE=disable, so that was without TLS");
    assert!(line.contains("no pg_hba.conf entry for host"), "{line}");
}

#[test]
fn a_file_that_is_not_there_ends_the_start() {
    let place = Place::new(Who::possible()[0]);
    let line = place.refusal(2, &[("DB_HOST", "localhost"), ("DB_SSLROOTCERT", "/none/roots.pem")]);
    assert!(line.starts_with("configuration: DB_SSLROOTCERT=\"/none/roots.pem\": expected a PEM file"), "{line}");
    assert!(line.contains("No such file"), "{line}");
}
