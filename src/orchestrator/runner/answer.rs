//! What PostgreSQL answers a statement of the bundle, of which little is kept: uploaded code selects as many rows as it likes.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

/// Values of the rows that a statement returns, in bytes. More are not kept at all.
const KEPT: usize = 64 << 20;

/// A row, of each column its text.
pub(super) type Texts = Vec<Option<String>>;

/// What came of a message.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// How many rows its statements changed or returned.
    pub(super) changed: u64,
    /// All rows, if they are kept and are not too many.
    rows: Option<Vec<Texts>>,
    /// The first value of the last row, if the last statement that may return rows returned one.
    pub(super) last: Option<String>,
}

impl Answer {
    /// Sends `sql`, and reads what comes to its end.
    pub(super) async fn of(client: &Client, sql: &str, keeps_rows: bool) -> Result<Self, Error> {
        let mut messages = pin!(client.simple_query_raw(sql).await?);
        let (mut answer, mut bytes) = (Self { rows: keeps_rows.then(Vec::new), ..Self::default() }, 0);
        let mut last: Option<SimpleQueryRow> = None;
        while let Some(message) = messages.try_next().await? {
            match message {
                SimpleQueryMessage::CommandComplete(rows) => answer.changed += rows,
                SimpleQueryMessage::RowDescription(_) => last = None,
                SimpleQueryMessage::Row(row) => {
                    if let Some(rows) = &mut answer.rows {
                        let texts: Texts = (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect();
                        bytes += texts.iter().flatten().map(String::len).sum::<usize>();
                        rows.push(texts);
                    }
                    if bytes > KEPT {
                        answer.rows = None;
                    }
                    last = Some(row);
                }
                _ => {}
            }
        }
        answer.last = last.and_then(|row| row.get(0).map(str::to_owned));
        Ok(answer)
    }

    /// The first value of the first row, if rows are kept.
    pub(super) fn first(&self) -> Option<String> {
        self.rows.as_ref()?.first()?.first()?.clone()
    }

    /// What the statement itself answers: without the gateway's own, `before` rows ahead of it and one behind.
    pub(super) fn rows_between(self, before: u64) -> Vec<Texts> {
        let skipped = usize::try_from(before).unwrap_or(0);
        let mut rows: Vec<_> = self.rows.unwrap_or_default().into_iter().skip(skipped).collect();
        rows.pop();
        rows
    }
}
