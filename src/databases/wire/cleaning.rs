//! What takes back what a call may have done to its session, and how that is told to be enough. No I/O.
//!
//! | what a call may leave                                    | what takes it back                                       |
//! | -------------------------------------------------------- | -------------------------------------------------------- |
//! | settings, the values of custom ones too                  | `RESET ALL`                                              |
//! | session-level advisory locks, the seed of `random()`     | [`LOOK`] gives them back, and sows anew                  |
//! | role, session authorization                              | [`LOOK`] tells, then [`EVERYTHING`]                      |
//! | temporary tables, functions, types                       | `DISCARD TEMP`                                           |
//! | cursors `WITH HOLD`                                      | `CLOSE ALL`                                              |
//! | `LISTEN`                                                 | `UNLISTEN *`                                             |
//! | what `currval` and `lastval` answer                      | `DISCARD SEQUENCES`                                      |
//! | prepared statements, made or taken away                  | [`CHECK`] tells, then the session is closed              |
//! | what extensions and other languages keep (dblink, plperl) | nothing: the session is closed, see [`super::Commit`]    |
//! | an open transaction                                      | ReadyForQuery tells, then the session is closed          |
//! | large objects' descriptors, exported snapshots, `SET LOCAL`, `SET CONSTRAINTS`, transaction-level locks | the end of its transaction |
//!
//! The statements' names cannot be guessed, but a session can read them. So behind a function that may exchange them, [`CHECK`]
//! tells; who may is told by `call/tidy`.

use std::sync::LazyLock;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::script::{ONE_ROW, Step};
use super::{BINARY, TEXT, extensions};

/// Tells what a session has become, gives its advisory locks back and sows `random()` anew. It is to give the answer that a new
/// session gives: another one means that there is more to take back, see [`EVERYTHING`].
///
/// These are the cheap signs of what is dear to take back: another role (`SET SESSION AUTHORIZATION DEFAULT`), and, where
/// it is asked inside the call's own transaction, that it wrote something, be it a temporary table in the catalog.
///
/// The first parameter is the mark: nobody else knows it, so whatever answers with it answers to this very question.
const LOOK: &str = "SELECT $1::pg_catalog.int8, pg_catalog.setseed($2::pg_catalog.float8), \
                    pg_catalog.pg_advisory_unlock_all(), session_user, current_user, \
                    pg_catalog.pg_current_xact_id_if_assigned() IS NULL";

/// Returns to the settings that the connection started with; leaves the role.
const RESET: Utility = Utility { sql: "RESET ALL", tag: "RESET" };

/// What outlives a transaction and is made by utility statements, and by `nextval`. PostgreSQL refuses such statements in a
/// function that is declared to have no effect ("is not allowed in a non-volatile function"), though not in a volatile one
/// that it calls.
const REST: [Utility; 4] = [
    Utility { sql: "DISCARD TEMP", tag: "DISCARD TEMP" },
    Utility { sql: "CLOSE ALL", tag: "CLOSE CURSOR ALL" },
    Utility { sql: "UNLISTEN *", tag: "UNLISTEN" },
    Utility { sql: "DISCARD SEQUENCES", tag: "DISCARD SEQUENCES" },
];

/// Statements that are prepared in each session: [`RESET`], [`REST`] and [`LOOK`], in this order.
const PREPARED: usize = REST.len() + 2;

/// The number of [`KEEPS`], and the first of the calls' statements.
const NUMBER_OF_KEEPS: usize = PREPARED;
pub(super) const FIRST_NUMBER: u64 = NUMBER_OF_KEEPS as u64 + 1;

/// How many of the session's statements there are, and how many of them were made by SQL's PREPARE. It is not prepared itself:
/// what is prepared may have been exchanged.
const CHECK: &str = "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE from_sql) \
                     FROM pg_catalog.pg_prepared_statements";

/// Whether the database has what may keep something in a session that nothing takes back: an extension of which nothing is
/// known, another language, or a function in C that is of no extension. Names and operators are those of `pg_catalog`, whatever
/// the search path has become.
static KEEPS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension \
                        WHERE extname OPERATOR(pg_catalog.<>) ALL ('{}'::pg_catalog.name[])) \
             OR EXISTS (SELECT FROM pg_catalog.pg_language \
                        WHERE lanname OPERATOR(pg_catalog.<>) ALL ('{{internal,c,sql,plpgsql}}'::pg_catalog.name[])) \
             OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p \
                        WHERE p.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
                          AND p.prolang OPERATOR(pg_catalog.<=) 13::pg_catalog.oid \
                          AND p.prokind OPERATOR(pg_catalog.<>) 'a'::pg_catalog.\"char\" \
                          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
                                          WHERE d.classid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid \
                                            AND d.objid OPERATOR(pg_catalog.=) p.oid \
                                            AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog.\"char\"))",
        extensions::plain()
    )
});

