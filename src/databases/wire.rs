//! A server connection that serves calls, one after the other, driven by the task of whoever uses it.
//!
//! tokio-postgres opens it and proves who we are. Then the gateway speaks the protocol itself (PostgreSQL manual,
//! "Frontend/Backend Protocol"), with that library's encoders and decoders, for the two things that it does not do and
//! that make half of a call's price: several statements before one Sync, so that the session is cleaned in the message
//! and in the transaction of the call; and no task between a request and its socket, which would be woken for each
//! answer and wake the request in turn.

mod cleaning;
mod error;
mod line;
mod row;

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use foldhash::HashMap;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

pub use self::error::{ServerError, WireError};
pub use self::line::Column;
pub use self::row::{CutOff, Row};

use self::line::{Event, Line};
use super::socket::Socket;

/// The formats of parameters and of results (PostgreSQL manual, "Formats and Format Codes").
const TEXT: i16 = 0;
const BINARY: i16 = 1;

/// A connection for calls.
#[derive(Debug)]
pub struct Wire {
    line: Line,
    state: State,
    /// What the session told of itself when it was new.
    new: Vec<u8>,
    /// It tells something else now, or listens, or may have been left something: everything has to be taken back.
    spoiled: bool,
    /// Behind the last calls nothing was cleaned: why not, see [`Commit::Alone`].
    uncleaned: Option<u64>,
    /// The first error of the messages that are being answered.
    failed: Option<Box<ServerError>>,
    statements: HashMap<String, Arc<Statement>>,
    /// Names on the server whose statements nobody wants any more.
    unwanted: Vec<String>,
    named: u64,
}

/// Whose answers are awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody's.
    Idle,
    /// A question's, up to ReadyForQuery.
    Asked,
    /// A call's: `Started` until its parameters are taken, `Running` until its rows have ended, `Ending` until
    /// ReadyForQuery. What cleans comes before that, or after that: see [`Commit`].
    Started(Commit),
    Running(Commit),
    Ending,
    /// Of the messages that clean the session, up to ReadyForQuery.
    Cleaning,
    /// Of what takes everything back, up to ReadyForQuery.
    Renewing,
    /// The connection is of no use.
    Broken,
}

/// When the transaction of a call ends: what cleans the session comes after that, before that, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before the session is cleaned: for what may write. Deferred constraints and triggers, which run when it ends, see
    /// the settings of the call, and what they set is taken back too.
    First,
    /// After: one transaction and one answer less, for what is declared to write nothing. If it did write, the session
    /// tells, and everything is taken back after the transaction.
    Last,
    /// With nothing behind it, for what is known to leave the session as it was. The number tells one state of that knowledge
    /// from another; the caller's business.
    Alone(u64),
}

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    name: String,
    /// What it returns.
    pub columns: Vec<Column>,
}

/// Why a statement was not started.
#[derive(Debug)]
pub enum StartError<E> {
    /// The value of a parameter, counted from 0, cannot be written. Nothing was sent.
    Value(usize, E),
    /// The connection, or what the server made of the parameters.
    Wire(WireError),
}

