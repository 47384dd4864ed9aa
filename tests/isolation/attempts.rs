//! What uploaded code tries, in functions, deployments, and whatever fires while the gateway works in its database.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Place, Who};
use crate::web::Web;

/// Runs any SQL that it is told; what such a function cannot do, no function can.
const ATTEMPT: (&str, &str) = (
    "functions/attempt.sql",
    "CREATE FUNCTION attempt(p_sql text) RETURNS text LANGUAGE plpgsql AS $$
     DECLARE result text; why text;
     BEGIN
         EXECUTE p_sql INTO result;
         RETURN result;
     EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
         GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
         RAISE EXCEPTION '%: %', SQLERRM, why USING ERRCODE = '08001';
     END $$;",
);

const WHO: (&str, &str) = (
    "functions/who.sql",
    "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user || ' ' || current_user $$;",
);

/// Everything that runs while the gateway deploys says as whom.
const WITNESSES: &[(&str, &str)] = &[
    (
        "functions/told.sql",
        "CREATE FUNCTION told() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT current_user::text $$;",
    ),
    (
        "tables/seen.sql",
        "CREATE TABLE seen (id int PRIMARY KEY, by_default text DEFAULT told(), by_session text DEFAULT session_user);
                         CREATE INDEX seen_by ON seen ((told()));",
    ),
    ("tables/log.sql", "CREATE TABLE log (by_current text, by_session text);"),
    ("seeders/seen.sql", "INSERT INTO seen (id) VALUES (1), (2);"),
    (
        "functions/note.sql",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO log VALUES (current_user, session_user); RETURN NULL; END $$;",
    ),
    (
        "functions/witnesses.sql",
        "CREATE FUNCTION witnesses() RETURNS text LANGUAGE sql AS $$
        SELECT string_agg(DISTINCT who, ',') FROM (SELECT by_default FROM seen UNION ALL SELECT by_session FROM seen
        UNION ALL SELECT by_current FROM log UNION ALL SELECT by_session FROM log) AS all_of_them (who) $$;",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn uploaded_code_reaches_nothing_but_its_own_platforms_databases() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[("ALLOWED_EXTENSIONS", "+dblink,+postgres_fdw")]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("b", &[WHO, ("tables/secret.sql", "CREATE TABLE secret (word text);")]).await;
    let bundle = [
        ATTEMPT,
        WHO,
        ("extensions/dblink.sql", ""),
        ("extensions/postgres_fdw.sql", ""),
        ("extensions/hstore.sql", ""),
    ];
    let registered = web.register("a", &bundle).await;
    assert_eq!(registered["extensions_installed"], 3, "{registered}");
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a stonescriptdb-a");

    let (socket, password) = (place.cluster(), password(&place, "a"));
    let dblink = |database: &str, sql: &str| {
        format!(
            "SELECT * FROM dblink('host={} dbname={database} user=stonescriptdb-a password={password}', $s${sql}$s$) AS t(x text)",
            socket.display()
        )
    };
    // Its own password is the one thing about a role that it may change; the gateway sets it again.
    let (status, body) = web.call("a", "attempt", json!(["ALTER ROLE CURRENT_USER PASSWORD 'mine'"])).await;
    assert_eq!(status, 500, "ALTER ROLE gives no row: {body}");
    let refused = [
        "SET ROLE stonescriptdb".to_owned(),
        "SET SESSION AUTHORIZATION stonescriptdb".to_owned(),
        "SET ROLE \"stonescriptdb-b\"".to_owned(),
        "COPY (SELECT 1) TO PROGRAM 'id'".to_owned(),
        "COPY pg_temp.x FROM PROGRAM 'id'".to_owned(),
        "COPY (SELECT 1) TO '/tmp/stonescriptdb-stolen'".to_owned(),
        "CREATE TEMP TABLE t (x text); COPY t FROM '/etc/passwd'".to_owned(),
        "SELECT pg_read_file('/etc/passwd')".to_owned(),
        "SELECT pg_ls_dir('/')".to_owned(),
        "SELECT lo_import('/etc/passwd')".to_owned(),
        "ALTER SYSTEM SET work_mem = '1MB'".to_owned(),
        "SELECT rolpassword FROM pg_authid LIMIT 1".to_owned(),
        "SELECT pg_reload_conf()".to_owned(),
        "CREATE ROLE evil SUPERUSER".to_owned(),
        "ALTER ROLE CURRENT_USER SUPERUSER".to_owned(),
        "ALTER ROLE stonescriptdb PASSWORD 'mine'".to_owned(),
        "GRANT stonescriptdb TO CURRENT_USER".to_owned(),
        "GRANT pg_execute_server_program TO CURRENT_USER".to_owned(),
        "CREATE SERVER out FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'b_main')".to_owned(),
        "SELECT dblink_connect_u('dbname=b_main')".to_owned(),
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION dblink_disconnect()".to_owned(),
        dblink("b_main", "SELECT word FROM secret"),
        dblink("stonescriptdb-gateway", "SELECT name FROM databases"),
        dblink("postgres", "SELECT 1"),
        dblink("template1", "SELECT 1"),
        dblink("a_main", "DROP DATABASE b_main"),
        dblink("a_main", "CREATE DATABASE mine"),
        dblink("b_main", "SELECT 1").replace("user=stonescriptdb-a", "user=stonescriptdb"),
    ];
    for sql in &refused {
        let (status, body) = web.call("a", "attempt", json!([sql])).await;
        assert!(status >= 400 && body["error"] == "query_failed", "{sql}: {status} {body}");
        let sqlstate = body["sqlstate"].as_str().unwrap();
        // insufficient_privilege, invalid_authorization and the like, of the other server, or "not in a transaction".
        assert!(["42501", "08001", "28P01", "25001", "42P01", "42939"].contains(&sqlstate), "{sql}: {body}");
        if sql.contains("dblink(") && !sql.contains("dbname=a_main") && !sql.contains("user=stonescriptdb ") {
            assert!(
                body["message"].as_str().is_some_and(|text| text.contains("permission denied for database")),
                "{body}"
            );
        }
    }
    // It works at all: its own database.
    assert_eq!(web.value("a", "attempt", json!([dblink("a_main", "SELECT current_user")])).await, "stonescriptdb-a");
    for reset in ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", "SET SESSION AUTHORIZATION DEFAULT"] {
        let sql = format!(
            "DO $do$ BEGIN EXECUTE '{reset}'; CREATE TEMP TABLE w AS SELECT session_user || current_user AS x; END $do$"
        );
        web.call("a", "attempt", json!([sql])).await;
        assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a stonescriptdb-a", "{reset}");
    }

    // The password was changed from inside: the next gateway sets it right.
    let change = "ALTER ROLE \"stonescriptdb-a\" PASSWORD 'mine'";
    place.connect().await.batch_execute(change).await.unwrap();
    gateway.kill_hard();
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    assert_eq!(web.value("a", "who", json!([])).await, "stonescriptdb-a stonescriptdb-a");
    assert_eq!(web.value("b", "who", json!([])).await, "stonescriptdb-b stonescriptdb-b");
    let output = gateway.stop(Signal::SIGTERM);
    assert_no_password(&place, &output, &["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fires_while_the_gateway_deploys_runs_as_the_platforms_role() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    let mut files = WITNESSES.to_vec();
    web.register("a", &files).await;
    assert_eq!(web.value("a", "witnesses", json!([])).await, "stonescriptdb-a");
    // A statement that says so is refused when the bundle is read; one that is put together while it runs is not.
    files.push((
        "migrations/001.sql",
        "INSERT INTO log VALUES (current_user, session_user);
         RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;
         INSERT INTO log VALUES (current_user, session_user);
         CREATE TEMP TABLE first (id int);
         CREATE TRIGGER first AFTER INSERT ON first FOR EACH STATEMENT EXECUTE FUNCTION note();
         DO $$ BEGIN
             EXECUTE 'CREATE TRIGGER note AFTER INSERT ON public._stonescriptdb_gateway_changelog
                      FOR EACH STATEMENT EXECUTE FUNCTION note()';
         END $$;
         ALTER TABLE seen ADD COLUMN later text DEFAULT told();
         CREATE INDEX later ON seen ((told()));",
    ));
    files[1].1 = "CREATE TABLE seen (id int PRIMARY KEY, by_default text DEFAULT told(), by_session text DEFAULT session_user,
                  later text DEFAULT told()); CREATE INDEX seen_by ON seen ((told())); CREATE INDEX later ON seen ((told()));";
    web.register("a", &files).await;
    files.push(("tables/more.sql", "CREATE TABLE more (id int);"));
    let (status, body) = web.upload("/migrate", &[("platform", "a"), ("dry_run", "true")], &files).await;
    assert_eq!((status, &body["status"]), (200, &json!("planned")), "{body}");
    let (status, body) = web.upload("/migrate", &[("platform", "a")], &files).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(web.value("a", "witnesses", json!([])).await, "stonescriptdb-a");
    // What a deployment may not do is refused in PostgreSQL's words, and leaves nothing behind.
    for (at, sql) in [
        "DO $$ BEGIN COPY (SELECT 1) TO PROGRAM 'id'; END $$;",
        "SET ROLE stonescriptdb;",
        "SET SESSION AUTHORIZATION stonescriptdb;",
        "SELECT pg_read_file('/etc/passwd');",
        "CREATE TABLE t (x text); COPY t FROM '/etc/passwd';",
        "ALTER ROLE CURRENT_USER CREATEROLE;",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("migrations/9{at}.sql");
        let with: Vec<_> = files.iter().copied().chain([(name.as_str(), sql)]).collect();
        let (status, body) = web.upload("/register", &[("platform", "a")], &with).await;
        assert_eq!((status, &body["sqlstate"]), (409, &json!("42501")), "{sql}: {body}");
    }
    let (status, body) = web.post("/admin/create-tenant", json!({ "platform": "a", "tenant_id": "t1" })).await;
    assert_eq!(status, 201, "{body}");
    let client = place.connect().await;
    let rows = client
        .query(
            "SELECT datname::text, pg_get_userbyid(datdba)::text, has_database_privilege('public', oid, 'CONNECT')
             FROM pg_database WHERE datname NOT IN ('template0', 'template1', 'postgres', 'stonescriptdb-gateway')",
            &[],
        )
        .await
        .unwrap();
    assert!(rows.len() >= 4, "two databases and two blueprints");
    for row in rows {
        let (name, owner, open): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let expected = if name.starts_with("stonescriptdb-blueprint-") { "stonescriptdb" } else { "stonescriptdb-a" };
        assert_eq!((owner.as_str(), open), (expected, false), "{name}");
    }
}

/// The password of a platform's role, as the gateway has recorded it.
pub(crate) fn password(place: &Place, platform: &str) -> String {
    let path = place.data_dir().join(platform).join("platform.json");
    let record: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    record["credentials"]["password"].as_str().unwrap().to_owned()
}

/// The platforms' passwords are in `platform.json`, for the service's user only, and nowhere else.
pub(crate) fn assert_no_password(place: &Place, output: &str, platforms: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    let server_log = std::fs::read_to_string(place.data_dir().join("postgres.log")).unwrap();
    for platform in platforms {
        let path = place.data_dir().join(platform).join("platform.json");
        let password = password(place, platform);
        assert!(password.len() >= 8, "{platform}");
        assert!(
            !output.contains(&password) && !server_log.contains(&password),
            "the password of {platform} was logged"
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
