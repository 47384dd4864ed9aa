//! Where the statements of a text end and how many tokens each has, byte by byte, in a few bytes of memory.
//!
//! PostgreSQL's own scanner and grammar decide what a statement is ([`super::sql`]); they need a thousand times the
//! memory of the text for that, so this goes first, while an archive is being unpacked: what a bundle will cost is known
//! before any of it is kept. It follows the scanner's rules for what can hide a semicolon (strings, quoted names, dollar
//! quotes, comments) and psql's for `BEGIN ATOMIC`. Where it errs, the grammar gets a piece that is too long or too
//! short, and says so; nothing is taken for a statement on its word.

#[cfg(test)]
mod tests;

/// Reads a text byte by byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexer {
    state: State,
    words: Words,
    parens: usize,
    /// An `E''` string that the next one, behind a line break, goes on with its escapes.
    continued: Option<Continued>,
}

/// What a byte ended or began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A token began.
    Token(Class),
    /// One more byte of a string, a dollar quote or a quoted name.
    Inside(u8),
    /// The semicolon that ends a statement, which began so.
    End(Head),
}

/// How a statement begins, as far as it tells what of its tree is kept ([`super::sql`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Head {
    /// `SELECT`, `INSERT`, `COMMENT`, `GRANT` and the like.
    Rows,
    /// `CREATE TABLE`, `VIEW`, `INDEX`, `TRIGGER`, `POLICY`, `RULE`.
    Definition,
    /// `CREATE FUNCTION`, `PROCEDURE`.
    Routine,
    /// Anything else.
    #[default]
    Other,
}

/// Tokens by what the grammar makes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A name or a keyword.
    Word,
    /// A number, a parameter or a string.
    Constant,
    /// `+`, `::` and the like.
    Operator,
    /// `(` and `[`.
    Opening,
    /// `)`, `]`, `,`, `;` and `.`.
    Punctuation,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Between,
    Word,
    Number,
    /// What came last: two of them may begin a comment.
    Operator(u8),
    Quoted {
        escapes: bool,
        after_backslash: bool,
    },
    /// Behind the quote that ends a string, or is doubled in it.
    Unquoted {
        escapes: bool,
    },
    Name,
    DollarTag(Vec<u8>),
    DollarBody {
        tag: Vec<u8>,
        matched: usize,
    },
    LineComment,
    BlockComment {
        depth: usize,
        last: u8,
    },
}

#[derive(Clone, Debug)]
struct Continued {
    after_line_end: bool,
}

/// A dollar quote's tag is a name; longer ones nobody writes, and they would be memory.
const LONGEST_TAG: usize = 256;

impl Lexer {
    /// Takes the next byte.
    pub(super) fn feed(&mut self, byte: u8) -> Option<Event> {
        match &mut self.state {
            State::Between => self.begin(byte),
            State::Word => self.in_word(byte),
            State::Number if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') => None,
            State::Number => self.begin(byte),
            State::Operator(last) => match (*last, byte) {
                (b'-', b'-') => self.enter(State::LineComment),
                (b'/', b'*') => {
                    self.continued = None;
                    self.enter(State::BlockComment { depth: 1, last: 0 })
                }
                _ if is_operator(byte) => {
                    *last = byte;
                    // In a row of signs these may be operators of their own.
                    matches!(byte, b'+' | b'-').then_some(Event::Token(Class::Operator))
                }
                _ => {
                    self.continued = None;
                    self.words.after_begin = false;
                    self.begin(byte)
                }
            },
            State::Quoted { escapes, after_backslash } => {
                let is_end = byte == b'\'' && !*after_backslash;
                *after_backslash = *escapes && byte == b'\\' && !*after_backslash;
                let escapes = *escapes;
                if is_end {
                    self.state = State::Unquoted { escapes };
                }
                Some(Event::Inside(byte))
            }
            State::Unquoted { escapes } => {
                let escapes = *escapes;
                self.behind_quote(escapes, byte)
            }
            State::Name => {
                if byte == b'"' {
                    self.state = State::Between;
                }
                Some(Event::Inside(byte))
            }
            State::DollarTag(_) => self.in_dollar_tag(byte),
            State::DollarBody { tag, matched } => {
                let is_next = tag.get(*matched) == Some(&byte);
                *matched = if is_next { *matched + 1 } else { usize::from(byte == b'$') };
                if *matched == tag.len() {
                    self.state = State::Between;
                }
                Some(Event::Inside(byte))
            }
            State::LineComment => {
                if is_line_end(byte) {
                    self.line_ended();
                    self.state = State::Between;
                }
                None
            }
            State::BlockComment { depth, last } => {
                let (was, now) = (*last, byte);
                (*depth, *last) = match (was, now) {
                    (b'/', b'*') => (*depth + 1, 0),
                    (b'*', b'/') => (*depth - 1, 0),
                    _ => (*depth, now),
                };
                if *depth == 0 {
                    self.state = State::Between;
                }
                None
            }
        }
    }

