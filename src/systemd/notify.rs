//! The datagrams of sd_notify(3): lines `NAME=value` to the socket that `NOTIFY_SOCKET` names. Written with std, which knows abstract
//! names, too: the crates for it do no more.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use tracing::debug;

/// How long systemd may take to take a datagram. It is read by process 1, which may be busy.
const TAKING: Duration = Duration::from_secs(1);

/// The way to systemd, if it waits to be told anything. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Notifier(Option<Arc<SocketAddr>>);

impl Notifier {
    /// The one that whoever started this process has named.
    pub fn from_env() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self::default() };
        Self(address(name.as_encoded_bytes()).ok().map(Arc::new))
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Gives it a descriptor to keep, with what is said of that. Whether it was taken is not known.
    pub(super) fn send_with(&self, lines: &str, descriptor: BorrowedFd<'_>) {
        let Some(address) = &self.0 else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.set_write_timeout(Some(TAKING))?;
            socket.connect_addr(address)?;
            let (text, given) = ([IoSlice::new(lines.as_bytes())], [descriptor.as_raw_fd()]);
            let rights = [ControlMessage::ScmRights(&given)];
            Ok(sendmsg::<UnixAddr>(socket.as_raw_fd(), &text, &rights, MsgFlags::empty(), None)?)
        });
        if let Err(error) = sent {
            debug!(%error, "systemd could not be given a descriptor: {lines}");
        }
    }

    /// Tells it. Each time through a socket of its own: systemd makes a new one when it is updated, under the same name.
    pub fn send(&self, lines: &str) {
        let Some(address) = &self.0 else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.set_write_timeout(Some(TAKING))?;
            socket.send_to_addr(lines.as_bytes(), address)
        });
        if let Err(error) = sent {
            debug!(%error, "systemd could not be told: {lines}");
        }
    }
}

/// `@` begins a name that is in no folder.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
    match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_folder_and_one_in_none_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let there = UnixDatagram::bind(&path).unwrap();
        let abstract_name = format!("stonescriptdb-test-{}", std::process::id());
        let nowhere = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap();
        for (name, socket) in
            [(path.into_os_string().into_string().unwrap(), there), (format!("@{abstract_name}"), nowhere)]
        {
            Notifier(Some(Arc::new(address(name.as_bytes()).unwrap()))).send("READY=1\nSTATUS=serving");
            let mut text = [0; 64];
            let bytes = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..bytes], b"READY=1\nSTATUS=serving");
        }
    }

    #[test]
    fn one_who_is_gone_harms_nobody() {
        Notifier::default().send("READY=1");
        Notifier(Some(Arc::new(address(b"/nowhere/at/all").unwrap()))).send("READY=1");
        assert!(address(&[b'x'; 300]).is_err());
    }
}
