//! What a bundle will take of memory, told from its bytes alone, before any of them is kept: an upper bound.
//!
//! The bound rests on what PostgreSQL's grammar makes of each kind of token, measured for the dearest text of each kind
//! (`scripts/bench.sh uploads` measures the whole gateway with such texts). Statements are parsed one after another, so
//! of the trees only the largest counts; what stays of each until the deployment ends is counted for all.

use super::lexer::{Class, Event, Head, Lexer, is_operator};

/// What the bytes of one statement amount to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    bytes: usize,
    words: usize,
    constants: usize,
    operators: usize,
    openings: usize,
    punctuation: usize,
    in_strings: usize,
    /// Opening parentheses in strings: what a body may call.
    calls: usize,
}

/// Bytes that a token's part of a tree takes while its statement is read: PostgreSQL's tree, its serialized form, ours.
const WORD: usize = 9_000;
const CONSTANT: usize = 2_000;
const OPERATOR: usize = 5_000;
const OPENING: usize = 1_600;
const PUNCTUATION: usize = 400;

/// What a mention of an object takes until the deployment ends, in the order's graph too.
const MENTION: usize = 360;

/// A statement with what is known of it: its name, its checksum, its place in the order, its row in the records.
const STATEMENT: usize = 1_300;

/// A word of a statement whose tree is kept, or of a table, which the catalog will have a column of.
const KEPT_WORD: usize = 2_200;
const DECLARED_WORD: usize = 700;

/// A value of a seeder's row, while such rows are looked for in a database.
const CONDITION: usize = 240;

/// What goes with the smallest bundle.
const LEAST: usize = 1024 * 1024;

/// PostgreSQL's scanner reads a row of signs to its end at each `/*` or sign in it, so a row costs the square of its length: so
/// many steps it may take in all, which is about a second. Rows that nobody draws below a heading do not count.
const STEPS: u64 = 1_000_000_000;
const DRAWN: u64 = 256;

/// Whether PostgreSQL's scanner gets through the text in its time: what comes from a database has gone through no [`Meter`].
pub(crate) fn is_scanned_in_time(text: &str) -> bool {
    let rows = text.as_bytes().chunk_by(|one, other| is_operator(*one) == is_operator(*other));
    let signs = rows.filter(|row| row.first().is_some_and(|byte| is_operator(*byte))).map(|row| row.len() as u64);
    signs.filter(|row| *row > DRAWN).fold(0_u64, |steps, row| steps.saturating_add(row.saturating_mul(row))) <= STEPS
}

/// The stack of a deep statement, and of its walk.
const DEEP: usize = 16 << 20;

impl Tally {
    fn tokens(&self) -> usize {
        self.words + self.constants + self.operators + self.openings + self.punctuation
    }

    /// While it is read.
    fn peak(&self, head: Head) -> usize {
        let tree = self.words * WORD
            + self.constants * CONSTANT
            + self.operators * OPERATOR
            + self.openings * OPENING
            + self.punctuation * PUNCTUATION;
        // A body is scanned: two lists of its tokens, each at least a byte long, and the names that it calls.
        let body = if head == Head::Routine { self.in_strings * 48 + self.calls * 2 * MENTION } else { 0 };
        // The walk's stack follows the depth, which the number of tokens bounds.
        let stack = (self.tokens() * 4_096).min(DEEP);
        tree + body + stack + 8 * self.bytes
    }

    /// Until the deployment ends.
    fn kept(&self, head: Head) -> usize {
        let mentions = (self.words + self.operators) * MENTION;
        let tree = match head {
            // Rows that are looked for.
            Head::Rows => self.constants * CONDITION,
            // A circle of tables is cut into more statements.
            Head::Definition => STATEMENT + self.words * DECLARED_WORD,
            Head::Routine => self.words * KEPT_WORD + self.calls * MENTION + self.in_strings,
            Head::Other => self.words * KEPT_WORD + (self.constants + self.operators) * CONSTANT,
        };
        STATEMENT + mentions + tree
    }
}

/// What a bundle's SQL may amount to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `MAX_SQL_BYTES`
    pub max_bytes: usize,
    /// `MAX_STATEMENTS`
    pub max_statements: usize,
}

/// Where a bundle goes over one of its [`Limits`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverLimit {
    /// All files together.
    #[error("the SQL files have more than {limit} bytes together (MAX_SQL_BYTES); {file} is the first one over it")]
    Bytes {
        /// The file.
        file: String,
        /// `MAX_SQL_BYTES`
        limit: usize,
    },
    /// Somewhere, also in a comment or a text.
    #[error(
        "{file}, line {line}: too many signs (`/*`, `+`, …) stand in rows without anything between them, {signs} in this one; break them up"
    )]
    Signs {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// How many stand in the row.
        signs: u64,
    },
    /// All files together.
    #[error(
        "the SQL files have more than {limit} statements together (MAX_STATEMENTS); the first one over it is in {file}, line {line}"
    )]
    Statements {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// `MAX_STATEMENTS`
        limit: usize,
    },
}

impl OverLimit {
    /// File and line.
    pub fn place(&self) -> (&str, Option<usize>) {
        match self {
            Self::Bytes { file, .. } => (file, None),
            Self::Signs { file, line, .. } | Self::Statements { file, line, .. } => (file, Some(*line)),
        }
    }
}

