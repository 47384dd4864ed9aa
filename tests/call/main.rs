//! Connections and calls, on a real PostgreSQL.

mod deployments;
mod errors;
mod locks;
mod owners;
mod params;
mod pools;
mod rows;
mod server;
mod session;
mod stream;
mod support;
