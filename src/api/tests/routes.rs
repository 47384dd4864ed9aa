//! Paths, methods, query strings.

use super::*;

#[tokio::test]
async fn health_answers_any_address_and_says_degraded_without_postgresql() {
    let server = Server::start().await;
    let answer = server.send_from("127.0.0.2".parse().unwrap(), head("GET", "/health", "")).await;
    assert_eq!(answer.status, 503);
    let mut json = answer.json();
    assert!(json["uptime_seconds"].take().is_u64());
    assert_eq!(json["version"].take(), env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(json, @r#"{"status":"degraded","version":null,"postgres_connected":false,"active_pools":0,"total_connections":0,"uptime_seconds":null}"#);
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let answer = Server::start().await.ask("HEAD", "/health", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, ""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_path_that_nobody_serves_is_404_in_json() {
    let server = Server::start().await;
    insta::assert_snapshot!(server.get("/nothing?a=b").await.error(), @r#"404 {"error":"not_found","message":"there is no /nothing; the paths are those of the API's documentation"}"#);
    insta::assert_snapshot!(server.get("/").await.error(), @r#"404 {"error":"not_found","message":"this is StoneScriptDB Gateway; there is nothing at /, GET /health tells how it is"}"#);
    insta::assert_snapshot!(server.ask("POST", "/register/", "").await.error(), @r#"404 {"error":"not_found","message":"there is no /register/; leave out the slash at its end"}"#);
    for target in ["//register", "/admin/../register", "/%61dmin/databases", "/call%00", "/%ff", "*", "/admin"] {
        assert_eq!(server.get(target).await.status, 404, "{target}");
    }
    let tunnel = server.send("CONNECT example:443 HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n").await;
    assert_eq!((tunnel.status, tunnel.json()["error"].as_str()), (404, Some("not_found")));
    let long = server.get(&format!("/{}", "x".repeat(5000))).await;
    assert!(long.status == 404 && long.body.len() < 400, "{long:?}");
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_with_allow() {
    let server = Server::start().await;
    let answer = server.ask("GET", "/register", "").await;
    insta::assert_snapshot!(answer.error(), @r#"405 {"error":"method_not_allowed","message":"/register takes no GET; the Allow header says what it takes"}"#);
    assert_eq!(answer.header("allow"), Some("POST"));
    for (method, target, allow) in [
        ("POST", "/health", "GET,HEAD"),
        ("DELETE", "/admin/databases", "GET,HEAD"),
        ("PUT", "/call", "POST"),
        ("OPTIONS", "/admin/create-tenant", "POST"),
        ("BREW", "/call", "POST"),
    ] {
        let answer = server.ask(method, target, "").await;
        assert_eq!(answer.json()["error"], "method_not_allowed", "{method} {target}");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {target}");
    }
}

#[tokio::test]
async fn the_contract_s_other_paths_say_that_they_are_not_in_this_version() {
    let server = Server::start().await;
    insta::assert_snapshot!(server.ask("POST", "/v2/migrate", "").await.error().replace(env!("CARGO_PKG_VERSION"), "[version]"), @r#"404 {"error":"not_found","message":"/v2/migrate is not part of this version of the gateway ([version])"}"#);
    for (method, target) in [
        ("POST", "/platform/register"),
        ("POST", "/platform/myapp/schema"),
        ("GET", "/platform/myapp/schemas"),
        ("GET", "/platform/myapp/databases?schema=a"),
        ("GET", "/platforms"),
        ("GET", "/admin/platforms"),
        ("POST", "/database/create"),
        ("POST", "/admin/database/create"),
        ("POST", "/v2/migrate"),
    ] {
        let answer = server.ask(method, target, "").await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (404, Some("not_found")), "{target}");
        assert!(answer.body.contains("is not part of this version"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_bad_query_is_400() {
    let server = Server::start().await;
    insta::assert_snapshot!(server.get("/admin/databases").await.error(), @r#"400 {"error":"invalid_request","message":"the query has no platform; ask for /admin/databases?platform=…"}"#);
    insta::assert_snapshot!(server.get("/admin/databases?platform=").await.error(), @r#"400 {"error":"invalid_request","message":"platform is empty; give it letters, digits, '_' or '-'"}"#);
    insta::assert_snapshot!(server.get("/admin/databases?platform=a&platform=b").await.error(), @r#"400 {"error":"invalid_request","message":"the query is malformed: Failed to deserialize query string: duplicate field `platform`"}"#);
    insta::assert_snapshot!(server.get("/admin/databases?platform=my%20app").await.error(), @r#"400 {"error":"invalid_request","message":"platform \"my app\" holds ' '; allowed are letters, digits, '_' and '-'"}"#);
    insta::assert_snapshot!(server.get("/admin/databases?platform=%ff").await.error(), @r#"400 {"error":"invalid_request","message":"platform \"�\" holds '�'; allowed are letters, digits, '_' and '-'"}"#);
}
