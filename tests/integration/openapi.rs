//! `GET /platform/{platform}/openapi.json`: a database's functions as operations. What they say of a call and its answer is held against
//! calls.

use serde_json::{Value, json};

use crate::support::{Answer, BundleBuilder, Platform, bundle, call, get, post_json, register};

fn functions() -> BundleBuilder {
    bundle()
        .file("types/mood.sql", "CREATE TYPE mood AS ENUM ('sad', 'glad');")
        .file("types/point2.sql", "CREATE TYPE point2 AS (x int, y numeric);")
        .file("types/small.sql", "CREATE DOMAIN small AS int CHECK (VALUE < 100);")
        .file("tables/items.sql", "CREATE TABLE items (id int PRIMARY KEY, name text, tags text[]);")
        .file("seeders/items.sql", "INSERT INTO items VALUES (1, 'one', '{a,b}'), (2, NULL, NULL);")
        .file(
            "functions/all.sql",
            "CREATE FUNCTION add(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql AS 'SELECT a + b';
             CREATE FUNCTION list_items() RETURNS SETOF items LANGUAGE sql AS 'SELECT * FROM items';
             CREATE FUNCTION named(p_id int) RETURNS TABLE (id bigint, \"Title\" text) LANGUAGE sql AS $$SELECT p_id, 'x'$$;
             CREATE FUNCTION total(OUT total numeric) LANGUAGE sql AS 'SELECT 1.5';
             CREATE FUNCTION two(INOUT a int, OUT b text) LANGUAGE sql AS $$SELECT a, 'b'$$;
             CREATE FUNCTION feel(m mood, s small) RETURNS mood LANGUAGE sql AS 'SELECT m';
             CREATE FUNCTION move(p point2) RETURNS point2 LANGUAGE sql AS 'SELECT p';
             CREATE FUNCTION joined(VARIADIC words text[]) RETURNS text LANGUAGE sql AS $$SELECT array_to_string(words, ' ')$$;
             CREATE FUNCTION bare(int, text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $2';
             CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS '';
             CREATE FUNCTION anything(j jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT j';
             CREATE FUNCTION some_record() RETURNS record LANGUAGE sql AS $$SELECT 1, 'a'$$;
             CREATE FUNCTION same(v int) RETURNS int LANGUAGE sql AS 'SELECT v';
             CREATE FUNCTION same(v text) RETURNS text LANGUAGE sql AS 'SELECT v';
             CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE FUNCTION \"Loud\"() RETURNS int LANGUAGE sql AS 'SELECT 1';
             CREATE PROCEDURE act(INOUT n int) LANGUAGE plpgsql AS 'BEGIN n := n + 1; END';
             COMMENT ON FUNCTION add(int, int) IS 'Adds two numbers.';",
        )
}

async fn document(platform: &Platform, query: &str) -> Answer {
    get(&format!("/platform/{}/openapi.json{query}", platform.name())).await
}

/// The function's operation: what it takes, and what it answers.
fn operation<'a>(document: &'a Value, path: &str) -> (&'a Value, &'a Value) {
    let operation = &document["paths"][path]["post"];
    assert!(
        operation.is_object(),
        "no {path} among {:?}",
        document["paths"].as_object().map(|paths| paths.keys().collect::<Vec<_>>())
    );
    (
        &operation["requestBody"]["content"]["application/json"]["schema"],
        &operation["responses"]["200"]["content"]["application/json"]["schema"],
    )
}

/// With the schemas of the database's own types, to which it refers.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    jsonschema::validator_for(&schema).expect("a schema").is_valid(value)
}

#[tokio::test]
async fn each_function_is_an_operation_and_calls_are_as_it_says() {
    let platform = Platform::new();
    platform.register(&functions()).await.ready();
    let answer = document(&platform, "").await;
    assert_eq!(answer.status, 200, "{answer}");
    let calls = [
        ("add(a integer, b integer)", json!({"a": 1})),
        ("add(a integer, b integer)", json!({"a": 1, "b": null})),
        ("list_items()", json!({})),
        ("named(p_id integer)", json!({"p_id": 5})),
        ("total(OUT total numeric)", json!({})),
        ("two(INOUT a integer, OUT b text)", json!({"a": 7})),
        ("feel(m mood, s small)", json!({"m": "glad", "s": 7})),
        ("move(p point2)", json!({"p": {"x": 1, "y": 2.5}})),
        ("joined(VARIADIC words text[])", json!(["a", "b"])),
        ("bare(integer, text)", json!([1, "b"])),
        ("nothing()", json!([])),
        ("anything(j jsonb)", json!({"j": {"any": [1]}})),
        ("same(v text)", json!({"v": "a"})),
        ("act(INOUT n integer)", json!({"n": 1})),
    ];
    for (path, params) in calls {
        let (takes, answers) = operation(&answer.body, &format!("/call#{path}"));
        let function = path.split('(').next();
        let body = json!({"platform": platform.name(), "function": function, "params": params});
        // No parameters are an empty object as well as an empty array.
        assert!(fits(&answer.body, takes, &body) || params == json!([]), "{path} does not take {body}: {takes:#}");
        let called = call(body).await;
        assert!(called.status == 200 && fits(&answer.body, answers, &called.body), "{path}: {called}\n{answers:#}");
        let row = &answers["properties"]["rows"]["items"];
        let row = match row["$ref"].as_str() {
            Some(to) => answer.body.pointer(to.trim_start_matches('#')).expect("a schema of this document"),
            None => row,
        };
        let told: Vec<_> = row["properties"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let columns: Vec<_> = called.body["rows"][0].as_object().unwrap().keys().collect();
        assert_eq!(told, columns, "{path}: {called}");
    }
    let paths = answer.body["paths"].as_object().unwrap();
    assert!(!paths.keys().any(|path| path.contains("on_change") || path.contains("Loud") || path.contains("_gateway")));
    assert!(paths.contains_key("/call#same(v integer)") && paths.contains_key("/call#some_record()"));
    assert_eq!(paths["/call#add(a integer, b integer)"]["post"]["description"], "Adds two numbers.");
    let ids: std::collections::BTreeSet<_> = paths.values().map(|path| path["post"]["operationId"].as_str()).collect();
    assert_eq!(ids.len(), paths.len());
}

/// Types that lie within each other many times over would be written out without an end, and some of any length.
#[tokio::test]
async fn what_a_platform_has_prepared_makes_no_document_without_an_end() {
    let platform = Platform::new();
    let mut types = "CREATE TYPE c0 AS (a int, b int);".to_owned();
    for level in 1..14 {
        types += &format!("CREATE TYPE c{level} AS (a c{0}, b c{0}[]);", level - 1);
    }
    types += "CREATE DOMAIN d0 AS int;";
    for level in 1..200 {
        types += &format!("CREATE DOMAIN d{level} AS d{}[];", level - 1);
    }
    let files = bundle()
        .file("migrations/1.sql", types)
        .file("functions/f.sql", "CREATE FUNCTION f(p c13, q d199) RETURNS c13 LANGUAGE sql AS 'SELECT p'");
    platform.register(&files).await.ready();
    let answer = document(&platform, "").await;
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.body.to_string().len() < 200_000);
    let (takes, _) = operation(&answer.body, "/call#f(p c13, q d199)");
    let body = json!({"platform": platform.name(), "function": "f", "params": {"p": null, "q": null}});
    assert!(fits(&answer.body, takes, &body), "{takes:#}");
    // More than a MiB to tell of, and more functions than a document has.
    let labels: Vec<String> = (0..30_000).map(|at| format!("'{at:_>60}'")).collect();
    let large = format!("CREATE TYPE e AS ENUM ({})", labels.join(","));
    let files = files
        .file("migrations/2.sql", large)
        .file("functions/g.sql", "CREATE FUNCTION g(p e) RETURNS int LANGUAGE sql AS 'SELECT 1'");
    platform.register(&files).await.ready();
    let answer = document(&platform, "").await;
    assert_eq!((answer.status, answer.body["error"].as_str()), (400, Some("invalid_request")), "{answer}");
    let other = Platform::new();
    let many: String =
        (0..1100).map(|at| format!("CREATE FUNCTION f{at}() RETURNS int LANGUAGE sql AS 'SELECT 1';")).collect();
    other.register(&bundle().file("functions/f.sql", many)).await.ready();
    let answer = document(&other, "").await;
    assert_eq!(answer.body["paths"].as_object().map(serde_json::Map::len), Some(1000));
    assert!(answer.body["info"]["description"].as_str().is_some_and(|text| text.contains("first 1000")), "{answer}");
}

#[tokio::test]
async fn what_no_function_takes_does_not_fit() {
    let platform = Platform::new();
    platform.register(&functions()).await.ready();
    let answer = document(&platform, "").await;
    let refused = [
        ("add(a integer, b integer)", "add", json!({"b": 1})),
        ("add(a integer, b integer)", "add", json!({"a": 1, "c": 1})),
        ("add(a integer, b integer)", "add", json!({"a": "one"})),
        ("feel(m mood, s small)", "feel", json!({"m": "angry", "s": 1})),
        ("bare(integer, text)", "bare", json!([1])),
        ("list_items()", "list_items", json!({"a": 1})),
    ];
    for (path, function, params) in refused {
        let (takes, _) = operation(&answer.body, &format!("/call#{path}"));
        let body = json!({"platform": platform.name(), "function": function, "params": params});
        assert!(!fits(&answer.body, takes, &body), "{path} takes {body}");
        let called = call(body).await;
        assert_eq!(called.status, 400, "{called}");
    }
}

#[tokio::test]
async fn the_database_is_found_as_for_a_call() {
    let platform = Platform::new();
    register(platform.name(), Some("One"), &functions()).await.ready();
    let answer = document(&platform, "?tenant_id=One").await;
    assert_eq!(answer.status, 200, "{answer}");
    let (takes, _) = operation(&answer.body, "/call#nothing()");
    assert_eq!(takes["properties"]["tenant_id"]["const"], "One");
    document(&platform, "").await.refused(404, "database_not_found");
    document(&platform, "?tenant_id=one").await.refused(404, "database_not_found");
    document(&platform, "?tenant_id=two").await.refused(404, "database_not_found");
    document(&platform, "?tenant_id=a&schema_name=b").await.refused(400, "invalid_request");
    document(&platform, "?tenant_id=a%20b").await.refused(400, "invalid_request");
    get("/platform/nobody-is-called-so/openapi.json").await.refused(404, "database_not_found");
    post_json(&format!("/platform/{}/openapi.json", platform.name()), json!({}))
        .await
        .refused(405, "method_not_allowed");
}

#[tokio::test]
async fn it_has_what_was_deployed_last() {
    let platform = Platform::new();
    platform.register(&functions()).await.ready();
    let more = "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1';";
    assert!(document(&platform, "").await.body["paths"].get("/call#more()").is_none());
    platform.register(&functions().file("functions/more.sql", more)).await.ready();
    assert!(document(&platform, "").await.body["paths"].get("/call#more()").is_some());
}
