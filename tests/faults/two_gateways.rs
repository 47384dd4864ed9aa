//! Two gateways in front of one server, and the connection that holds the deployment locks.

use crate::support::{AFTER, BEFORE, ROWS, Server, rows, value, wait};

#[tokio::test]
async fn two_gateways_that_deploy_to_one_database_at_once_do_it_once() {
    let server = Server::start().await;
    let (one, other) = (server.gateway(), server.gateway());
    one.ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    tokio::join!(one.ready(AFTER), other.ready(AFTER));
    let client = server.connect("x_main").await;
    let changes =
        "SELECT count(*) FROM _stonescriptdb_gateway_changelog WHERE change_type = 'CreateTable' AND object_name = 'b'";
    assert_eq!(value(&client, changes).await, "1");
    assert_eq!(rows(&client, "SELECT count(*) FROM b").await, ["20"]);
}

#[tokio::test]
async fn a_deployment_whose_lock_is_lost_is_rolled_back_and_never_beside_another() {
    let server = Server::start().await;
    let (one, other) = (server.gateway(), server.gateway());
    one.ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    let before = server.contents("x_main").await;
    let admin = server.connect("postgres").await;
    let lose = async {
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'x_main' AND wait_event = 'PgSleep'";
        wait("the deployment sleeps", async || value(&admin, sleeps).await == "1").await;
        let end = "SELECT count(pg_terminate_backend(l.pid)) FROM (SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                   WHERE l.locktype = 'advisory' AND a.datname LIKE 'stonescriptdb-%') l";
        assert_eq!(value(&admin, end).await, "1");
        // The other gateway's deployment begins while the first one is still at it.
        other.register(AFTER).await
    };
    let (first, second) = tokio::join!(one.register(AFTER), lose);
    let (status, body) = first.expect("an answer");
    assert_eq!(status, 503, "{body:#}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains("send it again")), "{body:#}");
    let (status, body) = second.expect("an answer");
    assert_eq!(status, 200, "{body:#}");
    assert_ne!(server.contents("x_main").await, before);
    let client = server.connect("x_main").await;
    assert_eq!(rows(&client, "SELECT count(*) FROM b").await, ["20"]);
    one.ready(AFTER).await;
}
