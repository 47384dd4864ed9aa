//! A Unix socket for which nobody is woken unless something came.
//!
//! tokio's own asks the system for word of both directions, and a Unix socket gives word whenever its peer has read what
//! was sent: each request would wake the gateway once for nothing, just when PostgreSQL begins to work on it.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::unix::pipe::{Receiver, Sender};

/// A connected socket. tokio calls an end of which it wants word of one direction a pipe's, and asks nothing else of it.
#[derive(Debug)]
pub(super) struct Pipe {
    socket: UnixStream,
    reader: Receiver,
    /// From when something did not fit: since then, word comes of this direction too.
    writer: Option<Sender>,
    /// Who listens at the other end, as this system counts processes.
    listener: Option<i32>,
}

impl Pipe {
    pub(super) async fn connect(path: &Path) -> io::Result<Self> {
        let socket = tokio::net::UnixStream::connect(path).await?;
        let listener = socket.peer_cred().ok().and_then(|peer| peer.pid());
        let socket = socket.into_std()?;
        let reader = Receiver::from_owned_fd_unchecked(socket.try_clone()?.into())?;
        Ok(Self { socket, reader, writer: None, listener })
    }

    /// The process that listens at the path, where it is one of this system's.
    pub(super) fn listener(&self) -> Option<i32> {
        self.listener
    }

    /// What there is to read, as far as the system has told.
    pub(super) fn word(&self) -> Ready {
        let mut nobody = Context::from_waker(Waker::noop());
        match pin!(self.reader.ready(Interest::READABLE)).poll(&mut nobody) {
            Poll::Ready(Ok(ready)) => ready,
            // The runtime is ending.
            Poll::Ready(Err(_)) => Ready::READ_CLOSED,
            Poll::Pending => Ready::EMPTY,
        }
    }

    /// For looking ahead.
    pub(super) fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let writer = match &mut this.writer {
            Some(writer) => writer,
            None => match (&this.socket).write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let socket = this.socket.try_clone()?;
                    this.writer.insert(Sender::from_owned_fd_unchecked(socket.into())?)
                }
                written => return Poll::Ready(written),
            },
        };
        Pin::new(writer).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair() -> (Pipe, tokio::net::UnixStream) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pipe = Pipe::connect(&path).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        (pipe, tokio::net::UnixStream::from_std(peer).unwrap())
    }

    #[tokio::test]
    async fn more_than_fits_is_sent_and_answered_meanwhile() {
        let (pipe, peer) = pair().await;
        let (mut reader, mut writer) = tokio::io::split(pipe);
        let (mut peer_reader, mut peer_writer) = peer.into_split();
        let sent: Vec<u8> = (0..8_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let echo = tokio::spawn(async move { tokio::io::copy(&mut peer_reader, &mut peer_writer).await.unwrap() });
        let sending = tokio::spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        let reading = reader.read_to_end(&mut received);
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it ends").unwrap();
        sending.await.unwrap();
        assert_eq!(echo.await.unwrap(), 8_000_000);
        assert!(received == expected);
    }

    #[tokio::test]
    async fn word_comes_of_what_arrives_and_of_the_end_only() {
        let (mut pipe, mut peer) = pair().await;
        pipe.write_all(b"question").await.unwrap();
        let mut asked = [0; 8];
        peer.read_exact(&mut asked).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(pipe.word().is_empty(), "the peer has only read");
        peer.write_all(b"answer").await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(pipe.read(&mut buffer).await.unwrap(), 6);
        assert!(pipe.word().is_empty(), "all was read");
        drop(peer);
        assert_eq!(pipe.read(&mut buffer).await.unwrap(), 0);
        assert!(pipe.word().is_read_closed());
    }
}
