//! The allowlist and the admin token in front of the routes; the rules themselves are tested in `access`.

use super::*;
use crate::access::Purpose;
use crate::config::Secret;
use crate::router::table;

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test]
async fn an_address_outside_the_allowlist_gets_403_everywhere_but_at_health() {
    let server = Server::start().await;
    let answer = server.send_from(STRANGER, head("GET", "/admin/databases?platform=a", "")).await;
    insta::assert_snapshot!(answer.error(), @r#"403 {"error":"unauthorized","message":"requests from 127.0.0.2 are not allowed; the gateway's ALLOWED_NETWORKS does not hold this address"}"#);
    for (method, target) in [
        ("POST", "/register"),
        ("GET", "/register"),
        ("POST", "/call"),
        ("POST", "/migrate"),
        ("GET", "/nothing"),
        ("GET", "/"),
        ("POST", "/admin/create-tenant"),
        ("GET", "/health/"),
    ] {
        let answer = server.send_from(STRANGER, head(method, target, "")).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("unauthorized")), "{method} {target}");
    }
}

#[tokio::test]
async fn a_refused_address_is_answered_at_once_and_its_connection_closed() {
    let server = Server::start().await;
    let mut stream = server.connect_from(STRANGER).await;
    // Nothing asks for the end of the connection, and the body never comes.
    let request =
        "POST /call HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 30000000\r\n\r\n{";
    stream.write_all(request.as_bytes()).await.unwrap();
    let since = std::time::Instant::now();
    let answer = Answer::read(&mut stream).await;
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")), "{answer:?}");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[tokio::test]
async fn forwarding_headers_count_from_trusted_proxies_only() {
    let forged = head("GET", "/nothing", "X-Forwarded-For: 127.0.0.1\r\n");
    assert_eq!(Server::start().await.send_from(STRANGER, &forged).await.status, 403);

    let server =
        Server::start_with(|config| config.access.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()]).await;
    for (headers, status) in [
        ("X-Forwarded-For: 127.0.0.1\r\n", 404),
        ("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 127.0.0.1\r\n", 404),
        ("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\n", 403),
        ("X-Forwarded-For: 127.0.0.1, 203.0.113.9, 127.0.0.2\r\n", 403),
        ("X-Forwarded-For: nonsense\r\n", 403),
        ("X-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n", 403),
        ("", 403),
    ] {
        let answer = server.send_from(STRANGER, head("GET", "/nothing", headers)).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
    }
    let spoofed = server.send_from(LOOPBACK, head("GET", "/nothing", "X-Forwarded-For: 203.0.113.9\r\n")).await;
    assert_eq!(spoofed.status, 404, "an address that is no proxy is itself");
}

#[tokio::test]
async fn the_admin_token_guards_admin_paths_and_nothing_else() {
    let server = Server::start_with(|config| config.access.admin_token = Some(Secret("s3cret".to_owned()))).await;
    let answer = server.get("/admin/databases").await;
    insta::assert_snapshot!(answer.error(), @r#"401 {"error":"unauthorized","message":"this path needs the admin token; send it as \"Authorization: Bearer <ADMIN_TOKEN>\""}"#);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let wrong = server.ask("GET", "/admin/platforms", "Authorization: Bearer secret\r\n").await;
    insta::assert_snapshot!(wrong.error(), @r#"401 {"error":"unauthorized","message":"the admin token is wrong"}"#);
    let right = server.ask("GET", "/admin/databases", "Authorization: Bearer s3cret\r\n").await;
    assert_eq!(right.status, 400, "past the token, the platform is missing: {right:?}");
    assert_eq!(server.get("/platforms").await.status, 503, "not guarded; there is no PostgreSQL here");
}

/// A route's path with something in the place of its parameters.
fn target(path: &str) -> String {
    path.replace("{platform}", "a")
}

#[tokio::test]
async fn the_scope_deploy_leaves_calls_and_health_to_the_allowlist_and_no_other_route() {
    let open: Vec<_> =
        table().into_iter().filter(|route| !wants_token(route.purpose)).map(|route| route.path).collect();
    assert_eq!(
        open,
        ["/health", "/ready", "/live", "/call", "/platform/{platform}/openapi.json"],
        "a route that wants no token is one that everybody decided on"
    );
    let server = Server::start_with(|config| {
        config.access.admin_token = Some(Secret("s3cret".to_owned()));
        config.access.admin_scope = AdminScope::Deploy;
    })
    .await;
    for route in table() {
        let path = target(route.path);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            for headers in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic s3cret\r\n"] {
                let answer = server.ask(method, &path, headers).await;
                assert_eq!(answer.status == 401, wants_token(route.purpose), "{method} {path} {headers:?}: {answer:?}");
            }
            let answer = server.ask(method, &path, "Authorization: Bearer s3cret\r\n").await;
            assert_ne!(answer.status, 401, "{method} {path}: {answer:?}");
        }
    }
    // No other spelling of a path leads past the guard.
    for path in
        ["/register/", "//register", "/Register", "/%72egister", "/platform/a/schema/", "/platforms?a", "/./platforms"]
    {
        let answer = server.ask("POST", path, "").await;
        assert!([401, 404].contains(&answer.status), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn the_scope_admin_is_admin_paths_alone() {
    let server = Server::start_with(|config| config.access.admin_token = Some(Secret("s3cret".to_owned()))).await;
    for route in table() {
        let answer = server.ask("PUT", &target(route.path), "").await;
        let expected = if route.purpose == Purpose::Administer { 401 } else { 405 };
        assert_eq!(answer.status, expected, "{}: {answer:?}", route.path);
        assert_eq!(route.purpose == Purpose::Administer, route.path.starts_with("/admin/"), "{}", route.path);
    }
}

fn wants_token(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Deploy | Purpose::Administer)
}
