//! What the bundle's SQL says, read with PostgreSQL's own grammar: its statements, where they start, which objects each
//! makes and which it needs. Knows no database; [`super::order`] sorts what comes from here.

pub(crate) mod facts;
pub mod tokens;
mod transaction;
mod walk;

pub use self::walk::name_parts;

use pg_query::{NodeEnum, ParserOptions};

use super::{Kind, SourceFile};

/// The name of an object, and the space of names that it lives in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// The space of names.
    pub class: Class,
    /// `public` where the statement names none.
    pub schema: String,
    /// Unquoted; of a part of a table: `table.part`.
    pub name: String,
}

/// PostgreSQL's spaces of names, as far as a bundle's statements refer to each other through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Tables, views, sequences, indexes, foreign tables.
    Relation,
    /// Enums, composites, domains, ranges. Each relation is a type too.
    Type,
    /// Functions, procedures, aggregates: overloads share one name.
    Routine,
    /// Schemas.
    Schema,
    /// Operators.
    Operator,
    /// Operator classes.
    OperatorClass,
    /// Collations.
    Collation,
    /// A trigger, policy, rule, constraint or column that a statement of its own adds to a table.
    Part,
    /// A primary key or unique index that a statement of its own adds to a table: what a foreign key needs.
    Key,
    /// The seeded rows of a table, which an `INSERT` in `seeders/` makes.
    Rows,
    /// What statements of their own add to a table and `LIKE` copies: indexes, comments, constraints.
    Details,
    /// Casts, under the name of their target type.
    Cast,
}

/// What a reference may stand for: a type's name, for one, may be that of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// See [`Class::Relation`].
    Relation,
    /// See [`Class::Type`].
    Type,
    /// See [`Class::Routine`].
    Routine,
    /// See [`Class::Schema`].
    Schema,
    /// See [`Class::Operator`].
    Operator,
    /// See [`Class::OperatorClass`].
    OperatorClass,
    /// See [`Class::Collation`].
    Collation,
    /// See [`Class::Part`].
    Part,
    /// See [`Class::Key`].
    Key,
    /// See [`Class::Details`].
    Details,
    /// See [`Class::Cast`].
    Cast,
}

impl Wanted {
    /// The spaces in which to look, in order.
    pub fn classes(self) -> &'static [Class] {
        match self {
            Self::Relation => &[Class::Relation],
            Self::Type => &[Class::Type, Class::Relation],
            Self::Routine => &[Class::Routine],
            Self::Schema => &[Class::Schema],
            Self::Operator => &[Class::Operator],
            Self::OperatorClass => &[Class::OperatorClass],
            Self::Collation => &[Class::Collation],
            Self::Part => &[Class::Part],
            Self::Key => &[Class::Key],
            Self::Details => &[Class::Details],
            Self::Cast => &[Class::Cast],
        }
    }
}

/// One mention of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it may stand for.
    pub wanted: Wanted,
    /// Where the statement names one.
    pub schema: Option<String>,
    /// Unquoted.
    pub name: String,
}

/// One statement of a bundle.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The folder it stands in.
    pub kind: Kind,
    /// The file, e.g. `tables/users.pssql`.
    pub path: String,
    /// Where it starts in the file, bytes.
    pub start: usize,
    /// The line in which it starts, from 1.
    pub line: usize,
    /// Its text, without the semicolon: as written, or what [`super::order`] made of it where a circle had to be cut.
    pub text: String,
    /// Whether `text` stands in the file as it is, so that PostgreSQL's error positions count in the file.
    pub verbatim: bool,
    /// Its parse tree.
    pub tree: Box<NodeEnum>,
    /// What it makes.
    pub makes: Vec<Object>,
    /// What has to be there before it.
    pub needs: Vec<Reference>,
    /// What had better be there before it: what it means or does depends on it, though it can be made without.
    pub prefers: Vec<Reference>,
    /// SHA-256 over its tokens ([`tokens::checksum`]); empty for migrations and seeders, which do not need it.
    pub checksum: String,
}

impl Statement {
    /// The first object it makes: what it is known by.
    pub fn object(&self) -> Option<&Object> {
        self.makes.first()
    }

