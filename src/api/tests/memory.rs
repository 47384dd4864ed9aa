//! Uploads that would take too much memory, or for which there is none now.

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use super::upload::{FORM, archive, form, text};
use super::*;
use crate::bundle::cost::{Limits, Measured, Meter};
use crate::databases::name::Id;
use crate::uploads::UploadMemory;

const MIB: usize = 1 << 20;

/// An archive with one SQL file.
fn bundle(path: &str, sql: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut header = tar::Header::new_gnu();
    header.set_size(sql.len() as u64);
    builder.append_data(&mut header, path, sql.as_bytes()).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

fn upload_of(path: &str, sql: &str) -> Vec<u8> {
    form(&[text("platform", "a"), archive(&bundle(path, sql))])
}

async fn refusal(path: &str, sql: &str) -> String {
    Server::start().await.post("/register", Some(FORM), &upload_of(path, sql)).await.error()
}

fn measured(sql: &str) -> Measured {
    let mut meter = Meter::new(Limits { max_bytes: usize::MAX, max_statements: usize::MAX });
    meter.begin_file("tables/a.sql", 0).unwrap();
    meter.feed("tables/a.sql", sql.as_bytes()).unwrap();
    meter.end_file("tables/a.sql").unwrap();
    meter.finish()
}

/// A gateway with 16 MiB for uploads, and somebody who has what bundles may have of it.
async fn taken(wait: Duration) -> (Arc<Gateway>, UploadMemory, crate::bundle::Held) {
    let memory = UploadMemory::new(16 * MIB, wait);
    let all = measured(&"SELECT 1;".repeat(5500));
    let held = memory.claim(&Id::parse("platform", "other").unwrap(), &all).await.unwrap();
    let mut gateway = gateway(|_| {});
    Arc::get_mut(&mut gateway).unwrap().uploads = memory.clone();
    (gateway, memory, held)
}

#[tokio::test]
async fn a_bundle_that_alone_needs_too_much_is_413_and_names_the_setting_and_the_statement() {
    let sql = format!("SELECT 1;\n\nSELECT a{};", ",a".repeat(20_000));
    insta::assert_snapshot!(refusal("migrations/a.sql", &sql).await, @r#"413 {"error":"payload_too_large","message":"the bundle needs up to 213573506 bytes of memory to be read and deployed; at most 50331648 are given, three quarters of UPLOAD_MEMORY_BYTES=67108864; its largest statement is in migrations/a.sql, line 3","file":"migrations/a.sql","line":3}"#);
}

#[tokio::test]
async fn more_sql_or_more_statements_than_allowed_are_refused_while_reading() {
    insta::assert_snapshot!(refusal("tables/a.sql", &" ".repeat(500_001)).await, @r#"400 {"error":"schema_extraction_failed","message":"the SQL files have more than 500000 bytes together (MAX_SQL_BYTES); tables/a.sql is the first one over it","file":"tables/a.sql"}"#);
    insta::assert_snapshot!(refusal("x/seeders/a.sql", &"SELECT 1;\n".repeat(1001)).await, @r#"400 {"error":"schema_extraction_failed","message":"the SQL files have more than 1000 statements together (MAX_STATEMENTS); the first one over it is in seeders/a.sql, line 1001","file":"seeders/a.sql","line":1001}"#);
}

#[tokio::test]
async fn an_upload_without_memory_waits_and_is_503() {
    let (gateway, _memory, _held) = taken(Duration::from_secs(1)).await;
    let upload = upload_of("tables/a.sql", &"SELECT 1;".repeat(900));
    let started = Instant::now();
    let answer = Server::serve(router::app(gateway)).await.post("/register", Some(FORM), &upload).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(answer.header("retry-after"), Some("1"));
    insta::assert_snapshot!(answer.error(), @r#"503 {"error":"uploads_busy","message":"the memory for uploads (UPLOAD_MEMORY_BYTES=16777216) was in use for 1 s; send it again"}"#);
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_waits_leaves_its_memory() {
    let (gateway, memory, _held) = taken(3 * DEADLINE).await;
    let server = Server::serve(router::app(gateway)).await;
    let upload = upload_of("tables/a.sql", &"SELECT 1;".repeat(900));
    let mut stream = server.connect_from(LOOPBACK).await;
    let headers = format!("Content-Type: {FORM}\r\nContent-Length: {}\r\n", upload.len());
    stream.write_all(head("POST", "/register", &headers).as_bytes()).await.unwrap();
    stream.write_all(&upload).await.unwrap();
    // It waits for its bundle's memory, and holds what it was received in.
    let receive_all = async || {
        let mut receiving = memory.receive().await.unwrap();
        receiving.grow_to(4 * MIB).await.unwrap();
    };
    let mut holds = false;
    for _ in 0..100 {
        if timeout(Duration::from_millis(50), receive_all()).await.is_err() {
            holds = true;
            break;
        }
    }
    assert!(holds, "the upload has taken memory");
    drop(stream);
    timeout(DEADLINE, receive_all()).await.expect("who is gone holds nothing");
}