/// What takes back everything that can be. `DISCARD ALL` would, too, but throws the prepared statements of the calls away.
const EVERYTHING: [Utility; 6] = [
    Utility { sql: "SET SESSION AUTHORIZATION DEFAULT", tag: "SET" },
    RESET,
    Utility { sql: "CLOSE ALL", tag: "CLOSE CURSOR ALL" },
    Utility { sql: "UNLISTEN *", tag: "UNLISTEN" },
    Utility { sql: "DISCARD TEMP", tag: "DISCARD TEMP" },
    Utility { sql: "DISCARD SEQUENCES", tag: "DISCARD SEQUENCES" },
];

/// A statement that answers with nothing but its tag.
struct Utility {
    sql: &'static str,
    tag: &'static str,
}

/// What can be done behind a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Behind a function that may do anything.
    Anything,
    /// Behind one that leaves nothing but settings, advisory locks and a seed.
    Reader,
}

/// The messages for one session, which differ in its statements' names.
#[derive(Debug)]
pub(super) struct Cleaning {
    /// What all names begin with.
    prefix: String,
    anything: Vec<u8>,
    reader: Vec<u8>,
    look: Vec<u8>,
    /// Whether [`KEEPS`] was prepared, which most sessions can do without.
    asks: bool,
}

/// What the parameters of [`LOOK`] are written over: it is found once in each message.
const MARK_PLACE: [u8; 8] = *b"\xF3mark\xF4\xF5\xF6";
const SEED_PLACE: [u8; 8] = *b"\xF3seed\xF4\xF5\xF6";

/// From the end of the messages to the mark, and to the seed: [`LOOK`] is the last of them. What follows are the formats of
/// its columns and Execute.
const MARK_FROM_END: usize = 8 + SEED_FROM_END + 4;
const SEED_FROM_END: usize = 8 + 4 + 10;

impl Cleaning {
    /// For a session whose names begin with `prefix`.
    pub(super) fn new(prefix: String) -> Self {
        let utilities = |utilities: &[usize]| {
            let mut out = BytesMut::new();
            for number in utilities {
                bind_nothing(&format!("{prefix}{number}"), TEXT, &mut out);
            }
            bind_look(&format!("{prefix}{}", PREPARED - 1), &mut out);
            let messages = out.to_vec();
            debug_assert!(messages[messages.len() - MARK_FROM_END..].starts_with(&MARK_PLACE));
            debug_assert!(messages[messages.len() - SEED_FROM_END..].starts_with(&SEED_PLACE));
            messages
        };
        Self {
            anything: utilities(&[0, 1, 2, 3, 4]),
            reader: utilities(&[0]),
            look: utilities(&[]),
            prefix,
            asks: false,
        }
    }

    /// How many statements of the gateway's own are prepared.
    pub(super) fn prepared(&self) -> usize {
        PREPARED + usize::from(self.asks)
    }

    /// The name of the statement with this number, which is [`FIRST_NUMBER`] at least.
    pub(super) fn name(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The messages that prepare the statements; without a Sync.
    pub(super) fn prepare(&self, out: &mut BytesMut, steps: &mut Vec<Step>) {
        for (number, sql) in std::iter::once(&RESET).chain(&REST).map(|rest| rest.sql).chain([LOOK]).enumerate() {
            frontend::parse(&format!("{}{number}", self.prefix), sql, [], out).expect("constant texts without NUL");
            steps.push(Step::Parsed);
        }
    }

    /// The messages that clean; without a Sync. The session is to answer with the mark.
    pub(super) fn queue(&self, extent: Extent, mark: Mark, out: &mut BytesMut) -> &'static [Step] {
        let (messages, steps) = match extent {
            Extent::Anything => (&self.anything, &BEHIND_ANYTHING[..]),
            Extent::Reader => (&self.reader, &BEHIND_A_READER[..]),
        };
        put(messages, mark, out);
        steps
    }

    /// The messages that take back everything that can be and look what has come of it, with their own Sync.
    pub(super) fn everything(&mut self, mark: Mark, out: &mut BytesMut, steps: &mut Vec<Step>) {
        let texts: Vec<_> = EVERYTHING.iter().map(|utility| utility.sql).collect();
        frontend::query(&texts.join(";"), out).expect("constant texts without NUL");
        steps.extend(EVERYTHING.iter().map(|utility| Step::Done(utility.tag)));
        steps.push(Step::Ready);
        steps.extend_from_slice(self.ask_what_keeps(out));
        steps.extend_from_slice(check(out));
        put(&self.look, mark, out);
        steps.extend_from_slice(&BEHIND_A_READER[2..]);
        frontend::sync(out);
        steps.push(Step::Ready);
    }

