//! What goes wrong around a deployment: the gateway killed, a connection cut, the disk full, PostgreSQL gone, a client
//! that hangs up. Each time the database is as it was or wholly at the bundle, and sending it again works.
//!
//! Each test has a PostgreSQL and a gateway of its own, for both are broken on purpose.

#![expect(clippy::panic, reason = "a helper of a test fails like an assertion: with a message, at once")]

mod disk;
mod fairness;
mod full;
mod held_drops;
mod kills;
mod left_behind;
mod lost;
mod proxy;
mod raised;
mod registry;
mod reload;
mod restarts;
mod room;
mod stopping;
mod support;
mod two_gateways;
