//! What one attempt is, and how what came of it is judged.

/// A statement that a platform's code tries, and what must come of it.
///
/// In the text, `{b}` is the other platform's database, `{other}` its role, `{gateway}` the gateway's role, `{me}` the
/// attacker's own role, `{secret}` what nobody may read; all as they stand between quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) must: Must,
}

/// What has to come of it. In every case the walls stand afterwards, which `Walls::assert_standing` looks at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Must {
    /// PostgreSQL says that this is not allowed: 42501.
    BeDenied,
    /// It fails with one of these codes, and with no other.
    FailAs(&'static [&'static str]),
    /// It may work; nobody else notices.
    Matter,
}

/// Denied by PostgreSQL.
pub(super) const fn denied(name: &'static str, sql: &'static str) -> Attempt {
    Attempt { name, sql, must: Must::BeDenied }
}

/// Fails for another reason than a privilege that is missing.
pub(super) const fn fails(name: &'static str, sql: &'static str, codes: &'static [&'static str]) -> Attempt {
    Attempt { name, sql, must: Must::FailAs(codes) }
}

/// May work, and matters to nobody but the one who does it.
pub(super) const fn harmless(name: &'static str, sql: &'static str) -> Attempt {
    Attempt { name, sql, must: Must::Matter }
}

impl Attempt {
    /// Why what came of it is wrong; `sqlstate` is "00000" where it worked.
    pub(super) fn judge(&self, way: &str, sqlstate: &str) -> Option<String> {
        let right = match self.must {
            Must::BeDenied => sqlstate == "42501",
            Must::FailAs(codes) => codes.contains(&sqlstate),
            // A statement that is never right proves nothing.
            Must::Matter => !["42601", "42P01", "42883", "42703"].contains(&sqlstate),
        };
        (!right).then(|| format!("{} ({way}): {sqlstate}, must be {:?}: {}", self.name, self.must, self.sql))
    }
}
