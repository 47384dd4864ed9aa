//! `{"rows":[…],"row_count":N,"execution_time_ms":M}`, whole or as it comes. No SQL.

use std::fmt;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::databases::name::DatabaseName;

/// What a call answers with.
#[derive(Debug)]
pub struct Answer {
    /// The database that was called.
    pub database: DatabaseName,
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
}

impl Body {
    pub(super) fn new(started: Instant) -> Self {
        let mut buffer = Vec::with_capacity(1024);
        buffer.extend_from_slice(b"{\"rows\":[");
        Self { buffer, row_count: 0, started }
    }

    /// Where the next row goes.
    pub(super) fn next_row(&mut self) -> &mut Vec<u8> {
        if self.row_count > 0 {
            self.buffer.push(b',');
        }
        self.row_count += 1;
        &mut self.buffer
    }

    /// Bytes that were not taken yet.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// What is there so far.
    pub(super) fn take(&mut self) -> Bytes {
        let capacity = self.buffer.capacity();
        Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(capacity)))
    }

    /// The rest, after the last row.
    pub(super) fn finish(mut self) -> Bytes {
        let milliseconds = self.started.elapsed().as_millis();
        let end = format!("],\"row_count\":{},\"execution_time_ms\":{milliseconds}}}", self.row_count);
        self.buffer.extend_from_slice(end.as_bytes());
        Bytes::from(self.buffer)
    }
}
