//! A connection while a call uses it: its rows are written as they come, and what nobody wants any more is cancelled.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::answer::{Body, StrangeEncoding};
use super::rows::{Plan, RowError};
use super::text::TextError;
use super::value::Value;
use crate::databases::wire::large::Large;
use crate::databases::wire::{Access, Care, StartError, Statement, WireError};
use crate::databases::{CallConnection, Writing};

/// A connection that goes back to its pool when nothing runs on it, and is closed when something does.
pub(super) struct Running {
    connection: Option<CallConnection>,
    writing: Writing,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            drop(connection.take_kept());
            if connection.is_busy() {
                connection.end();
            }
        }
    }
}

/// Why there are no further rows.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// The server's or the connection's doing.
    Wire(WireError),
    /// A row that cannot be written.
    Row(RowError),
    /// Rows that cannot be read.
    Encoding(StrangeEncoding),
}

/// Up to where rows were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The call is done, committed.
    End,
    /// The size that was asked for.
    Size,
}

impl Running {
    pub(super) fn new(connection: CallConnection) -> Self {
        Self { connection: Some(connection), writing: Writing::Free }
    }

    /// What the call may do, for as long as it uses the connection.
    pub(super) fn may(&mut self, writing: Writing) {
        self.writing = writing;
    }

    /// Whether the call was to read only.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self.writing, Writing::No)
    }

    /// Whether its backend was ended because there is no room on PostgreSQL's disk.
    pub(super) fn made_room(&mut self) -> bool {
        let made_room = self.connection().made_room();
        if let (true, Writing::Turn(turn)) = (made_room, &mut self.writing) {
            turn.was_ended();
        }
        made_room
    }

    /// Closes the connection: it is of no use to anybody.
    pub(super) fn discard(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.end();
        }
    }

    /// The connection, to ask something whose answer is short.
    pub(super) fn connection(&mut self) -> &mut CallConnection {
        self.connection.as_mut().expect("only discard() and drop() take it")
    }

    /// Prepares a statement, unless this connection has it.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Arc<Statement>, WireError> {
        self.connection().prepare(sql).await
    }

    /// The next [`Running::prepare`] prepares it anew.
    pub(super) fn forget(&mut self, sql: &str) {
        self.connection().forget(sql);
    }

    /// Sends the statement, and right behind it what takes back what it may set in its session, if anything. Returns when the
    /// server has taken the parameters.
    pub(super) async fn start(
        &mut self,
        statement: &Statement,
        values: &[Value<'_, '_>],
        formats: &[i16],
        (trace, care): (Option<&str>, Care),
    ) -> Result<(), StartError<TextError>> {
        let access = if self.only_reads() { Access::Reads } else { Access::Writes };
        self.connection().start(statement, values, |value, out| value.put(out), formats, (access, trace, care)).await
    }

    /// Writes rows until the body is larger than `size` bytes, or until the end. What is written is UTF-8.
    pub(super) fn poll_rows(
        &mut self,
        cx: &mut Context<'_>,
        plan: &Plan,
        body: &mut Body,
        size: usize,
    ) -> Poll<Result<Reached, Interrupted>> {
        let connection = self.connection();
        let mut reached = Reached::Size;
        while body.len() <= size {
            match ready!(connection.poll_row(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Err(Interrupted::Wire(error))),
                None => {
                    reached = Reached::End;
                    break;
                }
            }
            plan.write_row(connection.row(), body.next_row()).map_err(Interrupted::Row)?;
            if let Some(large) = connection.take_large() {
                body.keep(large);
            }
        }
        body.verify(connection.was_strange()).map_err(Interrupted::Encoding)?;
        Poll::Ready(Ok(reached))
    }

    /// Writes rows until the body is larger than `size` bytes, or until the end.
    pub(super) async fn write_rows(
        &mut self,
        plan: &Plan,
        body: &mut Body,
        size: usize,
    ) -> Result<Reached, Interrupted> {
        poll_fn(|cx| self.poll_rows(cx, plan, body, size)).await
    }

    /// All rows, as the server sent them. The right to keep large ones is [`Running::take_kept`]'s.
    pub(super) async fn rows(&mut self) -> Result<Vec<Vec<Option<Vec<u8>>>>, Interrupted> {
        let connection = self.connection();
        connection.keep_large();
        let mut rows = Vec::new();
        while let Some(row) = poll_fn(|cx| connection.poll_row(cx)).await {
            row.map_err(Interrupted::Wire)?;
            let columns = connection.row().columns().map(|column| column.map(|bytes| bytes.map(<[u8]>::to_vec)));
            rows.push(columns.collect::<Result<_, _>>().map_err(|cut_off| Interrupted::Row(cut_off.into()))?);
        }
        Ok(rows)
    }

    /// The right to keep what [`Running::rows`] gave, and what was made of it.
    pub(super) fn take_kept(&mut self) -> Option<Large> {
        self.connection().take_kept()
    }

    /// Has the server make JSON of values that the call has just returned: each with the oid of its type, in these formats.
    pub(super) async fn make_json(
        &mut self,
        types: &[u32],
        formats: &[i16],
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        let columns: Vec<String> = (1..=types.len()).map(|number| format!("pg_catalog.to_json(${number})")).collect();
        let sql = format!("SELECT {}", columns.join(", "));
        self.connection().query_row_over(&sql, types, formats, values).await
    }
}
