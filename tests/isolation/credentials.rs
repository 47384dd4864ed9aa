//! `POST /platform/register` with `db_user` and `db_password`.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::attempts::assert_no_password;
use crate::place::{Place, Who};
use crate::web::Web;

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

const SECRET: &str = "correct-horse-battery";

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_refused_unless_they_open_an_ordinary_role_of_its_own() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("PLATFORM_ROLES", "off")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let client = place.connect().await;
    let roles = "CREATE ROLE super SUPERUSER LOGIN PASSWORD 'x'; CREATE ROLE maker CREATEROLE LOGIN PASSWORD 'x';
                 CREATE ROLE copier REPLICATION LOGIN PASSWORD 'x'; CREATE ROLE passer BYPASSRLS LOGIN PASSWORD 'x';
                 CREATE ROLE member LOGIN PASSWORD 'x' IN ROLE pg_execute_server_program;
                 CREATE ROLE child LOGIN PASSWORD 'x' IN ROLE stonescriptdb; CREATE ROLE group_only PASSWORD 'x';
                 CREATE ROLE there LOGIN PASSWORD 'right-password'";
    client.batch_execute(roles).await.unwrap();
    let register = async |platform: &str, user: &str, password: &str| {
        let body = json!({ "platform": platform, "db_user": user, "db_password": password });
        let (status, body) = web.post("/platform/register", body).await;
        assert!(password.len() < 5 || !body.to_string().contains(password), "{body}");
        (status, body)
    };
    let long = "u".repeat(64);
    for (user, password) in [
        ("alone", ""),
        ("", SECRET),
        ("stonescriptdb", SECRET),
        ("super", "x"),
        ("maker", "x"),
        ("copier", "x"),
        ("passer", "x"),
        ("member", "x"),
        ("child", "x"),
        ("group_only", "x"),
        ("there", "wrong-password"),
        (long.as_str(), SECRET),
        ("nul\0", SECRET),
        ("pg_mine", SECRET),
        ("stonescriptdb-other", SECRET),
    ] {
        let (status, body) = register("refused", user, password).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{user}: {body}");
    }
    assert!(!place.data_dir().join("refused/platform.json").exists());

    let (status, body) = register("fresh", "fresh \"one\"", SECRET).await;
    assert_eq!((status, &body["has_dedicated_credentials"]), (201, &json!(true)), "{body}");
    assert_eq!(register("fresh", "fresh \"one\"", SECRET).await.0, 400);
    assert_eq!(register("other", "fresh \"one\"", SECRET).await.0, 400, "one role for two platforms");
    assert_eq!(register("with_there", "there", "right-password").await.0, 201);
    let (status, body) = web.post("/platform/register", json!({ "platform": "plain" })).await;
    assert_eq!((status, &body["has_dedicated_credentials"]), (201, &json!(false)), "{body}");

    web.register("fresh", &[WHO]).await;
    assert_eq!(web.value("fresh", "who", json!([])).await, "fresh \"one\"");
    web.register("plain", &[WHO]).await;
    assert_eq!(web.value("plain", "who", json!([])).await, "stonescriptdb", "roles are off");
    // v1 has met it first, as the gateway's own role.
    web.register("later", &[WHO]).await;
    assert_eq!(register("later", "later_role", SECRET).await.0, 201);
    assert_eq!(web.value("later", "who", json!([])).await, "later_role");
    assert_eq!(web.register("later", &[WHO]).await["status"], "ready");

    gateway.kill_hard();
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("later", "who", json!([])).await, "later_role");
    assert_eq!(web.value("plain", "who", json!([])).await, "stonescriptdb-plain", "roles are on");
    // One that the gateway made up gives way to one that is named.
    web.register("auto", &[WHO]).await;
    assert_eq!(web.value("auto", "who", json!([])).await, "stonescriptdb-auto");
    let named = json!({ "platform": "auto", "db_user": "named", "db_password": SECRET });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    assert_eq!(web.value("auto", "who", json!([])).await, "named");
    trusting_servers_prove_nothing(&place, &web).await;
    let output = gateway.stop(Signal::SIGTERM);
    assert_no_password(&place, &output, &["fresh", "later", "plain", "auto"]);
}

/// Where `pg_hba.conf` says `trust` (`peer` and `ident` are the same), every password opens every role, also another application's.
async fn trusting_servers_prove_nothing(place: &Place, web: &Web) {
    let client = place.connect().await;
    client.batch_execute("CREATE ROLE application LOGIN PASSWORD 'its-own'").await.unwrap();
    std::fs::write(place.cluster().join("pg_hba.conf"), "local all all trust\n").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let mut anybody = place.superuser();
    anybody.dbname("postgres").password("wrong");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while anybody.connect(tokio_postgres::NoTls).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the server has not read pg_hba.conf");
        tokio::task::yield_now().await;
    }
    for password in ["wrong-password", "its-own"] {
        let taken = json!({ "platform": "thief", "db_user": "application", "db_password": password });
        let (status, body) = web.post("/platform/register", taken).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
        assert!(body["message"].as_str().unwrap().contains("pg_hba.conf"), "{body}");
    }
    let made = json!({ "platform": "maker", "db_user": "made_here", "db_password": SECRET });
    assert_eq!(web.post("/platform/register", made).await.0, 201);
}
