//! A body too large to hold, row by row as its reader takes it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::answer::Body;
use super::failure::{Circumstances, Phase};
use super::rows::Plan;
use super::run::GRACE;
use super::running::{Interrupted, Reached, Running};

/// What is sent at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A call whose rows are still coming.
type Shared = Arc<Mutex<Progress>>;

struct Progress {
    /// `None` when it has ended or was stopped.
    rows: Option<Rows>,
    /// Who waits for the next row: nothing else wakes it once the call was stopped.
    reader: Option<Waker>,
}

struct Rows {
    running: Running,
    plan: Arc<Plan>,
    body: Body,
    function: String,
    limit: Duration,
    since: Instant,
}

/// Ends the watch over a stream together with the stream.
struct Watch(tokio::task::JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The rest of an answer. A reader who stops reading holds a connection, so the time limit is watched from outside:
/// nobody polls a stream that cannot be written.
pub(super) fn stream(
    running: Running,
    plan: Arc<Plan>,
    body: Body,
    function: String,
    limit: Duration,
) -> BoxStream<'static, Result<Bytes, io::Error>> {
    let rows = Rows { running, plan, body, function, limit, since: Instant::now() };
    let shared: Shared = Arc::new(Mutex::new(Progress { rows: Some(rows), reader: None }));
    let watch = Watch(tokio::spawn(stop_after(limit + GRACE, shared.clone())));
    let mut ended = false;
    stream::poll_fn(move |cx| {
        let _watched = &watch;
        if ended {
            return Poll::Ready(None);
        }
        let mut progress = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Progress { rows, reader } = &mut *progress;
        let Some(current) = rows.as_mut() else {
            ended = true;
            let error = io::Error::new(
                io::ErrorKind::TimedOut,
                "the call was stopped: its rows did not come, or were not read, in time",
            );
            return Poll::Ready(Some(Err(error)));
        };
        let Poll::Ready(chunk) = current.poll_chunk(cx) else {
            *reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        match chunk {
            Chunk::More(bytes) => Poll::Ready(Some(Ok(bytes))),
            Chunk::Last => {
                ended = true;
                Poll::Ready(rows.take().map(|rows| Ok(rows.body.finish())))
            }
            Chunk::Failed(error) => {
                ended = true;
                *rows = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    })
    .boxed()
}

async fn stop_after(limit: Duration, shared: Shared) {
    tokio::time::sleep(limit).await;
    let (stopped, reader) = {
        let mut progress = shared.lock().unwrap_or_else(PoisonError::into_inner);
        (progress.rows.take(), progress.reader.take())
    };
    // Dropped while it runs, the query is cancelled.
    drop(stopped);
    if let Some(reader) = reader {
        reader.wake();
    }
}

enum Chunk {
    More(Bytes),
    Last,
    Failed(io::Error),
}

impl Rows {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Chunk> {
        let reached = ready!(self.running.poll_rows(cx, &self.plan, &mut self.body, CHUNK_BYTES));
        Poll::Ready(match reached {
            Ok(Reached::Size) => Chunk::More(self.body.take()),
            Ok(Reached::End) => Chunk::Last,
            Err(Interrupted::Row(error)) => Chunk::Failed(io::Error::other(error)),
            Err(Interrupted::Encoding(error)) => Chunk::Failed(io::Error::other(error)),
            Err(Interrupted::Wire(error)) => {
                let circumstances = Circumstances {
                    function: &self.function,
                    phase: Phase::Run,
                    elapsed: self.since.elapsed(),
                    limit: self.limit,
                };
                Chunk::Failed(io::Error::other(circumstances.explain(error).error.for_log()))
            }
        })
    }
}
