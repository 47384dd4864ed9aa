//! Answers reach clients that send everything before they read.

use super::*;

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
