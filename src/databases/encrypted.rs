//! A TCP socket with TLS, that tells of itself what one without tells.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::ClientConnection;

use crate::tls::{end_point, explain};

/// A connected socket with TLS.
#[derive(Debug)]
pub(super) struct Encrypted {
    stream: Box<TlsStream<TcpStream>>,
    /// Our side is closed, or about to be: no word of that is owed any more.
    parted: bool,
}

impl Encrypted {
    pub(super) fn new(stream: Box<TlsStream<TcpStream>>) -> Self {
        Self { stream, parted: false }
    }

    /// What is beneath.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.stream.get_ref().0
    }

    /// Whether something was read from the socket and not from here, be it that nothing more comes.
    pub(super) fn has_read(&self) -> bool {
        !self.session().wants_read()
    }

    /// What a login can be bound to.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        end_point(self.session().peer_certificates()?.first()?)
    }

    fn session(&self) -> &ClientConnection {
        self.stream.get_ref().1
    }

    /// Tells the server that nothing more comes, for one that still reads: who has read the last message reads no more, and
    /// would close with something unread, which breaks the connection instead of ending it.
    pub(super) fn say_end(&mut self) {
        if std::mem::replace(&mut self.parted, true) {
            return;
        }
        let (tcp, session) = self.stream.get_mut();
        session.send_close_notify();
        // What does not fit at once is not worth waiting for.
        while session.wants_write() && matches!(session.write_tls(&mut Now(tcp)), Ok(1..)) {}
    }

    /// Sends what is queued, then closes our side.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.parted = true;
        Pin::new(self.stream.get_mut().0).poll_shutdown(cx)
    }

    /// What comes after that, as it comes: the server closes its socket later than it says so.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut().0).poll_read(cx, buf)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.say_end();
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_read(cx, buf)) {
            // Without a word, as a server that is killed: messages have lengths, so that nobody can cut one unnoticed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read.map_err(explain)),
        }
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }
}

/// Writes what fits at once.
struct Now<'a>(&'a TcpStream);

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
