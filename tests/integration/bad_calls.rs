//! `POST /call` with what no honest client sends: a documented error each, and the next call is served as if nothing had
//! been.

use serde_json::{Value, json};

use crate::support::*;

/// A platform whose functions show what arrived.
async fn callable() -> Platform {
    let platform = Platform::new();
    let bundle = bundle()
        .file("tables/item.pssql", "CREATE TABLE item (id int PRIMARY KEY);")
        .file("functions/echo.pssql", "CREATE FUNCTION echo(p text) RETURNS text LANGUAGE sql AS 'SELECT p';")
        .file("functions/half.pssql", "CREATE FUNCTION half(p int) RETURNS int LANGUAGE sql AS 'SELECT p / 2';")
        .file("functions/whole.pssql", "CREATE FUNCTION whole(p bigint) RETURNS bigint LANGUAGE sql AS 'SELECT p';")
        .file("functions/real.pssql", "CREATE FUNCTION small(p real) RETURNS real LANGUAGE sql AS 'SELECT p';")
        .file("functions/tree.pssql", "CREATE FUNCTION tree(p json) RETURNS int LANGUAGE sql AS 'SELECT 1';")
        .file(
            "functions/many.pssql",
            "CREATE FUNCTION many(VARIADIC p int[]) RETURNS int LANGUAGE sql AS 'SELECT cardinality(p)';",
        );
    platform.register(&bundle).await.ready();
    platform
}

impl Platform {
    /// The connection still serves, and what is in the database is still there.
    async fn assert_serves(&self, after: &str) {
        assert_eq!(self.value_of("half", json!([8])).await, json!(4), "after {after}");
        let tables = self.sql().await.value("SELECT count(*) FROM pg_tables WHERE tablename = 'item'").await;
        assert_eq!(tables, "1", "after {after}");
    }

