//! The gateway killed at random (seeded) moments.

use std::time::Duration;

use crate::support::{AFTER, BEFORE, ROWS, Server, register, rows, tar_gz};

/// Moments from a seed: xorshift, so that a failure can be had again.
fn moments(mut seed: u64, longest_ms: u64) -> impl Iterator<Item = Duration> {
    std::iter::from_fn(move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        Some(Duration::from_millis(seed % longest_ms))
    })
}

/// Sends the bundle and kills the gateway after a moment.
async fn register_and_kill(server: &Server, files: &[(&str, &str)], moment: Duration) {
    let mut gateway = server.gateway();
    let sending = tokio::spawn({
        let (url, archive) = (gateway.url.clone(), tar_gz(files));
        async move { register(&url, archive).await }
    });
    tokio::time::sleep(moment).await;
    gateway.kill();
    sending.await.expect("no panic");
    server.wait_until_left_alone().await;
}

#[tokio::test]
async fn a_gateway_killed_at_ten_moments_leaves_the_database_as_it_was_or_wholly_migrated() {
    let server = Server::start().await;
    server.gateway().ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    let before = server.contents("x_main").await;
    let mut after = None;
    let mut untouched = 0;
    for (round, moment) in moments(42, 1_900).take(10).enumerate() {
        // Another bundle each time, so that the blueprint is made anew too; its effect is the same.
        let marker = format!("SELECT {round}; {}", AFTER[3].1);
        let mut files = AFTER.to_vec();
        files[3].1 = &marker;
        register_and_kill(&server, &files, moment).await;
        let found = server.contents("x_main").await;
        assert_eq!(server.databases().await, ["x_main"], "killed after {moment:?}");
        if found == before {
            untouched += 1;
            continue;
        }
        // Wholly migrated: sending it again finds nothing to do. Back to the start for the next round.
        server.gateway().ready(&files).await;
        assert_eq!(server.contents("x_main").await, found, "killed after {moment:?}");
        after = Some(found);
        let admin = server.connect("postgres").await;
        server.wait_until_left_alone().await;
        admin.batch_execute("DROP DATABASE x_main WITH (FORCE)").await.expect("dropped");
        server.gateway().ready(BEFORE).await;
        server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    }
    assert!(untouched > 0, "never killed early enough");
    server.wait_until_left_alone().await;
    server.gateway().ready(AFTER).await;
    let client = server.connect("x_main").await;
    assert_eq!(rows(&client, "SELECT count(*) FROM b").await, ["20"]);
    assert_eq!(rows(&client, "SELECT count(*) FROM a WHERE m = id AND n = id * 2").await, ["20"]);
    if let Some(after) = after {
        assert!(after.iter().any(|line| line.contains("101")), "{after:?}");
    }
}

#[tokio::test]
async fn a_gateway_killed_between_statements_outside_the_transaction_resumes_there() {
    let after: &[(&str, &str)] = &[
        (
            "tables/a.sql",
            "CREATE TABLE a (id int PRIMARY KEY, n int, m int); CREATE INDEX a_n ON a (n); CREATE INDEX a_m ON a (m);",
        ),
        BEFORE[1],
        BEFORE[2],
        (
            "migrations/1.sql",
            "ALTER TABLE a ADD COLUMN m int; UPDATE a SET m = coalesce(m, 0) + 1; SELECT pg_sleep(0.2);
             CREATE INDEX CONCURRENTLY a_n ON a (n); UPDATE a SET m = m + 1; SELECT pg_sleep(0.2);
             CREATE INDEX CONCURRENTLY a_m ON a (m); UPDATE a SET m = m + 1; SELECT pg_sleep(0.2);",
        ),
    ];
    let server = Server::start().await;
    server.gateway().ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    for moment in moments(7, 1_700).take(5) {
        register_and_kill(&server, after, moment).await;
        assert_eq!(server.databases().await, ["x_main"]);
    }
    server.gateway().ready(after).await;
    let client = server.connect("x_main").await;
    assert_eq!(rows(&client, "SELECT DISTINCT m FROM a").await, ["3"], "each statement ran once");
    let indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid";
    assert_eq!(rows(&client, indexes).await, ["3"]);
    assert_eq!(rows(&client, "SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, ["0"]);
}

#[tokio::test]
async fn a_gateway_killed_while_a_database_is_made_leaves_none_or_a_whole_one() {
    let server = Server::start().await;
    let mut whole = None;
    for moment in moments(11, 1_400).take(5) {
        register_and_kill(&server, AFTER, moment).await;
        let found = server.contents("x_main").await;
        if !found.is_empty() {
            whole.get_or_insert(found);
        }
    }
    server.gateway().ready(AFTER).await;
    assert_eq!(server.databases().await, ["x_main"]);
    let now = server.contents("x_main").await;
    assert_eq!(*whole.get_or_insert(now.clone()), now);
}
