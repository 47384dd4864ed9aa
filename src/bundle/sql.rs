//! What the bundle's SQL says, read with PostgreSQL's own grammar: its statements, where they start, which objects each
//! makes and which it needs. Knows no database; [`super::order`] sorts what comes from here.

pub(crate) mod facts;
pub mod grammar;
mod head;
mod names;
mod pieces;
pub mod positional;
mod psql;
mod settings;
pub mod tokens;
mod transaction;
mod walk;
pub mod writes;

pub use self::names::Names;
pub use self::settings::Settings;
pub use self::walk::name_parts;

use std::sync::Arc;

use pg_query::NodeEnum;

use self::pieces::{Piece, Pieces};
use self::settings::Outcome;
use self::writes::Writes;
use super::{Kind, Rules, SourceFile, Text};

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
    /// A primary key or unique index over certain columns of a table: what a foreign key needs.
    Key,
    /// The seeded rows of a table, which an `INSERT` in `seeders/` makes.
    Rows,
    /// What statements of their own add to a table and `LIKE` copies: indexes, comments, constraints.
    Details,
    /// Casts, under the name of their target type.
    Cast,
}

/// What a reference may stand for: a type's name, for one, may be that of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    pub path: Text,
    /// Where it starts in the file, bytes.
    pub start: usize,
    /// The line in which it starts, from 1.
    pub line: usize,
    /// Its text, without the semicolon: as written, or what [`super::order`] made of it where a circle had to be cut.
    pub text: Text,
    /// Whether `text` stands in the file as it is, so that PostgreSQL's error positions count in the file.
    pub verbatim: bool,
    /// What it is and what it is about, out of its parse tree. The rest, queries and columns for one, is not kept:
    /// [`Self::parse`] reads it again.
    pub tree: Arc<NodeEnum>,
    /// How many rows an `INSERT … VALUES` has.
    pub rows: u64,
    /// Of a seeder: what it writes, where it is no `INSERT` of rows that it spells out.
    pub writes: Option<Box<Writes>>,
    /// What it makes.
    pub makes: Vec<Object>,
    /// What has to be there before it.
    pub needs: Vec<Reference>,
    /// What had better be there before it: what it means or does depends on it, though it can be made without.
    pub prefers: Vec<Reference>,
    /// What its file has set for it.
    pub settings: Arc<Settings>,
    /// Where its names lead, if that is a search path.
    pub names: Option<Arc<Names>>,
    /// Of a migration: it runs before its turn, because the declaration needs what it makes.
    pub early: bool,
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

    /// Its whole parse tree. Where there is much to read: on a deep stack, and on a thread that may take its time.
    pub fn parse(&self) -> Option<NodeEnum> {
        let mut tree = grammar::parse(&self.text).ok()?.pop()?.stmt?.node?;
        if let Some(names) = &self.names {
            names::qualify(&mut tree, names);
        }
        Some(tree)
    }

    /// Says where its names lead.
    pub(super) fn name_with(&mut self, names: Arc<Names>) {
        self.names = Some(names);
        if let Some(tree) = self.parse() {
            self.take_facts(tree);
        }
    }

    fn take_facts(&mut self, tree: NodeEnum) {
        (self.makes, self.needs, self.prefers) = facts::of(self.kind, &tree);
        if let Some(names) = &self.names {
            names.complete(&mut self.needs);
            names.complete(&mut self.prefers);
        }
        (self.rows, self.writes) = (facts::rows(&tree), writes::of(self.kind, &tree));
        self.tree = head::of(tree);
    }

    /// What it becomes with another tree, and the text that belongs to that. `None` where the grammar's writer refuses.
    pub fn rewritten(&self, tree: NodeEnum) -> Option<Self> {
        let (tree, text) = grammar::deparse(tree)?;
        let checksum = checksum_of(&text, None, &self.settings);
        let mut other = Self { text: text.into(), verbatim: false, checksum, ..self.clone() };
        other.take_facts(tree);
        Some(other)
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
    #[error("reading {path}, line {line}: {command} is a command of psql, which PostgreSQL itself does not know")]
    PsqlCommand {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// The backslash and the word behind it.
        command: String,
    },
    /// What a declaration has no place for.
    #[error("reading {path}, line {line}: {what}")]
    NotDeclaring {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// The statement's beginning, and why not.
        what: String,
        /// What to do instead.
        hint: &'static str,
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
    let statements = on_deep_stack(|| grammar::parse(text).unwrap_or_default()).unwrap_or_default();
    statements.into_iter().filter_map(|raw| raw.stmt?.node).collect()
}

/// The longest signature that PostgreSQL prints, with a margin, bytes: 100 parameters of two names of 63 each.
const LONGEST_SIGNATURE: usize = 64 << 10;

/// The first of these that cannot be a routine's signature as `regprocedure` prints it: `f(integer, s."T"[])`.
pub fn no_signature(signatures: &[String]) -> Option<&str> {
    let is_one = |signature: &&String| {
        let text = format!("DROP FUNCTION {signature}");
        let parsed =
            if text.len() > LONGEST_SIGNATURE { Vec::new() } else { grammar::parse(&text).unwrap_or_default() };
        matches!(&parsed[..], [one] if is_drop_of_one(one))
    };
    on_deep_stack(|| signatures.iter().find(|signature| !is_one(signature))).ok().flatten().map(String::as_str)
}

fn is_drop_of_one(raw: &pg_query::protobuf::RawStmt) -> bool {
    let node = raw.stmt.as_ref().and_then(|node| node.node.as_ref());
    matches!(node, Some(NodeEnum::DropStmt(drop)) if drop.objects.len() == 1)
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

/// Reads one file of any kind but `extensions/`, on a deep stack: one statement after the other.
pub fn read(file: &SourceFile, rules: Rules) -> Result<FileFacts, SqlError> {
    let path = Text::from(file.path.clone());
    let mut lines = LineCounter::new(&file.text);
    let mut facts = FileFacts::default();
    let mut met = Met { rules, ..Met::default() };
    let pieces: Vec<Piece> = Pieces::new(&file.text).collect();
    let last = pieces.iter().rposition(|piece| matches!(piece, Piece::Statement(_)));
    for (at, piece) in pieces.into_iter().enumerate() {
        let piece = match piece {
            Piece::Statement(piece) | Piece::Remark(piece) => piece,
            Piece::Command(command) => {
                let line = lines.line_at(command.start);
                facts.warnings.push(psql::pass_over(&file.path, line, &file.text[command])?);
                continue;
            }
        };
        let text = &file.text[piece.clone()];
        let parsed = grammar::parse(text).map_err(|error| syntax_error(file, piece.start, text, &error))?;
        let mut statements = parsed.into_iter().peekable();
        while let Some(raw) = statements.next() {
            let is_last = statements.peek().is_none() && last == Some(at);
            let Some(tree) = raw.stmt.and_then(|node| node.node) else { continue };
            let start = piece.start + usize::try_from(raw.stmt_location).unwrap_or(0);
            let length = usize::try_from(raw.stmt_len).unwrap_or(0);
            let end = if length == 0 { piece.end } else { start + length };
            let line = lines.line_at(start);
            let place = Place { path: &path, start, end: start + file.text[start..end].trim_end().len(), line };
            take(file, &mut facts, place, tree, &mut met, is_last)?;
            met.statements += 1;
        }
    }
    check_outer_pair(file, &met)?;
    Ok(facts)
}

/// What was met in a file so far.
#[derive(Default)]
struct Met {
    statements: usize,
    /// `BEGIN` and `COMMIT` around a migration.
    outer: usize,
    /// What is set.
    settings: Arc<Settings>,
    rules: Rules,
}

impl Met {
    /// What becomes of a statement that sets something. Earlier versions let none of that hold outside of migrations.
    fn set(&mut self, file: &SourceFile, tree: &NodeEnum) -> Option<Outcome> {
        let kind = file.kind;
        let mut settings = Settings::clone(&self.settings);
        let outcome = settings.take(kind, tree)?;
        if self.rules == Rules::Earlier && kind != Kind::Migrations {
            return Some(match outcome {
                Outcome::Holds | Outcome::Refused(..) => Outcome::LeftOut(vec!["it for the session".to_owned()]),
                other => other,
            });
        }
        if kind == Kind::Migrations && matches!(outcome, Outcome::Refused(..)) {
            // Of an applied migration nothing can be taken out any more, so it is refused where it means something.
            match self.rules {
                Rules::Earlier => return Some(Outcome::Runs),
                Rules::Current if file.text.contains('\\') => {}
                Rules::Current => return Some(Outcome::LeftOut(vec!["standard_conforming_strings".to_owned()])),
            }
        }
        if settings != *self.settings {
            self.settings = Arc::new(settings);
        }
        Some(outcome)
    }
}

/// Where a statement stands.
struct Place<'a> {
    path: &'a Text,
    start: usize,
    end: usize,
    line: usize,
}

/// Deploys, passes over or refuses.
fn take(
    file: &SourceFile,
    facts: &mut FileFacts,
    place: Place<'_>,
    tree: NodeEnum,
    met: &mut Met,
    is_last: bool,
) -> Result<(), SqlError> {
    let (path, line) = (|| file.path.clone(), place.line);
    let mut warn = |why: &str| facts.warnings.push(format!("{}, line {line}: {why}", file.path));
    if let Some(why) = met.set(file, &tree) {
        match why {
            Outcome::Holds => return Ok(()),
            Outcome::Runs => {}
            Outcome::LeftOut(names) => {
                let what = names.join(", ");
                warn(&format!("setting {what} has no effect here and was left out"));
                return Ok(());
            }
            Outcome::Refused(what, hint) => {
                return Err(SqlError::NotDeclaring { path: path(), line, what: format!("{what}; {hint}"), hint });
            }
        }
    }
    match facts::treatment(file.kind, &tree, met.statements == 0, is_last) {
        facts::Treatment::Deploy => facts.statements.push(statement(file, place, tree, &met.settings)),
        facts::Treatment::DeployAs(tree, why) => {
            warn(why);
            let whole = statement(file, place, *tree.clone(), &met.settings);
            // What the grammar's writer refuses is run as it is, which PostgreSQL then has its word on.
            let rewritten = whole.rewritten(*tree);
            facts.statements.push(rewritten.unwrap_or(whole));
        }
        facts::Treatment::OuterControl => met.outer += 1,
        facts::Treatment::PassOver(why) => warn(why),
        facts::Treatment::Refuse => return Err(SqlError::TransactionControl { path: path(), line }),
        facts::Treatment::RefuseCopy => return Err(SqlError::CopyStream { path: path(), line }),
        facts::Treatment::RefuseOwn => return Err(SqlError::GatewayTable { path: path(), line }),
        facts::Treatment::RefuseServerWide => return Err(SqlError::ServerWide { path: path(), line }),
    }
    Ok(())
}

fn statement(file: &SourceFile, place: Place<'_>, tree: NodeEnum, settings: &Arc<Settings>) -> Statement {
    let (makes, needs, prefers) = facts::of(file.kind, &tree);
    let Place { path, start, end, line } = place;
    let text = file.text.part(start..end).unwrap_or_default();
    let checksum = match file.kind {
        Kind::Migrations | Kind::Seeders => String::new(),
        Kind::Extensions | Kind::Types | Kind::Tables | Kind::Views | Kind::Functions => {
            checksum_of(&text, facts::body(&tree).as_deref(), settings)
        }
    };
    let (rows, writes) = (facts::rows(&tree), writes::of(file.kind, &tree));
    let (kind, path, tree) = (file.kind, path.clone(), head::of(tree));
    Statement {
        kind,
        path,
        start,
        line,
        text,
        verbatim: true,
        tree,
        rows,
        writes,
        makes,
        needs,
        prefers,
        settings: settings.clone(),
        names: None,
        early: false,
        checksum,
    }
}

/// The same text means something else under other settings.
fn checksum_of(text: &str, body: Option<&str>, settings: &Settings) -> String {
    let checksum = tokens::checksum(text, body);
    match settings.are_plain() {
        true => checksum,
        false => tokens::checksum_bytes(format!("{checksum} {}", settings.in_words()).as_bytes()),
    }
}

/// A `BEGIN` that opens a migration needs the `COMMIT` that ends it, and the other way round.
fn check_outer_pair(file: &SourceFile, met: &Met) -> Result<(), SqlError> {
    if met.outer == 1 {
        return Err(SqlError::TransactionControl { path: file.path.clone(), line: 1 });
    }
    Ok(())
}

/// `piece` begins at `start`.
fn syntax_error(file: &SourceFile, start: usize, piece: &str, error: &pg_query::Error) -> SqlError {
    let message = match error {
        pg_query::Error::Parse(message) => message.clone(),
        other => other.to_string(),
    };
    let at = start + tokens::error_offset(piece, &message);
    let line = LineCounter::new(&file.text).line_at(at);
    match file.text[at..].starts_with('\\') {
        true => psql::refused(&file.path, line, &file.text[at..]),
        false => SqlError::Syntax { path: file.path.clone(), line, message },
    }
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
