//! Connections and calls, on a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod backends;
mod deployments;
mod desync;
mod errors;
mod failover;
mod forms;
mod hstore;
mod left_over;
mod locks;
mod owners;
mod params;
mod pools;
mod postgis;
mod rows;
mod server;
mod session;
mod stream;
mod support;
mod tidy;
mod tls;
