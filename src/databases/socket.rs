//! The socket of a server connection. Closing it ends only when the server has closed its side, which a PostgreSQL
//! backend does by exiting: after that it is no longer one of the server's connections. [`super::server`] opens them.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
use tokio_postgres::Config;
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::encrypted::Encrypted;
use super::pipe::Pipe;
use crate::tls::{Negotiated, Tls, TlsError, Way};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    /// Host and port, resolved; and the host's name, if it has one.
    Tcp(SocketAddr, Option<Arc<str>>),
    /// The socket's file.
    Unix(PathBuf),
}

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    /// Our side is closed; what is left is to wait for the server.
    shut: bool,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Encrypted),
    Unix(Pipe),
}

impl Socket {
    /// Connects within `limit`; the keepalive settings are those of `config`. Over a network with TLS, as `way` says: where that
    /// fails and nobody insists, without.
    pub(super) async fn connect(
        endpoint: &Endpoint,
        config: &Config,
        (tls, way): (&Tls, Way),
        limit: Duration,
    ) -> io::Result<Self> {
        let connecting = async {
            match endpoint {
                Endpoint::Tcp(address, host) => {
                    let connect = async |way| {
                        let stream = TcpStream::connect(address).await?;
                        set_up(&stream, config)?;
                        tls.negotiate(way, stream, host.as_deref()).await
                    };
                    let negotiated = match connect(way).await {
                        Err(error) if way == Way::IfOffered && TlsError::is(&error) => {
                            tls.tell_of_plain(&error);
                            connect(Way::Plain).await?
                        }
                        negotiated => negotiated?,
                    };
                    Ok::<_, io::Error>(match negotiated {
                        Negotiated::Plain(stream) => Stream::Tcp(stream),
                        Negotiated::Encrypted(stream) => Stream::Tls(Encrypted::new(stream)),
                    })
                }
                Endpoint::Unix(path) => Ok(Stream::Unix(Pipe::connect(path).await?)),
            }
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(stream) => Ok(Self { stream: stream?, shut: false }),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs()))),
        }
    }

    /// The process that listens at the other end, where it is one of this system's.
    pub(super) fn listener(&self) -> Option<i32> {
        match &self.stream {
            Stream::Tcp(_) | Stream::Tls(_) => None,
            Stream::Unix(pipe) => pipe.listener(),
        }
    }

    /// Whether what is sent is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// For a server that may still read: nothing more comes.
    pub(super) fn say_end(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.say_end();
        }
    }

    /// Whether the server has closed its side, be there something left to read or not.
    pub(super) fn is_shut(&self) -> bool {
        self.word().is_read_closed()
    }

    /// What there is to read, as far as the system has told.
    fn word(&self) -> Ready {
        let stream = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.tcp(),
            Stream::Unix(pipe) => return pipe.word(),
        };
        let mut nobody = Context::from_waker(Waker::noop());
        match pin!(stream.ready(Interest::READABLE)).poll(&mut nobody) {
            Poll::Ready(Ok(ready)) => ready,
            // The runtime is ending.
            Poll::Ready(Err(_)) => Ready::READ_CLOSED,
            Poll::Pending => Ready::EMPTY,
        }
    }

    /// Whether anything came on a connection that awaits nothing: that the server has closed it, why it will, or that a
    /// setting has changed. Costs nothing as long as nothing came.
    pub(super) fn has_word(&self) -> bool {
        let socket = match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream),
            Stream::Tls(stream) if stream.has_read() => return true,
            Stream::Tls(stream) => SockRef::from(stream.tcp()),
            Stream::Unix(pipe) => pipe.socket(),
        };
        // Ready may also mean that everything was read and nobody has noticed.
        !self.word().is_empty()
            && match socket.peek(&mut [MaybeUninit::uninit()]) {
                Ok(_) => true,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            }
    }
}

/// What tokio-postgres does to the sockets that it opens itself.
fn set_up(stream: &TcpStream, config: &Config) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Some(timeout) = config.get_tcp_user_timeout() {
        socket.set_tcp_user_timeout(Some(*timeout))?;
    }
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            let shut = match &mut self.stream {
                Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
                Stream::Tls(stream) => stream.poll_close(cx),
                Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            };
            ready!(shut)?;
            self.shut = true;
        }
        let mut scrap = [0_u8; 256];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            let read = match &mut self.stream {
                Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buf),
                Stream::Tls(stream) => stream.poll_drain(cx, &mut buf),
                Stream::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buf),
            };
            match ready!(read) {
                Ok(()) if buf.filled().is_empty() => return Poll::Ready(Ok(())),
                Ok(()) => {}
                // A server that resets the connection has mostly closed it, too, but so does a network between.
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl TlsStream for Socket {
    fn channel_binding(&self) -> ChannelBinding {
        let end_point = match &self.stream {
            Stream::Tls(stream) => stream.end_point(),
            Stream::Tcp(_) | Stream::Unix(_) => None,
        };
        end_point.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}
