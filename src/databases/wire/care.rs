//! What a call may do, and what is done behind it. No I/O.

/// When the transaction of a call ends: what cleans the session comes after that, before that, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Before the session is cleaned: for what may write. Deferred constraints and triggers, which run when it ends, see
    /// the settings of the call, and what they set is taken back too.
    First,
    /// After: one transaction and one answer less, for what leaves settings, advisory locks and a seed at most. If it did
    /// write, the session tells, and everything is taken back after the transaction.
    Last,
    /// With nothing behind it, for what leaves the session as it was.
    Alone,
    /// With nothing behind it, for what may leave what nothing takes back: the session is closed.
    Never,
}

/// What a call may do to its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// What its role may.
    Writes,
    /// Its transaction is read-only: PostgreSQL refuses what writes.
    Reads,
}

/// What is done behind a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Care {
    /// When its transaction ends.
    pub commit: Commit,
    /// Whether it may have changed the session's prepared statements.
    pub statements: bool,
    /// If something is left out because of what is known of the function: a number that tells one state of that knowledge
    /// from another, the caller's business.
    pub known: Option<u64>,
}

impl Care {
    /// Behind a function of which nothing is known.
    pub const UNKNOWN: Self = Self { commit: Commit::First, statements: true, known: None };
}
