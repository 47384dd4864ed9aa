//! Requests to the gateway, and platforms of which each test has its own: their databases go when the test ends, also
//! by a panic.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::sql::databases_named;
use super::{Answer, BundleBuilder, Sql, gateway};

/// No request of these tests may take longer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(150);

/// The names of all blueprints begin so.
const BLUEPRINTS: &str = "stonescriptdb-blueprint";

/// Blueprints belong to the whole server. Deployments go on side by side and hold this for reading; one that must leave
/// no blueprint behind holds it for writing, so that what it finds is its own.
static DEPLOYMENTS: RwLock<()> = RwLock::const_new(());

/// A platform that nobody else uses.
pub(crate) struct Platform {
    name: String,
}

impl Platform {
    /// A platform with a new name: `t` and a number.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        Self { name: format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed)) }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The main database's name.
    pub(crate) fn main(&self) -> String {
        format!("{}_main", self.name)
    }

    /// A tenant's database.
    pub(crate) fn database(&self, tenant: &str) -> String {
        format!("{}_{tenant}", self.name)
    }

    /// A connection to the main database.
    pub(crate) async fn sql(&self) -> Sql {
        Sql::connect(&self.main()).await
    }

    /// `/register` of the main database.
    pub(crate) async fn register(&self, bundle: &BundleBuilder) -> Answer {
        register(&self.name, None, bundle).await
    }

    /// `/register` of the main database with `force=true`.
    pub(crate) async fn register_forced(&self, bundle: &BundleBuilder) -> Answer {
        let _beside = DEPLOYMENTS.read().await;
        let form = Form::new().text("platform", self.name.clone()).text("force", "true");
        send_form(form.part("schema", archive_part(bundle.tar_gz()))).await
    }

    /// `/register` that must be refused while the database is new: neither it nor a blueprint is left.
    pub(crate) async fn register_refused(&self, bundle: &BundleBuilder) -> Answer {
        let _alone = DEPLOYMENTS.write().await;
        let blueprints = databases_named(BLUEPRINTS).await;
        let answer = send(&self.name, None, bundle).await;
        assert_ne!(answer.status, 200, "{answer}");
        assert_eq!(databases_named(&format!("{}_", self.name)).await, Vec::<String>::new(), "left by {answer}");
        let left = databases_named(BLUEPRINTS).await;
        let new: Vec<_> = left.iter().filter(|name| !blueprints.contains(name)).collect();
        assert!(new.is_empty(), "blueprints {new:?} left by {answer}");
        answer
    }

