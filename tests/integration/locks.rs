//! Locks that others hold.

use std::time::Duration;

use crate::support::{BundleBuilder, Platform, bundle};

fn bundle_with(column: &str) -> BundleBuilder {
    bundle()
        .file("tables/a.sql", format!("CREATE TABLE a (id int PRIMARY KEY{column});"))
        .file("functions/f.sql", "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a'")
}

#[tokio::test]
async fn a_lock_that_is_held_for_a_moment_is_waited_for() {
    let platform = Platform::new();
    platform.register(&bundle_with("")).await.ready();
    let other = platform.sql().await;
    other.run("BEGIN; LOCK TABLE a").await;
    let release = async {
        // Longer than one attempt waits.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        other.run("COMMIT").await;
    };
    let after = bundle_with(", n int");
    let (answer, ()) = tokio::join!(platform.register(&after), release);
    answer.ready();
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_is_reported_with_who_holds_it() {
    let platform = Platform::new();
    platform.register(&bundle_with("")).await.ready();
    let other = platform.sql().await;
    other
        .run("SET application_name = 'month-end'; BEGIN; LOCK TABLE a; SELECT id, 'secret' FROM a WHERE id = 4711")
        .await;
    let pid = other.value("SELECT pg_backend_pid() /* 4711 */").await;
    let answer =
        platform.register(&bundle_with(", n int").file("migrations/1.sql", "ALTER TABLE a ADD COLUMN n int;")).await;
    answer.refused(409, "migration_failed").sqlstate("55P03").at("migrations/1.sql", 1);
    let blocker = &answer.body["blocked_by"][0];
    assert_eq!(blocker["pid"].to_string(), pid, "{answer}");
    assert_eq!(
        (blocker["application_name"].as_str(), blocker["state"].as_str()),
        (Some("month-end"), Some("idle in transaction"))
    );
    assert!(blocker["query"].as_str().is_some_and(|query| query.starts_with("SELECT pg_backend_pid()")), "{answer}");
    assert!(!answer.to_string().contains("4711"), "values of somebody else's query in {answer}");
    other.run("ROLLBACK").await;
    platform
        .register(&bundle_with(", n int").file("migrations/1.sql", "ALTER TABLE a ADD COLUMN n int;"))
        .await
        .ready();
}

#[tokio::test]
async fn what_the_gateway_generates_waits_for_a_lock_in_the_same_way() {
    let platform = Platform::new();
    platform.register(&bundle_with("")).await.ready();
    let other = platform.sql().await;
    other.run("BEGIN; LOCK TABLE a, _stonescriptdb_gateway_changelog").await;
    platform.register(&bundle_with(", n int")).await.refused(409, "migration_failed").sqlstate("55P03");
}
