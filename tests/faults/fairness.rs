//! One platform's deployments that never end, and everybody else's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{Gateway, LIMIT, Server, rows, tar_gz, value, wait};

type Files<'a> = [(&'a str, &'a str)];

/// What a deployment was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Value,
    took: Duration,
}

async fn send(gateway: &Gateway, path: &str, texts: &[(&'static str, &str)], files: &Files<'_>) -> Answer {
    let client = reqwest::Client::builder().timeout(LIMIT * 3).no_proxy().build().expect("a client");
    let form = texts.iter().fold(Form::new(), |form, (name, text)| form.text(*name, (*text).to_owned()));
    let form = form.part("schema", Part::bytes(tar_gz(files)).file_name("x.tar.gz"));
    let began = Instant::now();
    let answer = client.post(format!("{}{path}", gateway.url)).multipart(form).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    Answer { status, retry_after, body: answer.json().await.expect("JSON"), took: began.elapsed() }
}

async fn register(gateway: &Gateway, platform: &str, tenant: &str, files: &Files<'_>) -> Answer {
    send(gateway, "/register", &[("platform", platform), ("tenant_id", tenant)], files).await
}

/// Each hangs in another place of a deployment, `{}` makes each a bundle of its own.
const ENDLESS: &[(&str, &str)] = &[
    ("migrations/1.sql", "SELECT {}; SELECT pg_sleep(100000);"),
    // Swallows the cancel.
    (
        "migrations/1.sql",
        "SELECT {}; DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(100000);
             EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;",
    ),
    ("tables/t.sql", "CREATE TABLE t{} AS SELECT pg_sleep(100000)::text AS a;"),
    ("views/v.sql", "CREATE MATERIALIZED VIEW v{} AS SELECT pg_sleep(100000)::text AS a;"),
    // At the commit.
    (
        "migrations/1.sql",
        "CREATE TABLE t{} (a int); CREATE FUNCTION s() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(100000); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t{} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION s();
         INSERT INTO t{} VALUES (1);",
    ),
    ("functions/f.sql", "CREATE FUNCTION f{}() RETURNS int LANGUAGE sql AS 'SELECT 1'; DO $$ BEGIN PERFORM pg_sleep(100000); END $$;"),
];

const BUNDLE: &[(&str, &str)] = &[
    ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY);"),
    ("functions/f.sql", "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a'"),
];

const NEXT: &[(&str, &str)] = &[("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, n int);"), BUNDLE[1]];

/// What another platform does meanwhile; the longest that one of its requests took.
async fn everybody_else(gateway: &Gateway, platform: &str) -> Duration {
    let mut longest = Duration::ZERO;
    for files in [BUNDLE, BUNDLE, NEXT] {
        let answer = register(gateway, platform, "one", files).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        longest = longest.max(answer.took);
    }
    let answer = register(gateway, platform, "two", BUNDLE).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let migrated = send(gateway, "/migrate", &[("platform", platform)], NEXT).await;
    assert_eq!((migrated.status, &migrated.body["status"]), (200, &json!("completed")), "{migrated:?}");
    longest.max(answer.took).max(migrated.took)
}

#[tokio::test]
async fn deployments_that_never_end_are_ended_and_leave_everybody_elses_going() {
    let server = Server::start().await;
    let settings = [("DEPLOYMENT_TIMEOUT_SECS", "5"), ("PLATFORM_ROLES", "auto")];
    let gateway = server.gateway_with(&server.new_folder(), &settings);
    let over = AtomicBool::new(false);
    let attack = async {
        // Six at a time, each of them at least twice, until everybody else is done.
        let columns = (0..6).map(|column| {
            let (gateway, over) = (&gateway, &over);
            async move {
                let mut answers = Vec::new();
                for number in (column..60).step_by(6) {
                    if number >= 12 && over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (path, text) = ENDLESS[number % ENDLESS.len()];
                    let text = text.replace("{}", &number.to_string());
                    answers.push(register(gateway, "a", &format!("t{number}"), &[(path, &text)]).await);
                }
                answers
            }
        });
        join_all(columns).await.into_iter().flatten().collect::<Vec<_>>()
    };
    let others = async {
        let admin = server.connect("postgres").await;
        let hang = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait("four deployments hang", async || value(&admin, hang).await == "4").await;
        let longest = join_all(["b", "c"].map(|platform| everybody_else(&gateway, platform))).await;
        wait("the attack goes on", async || value(&admin, hang).await != "0").await;
        over.store(true, Ordering::Relaxed);
        longest
    };
    let (answers, longest) = tokio::join!(attack, others);
    for answer in &answers {
        assert_eq!((answer.status, &answer.body["error"]), (409, &json!("migration_failed")), "{answer:?}");
        let cause = answer.body["cause"].as_str().unwrap_or_default();
        assert!(cause.contains("DEPLOYMENT_TIMEOUT_SECS"), "{answer:?}");
    }
    // Unless the machine was so slow that no statement was begun.
    assert!(answers.iter().any(|answer| answer.body["file"].is_string()), "{answers:#?}");
    println!("the longest that others waited: {longest:?}");
    assert!(longest.iter().all(|longest| *longest < Duration::from_secs(15)), "{longest:?}");
    let admin = server.connect("postgres").await;
    let left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'stonescriptdb-a'";
    wait("every backend is gone", async || value(&admin, left).await == "0").await;
    let databases = "SELECT datname FROM pg_database WHERE datname LIKE 'a\\_%'";
    assert_eq!(rows(&admin, databases).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_endless_migration_of_a_database_that_is_there_is_ended_and_what_comes_next_goes_through() {
    let server = Server::start().await;
    let gateway =
        server.gateway_with(&server.new_folder(), &[("DEPLOYMENT_TIMEOUT_SECS", "2"), ("PLATFORM_ROLES", "auto")]);
    assert_eq!(register(&gateway, "a", "one", BUNDLE).await.status, 200);
    assert_eq!(register(&gateway, "a", "two", BUNDLE).await.status, 200);
    // Quick where there is no row, so the blueprint and the rehearsal on its copy go through.
    let client = server.connect("a_two").await;
    client.batch_execute("INSERT INTO a VALUES (1)").await.expect("a row");
    let endless = [NEXT[0], NEXT[1], ("migrations/1.sql", "SELECT pg_sleep(100000) FROM a;")];
    for dry_run in ["true", "false"] {
        let answer = send(&gateway, "/migrate", &[("platform", "a"), ("dry_run", dry_run)], &endless).await;
        if dry_run == "true" {
            // The copy of the blueprint has no row.
            assert_eq!(answer.status, 200, "{answer:?}");
            continue;
        }
        assert_eq!((answer.status, &answer.body["error"]), (409, &json!("migration_failed")), "{answer:?}");
        assert_eq!(answer.body["databases_updated"], json!(["a_one"]), "{answer:?}");
        let failed = &answer.body["databases_failed"][0];
        assert_eq!(failed["database"], json!("a_two"), "{answer:?}");
        assert!(failed["cause"].as_str().is_some_and(|cause| cause.contains("DEPLOYMENT_TIMEOUT_SECS")), "{answer:?}");
    }
    let answer = register(&gateway, "a", "two", NEXT).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(rows(&client, "SELECT id FROM a WHERE n IS NULL").await, ["1"]);
}

#[tokio::test]
async fn turns_come_in_order_and_nothing_to_do_or_a_client_that_hung_up_takes_none() {
    let server = Server::start().await;
    let settings =
        [("DEPLOYMENT_TIMEOUT_SECS", "60"), ("MAX_DEPLOYMENTS_PER_PLATFORM", "1"), ("POOL_WAIT_TIMEOUT_SECS", "1")];
    let gateway = server.gateway_with(&server.new_folder(), &settings);
    assert_eq!(register(&gateway, "a", "done", BUNDLE).await.status, 200);
    let admin = server.connect("postgres").await;
    let slow = |number: usize| format!("SELECT {number}; SELECT pg_sleep(1);");
    let begin = async |number: usize| {
        // Requests arrive in the order in which they are sent.
        tokio::time::sleep(Duration::from_millis(300 * number as u64)).await;
        let (text, tenant) = (slow(number), format!("t{number}"));
        register(&gateway, "a", &tenant, &[("migrations/1.sql", &text)]).await;
        Instant::now()
    };
    let waiting = join_all((0..5).map(begin));
    let meanwhile = async {
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait("the first one sleeps", async || value(&admin, sleeps).await == "1").await;
        let unchanged = register(&gateway, "a", "done", BUNDLE).await;
        assert_eq!((unchanged.status, &unchanged.body["functions_unchanged"]), (200, &json!(1)), "{unchanged:?}");
        assert!(unchanged.took < Duration::from_millis(900), "{unchanged:?}");
        // Hangs up while it waits: its database is never made.
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let text = slow(99);
        let files = [("migrations/1.sql", text.as_str())];
        let hung_up = register(&gateway, "a", "hung_up", &files);
        assert!(tokio::time::timeout(Duration::from_millis(300), hung_up).await.is_err());
    };
    let (ended, ()) = tokio::join!(waiting, meanwhile);
    assert!(ended.is_sorted(), "{ended:?}");
    // Whoever waits for too long hears of it.
    let endless = [("migrations/1.sql", "SELECT pg_sleep(50);")];
    let busy = async {
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        wait("it sleeps", async || value(&admin, sleeps).await == "1").await;
        register(&gateway, "a", "late", BUNDLE).await
    };
    let answer = tokio::select! {
        answer = register(&gateway, "a", "endless", &endless) => panic!("ended before: {answer:?}"),
        busy = busy => busy,
    };
    assert_eq!((answer.status, &answer.body["error"]), (503, &json!("deployments_busy")), "{answer:?}");
    assert!(
        answer.retry_after.is_some()
            && answer.body["message"].as_str().is_some_and(|text| text.contains("MAX_DEPLOYMENTS_PER_PLATFORM")),
        "{answer:?}"
    );
    assert!(answer.took >= Duration::from_secs(20), "{answer:?}");
    let databases = server.databases().await;
    assert!(!databases.iter().any(|name| name == "a_hung_up" || name == "a_late"), "{databases:?}");
}

#[tokio::test]
async fn a_fleet_counts_as_one_however_many_of_its_databases_are_deployed_to_at_once() {
    let server = Server::start().await;
    let gateway = server.gateway_with(&server.new_folder(), &[("MAX_DEPLOYMENTS_PER_PLATFORM", "1")]);
    for tenant in ["one", "two", "three"] {
        assert_eq!(register(&gateway, "a", tenant, BUNDLE).await.status, 200);
        // Quick where there is no row: in the blueprint.
        server.connect(&format!("a_{tenant}")).await.batch_execute("INSERT INTO a VALUES (1)").await.expect("a row");
    }
    let admin = server.connect("postgres").await;
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname LIKE 'a\\_%'";
    let slow = [BUNDLE[0], BUNDLE[1], ("migrations/1.sql", "SELECT pg_sleep(2) FROM a;")];
    let fleet = async {
        let answer = send(&gateway, "/migrate", &[("platform", "a")], &slow).await;
        (answer, Instant::now())
    };
    let beside = async {
        wait("two at once", async || value(&admin, sleeps).await == "2").await;
        let answer = register(&gateway, "a", "four", BUNDLE).await;
        (answer, Instant::now())
    };
    let ((fleet, fleet_ended), (beside, beside_ended)) = tokio::join!(fleet, beside);
    assert_eq!((fleet.status, beside.status), (200, 200), "{fleet:?} {beside:?}");
    assert!(fleet_ended < beside_ended, "another deployment had a turn while the fleet had the only one");
}

#[tokio::test]
async fn a_gateway_that_stops_keeps_nobody_waiting_for_a_turn() {
    let server = Server::start().await;
    let gateway = server.gateway_with(&server.new_folder(), &[("MAX_DEPLOYMENTS_PER_PLATFORM", "1")]);
    let admin = server.connect("postgres").await;
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let running = register(&gateway, "a", "one", &[("migrations/1.sql", "SELECT pg_sleep(4);")]);
    let waiting = async {
        wait("it sleeps", async || value(&admin, sleeps).await == "1").await;
        let stopping = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            gateway.stop();
        };
        let (answer, ()) = tokio::join!(register(&gateway, "a", "two", BUNDLE), stopping);
        assert_eq!(value(&admin, sleeps).await, "1", "it was told only after the first one had ended");
        answer
    };
    let (running, waiting) = tokio::join!(running, waiting);
    assert_eq!((waiting.status, &waiting.body["error"]), (503, &json!("connection_failed")), "{waiting:?}");
    assert_eq!(running.status, 200, "{running:?}");
}
