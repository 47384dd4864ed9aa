//! A full disk wherever it may be noticed: 507 `disk_full` with PostgreSQL's words, everything as it was, and what was
//! refused goes through when there is room (contract §7). Takes root, for a small file system under a tablespace.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::disk::SmallDisk;
use crate::proxy::Proxy;
use crate::support::{Gateway, Server, ask, client, post, upload, value};

/// A tablespace that new tables go to, on a disk of eight megabytes.
struct Small {
    disk: SmallDisk,
    client: Client,
}

impl Small {
    async fn under(server: &Server) -> Option<Self> {
        let disk = SmallDisk::of_megabytes(8, server.folder.path().join("disk"))?;
        // PostgreSQL may run as another user, who has to own the folder; it makes its own inside.
        std::fs::set_permissions(&disk.0, std::fs::Permissions::from_mode(0o777)).expect("our folder");
        let owner = std::fs::metadata(server.socket()).expect("its socket").uid();
        chown(&disk.0, Some(owner), None).expect("root may");
        let client = server.connect("postgres").await;
        let make = format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display());
        client.batch_execute(&make).await.expect("a tablespace");
        client.batch_execute("ALTER SYSTEM SET default_tablespace = 'small'").await.expect("a setting");
        client.batch_execute("SELECT pg_reload_conf()").await.expect("a setting");
        Some(Self { disk, client })
    }

    fn filler(&self) -> PathBuf {
        self.disk.0.join("filler")
    }

    fn fill(&self) {
        fill(&self.filler());
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("our file");
    }
}

/// Writes until nothing more fits.
pub(crate) fn fill(filler: &std::path::Path) {
    let mut file = std::fs::File::create(filler).expect("a file");
    while file.write_all(&[0u8; 4096]).is_ok() {}
}

fn is_full((status, body): &(u16, Value)) {
    assert_eq!((*status, body["error"].as_str()), (507, Some("disk_full")), "{body:#}");
    assert_eq!(body["sqlstate"], "53100", "{body:#}");
    assert!(body["message"].as_str().is_some_and(|message| message.contains("PostgreSQL's disk is full")), "{body:#}");
    assert!(body["cause"].as_str().is_some_and(|cause| cause.contains("No space left on device")), "{body:#}");
}

const CALLED: &[(&str, &str)] = &[
    ("tables/a.sql", "CREATE TABLE a (id int, words text);"),
    (
        "functions/write.sql",
        "CREATE FUNCTION write(n int) RETURNS void LANGUAGE sql AS
         'INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, n) i';
         CREATE FUNCTION session() RETURNS int LANGUAGE sql AS 'SELECT pg_backend_pid()';
         CREATE FUNCTION sort() RETURNS bigint LANGUAGE plpgsql AS $$
         BEGIN
             SET LOCAL work_mem = '64kB';
             SET LOCAL temp_tablespaces = 'small';
             RETURN (SELECT count(*) FROM (SELECT i FROM generate_series(1, 300000) i ORDER BY md5(i::text)) x);
         END $$;",
    ),
];

async fn call(gateway: &Gateway, function: &str, params: Value) -> (u16, Value) {
    post(gateway, "/call", json!({"platform": "x", "function": function, "params": params})).await
}

#[tokio::test]
async fn a_call_that_finds_postgresqls_disk_full_leaves_its_connection_usable() {
    let server = Server::start().await;
    let Some(small) = Small::under(&server).await else { return };
    let gateway = server.gateway();
    gateway.ready(CALLED).await;
    small.fill();
    let session = call(&gateway, "session", json!([])).await.1["rows"].clone();
    for _ in 0..3 {
        is_full(&call(&gateway, "write", json!([20000])).await);
        is_full(&call(&gateway, "sort", json!([])).await);
        let (status, body) = call(&gateway, "session", json!([])).await;
        assert_eq!((status, &body["rows"]), (200, &session), "{body:#}");
    }
    small.make_room();
    let (status, body) = call(&gateway, "write", json!([5])).await;
    assert_eq!(status, 200, "{body:#}");
    let database = server.connect("x_main").await;
    assert_eq!(value(&database, "SELECT count(*) FROM a").await, "5");
}

/// Twenty megabytes in a database that has a row, nothing in a blueprint.
const MANY_ROWS: &str = "INSERT INTO a SELECT i, repeat(md5(i::text), 30) FROM a, generate_series(1, 20000) i;";

