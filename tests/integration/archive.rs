//! Uploads that are no bundle: one clear refusal each, before any database is made.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::multipart::{Form, Part};
use tar::EntryType;

use crate::support::bundle::tar_gz_of;
use crate::support::platform::{archive_part, send_form};
use crate::support::sql::databases_named;
use crate::support::{Answer, Platform, bundle};

const TABLE: &[u8] = b"CREATE TABLE a (id int);";

async fn send(platform: &Platform, archive: Vec<u8>) -> Answer {
    let form = Form::new().text("platform", platform.name().to_owned()).part("schema", archive_part(archive));
    let answer = send_form(form).await;
    assert_eq!(databases_named(&format!("{}_", platform.name())).await, Vec::<String>::new(), "made by {answer}");
    answer
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory is always writable")
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let platform = Platform::new();
    let whole = bundle().file("tables/a.sql", "CREATE TABLE a (id int);".repeat(1000)).tar_gz();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("text", b"CREATE TABLE a (id int);".to_vec()),
        ("gzip of text", gzip(TABLE)),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("an empty archive", tar_gz_of(&[])),
    ] {
        let answer = send(&platform, bytes).await;
        assert_eq!((answer.status, answer.text("error")), (400, "schema_extraction_failed"), "{what}: {answer}");
    }
}

#[tokio::test]
async fn an_archive_with_a_dangerous_entry_is_refused_by_its_name() {
    let platform = Platform::new();
    for (path, kind, bytes) in [
        ("../tables/a.sql", EntryType::Regular, TABLE),
        ("tables/../../a.sql", EntryType::Regular, TABLE),
        ("/tables/a.sql", EntryType::Regular, TABLE),
        ("tables/a.sql", EntryType::Symlink, b"/etc/passwd"),
        ("tables/a.sql", EntryType::Link, b"b.sql"),
        ("tables/a.sql", EntryType::Char, b""),
        ("tables/a.sql", EntryType::Fifo, b""),
        ("tables/a.sql", EntryType::Regular, b"-- \xff\xfe\nSELECT 1;"),
    ] {
        let archive = tar_gz_of(&[("tables/good.sql", EntryType::Regular, TABLE), (path, kind, bytes)]);
        let answer = send(&platform, archive).await;
        answer.refused(400, "schema_extraction_failed").says(path);
    }
}

#[tokio::test]
async fn the_same_path_twice_is_refused() {
    let platform = Platform::new();
    let twice = ("tables/a.sql", EntryType::Regular, TABLE);
    send(&platform, tar_gz_of(&[twice, twice])).await.refused(400, "schema_extraction_failed").says("tables/a.sql");
}

#[tokio::test]
async fn an_archive_without_a_known_folder_is_refused() {
    let platform = Platform::new();
    let archive = bundle().file("README.md", "x").file("sql/a.sql", "SELECT 1;").tar_gz();
    send(&platform, archive).await.refused(400, "schema_extraction_failed");
}

#[tokio::test]
async fn a_missing_or_malformed_field_is_named() {
    let platform = Platform::new();
    let archive = || bundle().file("tables/a.sql", "CREATE TABLE a (id int);").tar_gz();
    let without_schema = Form::new().text("platform", platform.name().to_owned());
    send_form(without_schema).await.refused(400, "invalid_request").says("schema");
    let without_platform = Form::new().part("schema", archive_part(archive()));
    send_form(without_platform).await.refused(400, "invalid_request").says("platform");
    let with_a_bad_force = Form::new()
        .text("platform", platform.name().to_owned())
        .text("force", "perhaps")
        .part("schema", archive_part(archive()));
    send_form(with_a_bad_force).await.refused(400, "invalid_request").says("force");
    let not_utf_8 = Form::new().part("platform", Part::bytes(vec![0xff, 0xfe])).part("schema", archive_part(archive()));
    send_form(not_utf_8).await.refused(400, "invalid_request").says("platform");
}
