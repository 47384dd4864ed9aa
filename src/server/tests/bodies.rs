//! Bodies that come too slowly, and clients that are to be gone.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;

use super::*;

fn pace(grace_ms: u64, bytes_per_second: u64, longest_ms: u64) -> ServerLimits {
    let body = BodyPace {
        grace: Duration::from_millis(grace_ms),
        bytes_per_second,
        longest_pause: Duration::from_secs(60),
        longest: Duration::from_millis(longest_ms),
        when_stopping: Duration::from_millis(300),
    };
    ServerLimits { body, ..ServerLimits::default() }
}

/// Reads the body and tells its length, or why it did not come to its end.
fn reader() -> Router {
    let read = async |body: Body| match axum::body::to_bytes(body, 1 << 20).await {
        Ok(bytes) => bytes.len().to_string().into_response(),
        Err(error) => {
            let error = error.into_inner();
            (StatusCode::REQUEST_TIMEOUT, error.to_string()).into_response()
        }
    };
    Router::new().route("/", post(read))
}

async fn begin(server: &Running, length: usize) -> TcpStream {
    let mut client = server.connect().await;
    client.write_all(format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
    client
}

/// Sends a byte every so often, until nobody takes it any more or the answer is there.
async fn trickle(client: &mut TcpStream, every_ms: u64) -> String {
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    let reading = async {
        loop {
            tokio::select! {
                read = client.read(&mut bytes) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => answer.extend_from_slice(&bytes[..length]),
                },
                () = sleep(Duration::from_millis(every_ms)) => drop(client.write_all(b"x").await),
            }
        }
    };
    timeout(GENEROUS, reading).await.expect("the connection is closed");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_or_trickles_is_given_up() {
    let server = run(reader(), pace(400, 1000, 60_000)).await;
    for every_ms in [30, 10_000] {
        let since = Instant::now();
        let answer = trickle(&mut begin(&server, 100_000).await, every_ms).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.ends_with("the body came too slowly"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(since.elapsed() >= Duration::from_millis(400) && since.elapsed() < Duration::from_secs(5));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_comes_fast_enough_may_take_its_time_up_to_a_limit() {
    let server = run(reader(), pace(400, 1000, 60_000)).await;
    let mut client = begin(&server, 20_000).await;
    // Ten times as long as the grace, at five times the least speed.
    for _ in 0..20 {
        client.write_all(&[b'x'; 1000]).await.unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    let answer = read_answer(&mut client).await;
    assert!(answer.ends_with("\r\n\r\n20000"), "{answer}");
    server.stop().await;

    let server = run(reader(), pace(400, 1, 800)).await;
    let answer = trickle(&mut begin(&server, 100_000).await, 50).await;
    assert!(answer.ends_with("the body came too slowly"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_came_fast_may_not_stand_still_for_as_long_as_it_would_have_taken() {
    let mut limits = pace(100, 1000, 60_000);
    limits.body.longest_pause = Duration::from_millis(500);
    let server = run(reader(), limits).await;
    let mut client = begin(&server, 100_000).await;
    client.write_all(&[b'x'; 50_000]).await.unwrap();
    let since = Instant::now();
    let answer = trickle(&mut client, 50).await;
    assert!(answer.ends_with("the body came too slowly"), "{answer}");
    assert!(since.elapsed() >= Duration::from_millis(400) && since.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_body_does_not_hold_up_a_stop() {
    let server = run(reader(), pace(60_000, 1, 60_000)).await;
    let mut silent = begin(&server, 100_000).await;
    let mut busy = begin(&server, 100_000).await;
    let trickling = tokio::spawn(async move { trickle(&mut busy, 20).await });
    sleep(Duration::from_millis(200)).await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(trickling.await.unwrap().ends_with("the gateway is stopping"));
    assert!(read_to_end(&mut silent).await.ends_with("the gateway is stopping"));
}

#[tokio::test]
async fn who_is_told_to_go_reads_the_answer_though_it_was_still_sending() {
    let refuse = async || (StatusCode::FORBIDDEN, [("connection", "close")], "go away");
    let server = run(Router::new().route("/", post(refuse)), ServerLimits::default()).await;
    let mut client = begin(&server, 500_000_000).await;
    // More than the system takes in for a server that does not read.
    let sending = timeout(GENEROUS, client.write_all(&vec![b'x'; 64 << 20])).await.expect("the connection is closed");
    assert!(sending.is_err(), "everything was read");
    let mut answer = vec![0; 4096];
    let length = timeout(GENEROUS, client.read(&mut answer)).await.expect("an answer").unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 403") && answer.ends_with("go away"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn who_asks_whether_to_send_is_told_to() {
    let server = run(reader(), ServerLimits::default()).await;
    let mut client = server.connect().await;
    let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert_eq!(read_answer(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    assert!(read_answer(&mut client).await.ends_with("\r\n\r\n5"));
    server.stop().await;
}
