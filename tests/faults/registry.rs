//! What goes wrong while a schema is stored: a full disk under the registry, one that may not be written, an upload that
//! breaks off. The version that was stored before stays, serves, and gives way to the next that arrives whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::disk::SmallDisk;
use crate::full::fill;
use crate::support::{Gateway, LIMIT, Server, ask, client, post, tar_gz};

/// A schema whose function answers `version`.
fn version(version: u32) -> Vec<u8> {
    let function = format!("CREATE FUNCTION version() RETURNS int LANGUAGE sql AS 'SELECT {version}'");
    tar_gz(&[("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);"), ("functions/version.sql", &function)])
}

async fn store(gateway: &Gateway, archive: Vec<u8>) -> (u16, Value) {
    let form = Form::new().text("schema_name", "shop").part("schema", Part::bytes(archive).file_name("s.tar.gz"));
    ask(client().post(format!("{}/platform/x/schema", gateway.url)).multipart(form)).await
}

/// What a new database of the stored schema answers: the version that is stored.
async fn stored(gateway: &Gateway, id: &str) -> Value {
    let ids = json!({"platform": "x", "schema_name": "shop", "database_id": id});
    let (status, body) = post(gateway, "/database/create", ids.clone()).await;
    assert_eq!(status, 201, "{body}");
    let mut call = ids;
    call["function"] = json!("version");
    let (status, body) = post(gateway, "/call", call).await;
    assert_eq!(status, 200, "{body}");
    body["rows"][0]["version"].clone()
}

async fn with_first_version(gateway: &Gateway) {
    let (status, body) = post(gateway, "/platform/register", json!({"platform": "x"})).await;
    assert_eq!(status, 201, "{body}");
    let (status, body) = store(gateway, version(1)).await;
    assert_eq!(status, 201, "{body}");
}

/// Everything under the folder, with its size.
fn files(folder: &Path) -> Vec<String> {
    let output = Command::new("find").arg(folder).args(["-type", "f", "-not", "-name", ".lock"]).output();
    let text = String::from_utf8(output.expect("find").stdout).expect("names");
    let mut files: Vec<_> = text.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_full_disk_under_the_registry_leaves_the_stored_version() {
    let server = Server::start().await;
    // Without root there is no small disk, and the next test has to do.
    let Some(disk) = SmallDisk::mount(server.folder.path().join("data")) else { return };
    let gateway = server.gateway_in(&disk.0);
    with_first_version(&gateway).await;
    let before = files(&disk.0);

    let filler = disk.0.join("filler");
    fill(&filler);
    let (status, body) = store(&gateway, version(2)).await;
    assert_eq!((status, body["error"].as_str()), (507, Some("disk_full")), "{body}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains("DATA_DIR")), "{body}");
    assert_eq!(stored(&gateway, "during").await, json!(1));

    std::fs::remove_file(&filler).expect("our file");
    assert_eq!(files(&disk.0), before, "nothing of the attempt is left");
    let (status, body) = store(&gateway, version(2)).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(stored(&gateway, "after").await, json!(2));
}

#[tokio::test]
async fn a_read_only_disk_under_the_registry_leaves_the_stored_version() {
    let server = Server::start().await;
    let path = server.folder.path().join("data");
    let disk = SmallDisk::mount(path.clone());
    let gateway = server.gateway_in(&path);
    with_first_version(&gateway).await;
    let before = files(&path);

    let may_write = |may: bool| match &disk {
        Some(disk) => {
            let option = if may { "remount,rw" } else { "remount,ro" };
            let mounted = Command::new("mount").args(["-o", option]).arg(&disk.0).status();
            assert!(mounted.expect("mount").success());
        }
        None => {
            let mode = std::fs::Permissions::from_mode(if may { 0o700 } else { 0o500 });
            std::fs::set_permissions(path.join("x"), mode).expect("our folder");
        }
    };
    may_write(false);
    let (status, body) = store(&gateway, version(2)).await;
    assert_eq!((status, body["error"].as_str()), (500, Some("internal_error")), "{body}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains("may not write")), "{body}");
    assert_eq!(stored(&gateway, "during").await, json!(1));

    may_write(true);
    assert_eq!(files(&path), before);
    let (status, body) = store(&gateway, version(2)).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(stored(&gateway, "after").await, json!(2));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_stored_version() {
    let server = Server::start().await;
    let path = server.folder.path().join("data");
    std::fs::create_dir(&path).expect("a folder");
    let gateway = server.gateway_in(&path);
    with_first_version(&gateway).await;
    let before = files(&path);

    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"schema_name\"\r\n\r\nshop\r\n--b\r\n\
        Content-Disposition: form-data; name=\"schema\"; filename=\"s.tar.gz\"\r\n\r\n"
        .to_vec();
    body.extend(version(2));
    body.extend(b"\r\n--b--\r\n");
    let head = format!(
        "POST /platform/x/schema HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let address = gateway.url.trim_start_matches("http://").to_owned();
    // After the head, inside a part's head, inside the archive, and just before the last boundary is whole.
    for sent in [0, 20, 130, body.len() - 60, body.len() - 5] {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent])).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        let mut answer = String::new();
        // It may hang up at once; what it answers is no success.
        stream.read_to_string(&mut answer).ok();
        assert!(!answer.contains(" 201 "), "after {sent} bytes: {answer}");
        assert_eq!(files(&path), before, "after {sent} bytes");
    }
    assert_eq!(stored(&gateway, "during").await, json!(1));

    // The same bytes, all of them.
    let mut stream = TcpStream::connect(&address).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a socket");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(stored(&gateway, "after").await, json!(2));
}
