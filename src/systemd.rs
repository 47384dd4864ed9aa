//! What systemd is told of the gateway, where it started it as `Type=notify` (sd_notify(3)): that it is ready, what it is doing, that it
//! stops and needs time for that, and that its runtime turns; and the socket that it keeps over a restart. Started by anything else, nothing is told and nothing changes.
//!
//! Knows no HTTP and no database: `main` hands it what to ask.

mod kept;
mod notify;
mod tell;
mod watchdog;

pub use kept::{keep, take_kept};
pub use notify::Notifier;
pub use tell::{Told, reloaded, reloading, starting, stopping, tell_state};
pub use watchdog::keep_alive;
