//! What the tests of this binary share: one server, and databases of its own for each test.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use stonescriptdb_gateway::call::{AnswerBody, CallError, Timing, parse_request, run};
use stonescriptdb_gateway::config::PoolConfig;
use stonescriptdb_gateway::databases::name::{Address, Id, Which};
use stonescriptdb_gateway::databases::{Databases, RunAs};
use stonescriptdb_gateway::error::ApiError;
use tokio_postgres::{Client, NoTls};

use crate::server::{self, Server};

/// The server of this run.
pub(crate) fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(server::start)
}

/// Room for everybody.
pub(crate) fn wide_pools() -> PoolConfig {
    PoolConfig {
        max_connections_per_pool: 4,
        max_total_connections: 12,
        idle_timeout: Duration::from_secs(60),
        max_lifetime: Duration::from_secs(60),
        wait_timeout: Duration::from_secs(10),
    }
}

/// A gateway's databases on the shared server.
pub(crate) fn databases(pool: &PoolConfig) -> Databases {
    databases_with(pool, Duration::from_secs(20))
}

/// The same with a time limit for calls.
pub(crate) fn databases_with(pool: &PoolConfig, call_timeout: Duration) -> Databases {
    let config = postgres().config.clone();
    Databases::start(config, pool, call_timeout, Duration::from_secs(10)).unwrap()
}

/// A platform that no other test uses.
pub(crate) fn platform() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("p{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn id(given: &str) -> Id {
    Id::parse("id", given).unwrap()
}

pub(crate) fn main_of(platform: &str) -> Address {
    Address::new(id(platform), Which::Main).unwrap()
}

pub(crate) fn tenant_of(platform: &str, tenant: &str) -> Address {
    Address::new(id(platform), Which::Tenant(id(tenant))).unwrap()
}

pub(crate) fn stored_of(platform: &str, schema: &str, database: &str) -> Address {
    Address::new(id(platform), Which::Stored { schema: id(schema), database: id(database) }).unwrap()
}

/// Makes a database with an owner and `sql` in it.
pub(crate) async fn make(databases: &Databases, address: &Address, sql: &str) {
    databases.claim(address).await.unwrap();
    databases.create_database(address.name(), None, &RunAs::Gateway).await.unwrap();
    let session = databases.session(&RunAs::Gateway, address.name()).await.unwrap();
    // As uploaded code: under the path of the database.
    session.batch_execute("RESET search_path").await.unwrap();
    session.batch_execute(sql).await.unwrap();
    session.close().await;
}

/// A connection beside the gateway's.
pub(crate) async fn connect(database: &str) -> Client {
    connect_to(postgres(), database).await
}

pub(crate) async fn connect_to(server: &Server, database: &str) -> Client {
    let mut config = server.config.clone();
    config.dbname(database).application_name("test");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits for something that must come true soon.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut is_true: F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_true().await {
        assert!(Instant::now() < deadline, "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a call and reads its body to the end.
pub(crate) async fn call(databases: &Databases, request: &str) -> Result<String, CallError> {
    let request = parse_request(request.as_bytes())?;
    // In a task, as a server runs it.
    let databases = databases.clone();
    let answer = tokio::spawn(async move { run(&databases, &request, &RunAs::Gateway, &Timing::default()).await })
        .await
        .unwrap()?;
    let mut body = Vec::new();
    match answer.body {
        AnswerBody::Complete(bytes) => body.extend_from_slice(&bytes),
        AnswerBody::Streamed(mut chunks) => {
            while let Some(chunk) = chunks.next().await {
                body.extend_from_slice(&chunk.unwrap());
            }
        }
    }
    Ok(String::from_utf8(body).unwrap())
}

/// A platform with its main database, to call.
pub(crate) struct Platform {
    pub(crate) databases: Databases,
    pub(crate) name: String,
    pub(crate) address: Address,
}

impl Platform {
    pub(crate) async fn with(sql: &str) -> Self {
        Self::on(databases(&wide_pools()), sql).await
    }

    pub(crate) async fn on(databases: Databases, sql: &str) -> Self {
        let name = platform();
        let address = main_of(&name);
        make(&databases, &address, sql).await;
        Self { databases, name, address }
    }

    /// The whole body; `params` is JSON, or empty for none.
    pub(crate) async fn body(&self, function: &str, params: &str) -> Result<String, CallError> {
        let params = if params.is_empty() { String::new() } else { format!(r#","params":{params}"#) };
        call(&self.databases, &format!(r#"{{"platform":"{}","function":"{function}"{params}}}"#, self.name)).await
    }

    /// What stands between `"rows":` and `,"row_count"`, as it was sent.
    pub(crate) async fn rows(&self, function: &str, params: &str) -> String {
        let body = self.body(function, params).await.unwrap_or_else(|error| panic!("{function} {params}: {error}"));
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let rows = body.strip_prefix("{\"rows\":").unwrap().rsplit_once(",\"row_count\":").unwrap().0.to_owned();
        assert_eq!(parsed["rows"].as_array().unwrap().len() as u64, parsed["row_count"].as_u64().unwrap());
        rows
    }

    /// Status and body of the error that a call ends in.
    pub(crate) async fn error(&self, function: &str, params: &str) -> (u16, serde_json::Value) {
        let error = match self.body(function, params).await {
            Ok(body) => panic!("{function} {params} did not fail: {body}"),
            Err(error) => ApiError::from(error),
        };
        (error.code.status(), error.body())
    }

    /// A connection beside the gateway's.
    pub(crate) async fn client(&self) -> Client {
        connect(self.address.name().as_str()).await
    }
}
