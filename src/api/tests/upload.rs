//! Multipart bodies, as `curl` writes them and as people do.

use std::io::Write;

use axum::Json;
use axum::extract::{Request, State};
use axum::routing::post;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::api::upload::{Expected, Upload};
use crate::databases::name::{Id, Which};
use crate::error::ApiError;

pub(super) const FORM: &str = "multipart/form-data; boundary=XyZ";

/// A bundle with one table.
fn bundle() -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(8);
    builder.append_data(&mut header, "postgresql/tables/a.sql", &b"select 1"[..]).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

fn part(headers: &str, content: &[u8]) -> Vec<u8> {
    [format!("--XyZ\r\n{headers}\r\n\r\n").as_bytes(), content, b"\r\n"].concat()
}

pub(super) fn text(name: &str, value: &str) -> Vec<u8> {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value.as_bytes())
}

pub(super) fn archive(content: &[u8]) -> Vec<u8> {
    let headers = "Content-Disposition: form-data; name=\"schema\"; filename=\"bundle.tar.gz\"\r\nContent-Type: \
                   application/octet-stream";
    part(headers, content)
}

pub(super) fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--XyZ--\r\n".to_vec()].concat()
}

/// An endpoint that answers what it understood.
async fn echo(State(gateway): State<Arc<Gateway>>, request: Request) -> Result<Json<Value>, ApiError> {
    let fields = Expected { texts: &["platform", "tenant_id", "force"], archives: &["schema"], refuses_unknown: false };
    let upload = Upload::read(request, fields, &gateway).await?;
    let platform = upload.required("platform")?.to_owned();
    let tenant = match upload.which()? {
        Which::Main => None,
        Which::Tenant(tenant) => Some(tenant.given().to_owned()),
        Which::Stored { .. } => panic!("an upload names no stored schema"),
    };
    let force = upload.flag("force")?;
    let files = upload.into_bundle(fields, &Id::parse("platform", &platform)?, &gateway).await?.files.len();
    Ok(Json(json!({"platform": platform, "tenant": tenant, "force": force, "files": files})))
}

async fn echo_server() -> Server {
    Server::start_routes(Router::new().route("/echo", post(echo)), gateway(|_| {})).await
}

async fn echo_form(parts: &[Vec<u8>]) -> Answer {
    echo_server().await.post("/echo", Some(FORM), &form(parts)).await
}

/// The refusal of `/register` itself.
async fn refusal(parts: &[Vec<u8>]) -> String {
    Server::start().await.post("/register", Some(FORM), &form(parts)).await.error()
}

#[tokio::test]
async fn fields_come_in_any_order_and_unknown_ones_are_ignored() {
    let expected = json!({"platform": "myapp", "tenant": "t1", "force": true, "files": 1});
    let fields =
        [text("platform", "myapp"), text("tenant_id", "t1"), text("force", "true"), archive(&bundle()), text("x", "y")];
    let mut backwards = fields.to_vec();
    backwards.reverse();
    assert_eq!(echo_form(&fields).await.json(), expected);
    assert_eq!(echo_form(&backwards).await.json(), expected);
    let unknown_file =
        [&fields[..], &[part("Content-Disposition: form-data; name=\"file\"; filename=\"x\"", b"\xff")]].concat();
    assert_eq!(echo_form(&unknown_file).await.json(), expected);
}

#[tokio::test]
async fn no_tenant_an_empty_one_and_null_mean_main() {
    for tenant in [None, Some(""), Some("null")] {
        let mut fields = vec![text("platform", "myapp"), archive(&bundle())];
        fields.extend(tenant.map(|tenant| text("tenant_id", tenant)));
        assert_eq!(echo_form(&fields).await.json()["tenant"], Value::Null, "{tenant:?}");
    }
}

