//! A socket that tokio-postgres has: for as long as it logs in, or for a deployment. tokio-postgres reads a message of any length
//! into memory, so the lengths are looked at on the way: what uploaded code raises, or has the catalog hold, may have gigabytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;
use super::wire::large::LONGEST;

/// Where lent sockets come back to: the last one is there.
#[derive(Clone, Default)]
pub(super) struct Lender(Arc<Mutex<Option<Socket>>>);

/// A socket that goes back to its lender when it is dropped.
pub(super) struct Lent {
    socket: Option<Socket>,
    lender: Lender,
    lengths: Lengths,
}

/// Where in the stream of messages one stands: each is a byte for its kind, four for its length without that byte, and the rest
/// (manual, "Message Formats").
#[derive(Debug, Default)]
struct Lengths {
    head: [u8; HEAD],
    /// Of `head`, how much has come.
    known: usize,
    /// Of the message, how much is still to come.
    left: usize,
}

const HEAD: usize = 5;

impl Lengths {
    /// Follows what has come. An error: a message is longer than the gateway reads.
    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let some = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - some, &bytes[some..]);
                continue;
            }
            self.head[self.known] = bytes[0];
            (self.known, bytes) = (self.known + 1, &bytes[1..]);
            if self.known == HEAD {
                let [_, length @ ..] = self.head;
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if length > LONGEST {
                    let words = format!("PostgreSQL sends a message of {length} bytes; at most {LONGEST} are read");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
                }
                (self.known, self.left) = (0, length.saturating_sub(HEAD - 1));
            }
        }
        Ok(())
    }
}

impl Lender {
    /// Lends a socket.
    pub(super) fn lend(&self, socket: Socket) -> Lent {
        Lent { socket: Some(socket), lender: self.clone(), lengths: Lengths::default() }
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
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.as_mut().socket().poll_read(cx, buf))?;
        Poll::Ready(self.get_mut().lengths.follow(&buf.filled()[before..]))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages and the head of a third, in pieces of any size.
    #[test]
    fn the_length_of_each_message_is_looked_at_however_it_comes() {
        let mut stream = b"Z\0\0\0\x05I".to_vec();
        stream.extend(b"D\0\0\0\x04");
        stream.extend(b"E");
        for size in 1..=stream.len() {
            for (length, is_read) in [(LONGEST, true), (LONGEST + 1, false), (usize::MAX >> 32, false)] {
                let mut whole = stream.clone();
                whole.extend(u32::try_from(length).unwrap().to_be_bytes());
                let mut lengths = Lengths::default();
                let read = whole.chunks(size).try_for_each(|piece| lengths.follow(piece));
                assert_eq!(read.is_ok(), is_read, "{length} in pieces of {size}");
                assert!(!is_read || lengths.left == length - 4);
            }
        }
    }
}
