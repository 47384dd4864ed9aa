//! As whom code runs, whatever somebody does to the role: never as the gateway, and the request goes on.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::closed::connect;
use crate::place::{Place, Who};
use crate::web::Web;

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

const T: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, who text, is_super boolean);");

const READ_T: (&str, &str) =
    ("functions/read_t.sql", "CREATE FUNCTION read_t() RETURNS SETOF t LANGUAGE sql AS $$ SELECT * FROM t $$;");

const NOTE: &str =
    "INSERT INTO t SELECT 1, session_user, rolsuper FROM pg_roles WHERE rolname = current_user ON CONFLICT DO NOTHING;";

const TENANTS: [&str; 2] = ["one", "two"];

async fn of_tenant(web: &Web, tenant: &str, function: &str) -> (u16, Value) {
    web.post("/call", json!({ "platform": "a", "tenant_id": tenant, "function": function })).await
}

/// Every session of the role's ends, so that the next call opens a new one.
async fn put_out(place: &Place, role: &str) {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1";
    place.connect().await.execute(sql, &[&role]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_changes_its_roles_password_gains_nothing_and_does_not_stop_the_fleet() {
    let guarded = "IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
                       ALTER ROLE CURRENT_USER PASSWORD 'mine'; END IF;";
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    for tenant in TENANTS {
        let (status, body) =
            web.upload("/register", &[("platform", "a"), ("tenant_id", tenant)], &[WHO, T, READ_T]).await;
        assert_eq!(status, 200, "{body}");
    }
    // As the blueprint has it, and each tenant after the other.
    let mut files = vec![WHO, T, READ_T];
    let migrations = [guarded, "ALTER ROLE CURRENT_USER PASSWORD 'mine';", "ALTER ROLE CURRENT_USER PASSWORD NULL;"]
        .map(|change| format!("DO $$ BEGIN {change} END $$; {NOTE}"));
    for (name, migration) in ["migrations/001.sql", "migrations/002.sql", "migrations/003.sql"].iter().zip(&migrations)
    {
        files.push((name, migration));
        let (status, body) = web.upload("/migrate", &[("platform", "a")], &files).await;
        assert_eq!((status, &body["status"]), (200, &json!("completed")), "{body}");
        for tenant in TENANTS {
            put_out(&place, "stonescriptdb-a").await;
            let (status, body) = of_tenant(&web, tenant, "read_t").await;
            assert_eq!(status, 200, "{body}");
            assert_eq!(body["rows"], json!([{ "id": 1, "who": "stonescriptdb-a", "is_super": false }]), "{tenant}");
        }
    }
    gateway.stop(Signal::SIGTERM);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let (status, body) = of_tenant(&Web::new(gateway.address()), "one", "who").await;
    assert_eq!((status, &body["rows"]), (200, &json!([{ "who": "stonescriptdb-a" }])), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_generated_role_is_put_right_within_the_call() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[WHO]).await;
    let superuser = place.connect().await;
    for sql in [
        "ALTER ROLE \"stonescriptdb-a\" PASSWORD 'mine'",
        "ALTER ROLE \"stonescriptdb-a\" PASSWORD NULL",
        "ALTER ROLE \"stonescriptdb-a\" NOLOGIN",
        "ALTER ROLE \"stonescriptdb-a\" VALID UNTIL '2001-01-01'",
        "ALTER ROLE \"stonescriptdb-a\" RENAME TO elsewhere",
        "REVOKE CONNECT ON DATABASE a_main FROM \"stonescriptdb-a\"",
        "ALTER DATABASE a_main OWNER TO stonescriptdb",
    ] {
        superuser.batch_execute(sql).await.unwrap();
        put_out(&place, "stonescriptdb-a").await;
        put_out(&place, "elsewhere").await;
        let (status, body) = web.call("a", "who", json!([])).await;
        assert_eq!((status, &body["rows"]), (200, &json!([{ "who": "stonescriptdb-a" }])), "{sql}: {body}");
    }
    // Its own settings stay its own.
    connect(&place, "a", "a_main")
        .await
        .unwrap()
        .batch_execute("ALTER ROLE CURRENT_USER SET work_mem = '5MB'")
        .await
        .unwrap();
    // A role at its limit; the next deployment puts a limit right that is not the gateway's.
    superuser.batch_execute("ALTER ROLE \"stonescriptdb-a\" CONNECTION LIMIT 0").await.unwrap();
    put_out(&place, "stonescriptdb-a").await;
    let (status, body) = web.call("a", "who", json!([])).await;
    assert_eq!((status, &body["error"]), (503, &json!("pool_exhausted")), "{body}");
    web.register("a", &[WHO]).await;
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    let state = "SELECT r.rolconnlimit > 0 AND r.rolconnlimit <= current_setting('max_connections')::int - 10,
                        array_to_string(s.setconfig, ','),
                        EXISTS (SELECT FROM pg_auth_members AS m WHERE m.roleid = r.oid AND m.member = 'stonescriptdb'::regrole)
                 FROM pg_roles AS r JOIN pg_db_role_setting AS s ON s.setrole = r.oid WHERE r.rolname = 'stonescriptdb-a'";
    let row = superuser.query_one(state, &[]).await.unwrap();
    let found: (bool, String, bool) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(found, (true, "work_mem=5MB".to_owned(), true));
}

/// Before anybody deploys or calls: else a platform would be told that its role is full as soon as more is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_roles_limit_of_connections_follows_the_settings_at_the_start() {
    let place = Place::new(Who::possible()[0]);
    for (number, total) in ["30", "20", "40"].into_iter().enumerate() {
        let gateway = place.start(&[("MAX_TOTAL_CONNECTIONS", total)]);
        gateway.wait_until_healthy();
        if number == 0 {
            Web::new(gateway.address()).register("a", &[WHO]).await;
        }
        let superuser = place.connect().await;
        let limit = "SELECT rolconnlimit::text FROM pg_roles WHERE rolname = 'stonescriptdb-a'";
        let begun = std::time::Instant::now();
        while superuser.query_one(limit, &[]).await.unwrap().get::<_, String>(0) != total {
            assert!(begun.elapsed() < crate::place::DEADLINE, "the limit is not {total}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(superuser);
        gateway.stop(Signal::SIGTERM);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_right_is_an_error_and_never_the_gateways_session() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let named = json!({ "platform": "b", "db_user": "named", "db_password": "right-password" });
    assert_eq!(web.post("/platform/register", named).await.0, 201);
    web.register("b", &[WHO]).await;
    web.register("a", &[WHO]).await;
    // A role that a client named has the client's password, or none that the gateway knows.
    let superuser = place.connect().await;
    superuser.batch_execute("ALTER ROLE named PASSWORD 'another'").await.unwrap();
    put_out(&place, "named").await;
    for (status, body) in
        [web.call("b", "who", json!([])).await, web.upload("/register", &[("platform", "b")], &[WHO]).await]
    {
        assert_eq!((status, &body["error"]), (503, &json!("connection_failed")), "{body}");
        assert!(body["message"].as_str().unwrap().contains("named cannot log in"), "{body}");
    }
    // One that is missing is made again, with the password on record, and owns again what was its.
    superuser.batch_execute("ALTER ROLE named RENAME TO elsewhere").await.unwrap();
    assert_eq!(web.value("b", "who", json!([])).await, "named");
    gateway.stop(Signal::SIGTERM);

    // A registry that cannot be read says nothing about roles, so nobody's code runs.
    let record = place.data_dir().join("a/platform.json");
    let kept = std::fs::read(&record).unwrap();
    std::fs::write(&record, "{").unwrap();
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    for (status, body) in [
        web.call("a", "who", json!([])).await,
        web.upload("/register", &[("platform", "a")], &[WHO, T]).await,
        web.upload("/migrate", &[("platform", "a")], &[WHO, T]).await,
    ] {
        assert_eq!((status, &body["error"]), (500, &json!("internal_error")), "{body}");
    }
    std::fs::write(&record, kept).unwrap();
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    gateway.stop(Signal::SIGTERM);

    // Off: a role that is on record goes on being used, and one that is missing is not made.
    let gateway = place.start(&[("PLATFORM_ROLES", "off")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a");
    place.connect().await.batch_execute("ALTER ROLE \"stonescriptdb-a\" RENAME TO gone").await.unwrap();
    put_out(&place, "gone").await;
    let (status, body) = web.call("a", "who", json!([])).await;
    assert_eq!((status, &body["error"]), (503, &json!("connection_failed")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("is missing"), "{body}");
}
