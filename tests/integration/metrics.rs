//! `GET /metrics`: what was called and deployed, in the text format of Prometheus; `/ready` and `/live` beside it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Platform, bundle, gateway, get, register};

async fn scraped() -> String {
    let answer = reqwest::Client::new().get(format!("{}/metrics", gateway().url)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("a body")
}

/// The sample with this name and these labels, in the order in which they stand.
fn sample(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap_or_else(|_| panic!("{series} {value}")))
}

#[tokio::test]
async fn calls_and_deployments_are_counted_and_prometheus_reads_it() {
    let platform = Platform::new();
    let files = bundle()
        .file(
            "functions/two.sql",
            "CREATE FUNCTION two() RETURNS SETOF int LANGUAGE sql AS 'SELECT generate_series(1, 2)'",
        )
        .file("functions/no.sql", "CREATE FUNCTION no() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$");
    platform.register(&files).await.ready();
    register(platform.name(), Some("t"), &files).await.ready();
    platform.register(&files.clone().file("functions/bad.sql", "CREATE FUNCTION bad(")).await;
    for function in ["two", "two", "no", "made_up", "made_up_too"] {
        platform.call(function, json!([])).await;
    }
    let name = platform.name().replace('-', "_").to_lowercase();
    let text = scraped().await;
    let calls = |function: &str, status: &str| {
        sample(
            &text,
            &format!("stonescriptdb_calls_total{{function=\"{function}\",platform=\"{name}\",status=\"{status}\"}}"),
        )
    };
    assert_eq!((calls("two", "200"), calls("no", "400"), calls("other", "404")), (2.0, 1.0, 2.0), "{text}");
    assert!(!text.contains("made_up"), "a client's words are no label");
    let took = format!("stonescriptdb_call_duration_seconds_count{{function=\"two\",platform=\"{name}\"}}");
    assert_eq!(sample(&text, &took), 2.0);
    for ended in ["created", "failed"] {
        let series = format!("stonescriptdb_deployment_duration_seconds_count{{result=\"{ended}\"}}");
        assert!(sample(&text, &series) >= 1.0, "{series}: {text}");
    }
    let of_bundle = text.lines().find(|line| {
        line.starts_with("stonescriptdb_databases{")
            && line.contains(&format!("platform=\"{name}\""))
            && line.ends_with("} 2")
    });
    assert!(of_bundle.is_some_and(|line| !line.contains("unknown")), "{text}");
    assert_eq!(
        (sample(&text, "stonescriptdb_postgres_up"), sample(&text, "stonescriptdb_deployments_running") >= 0.0),
        (1.0, true)
    );
    check_with_promtool(&text);
    check_dashboard(&text);
    assert_eq!((get("/ready").await.status, get("/live").await.status), (200, 200));
}

/// Prometheus's own judge, where it is installed.
fn check_with_promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return };
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let judged = promtool.wait_with_output().expect("it ends");
    let said = format!("{}{}", String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
    assert!(judged.status.success() && said.trim().is_empty(), "{said}");
}

/// The dashboard asks for nothing that is not there.
fn check_dashboard(text: &str) {
    let dashboard = include_str!("../../deploy/grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("it is JSON");
    let targets = dashboard["panels"].as_array().expect("panels").iter().flat_map(|panel| panel["targets"].as_array());
    let asked: Vec<&str> = targets.flatten().filter_map(|target| target["expr"].as_str()).collect();
    assert!(asked.len() > 20, "{asked:?}");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for expression in asked {
        let words = expression.split(|c: char| !is_word(c));
        let metrics: Vec<&str> = words.filter(|word| word.starts_with("stonescriptdb_")).collect();
        assert!(!metrics.is_empty(), "{expression}");
        for metric in &metrics {
            assert!(
                text.lines()
                    .any(|line| line.starts_with(&format!("{metric} ")) || line.starts_with(&format!("{metric}{{"))),
                "{metric}"
            );
        }
        let by =
            expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')')).flat_map(|(by, _)| by.split(", "));
        let where_ = expression.split(['{', ',']).filter_map(|part| part.split_once("=~")).map(|(label, _)| label);
        for label in by.chain(where_).filter(|label| *label != "instance") {
            let has = |line: &str| {
                metrics.iter().any(|metric| line.starts_with(metric)) && line.contains(&format!("{label}=\""))
            };
            assert!(text.lines().any(has), "{expression}: no {label}");
        }
    }
}
