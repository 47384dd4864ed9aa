//! Multipart bodies that never come to a boundary, or to the end of a head: they are refused before they take memory.

use super::upload::{FORM, archive, form, text};
use super::*;

/// The tests' gateway takes bodies of 1.1 MB.
const LONG: usize = 400_000;

#[tokio::test]
async fn a_body_that_comes_to_no_boundary_or_no_end_of_a_head_is_refused() {
    let server = Server::start().await;
    let head = "--XyZ\r\nContent-Disposition: form-data; name=\"";
    let endless = "a".repeat(LONG);
    for body in [
        endless.clone(),
        "\r\n--Xy".repeat(LONG / 6),
        format!("{head}{endless}"),
        format!("{head}platform\"\r\nX-More: {endless}"),
        format!("{head}platform\"\r\n\r\na\r\n{head}{endless}"),
        format!("{head}other\"\r\n\r\n{endless}\r\n{head}{endless}"),
    ] {
        let refusal = server.post("/register", Some(FORM), body.as_bytes()).await.error();
        assert!(refusal.starts_with("400 ") && refusal.contains("131072 bytes where a boundary"), "{refusal}");
    }
}

#[tokio::test]
async fn long_parts_are_read_whether_they_are_wanted_or_not() {
    let server = Server::start().await;
    let preamble = vec![b' '; 60 * 1024];
    let long = "a".repeat(LONG);
    let parts = [text("unknown", &long), text("platform", "a"), text("other", &long), archive(&[b'a'; 90_000])];
    let body = [preamble, b"\r\n".to_vec(), form(&parts)].concat();
    let refusal = server.post("/register", Some(FORM), &body).await.error();
    assert!(refusal.contains("schema_extraction_failed"), "{refusal}");
}
