//! Connections above `MAX_CLIENT_CONNECTIONS`: read up to their request line. Who asks whether the gateway lives is
//! answered, everybody else told to come back; then the connection closes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, refusal};

/// How many of them there are at once; more wait to be accepted.
pub(super) const MAX_CROWD: usize = 16;

/// How long the request line may take.
const LINE: Duration = Duration::from_secs(1);

/// How long it is waited for the rest of what was sent. Its place is wanted by others.
const LINGER: Duration = Duration::from_millis(200);

/// The longest line that is read.
const MAX_LINE_BYTES: usize = 4096;

/// The longest answer that is sent from here.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Answers the connection's first request, and closes.
pub(super) async fn serve(mut socket: TcpStream, peer: SocketAddr, app: impl Answer) {
    let line = timeout(LINE, read_line(&mut socket)).await.unwrap_or_default();
    let asked = line.as_deref().and_then(parse_line);
    let (method, path) = match asked {
        Some((method, path)) if app.is_vital(path) => (method, path.to_owned()),
        _ => {
            refusal::answer(&mut socket, &refusal::crowded()).await;
            return refusal::close_gently(socket, LINGER).await;
        }
    };
    let is_head = method == Method::HEAD;
    let answering = async {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().ok()?;
        let (head, body) = app.answer(peer, request).await.into_parts();
        let body = to_bytes(body, MAX_ANSWER_BYTES).await.ok()?;
        Some((head.status, if is_head { axum::body::Bytes::new() } else { body }))
    };
    if let Ok(Some((status, body))) = timeout(ANSWER, answering).await {
        refusal::send(&mut socket, status, "", &body).await;
    }
    refusal::close_gently(socket, LINGER).await;
}

/// The request line; `None`: the client ended, or its line is too long.
async fn read_line(socket: &mut TcpStream) -> Option<String> {
    let mut line = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let bytes = socket.read(&mut buffer).await.ok().filter(|bytes| *bytes > 0)?;
        line.extend_from_slice(&buffer[..bytes]);
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return String::from_utf8(line).ok();
        }
        if line.len() >= MAX_LINE_BYTES {
            return None;
        }
    }
}

/// Method and path of `GET /health?x HTTP/1.1`, of the methods that only look.
fn parse_line(line: &str) -> Option<(Method, &str)> {
    let mut words = line.trim_end_matches('\r').split(' ');
    let method = match words.next()? {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        _ => return None,
    };
    let target = words.next()?;
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    Some((method, target.split('?').next().unwrap_or(target)))
}
