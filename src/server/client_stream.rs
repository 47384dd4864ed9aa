//! A client's socket as hyper sees it, and what has to be known of it that hyper does not tell.
//!
//! hyper answers a malformed head by itself, with an empty body. Such an answer is held back here, so that
//! [`super::connection`] can give one in JSON. A client that does not take its answer, or hardly, is cut off, and when hyper is done
//! the socket comes back, to be closed so that the client sees the last answer.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::stopping::Stopping;

/// How long a client may take nothing of its answer.
const WRITE_STALL: Duration = Duration::from_secs(60);

/// What it has to take of one in a second, beside that: who takes a little each minute keeps for hours what others wait for.
const SLOWEST: u64 = 64 * 1024;

/// What an answer of hyper's own is no longer than.
const AUTOMATIC_ANSWER_BYTES: usize = 256;

/// What is known of a connection. One task uses it; a stop looks at it from outside.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// Here, so that a request touches nothing that other connections' requests touch, too.
    pub(super) stopping: Stopping,
    /// A request is with its handler, or its answer is still being made.
    pub(super) answering: AtomicBool,
    /// Bytes of a further request's head have come, and a whole line of it.
    pub(super) head_begun: AtomicBool,
    pub(super) line_ended: AtomicBool,
    /// The client takes no more for now.
    pub(super) blocked: AtomicBool,
    /// The client has closed its side.
    pub(super) client_ended: AtomicBool,
    /// The client may still be sending: close so that it can read the answer.
    pub(super) linger: AtomicBool,
    /// The status of hyper's own answer that was held back; 0: none.
    pub(super) held_back: AtomicU16,
    socket: Mutex<Option<TcpStream>>,
}

impl ConnectionState {
    pub(super) fn new(stopping: Stopping) -> Self {
        let [answering, head_begun, line_ended, blocked, client_ended, linger] =
            std::array::from_fn(|_| AtomicBool::default());
        let (held_back, socket) = (AtomicU16::default(), Mutex::default());
        Self { stopping, answering, head_begun, line_ended, blocked, client_ended, linger, held_back, socket }
    }

    /// The socket, once hyper is done with it.
    pub(super) fn take_socket(&self) -> Option<TcpStream> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Nothing was asked that is not answered, and sent.
    pub(super) fn is_idle(&self) -> bool {
        !self.answering.load(Relaxed) && !self.blocked.load(Relaxed)
    }

    /// A handler has the request whose head has been read.
    pub(super) fn begin_answer(&self) {
        self.answering.store(true, Relaxed);
        self.head_begun.store(false, Relaxed);
        self.line_ended.store(false, Relaxed);
    }
}

/// The socket, lent to hyper.
pub(super) struct ClientStream {
    socket: Option<TcpStream>,
    state: Arc<ConnectionState>,
    stall: Option<Stall>,
    patience: Patience,
}

/// How long the client may still keep the gateway waiting.
struct Patience(Duration);

impl Patience {
    fn waited(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }

    fn taken(&mut self, bytes: usize) {
        let earned = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / SLOWEST);
        self.0 = (self.0 + earned).min(WRITE_STALL);
    }
}

struct Stall {
    since: Instant,
    over: Pin<Box<Sleep>>,
}

impl ClientStream {
    pub(super) fn new(socket: TcpStream, state: Arc<ConnectionState>) -> Self {
        Self { socket: Some(socket), state, stall: None, patience: Patience(WRITE_STALL) }
    }

    fn socket(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.socket.as_mut().expect("only dropping takes it"))
    }

    /// What hyper gets to hear of a write.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &written {
            if let Some(stall) = self.stall.take() {
                self.state.blocked.store(false, Relaxed);
                self.patience.waited(stall.since.elapsed());
            }
            if let Ok(bytes) = result {
                self.patience.taken(*bytes);
            }
            return written;
        }
        self.state.blocked.store(true, Relaxed);
        let left = self.patience.0;
        let stall = self.stall.get_or_insert_with(|| Stall { since: Instant::now(), over: Box::pin(sleep(left)) });
        match stall.over.as_mut().poll(cx) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Where hyper's own answer begins in what it writes. It comes only while no handler has a request, and last.
    fn automatic_answer(&self, buf: &[u8]) -> Option<(usize, u16)> {
        if !buf.ends_with(b"\r\n\r\n") || self.state.answering.load(Relaxed) {
            return None;
        }
        find_automatic_answer(buf)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        *self.state.socket.lock().unwrap_or_else(PoisonError::into_inner) = self.socket.take();
    }
}

/// hyper's answer to a head that it cannot read: a status of 400 and above, no body, and no header that a handler sets.
fn find_automatic_answer(buf: &[u8]) -> Option<(usize, u16)> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let tail = buf.len().saturating_sub(AUTOMATIC_ANSWER_BYTES);
    let at = buf[tail..].windows(BEGIN.len()).rposition(|window| window == BEGIN)? + tail;
    let head = std::str::from_utf8(&buf[at..]).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let is_hypers = |line: &str| {
        line.eq_ignore_ascii_case("content-length: 0")
            || line.eq_ignore_ascii_case("connection: close")
            || line.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("date: "))
    };
    ((400..500).contains(&status) && lines.all(is_hypers)).then_some((at, status))
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.socket().poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = &read {
            let state = &self.state;
            let came = &buf.filled()[before..];
            if came.is_empty() {
                state.client_ended.store(true, Relaxed);
            } else if !state.answering.load(Relaxed) {
                state.head_begun.store(true, Relaxed);
                if !state.line_ended.load(Relaxed) && came.contains(&b'\n') {
                    state.line_ended.store(true, Relaxed);
                }
            }
        }
        read
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = match self.automatic_answer(buf) {
            Some((0, status)) => {
                self.state.held_back.store(status, Relaxed);
                Poll::Ready(Ok(buf.len()))
            }
            Some((before, _)) => self.socket().poll_write(cx, &buf[..before]),
            None => self.socket().poll_write(cx, buf),
        };
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let last = bufs.iter().rfind(|buf| !buf.is_empty());
        if last.is_some_and(|buf| self.automatic_answer(buf).is_some()) {
            // One after the other, until it is the only one.
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        let written = self.socket().poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    /// Closing is for whoever gets the socket back.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Patience, WRITE_STALL, find_automatic_answer};

    #[test]
    fn who_takes_hardly_anything_is_waited_for_no_longer_than_who_takes_nothing_for_a_while() {
        let lasts = |bytes: usize, every: u64| {
            let mut patience = Patience(WRITE_STALL);
            for step in 1..1000 {
                patience.waited(Duration::from_secs(every));
                if patience.0.is_zero() {
                    return Some(step * every);
                }
                patience.taken(bytes);
            }
            None
        };
        assert_eq!(lasts(0, 1), Some(60));
        assert_eq!(lasts(1 << 20, 59), Some(118), "a megabyte a minute");
        assert_eq!(lasts(16 << 10, 1), Some(80));
        assert_eq!(lasts(64 << 10, 1), None);
        assert_eq!(lasts(4 << 20, 50), None);
    }

    #[test]
    fn hypers_own_answer_is_told_from_everybody_elses() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\
                   date: Fri, 27 Nov 2026 23:00:00 GMT\r\n\r\n";
        assert_eq!(find_automatic_answer(own.as_bytes()), Some((0, 431)));
        let behind = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok{own}");
        assert_eq!(find_automatic_answer(behind.as_bytes()), Some((behind.len() - own.len(), 431)));
        for other in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n",
            "0\r\n\r\n",
        ] {
            assert_eq!(find_automatic_answer(other.as_bytes()), None, "{other}");
        }
    }
}
