//! A server connection that serves calls, one after the other, driven by the task of whoever uses it.
//!
//! tokio-postgres opens it and proves who we are. Then the gateway speaks the protocol itself (PostgreSQL manual,
//! "Frontend/Backend Protocol"), with that library's encoders and decoders, for the two things that it does not do and
//! that make half of a call's price: several statements before one Sync, so that the session is cleaned in the message
//! and in the transaction of the call; and no task between a request and its socket, which would be woken for each
//! answer and wake the request in turn.
//!
//! Whoever speaks a protocol may lose his place in it. So what is answered is compared with what was asked, message by message
//! (`script`), and what cleans a session has to answer with a mark that was made for it (`cleaning`). Anything else ends the
//! connection.

mod ahead;
mod asking;
mod calling;
mod care;
mod cleaning;
mod error;
pub mod extensions;
pub mod large;
mod line;
mod reports;
mod row;
mod script;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use foldhash::HashMap;
use postgres_protocol::message::frontend;

pub use self::calling::StartError;
pub use self::care::{Access, Care, Commit};
pub use self::error::{ServerError, WireError};
pub use self::line::Column;
pub use self::row::{CutOff, Row};

use self::cleaning::{Cleaning, Extent, Mark};
use self::line::{Event, Line};
use self::script::{Script, Step};
use super::socket::Socket;

/// The formats of parameters and of results (PostgreSQL manual, "Formats and Format Codes").
pub const TEXT: i16 = 0;
/// See [`TEXT`].
pub const BINARY: i16 = 1;

/// A connection for calls.
#[derive(Debug)]
pub struct Wire {
    line: Line,
    state: State,
    /// What has still to be answered.
    script: Script,
    cleaning: Cleaning,
    /// The mark that the cleaning under way answers with.
    mark: Option<Mark>,
    /// What the session told of itself when it was new.
    new: Option<Vec<u8>>,
    /// It tells something else now, or listens, or may have been left something: everything has to be taken back.
    spoiled: bool,
    /// Everything is being taken back.
    renewing: bool,
    /// Nobody is to have it after the call that has it now: it was left what nothing takes back.
    spent: bool,
    /// Its database has extensions or languages that may keep something: all sessions know it from the first.
    keeps: Arc<AtomicBool>,
    /// Since everything was taken back or asked for, something was left out: see [`Care::known`].
    trusted: Option<u64>,
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
    /// A call's, up to the first ReadyForQuery: `Started` until its parameters are taken.
    Started(Commit),
    Running(Commit),
    /// Of what cleans the session, up to the last ReadyForQuery.
    Cleaning,
    /// The connection is of no use.
    Broken,
}

/// A prepared statement.
#[derive(Debug)]
pub struct Statement {
    name: String,
    /// What it returns.
    pub columns: Vec<Column>,
}

