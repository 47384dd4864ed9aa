//! What tokio-postgres gets of a server's messages. It keeps each whole in memory, and of an answer every row; what uploaded
//! code raises, or has a catalog hold, may have gigabytes. So they are looked at on the way, and cut where nobody needs
//! them or nobody could hold them. No I/O.
//!
//! - Notifications are dropped, whatever they hold: nobody reads them. So are notices, but for short ones to a session that runs no
//!   uploaded code: a `DROP DATABASE` is told in one for whom it waits.
//! - Of a long error each field is kept to its beginning: code, place and words are there.
//! - Of what is asked in one message (uploaded code) a long row is left out: nobody keeps those rows.
//! - A question of the gateway's own, which has parameters, is answered by rows that are kept. If they are too long, or too
//!   many, they end in an error as PostgreSQL itself could have sent one; so each place where a question can fail tells of it
//!   like of any other, and the session goes on.

use std::io;

use super::large_turn::SMALL;
use super::wire::large::LONGEST;

/// Longer errors are cut. Longer settings that are reported, and rows that nobody keeps, are left out; the longest of these that
/// is read is a search path.
const LONG: usize = 256 << 10;

/// Longer notices are dropped in any case; PostgreSQL's own have some hundred bytes.
const NOTICE: usize = 4 << 10;

/// What is kept of each field of an error that is cut: less than an answer may have of one text, so that it says why.
const FIELD: usize = 32 << 10;

/// An error has some twenty fields.
const FIELDS: usize = 32;

/// All rows of one answer. The tracking tables may hold 128 MiB, and are read one at a time.
const ANSWER: usize = 3 * LONGEST;

/// PostgreSQL's `program_limit_exceeded`.
const LIMIT_EXCEEDED: &str = "54000";

const HINT: &str = "the database holds longer texts (comments, bodies of functions, defaults and other definitions) than \
                    deployments read: shorten them, or drop what has them";

/// Where in the stream of messages one stands: each is a byte for its kind, four for its length without that byte, and the rest
/// (manual, "Message Formats").
#[derive(Debug)]
pub(super) struct Answers {
    head: [u8; HEAD],
    /// Of `head`, how much has come.
    known: usize,
    /// Of the message, how much is still to come.
    left: usize,
    /// What becomes of it.
    way: Way,
    /// Rows are kept: the question was sent with its parameters.
    is_kept: bool,
    /// Of the rows of this answer that are kept.
    bytes: usize,
    /// The answer has ended in an error of ours.
    is_refused: bool,
    /// Whether short notices are let through.
    pub(super) hears_notices: bool,
    /// So many bytes of rows may come; more wait for a turn.
    pub(super) granted: usize,
}

const HEAD: usize = 5;

#[derive(Debug, Default)]
enum Way {
    #[default]
    Pass,
    Drop,
    Cut(Cut),
}

