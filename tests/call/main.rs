//! Connections and calls, on a real PostgreSQL.

mod locks;
mod owners;
mod pools;
mod server;
mod support;
