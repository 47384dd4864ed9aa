//! A connection while a call uses it: what is sent together with what cleans the session, read row by row, and
//! cancelled if nobody wants the rest.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, RowStream, Statement};

use super::rows::Raw;
use super::value::Value;
use crate::databases::Pooled;

/// A connection that goes back to its pool when nothing runs on it, and is closed when something does.
pub(super) struct Running {
    pooled: Option<Pooled>,
    rows: Option<Pin<Box<RowStream>>>,
    /// The server has been asked for something and has not answered to the end.
    busy: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        match self.pooled.take() {
            Some(pooled) if self.busy => pooled.cancel(),
            Some(_) | None => {}
        }
    }
}

impl Running {
    pub(super) fn new(pooled: Pooled) -> Self {
        Self { pooled: Some(pooled), rows: None, busy: false }
    }

    /// Closes the connection: it is of no use to anybody.
    pub(super) fn discard(mut self) {
        if let Some(pooled) = self.pooled.take() {
            pooled.discard();
        }
    }

    fn pooled(&self) -> &Pooled {
        self.pooled.as_ref().expect("only discard() and drop() take it")
    }

    /// Asks for something whose answer is short.
    pub(super) async fn ask<T>(&mut self, question: impl AsyncFnOnce(&Pooled) -> T) -> T {
        self.busy = true;
        let answer = question(self.pooled()).await;
        self.busy = false;
        answer
    }

    /// Prepares a statement, unless this connection has it.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Statement, Error> {
        self.ask(async |pooled| pooled.prepare_cached(sql).await).await
    }

    /// The next [`Running::prepare`] prepares it anew.
    pub(super) fn forget(&self, sql: &str) {
        drop(self.pooled().statement_cache.remove(sql, &[]));
    }

    /// Sends the statement, and right behind it what takes back what it may set in its session. Returns when the
    /// server has taken the parameters.
    pub(super) async fn start(&mut self, statement: &Statement, values: &[Value<'_, '_>]) -> Result<(), Error> {
        self.busy = true;
        let started = send(self.pooled(), statement, values).await;
        // After an error the server reads on at what was sent next.
        self.busy = started.is_ok();
        self.rows = Some(Box::pin(started?));
        Ok(())
    }

    /// The next row. `None`: the call is done, committed.
    pub(super) fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Row, Error>>> {
        let Some(rows) = self.rows.as_mut() else { return Poll::Ready(None) };
        let next = ready!(rows.as_mut().poll_next(cx));
        if !matches!(next, Some(Ok(_))) {
            self.busy = false;
            self.rows = None;
        }
        Poll::Ready(next)
    }

    /// The next row. `None`: the call is done, committed.
    pub(super) async fn next_row(&mut self) -> Option<Result<Row, Error>> {
        poll_fn(|cx| self.poll_row(cx)).await
    }

    /// Has the server make JSON of values that it sent.
    pub(super) async fn to_json(&mut self, types: &[Type], values: &[Raw<'_>]) -> Result<Row, Error> {
        let columns: Vec<String> = (1..=types.len()).map(|number| format!("pg_catalog.to_json(${number})")).collect();
        let sql = format!("SELECT {}", columns.join(", "));
        self.ask(async |pooled| {
            let statement = pooled.prepare_typed_cached(&sql, types).await?;
            let values: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                values.iter().map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
            pooled.query_one(&statement, &values).await
        })
        .await
    }
}

async fn send(pooled: &Pooled, statement: &Statement, values: &[Value<'_, '_>]) -> Result<RowStream, Error> {
    let mut starting = pin!(pooled.query_raw(statement, values));
    // Polled once, it is sent.
    match poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx))).await {
        Poll::Ready(Err(error)) => Err(error),
        Poll::Ready(Ok(rows)) => {
            pooled.clean_up();
            Ok(rows)
        }
        Poll::Pending => {
            pooled.clean_up();
            starting.await
        }
    }
}