    /// `/migrate` of the main database and all tenants, with more fields (`force`, `dry_run`, `tenant_id`).
    pub(crate) async fn migrate(&self, bundle: &BundleBuilder, fields: &[(&'static str, &str)]) -> Answer {
        migrate(&self.name, bundle, fields).await
    }

    /// `/migrate` that tells how it goes: one JSON object a line.
    pub(crate) async fn migrate_lines(&self, bundle: &BundleBuilder, fields: &[(&'static str, &str)]) -> Vec<Value> {
        let _beside = DEPLOYMENTS.read().await;
        let request = client().post(format!("{}/migrate", gateway().url)).header("accept", "application/x-ndjson");
        let response = request.multipart(migrate_form(&self.name, bundle, fields)).send().await;
        let response = response.expect("the gateway answers");
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let text = response.text().await.expect("the stream comes to its end");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// `/call` on the main database.
    pub(crate) async fn call(&self, function: &str, params: Value) -> Answer {
        call(json!({"platform": self.name, "function": function, "params": params})).await
    }

    /// The first column of the only row that a call on the main database answers.
    pub(crate) async fn value_of(&self, function: &str, params: Value) -> Value {
        let answer = self.call(function, params).await;
        assert_eq!(answer.status, 200, "{answer}");
        let rows = answer.body["rows"].as_array().filter(|rows| rows.len() == 1);
        let row = rows.and_then(|rows| rows[0].as_object()).unwrap_or_else(|| panic!("not one row in {answer}"));
        row.values().next().cloned().unwrap_or_else(|| panic!("no column in {answer}"))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let prefix = format!("{}_", self.name);
        // A thread of its own: the test's runtime may be the one that is unwinding.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let server = Sql::connect("postgres").await;
                for database in databases_named(&prefix).await {
                    server.try_run(&format!("DROP DATABASE \"{database}\" WITH (FORCE)")).await.ok();
                }
            });
        });
        // What could not be dropped goes with the whole server.
        dropping.join().ok();
    }
}

/// `POST /register` with a bundle that others may deploy beside.
pub(crate) async fn register(platform: &str, tenant: Option<&str>, bundle: &BundleBuilder) -> Answer {
    let _beside = DEPLOYMENTS.read().await;
    send(platform, tenant, bundle).await
}

/// Several `POST /register` of one bundle at the same moment.
pub(crate) async fn register_at_once(requests: &[(&str, Option<&str>)], bundle: &BundleBuilder) -> Vec<Answer> {
    let _beside = DEPLOYMENTS.read().await;
    futures_util::future::join_all(requests.iter().map(|(platform, tenant)| send(platform, *tenant, bundle))).await
}

/// A `POST` of a multipart form: texts, and an archive in the field `archive`.
pub(crate) async fn upload(
    path: &str,
    texts: &[(&'static str, &str)],
    archive: &'static str,
    bytes: Vec<u8>,
) -> Answer {
    let _beside = DEPLOYMENTS.read().await;
    let form = texts.iter().fold(Form::new(), |form, (name, text)| form.text(*name, (*text).to_owned()));
    let request = client().post(format!("{}{path}", gateway().url)).multipart(form.part(archive, archive_part(bytes)));
    Answer::of(request.send().await.expect("the gateway answers")).await
}

/// `POST /migrate`.
pub(crate) async fn migrate(platform: &str, bundle: &BundleBuilder, fields: &[(&'static str, &str)]) -> Answer {
    let _beside = DEPLOYMENTS.read().await;
    let request = client().post(format!("{}/migrate", gateway().url)).multipart(migrate_form(platform, bundle, fields));
    Answer::of(request.send().await.expect("the gateway answers")).await
}

fn migrate_form(platform: &str, bundle: &BundleBuilder, fields: &[(&'static str, &str)]) -> Form {
    let form = Form::new().text("platform", platform.to_owned());
    let form = fields.iter().fold(form, |form, (name, value)| form.text(*name, (*value).to_owned()));
    form.part("schema", archive_part(bundle.tar_gz()))
}

/// No copy on which a deployment was rehearsed is left, when nobody deploys.
pub(crate) async fn assert_no_rehearsal_is_left() {
    let _alone = DEPLOYMENTS.write().await;
    assert_eq!(databases_named("stonescriptdb-rehearsal").await, Vec::<String>::new());
}

async fn send(platform: &str, tenant: Option<&str>, bundle: &BundleBuilder) -> Answer {
    let mut form = Form::new().text("platform", platform.to_owned());
    if let Some(tenant) = tenant {
        form = form.text("tenant_id", tenant.to_owned());
    }
    send_form(form.part("schema", archive_part(bundle.tar_gz()))).await
}

/// The `schema` field of an upload.
pub(crate) fn archive_part(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("postgresql.tar.gz").mime_str("application/gzip").expect("a media type")
}

/// `POST /register` with any form.
pub(crate) async fn send_form(form: Form) -> Answer {
    let request = client().post(format!("{}/register", gateway().url)).multipart(form);
    Answer::of(request.send().await.expect("the gateway answers")).await
}

/// `POST /call` with any body.
pub(crate) async fn call(body: Value) -> Answer {
    post_json("/call", body).await
}

/// A `POST` with a JSON body.
pub(crate) async fn post_json(path: &str, body: Value) -> Answer {
    let request = client().post(format!("{}{path}", gateway().url)).json(&body);
    Answer::of(request.send().await.expect("the gateway answers")).await
}

/// A `POST` with any bytes that claim to be JSON.
pub(crate) async fn post_bytes(path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = client().post(format!("{}{path}", gateway().url)).header("Content-Type", "application/json");
    Answer::of(request.body(body.into()).send().await.expect("the gateway answers")).await
}

/// A `GET`.
pub(crate) async fn get(path: &str) -> Answer {
    let request = client().get(format!("{}{path}", gateway().url));
    Answer::of(request.send().await.expect("the gateway answers")).await
}

/// A client of its own for each request: a kept connection would belong to the runtime of another test.
fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(REQUEST_DEADLINE).no_proxy().build().expect("a client without TLS")
}