impl Wire {
    /// Takes over a connection that is open and quiet. Nothing but [`Wire::set_up`] is to be asked of it first.
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            line: Line::new(socket),
            state: State::Asked,
            script: Script::default(),
            cleaning: Cleaning::new(format!("{:016x}_", rand::random::<u64>())),
            mark: None,
            new: None,
            spoiled: false,
            renewing: false,
            spent: false,
            keeps: Arc::default(),
            trusted: None,
            failed: None,
            statements: HashMap::default(),
            unwanted: Vec::new(),
            named: cleaning::FIRST_NUMBER,
        }
    }

    /// Prepares what cleans the session, and remembers what the session tells of itself while it is new.
    pub(super) async fn set_up(&mut self) -> Result<(), WireError> {
        let mut steps = Vec::new();
        self.cleaning.prepare(&mut self.line.outbox, &mut steps);
        steps.extend_from_slice(self.clean(Extent::Anything));
        frontend::sync(&mut self.line.outbox);
        steps.push(Step::Ready);
        self.script.begin(&steps);
        self.state = State::Cleaning;
        poll_fn(|cx| self.poll_clean(cx)).await
    }

    /// Whether it is of no use, or the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.is_useless() || self.line.is_shut()
    }

    /// Whether it is of no use any more: it was lost, or nobody knows what the server is at.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether nobody is to have it again.
    pub(super) fn is_useless(&self) -> bool {
        self.spent || self.is_broken()
    }

    /// Behind the last calls something was left out, on the strength of this: see [`Care::known`].
    pub fn trusted(&self) -> Option<u64> {
        self.trusted
    }

    /// Somebody may have left something after all: everything is taken back before anything else is done.
    pub fn distrust(&mut self) {
        self.spoiled = true;
    }

    /// Whether its database has what may keep something that nothing takes back: then the session is closed behind everything of
    /// which nobody knows whether it comes to that.
    pub fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// What all sessions of the database know of that.
    pub(super) fn share(&mut self, keeps: Arc<AtomicBool>) {
        self.keeps = keeps;
    }

    /// Right behind a call: whether it did what it was declared not to do.
    pub fn is_spoiled(&self) -> bool {
        self.spoiled && !self.spent
    }

    /// The right to keep the row that [`Wire::poll_row`] told of, if it is a large one: it goes with what is made of the row.
    pub fn take_large(&mut self) -> Option<large::Large> {
        self.line.large.take()
    }

    /// From now on the right to large messages is kept, for what is copied from them: up to [`Wire::take_kept`].
    pub fn keep_large(&mut self) {
        self.line.large.keep();
    }

    /// The right to what was read since [`Wire::keep_large`], if that was large.
    pub fn take_kept(&mut self) -> Option<large::Large> {
        self.line.large.take_kept()
    }

    /// What its large messages take their memory from.
    pub(super) fn pay_from(&mut self, account: large::Account) {
        self.line.large.account = account;
    }

    /// Whether the server has said, since the call began, that texts come in another encoding than UTF-8.
    pub fn was_strange(&self) -> bool {
        self.line.reports.was_strange()
    }

    /// Whether the call's statement has ended, so that it may be committed by now.
    pub fn was_answered(&self) -> bool {
        self.script.has_passed(Step::Rows)
    }

    /// Whether the server may still be at work for a call.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Asked | State::Started(_) | State::Running(_))
    }

    /// Whether the session is as it was when it was new, as far as is known, and nothing came since the last answer.
    pub(super) fn is_fit(&self) -> bool {
        self.is_settled() && !self.line.has_word()
    }

    /// Makes it so. An error: it is of no use.
    pub(super) async fn make_fit(&mut self) -> Result<(), WireError> {
        self.settle().await?;
        // Nobody has read from it since.
        if self.line.has_word() {
            self.hear().await?;
            self.settle().await?;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.state == State::Idle
            && !self.spoiled
            && !self.line.notified
            && self.line.reports.are_usual()
            && !self.line.has_more()
    }

    /// Waits until the session is as it was when it was new, as far as is known. An error: it is not, and the connection is
    /// of no use.
    async fn settle(&mut self) -> Result<(), WireError> {
        while !self.is_settled() {
            match self.state {
                State::Idle if self.line.has_more() => self.hear().await?,
                State::Idle => self.renew(),
                State::Cleaning => poll_fn(|cx| self.poll_clean(cx)).await?,
                State::Asked | State::Started(_) | State::Running(_) | State::Broken => {
                    return Err(WireError::Protocol("it was given back while it was in use".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Takes note of what came while nothing was asked: notices, reports and notifications may, nothing else.
    async fn hear(&mut self) -> Result<(), WireError> {
        let heard = poll_fn(|cx| match self.line.poll_event(cx) {
            // All of it was such, and nothing is left.
            Poll::Pending if !self.line.has_more() => Poll::Ready(Ok(None)),
            // The beginning of something: whatever it is, it is too late.
            Poll::Pending => Poll::Ready(Err(WireError::Protocol("half a message that nobody asked for".to_owned()))),
            Poll::Ready(event) => Poll::Ready(event.map(Some)),
        });
        let heard = heard.await;
        match heard {
            Ok(None) => Ok(()),
            Ok(Some(Event::Failed(error))) => Err(self.broken(WireError::Server(error))),
            Ok(Some(event)) => Err(self.unexpected(&event)),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// Sends what takes back everything.
    fn renew(&mut self) {
        let mark = *self.mark.insert(Mark::new());
        let mut steps = Vec::new();
        self.cleaning.everything(mark, &mut self.line.outbox, &mut steps);
        self.script.begin(&steps);
        (self.spoiled, self.renewing, self.trusted) = (false, true, None);
        self.state = State::Cleaning;
    }

    /// Queues what cleans; what it is answered with comes behind what is awaited already.
    fn clean(&mut self, extent: Extent) -> &'static [Step] {
        let mark = *self.mark.insert(Mark::new());
        self.cleaning.queue(extent, mark, &mut self.line.outbox)
    }

    fn poll_clean(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            if ready!(self.poll_step(cx))?.0 == Step::Ready {
                if let Some(error) = self.failed.take() {
                    let cause = format!("the session could not be cleaned: {} ({})", error.message, error.code);
                    return Poll::Ready(Err(self.broken(WireError::Lost(std::io::Error::other(cause)))));
                }
                if self.script.is_over() {
                    return Poll::Ready(self.end_cleaning());
                }
            }
        }
    }

    /// Everything was answered, without an error.
    fn end_cleaning(&mut self) -> Result<(), WireError> {
        self.line.shrink();
        self.state = State::Idle;
        if std::mem::take(&mut self.renewing) {
            self.line.notified = false;
            if self.spoiled || !self.line.reports.are_usual() {
                let cause = "the session is another one, though everything was taken back";
                return Err(self.broken(WireError::Lost(std::io::Error::other(cause))));
            }
        }
        Ok(())
    }

    /// The next message of what was asked. Steps that only concern the session are dealt with here; an error of the
    /// server's is kept until the ReadyForQuery which it goes on at. One that ends the session, what does not belong there
    /// and a lost connection end this one.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(Step, Event), WireError>> {
        loop {
            let event = match ready!(self.line.poll_event(cx)) {
                Ok(Event::Failed(error)) if error.fatal => {
                    return Poll::Ready(Err(self.broken(WireError::Server(error))));
                }
                Ok(event) => event,
                Err(error) => return Poll::Ready(Err(self.broken(error))),
            };
            let Some(step) = self.script.accept(&event, self.line.body()) else {
                return Poll::Ready(Err(self.unexpected(&event)));
            };
            match (step, event) {
                (_, Event::Failed(error)) => {
                    // The step is the ReadyForQuery that is still to come.
                    self.failed.get_or_insert(error);
                }
                (Step::Look, _) => self.judge()?,
                (Step::Check, _) => self.check()?,
                (Step::Keeps, _) => self.learn_what_keeps()?,
                (step, event) => return Poll::Ready(Ok((step, event))),
            }
        }
    }

    /// Compares what the session tells of itself with what it told when it was new, behind the mark.
    fn judge(&mut self) -> Result<(), WireError> {
        let mark = self.mark.take();
        let (told, rest) = self.line.row().split_first();
        if mark.is_none_or(|mark| told != Some(&mark.mark[..])) {
            return Err(self.broken(WireError::Protocol("the answer to another question".to_owned())));
        }
        match &self.new {
            Some(new) => self.spoiled |= rest != new.as_slice(),
            None => self.new = Some(rest.to_vec()),
        }
        Ok(())
    }

    /// Whether the session has the statements that the gateway has prepared, and no others.
    fn check(&mut self) -> Result<(), WireError> {
        let expected = self.cleaning.prepared() + self.statements.len() + self.unwanted.len();
        let expected = (expected as u64).to_be_bytes();
        let columns: Vec<_> = self.line.row().columns().collect();
        if columns == [Ok(Some(&expected[..])), Ok(Some(&[0; 8][..]))] {
            return Ok(());
        }
        let cause = "the session's prepared statements were changed";
        Err(self.broken(WireError::Lost(std::io::Error::other(cause))))
    }

    /// Where the database has what may keep something, the session of which nobody knows whether it came to that is closed.
    fn learn_what_keeps(&mut self) -> Result<(), WireError> {
        if self.line.row().columns().next() == Some(Ok(Some(&[0]))) {
            return Ok(());
        }
        self.keeps.store(true, Ordering::Relaxed);
        if self.renewing && !self.spent {
            let cause = "the session may hold what nothing takes back";
            return Err(self.broken(WireError::Lost(std::io::Error::other(cause))));
        }
        self.spent = true;
        Ok(())
    }

    /// Everything that was asked, message by message.
    async fn answer(&mut self, mut told: impl FnMut(&Self, Event) -> Result<(), WireError>) -> Result<(), WireError> {
        loop {
            let (step, event) = poll_fn(|cx| self.poll_step(cx)).await?;
            if step == Step::Ready {
                self.state = State::Idle;
                self.line.shrink();
                return self.failed.take().map_or(Ok(()), |error| Err(WireError::Server(error)));
            }
            if let Err(error) = told(self, event) {
                return Err(self.broken(error));
            }
        }
    }

    fn unexpected(&mut self, event: &Event) -> WireError {
        let error = WireError::Protocol(format!("{event:?} while {:?}", self.state));
        self.broken(error)
    }

    /// The connection is of no use any more.
    fn broken(&mut self, error: WireError) -> WireError {
        self.state = State::Broken;
        error
    }

    /// The socket, to close it.
    pub(super) fn into_socket(self) -> Socket {
        self.line.into_socket()
    }
}