/// Reads the texts of a bundle.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    lexer: Lexer,
    at: Tally,
    line: usize,
    /// Where the statement at hand began.
    started: usize,
    file_bytes: usize,
    /// How many signs stand in the row at hand.
    row: u64,
    /// The steps of the rows before it.
    steps: u64,
    measured: Measured,
}

/// What a bundle, or a part of one, amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Of all SQL files.
    pub sql_bytes: usize,
    /// As far as the text tells.
    pub statements: usize,
    /// Bytes of memory until the deployment ends, texts included.
    kept: usize,
    /// Bytes of memory while the dearest statement is read.
    peak: usize,
    /// That statement's file and line.
    pub dearest: Option<(String, usize)>,
    /// The largest piece of text that is sent to PostgreSQL at once.
    longest: usize,
}

impl Measured {
    /// What has to be free before the bundle is unpacked, in bytes.
    pub fn memory_bytes(&self) -> usize {
        // PostgreSQL's connection copies what it sends.
        LEAST + self.kept + self.peak + 4 * self.longest
    }
}

impl Meter {
    /// Before the first file.
    pub fn new(limits: Limits) -> Self {
        let (lexer, at, measured) = Default::default();
        Self { limits, lexer, at, line: 1, started: 1, file_bytes: 0, row: 0, steps: 0, measured }
    }

    /// Another file begins, which has so many bytes.
    pub fn begin_file(&mut self, path: &str, bytes: usize) -> Result<(), OverLimit> {
        if self.measured.sql_bytes.saturating_add(bytes) > self.limits.max_bytes {
            return Err(OverLimit::Bytes { file: path.to_owned(), limit: self.limits.max_bytes });
        }
        self.lexer = Lexer::default();
        self.at = Tally::default();
        self.line = 1;
        self.started = 1;
        self.file_bytes = 0;
        self.row = 0;
        Ok(())
    }

    /// More of the file.
    pub fn feed(&mut self, path: &str, bytes: &[u8]) -> Result<(), OverLimit> {
        self.measured.sql_bytes += bytes.len();
        self.file_bytes += bytes.len();
        for byte in bytes {
            self.at.bytes += 1;
            self.sign(path, *byte)?;
            let event = self.lexer.feed(*byte);
            match event {
                Some(Event::Token(class)) => self.token(class),
                Some(Event::Inside(byte)) => {
                    self.at.in_strings += 1;
                    self.at.calls += usize::from(byte == b'(');
                }
                Some(Event::End(head)) => self.end_statement(path, head)?,
                None => {}
            }
            self.line += usize::from(*byte == b'\n');
        }
        Ok(())
    }

    fn sign(&mut self, path: &str, byte: u8) -> Result<(), OverLimit> {
        let steps = if self.row > DRAWN { self.row.saturating_mul(self.row) } else { 0 };
        if is_operator(byte) {
            self.row += 1;
            if self.steps.saturating_add(steps) > STEPS {
                return Err(OverLimit::Signs { file: path.to_owned(), line: self.line, signs: self.row });
            }
        } else if self.row > 0 {
            self.steps = self.steps.saturating_add(steps);
            self.row = 0;
        }
        Ok(())
    }

    /// The file ends.
    pub fn end_file(&mut self, path: &str) -> Result<(), OverLimit> {
        self.end_statement(path, self.lexer.head())?;
        // The allocator's size classes waste an eighth; a file has a name on the disk, in the bundle and in errors.
        self.measured.kept += self.file_bytes + self.file_bytes / 8 + 512 + 4 * path.len();
        Ok(())
    }

    /// What it comes to as far as it was read.
    #[cfg(test)]
    pub(crate) fn so_far(&self) -> &Measured {
        &self.measured
    }

    /// What it came to.
    pub fn finish(self) -> Measured {
        self.measured
    }

    fn token(&mut self, class: Class) {
        if self.at.tokens() == 0 {
            self.started = self.line;
        }
        *match class {
            Class::Word => &mut self.at.words,
            Class::Constant => &mut self.at.constants,
            Class::Operator => &mut self.at.operators,
            Class::Opening => &mut self.at.openings,
            Class::Punctuation => &mut self.at.punctuation,
        } += 1;
    }

    fn end_statement(&mut self, path: &str, head: Head) -> Result<(), OverLimit> {
        let at = std::mem::take(&mut self.at);
        let peak = at.peak(head);
        if peak > self.measured.peak {
            self.measured.peak = peak;
            self.measured.dearest = Some((path.to_owned(), self.started));
        }
        self.measured.longest = self.measured.longest.max(at.bytes);
        if at.tokens() > 0 {
            self.measured.statements += 1;
            self.measured.kept += at.kept(head) + 2 * path.len();
            let limit = self.limits.max_statements;
            if self.measured.statements > limit {
                return Err(OverLimit::Statements { file: path.to_owned(), line: self.started, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_scanned_in_time;

    #[test]
    fn a_text_is_as_long_to_scan_as_the_squares_of_its_rows_of_signs() {
        for (text, expected) in [
            ("/*".repeat(15_000), true),
            ("/*".repeat(16_000), false),
            (format!("SELECT 1; {} {}", "/*".repeat(12_000), "*/".repeat(12_000)), false),
            ("-- ".to_owned() + &"=".repeat(250) + "\n", true),
            (("-- ".to_owned() + &"=".repeat(250) + "\n").repeat(100_000), true),
            (String::new(), true),
        ] {
            assert_eq!(is_scanned_in_time(&text), expected, "{}", text.len());
        }
    }
}
