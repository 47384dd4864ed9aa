//! One folder of `tests/takeover`: what was sent to a gateway, what it answered, and what it left; and how to put that back.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;
use stonescriptdb_gateway::embedded::{self, EmbeddedOptions, EmbeddedPostgres};
use tokio_postgres::{Client, NoTls};

use crate::place::Place;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) path: String,
    /// Of an upload.
    pub(super) bundle: Option<String>,
    pub(super) fields: BTreeMap<String, String>,
    /// Of everything else.
    pub(super) body: Value,
    pub(super) answer: Value,
}

/// What an earlier commit left.
pub(super) struct Left {
    folder: PathBuf,
    pub(super) steps: Vec<Step>,
}

/// The commits that something is here of.
pub(super) fn commits() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/takeover");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "nothing to take over");
    found
}

/// Where a call goes, as text.
pub(super) fn address(body: &Value) -> String {
    ["platform", "tenant_id", "schema_name", "database_id"].map(|field| body[field].to_string()).join(" ")
}

/// The archive with further files.
pub(super) fn with_files(archive: &[u8], files: &[(&str, &str)]) -> Vec<u8> {
    let all = unpacked(archive);
    let mut together: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    together.extend_from_slice(files);
    crate::web::archive(&together)
}

/// The bundle as an editor of another system leaves it: with LF alone, and a last line end in each file.
pub(super) fn with_line_ends(archive: &[u8]) -> Vec<u8> {
    let all: Vec<(String, String)> = unpacked(archive)
        .into_iter()
        .map(|(path, text)| (path, text.replace("\r\n", "\n")))
        .map(|(path, text)| (path, format!("{}\n", text.strip_suffix('\n').unwrap_or(&text))))
        .collect();
    let together: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    crate::web::archive(&together)
}

fn unpacked(archive: &[u8]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut tar = tar::Archive::new(GzDecoder::new(archive));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let path = entry.path().unwrap().to_str().unwrap().trim_start_matches("./").to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            all.push((path, text));
        }
    }
    all
}

/// The server of a place without its gateway.
pub(super) async fn start_server(place: &Place) -> EmbeddedPostgres {
    let bin_dir = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    embedded::start(EmbeddedOptions { bin_dir, ..EmbeddedOptions::new(place.data_dir()) }).await.unwrap()
}

impl Left {
    pub(super) fn read(commit: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/takeover").join(commit);
        let text = std::fs::read_to_string(folder.join("steps.jsonl")).unwrap();
        let steps = text.lines().map(|line| Step::of(serde_json::from_str(line).unwrap())).collect();
        Self { folder, steps }
    }

