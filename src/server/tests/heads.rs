//! Heads that cannot be read, or come too slowly: each is answered in JSON, and the connection closes.

use super::*;

fn json_of(answer: &str, status: &str, code: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    head.starts_with(&format!("HTTP/1.1 {status} "))
        && head.contains("content-type: application/json")
        && head.contains("connection: close")
        && body["error"] == code
        && body["message"].as_str().is_some_and(|message| !message.is_empty())
}

async fn say(server: &Running, words: &[u8]) -> String {
    let mut client = server.connect().await;
    // What cannot be read is answered before it is all sent.
    let _ = client.write_all(words).await;
    read_to_end(&mut client).await
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_answered_in_json() {
    let server = run(Router::new().route("/", get(async || "ok")), ServerLimits::default()).await;
    let many: String = (0..200).map(|number| format!("h{number}: v\r\n")).collect();
    let (long, longer) = ("a".repeat(50_000), "a".repeat(200_000));
    for (words, status, code) in [
        ("nonsense\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(), "400", "invalid_request"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(), "400", "invalid_request"),
        (format!("GET /{longer} HTTP/1.1\r\n\r\n"), "414", "uri_too_long"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431", "headers_too_large"),
        (format!("GET /{long} HTTP/1.1\r\nlong: {longer}\r\n\r\n"), "431", "headers_too_large"),
    ] {
        let answer = say(&server, words.as_bytes()).await;
        let shown = &words[..words.len().min(60)];
        assert!(json_of(&answer, status, code), "{shown:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_came_before_a_bad_head_is_answered_first() {
    let server = run(Router::new().route("/", get(async || "ok")), ServerLimits::default()).await;
    let answer = say(&server, &[REQUEST, b"nonsense\r\n\r\n"].concat()).await;
    let (first, second) = answer.split_at(answer.find("okHTTP/1.1").unwrap() + 2);
    assert!(first.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(json_of(second, "400", "invalid_request"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_slow_head_is_answered_and_an_idle_connection_is_not() {
    let server = run(Router::new().route("/", get(async || "ok")), limits(300, 60_000)).await;
    let answer = say(&server, b"GET / HTTP/1.1\r\nHost: gat").await;
    assert!(json_of(&answer, "408", "request_timeout"), "{answer}");
    assert_eq!(say(&server, b"").await, "");
    let answer = say(&server, REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok"), "{answer}");
    let mut client = server.connect().await;
    client.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut client).await.ends_with("ok"));
    client.write_all(b"GET").await.unwrap();
    let answer = read_to_end(&mut client).await;
    assert!(json_of(&answer, "408", "request_timeout"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_slow_head_does_not_hold_up_a_stop() {
    let server = run(Router::new().route("/", get(async || "ok")), limits(60_000, 60_000)).await;
    let mut fresh = server.connect().await;
    fresh.write_all(b"GET / HTTP/1.1\r\nHost: gat").await.unwrap();
    let mut used = server.connect().await;
    used.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut used).await.ends_with("ok"));
    used.write_all(b"GET / HTTP/1.1\r\nHost: gat").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let took = server.stop().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn http_1_0_is_spoken() {
    let server = run(Router::new().route("/", get(async || "ok")), ServerLimits::default()).await;
    let answer = say(&server, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK") && answer.ends_with("ok"), "{answer}");
    server.stop().await;
}