    /// The messages that ask what the database has, see [`KEEPS`]; without a Sync. The answer counts if that of [`check`], behind it, says
    /// that nothing was exchanged.
    pub(super) fn ask_what_keeps(&mut self, out: &mut BytesMut) -> &'static [Step] {
        const STEPS: [Step; 4] = [Step::Parsed, Step::Bound, Step::Keeps, Step::Done(ONE_ROW)];
        let name = format!("{}{NUMBER_OF_KEEPS}", self.prefix);
        let first = !std::mem::replace(&mut self.asks, true);
        if first {
            frontend::parse(&name, &KEEPS, [], out).expect("constant texts without NUL");
        }
        bind_nothing(&name, BINARY, out);
        if first { &STEPS } else { &STEPS[1..] }
    }
}

/// The messages that ask about the session's statements; without a Sync.
pub(super) fn check(out: &mut BytesMut) -> &'static [Step] {
    frontend::parse("", CHECK, [], out).expect("constant texts without NUL");
    bind_nothing("", BINARY, out);
    &[Step::Parsed, Step::Bound, Step::Check, Step::Done(ONE_ROW)]
}

/// The answer to the messages of [`Extent::Anything`], without ReadyForQuery.
const BEHIND_ANYTHING: [Step; 13] = [
    Step::Bound,
    Step::Done(RESET.tag),
    Step::Bound,
    Step::Done(REST[0].tag),
    Step::Bound,
    Step::Done(REST[1].tag),
    Step::Bound,
    Step::Done(REST[2].tag),
    Step::Bound,
    Step::Done(REST[3].tag),
    Step::Bound,
    Step::Look,
    Step::Done(ONE_ROW),
];

/// The answer to the messages of [`Extent::Reader`], without ReadyForQuery.
const BEHIND_A_READER: [Step; 5] = [Step::Bound, Step::Done(RESET.tag), Step::Bound, Step::Look, Step::Done(ONE_ROW)];

/// What a cleaning sends with its question: what the answer is known by, and where `random()` begins anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) mark: [u8; 8],
    seed: f64,
}

impl Mark {
    /// One that nobody can guess.
    pub(super) fn new() -> Self {
        let random: [u64; 2] = rand::random();
        // 53 bits are what the fraction of a double holds.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (random[1] >> 11) as f64 / (1_u64 << 53) as f64;
        Self { mark: random[0].to_be_bytes(), seed: share.mul_add(2.0, -1.0) }
    }
}

fn put(messages: &[u8], mark: Mark, out: &mut BytesMut) {
    out.extend_from_slice(messages);
    for (from_end, bytes) in [(MARK_FROM_END, mark.mark), (SEED_FROM_END, mark.seed.to_be_bytes())] {
        let place = out.len() - from_end;
        out[place..place + bytes.len()].copy_from_slice(&bytes);
    }
}

/// Runs a statement that takes nothing.
pub(super) fn bind_nothing(name: &str, format: i16, out: &mut BytesMut) {
    let none = std::iter::empty::<()>();
    let bound = frontend::bind("", name, [], none, |(), _| Ok(IsNull::Yes), [format], out);
    assert!(bound.is_ok(), "a name without NUL");
    frontend::execute("", 0, out).expect("a portal without a name");
}

fn bind_look(name: &str, out: &mut BytesMut) {
    let write = |value: [u8; 8], out: &mut BytesMut| {
        out.extend_from_slice(&value);
        Ok(IsNull::No)
    };
    let bound = frontend::bind("", name, [BINARY], [MARK_PLACE, SEED_PLACE], write, [BINARY], out);
    assert!(bound.is_ok(), "a name without NUL");
    frontend::execute("", 0, out).expect("a portal without a name");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_and_seed_are_written_where_the_question_has_them() {
        let cleaning = Cleaning::new("prefix".to_owned());
        for extent in [Extent::Anything, Extent::Reader] {
            let mut out = BytesMut::from(&b"what came before"[..]);
            let mark = Mark { mark: *b"-MARKED-", seed: -0.5 };
            cleaning.queue(extent, mark, &mut out);
            let text = out.to_vec();
            let found = |bytes: &[u8]| text.windows(8).filter(|window| *window == bytes).count();
            assert_eq!((found(b"-MARKED-"), found(&(-0.5_f64).to_be_bytes())), (1, 1), "{extent:?}");
            assert_eq!((found(&MARK_PLACE), found(&SEED_PLACE)), (0, 0), "{extent:?}");
        }
    }

    #[test]
    fn seeds_are_what_setseed_takes() {
        for _ in 0..1000 {
            assert!((-1.0..=1.0).contains(&Mark::new().seed));
        }
    }
}
