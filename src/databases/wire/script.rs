//! What the server still has to answer, message by message. No I/O.
//!
//! Each flight of messages has exactly one answer: its steps in this order, where an error goes on at the next ReadyForQuery.
//! An answer that has one message more or less, or another one, belongs to something else that somebody asked: then nothing
//! on this connection can be believed any more.

use super::line::Event;

/// One message of an answer, or the rows of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// CloseComplete
    Closed,
    /// ParseComplete
    Parsed,
    /// ParameterDescription
    Parameters,
    /// RowDescription or NoData
    Columns,
    /// BindComplete
    Bound,
    /// BindComplete of what is asked in front of a call.
    BoundBefore,
    /// The rows of a call, and the CommandComplete that tells how many there were.
    Rows,
    /// The only row of a question.
    Row,
    /// The row that tells what a session has become, with the mark.
    Look,
    /// The row that tells of prepared statements.
    Check,
    /// The row that tells whether the database has what may keep something.
    Keeps,
    /// CommandComplete with this tag.
    Done(&'static str),
    /// ReadyForQuery, outside of transactions.
    Ready,
}

/// The tag of a query with one row.
pub(super) const ONE_ROW: &str = "SELECT 1";

/// The steps of what is on its way.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: Vec<Step>,
    at: usize,
    /// Of the call.
    rows: u64,
}

impl Script {
    /// Begins anew with these steps.
    pub(super) fn begin(&mut self, steps: &[Step]) {
        self.steps.clear();
        (self.at, self.rows) = (0, 0);
        self.steps.extend_from_slice(steps);
    }

    /// More of them.
    pub(super) fn then(&mut self, steps: &[Step]) {
        self.steps.extend_from_slice(steps);
    }

    /// Whether such a step was answered.
    pub(super) fn has_passed(&self, step: Step) -> bool {
        self.steps.iter().take(self.at).any(|passed| *passed == step)
    }

    /// Whether everything was answered.
    pub(super) fn is_over(&self) -> bool {
        self.at >= self.steps.len()
    }

    /// What the event is in the answer; `body` is that of its message. `None`: nothing that belongs there.
    pub(super) fn accept(&mut self, event: &Event, body: &[u8]) -> Option<Step> {
        if let Event::Failed(_) = event {
            let ready = self.steps.iter().skip(self.at).position(|step| *step == Step::Ready)?;
            self.at += ready;
            return Some(Step::Ready);
        }
        let step = *self.steps.get(self.at)?;
        let (fits, last) = match (step, event) {
            (Step::Rows, Event::Row) => {
                self.rows += 1;
                (true, false)
            }
            (Step::Rows, Event::Done) => (counts(tag(body), self.rows), true),
            (Step::Done(expected), Event::Done) => (tag(body) == expected.as_bytes(), true),
            (Step::Ready, Event::Ready) => (body == b"I", true),
            (Step::Closed, Event::Closed)
            | (Step::Parsed, Event::Parsed)
            | (Step::Parameters, Event::Parameters)
            | (Step::Columns, Event::Described(_))
            | (Step::Bound | Step::BoundBefore, Event::Bound)
            | (Step::Row | Step::Look | Step::Check | Step::Keeps, Event::Row) => (true, true),
            _ => (false, false),
        };
        self.at += usize::from(last);
        fits.then_some(step)
    }
}

/// Without the NUL that ends it.
fn tag(body: &[u8]) -> &[u8] {
    body.strip_suffix(&[0]).unwrap_or(body)
}

/// Whether a call that ends like this had so many rows.
fn counts(tag: &[u8], rows: u64) -> bool {
    match tag.strip_prefix(b"SELECT ") {
        Some(digits) => std::str::from_utf8(digits).is_ok_and(|digits| digits.parse() == Ok(rows)),
        None => tag == b"CALL" && rows <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: [Step; 6] = [Step::Bound, Step::Rows, Step::Bound, Step::Look, Step::Done(ONE_ROW), Step::Ready];

    /// The events by the letters of their messages; a row count or a tag goes with `C`.
    fn plays(steps: &[Step], events: &[(char, &str)]) -> bool {
        let mut script = Script::default();
        script.begin(steps);
        let fits = events.iter().all(|(letter, body)| {
            let event = match letter {
                '1' => Event::Parsed,
                '2' => Event::Bound,
                '3' => Event::Closed,
                't' => Event::Parameters,
                'T' => Event::Described(Vec::new()),
                'D' => Event::Row,
                'C' => Event::Done,
                'E' => Event::Failed(Box::default()),
                'Z' => Event::Ready,
                other => panic!("{other}"),
            };
            let body = if *letter == 'C' { format!("{body}\0") } else { (*body).to_owned() };
            script.accept(&event, body.as_bytes()).is_some()
        });
        fits && script.is_over()
    }

    #[test]
    fn only_the_whole_answer_of_the_flight_is_one() {
        let whole =
            [('2', ""), ('D', ""), ('D', ""), ('C', "SELECT 2"), ('2', ""), ('D', ""), ('C', "SELECT 1"), ('Z', "I")];
        assert!(plays(&CALL, &whole));
        for at in 0..whole.len() {
            let mut less = whole.to_vec();
            less.remove(at);
            assert!(!plays(&CALL, &less), "without message {at}");
            for surplus in [('Z', "I"), ('C', "SELECT 1"), ('C', "SELECT 0"), ('2', ""), ('1', ""), ('D', "")] {
                let mut more = whole.to_vec();
                more.insert(at, surplus);
                assert!(!plays(&CALL, &more), "{surplus:?} before message {at}");
            }
        }
    }

    #[test]
    fn an_error_goes_on_at_the_next_ready_for_query() {
        let steps = [&CALL[..2], &[Step::Ready], &CALL[2..]].concat();
        let rest = [('Z', "I"), ('2', ""), ('D', ""), ('C', "SELECT 1"), ('Z', "I")];
        for before in [&[][..], &[('2', "")], &[('2', ""), ('D', "")], &[('2', ""), ('C', "SELECT 0")]] {
            assert!(plays(&steps, &[before, &[('E', "")], &rest].concat()), "{before:?}");
            assert!(!plays(&steps, &[before, &[('E', ""), ('C', "SELECT 0")], &rest].concat()), "{before:?}");
        }
    }

    #[test]
    fn a_session_is_ready_outside_of_transactions_only() {
        for (status, fits) in [("I", true), ("T", false), ("E", false), ("", false), ("II", false)] {
            assert_eq!(plays(&[Step::Ready], &[('Z', status)]), fits, "{status}");
        }
    }

    #[test]
    fn the_end_of_a_call_tells_its_rows() {
        for (tag, rows, fits) in [
            ("SELECT 0", 0, true),
            ("SELECT 3", 3, true),
            ("SELECT 1", 0, false),
            ("SELECT ", 0, false),
            ("CALL", 1, true),
            ("CALL", 2, false),
            ("RESET", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(counts(tag.as_bytes(), rows), fits, "{tag} {rows}");
        }
    }
}
