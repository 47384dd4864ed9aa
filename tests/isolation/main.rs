//! Platforms' roles, tried by the real program: what uploaded code cannot reach, whose everything is, and what is refused
//! as credentials. Each test has a gateway and a PostgreSQL of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

mod attempts;
mod backends;
mod closed;
mod credentials;
mod extensions;
mod external;
mod handed_over;
mod major_update;
mod memory;
mod names;
mod not_superuser;
mod outside;
#[path = "../embedded/place.rs"]
#[expect(dead_code, reason = "shared with the tests of the program's start and stop")]
mod place;
mod powers;
mod run_as;
mod scripts;
mod settings;
mod shared_locks;
mod takeover;
mod tls;
mod tracking;
mod uncounted;
mod unresponsive;
mod upgrade_command;
mod walls;
mod web;
mod workers;
mod writing;
