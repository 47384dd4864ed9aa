//! A socket that tokio-postgres has for as long as it logs in.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;

/// Where lent sockets come back to: the last one is there.
#[derive(Clone, Default)]
pub(super) struct Lender(Arc<Mutex<Option<Socket>>>);

/// A socket that goes back to its lender when it is dropped.
pub(super) struct Lent {
    socket: Option<Socket>,
    lender: Lender,
}

impl Lender {
    /// Lends a socket.
    pub(super) fn lend(&self, socket: Socket) -> Lent {
        Lent { socket: Some(socket), lender: self.clone() }
    }

    /// The socket that came back last.
    pub(super) fn take(&self) -> Option<Socket> {
        self.place().take()
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.lender.place() = self.socket.take();
    }
}

impl Lent {
    fn socket(self: Pin<&mut Self>) -> Pin<&mut Socket> {
        Pin::new(self.get_mut().socket.as_mut().expect("only dropping takes it"))
    }
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_read(cx, buf)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.socket().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}
