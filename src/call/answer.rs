//! `{"rows":[…],"row_count":N,"execution_time_ms":M}`, whole or as it comes. No SQL.

use std::fmt;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::databases::name::DatabaseName;
use crate::databases::wire::large::Large;

/// What is set aside at most for the next piece of a body.
const MOST_KEPT_BYTES: usize = 512 * 1024;

/// What a call answers with.
#[derive(Debug)]
pub struct Answer {
    /// The database that was called.
    pub database: DatabaseName,
    /// How many rows it has; none where they are still being read.
    pub rows: Option<u64>,
    /// The JSON.
    pub body: AnswerBody,
}

/// A JSON body. One that ends in an error is not to be ended like a whole one: the connection has to break.
pub enum AnswerBody {
    /// The whole body.
    Complete(Bytes),
    /// A body too large to hold. Dropped before its end, the query is cancelled.
    Streamed(BoxStream<'static, Result<Bytes, io::Error>>),
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(body) => write!(f, "Complete({} bytes)", body.len()),
            Self::Streamed(_) => f.write_str("Streamed(…)"),
        }
    }
}

/// The body in the making.
#[derive(Debug)]
pub(super) struct Body {
    buffer: Vec<u8>,
    row_count: u64,
    started: Instant,
    /// All that was verified so far is in ASCII.
    ascii: bool,
    /// Of the rows in the buffer.
    large: Vec<Large>,
}

/// A piece of a body that goes on holding the right to its memory until it is sent.
struct Piece {
    buffer: Vec<u8>,
    _large: Vec<Large>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

fn piece(buffer: Vec<u8>, large: Vec<Large>) -> Bytes {
    match large.is_empty() {
        true => Bytes::from(buffer),
        false => Bytes::from_owner(Piece { buffer, _large: large }),
    }
}

/// Texts came in another encoding than UTF-8: the function has changed `client_encoding`, which holds for its own rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its texts came in another encoding than UTF-8")]
pub(super) struct StrangeEncoding;

impl Body {
    pub(super) fn new(started: Instant) -> Self {
        let mut buffer = Vec::with_capacity(1024);
        buffer.extend_from_slice(b"{\"rows\":[");
        Self { buffer, row_count: 0, started, ascii: true, large: Vec::new() }
    }

    /// Rows so far.
    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Where the next row goes.
    pub(super) fn next_row(&mut self) -> &mut Vec<u8> {
        if self.row_count > 0 {
            self.buffer.push(b',');
        }
        self.row_count += 1;
        &mut self.buffer
    }

    /// The last row is a large one.
    pub(super) fn keep(&mut self, large: Large) {
        self.large.push(large);
    }

    /// Bytes that were not taken yet.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether what was not taken yet is UTF-8. `reported`: the server has said that something is not; then only what reads the
    /// same in all encodings is believed. To be asked between rows.
    pub(super) fn verify(&mut self, reported: bool) -> Result<(), StrangeEncoding> {
        let ascii = self.buffer.is_ascii();
        self.ascii &= ascii;
        if (ascii || std::str::from_utf8(&self.buffer).is_ok()) && (self.ascii || !reported) {
            Ok(())
        } else {
            Err(StrangeEncoding)
        }
    }

    /// What is there so far.
    pub(super) fn take(&mut self) -> Bytes {
        // Not as much again as a large row took.
        let capacity = self.buffer.capacity().min(MOST_KEPT_BYTES);
        let buffer = std::mem::replace(&mut self.buffer, Vec::with_capacity(capacity));
        piece(buffer, std::mem::take(&mut self.large))
    }

    /// The rest, after the last row.
    pub(super) fn finish(mut self) -> Bytes {
        let milliseconds = self.started.elapsed().as_millis();
        let end = format!("],\"row_count\":{},\"execution_time_ms\":{milliseconds}}}", self.row_count);
        self.buffer.extend_from_slice(end.as_bytes());
        piece(self.buffer, self.large)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Body, StrangeEncoding};

    #[test]
    fn what_is_not_utf_8_is_no_answer() {
        for (text, reported, expected) in [
            (&b"plain"[..], false, Ok(())),
            (b"plain", true, Ok(())),
            ("\u{e9}".as_bytes(), false, Ok(())),
            ("\u{e9}".as_bytes(), true, Err(StrangeEncoding)),
            (b"\xe9", false, Err(StrangeEncoding)),
            (b"cut \xc3", false, Err(StrangeEncoding)),
        ] {
            let mut body = Body::new(Instant::now());
            body.next_row().extend_from_slice(text);
            assert_eq!(body.verify(reported), expected, "{text:?} {reported}");
        }
    }

    #[test]
    fn what_was_taken_counts_until_the_end() {
        let mut body = Body::new(Instant::now());
        body.next_row().extend_from_slice("\u{e9}".as_bytes());
        assert_eq!(body.verify(false), Ok(()));
        body.take();
        body.next_row().extend_from_slice(b"plain");
        assert_eq!(body.verify(true), Err(StrangeEncoding));
    }
}