/// An error on its way.
#[derive(Debug, Default)]
struct Cut {
    length: usize,
    /// Whole fields: type, text, zero byte.
    fields: Vec<u8>,
    count: usize,
    /// The field that is coming: type and text.
    field: Vec<u8>,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            known: 0,
            left: 0,
            way: Way::Pass,
            is_kept: false,
            bytes: 0,
            is_refused: false,
            hears_notices: false,
            granted: SMALL,
        }
    }

    /// Follows what has come, and adds to `out` what is let through; how much was followed, which is all of it unless the answer
    /// [waits](Self::waits). An error: a message that cannot be left out or cut.
    pub(super) fn follow(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let mut rest = bytes;
        loop {
            if self.known == HEAD {
                if self.waits() {
                    return Ok(bytes.len() - rest.len());
                }
                self.begin_message(out)?;
            }
            let Some((first, behind)) = rest.split_first() else { return Ok(bytes.len()) };
            if self.left == 0 {
                self.head[self.known] = *first;
                (self.known, rest) = (self.known + 1, behind);
                continue;
            }
            let (some, behind) = rest.split_at(self.left.min(rest.len()));
            (self.left, rest) = (self.left - some.len(), behind);
            match &mut self.way {
                Way::Pass => out.extend_from_slice(some),
                Way::Drop => {}
                Way::Cut(cut) => cut.follow(some),
            }
            self.end_message(out);
        }
    }

    /// Whether a row comes with which the answer has more than is granted.
    pub(super) fn waits(&self) -> bool {
        let (tag, length) = self.told();
        let is_row = self.known == HEAD && tag == b'D' && self.is_kept && !self.is_refused;
        is_row && length <= LONGEST && self.wanted() > self.granted && self.wanted() <= ANSWER
    }

    /// How much the answer has with the row that comes.
    pub(super) fn wanted(&self) -> usize {
        self.bytes.saturating_add(self.told().1)
    }

    /// Ends the answer in an error, at the head of one of its rows.
    pub(super) fn refuse(&mut self, words: &str, hint: &str, out: &mut Vec<u8>) {
        self.is_refused = true;
        out.extend(error(LIMIT_EXCEEDED, words, hint));
    }

    /// Kind and length of the message whose head has come.
    fn told(&self) -> (u8, usize) {
        let [tag, length @ ..] = self.head;
        (tag, usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX))
    }

    fn begin_message(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let (tag, length) = self.told();
        (self.known, self.left) = (0, length.saturating_sub(HEAD - 1));
        self.way = self.way_of(tag, length, out)?;
        if let Way::Pass = self.way {
            out.extend_from_slice(&self.head);
        }
        self.end_message(out);
        Ok(())
    }

    fn way_of(&mut self, tag: u8, length: usize, out: &mut Vec<u8>) -> io::Result<Way> {
        match tag {
            // ReadyForQuery: the answer is over.
            b'Z' => (self.is_kept, self.bytes, self.is_refused) = (false, 0, false),
            // NoticeResponse
            b'N' if self.hears_notices && length <= NOTICE => {}
            // The same, or NotificationResponse
            b'N' | b'A' => return Ok(Way::Drop),
            // ParameterStatus
            b'S' if length > LONG => return Ok(Way::Drop),
            b'S' => {}
            _ if self.is_refused => return Ok(Way::Drop),
            // BindComplete
            b'2' => self.is_kept = true,
            // DataRow
            b'D' if self.is_kept => {
                self.bytes = self.bytes.saturating_add(length);
                if length > LONGEST {
                    self.refuse(
                        &format!("PostgreSQL sends a row of {length} bytes; at most {LONGEST} are read"),
                        HINT,
                        out,
                    );
                } else if self.bytes > ANSWER {
                    self.refuse(
                        &format!("PostgreSQL sends more than {ANSWER} bytes of rows; no more are read"),
                        HINT,
                        out,
                    );
                }
                return Ok(if self.is_refused { Way::Drop } else { Way::Pass });
            }
            b'D' if length > LONG => return Ok(Way::Drop),
            // ErrorResponse
            b'E' if length > LONG => return Ok(Way::Cut(Cut { length, ..Cut::default() })),
            _ => {}
        }
        if length > LONGEST {
            let words = format!("PostgreSQL sends a message of {length} bytes; at most {LONGEST} are read");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        Ok(Way::Pass)
    }

    fn end_message(&mut self, out: &mut Vec<u8>) {
        if self.left == 0
            && let Way::Cut(cut) = std::mem::take(&mut self.way)
        {
            out.extend(cut.end());
        }
    }
}

impl Cut {
    fn follow(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == 0) {
            let (text, ends) = part.strip_suffix(&[0]).map_or((part, false), |text| (text, true));
            // One byte more than is kept tells that it is longer.
            let room = (FIELD + 2).saturating_sub(self.field.len());
            self.field.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.end_field();
            }
        }
    }

    fn end_field(&mut self) {
        let mut field = std::mem::take(&mut self.field);
        // The last one is empty.
        if field.is_empty() || self.count == FIELDS {
            return;
        }
        if field.len() > FIELD + 1 {
            field.truncate(FIELD + 1);
            // Not within a character.
            if let Err(error) = std::str::from_utf8(&field)
                && error.error_len().is_none()
            {
                field.truncate(error.valid_up_to());
            }
            field.extend_from_slice(self.words().as_bytes());
        }
        field.push(0);
        self.fields.extend(field);
        self.count += 1;
    }

    fn words(&self) -> String {
        format!("… (cut here: PostgreSQL sends an error of {} bytes, and {FIELD} are read of each part)", self.length)
    }

    fn end(self) -> Vec<u8> {
        message(b'E', &[&self.fields, &[0]])
    }
}

/// An ErrorResponse (manual, "Error and Notice Message Fields").
fn error(code: &str, words: &str, hint: &str) -> Vec<u8> {
    let fields = [("S", "ERROR"), ("V", "ERROR"), ("C", code), ("M", words), ("H", hint)];
    let parts: Vec<String> = fields.iter().map(|(kind, text)| format!("{kind}{text}\0")).collect();
    message(b'E', &[parts.concat().as_bytes(), &[0]])
}

fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + HEAD - 1).unwrap_or(u32::MAX);
    [&[tag], &length.to_be_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests;
