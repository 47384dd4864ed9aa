//! Around every request: ids, log lines, panics, `CONFLICT_STATUS`.

use std::io;
use std::sync::Mutex;

use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::api::notes::Notes;
use crate::databases::name::{Address, Id, Which};
use crate::error::{ApiError, ErrorCode};

/// The log of one test, as JSON lines. The test's runtime has one thread, so the thread's subscriber sees all of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of requests.
    fn lines(&self) -> Vec<Value> {
        let lines = self.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        lines.into_iter().filter(|line| line["fields"]["request_id"].is_string()).collect()
    }

    /// The only line, once it is there.
    async fn line(&self) -> Value {
        let waiting = async {
            loop {
                if let [line] = &self.lines()[..] {
                    return line.clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("not one line: {}", self.text()))
    }
}

/// A line's level and fields, its measured values checked and masked.
fn masked(mut line: Value) -> String {
    let fields = line["fields"].as_object_mut().unwrap();
    assert!(fields.insert("duration_ms".into(), "[ms]".into()).unwrap().is_number());
    assert_eq!(fields.insert("request_id".into(), "[id]".into()).unwrap().as_str().unwrap().len(), 16);
    format!("{} {}", line["level"].as_str().unwrap(), line["fields"])
}

async fn serve(path: &str, route: axum::routing::MethodRouter<Arc<Gateway>>) -> Server {
    Server::start_routes(Router::new().route(path, route), gateway(|_| {})).await
}

#[tokio::test]
async fn a_request_id_is_taken_over_if_it_is_harmless_and_else_made() {
    let server = Server::start().await;
    let id_for = async |value: &str| {
        let answer = server.ask("GET", "/health", &format!("X-Request-Id: {value}\r\n")).await;
        answer.header("x-request-id").unwrap().to_owned()
    };
    let longest = "x".repeat(64);
    for sane in ["abc-1:2/3", "~", longest.as_str()] {
        assert_eq!(id_for(sane).await, sane);
    }
    let too_long = "x".repeat(65);
    for other in ["", "two words", "ä", too_long.as_str()] {
        let made = id_for(other).await;
        assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{other:?}: {made}");
    }
    assert_ne!(id_for("").await, id_for("").await);
    assert!(server.get("/nothing").await.header("x-request-id").is_some());
}

#[tokio::test]
async fn a_request_is_one_line_without_its_query() {
    let (log, _guard) = Log::start();
    let server = Server::start().await;
    server.get("/admin/databases?platform=a%20b&password=hunter2").await;
    let line = log.line().await;
    assert!(!log.text().contains("hunter2"));
    insta::assert_snapshot!(masked(line), @r#"INFO {"message":"request","request_id":"[id]","method":"GET","path":"/admin/databases","status":400,"duration_ms":"[ms]","client":"127.0.0.1","error":"invalid_request"}"#);
}

#[tokio::test]
async fn a_path_that_nobody_serves_is_logged_as_sent() {
    let (log, _guard) = Log::start();
    let server = Server::start().await;
    server.get(&format!("/{}?q", "x".repeat(1000))).await;
    assert_eq!(log.line().await["fields"]["path"].as_str().unwrap().len(), 200);
}

#[tokio::test]
async fn the_line_of_a_5xx_is_an_error_with_the_cause_that_the_answer_keeps_back() {
    let (log, _guard) = Log::start();
    let fail = async |notes: Notes| -> ApiError {
        let platform = Id::parse("platform", "My-App").unwrap();
        notes.note_address(&Address::new(platform, Which::Main).unwrap());
        ApiError::internal("disk on fire")
    };
    let answer = serve("/fail/{what}", get(fail)).await.get("/fail/hard").await;
    insta::assert_snapshot!(answer.error(), @r#"500 {"error":"internal_error","message":"the gateway failed; its log says why"}"#);
    insta::assert_snapshot!(masked(log.line().await), @r#"ERROR {"message":"request failed","request_id":"[id]","method":"GET","path":"/fail/{what}","status":500,"duration_ms":"[ms]","platform":"My-App","database":"my_app_main","error":"internal_error","cause":"disk on fire"}"#);
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    let (log, _guard) = Log::start();
    let panics = async || -> ApiError { panic!("the handler broke") };
    let server = serve("/panic", get(panics)).await;
    let answer = server.get("/panic").await;
    insta::assert_snapshot!(answer.error(), @r#"500 {"error":"internal_error","message":"the gateway failed; its log says why"}"#);
    assert_eq!(log.line().await["fields"]["cause"], "a handler panicked: the handler broke");
    assert_eq!(server.get("/panic").await.status, 500);
}

#[tokio::test]
async fn conflict_status_changes_what_is_already_there_and_nothing_else() {
    for (conflict_status, there, other) in [(400, 400, 400), (409, 409, 400)] {
        let exists = async || ApiError::new(ErrorCode::DatabaseAlreadyExists, "there").with("database", "a_main");
        let invalid = async || ApiError::invalid_request("bad");
        let routes = Router::new().route("/there", post(exists)).route("/other", post(invalid));
        let server = Server::start_routes(routes, gateway(|config| config.conflict_status = conflict_status)).await;
        let answer = server.ask("POST", "/there", "").await;
        assert_eq!(answer.status, there);
        assert_eq!(answer.body, r#"{"error":"database_already_exists","message":"there","database":"a_main"}"#);
        assert_eq!(server.ask("POST", "/other", "").await.status, other);
    }
}

#[tokio::test]
async fn what_may_be_tried_again_says_when() {
    let cases = [
        (ErrorCode::PoolExhausted, false, 503, true),
        (ErrorCode::UploadsBusy, false, 503, true),
        (ErrorCode::DeploymentsBusy, false, 503, true),
        (ErrorCode::ConnectionFailed, false, 503, true),
        (ErrorCode::ConnectionFailed, true, 503, false),
        (ErrorCode::QueryFailed(503), false, 503, true),
        (ErrorCode::QueryTimeout, false, 504, true),
        (ErrorCode::QueryFailed(500), false, 500, false),
        (ErrorCode::DiskFull, false, 507, false),
        (ErrorCode::MigrationFailed, false, 409, false),
    ];
    for (code, perhaps_done, status, again) in cases {
        let refused = async move || ApiError::new(code, "no").perhaps_done(perhaps_done);
        let answer = serve("/busy", get(refused)).await.get("/busy").await;
        let told = (answer.status, answer.header("retry-after"));
        assert_eq!(told, (status, again.then_some("1")), "{code:?} {perhaps_done}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_logged() {
    let (log, _guard) = Log::start();
    let server = serve("/wait", get(std::future::pending::<ApiError>)).await;
    let mut stream = server.connect_from(LOOPBACK).await;
    stream.write_all(head("GET", "/wait", "").as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    drop(stream);
    insta::assert_snapshot!(masked(log.line().await), @r#"INFO {"message":"the client hung up","request_id":"[id]","method":"GET","path":"/wait","duration_ms":"[ms]"}"#);
}

#[tokio::test]
async fn what_the_stopping_gateway_cuts_off_is_no_clients_doing() {
    let (log, _guard) = Log::start();
    let gateway = gateway(|_| {});
    let routes = Router::new().route("/wait", get(std::future::pending::<ApiError>));
    let server = Server::start_routes(routes, gateway.clone()).await;
    let mut stream = server.connect_from(LOOPBACK).await;
    stream.write_all(head("GET", "/wait", "").as_bytes()).await.unwrap();
    tokio::task::yield_now().await;
    gateway.cuts_off.store(true, std::sync::atomic::Ordering::Relaxed);
    drop(stream);
    let line = log.line().await;
    assert_eq!(
        (line["level"].as_str(), line["fields"]["message"].as_str()),
        (Some("WARN"), Some("cut off because the gateway stops"))
    );
}

fn streaming(
    chunks: Vec<Result<&'static str, io::Error>>,
    is_endless: bool,
) -> axum::routing::MethodRouter<Arc<Gateway>> {
    let chunks = Mutex::new(Some(chunks));
    let chunks = Arc::new(chunks);
    get(async move || {
        let chunks = chunks.lock().unwrap().take().unwrap();
        let chunks = stream::iter(chunks).map(|chunk| chunk.map(|text| Bytes::from_static(text.as_bytes())));
        let rest = stream::pending().take_until(std::future::ready(())).chain(stream::pending());
        let rest = rest.take(usize::from(is_endless));
        Response::new(Body::from_stream(chunks.chain(rest)))
    })
}

#[tokio::test]
async fn a_streamed_answer_is_logged_when_it_ends() {
    let (log, _guard) = Log::start();
    let server = serve("/rows", streaming(vec![Ok("[1,"), Ok("2]")], false)).await;
    let answer = server.send("GET /rows HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.body, "[1,2]");
    let line = log.line().await;
    assert_eq!((line["level"].as_str(), line["fields"]["status"].as_u64()), (Some("INFO"), Some(200)));
}

#[tokio::test]
async fn a_streamed_answer_that_breaks_off_is_logged_with_its_cause() {
    let (log, _guard) = Log::start();
    let server = serve("/rows", streaming(vec![Ok("[1,"), Err(io::Error::other("connection lost"))], false)).await;
    let mut stream = server.connect_from(LOOPBACK).await;
    stream.write_all(head("GET", "/rows", "").as_bytes()).await.unwrap();
    let mut sent = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut sent)).await.unwrap().unwrap();
    assert!(!sent.ends_with(b"0\r\n\r\n"), "the client can tell that it is not whole");
    let line = log.line().await;
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["fields"]["cause"], "the answer broke off: connection lost");
}

#[tokio::test]
async fn a_client_that_hangs_up_in_a_streamed_answer_is_logged() {
    let (log, _guard) = Log::start();
    let server = serve("/rows", streaming(vec![Ok("[1,")], true)).await;
    let mut stream = server.connect_from(LOOPBACK).await;
    stream.write_all(head("GET", "/rows", "").as_bytes()).await.unwrap();
    let mut some = [0; 16];
    timeout(DEADLINE, stream.read(&mut some)).await.unwrap().unwrap();
    assert!(log.lines().is_empty(), "not before its end");
    drop(stream);
    assert_eq!(log.line().await["fields"]["message"], "the client hung up");
}