#[tokio::test]
async fn a_flag_is_said_in_many_ways_but_not_in_any() {
    for (text_of_flag, expected) in [
        ("true", true),
        ("1", true),
        ("yes", true),
        ("On", true),
        ("false", false),
        ("0", false),
        ("no", false),
        ("OFF", false),
        ("", false),
    ] {
        let fields = [text("platform", "a"), text("force", text_of_flag), archive(&bundle())];
        assert_eq!(echo_form(&fields).await.json()["force"], expected, "{text_of_flag:?}");
    }
    let fields = [text("platform", "a"), text("force", "maybe"), archive(&bundle())];
    insta::assert_snapshot!(refusal(&fields).await, @r#"400 {"error":"invalid_request","message":"the field force is \"maybe\"; send true or false"}"#);
}

#[tokio::test]
async fn bodies_that_php_programs_put_together_are_read() {
    let bundle = bundle();
    let name = "Content-Disposition: form-data; name=\"platform\"";
    for (content_type, boundary, platform, schema, preamble, end) in [
        // No file name, no type.
        ("multipart/form-data; boundary=b", "b", name, "Content-Disposition: form-data; name=\"schema\"", "", "\r\n"),
        // Names without quotes, header names in lower case, no line end after the last boundary.
        (
            "multipart/form-data;boundary=\"--q\"",
            "--q",
            "content-disposition: form-data; name=platform",
            "content-disposition: form-data; name=schema; filename=bundle.tar.gz",
            "",
            "",
        ),
        // microtime() as the boundary, a blank line before it, text after the end.
        (
            "multipart/form-data; charset=utf-8; boundary=--------------------------1763719985.2714",
            "--------------------------1763719985.2714",
            "Content-Disposition: form-data; name=\"platform\"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5",
            "Content-Disposition: form-data; filename=\"b.tgz\"; name=\"schema\"\r\nContent-Transfer-Encoding: binary",
            "\r\n",
            "\r\n\r\nepilogue",
        ),
    ] {
        let mut body = format!("{preamble}--{boundary}\r\n{platform}\r\n\r\nmyapp\r\n--{boundary}\r\n{schema}\r\n\r\n")
            .into_bytes();
        body.extend(&bundle);
        body.extend(format!("\r\n--{boundary}--{end}").as_bytes());
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let head = format!(
                "POST /echo {version}\r\nHost: gateway\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            let answer = echo_server().await.send([head.as_bytes(), &body].concat()).await;
            assert_eq!(answer.status, 200, "{content_type}: {answer:?}");
            assert_eq!(answer.json()["platform"], "myapp", "{content_type}");
        }
    }
}

#[tokio::test]
async fn a_missing_field_is_named() {
    insta::assert_snapshot!(refusal(&[archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field platform is missing"}"#);
    insta::assert_snapshot!(refusal(&[text("platform", "a")]).await, @r#"400 {"error":"invalid_request","message":"the field schema is missing"}"#);
    insta::assert_snapshot!(refusal(&[text("platform", "a"), part("Content-Disposition: form-data; name=\"file\"", &bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field schema is missing"}"#);
    insta::assert_snapshot!(refusal(&[]).await, @r#"400 {"error":"invalid_request","message":"the field platform is missing"}"#);
    insta::assert_snapshot!(refusal(&[part("Content-Disposition: form-data", b"a")]).await, @r#"400 {"error":"invalid_request","message":"a part of the body has no name in its Content-Disposition"}"#);
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_refused() {
    let platform = text("platform", "a");
    insta::assert_snapshot!(refusal(&[platform.clone(), platform.clone(), archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field platform is there twice"}"#);
    insta::assert_snapshot!(refusal(&[platform, archive(&bundle()), archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field schema is there twice"}"#);
}

#[tokio::test]
async fn a_bad_name_is_refused_with_its_field() {
    insta::assert_snapshot!(refusal(&[text("platform", ""), archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"platform is empty; give it letters, digits, '_' or '-'"}"#);
    insta::assert_snapshot!(refusal(&[text("platform", "a"), text("tenant_id", "../b"), archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"tenant_id \"../b\" holds '.'; allowed are letters, digits, '_' and '-'"}"#);
    let latin1 = part("Content-Disposition: form-data; name=\"platform\"", b"\xe4");
    insta::assert_snapshot!(refusal(&[latin1, archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field platform is not UTF-8"}"#);
    insta::assert_snapshot!(refusal(&[text("platform", &"x".repeat(5000)), archive(&bundle())]).await, @r#"400 {"error":"invalid_request","message":"the field platform is over the limit of 4096 bytes"}"#);
}

#[tokio::test]
async fn a_refused_archive_is_named_with_file_and_line() {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    builder.append_data(&mut header, "p/functions/f.sql", &b"\n\n\xff;"[..]).unwrap();
    let latin1 = builder.into_inner().unwrap().finish().unwrap();
    insta::assert_snapshot!(refusal(&[text("platform", "a"), archive(&latin1)]).await, @r#"400 {"error":"schema_extraction_failed","message":"functions/f.sql, line 3: not UTF-8 at byte 2; save the file as UTF-8","file":"functions/f.sql","line":3}"#);
    insta::assert_snapshot!(refusal(&[text("platform", "a"), archive(b"")]).await, @r#"400 {"error":"schema_extraction_failed","message":"the uploaded archive is empty (0 bytes); make the archive with: tar -czf bundle.tar.gz postgresql"}"#);
    insta::assert_snapshot!(refusal(&[text("platform", "a"), text("schema", "bundle.tar.gz")]).await, @r#"400 {"error":"schema_extraction_failed","message":"the upload is not gzip: it looks like a file's name (curl sends the file itself with -F schema=@bundle.tar.gz); make the archive with: tar -czf bundle.tar.gz postgresql"}"#);
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 2_000_000]).unwrap();
    insta::assert_snapshot!(refusal(&[text("platform", "a"), archive(&bomb.finish().unwrap())]).await, @r#"400 {"error":"schema_extraction_failed","message":"the archive unpacks to more than 1000000 bytes (MAX_UNPACKED_BYTES)"}"#);
}

#[tokio::test]
async fn an_upload_over_its_limit_is_413() {
    let limit_bytes = config().limits.max_upload_bytes;
    let exactly = [text("platform", "a"), archive(&vec![b'x'; limit_bytes])];
    assert!(refusal(&exactly).await.contains("schema_extraction_failed"), "the limit itself is allowed");
    let over = [text("platform", "a"), archive(&vec![b'x'; limit_bytes + 1])];
    insta::assert_snapshot!(refusal(&over).await, @r#"413 {"error":"payload_too_large","message":"the field schema is over the limit of 100000 bytes (MAX_UPLOAD_BYTES)"}"#);
    let far_over = [text("platform", "a"), archive(&vec![b'x'; limit_bytes + 2_000_000])];
    insta::assert_snapshot!(refusal(&far_over).await, @r#"413 {"error":"payload_too_large","message":"the upload is over the limit of 100000 bytes (MAX_UPLOAD_BYTES)"}"#);
    let unknown_field =
        [text("platform", "a"), part("Content-Disposition: form-data; name=\"x\"", &vec![b'x'; 2_000_000])];
    let chunked = async |parts: &[Vec<u8>]| {
        let headers = format!("Content-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n");
        let mut request = head("POST", "/register", &headers).into_bytes();
        for chunk in form(parts).chunks(60_000) {
            request.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        Server::start().await.send(request).await
    };
    for parts in [&over[..], &far_over, &unknown_field] {
        let answer = chunked(parts).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (413, Some("payload_too_large")), "{answer:?}");
    }
    assert_eq!(chunked(&exactly).await.status, 400);
}

#[tokio::test]
async fn another_content_type_is_415_and_no_boundary_is_400() {
    let server = Server::start().await;
    let body = form(&[text("platform", "a"), archive(&bundle())]);
    insta::assert_snapshot!(server.post("/register", Some("application/json"), &body).await.error(), @r#"415 {"error":"unsupported_media_type","message":"the Content-Type is application/json; send multipart/form-data (curl: -F platform=… -F schema=@bundle.tar.gz)"}"#);
    insta::assert_snapshot!(server.post("/register", None, &body).await.error(), @r#"415 {"error":"unsupported_media_type","message":"the Content-Type is missing; send multipart/form-data (curl: -F platform=… -F schema=@bundle.tar.gz)"}"#);
    assert_eq!(server.post("/register", Some("multipart/mixed; boundary=XyZ"), &body).await.status, 415);
    insta::assert_snapshot!(server.post("/register", Some("multipart/form-data"), &body).await.error(), @r#"400 {"error":"invalid_request","message":"the Content-Type names no usable boundary; send multipart/form-data; boundary=…"}"#);
    for content_type in
        ["multipart/form-data; boundary=", "multipart/form-data; boundary", "multipart/form-data; charset=x"]
    {
        let answer = server.post("/register", Some(content_type), &body).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")), "{content_type}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_or_no_multipart_is_400() {
    let whole = form(&[text("platform", "a"), archive(&bundle())]);
    let server = Server::start().await;
    for length in [0, 3, 40, 60, 90, 200, whole.len() - 20, whole.len() - 8] {
        let answer = server.post("/register", Some(FORM), &whole[..length]).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("invalid_request")),
            "{length}: {answer:?}"
        );
    }
    let other_boundary = server.post("/register", Some("multipart/form-data; boundary=other"), &whole).await;
    insta::assert_snapshot!(other_boundary.error(), @r#"400 {"error":"invalid_request","message":"the multipart body is malformed or cut off: incomplete multipart stream"}"#);

    let mut stream = server.connect_from(LOOPBACK).await;
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", whole.len());
    stream.write_all(head("POST", "/register", &headers).as_bytes()).await.unwrap();
    stream.write_all(&whole[..150]).await.unwrap();
    stream.shutdown().await.unwrap();
    insta::assert_snapshot!(Answer::read(&mut stream).await.error(), @r#"400 {"error":"invalid_request","message":"the body broke off before its end; send the request again"}"#);
}
