//! What HTTP costs without a database: reads the body of `POST /NAME` and answers with the bytes of the file NAME.json.
//! Served by the gateway's own server on a runtime like the gateway's. The yardstick of `scripts/bench.sh call`.
//!
//! Usage: `echo PORT FILE…`; the files hold what the gateway answers to the same requests.

use std::error::Error;
use std::ffi::OsStr;
use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use stonescriptdb_gateway::server;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: echo PORT FILE…";
    let port: u16 = arguments.next().ok_or(usage)?.parse()?;
    let mut app = Router::new();
    for file in arguments {
        let name = Path::new(&file).file_stem().and_then(OsStr::to_str).ok_or(usage)?.to_owned();
        let body = Bytes::from(std::fs::read(&file)?);
        let answer = move |_request: Bytes| async move { ([(header::CONTENT_TYPE, "application/json")], body) };
        app = app.route(&format!("/{name}"), post(answer));
    }
    // As many threads as the gateway has.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        // Until it is killed.
        server::serve(listener, app, std::future::pending()).await?;
        Ok(())
    })
}
