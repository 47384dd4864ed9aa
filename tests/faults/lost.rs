//! Lost connections, backends and servers, and clients that hang up.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::proxy::{Cut, Proxy};
use crate::support::{AFTER, BEFORE, ROWS, Server, register, tar_gz, value, wait};

#[tokio::test]
async fn a_connection_cut_anywhere_is_told_honestly_and_sending_it_again_works() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.folder.path(), &server.socket(), server.port());
    let gateway = server.gateway_through(&proxy.folder);
    gateway.ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    let before = server.contents("x_main").await;
    for (word, when) in [
        ("ADD COLUMN m", Cut::Before),
        ("ADD COLUMN o", Cut::After),
        ("CREATE FUNCTION f", Cut::Before),
        ("MATERIALIZED VIEW w", Cut::After),
        ("COMMIT", Cut::Before),
        ("COMMIT", Cut::After),
    ] {
        proxy.cut(word, when);
        let (status, body) = gateway.register(AFTER).await.expect("an answer");
        assert!(proxy.has_cut(), "never said {word:?}: {status} {body:#}");
        assert_eq!((status, body["error"].as_str()), (503, Some("connection_failed")), "{word:?} {when:?}: {body:#}");
        let message = body["message"].as_str().unwrap_or_default();
        let honest = if word == "COMMIT" { "either as it was or wholly" } else { "rolled back" };
        assert!(message.contains(honest), "{word:?}: {message}");
        let admin = server.connect("postgres").await;
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%deployment'";
        wait("the session ends", async || value(&admin, sessions).await == "0").await;
        let found = server.contents("x_main").await;
        assert_eq!(found == before, !(word == "COMMIT" && when == Cut::After), "{word:?} {when:?}");
    }
    gateway.ready(AFTER).await;
    assert_eq!(value(&server.connect("x_main").await, "SELECT count(*) FROM b").await, "20");
}

/// The backend that runs the deployment to `x_main`, once it sleeps.
async fn sleeping_backend(server: &Server) -> i32 {
    let admin = server.connect("postgres").await;
    let query =
        "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = 'x_main' AND wait_event = 'PgSleep'";
    wait("the deployment sleeps", async || value(&admin, query).await != "0").await;
    value(&admin, query).await.parse().expect("a pid")
}

#[tokio::test]
async fn a_killed_backend_and_a_stopped_server_leave_the_database_as_it_was() {
    let server = Server::start().await;
    let gateway = server.gateway();
    gateway.ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    let before = server.contents("x_main").await;

    for how in ["terminate", "kill", "immediate"] {
        let disturb = async {
            let pid = sleeping_backend(&server).await;
            let admin = server.connect("postgres").await;
            match how {
                "terminate" => drop(value(&admin, &format!("SELECT pg_terminate_backend({pid})")).await),
                "kill" => kill(Pid::from_raw(pid), Signal::SIGKILL).expect("our own server"),
                _ => {
                    // What `pg_ctl stop -m immediate` sends; here to one backend, whereupon the server starts anew.
                    kill(Pid::from_raw(pid), Signal::SIGQUIT).expect("our own server");
                }
            }
        };
        let (answer, ()) = tokio::join!(gateway.register(AFTER), disturb);
        let (status, body) = answer.expect("an answer");
        assert_eq!((status, body["error"].as_str()), (503, Some("connection_failed")), "{how}: {body:#}");
        let config = server.postgres.connection().clone();
        wait("the server is back", async || config.connect(tokio_postgres::NoTls).await.is_ok()).await;
        assert_eq!(server.contents("x_main").await, before, "after {how}");
    }
    let mut answer = gateway.register(AFTER).await;
    // Connections that the gateway kept may be dead still.
    for _ in 0..20 {
        if matches!(&answer, Some((200, _))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = gateway.register(AFTER).await;
    }
    assert!(matches!(&answer, Some((200, _))), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing_about_the_deployment() {
    let server = Server::start().await;
    let gateway = server.gateway();
    gateway.ready(BEFORE).await;
    server.connect("x_main").await.batch_execute(ROWS).await.expect("rows");
    let sending = tokio::spawn({
        let (url, archive) = (gateway.url.clone(), tar_gz(AFTER));
        async move { register(&url, archive).await }
    });
    sleeping_backend(&server).await;
    sending.abort();
    let client = server.connect("x_main").await;
    let done = "SELECT count(*) FROM pg_class WHERE relname = 'w' AND relkind = 'm'";
    wait("it is deployed to the end", async || value(&client, done).await == "1").await;
    gateway.ready(AFTER).await;
    assert_eq!(value(&client, "SELECT count(*) FROM _stonescriptdb_gateway_migrations").await, "2");
}