    pub(super) fn bundle(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(format!("bundles/{name}.tar.gz"))).unwrap()
    }

    /// The databases of v1 that a bundle was deployed to: the fields that say which, and the bundle that they are at.
    pub(super) fn databases(&self) -> Vec<(BTreeMap<String, String>, String)> {
        let mut found: Vec<(BTreeMap<String, String>, String)> = Vec::new();
        for step in &self.steps {
            let Some(bundle) = &step.bundle else { continue };
            let platform = |fields: &BTreeMap<String, String>| fields.get("platform").map(|name| name.to_lowercase());
            match step.path.as_str() {
                "/register" => found.push((step.fields.clone(), bundle.clone())),
                "/migrate" => {
                    let of_it = found.iter_mut().filter(|(fields, _)| platform(fields) == platform(&step.fields));
                    of_it.for_each(|(_, at)| at.clone_from(bundle));
                }
                _ => {}
            }
        }
        // The last bundle of each counts.
        let mut last = BTreeMap::new();
        for (mut fields, bundle) in found {
            fields.insert("platform".to_owned(), fields["platform"].to_lowercase());
            last.insert(fields, bundle);
        }
        last.into_iter().collect()
    }

    /// The ids of a stored schema's databases.
    pub(super) fn stored_databases(&self, schema: &str) -> Vec<&str> {
        let made =
            self.steps.iter().filter(|step| step.path == "/database/create" && step.body["schema_name"] == schema);
        made.map(|step| step.body["database_id"].as_str().unwrap()).collect()
    }

    /// The names of all databases, as the gateway answered them.
    pub(super) fn database_names(&self) -> Vec<String> {
        let names = self.steps.iter().flat_map(|step| [&step.answer["database"], &step.answer["database_name"]]);
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Makes the cluster and the data folder at this place what they were.
    pub(super) async fn restore(&self, place: &Place) {
        place.make_folders(&place.data_dir());
        let server = start_server(place).await;
        self.restore_cluster(&server).await;
        self.mark_as_untouched(&server).await;
        server.stop().await.unwrap();
        let packed = std::fs::File::open(self.folder.join("data.tar.gz")).unwrap();
        tar::Archive::new(GzDecoder::new(packed)).unpack(place.data_dir()).unwrap();
    }

    /// What `pg_dumpall` wrote, without psql: up to a `\connect` each statement is one that takes no company, from there on
    /// to the end of the database's dump they are sent at once.
    async fn restore_cluster(&self, server: &EmbeddedPostgres) {
        let mut sql = String::new();
        let packed = std::fs::read(self.folder.join("cluster.sql.gz")).unwrap();
        GzDecoder::new(packed.as_slice()).read_to_string(&mut sql).unwrap();
        let mut config = server.connection().clone();
        let first = connect(&config).await;
        // The password that the folder has, which the roles' part of the dump sets.
        config.password(self.password());
        for part in sql.split("-- PostgreSQL database dump complete") {
            let (alone, together) = part.split_once("\n\\connect ").unwrap_or((part, ""));
            for statement in without_comments(alone).split(";\n").filter(|statement| !statement.trim().is_empty()) {
                if !statement.contains("CREATE ROLE \"stonescriptdb\"") {
                    first.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
                }
            }
            if let Some((target, rest)) = together.split_once('\n') {
                let client = connect(config.clone().dbname(target_of(target))).await;
                let text: Vec<String> = rest.lines().filter(|line| !line.contains("restrict ")).map(for_any).collect();
                client.batch_execute(&text.join("\n")).await.unwrap_or_else(|error| panic!("{target}: {error:?}"));
            }
        }
    }

    /// A restored database has other transaction ids than the one that was dumped: where one was recorded as untouched since
    /// its last deployment, it is again, as in a cluster that nobody dumped.
    async fn mark_as_untouched(&self, server: &EmbeddedPostgres) {
        let mark = std::fs::read_to_string(self.folder.join("mark.sql")).unwrap();
        let mut config = server.connection().clone();
        config.password(self.password());
        let client = connect(&config).await;
        let databases = client.query("SELECT datname::text FROM pg_database WHERE datallowconn", &[]).await.unwrap();
        for database in databases {
            let client = connect(config.clone().dbname(database.get::<_, &str>(0))).await;
            let there = client.query_one("SELECT to_regclass('public._stonescriptdb_gateway_state') IS NOT NULL", &[]);
            if there.await.unwrap().get(0) {
                let sql = format!("UPDATE public._stonescriptdb_gateway_state SET catalog_mark = {mark}");
                client.batch_execute(&sql).await.unwrap();
            }
        }
    }

    fn password(&self) -> String {
        let packed = std::fs::File::open(self.folder.join("data.tar.gz")).unwrap();
        let mut tar = tar::Archive::new(GzDecoder::new(packed));
        let entries = tar.entries().unwrap().map(Result::unwrap);
        let mut file = { entries }.find(|entry| entry.path().unwrap().ends_with(".postgres-password")).unwrap();
        let mut password = String::new();
        file.read_to_string(&mut password).unwrap();
        password.trim().to_owned()
    }
}

impl Step {
    fn of(line: Value) -> Self {
        let fields = line["fields"].as_object().into_iter().flatten();
        Self {
            path: line["path"].as_str().unwrap().to_owned(),
            bundle: line["bundle"].as_str().map(str::to_owned),
            fields: fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
            body: line["body"].clone(),
            answer: line["answer"].clone(),
        }
    }
}

async fn connect(config: &tokio_postgres::Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// From PostgreSQL 17 on partitions have the identity columns of their tables, which a dump of 15 does not reckon with.
fn for_any(line: &str) -> String {
    if line.starts_with("INSERT INTO ") && !line.contains(" OVERRIDING ") {
        return line.replacen(" VALUES (", " OVERRIDING SYSTEM VALUE VALUES (", 1);
    }
    line.to_owned()
}

fn without_comments(sql: &str) -> String {
    let lines = sql.lines().filter(|line| !line.starts_with("--") && !line.starts_with('\\'));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// `name`, `"name"`, or `-reuse-previous=on "dbname='name'"`.
fn target_of(connect: &str) -> &str {
    let connect = connect.trim_start_matches("-reuse-previous=on ").trim_matches('"');
    connect.trim_start_matches("dbname=").trim_matches('\'')
}
