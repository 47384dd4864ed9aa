//! `serve_within` on a real socket.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;

mod bodies;
mod crowd;
mod heads;
mod insisted;

const GENEROUS: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

async fn run(app: Router, limits: ServerLimits) -> Running {
    run_answer(app, limits).await
}

async fn run_answer(app: impl Answer, limits: ServerLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move { drop(stopped.await) };
    Running { address, stop, server: tokio::spawn(serve_within(limits, listener, app, shutdown)) }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Stops and returns how long that took.
    async fn stop(self) -> Duration {
        let begin = Instant::now();
        self.stop.send(()).unwrap();
        timeout(GENEROUS, self.server).await.expect("the server stops").unwrap().unwrap();
        begin.elapsed()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(GENEROUS, stream.read_to_string(&mut text)).await.expect("the connection is closed").unwrap();
    text
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let length = timeout(GENEROUS, stream.read(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn limits(next_headers_ms: u64, drain_ms: u64) -> ServerLimits {
    ServerLimits {
        next_headers: Duration::from_millis(next_headers_ms),
        drain: Duration::from_millis(drain_ms),
        ..ServerLimits::default()
    }
}

#[tokio::test]
async fn the_clients_address_reaches_the_handler() {
    let app = Router::new().route("/", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()));
    let server = run(app, ServerLimits::default()).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    let answer = read_answer(&mut client).await;
    assert!(answer.ends_with(&client.local_addr().unwrap().to_string()), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_request_in_flight_gets_its_answer_and_nobody_else_gets_in() {
    let (begun, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, proceed) = (begun.clone(), proceed.clone());
        async move || {
            begun.notify_one();
            proceed.notified().await;
            "late"
        }
    };
    let server = run(Router::new().route("/", get(handler)), ServerLimits::default()).await;
    let (mut client, address) = (server.connect().await, server.address);
    client.write_all(REQUEST).await.unwrap();
    timeout(GENEROUS, begun.notified()).await.expect("the request arrives");
    let stopping = tokio::spawn(server.stop());
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(GENEROUS, refused).await.expect("new connections are refused");
    proceed.notify_one();
    let answer = read_to_end(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("late"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_request_sent_just_before_the_stop_gets_its_answer() {
    use std::io::{Read, Write};
    let server = run(Router::new().route("/", get(async || "ok")), ServerLimits::default()).await;
    // Blocking, on the only thread there is: the server has had no chance to accept when the stop comes.
    let mut clients: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    for client in &mut clients {
        client.write_all(REQUEST).unwrap();
    }
    server.stop().await;
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("ok"), "{answer:?}");
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    let server = run(Router::new().route("/", get(async || "ok")), limits(60_000, 60_000)).await;
    let mut used = server.connect().await;
    used.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut used).await.ends_with("ok"));
    let mut silent = server.connect().await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(read_to_end(&mut used).await, "");
    // One that was not even accepted yet is reset instead.
    let mut rest = Vec::new();
    let _ = timeout(GENEROUS, silent.read_to_end(&mut rest)).await.expect("the silent one is closed");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_and_dropped() {
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let handler = {
        let (begun, dropped) = (begun.clone(), dropped.clone());
        async move || {
            let _guard = Guard(dropped);
            begun.notify_one();
            pending::<&str>().await
        }
    };
    let server = run(Router::new().route("/", get(handler)), limits(60_000, 300)).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    timeout(GENEROUS, begun.notified()).await.expect("the request arrives");
    let took = server.stop().await;
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(dropped.load(Ordering::SeqCst), "the handler goes on");
    assert_eq!(read_to_end(&mut client).await, "");
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_headers_is_closed() {
    let server = run(Router::new().route("/", get(async || "ok")), limits(300, 60_000)).await;
    let mut client = server.connect().await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: gat").await.unwrap();
    let answer = read_to_end(&mut client).await;
    assert!(!answer.contains("200 OK"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_slow_handler_is_no_slow_client() {
    let handler = async || {
        sleep(Duration::from_millis(600)).await;
        "ok"
    };
    let server = run(Router::new().route("/", get(handler)), limits(200, 60_000)).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut client).await.ends_with("ok"));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_has_its_request_dropped() {
    let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let handler = {
        let (begun, ended) = (begun.clone(), ended.clone());
        async move || {
            let _guard = Guard(ended);
            begun.notify_one();
            pending::<&str>().await
        }
    };
    let server = run(Router::new().route("/", get(handler)), ServerLimits::default()).await;
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    timeout(GENEROUS, begun.notified()).await.expect("the request arrives");
    drop(client);
    timeout(GENEROUS, ended.notified()).await.expect("the handler is dropped");
    server.stop().await;
}
