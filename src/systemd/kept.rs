//! The listening socket outlives a restart: systemd keeps a copy of it (`FileDescriptorStoreMax=`) from when the port is opened until
//! the service is stopped for good, and gives it to the next process (`LISTEN_FDS`). Between the two, the system goes on taking
//! connections, which wait in its queue.
//!
//! Taken over is only what a gateway has given, by its name; without systemd there is nothing to take.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use listenfd::ListenFd;
use tracing::info;

use super::Notifier;

/// The name under which systemd keeps it.
const NAME: &str = "stonescriptdb-http";

/// The socket that an earlier process of the service has left, if it listens on one of these addresses; with port 0, on any port.
/// One that listens elsewhere is let go: nobody would answer there any more.
pub fn take_kept(notifier: &Notifier, wanted: &[SocketAddr]) -> Option<TcpListener> {
    let kept = take()?;
    let fits = kept.local_addr().is_ok_and(|kept| {
        wanted.iter().any(|wanted| wanted.ip() == kept.ip() && [0, kept.port()].contains(&wanted.port()))
    });
    if fits && kept.set_nonblocking(true).is_ok() {
        return Some(kept);
    }
    info!(
        "the socket that was kept over the restart listens elsewhere than GATEWAY_HOST and GATEWAY_PORT say, and is closed"
    );
    notifier.send(&format!("FDSTOREREMOVE=1\nFDNAME={NAME}"));
    None
}

/// Has systemd keep it.
pub fn keep(notifier: &Notifier, listener: impl AsFd) {
    notifier.send_with(&format!("FDSTORE=1\nFDNAME={NAME}"), listener.as_fd());
}

fn take() -> Option<TcpListener> {
    // The variables are inherited by whatever is started, the descriptors not.
    let is_ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
    let names = std::env::var("LISTEN_FDNAMES").ok().filter(|_| is_ours)?;
    let at = names.split(':').position(|name| name == NAME)?;
    ListenFd::from_env().take_tcp_listener(at).ok().flatten()
}
