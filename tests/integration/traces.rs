//! `traceparent`: PostgreSQL is told which trace a call belongs to, and nothing of it stays for the next call.

use serde_json::{Value, json};

use crate::support::{Platform, bundle, gateway};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn traced(platform: &Platform, function: &str, header: &str) -> Value {
    let body = json!({"platform": platform.name(), "function": function, "params": []});
    let request =
        reqwest::Client::new().post(format!("{}/call", gateway().url)).header("traceparent", header).json(&body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{function}");
    let body: Value = answer.json().await.expect("JSON");
    body["rows"][0].clone()
}

#[tokio::test]
async fn postgresql_is_told_of_a_calls_trace_and_keeps_nothing_of_it() {
    let platform = Platform::new();
    let name = "current_setting('application_name')";
    let files = bundle()
        .file("tables/seen.sql", "CREATE TABLE seen (name text);")
        .file("functions/reads.sql", format!("CREATE FUNCTION reads() RETURNS text STABLE LANGUAGE sql AS $$ SELECT {name} $$"))
        .file(
            "functions/writes.sql",
            format!("CREATE FUNCTION writes() RETURNS text LANGUAGE sql AS $$ INSERT INTO seen VALUES ({name}) RETURNING name $$"),
        )
        .file(
            "functions/sets.sql",
            format!(
                "CREATE FUNCTION sets() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                     PERFORM set_config('app.user_id', '1', false); RETURN {name}; END $$"
            ),
        )
        .file(
            "functions/commits.sql",
            format!(
                "CREATE PROCEDURE commits(INOUT p_name text DEFAULT NULL) LANGUAGE plpgsql AS $$ BEGIN
                     p_name := {name}; INSERT INTO seen VALUES (p_name); COMMIT; INSERT INTO seen VALUES ('second'); END $$"
            ),
        );
    platform.register(&files).await.ready();
    let header = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let told = format!("stonescriptdb-gateway trace={TRACE}");
    for _ in 0..2 {
        for (function, column) in [("reads", "reads"), ("writes", "writes"), ("sets", "sets"), ("commits", "p_name")] {
            assert_eq!(traced(&platform, function, &header).await[column], json!(told), "{function}");
            let plain = traced(&platform, function, "00-not-a-trace").await;
            assert_eq!(plain[column], json!("stonescriptdb-gateway"), "{function}");
        }
    }
    assert_eq!(platform.sql().await.value("SELECT count(*)::text FROM seen WHERE name = 'second'").await, "4");
}