impl Wire {
    /// Takes over a connection that is open and quiet. Nothing but [`Wire::set_up`] is to be asked of it first.
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            line: Line::new(socket),
            state: State::Asked,
            new: Vec::new(),
            spoiled: false,
            uncleaned: None,
            failed: None,
            statements: HashMap::default(),
            unwanted: Vec::new(),
            named: 0,
        }
    }

    /// Prepares what cleans the session, and remembers what the session tells of itself while it is new.
    pub(super) async fn set_up(&mut self) -> Result<(), WireError> {
        cleaning::prepare(&mut self.line.outbox);
        cleaning::behind_anything(&mut self.line.outbox);
        frontend::sync(&mut self.line.outbox);
        while let Some(event) = self.answer().await? {
            if let Event::Row = event {
                self.new = self.line.row().0.to_vec();
            }
        }
        Ok(())
    }

    /// Whether the server has closed it, or has said something that nobody asked for, which is mostly why it will.
    pub(super) fn is_closed(&self) -> bool {
        match self.state {
            State::Broken => true,
            State::Idle => self.line.has_word(),
            _ => self.line.is_shut(),
        }
    }

    /// The number that [`Commit::Alone`] had, where nothing was cleaned behind the last call.
    pub fn uncleaned(&self) -> Option<u64> {
        self.uncleaned
    }

    /// Somebody may have left something after all: everything is taken back before anything else is done.
    pub fn distrust(&mut self) {
        self.spoiled = true;
    }

    /// Right behind a call: whether it did what it was declared not to do.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// Whether the server may still be at work for a call.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Asked | State::Started(_) | State::Running(_) | State::Ending)
    }

    /// Whether it is of no use any more: it was lost, or nobody knows what the server is at.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether the session is as it was when it was new, as far as is known.
    pub(super) fn is_settled(&self) -> bool {
        self.state == State::Idle && !self.spoiled && !self.line.notified
    }

    /// Waits until the session is as it was when it was new, as far as is known. An error: it is not, and the connection is
    /// of no use.
    pub(super) async fn settle(&mut self) -> Result<(), WireError> {
        while !self.is_settled() {
            match self.state {
                State::Idle => {
                    (self.spoiled, self.uncleaned, self.line.notified) = (false, None, false);
                    frontend::query(cleaning::EVERYTHING, &mut self.line.outbox).map_err(WireError::Unsendable)?;
                    self.state = State::Renewing;
                }
                State::Cleaning | State::Renewing => poll_fn(|cx| self.poll_clean(cx)).await?,
                State::Asked | State::Started(_) | State::Running(_) | State::Ending | State::Broken => {
                    return Err(WireError::Protocol("it was given back while it was in use".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Prepares a statement, unless this connection has it.
    pub async fn prepare(&mut self, sql: &str) -> Result<Arc<Statement>, WireError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        self.settle().await?;
        let name = format!("s{}", self.named);
        self.named += 1;
        self.queue(|out| {
            frontend::parse(&name, sql, [], out)?;
            frontend::describe(b'S', &name, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        let mut columns = Vec::new();
        while let Some(event) = self.answer().await? {
            if let Event::Described(described) = event {
                columns = described;
            }
        }
        let statement = Arc::new(Statement { name, columns });
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The next [`Wire::prepare`] prepares it anew.
    pub fn forget(&mut self, sql: &str) {
        if let Some(statement) = self.statements.remove(sql) {
            self.unwanted.push(statement.name.clone());
        }
    }

    /// The only row of a statement that is run once. `types` are those of the values (`pg_type.oid`; 0: PostgreSQL
    /// infers it), which are in `format`; the columns come in binary.
    async fn ask(
        &mut self,
        sql: &str,
        types: &[u32],
        format: i16,
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        self.settle().await?;
        self.queue(|out| {
            frontend::parse("", sql, types.iter().copied(), out)?;
            let write = |value: &Option<&[u8]>, out: &mut BytesMut| {
                Ok(match value {
                    Some(value) => {
                        out.extend_from_slice(value);
                        IsNull::No
                    }
                    None => IsNull::Yes,
                })
            };
            match frontend::bind("", "", [format], values, write, [BINARY], out) {
                Ok(()) => {}
                Err(BindError::Serialization(error)) => return Err(error),
                Err(BindError::Conversion(error)) => return Err(std::io::Error::other(error)),
            }
            frontend::execute("", 0, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        let mut found = None;
        while let Some(event) = self.answer().await? {
            if let Event::Row = event {
                let columns = self.line.row().columns().map(|column| column.map(|bytes| bytes.map(<[u8]>::to_vec)));
                let columns = columns.collect::<Result<Vec<_>, _>>();
                found = Some(columns.map_err(|error| WireError::Protocol(error.to_string()))?);
            }
        }
        found.ok_or_else(|| WireError::Protocol("no row came".to_owned()))
    }

    /// The only row of a query with parameters given as text.
    pub async fn query_row(&mut self, sql: &str, params: &[Option<&str>]) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        let values: Vec<_> = params.iter().map(|param| param.map(str::as_bytes)).collect();
        self.ask(sql, &[], TEXT, &values).await
    }

    /// The only row of a query over values as another statement returned them, of the types with these oids. It may run
    /// what platforms have written (casts), so that everything is taken back afterwards.
    pub async fn query_row_over(
        &mut self,
        sql: &str,
        types: &[u32],
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        let row = self.ask(sql, types, BINARY, values).await;
        self.spoiled = true;
        row
    }

    /// Sends a statement, and right behind it what cleans the session, if need be. Returns when the server has taken the
    /// parameters, which `write` appends as text; false: it is NULL.
    pub async fn start<V, E: Error + Send + Sync + 'static>(
        &mut self,
        statement: &Statement,
        values: impl IntoIterator<Item = V>,
        mut write: impl FnMut(V, &mut BytesMut) -> Result<bool, E>,
        commit: Commit,
    ) -> Result<(), StartError<E>> {
        self.settle().await.map_err(StartError::Wire)?;
        let out = &mut self.line.outbox;
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
        match frontend::bind("", &statement.name, [TEXT], values, serialize, [BINARY], out) {
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
        self.uncleaned = match commit {
            Commit::First => None,
            Commit::Last => self.uncleaned,
            // What was known when the first of them ran.
            Commit::Alone(known) => self.uncleaned.or(Some(known)),
        };
        match commit {
            Commit::First => {
                frontend::sync(out);
                cleaning::behind_anything(out);
            }
            Commit::Last => cleaning::behind_a_reader(out),
            Commit::Alone(_) => {}
        }
        frontend::sync(out);
        self.state = State::Started(commit);
        poll_fn(|cx| self.poll_started(cx)).await.map_err(StartError::Wire)
    }

    fn poll_started(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            let event = ready!(self.poll_event(cx))?;
            match (event, self.state) {
                (Event::Bound, State::Started(commit)) if self.failed.is_none() => {
                    self.state = State::Running(commit);
                    return Poll::Ready(Ok(()));
                }
                (Event::Ready, State::Started(commit)) => return Poll::Ready(self.end(commit, cx)),
                (Event::Failed(_), _) => {}
                (event, _) => return Poll::Ready(Err(self.unexpected(&event))),
            }
        }
    }

    /// The next row, which [`Wire::row`] then has. `None`: the call is done, committed.
    pub fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), WireError>>> {
        loop {
            let event = match ready!(self.poll_event(cx)) {
                Ok(event) => event,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            match (event, self.state) {
                (Event::Row, State::Running(_)) => return Poll::Ready(Some(Ok(()))),
                (Event::Done, State::Running(Commit::Last)) => self.state = State::Ending,
                (Event::Row, State::Ending) => self.judge(),
                (Event::Bound | Event::Done, State::Ending) => {}
                (Event::Done, State::Running(Commit::First | Commit::Alone(_))) => {}
                (Event::Ready, State::Running(commit)) => return Poll::Ready(self.end(commit, cx).err().map(Err)),
                (Event::Ready, State::Ending) => return Poll::Ready(self.end(Commit::Last, cx).err().map(Err)),
                (Event::Failed(_), _) => {}
                (event, _) => return Poll::Ready(Some(Err(self.unexpected(&event)))),
            }
        }
    }

    /// The row that [`Wire::poll_row`] told of.
    pub fn row(&self) -> Row<'_> {
        self.line.row()
    }

    /// The call has been answered.
    fn end(&mut self, commit: Commit, cx: &mut Context<'_>) -> Result<(), WireError> {
        self.line.shrink();
        let failed = self.failed.take();
        // What the call did to its session made the cleaning fail, and that the call.
        self.spoiled |= failed.is_some() && self.state == State::Ending;
        match (commit, &failed) {
            (Commit::First, _) => self.state = State::Cleaning,
            (Commit::Last, None) | (Commit::Alone(_), _) => self.state = State::Idle,
            // What would have cleaned was skipped together with the rest. Advisory locks outlive the transaction.
            (Commit::Last, Some(_)) => {
                cleaning::behind_anything(&mut self.line.outbox);
                frontend::sync(&mut self.line.outbox);
                self.state = State::Cleaning;
                self.uncleaned = None;
                // What cannot be sent now is sent when it is settled; so is an error told.
                let _ = self.line.poll_send(cx);
            }
        }
        failed.map_or(Ok(()), |error| Err(WireError::Server(error)))
    }

    fn poll_clean(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            match ready!(self.poll_event(cx))? {
                Event::Row if self.state == State::Cleaning => self.judge(),
                Event::Ready => {
                    self.line.shrink();
                    if let Some(error) = self.failed.take() {
                        // Nobody is to have this session again.
                        self.state = State::Broken;
                        let cause = format!("the session could not be cleaned: {} ({})", error.message, error.code);
                        return Poll::Ready(Err(WireError::Lost(std::io::Error::other(cause))));
                    }
                    self.state = State::Idle;
                    return Poll::Ready(Ok(()));
                }
                // What gives the locks back in a statement of its own answers with a row.
                Event::Row | Event::Described(_) if self.state == State::Renewing => {}
                Event::Bound | Event::Done | Event::Failed(_) => {}
                event => return Poll::Ready(Err(self.unexpected(&event))),
            }
        }
    }

    /// Compares what the session tells of itself with what it told when it was new.
    fn judge(&mut self) {
        self.spoiled |= self.line.row().0 != self.new;
    }

    /// The next event of what was asked. `None`: all was answered.
    async fn answer(&mut self) -> Result<Option<Event>, WireError> {
        let event = poll_fn(|cx| self.poll_event(cx)).await?;
        if !matches!(event, Event::Ready) {
            return Ok(Some(event));
        }
        self.state = State::Idle;
        self.line.shrink();
        self.failed.take().map_or(Ok(None), |error| Err(WireError::Server(error)))
    }

    /// The next event. An error of the server's is kept until ReadyForQuery; one that ends the session, and a lost
    /// connection, ends this one.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, WireError>> {
        let event = match ready!(self.line.poll_event(cx)) {
            Ok(Event::Failed(error)) if error.fatal => Err(WireError::Server(error)),
            Ok(Event::Failed(error)) => {
                if self.failed.is_none() {
                    self.failed = Some(error.clone());
                }
                Ok(Event::Failed(error))
            }
            other => other,
        };
        if event.is_err() {
            self.state = State::Broken;
        }
        Poll::Ready(event)
    }

    fn unexpected(&mut self, event: &Event) -> WireError {
        let error = WireError::Protocol(format!("{event:?} while {:?}", self.state));
        self.state = State::Broken;
        error
    }

    /// Queues what is asked, behind what closes statements that nobody wants any more.
    fn queue(&mut self, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<(), WireError> {
        let out = &mut self.line.outbox;
        for name in &self.unwanted {
            frontend::close(b'S', name, out).map_err(WireError::Unsendable)?;
        }
        if let Err(error) = write(out) {
            out.clear();
            return Err(WireError::Unsendable(error));
        }
        self.unwanted.clear();
        self.state = State::Asked;
        Ok(())
    }

    /// The socket, to close it.
    pub(super) fn into_socket(self) -> Socket {
        self.line.into_socket()
    }
}

/// Runs a statement that takes nothing; its columns come in text.
fn run_statement(name: &str, out: &mut BytesMut) {
    let none = std::iter::empty::<()>();
    let bound = frontend::bind("", name, [], none, |(), _| Ok(IsNull::Yes), [], out);
    assert!(bound.is_ok(), "a constant name without NUL");
    frontend::execute("", 0, out).expect("a portal without a name");
}
