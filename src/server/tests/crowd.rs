//! More connections than there may be.

use std::net::{IpAddr, Ipv4Addr};

use tokio::net::TcpSocket;

use super::*;

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[derive(Clone)]
struct App(Router);

impl Answer for App {
    async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        self.0.answer(peer, request).await
    }

    fn is_stranger(&self, peer: SocketAddr) -> bool {
        peer.ip() == STRANGER
    }

    fn is_vital(&self, path: &str) -> bool {
        path == "/health"
    }
}

async fn full(connections: usize) -> (Running, Vec<TcpStream>) {
    let routes = Router::new().route("/", get(async || "ok")).route("/health", get(async || r#"{"status":"healthy"}"#));
    let limits = ServerLimits { max_connections: connections, ..ServerLimits::default() };
    let server = run_answer(App(routes), limits).await;
    let mut idle = Vec::new();
    for _ in 0..connections {
        let mut client = server.connect().await;
        client.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut client).await.ends_with("ok"));
        idle.push(client);
    }
    (server, idle)
}

async fn ask(server: &Running, words: &[u8]) -> String {
    let mut client = server.connect().await;
    client.write_all(words).await.unwrap();
    read_to_end(&mut client).await
}

#[tokio::test]
async fn above_the_limit_health_is_answered_and_all_else_is_told_to_come_back() {
    let (server, mut idle) = full(3).await;
    // Nothing more than the request line is waited for.
    let answer = ask(&server, b"GET /health HTTP/1.1\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"{"status":"healthy"}"#), "{answer}");
    for words in ["GET / HTTP/1.1\r\nHost: gateway\r\n\r\n", "POST /call HTTP/1.1\r\n", "nonsense\r\n", ""] {
        let since = Instant::now();
        let answer = ask(&server, words.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{words:?}: {answer}");
        assert!(answer.contains(r#"{"error":"too_many_connections""#), "{words:?}: {answer}");
        assert!(since.elapsed() < Duration::from_secs(4), "{words:?}");
    }
    // The others are served as before, and one that goes makes room.
    idle[0].write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut idle[0]).await.ends_with("ok"));
    drop(idle.pop());
    let served = async {
        loop {
            let mut client = server.connect().await;
            client.write_all(REQUEST).await.unwrap();
            if read_answer(&mut client).await.ends_with("ok") {
                return;
            }
        }
    };
    timeout(GENEROUS, served).await.expect("there is room");
    server.stop().await;
}

#[tokio::test]
async fn many_that_say_nothing_keep_nobody_from_health_for_long() {
    let (server, _idle) = full(1).await;
    let mut silent = Vec::new();
    for _ in 0..3 * MAX_CROWD {
        silent.push(server.connect().await);
    }
    let since = Instant::now();
    let answer = ask(&server, b"GET /health HTTP/1.1\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn strangers_take_a_tenth_of_the_connections_and_no_more() {
    let (server, mut idle) = full(20).await;
    idle.truncate(10);
    let strange = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(STRANGER, 0)).unwrap();
        socket.connect(server.address).await.unwrap()
    };
    let room = async { while !ask(&server, b"GET / HTTP/1.0\r\n\r\n").await.ends_with("ok") {} };
    timeout(GENEROUS, room).await.expect("there is room");
    let mut strangers = Vec::new();
    for _ in 0..12 {
        strangers.push(strange().await);
    }
    let mut third = strange().await;
    third.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut third).await.starts_with("HTTP/1.1 200 OK"));
    let mut fourth = strange().await;
    fourth.write_all(REQUEST).await.unwrap();
    assert!(read_to_end(&mut fourth).await.starts_with("HTTP/1.1 503"));
    assert!(ask(&server, b"GET / HTTP/1.0\r\n\r\n").await.ends_with("ok"));
    server.stop().await;
}
