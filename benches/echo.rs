//! What HTTP costs without a database: reads the body of `POST /one` and `POST /hundred`, and answers with the bytes of
//! a file. Served by the gateway's own server on a runtime like the gateway's. The yardstick of `scripts/bench.sh call`.
//!
//! Usage: `echo PORT ONE HUNDRED`; the two files hold what the gateway answers to the same requests.

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use stonescriptdb_gateway::server;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: echo PORT ONE HUNDRED";
    let port: u16 = arguments.next().ok_or(usage)?.parse()?;
    let one = Bytes::from(std::fs::read(arguments.next().ok_or(usage)?)?);
    let hundred = Bytes::from(std::fs::read(arguments.next().ok_or(usage)?)?);
    let answer =
        |body: Bytes| post(move |_request: Bytes| async move { ([(header::CONTENT_TYPE, "application/json")], body) });
    let app = Router::new().route("/one", answer(one)).route("/hundred", answer(hundred));
    // As many threads as the gateway has.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        // Until it is killed.
        server::serve(listener, app, std::future::pending()).await?;
        Ok(())
    })
}
