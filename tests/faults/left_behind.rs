//! What a killed gateway leaves behind, and what is not left behind although it looks so.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{BEFORE, Gateway, LIMIT, Server, register, rows, tar_gz, value, wait};

/// The gateway's own database.
const RECORDS: &str = "stonescriptdb-gateway";

/// A name that a killed gateway could have left.
const PLANTED: &str = "stonescriptdb-rehearsal-00000000000000000000000000000000";

/// Starts a gateway and waits until it has swept: what was planted before is gone.
async fn sweeping_gateway(server: &Server, data: &Path) -> Gateway {
    let admin = server.connect("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE \"{PLANTED}\"")).await.expect("planted");
    let gateway = server.gateway_in(data);
    let planted = format!("SELECT count(*) FROM pg_database WHERE datname = '{PLANTED}'");
    wait("the sweep comes", async || value(&admin, &planted).await == "0").await;
    gateway
}

async fn post(url: &str, path: &str, body: Value) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().expect("a client");
    let request = client.post(format!("{url}{path}")).header("Content-Type", "application/json");
    let answer = request.body(body.to_string()).send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

async fn upload(url: &str, path: &str, texts: &[(&'static str, &str)], archive: Vec<u8>) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().expect("a client");
    let form = texts.iter().fold(Form::new(), |form, (name, text)| form.text(*name, (*text).to_owned()));
    let form = form.part("schema", Part::bytes(archive).file_name("x.tar.gz"));
    let answer = client.post(format!("{url}{path}")).multipart(form).send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

/// Everything that makes something, one after the other, side by side with one another.
async fn make_everything(url: String, round: usize) {
    let marker = format!("SELECT {round}; CREATE TABLE m{round} (id int); SELECT pg_sleep(0.1);");
    let bundle = tar_gz(&[BEFORE[0], BEFORE[1], BEFORE[2], ("migrations/1.sql", &marker)]);
    let registering = async {
        let tenant = format!("t{round}");
        upload(&url, "/register", &[("platform", "x"), ("tenant_id", &tenant)], bundle.clone()).await?;
        upload(&url, "/migrate", &[("platform", "x"), ("force", "true")], tar_gz(&[BEFORE[0], BEFORE[1], BEFORE[2]]))
            .await
    };
    let storing = async {
        upload(&url, "/platform/p/schema", &[("schema_name", "shop")], bundle.clone()).await?;
        let ids = json!({"platform": "p", "schema_name": "shop", "database_id": format!("d{round}")});
        post(&url, "/database/create", ids).await
    };
    let others = async {
        let platform = format!("n{round}");
        post(&url, "/platform/register", json!({"platform": platform})).await?;
        post(&url, "/admin/create-tenant", json!({"platform": platform, "tenant_id": "t"})).await
    };
    // No answer comes from a gateway that is killed.
    tokio::join!(registering, storing, others);
}

/// Files below the folder, by their path.
fn files(folder: &Path, found: &mut BTreeSet<String>, below: &str) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let entry = entry.expect("an entry");
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().expect("a kind").is_dir() {
            true => files(&entry.path(), found, &path),
            false => drop(found.insert(path)),
        }
    }
}

#[tokio::test]
async fn after_kills_at_random_moments_only_what_is_recorded_is_there() {
    let kills: usize = std::env::var("FAULTS_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let server = Server::start().await;
    let data = server.new_folder();
    let mut gateway = server.gateway_in(&data);
    assert_eq!(post(&gateway.url, "/platform/register", json!({"platform": "p"})).await.expect("an answer").0, 201);
    gateway.kill();
    let mut seed = 4711_u64;
    for round in 0..kills {
        let mut gateway = server.gateway_in(&data);
        let making = tokio::spawn(make_everything(gateway.url.clone(), round));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis((seed >> 33) % 2_500)).await;
        gateway.kill();
        making.await.expect("no panic");
    }
    server.wait_until_left_alone().await;
    let admin = server.connect("postgres").await;
    let names = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', 'stonescriptdb-gateway') ORDER BY 1";
    println!("left by {kills} kills: {:#?}", rows(&admin, names).await);
    let _gateway = sweeping_gateway(&server, &data).await;
    let records = server.connect(RECORDS).await;
    let recorded = "SELECT name FROM databases UNION ALL SELECT name FROM blueprints ORDER BY name";
    wait("what is there is what is recorded", async || rows(&admin, names).await == rows(&records, recorded).await)
        .await;
    assert_eq!(value(&records, "SELECT count(*) FROM databases WHERE creating IS NOT NULL").await, "0");
    assert_eq!(
        value(&admin, "SELECT count(*) FROM pg_database WHERE datname LIKE 'x\\_%' AND NOT datallowconn").await,
        "0"
    );
    let mut found = BTreeSet::new();
    files(&data, &mut found, "");
    let left: Vec<_> = found.iter().filter(|path| path.contains(".new") || path.contains(".old")).collect();
    assert!(left.is_empty(), "{left:#?}");
    for path in found.iter().filter(|path| path.ends_with("/.lock")) {
        assert!(found.contains(&path.replace(".lock", "platform.json")), "{path} of a platform that never was");
    }
}

#[tokio::test]
async fn what_another_gateway_is_making_is_left_alone() {
    let server = Server::start().await;
    let one = server.gateway();
    let slow = tar_gz(&[BEFORE[0], BEFORE[1], BEFORE[2], ("migrations/1.sql", "SELECT pg_sleep(4);")]);
    let making = tokio::spawn({
        let url = one.url.clone();
        async move { register(&url, slow).await }
    });
    let admin = server.connect("postgres").await;
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname LIKE 'stonescriptdb-blueprint-%'";
    wait("a blueprint is being built", async || value(&admin, sleeps).await == "1").await;
    let _other = sweeping_gateway(&server, &server.new_folder()).await;
    assert_eq!(value(&admin, sleeps).await, "1", "the sweep came too late to tell");
    let (status, body) = making.await.expect("no panic").expect("an answer");
    assert_eq!(status, 200, "{body:#}");
}

#[tokio::test]
async fn the_record_of_a_database_that_was_there_once_stays() {
    let server = Server::start().await;
    let data = server.new_folder();
    let mut gateway = server.gateway_in(&data);
    gateway.ready(BEFORE).await;
    gateway.kill();
    server.wait_until_left_alone().await;
    let admin = server.connect("postgres").await;
    admin.batch_execute("ALTER DATABASE x_main RENAME TO away").await.expect("renamed");
    let gateway = sweeping_gateway(&server, &data).await;
    let records = server.connect(RECORDS).await;
    assert_eq!(rows(&records, "SELECT name FROM databases").await, ["x_main"]);
    admin.batch_execute("ALTER DATABASE away RENAME TO x_main").await.expect("restored");
    let (status, body) = gateway.register(BEFORE).await.expect("an answer");
    assert_eq!((status, &body["functions_unchanged"]), (200, &json!(1)), "{body:#}");
}

#[tokio::test]
async fn a_creation_that_never_ended_stands_in_nobodys_way() {
    let server = Server::start().await;
    let data = server.new_folder();
    let mut gateway = sweeping_gateway(&server, &data).await;
    gateway.ready(BEFORE).await;
    let records = server.connect(RECORDS).await;
    let plant = "INSERT INTO databases (name, platform, platform_given, tenant_id, creating)
                 VALUES ('my_app_main', 'my', 'my', 'app_main', now()), ('o_a_b', 'o', 'o', 'a-b', now()),
                        ('p_t', 'p', 'p', 't', now())";
    records.batch_execute(plant).await.expect("planted");
    // At once, by whoever comes first.
    for (platform, tenant) in [("my_app", "main"), ("o", "a_b")] {
        let mut texts = vec![("platform", platform)];
        if tenant != "main" {
            texts.push(("tenant_id", tenant));
        }
        let (status, body) = upload(&gateway.url, "/register", &texts, tar_gz(BEFORE)).await.expect("an answer");
        assert_eq!(status, 200, "{body:#}");
    }
    let listed = reqwest::get(format!("{}/admin/databases?platform=p", gateway.url)).await.expect("an answer");
    assert_eq!(listed.json::<Value>().await.expect("JSON")["count"], json!(0));
    gateway.kill();
    let left = format!("CREATE DATABASE \"stonescriptdb-new-{}\"", "0".repeat(32));
    server.connect("postgres").await.batch_execute(&left).await.expect("planted");
    let _gateway = sweeping_gateway(&server, &data).await;
    let names = "SELECT name FROM databases WHERE creating IS NULL ORDER BY 1";
    wait("the third is gone", async || rows(&records, names).await == ["my_app_main", "o_a_b", "x_main"]).await;
    assert_eq!(value(&records, "SELECT count(*) FROM databases").await, "3");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'stonescriptdb-new-%'";
    wait("what was half made is gone", async || value(&records, left).await == "0").await;
}

#[tokio::test]
async fn a_backend_that_is_still_in_a_deployment_whose_gateway_is_gone_is_ended() {
    let server = Server::start().await;
    let data = server.new_folder();
    let client = {
        server.gateway_in(&data).ready(BEFORE).await;
        server.connect("x_main").await
    };
    client.batch_execute("INSERT INTO a VALUES (1)").await.expect("a row");
    // Where there is no row it is over at once, in the blueprint.
    let endless = "SET client_connection_check_interval = 0; LOCK TABLE a; SELECT pg_sleep(100000) FROM a;";
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = 'x_main'";
    for by_sweep in [true, false] {
        let mut gateway = server.gateway_in(&data);
        let other = (!by_sweep).then(|| server.gateway_in(&data));
        if let Some(other) = &other {
            // It has swept before.
            other.ready(BEFORE).await;
        }
        let (url, archive) =
            (gateway.url.clone(), tar_gz(&[BEFORE[0], BEFORE[1], BEFORE[2], ("migrations/1.sql", endless)]));
        let hanging = tokio::spawn(async move { register(&url, archive).await });
        wait("it hangs", async || value(&client, sleeps).await == "1").await;
        gateway.kill();
        hanging.await.expect("no panic");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(value(&client, sleeps).await, "1", "PostgreSQL ended it by itself");
        match other {
            None => {
                let _gateway = server.gateway_in(&data);
                wait("the sweep ends it", async || value(&client, sleeps).await == "0").await;
            }
            Some(other) => {
                let function = ("functions/g.sql", "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'");
                other.ready(&[BEFORE[0], BEFORE[1], BEFORE[2], function]).await;
                assert_eq!(value(&client, sleeps).await, "0");
            }
        }
    }
    assert_eq!(rows(&client, "SELECT id FROM a").await, ["1"]);
}
