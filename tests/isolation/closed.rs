//! Nobody is ever in a database who should not be, also not while it is being made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio_postgres::NoTls;

use crate::attempts::password;
use crate::place::{Place, Who};
use crate::web::Web;

const WHO: (&str, &str) =
    ("functions/who.sql", "CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT session_user::text $$;");

/// How many databases of another platform's are made while the intruder tries to enter them.
const TRIES: usize = 60;

/// A connection as the platform's role.
pub(crate) async fn connect(
    place: &Place,
    platform: &str,
    database: &str,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host_path(place.cluster()).user(format!("stonescriptdb-{platform}"));
    config.password(password(place, platform)).dbname(database);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// How often a database is tried after it has appeared: while it is made, and a while longer.
const TRIES_OF_ONE: usize = 25;

/// Tries every database that appears and is not its own, again and again; how often it was let in.
async fn intrude(place: Arc<Place>, name: &'static str, stop: Arc<AtomicBool>, entered: Arc<AtomicUsize>) {
    let looking = connect(&place, name, &format!("{name}_main")).await.unwrap();
    let (own, mut tried) = (format!("{name}%"), HashMap::<String, usize>::new());
    while !stop.load(Ordering::Acquire) {
        let rows = looking.query("SELECT datname::text FROM pg_database WHERE datname NOT LIKE $1", &[&own]).await;
        for row in rows.unwrap() {
            let database: String = row.get(0);
            let times = tried.entry(database.clone()).or_default();
            *times += 1;
            if *times <= TRIES_OF_ONE
                && let Ok(client) = connect(&place, name, &database).await
            {
                entered.fetch_add(1, Ordering::AcqRel);
                drop(client);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_platforms_role_enters_a_database_while_it_is_made() {
    let place = Arc::new(Place::new(Who::possible()[0]));
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("mallory", &[WHO]).await;
    let (stop, entered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let intruders: Vec<_> =
        (0..2).map(|_| tokio::spawn(intrude(place.clone(), "mallory", stop.clone(), entered.clone()))).collect();
    web.register("b", &[WHO]).await;
    for at in 0..TRIES {
        match at % 6 {
            // An empty one, a copy of a blueprint, and a new blueprint with its copy.
            0..3 => {
                let body = json!({ "platform": "b", "tenant_id": format!("t{at}") });
                assert_eq!(web.post("/admin/create-tenant", body).await.0, 201);
            }
            3 | 4 => {
                let tenant = format!("t{at}");
                let (status, body) =
                    web.upload("/register", &[("platform", "b"), ("tenant_id", &tenant)], &[WHO]).await;
                assert_eq!(status, 200, "{body}");
            }
            _ => {
                let table = format!("CREATE TABLE t{at} (id int PRIMARY KEY);");
                web.register(&format!("c{at}"), &[WHO, ("tables/t.sql", &table)]).await;
            }
        }
    }
    stop.store(true, Ordering::Release);
    for intruder in intruders {
        intruder.await.unwrap();
    }
    assert_eq!(entered.load(Ordering::Acquire), 0, "times that another platform's role was let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_opens_none_of_its_finished_blueprints_again() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    // While it is deployed to, the blueprint is the platform's; what it does to it then does not last.
    let migration = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I WITH IS_TEMPLATE true', current_database());
        EXECUTE format('GRANT ALL ON DATABASE %I TO PUBLIC', current_database());
    END $$;";
    web.register("a", &[WHO, ("migrations/001.sql", migration)]).await;
    web.register("b", &[WHO]).await;
    let client = connect(&place, "a", "a_main").await.unwrap();
    let blueprints = client
        .query("SELECT datname::text FROM pg_database WHERE datname LIKE 'stonescriptdb-blueprint-%'", &[])
        .await
        .unwrap();
    assert_eq!(blueprints.len(), 2);
    for row in blueprints {
        let name: String = row.get(0);
        for sql in ["ALLOW_CONNECTIONS true", "IS_TEMPLATE true", "CONNECTION LIMIT 5"] {
            let error = client.batch_execute(&format!("ALTER DATABASE \"{name}\" WITH {sql}")).await.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "42501", "{sql}");
        }
        assert!(connect(&place, "a", &name).await.is_err() && connect(&place, "b", &name).await.is_err());
        let owner =
            "SELECT pg_get_userbyid(datdba)::text, datallowconn, datistemplate FROM pg_database WHERE datname = $1";
        let row = place.connect().await.query_one(owner, &[&name]).await.unwrap();
        let found: (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(found, ("stonescriptdb".to_owned(), false, false), "{name}");
    }
    // What is in a copy is its platform's all the same.
    let (status, body) = web.post("/admin/create-tenant", json!({ "platform": "a", "tenant_id": "t" })).await;
    assert_eq!(status, 201, "{body}");
    let (status, body) = web
        .upload("/register", &[("platform", "a"), ("tenant_id", "u")], &[WHO, ("migrations/001.sql", migration)])
        .await;
    assert_eq!(status, 200, "{body}");
    let copy = connect(&place, "a", "a_u").await.unwrap();
    copy.batch_execute("DROP FUNCTION who()").await.unwrap();
    assert!(connect(&place, "b", "a_u").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blueprint_that_its_platform_owns_is_taken_back() {
    let place = Place::new(Who::possible()[0]);
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let web = Web::new(gateway.address());
    web.register("a", &[WHO]).await;
    gateway.kill_hard();
    // As the version before left it, and as the platform has opened it again.
    let gateway = place.start(&[]);
    gateway.wait_until_healthy();
    let client = place.connect().await;
    let name: String = client
        .query_one("SELECT datname::text FROM pg_database WHERE datname LIKE 'stonescriptdb-blueprint-%'", &[])
        .await
        .unwrap()
        .get(0);
    let old = format!(
        "ALTER DATABASE \"{name}\" OWNER TO \"stonescriptdb-a\"; ALTER DATABASE \"{name}\" WITH ALLOW_CONNECTIONS true"
    );
    // What the gateway does at its start may close it in between.
    let begun = std::time::Instant::now();
    let inside = loop {
        client.batch_execute(&old).await.unwrap();
        match connect(&place, "a", &name).await {
            Ok(inside) => break inside,
            Err(error) => assert!(begun.elapsed().as_secs() < 20, "{error}"),
        }
    };
    let web = Web::new(gateway.address());
    let (status, body) = web.upload("/register", &[("platform", "a"), ("tenant_id", "t")], &[WHO]).await;
    assert_eq!(status, 200, "{body}");
    assert!(inside.query_one("SELECT 1", &[]).await.is_err(), "whoever was in it is put out");
    assert!(connect(&place, "a", &name).await.is_err());
    drop(gateway);
}