    /// Whether what comes next belongs to a string, a quoted name, a body or a comment that has begun.
    pub(super) fn is_inside(&self) -> bool {
        matches!(self.state, State::Quoted { .. } | State::Name | State::DollarBody { .. } | State::BlockComment { .. })
    }

    /// Whether nothing is open: a string, a comment, a parenthesis.
    #[cfg(test)]
    pub(super) fn is_between(&self) -> bool {
        !matches!(
            self.state,
            State::Quoted { .. } | State::Name | State::DollarBody { .. } | State::BlockComment { .. }
        ) && self.parens == 0
    }

    /// How the statement at hand begins.
    pub(super) fn head(&self) -> Head {
        self.words.head()
    }

    fn enter(&mut self, state: State) -> Option<Event> {
        self.state = state;
        None
    }

    fn token(&mut self, state: State, class: Class) -> Option<Event> {
        self.state = state;
        self.continued = None;
        self.words.after_begin &= class == Class::Word;
        Some(Event::Token(class))
    }

    /// A byte that does not belong to what came before.
    fn begin(&mut self, byte: u8) -> Option<Event> {
        self.state = State::Between;
        match byte {
            _ if byte.is_ascii_whitespace() || byte == 0x0b => {
                if is_line_end(byte) {
                    self.line_ended();
                }
                None
            }
            b'\'' => {
                let escapes = self.continued.as_ref().is_some_and(|continued| continued.after_line_end);
                self.token(State::Quoted { escapes, after_backslash: false }, Class::Constant)
            }
            b'"' => {
                self.words.other();
                self.token(State::Name, Class::Word)
            }
            b'$' => self.token(State::DollarTag(Vec::new()), Class::Constant),
            b'0'..=b'9' => self.token(State::Number, Class::Constant),
            _ if is_word_start(byte) => {
                self.words.begin(byte);
                self.token(State::Word, Class::Word)
            }
            b'(' | b'[' => {
                self.parens += usize::from(byte == b'(');
                self.token(State::Between, Class::Opening)
            }
            b')' => {
                self.parens = self.parens.saturating_sub(1);
                self.token(State::Between, Class::Punctuation)
            }
            b']' | b',' | b'.' => self.token(State::Between, Class::Punctuation),
            b';' if self.parens == 0 && self.words.bodies == 0 => {
                let head = self.head();
                *self = Self::default();
                Some(Event::End(head))
            }
            b';' => self.token(State::Between, Class::Punctuation),
            b'-' | b'/' => {
                // May begin a comment, which ends no string's going on.
                self.state = State::Operator(byte);
                Some(Event::Token(Class::Operator))
            }
            _ => self.token(State::Operator(byte), Class::Operator),
        }
    }

    fn in_word(&mut self, byte: u8) -> Option<Event> {
        if is_word(byte) {
            self.words.push(byte);
            return None;
        }
        if byte == b'\'' && self.words.is_prefix() {
            let escapes = self.words.current == b"e";
            self.words.drop_prefix();
            return self.enter(State::Quoted { escapes, after_backslash: false });
        }
        if byte == b'&' && self.words.current == b"u" {
            // `U&'…'` and `U&"…"`: the sign belongs to the word, or is an operator.
            return Some(Event::Token(Class::Operator));
        }
        self.words.end(self.parens);
        self.begin(byte)
    }

