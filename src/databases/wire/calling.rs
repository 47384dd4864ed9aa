//! A call: its statement, and in the same flight what cleans its session; its rows.

use std::error::Error;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use super::ahead;
use super::cleaning::{self, Extent};
use super::script::Step;
use super::{Access, Care, Commit, Event, Row, State, Statement, TEXT, Wire, WireError};

/// Why a statement was not started.
#[derive(Debug)]
pub enum StartError<E> {
    /// The value of a parameter, counted from 0, cannot be written. Nothing was sent.
    Value(usize, E),
    /// The connection, or what the server made of the parameters.
    Wire(WireError),
}

impl Wire {
    /// Sends a statement, and right behind it what cleans the session, if need be. Returns when the server has taken the
    /// parameters, which `write` appends as text; false: it is NULL. The columns come in `formats`: one for each, or one for all.
    /// `access`: what it may do to the database; `trace`: the id of the trace that it belongs to.
    pub async fn start<V, E: Error + Send + Sync + 'static>(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = V>,
        mut write: impl FnMut(V, &mut BytesMut) -> Result<bool, E>,
        formats: &[i16],
        (access, trace, care): (Access, Option<&str>, Care),
    ) -> Result<(), StartError<E>> {
        self.settle().await.map_err(StartError::Wire)?;
        let out = &mut self.line.outbox;
        let before = ahead::queue(access, trace, out);
        let (mut number, mut refused) = (0, None);
        let serialize = |value: V, out: &mut BytesMut| match write(value, out) {
            Ok(present) => {
                number += 1;
                Ok(if present { IsNull::No } else { IsNull::Yes })
            }
            Err(error) => {
                refused = Some(error);
                Err(Box::from("a value"))
            }
        };
        match frontend::bind("", &statement.name, [TEXT], values, serialize, formats.iter().copied(), out) {
            Ok(()) => {}
            Err(error) => {
                // Nothing of it was sent.
                out.clear();
                self.line.shrink();
                return Err(match (refused, error) {
                    (Some(error), _) => StartError::Value(number, error),
                    (None, BindError::Serialization(error)) => StartError::Wire(WireError::Unsendable(error)),
                    (None, BindError::Conversion(error)) => {
                        StartError::Wire(WireError::Unsendable(std::io::Error::other(error)))
                    }
                });
            }
        }
        frontend::execute("", 0, out).expect("a portal without a name");
        self.script.begin(before[0]);
        self.script.then(before[1]);
        self.script.then(&[Step::Bound, Step::Rows]);
        self.line.reports.forget();
        let commit = self.queue_care(care);
        self.state = State::Started(commit);
        poll_fn(|cx| self.poll_started(cx)).await.map_err(StartError::Wire)
    }

    /// Queues what comes behind the call, and the Syncs.
    fn queue_care(&mut self, care: Care) -> Commit {
        let commit = match care.known {
            // Where the database has what may keep something, and nobody knows what the function reaches.
            None if self.keeps() => Commit::Never,
            _ => care.commit,
        };
        match commit {
            Commit::First => {
                frontend::sync(&mut self.line.outbox);
                self.script.then(&[Step::Ready]);
                self.queue_cleaning(Extent::Anything, care);
            }
            Commit::Last => self.queue_cleaning(Extent::Reader, care),
            Commit::Alone => {}
            // It is of no use to the next call. What this one still has to ask finds it as clean as can be.
            Commit::Never => (self.spent, self.spoiled) = (true, true),
        }
        frontend::sync(&mut self.line.outbox);
        self.script.then(&[Step::Ready]);
        // What was known when the first of them ran.
        self.trusted = self.trusted.or(care.known);
        commit
    }

    fn queue_cleaning(&mut self, extent: Extent, care: Care) {
        let out = &mut self.line.outbox;
        // What is prepared on the way counts.
        if care.known.is_none() {
            self.script.then(self.cleaning.ask_what_keeps(out));
        }
        if care.statements {
            self.script.then(cleaning::check(out));
        }
        let steps = self.clean(extent);
        self.script.then(steps);
    }

    fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            match (ready!(self.poll_step(cx))?.0, self.state) {
                (Step::Bound, State::Started(commit)) => {
                    self.state = State::Running(commit);
                    return Poll::Ready(Ok(()));
                }
                (Step::Ready, State::Started(commit)) => return Poll::Ready(self.end(commit, cx)),
                (_, _) => {}
            }
        }
    }

    /// The next row, which [`Wire::row`] then has. `None`: the call is done, committed.
    pub fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), WireError>>> {
        loop {
            match (ready!(self.poll_step(cx)), self.state) {
                (Err(error), _) => return Poll::Ready(Some(Err(error))),
                (Ok((Step::Rows, Event::Row)), _) => return Poll::Ready(Some(Ok(()))),
                (Ok((Step::Ready, _)), State::Running(commit)) => {
                    return Poll::Ready(self.end(commit, cx).err().map(Err));
                }
                (Ok(_), _) => {}
            }
        }
    }

    /// The row that [`Wire::poll_row`] told of.
    pub fn row(&self) -> Row<'_> {
        self.line.row()
    }

    /// The call has been answered.
    fn end(&mut self, commit: Commit, cx: &mut Context<'_>) -> Result<(), WireError> {
        if !self.line.may_go_on(!self.script.is_over()) {
            // The answer of somebody else, or the rest of this one.
            return Err(self.broken(WireError::Protocol("something behind the end of a call".to_owned())));
        }
        let failed = self.failed.take();
        match (commit, &failed) {
            (Commit::First, _) => self.state = State::Cleaning,
            // What would have cleaned was skipped together with the rest. Advisory locks outlive the transaction, and it may
            // have been the cleaning that failed, and that the call.
            (Commit::Last, Some(_)) => {
                self.script.begin(&[]);
                self.queue_cleaning(Extent::Anything, Care::UNKNOWN);
                frontend::sync(&mut self.line.outbox);
                self.script.then(&[Step::Ready]);
                self.state = State::Cleaning;
                // What cannot be sent now is sent when it is settled; so is an error told.
                let _ = self.line.poll_send(cx);
            }
            (Commit::Last, None) | (Commit::Alone | Commit::Never, _) => {
                self.line.shrink();
                self.state = State::Idle;
            }
        }
        failed.map_or(Ok(()), |error| Err(WireError::Server(error)))
    }
}
