//! Messages over a socket: what is queued goes out while what comes in is read, so that neither side waits for the
//! other with full buffers. What may come at any time (notices, reports of settings, notifications) is taken out; the rest has
//! no meaning here.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::error::{ServerError, WireError};
use super::large::{LONGEST, Share};
use super::reports::Reports;
use super::row::Row;
use crate::databases::socket::Socket;

/// What is asked of the socket at once, and what a connection that waits in its pool keeps of each buffer, in bytes.
const CHUNK: usize = 8 * 1024;
const KEPT: usize = 64 * 1024;

/// The type and the length that each message begins with.
const HEADER: usize = 5;

/// A message that came in. [`Line::body`] has the rest of it, until the next event.
#[derive(Debug)]
pub(super) enum Event {
    /// DataRow: [`Line::row`] has it.
    Row,
    /// BindComplete
    Bound,
    /// CommandComplete
    Done,
    /// ParseComplete
    Parsed,
    /// CloseComplete
    Closed,
    /// ParameterDescription
    Parameters,
    /// RowDescription; NoData has no columns.
    Described(Vec<Column>),
    /// ErrorResponse
    Failed(Box<ServerError>),
    /// ReadyForQuery
    Ready,
}

/// A column of a statement's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type: `pg_type.oid`.
    pub type_oid: u32,
}

/// A socket with its buffers.
#[derive(Debug)]
pub(super) struct Line {
    socket: Socket,
    inbox: BytesMut,
    /// The length of the message at the beginning of `inbox`, once it was told.
    told: usize,
    /// Where messages are queued with the encoders of `postgres_protocol`.
    pub(super) outbox: BytesMut,
    /// Why nothing can be sent any more.
    unsent: Option<io::Error>,
    /// A NOTIFY came: the session listens to something.
    pub(super) notified: bool,
    /// What the server reports of the session's settings.
    pub(super) reports: Reports,
    /// The right to keep the message at the beginning of `inbox`, if it is a large one.
    pub(super) large: Share,
}

impl Line {
    pub(super) fn new(socket: Socket) -> Self {
        let (inbox, outbox) = (BytesMut::new(), BytesMut::new());
        let (reports, large) = (Reports::new(), Share::default());
        Self { socket, inbox, told: 0, outbox, unsent: None, notified: false, reports, large }
    }

    /// Whether the server has closed its side, whatever it sent before.
    pub(super) fn is_shut(&self) -> bool {
        self.socket.is_shut()
    }

    /// Whether anything came that nobody asked for.
    pub(super) fn has_word(&self) -> bool {
        self.has_more() || self.socket.has_word()
    }

    /// Whether something lies here behind the last event.
    pub(super) fn has_more(&self) -> bool {
        self.inbox.len() > self.told
    }

    /// Whether what lies here behind the last event, if anything, can be what may come at any time, or that the server ends
    /// the session; if `more` is on its way, then also the beginning of that.
    pub(super) fn may_go_on(&self, more: bool) -> bool {
        match self.inbox.get(self.told) {
            None | Some(b'N' | b'S' | b'A' | b'E') => true,
            Some(b'1' | b'2') => more,
            Some(_) => false,
        }
    }

    /// Sends as much as the socket takes. Done when nothing is queued any more, nor in what encrypts it.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.outbox))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbox.advance(sent);
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// The next message. Pending, the task is woken when it has come or when more can be sent.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, WireError>> {
        loop {
            self.leave_message();
            let (tag, length) = ready!(self.poll_message(cx))?;
            self.told = length;
            let event = match tag {
                b'D' => Event::Row,
                b'2' => Event::Bound,
                b'C' => Event::Done,
                b'Z' => Event::Ready,
                b'1' => Event::Parsed,
                b'3' => Event::Closed,
                b't' => Event::Parameters,
                b'n' => Event::Described(Vec::new()),
                // Dropped: they may hold values.
                b'N' => continue,
                b'A' => {
                    self.notified = true;
                    continue;
                }
                b'S' => match self.reports.read(self.inbox.get(HEADER..length).unwrap_or_default()) {
                    true => continue,
                    false => return Poll::Ready(Err(WireError::Protocol("a setting that cannot be read".to_owned()))),
                },
                _ => {
                    self.told = 0;
                    decode(&mut self.inbox.split_to(length))?
                }
            };
            return Poll::Ready(Ok(event));
        }
    }

    /// The message that the last event told of, without its type and length.
    pub(super) fn body(&self) -> &[u8] {
        self.inbox.get(HEADER..self.told).unwrap_or_default()
    }

    /// The row that [`Event::Row`] told of.
    pub(super) fn row(&self) -> Row<'_> {
        Row(self.body())
    }

    /// Waits until a whole message lies at the beginning of the buffer; its type, and its length with the header.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<(u8, usize), WireError>> {
        loop {
            let mut missing = CHUNK;
            let malformed = |error: io::Error| WireError::Protocol(error.to_string());
            if let Some(header) = Header::parse(&self.inbox).map_err(malformed)? {
                // Its own check: no less than the length itself.
                let length = usize::try_from(header.len()).unwrap_or(HEADER - 1) + 1;
                if length > LONGEST {
                    return Poll::Ready(Err(WireError::TooLong(length)));
                }
                if self.inbox.len() >= length {
                    return Poll::Ready(Ok((header.tag(), length)));
                }
                ready!(self.large.poll_for(length, cx));
                // As much again as has come: what the length promises is believed when it comes.
                missing = missing.max((length - self.inbox.len()).min(self.inbox.len()));
            }
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                // Why it takes nothing any more, the server may have said before.
                self.outbox.clear();
                self.unsent = Some(error);
            }
            self.inbox.reserve(missing);
            let read = pin!(self.socket.read_buf(&mut self.inbox));
            let read = match (ready!(read.poll(cx)), self.unsent.take()) {
                (Ok(0) | Err(_), Some(error)) => return Poll::Ready(Err(WireError::Lost(error))),
                (read, unsent) => {
                    self.unsent = unsent;
                    read.map_err(WireError::Lost)?
                }
            };
            if read == 0 {
                let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection");
                return Poll::Ready(Err(WireError::Lost(closed)));
            }
        }
    }

    fn leave_message(&mut self) {
        self.inbox.advance(std::mem::take(&mut self.told));
        self.large.leave();
    }

    /// Gives back what a large message took.
    pub(super) fn shrink(&mut self) {
        self.leave_message();
        for buffer in [&mut self.inbox, &mut self.outbox] {
            if buffer.is_empty() && buffer.capacity() > KEPT {
                *buffer = BytesMut::new();
            }
        }
    }

    /// The socket, to close it.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// The messages that are not seen in every call.
fn decode(message: &mut BytesMut) -> Result<Event, WireError> {
    let malformed = |error: io::Error| WireError::Protocol(error.to_string());
    match Message::parse(message).map_err(malformed)? {
        Some(Message::ErrorResponse(body)) => {
            ServerError::read(&body).map(Box::new).map(Event::Failed).map_err(malformed)
        }
        Some(Message::RowDescription(body)) => {
            let columns =
                body.fields().map(|field| Ok(Column { name: field.name().to_owned(), type_oid: field.type_oid() }));
            columns.collect().map(Event::Described).map_err(malformed)
        }
        _ => Err(WireError::Protocol("a message for copying, or for logging in".to_owned())),
    }
}

#[cfg(test)]
mod tests;
