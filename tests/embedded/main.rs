//! Start and stop of the real program: its configuration, and the PostgreSQL that it brings along. Each test has a
//! folder, a gateway and a server of its own. Where root runs the tests, they run as root and as an ordinary user.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod life;
mod place;
mod program;
mod refusals;
mod reload;
mod systemd;
mod throw_away;
