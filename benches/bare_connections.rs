//! What a fleet costs without the gateway: one connection to each database whose name begins so, `SELECT 1`, and the
//! connection closed; so many side by side. Prints the microseconds that all of them took together. The yardstick of
//! `scripts/bench.sh fleet`.
//!
//! Usage: `bare_connections PREFIX SIDE_BY_SIDE`; where the server is, `PGHOST`, `PGPORT`, `PGUSER` and `PGPASSWORD` say.

use std::error::Error;
use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_postgres::{Client, Config, NoTls};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bare_connections PREFIX SIDE_BY_SIDE";
    let prefix = arguments.next().ok_or(usage)?;
    let side_by_side: usize = arguments.next().ok_or(usage)?.parse()?;
    // As many threads as the gateway has.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(&prefix, side_by_side))
}

async fn measure(prefix: &str, side_by_side: usize) -> Result<(), Box<dyn Error>> {
    let server = server()?;
    let list = "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1";
    let rows = connect(&server, "postgres").await?.query(list, &[&prefix]).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if names.is_empty() {
        return Err(format!("no database begins with {prefix}").into());
    }
    let started = Instant::now();
    let visits = stream::iter(&names).map(|name| visit(&server, name));
    visits.buffer_unordered(side_by_side).try_collect::<()>().await?;
    println!("{}", started.elapsed().as_micros());
    Ok(())
}

fn server() -> Result<Config, Box<dyn Error>> {
    let mut config = Config::new();
    config
        .host(std::env::var("PGHOST")?)
        .port(std::env::var("PGPORT")?.parse()?)
        .user(std::env::var("PGUSER")?)
        .password(std::env::var("PGPASSWORD")?);
    Ok(config)
}

async fn visit(server: &Config, database: &str) -> Result<(), tokio_postgres::Error> {
    connect(server, database).await?.simple_query("SELECT 1").await.map(drop)
}

async fn connect(server: &Config, database: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = server.clone().dbname(database).connect(NoTls).await?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}