    /// The line of a position that PostgreSQL gave within `text`, in characters from 1.
    pub fn line_of(&self, position: usize) -> usize {
        if !self.verbatim {
            return self.line;
        }
        self.line + self.text.chars().take(position.saturating_sub(1)).filter(|c| *c == '\n').count()
    }

    /// The text of a function's body in `sql` or `plpgsql`, without its quotes.
    pub fn body(&self) -> Option<String> {
        facts::body(&self.tree)
    }

    /// Whether PostgreSQL refuses it inside a transaction (`CREATE INDEX CONCURRENTLY`).
    pub fn refuses_transaction(&self) -> bool {
        transaction::refuses(&self.tree)
    }

    /// The same for a database that nobody uses yet, where it need not get out of anybody's way and fits into a
    /// transaction. `None` where it does so as it is, or in no way. Positions in the text stay what they are.
    pub fn without_concurrently(&self) -> Option<Self> {
        transaction::without_concurrently(self)
    }
}

/// What is in one file.
#[derive(Clone, Debug, Default)]
pub struct FileFacts {
    /// In the order of the file.
    pub statements: Vec<Statement>,
    /// What was passed over, a sentence each.
    pub warnings: Vec<String>,
}

/// A file that cannot be deployed for what it says. SQLSTATE and line are those PostgreSQL would give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// PostgreSQL's grammar refuses it.
    #[error("reading {path}, line {line}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// PostgreSQL's words.
        message: String,
    },
    /// `COMMIT` and the like, which would end the deployment's own transaction.
    #[error("reading {path}, line {line}: a bundle may not control transactions; each deployment is one transaction")]
    TransactionControl {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// `DROP DATABASE` and the like: a bundle is about one database, and does not know which.
    #[error("reading {path}, line {line}: a bundle may not change other databases or the server")]
    ServerWide {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// What the gateway records about the database; a bundle that changed it would be believed.
    #[error("reading {path}, line {line}: names that begin with _stonescriptdb_gateway_ are the gateway's own")]
    GatewayTable {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// `COPY … FROM STDIN` and `TO STDOUT`: there is nobody who sends or reads the rows.
    #[error("reading {path}, line {line}: COPY from STDIN or to STDOUT, which needs a client that sends or reads rows")]
    CopyStream {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// psql's own commands.
    #[error("reading {path}, line {line}: a command of psql, which PostgreSQL itself does not know")]
    PsqlCommand {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
}

/// Stack for [`on_deep_stack`], bytes: the parser's own limit of nesting (some 700 levels) needs a tenth of it.
const DEEP_STACK_BYTES: usize = 128 << 20;

/// Runs `work` where a deeply nested statement cannot overflow the stack: every reading of SQL happens in here.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES).spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The parse trees of SQL that the gateway wrote itself; none where the grammar refuses it, which PostgreSQL then tells.
pub fn trees(text: &str) -> Vec<NodeEnum> {
    let read = || pg_query::parse(text, ParserOptions::DEFAULT).map(|parsed| parsed.protobuf.stmts).unwrap_or_default();
    let statements = on_deep_stack(read).unwrap_or_default();
    statements.into_iter().filter_map(|raw| raw.stmt?.node).collect()
}

/// How a query of somebody else's begins, for people: constants may be anybody's secrets and are left out.
pub fn beginning_without_values(text: &str) -> String {
    const LONGEST: usize = 120;
    let normalized = on_deep_stack(|| tokens::without_values(text)).ok().flatten();
    // What cannot be read (cut short by the server, say) is told up to the first thing that may be a value.
    let safe = normalized.unwrap_or_else(|| {
        text.chars().take_while(|c| c.is_alphabetic() || matches!(c, ' ' | '_' | '.' | ',' | '*' | '\n')).collect()
    });
    let words = safe.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}

/// Reads one file of any kind but `extensions/`, on a deep stack.
pub fn read(file: &SourceFile) -> Result<FileFacts, SqlError> {
    let parsed = pg_query::parse(&file.text, ParserOptions::DEFAULT).map_err(|error| syntax_error(file, &error))?;
    let mut lines = LineCounter::new(&file.text);
    let mut facts = FileFacts::default();
    let count = parsed.protobuf.stmts.len();
    for (index, raw) in parsed.protobuf.stmts.into_iter().enumerate() {
        let Some(tree) = raw.stmt.and_then(|node| node.node) else { continue };
        let start = usize::try_from(raw.stmt_location).unwrap_or(0);
        let length = usize::try_from(raw.stmt_len).unwrap_or(0);
        let end = if length == 0 { file.text.len() } else { start + length };
        let line = lines.line_at(start);
        match facts::treatment(file.kind, &tree, index == 0, index + 1 == count) {
            facts::Treatment::Deploy => {}
            facts::Treatment::PassOver(None) => continue,
            facts::Treatment::PassOver(Some(why)) => {
                facts.warnings.push(format!("{}, line {line}: {why}", file.path));
                continue;
            }
            facts::Treatment::Refuse => {
                return Err(SqlError::TransactionControl { path: file.path.clone(), line });
            }
            facts::Treatment::RefuseCopy => {
                return Err(SqlError::CopyStream { path: file.path.clone(), line });
            }
            facts::Treatment::RefuseOwn => {
                return Err(SqlError::GatewayTable { path: file.path.clone(), line });
            }
            facts::Treatment::RefuseServerWide => {
                return Err(SqlError::ServerWide { path: file.path.clone(), line });
            }
        }
        let text = file.text[start..end].trim_end().to_owned();
        facts.statements.push(statement(file, tree, start, line, text));
    }
    check_outer_pair(file, &facts, count)?;
    Ok(facts)
}

fn statement(file: &SourceFile, tree: NodeEnum, start: usize, line: usize, text: String) -> Statement {
    let (makes, needs, prefers) = facts::of(file.kind, &tree);
    let checksum = match file.kind {
        Kind::Migrations | Kind::Seeders => String::new(),
        Kind::Extensions | Kind::Types | Kind::Tables | Kind::Views | Kind::Functions => {
            tokens::checksum(&text, facts::body(&tree).as_deref())
        }
    };
    let (kind, path) = (file.kind, file.path.clone());
    Statement { kind, path, start, line, text, verbatim: true, tree: Box::new(tree), makes, needs, prefers, checksum }
}

/// A `BEGIN` that opens a migration needs the `COMMIT` that ends it, and the other way round.
fn check_outer_pair(file: &SourceFile, facts: &FileFacts, count: usize) -> Result<(), SqlError> {
    let passed_over = count - facts.statements.len() - facts.warnings.len();
    if file.kind == Kind::Migrations && passed_over == 1 {
        return Err(SqlError::TransactionControl { path: file.path.clone(), line: 1 });
    }
    Ok(())
}

fn syntax_error(file: &SourceFile, error: &pg_query::Error) -> SqlError {
    let message = match error {
        pg_query::Error::Parse(message) => message.clone(),
        other => other.to_string(),
    };
    let at = tokens::error_offset(&file.text, &message);
    let line = LineCounter::new(&file.text).line_at(at);
    let path = file.path.clone();
    if file.text[at..].starts_with('\\') {
        return SqlError::PsqlCommand { path, line };
    }
    if let Some(line) = copy_before(&file.text[..at]) {
        return SqlError::CopyStream { path, line };
    }
    SqlError::Syntax { path, line, message }
}

/// Rows that follow `COPY … FROM STDIN;` are no SQL: where what cannot be read comes right after one, its line.
fn copy_before(text: &str) -> Option<usize> {
    let end = text.rfind(';')?;
    let parsed = pg_query::parse(&text[..end], ParserOptions::DEFAULT).ok()?;
    let last = parsed.protobuf.stmts.into_iter().next_back()?;
    let start = usize::try_from(last.stmt_location).ok()?;
    let is_copy = facts::is_copy_stream(&last.stmt?.node?);
    is_copy.then(|| LineCounter::new(text).line_at(start))
}

/// Lines of rising offsets, each byte of the text counted once.
struct LineCounter<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, line: 1 }
    }

    fn line_at(&mut self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        self.line += self.text[self.at..offset].iter().filter(|byte| **byte == b'\n').count();
        self.at = offset;
        self.line
    }
}

#[cfg(test)]
mod tests;