    fn behind_quote(&mut self, escapes: bool, byte: u8) -> Option<Event> {
        if byte == b'\'' {
            self.state = State::Quoted { escapes, after_backslash: false };
            return Some(Event::Inside(byte));
        }
        let continued = escapes.then_some(Continued { after_line_end: false });
        self.continued = continued;
        self.begin(byte)
    }

    fn in_dollar_tag(&mut self, byte: u8) -> Option<Event> {
        let State::DollarTag(tag) = &mut self.state else { return None };
        match byte {
            b'$' => {
                let mut tag = std::mem::take(tag);
                tag.insert(0, b'$');
                tag.push(b'$');
                self.enter(State::DollarBody { tag, matched: 0 })
            }
            b'0'..=b'9' if tag.is_empty() => self.enter(State::Number),
            _ if (is_word_start(byte) || byte.is_ascii_digit()) && tag.len() < LONGEST_TAG => {
                tag.push(byte);
                None
            }
            _ => self.begin(byte),
        }
    }

    fn line_ended(&mut self) {
        if let Some(continued) = &mut self.continued {
            continued.after_line_end = true;
        }
    }
}

/// The words of a statement, as far as they tell where it ends: psql's rule for functions whose body is SQL itself.
#[derive(Clone, Debug, Default)]
struct Words {
    /// In lower case.
    first: Vec<Vec<u8>>,
    current: Vec<u8>,
    after_begin: bool,
    /// `BEGIN ATOMIC` and the `CASE`s in it that are open.
    bodies: usize,
}

impl Words {
    /// `CREATE OR REPLACE GLOBAL TEMPORARY TABLE`: the words that tell what a statement is.
    const FIRST: usize = 8;
    /// Longer than every keyword that matters.
    const KEPT_BYTES: usize = 16;

    fn begin(&mut self, byte: u8) {
        self.current.clear();
        self.push(byte);
    }

    fn push(&mut self, byte: u8) {
        if self.current.len() < Self::KEPT_BYTES {
            self.current.push(byte.to_ascii_lowercase());
        }
    }

    /// A word that is no keyword.
    fn other(&mut self) {
        self.after_begin = false;
        if self.first.len() < Self::FIRST {
            self.first.push(Vec::new());
        }
    }

    fn is_prefix(&self) -> bool {
        matches!(self.current.as_slice(), b"e" | b"b" | b"x" | b"n" | b"u")
    }

    fn drop_prefix(&mut self) {
        self.current.clear();
    }

    fn end(&mut self, parens: usize) {
        if parens == 0 && self.is_routine() {
            match self.current.as_slice() {
                b"atomic" if self.after_begin => self.bodies += 1,
                b"case" if self.bodies > 0 => self.bodies += 1,
                b"end" => self.bodies = self.bodies.saturating_sub(1),
                _ => {}
            }
        }
        self.after_begin = self.current == b"begin";
        if self.first.len() < Self::FIRST {
            self.first.push(self.current.clone());
        }
    }

    fn is_routine(&self) -> bool {
        self.head() == Head::Routine
    }

    fn head(&self) -> Head {
        // Where the text ends with the word, it is not among the first yet.
        let words = self.first.iter().chain(std::iter::once(&self.current)).map(Vec::as_slice);
        let mut words = words.filter(|word| !MODIFIERS.contains(word));
        match words.next() {
            Some(b"create") => match words.next() {
                Some(b"table" | b"view" | b"index" | b"trigger" | b"policy" | b"rule") => Head::Definition,
                Some(b"function" | b"procedure") => Head::Routine,
                _ => Head::Other,
            },
            Some(
                b"select" | b"insert" | b"update" | b"delete" | b"merge" | b"with" | b"values" | b"table" | b"do"
                | b"copy" | b"comment" | b"grant" | b"revoke",
            ) => Head::Rows,
            _ => Head::Other,
        }
    }
}

/// What may stand between `CREATE` and the kind of what is created.
const MODIFIERS: [&[u8]; 12] = [
    b"or",
    b"replace",
    b"temp",
    b"temporary",
    b"global",
    b"local",
    b"unlogged",
    b"unique",
    b"recursive",
    b"materialized",
    b"constraint",
    b"foreign",
];

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Whether it may stand in an operator, or in a row of signs that PostgreSQL's scanner reads as one.
pub(super) fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=:".contains(&byte)
}
