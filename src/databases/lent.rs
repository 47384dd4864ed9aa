//! A socket that tokio-postgres has: for as long as it logs in, or for a deployment or the gateway's own questions. It reads
//! what [`super::answers`] lets through; a large answer waits for its turn ([`super::large_turn`]).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::answers::Answers;
use super::large_turn::{self, Size, Turn, Waiting};
use super::socket::Socket;

/// What is asked of the socket at once.
const CHUNK: usize = 16 << 10;

/// Where lent sockets come back to: the last one is there.
#[derive(Clone, Default)]
pub(super) struct Lender(Arc<Shared>);

#[derive(Default)]
struct Shared {
    socket: Mutex<Option<Socket>>,
    takes_turns_as: OnceLock<String>,
    hears_notices: AtomicBool,
}

/// A socket that goes back to its lender when it is dropped.
pub(super) struct Lent {
    socket: Option<Socket>,
    lender: Lender,
    answers: Answers,
    /// What came and was not followed yet.
    inbox: Vec<u8>,
    /// What is let through, and how much of it was read.
    outbox: Vec<u8>,
    read: usize,
    waiting: Option<Waiting>,
    /// Held until the end: what was read is.
    turns: Vec<Turn>,
}

impl Lender {
    /// Lends a socket.
    pub(super) fn lend(&self, socket: Socket) -> Lent {
        Lent {
            socket: Some(socket),
            lender: self.clone(),
            answers: Answers::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            read: 0,
            waiting: None,
            turns: Vec::new(),
        }
    }

    /// From now on large answers wait for their turn, of which `holder` has a share.
    pub(super) fn take_turns(&self, holder: &str) {
        self.0.takes_turns_as.get_or_init(|| holder.to_owned());
    }

    /// From now on short notices are let through.
    pub(super) fn hear_notices(&self) {
        self.0.hears_notices.store(true, Ordering::Relaxed);
    }

    /// The socket that came back last.
    pub(super) fn take(&self) -> Option<Socket> {
        self.place().take()
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Socket>> {
        self.0.socket.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Lent {
    /// Follows what has come. Pending: it waits for a turn.
    fn poll_follow(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answers.hears_notices = self.lender.0.hears_notices.load(Ordering::Relaxed);
        loop {
            let followed = self.answers.follow(&self.inbox, &mut self.outbox)?;
            self.inbox.drain(..followed);
            if !self.answers.waits() {
                return Poll::Ready(Ok(()));
            }
            let Some(holder) = self.lender.0.takes_turns_as.get() else {
                self.answers.granted = usize::MAX;
                continue;
            };
            let size = Size::of(self.answers.wanted());
            let waiting = self.waiting.get_or_insert_with(|| large_turn::next(holder, size));
            let turn = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            match turn {
                Some(turn) => {
                    self.turns.push(turn);
                    self.answers.granted = size.most();
                }
                None => self.answers.refuse(large_turn::NONE_CAME, large_turn::LATER, &mut self.outbox),
            }
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.read < this.outbox.len() {
                let some = buf.remaining().min(this.outbox.len() - this.read);
                buf.put_slice(&this.outbox[this.read..this.read + some]);
                this.read += some;
                return Poll::Ready(Ok(()));
            }
            this.outbox.clear();
            this.read = 0;
            ready!(this.poll_follow(cx))?;
            if !this.outbox.is_empty() {
                continue;
            }
            let mut chunk = [std::mem::MaybeUninit::uninit(); CHUNK];
            let mut came = ReadBuf::uninit(&mut chunk);
            ready!(Pin::new(&mut *this).socket().poll_read(cx, &mut came))?;
            if came.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.inbox.extend_from_slice(came.filled());
        }
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

impl TlsStream for Lent {
    fn channel_binding(&self) -> ChannelBinding {
        self.socket.as_ref().map_or_else(ChannelBinding::none, TlsStream::channel_binding)
    }
}
