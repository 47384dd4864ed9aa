//! Answers too large to hold.

use std::time::Duration;

use futures_util::StreamExt;
use stonescriptdb_gateway::call::{Answer, AnswerBody, Timing, parse_request, run};
use stonescriptdb_gateway::databases::RunAs;

use crate::support::*;

// STABLE, so that PostgreSQL plans them as part of the statement and sends rows as it finds them.
const MANY: &str = "
    CREATE FUNCTION many(p_count int) RETURNS TABLE (id int, name text, at timestamptz, tags text[]) LANGUAGE sql STABLE AS $$
        SELECT i, 'name ' || i, '2024-01-01'::timestamptz + i * interval '1 second', ARRAY['a', i::text]
        FROM generate_series(1, p_count, 1000) AS k CROSS JOIN LATERAL generate_series(k, k + 999) AS i $$;
    CREATE FUNCTION breaks(p_count int) RETURNS SETOF int LANGUAGE sql STABLE AS $$
        SELECT 1 / (p_count - i)
        FROM generate_series(1, p_count, 1000) AS k CROSS JOIN LATERAL generate_series(k, k + 999) AS i $$;
    CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';";

async fn start(platform: &Platform, function: &str, params: &str) -> Answer {
    let request = format!(r#"{{"platform":"{}","function":"{function}","params":{params}}}"#, platform.name);
    run(&platform.databases, &parse_request(request.as_bytes()).unwrap(), &RunAs::Gateway, &Timing::default())
        .await
        .unwrap()
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Set in a process that runs one test alone.
const ALONE: &str = "STONESCRIPTDB_TEST_ALONE";

#[tokio::test]
async fn a_million_rows_pass_in_bounded_memory() {
    if std::env::var_os(ALONE).is_none() {
        // What the other tests hold at the time is none of its business.
        let program = std::env::current_exe().unwrap();
        let test = "stream::a_million_rows_pass_in_bounded_memory";
        let run = tokio::process::Command::new(program).args(["--exact", test, "--nocapture"]).env(ALONE, "1").output();
        let output = run.await.unwrap();
        let shown = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
        return;
    }
    let platform = Platform::with(MANY).await;
    let before = resident_bytes();
    let mut most = 0;
    let AnswerBody::Streamed(mut chunks) = start(&platform, "many", "[1000000]").await.body else {
        panic!("a million rows are not held")
    };
    let (mut bytes, mut last) = (0, Vec::new());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        bytes += chunk.len();
        most = most.max(resident_bytes().saturating_sub(before));
        last = chunk.to_vec();
    }
    assert!(bytes > 80_000_000, "{bytes}");
    assert!(String::from_utf8_lossy(&last).contains("],\"row_count\":1000000,\"execution_time_ms\":"));
    assert!(most < 64 * 1024 * 1024, "grew by {most} bytes");
}

#[tokio::test]
async fn a_streamed_answer_reads_like_a_whole_one() {
    let platform = Platform::with(MANY).await;
    let body = platform.body("many", "[20000]").await.unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(parsed["row_count"], 20000);
    let rows = parsed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 20000);
    assert_eq!(rows[19999]["tags"], serde_json::json!(["a", "20000"]));
    assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
}

#[tokio::test]
async fn an_error_after_the_first_bytes_breaks_the_body() {
    let platform = Platform::with(MANY).await;
    let AnswerBody::Streamed(mut chunks) = start(&platform, "breaks", "[200000]").await.body else {
        panic!("not held")
    };
    let mut end = None;
    while let Some(chunk) = chunks.next().await {
        end = Some(chunk);
    }
    let error = end.unwrap().unwrap_err().to_string();
    assert!(error.contains("SQLSTATE 22012") && !error.contains("division"), "{error}");
    assert_eq!(platform.rows("one", "").await, r#"[{"one":1}]"#);
}

#[tokio::test]
async fn a_reader_who_stops_reading_does_not_keep_the_connection() {
    let databases = databases_with(&wide_pools(), Duration::from_secs(2));
    let platform = Platform::on(databases, MANY).await;
    let AnswerBody::Streamed(mut chunks) = start(&platform, "many", "[20000000]").await.body else {
        panic!("not held")
    };
    chunks.next().await.unwrap().unwrap();
    let client = platform.client().await;
    let name = platform.address.name().as_str();
    eventually("its query is gone", async || {
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND pid <> pg_backend_pid()";
        client.query_one(sql, &[&name]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    let mut end = Ok(bytes::Bytes::new());
    while let Some(chunk) = chunks.next().await {
        end = chunk;
    }
    assert!(end.is_err(), "the body ended as if it were whole");
}

#[tokio::test]
async fn a_row_is_read_up_to_64_mib_and_the_next_call_has_another_connection() {
    let sql = r"CREATE FUNCTION large(bytes int) RETURNS text LANGUAGE sql AS 'SELECT repeat(''x'', bytes)';
                CREATE FUNCTION complains(bytes int) RETURNS void LANGUAGE plpgsql AS
                    $$BEGIN RAISE EXCEPTION '%', repeat('x', bytes); END$$;";
    let platform = Platform::with(sql).await;
    assert_eq!(platform.rows("large", "[3000000]").await.len(), 3_000_000 + r#"[{"large":""}]"#.len());
    for function in ["large", "complains"] {
        let (status, error) = platform.error(function, "[67108864]").await;
        assert_eq!((status, error["error"].as_str()), (500, Some("query_failed")), "{error}");
        assert!(error["message"].as_str().is_some_and(|words| words.contains("at most 67108864 are read")), "{error}");
    }
    assert_eq!(platform.rows("large", "[1]").await, r#"[{"large":"x"}]"#);
}
