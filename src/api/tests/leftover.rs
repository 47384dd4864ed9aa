//! Answers reach clients that send everything before they read.

use super::*;
use crate::server::BodyPace;

const LARGE: usize = 8 * 1024 * 1024;

fn large_post(target: &str) -> Vec<u8> {
    let headers = format!("Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {LARGE}\r\n");
    let mut request = head("POST", target, &headers).into_bytes();
    request.resize(request.len() + LARGE, b'x');
    request
}

#[tokio::test]
async fn a_refused_client_that_sends_all_of_a_large_body_reads_why() {
    let server = Server::start().await;
    for (source, target, status) in [
        ("127.0.0.2", "/register", 403),
        ("127.0.0.1", "/nothing", 404),
        ("127.0.0.1", "/register", 413),
        ("127.0.0.1", "/call", 415),
        ("127.0.0.1", "/health", 405),
    ] {
        let answer = server.send_from(source.parse().unwrap(), large_post(target)).await;
        assert_eq!(answer.status, status, "{target}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_leave_to_send_is_not_given_it() {
    let server = Server::start().await;
    let headers =
        format!("Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {LARGE}\r\nExpect: 100-continue\r\n");
    let answer = server.send(head("POST", "/register", &headers)).await;
    assert_eq!(answer.status, 413, "and no 100 before it: {answer:?}");
}

#[tokio::test]
async fn a_client_that_never_sends_its_body_is_answered_all_the_same() {
    let server = Server::start().await;
    let headers = format!("Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {LARGE}\r\n");
    assert_eq!(server.send(head("POST", "/register", &headers)).await.status, 413);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408_wherever_it_is_read() {
    let pace = BodyPace { grace: Duration::from_millis(200), ..BodyPace::default() };
    let limits = ServerLimits { body: pace, ..ServerLimits::default() };
    let server = Server::serve_within(limits, router::app(gateway(|_| {}))).await;
    for (target, content_type, length) in [
        ("/call", "application/json", 50),
        ("/call", "application/json", 50_000),
        ("/platform/register", "application/json", 50),
        ("/register", "multipart/form-data; boundary=x", 50),
        ("/register", "multipart/form-data; boundary=x", 50_000),
    ] {
        let mut stream = server.connect_from(LOOPBACK).await;
        let headers = format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
        stream.write_all(head("POST", target, &headers).as_bytes()).await.unwrap();
        stream.write_all(b"--x\r\n").await.unwrap();
        let answer = Answer::read(&mut stream).await;
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answer.status, error.as_str()), (408, "request_timeout"), "{target} {length}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{target} {length}");
    }
}