#[tokio::test]
async fn a_deployment_that_finds_postgresqls_disk_full_is_taken_back() {
    let server = Server::start().await;
    let Some(small) = Small::under(&server).await else { return };
    let gateway = server.gateway();
    gateway.ready(CALLED).await;
    let (status, body) = upload(&gateway, "/register", &[("platform", "x"), ("tenant_id", "t")], CALLED).await;
    assert_eq!(status, 200, "{body:#}");
    for database in ["x_main", "x_t"] {
        server.connect(database).await.batch_execute("INSERT INTO a VALUES (0, '')").await.expect("a row");
    }
    let before = (server.contents("x_main").await, server.contents("x_t").await);
    let databases = server.databases().await;

    let mut next = CALLED.to_vec();
    next.push(("migrations/1.sql", MANY_ROWS));
    let answer = upload(&gateway, "/register", &[("platform", "x")], &next).await;
    is_full(&answer);
    assert_eq!(answer.1["file"], "migrations/1.sql", "{:#}", answer.1);
    // In code it is no less full.
    let in_code = format!("DO $$ BEGIN {MANY_ROWS} END $$;");
    next[CALLED.len()].1 = &in_code;
    is_full(&upload(&gateway, "/register", &[("platform", "x")], &next).await);
    next[CALLED.len()].1 = MANY_ROWS;
    // A fleet says which and where it stands.
    let answer = upload(&gateway, "/migrate", &[("platform", "x")], &next).await;
    is_full(&answer);

    let failed = &answer.1["databases_failed"];
    assert!(failed[0]["cause"].as_str().is_some_and(|cause| cause.contains("No space left")), "{:#}", answer.1);
    assert_eq!(answer.1["databases_updated"], json!([]), "{:#}", answer.1);

    // What was rolled back takes room until it is vacuumed, for which there is none.
    for database in ["x_main", "x_t"] {
        server
            .connect(database)
            .await
            .batch_execute("ALTER TABLE a SET TABLESPACE pg_default")
            .await
            .expect("it can be");
    }

    // A database that is made, which is a copy, and a bundle that is only tried.
    small.fill();
    let answer = upload(&gateway, "/register", &[("platform", "x"), ("tenant_id", "new")], CALLED).await;
    is_full(&answer);
    let schema = [("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY, words text);")];
    let answer = upload(&gateway, "/register", &[("platform", "y")], &schema).await;
    is_full(&answer);
    assert_eq!(post(&gateway, "/platform/register", json!({"platform": "z"})).await.0, 201);
    let answer = upload(&gateway, "/platform/z/schema", &[("schema_name", "s")], &schema).await;
    is_full(&answer);
    assert_eq!((server.contents("x_main").await, server.contents("x_t").await), before);
    assert_eq!(server.databases().await, databases);

    small.make_room();
    for (path, fields) in [
        ("/register", &[("platform", "x"), ("tenant_id", "new")][..]),
        ("/platform/z/schema", &[("schema_name", "s")]),
        ("/register", &[("platform", "y")]),
    ] {
        let (status, body) = upload(&gateway, path, fields, if fields.len() == 2 { CALLED } else { &schema }).await;
        assert!([200, 201].contains(&status), "{body:#}");
    }
    small.client.batch_execute("ALTER SYSTEM RESET default_tablespace").await.expect("a setting");
}

#[tokio::test]
async fn a_full_data_folder_is_told_of_wherever_it_is_written_to() {
    let server = Server::start().await;
    let Some(disk) = SmallDisk::mount(server.folder.path().join("data")) else { return };
    let gateway = server.gateway_with(&disk.0, &[("PLATFORM_ROLES", "auto")]);
    gateway.ready(CALLED).await;
    let filler = disk.0.join("filler");
    fill(&filler);
    let is_full = |(status, body): (u16, Value)| {
        assert_eq!((status, body["error"].as_str()), (507, Some("disk_full")), "{body:#}");
        assert!(body["message"].as_str().is_some_and(|message| message.contains("DATA_DIR")), "{body:#}");
        assert!(!body.to_string().contains(&*disk.0.to_string_lossy()), "no paths of the machine: {body:#}");
    };
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&disk.0).expect("a folder").flatten().map(|one| one.file_name()).collect();
        names.sort();
        names
    };
    is_full(post(&gateway, "/platform/register", json!({"platform": "y"})).await);
    is_full(upload(&gateway, "/register", &[("platform", "z")], CALLED).await);
    is_full(post(&gateway, "/admin/create-tenant", json!({"platform": "w", "tenant_id": "t"})).await);
    for name in ["y", "z", "w"] {
        assert!(!disk.0.join(name).join("platform.json").exists(), "{name} in {:?}", names());
    }
    // What needs nothing of it goes on.
    assert_eq!(call(&gateway, "session", json!([])).await.0, 200);
    let list = ask(client().get(format!("{}/platforms", gateway.url))).await;
    assert_eq!((list.0, &list.1["platforms"][0]["name"], &list.1["platforms"][1]), (200, &json!("x"), &json!(null)));

    std::fs::remove_file(&filler).expect("our file");
    assert_eq!(post(&gateway, "/platform/register", json!({"platform": "y"})).await.0, 201);
    let (status, body) = upload(&gateway, "/register", &[("platform", "z")], CALLED).await;
    assert_eq!(status, 200, "{body:#}");
    assert_eq!(post(&gateway, "/admin/create-tenant", json!({"platform": "w", "tenant_id": "t"})).await.0, 201);
}

#[tokio::test]
async fn a_disk_that_is_full_when_a_session_begins_is_told_of_like_any_other() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.folder.path(), &server.socket(), server.port());
    let gateway = server.gateway_through(&proxy.folder);
    gateway.ready(CALLED).await;
    let mut next = CALLED.to_vec();
    next.push(("migrations/1.sql", "INSERT INTO a VALUES (1);"));
    proxy.fill(true);
    for answer in [
        call(&gateway, "session", json!([])).await,
        upload(&gateway, "/register", &[("platform", "x")], &next).await,
        upload(&gateway, "/migrate", &[("platform", "x")], &next).await,
    ] {
        is_full(&answer);
    }
    proxy.fill(false);
    assert_eq!(call(&gateway, "session", json!([])).await.0, 200);
    let (status, body) = upload(&gateway, "/migrate", &[("platform", "x")], &next).await;
    assert_eq!((status, &body["migrations_applied"]), (200, &json!(1)), "{body:#}");
}
