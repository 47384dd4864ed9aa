//! Connections and calls, on a real PostgreSQL.

mod locks;
mod owners;
mod pools;
mod rows;
mod server;
mod support;