    fn request(&self, function: &str, params: &str) -> String {
        format!(r#"{{"platform":"{}","function":"{function}","params":{params}}}"#, self.name())
    }
}

const INJECTIONS: &[&str] = &[
    "'; DROP TABLE item; --",
    "\"; DROP TABLE item; --",
    "$$; DROP TABLE item; $$",
    "x); DROP TABLE item; SELECT (1",
    "\\'; DROP TABLE item; --",
    "/*",
    "${jndi:x}",
    "%s%n",
    "../../../etc/passwd",
];

#[tokio::test]
async fn injection_in_any_field_is_refused_or_a_mere_value() {
    let platform = callable().await;
    for text in INJECTIONS {
        for field in ["platform", "tenant_id", "function"] {
            let mut body = json!({"platform": platform.name(), "function": "echo", "params": ["x"]});
            body[field] = json!(text);
            post_json("/call", body).await.refused(400, "invalid_request");
            platform.assert_serves(&format!("{text} as {field}")).await;
        }
        let stored = json!({"platform": platform.name(), "function": "echo", "schema_name": text, "database_id": text});
        post_json("/call", stored).await.refused(400, "invalid_request");
        platform.call("echo", json!({*text: "x"})).await.refused(400, "invalid_request");
        assert_eq!(platform.value_of("echo", json!([text])).await, json!(text));
        assert_eq!(platform.value_of("echo", json!({"p": text})).await, json!(text));
        platform.call("half", json!([text])).await.refused(400, "invalid_request");
        platform.assert_serves(text).await;
    }
}

#[tokio::test]
async fn names_of_any_shape_are_no_functions() {
    let platform = callable().await;
    let long = "x".repeat(64);
    let huge = "x".repeat(1_000_000);
    for name in [
        "",
        " ",
        "Echo",
        "ECHO",
        "1echo",
        "echo ",
        " echo",
        "echo()",
        "echo(1)",
        "public.echo.x",
        ".echo",
        "echo.",
        "..",
        "\"echo\"",
        "echo;",
        "echo--",
        "é",
        "echo\n",
        "echo\t",
        "\u{202e}echo",
        "echo\\",
        "*",
        "😀",
        &long,
        &huge,
    ] {
        post_json("/call", json!({"platform": platform.name(), "function": name}))
            .await
            .refused(400, "invalid_request");
    }
    for name in [json!(null), json!(1), json!(true), json!(["echo"]), json!({"name": "echo"})] {
        post_json("/call", json!({"platform": platform.name(), "function": name}))
            .await
            .refused(400, "invalid_request");
    }
    for name in
        ["pg_read_file", "pg_catalog.version", "information_schema.x", "no_such", "nowhere.echo", "pg_temp.echo"]
    {
        platform.call(name, json!([])).await.refused(404, "function_not_found");
    }
    platform.assert_serves("names").await;
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let platform = callable().await;
    for body in
        ["", " ", "null", "1", "\"x\"", "[]", "[{}]", "true", "{", "{\"platform\"", "{}{}", "{} x", "nul", "{'a':1}"]
    {
        post_bytes("/call", body).await.refused(400, "invalid_request");
    }
    for params in ["1", "\"x\"", "true"] {
        post_bytes("/call", platform.request("echo", params)).await.refused(400, "invalid_request");
    }
    platform.assert_serves("bodies").await;
}

#[tokio::test]
async fn sizes_and_depths_are_bounded_by_what_postgresql_takes() {
    let platform = callable().await;
    // Ten thousand of them collected, and ten thousand where one is taken.
    let many: Vec<i32> = (0..10_000).collect();
    assert_eq!(platform.value_of("many", json!(many)).await, json!(10_000));
    platform.call("half", json!(many)).await.refused(400, "invalid_request");
    let named: serde_json::Map<String, Value> = (0..10_000).map(|number| (format!("p{number}"), json!(1))).collect();
    platform.call("half", Value::Object(named)).await.refused(400, "invalid_request");
    platform.assert_serves("10,000 parameters").await;

    let long = "ä".repeat(10 * 1024 * 1024);
    assert_eq!(platform.value_of("echo", json!([long])).await, json!(long));
    platform.call("half", json!([long])).await.refused(400, "invalid_request");
    platform.assert_serves("20 MB").await;
    let over = format!("[\"{}\"]", "x".repeat(33 * 1024 * 1024));
    post_bytes("/call", platform.request("echo", &over)).await.refused(413, "payload_too_large");
    platform.assert_serves("33 MB").await;

    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for place in ["echo", "tree"] {
        let answer = post_bytes("/call", platform.request(place, &format!("[{}]", nested(1_000)))).await;
        assert_eq!(answer.status, 200, "{place}: {}", answer.body);
    }
    post_bytes("/call", platform.request("half", &format!("[{}]", nested(1_000))))
        .await
        .refused(400, "invalid_request");
    post_bytes("/call", platform.request("half", &nested(1_000))).await.refused(400, "invalid_request");
    post_bytes("/call", nested(100_000)).await.refused(400, "invalid_request");
    let extra =
        format!(r#"{{"platform":"{}","function":"half","params":[8],"more":{}}}"#, platform.name(), nested(1_000));
    assert_eq!(post_bytes("/call", extra).await.status, 200);
    platform.assert_serves("depth").await;
}

#[tokio::test]
async fn numbers_out_of_range_are_bad_requests() {
    let platform = callable().await;
    for (function, value) in [
        ("half", "2147483648"),
        ("half", "-2147483649"),
        ("half", "1e400"),
        ("half", "1.5"),
        ("half", "true"),
        ("half", "[]"),
        ("half", "{}"),
        ("half", "\"\""),
        ("whole", "9223372036854775808"),
        ("whole", "-9223372036854775809"),
        ("whole", "123456789012345678901234567890"),
        ("small", "1e39"),
        ("small", "1e999999999"),
    ] {
        let answer = post_bytes("/call", platform.request(function, &format!("[{value}]"))).await;
        answer.refused(400, "invalid_request");
        assert!(answer.body["sqlstate"].is_string() || answer.body["message"].is_string(), "{value}: {}", answer.body);
        platform.assert_serves(value).await;
    }
    for bound in ["9223372036854775807", "-9223372036854775808"] {
        let answer = post_bytes("/call", platform.request("whole", &format!("[{bound}]"))).await;
        assert_eq!(answer.body["rows"][0]["whole"].to_string(), bound);
    }
}

#[tokio::test]
async fn wrong_characters_are_bad_requests_that_say_so() {
    let platform = callable().await;
    for wrong in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"] {
        let mut body = platform.request("echo", "[\"").into_bytes();
        body.truncate(body.len() - 1);
        body.extend_from_slice(wrong);
        body.extend_from_slice(b"\"]}");
        post_bytes("/call", body).await.refused(400, "invalid_request").says("UTF-8");
    }
    // An escape that is half a character, or the end of C's strings, which PostgreSQL's text cannot hold.
    post_bytes("/call", platform.request("echo", r#"["\ud800"]"#)).await.refused(400, "invalid_request");
    for params in [r#"["a\u0000b"]"#, r#"{"p":"\u0000"}"#] {
        post_bytes("/call", platform.request("echo", params)).await.refused(400, "invalid_request").says("NUL");
    }
    post_bytes("/call", platform.request("echo", "[\"a\0b\"]")).await.refused(400, "invalid_request");
    for field in ["platform", "tenant_id", "function"] {
        let mut body = json!({"platform": platform.name(), "function": "echo", "params": ["x"]});
        body[field] = json!("a\0b");
        post_json("/call", body).await.refused(400, "invalid_request");
    }
    platform.assert_serves("characters").await;
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let platform = callable().await;
    let body = json!({
        "platform": platform.name(), "function": "half", "params": [8], "tenant_id": null, "sql": "DROP TABLE item",
        "database": "postgres", "role": "postgres", "__proto__": {"x": 1}, "": "", "timeout": -1
    });
    assert_eq!(post_json("/call", body).await.body["rows"], json!([{"half": 4}]));
    platform.assert_serves("unknown fields").await;
}
