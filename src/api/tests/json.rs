//! JSON bodies.

use super::*;

const TARGET: &str = "/admin/create-tenant";

#[tokio::test]
async fn what_is_no_json_object_with_the_fields_is_400() {
    let server = Server::start().await;
    let post = async |body: &str| server.post(TARGET, Some("application/json"), body.as_bytes()).await.error();
    insta::assert_snapshot!(post("").await, @r#"400 {"error":"invalid_request","message":"the body is empty; send a JSON object"}"#);
    insta::assert_snapshot!(post("{\"platform\":\n\"a\",}").await, @r#"400 {"error":"invalid_request","message":"the body is not JSON: trailing comma at line 2 column 5"}"#);
    insta::assert_snapshot!(post("[1]").await, @r#"400 {"error":"invalid_request","message":"the body is an array; send a JSON object"}"#);
    insta::assert_snapshot!(post("{\"platform\":\"a\"}").await, @r#"400 {"error":"invalid_request","message":"the field tenant_id is missing"}"#);
    insta::assert_snapshot!(post("{\"platform\":\"a\",\"tenant_id\":null}").await, @r#"400 {"error":"invalid_request","message":"the field tenant_id is missing"}"#);
    insta::assert_snapshot!(post("{\"platform\":\"a\",\"tenant_id\":42}").await, @r#"400 {"error":"invalid_request","message":"the field tenant_id is a number; send a string"}"#);
    insta::assert_snapshot!(post("{\"platform\":\"a\",\"tenant_id\":\"\"}").await, @r#"400 {"error":"invalid_request","message":"tenant_id is empty; give it letters, digits, '_' or '-'"}"#);
    insta::assert_snapshot!(post("{\"platform\":\"a/b\",\"tenant_id\":\"t\"}").await, @r#"400 {"error":"invalid_request","message":"platform \"a/b\" holds '/'; allowed are letters, digits, '_' and '-'"}"#);
    insta::assert_snapshot!(post(&format!("{{\"platform\":\"{}\",\"tenant_id\":\"t\"}}", "p".repeat(62))).await, @r#"400 {"error":"invalid_request","message":"the database name \"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp_t\" has 64 bytes; PostgreSQL allows 63, so shorten the ids"}"#);
}

#[tokio::test]
async fn text_that_is_not_utf8_or_nested_too_deep_is_400() {
    let server = Server::start().await;
    for body in [b"{\"platform\":\"\xff\"}".to_vec(), b"[".repeat(5000)] {
        let answer = server.post(TARGET, Some("application/json"), &body).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (400, Some("invalid_request")));
    }
}

#[tokio::test]
async fn json_by_any_type_that_simple_clients_send_and_no_form() {
    let server = Server::start().await;
    for content_type in [
        None,
        Some(""),
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        Some("application/vnd.api+json"),
        Some("text/plain;charset=UTF-8"),
    ] {
        let answer = server.post(TARGET, content_type, b"{}").await;
        assert_eq!(answer.status, 400, "{content_type:?}: {answer:?}");
        assert!(answer.body.contains("the field platform is missing"), "{answer:?}");
    }
    let form = server.post(TARGET, Some("application/x-www-form-urlencoded"), b"{}").await;
    insta::assert_snapshot!(form.error(), @r#"415 {"error":"unsupported_media_type","message":"the Content-Type is application/x-www-form-urlencoded; send JSON with the header Content-Type: application/json (curl: -H 'Content-Type: application/json')"}"#);
    for content_type in ["multipart/form-data; boundary=x", "application/xml", "json", "application/jsonx", "\u{e4}"] {
        let answer = server.post("/call", Some(content_type), b"{}").await;
        assert_eq!(answer.json()["error"], "unsupported_media_type", "{content_type}");
        assert_eq!(answer.status, 415);
    }
}

#[tokio::test]
async fn a_body_over_32_mib_is_413_with_and_without_an_announced_length() {
    let server = Server::start().await;
    let announced = head("POST", "/call", "Content-Length: 33554433\r\nExpect: 100-continue\r\n");
    insta::assert_snapshot!(server.send(announced).await.error(), @r#"413 {"error":"payload_too_large","message":"the body is over the limit of 33554432 bytes"}"#);
    let mut chunked = head("POST", "/call", "Transfer-Encoding: chunked\r\n").into_bytes();
    chunked.extend(format!("{:x}\r\n", 33_554_433).as_bytes());
    chunked.resize(chunked.len() + 33_554_433, b' ');
    chunked.extend(b"\r\n0\r\n\r\n");
    assert_eq!(server.send(chunked).await.status, 413);
}

#[tokio::test]
async fn only_calls_have_large_bodies_and_they_share_the_memory_for_them() {
    let gateway = gateway(|_| {});
    let server = Server::serve(router::app(gateway.clone())).await;
    let large = format!("{{\"platform\":\"a/b\",\"function\":\"{}\"}}", "f".repeat(100_000));
    let post = async |target: &str| server.post(target, Some("application/json"), large.as_bytes()).await;
    insta::assert_snapshot!(post(TARGET).await.error(), @r#"413 {"error":"payload_too_large","message":"the body is over the limit of 65536 bytes"}"#);
    assert_eq!(post("/call").await.status, 400, "there is room");
    let mut all = gateway.call_memory.body();
    all.grow_to(512 << 20).await.unwrap();
    let busy = post("/call").await;
    insta::assert_snapshot!(busy.error(), @r#"503 {"error":"pool_exhausted","message":"the memory for large calls was in use for 1 s; send it again"}"#);
    assert!(busy.header("retry-after").is_some());
    assert_eq!(server.post("/call", Some("application/json"), b"{}").await.status, 400, "a small one takes none of it");
    drop(all);
    assert_eq!(post("/call").await.status, 400, "it was given back");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_400() {
    let server = Server::start().await;
    let mut stream = server.connect_from(LOOPBACK).await;
    stream.write_all(head("POST", "/call", "Content-Length: 100\r\n").as_bytes()).await.unwrap();
    stream.write_all(b"{\"platform\":").await.unwrap();
    stream.shutdown().await.unwrap();
    insta::assert_snapshot!(Answer::read(&mut stream).await.error(), @r#"400 {"error":"invalid_request","message":"the body broke off before its end; send the request again"}"#);
    let bad_chunk = head("POST", "/call", "Transfer-Encoding: chunked\r\n") + "xyz\r\n{}\r\n0\r\n\r\n";
    assert_eq!(server.send(bad_chunk).await.status, 400);
}
