//! Why a deployment was refused or failed. Every variant means: the database is as it was.

mod told;

use pg_query::NodeEnum;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

pub use self::told::Told;
use super::attempts::Blocker;
use super::dependants::{HINT, Left};
use super::diff::{Change, Places, SchemaValidation};
use super::fleet::FleetFailure;
use super::report::Verification;
use super::seeders::SeederValidation;
use crate::bundle::Kind;
use crate::bundle::order::OrderError;
use crate::bundle::sql::Statement;
use crate::databases::name::{DatabaseName, NameError};
use crate::databases::{DatabaseError, ENDED_FOR_ROOM, SaidBy, exceeds_limits};
use crate::uploads::UploadsError;

/// Why a deployment was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The name belongs to another platform.
    #[error("the database {database} belongs to another platform")]
    OtherPlatform {
        /// Its name.
        database: String,
    },
    /// The ids read like those of a database that was registered under other ones.
    #[error("the database {database} was registered as {recorded}; use the ids as they were given then, or other ones")]
    OtherSpelling {
        /// Its name.
        database: String,
        /// The ids on record.
        recorded: String,
    },
    /// Create, where it exists.
    #[error("the database {database} exists already")]
    AlreadyExists {
        /// Its name.
        database: String,
    },
    /// The bundle's SQL cannot be read or brought into an order.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// An extension that this server does not have.
    #[error("{path}: the extension {name}{} is not available on this server; {available}", in_version(.version))]
    ExtensionNotAvailable {
        /// The extension.
        name: String,
        /// The version asked for.
        version: Option<String>,
        /// Which versions the server has, as a sentence.
        available: String,
        /// The file that asks for it.
        path: String,
    },
    /// An extension that the gateway does not install.
    #[error("{path}: the extension {name} was not installed: {reason}")]
    ExtensionRefused {
        /// The extension.
        name: String,
        /// The file that asks for it, or for the one that needs it.
        path: String,
        /// Why, and what to do.
        reason: String,
    },
    /// PostgreSQL refused a statement of the bundle.
    #[error(transparent)]
    Statement(Box<StatementError>),
    /// An applied migration's file was edited.
    #[error(
        "the migration {file} was applied already and its text has changed since; put the old text back and write a new migration"
    )]
    EditedMigration {
        /// Below `migrations/`.
        file: String,
    },
    /// The same, where an earlier version recorded its bytes, not its statements: which change that was cannot be told.
    #[error(
        "the migration {file} was applied already by an earlier version of the gateway, and its text is not the one that was recorded \
         then; deploy it once as it was (line ends aside): from then on white space and comments do not count"
    )]
    EditedSince {
        /// Below `migrations/`.
        file: String,
    },
    /// A migration that was interrupted after a statement outside the transaction was edited before that place.
    #[error(
        "the migration {file} was interrupted after its first {done} statements, which are committed, and these were edited \
         since; put them back as they were and edit only what follows"
    )]
    EditedInterrupted {
        /// Below `migrations/`.
        file: String,
        /// How many statements are committed.
        done: usize,
    },
    /// Changes that lose values, without `force=true`.
    #[error("the deployment would lose data and was not applied: {}; nothing was changed", summary(.validation))]
    Blocked {
        /// All changes, by class.
        validation: Box<SchemaValidation>,
    },
    /// Its session was ended, because there is hardly any room left on PostgreSQL's disk.
    #[error("{ENDED_FOR_ROOM}")]
    NoRoom {
        /// What it was at.
        source: Box<DeployError>,
    },
    /// Rows that seeders name are not in their tables, which this deployment did not fill.
    #[error("rows that the seeders name are missing in {}; bring them with a migration", tables(.validations))]
    RowsMissing {
        /// Every table that was looked into.
        validations: Vec<SeederValidation>,
    },
    /// After everything ran, the database is not what the bundle declares.
    #[error("the database would not be as the bundle declares it: {}; write a migration that brings it there", .differences.join("; "))]
    Differs {
        /// One sentence for each difference.
        differences: Vec<String>,
        /// The same, by what they are about.
        verification: Verification,
        /// The file and line of a statement of the bundle about the first of them.
        declared_at: Option<(String, usize)>,
    },
    /// PostgreSQL refused a statement that the gateway generated to bring a table to its declaration.
    #[error("bringing the database to its declaration: {statement}: {}", in_words(.source))]
    Generated {
        /// What was sent.
        statement: String,
        /// PostgreSQL's error.
        source: tokio_postgres::Error,
        /// The file and line of the bundle's statement that asks for it, where that is known.
        declared_at: Option<(String, usize)>,
    },
    /// A column is to be NOT NULL, and rows have no value for it: also `force=true` knows none.
    #[error(
        "bringing the database to its declaration: {} of {} have no value for {}, which is to be NOT NULL",
        rows(.change.rows_at_risk), .change.table, .change.column.as_deref().unwrap_or_default()
    )]
    NoValue {
        /// What was to be made.
        change: Box<Change>,
        /// File and line of the table's declaration.
        declared_at: Option<(String, usize)>,
        /// PostgreSQL's refusal.
        source: tokio_postgres::Error,
    },
    /// What depends on what a generated statement changes cannot be taken off.
    #[error("bringing the database to its declaration: {statement}: {}; in the way: {}", in_words(.source), .dependants.join(", "))]
    Standing {
        /// What was sent.
        statement: String,
        /// As PostgreSQL prints them.
        dependants: Vec<String>,
        /// PostgreSQL's refusal.
        source: tokio_postgres::Error,
    },
    /// Objects that were taken off for a change cannot be made again after it.
    #[error("{}; {HINT}", in_the_way(.left))]
    Dependants {
        /// Which ones, and why.
        left: Vec<Left>,
    },
    /// Somebody else held a lock, at each of several attempts.
    #[error("{source}; the deployment was tried {attempts} times and rolled back{}", by_whom(.blocked_by))]
    Locked {
        /// The last attempt's failure.
        source: Box<DeployError>,
        /// Who held it.
        blocked_by: Vec<Blocker>,
        /// How many there were.
        attempts: usize,
    },
    /// The connection that holds the deployment locks was lost, so another gateway may have begun in the meantime.
    #[error("the lock on the database was lost during the deployment, which was rolled back; send it again")]
    LockLost,
    /// The connection broke before the answer to `COMMIT` came.
    #[error(
        "the connection to PostgreSQL was lost while the deployment was committed: the database is now either as it was \
         or wholly at the bundle; send it again to make sure"
    )]
    CommitUnknown {
        /// For the log.
        source: tokio_postgres::Error,
    },
    /// What was deferred to the end of the transaction refused it: a constraint, or a trigger of the platform's.
    #[error("the deployment was refused when it was committed, and rolled back: {}", in_words(.source))]
    AtCommit {
        /// PostgreSQL's error.
        source: tokio_postgres::Error,
    },
    /// PostgreSQL refused a statement of the gateway's own.
    #[error("{step}: {}", in_words(.source))]
    Own {
        /// What the gateway was doing.
        step: &'static str,
        /// PostgreSQL's error.
        source: tokio_postgres::Error,
    },
    /// One of the gateway's own tables in the platform's database is not as the gateway made it.
    #[error("the gateway's own table {table}{} was altered: {cause}", in_database(.database))]
    AlteredTracking {
        /// Where, if that is not known otherwise.
        database: Option<String>,
        /// Its name, with its schema.
        table: String,
        /// What is wrong with it.
        cause: String,
        /// PostgreSQL's code, where it refused a statement.
        sqlstate: Option<String>,
    },
    /// The catalog came back in a shape that this version does not know.
    #[error("reading the catalog: {cause}")]
    Unreadable {
        /// For the log.
        cause: String,
    },
    /// The task that worked on it stopped: a bug, or the gateway is shutting down.
    #[error("the deployment was interrupted: {cause}")]
    Interrupted {
        /// For the log.
        cause: String,
    },
    /// Not there, or not on record.
    #[error("the database {database} {reason}")]
    NotFound {
        /// Its name.
        database: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The platform's deployments have all their turns, and this one's did not come in time.
    #[error(
        "the platform {platform} has {at_once} deployments running (MAX_DEPLOYMENTS_PER_PLATFORM), and none of them ended \
         within {waited_secs} s; try again later"
    )]
    Busy {
        /// As it was given.
        platform: String,
        /// How many may run at once.
        at_once: usize,
        /// How long it was waited for.
        waited_secs: u64,
    },
    /// Others' bundles were being read for too long.
    #[error(transparent)]
    NoReader(#[from] UploadsError),
    /// It took longer than it may.
    #[error(
        "the deployment to {}{} took longer than {limit_secs} s (DEPLOYMENT_TIMEOUT_SECS) and was ended; {}",
        .database.as_deref().unwrap_or("a database of the gateway's own (it is tried there before any other)"),
        at_place(.place), if *.committing { UNKNOWN_END } else { ROLLED_BACK }
    )]
    TimedOut {
        /// Which database; none: one of the gateway's own.
        database: Option<String>,
        /// The limit.
        limit_secs: u64,
        /// File and line of the statement that was begun last.
        place: Option<(String, usize)>,
        /// Whether it was just being committed.
        committing: bool,
    },
    /// A platform without a database.
    #[error("the platform {platform} has no database; POST /register makes one")]
    NoDatabase {
        /// As it was given.
        platform: String,
    },
    /// Some of many databases.
    #[error("{}", .0.sentence())]
    Fleet(Box<FleetFailure>),
    /// Names that are none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No connection, or the gateway's records.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

const ROLLED_BACK: &str = "it was rolled back";

const UNKNOWN_END: &str = "it was being committed: the database is now either as it was or wholly at the bundle; send it \
                           again to make sure";

fn over_limit(limit_secs: u64) -> String {
    format!("over the limit of DEPLOYMENT_TIMEOUT_SECS, {limit_secs} s")
}

fn at_place(place: &Option<(String, usize)>) -> String {
    place.as_ref().map(|(path, line)| format!(", at {path}, line {line},")).unwrap_or_default()
}

fn in_the_way(left: &[Left]) -> String {
    let sentence = |one: &Left| {
        format!(
            "{} depends on what is changed ({}) and cannot be made again: {}",
            one.description, one.because, one.refusal
        )
    };
    left.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

fn rows(counted: Option<i64>) -> String {
    counted.map_or_else(|| "rows".to_owned(), |rows| format!("{rows} rows"))
}

/// The changes that stand in the way, in a few words.
fn summary(validation: &SchemaValidation) -> String {
    let changes = validation.dataloss_changes.iter().chain(&validation.incompatible_changes);
    let words = changes.map(|change| {
        let column = change.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        let places = change.places.as_ref().map(in_places).unwrap_or_default();
        format!("{:?} {}{column}{places}", change.change_type, change.table)
    });
    words.collect::<Vec<_>>().join(", ")
}

fn in_places(places: &Places) -> String {
    match (places.databases.first(), places.database_count) {
        (None, _) => String::new(),
        (Some(only), 1) => format!(" in {only}"),
        (Some(first), count) => format!(" in {count} databases, {first} among them"),
    }
}

fn tables(validations: &[SeederValidation]) -> String {
    let lacking = validations.iter().filter(|validation| !validation.missing.is_empty());
    lacking.map(|validation| validation.table.as_str()).collect::<Vec<_>>().join(", ")
}

/// The driver's own text for an answer of the server is only "db error".
fn in_words(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => format!("{} ({})", told.message(), told.code().code()),
        None => error.to_string(),
    }
}

fn words(error: &tokio_postgres::Error) -> Option<String> {
    error.as_db_error().map(|told| told.message().to_owned())
}

fn in_database(database: &Option<String>) -> String {
    database.as_ref().map(|database| format!(" in {database}")).unwrap_or_default()
}

fn in_version(version: &Option<String>) -> String {
    version.as_ref().map(|version| format!(" in version {version}")).unwrap_or_default()
}

fn by_whom(blockers: &[Blocker]) -> String {
    let one = |blocker: &Blocker| {
        let name = blocker.application_name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let state = blocker.state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
        let query = blocker.query.as_ref().map(|query| format!(": {query}")).unwrap_or_default();
        format!("backend {}{name}{state}{query}", blocker.pid)
    };
    if blockers.is_empty() {
        return String::new();
    }
    format!("; the lock was held by {}", blockers.iter().map(one).collect::<Vec<_>>().join(", "))
}

impl DeployError {
    /// PostgreSQL's code, where it refused something.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Statement(error) => error.sqlstate.as_deref(),
            Self::AlteredTracking { sqlstate, .. } => sqlstate.as_deref(),
            Self::NoRoom { .. } => Some(SqlState::DISK_FULL.code()),
            Self::Generated { source, .. }
            | Self::AtCommit { source }
            | Self::Own { source, .. }
            | Self::Standing { source, .. }
            | Self::NoValue { source, .. } => source.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// The same, where its session was ended because there is no room on PostgreSQL's disk.
    #[must_use]
    pub fn for_want_of_room(self) -> Self {
        match self {
            // What was committed is not known, or what the lock kept out.
            Self::CommitUnknown { .. } | Self::LockLost => self,
            source => Self::NoRoom { source: Box::new(source) },
        }
    }

    /// Whether the database was dropped by hand.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Database(DatabaseError::Gone { .. }))
    }

    /// PostgreSQL's code, where it is PostgreSQL's own word and not one that uploaded code has chosen.
    pub fn sqlstate_of_postgres(&self) -> Option<&str> {
        let said_by = match self {
            Self::Statement(error) => error.said_by,
            Self::Generated { source, .. }
            | Self::AtCommit { source }
            | Self::Own { source, .. }
            | Self::Standing { source, .. }
            | Self::NoValue { source, .. } => SaidBy::of(source),
            _ => SaidBy::Server,
        };
        self.sqlstate().filter(|_| said_by != SaidBy::Code)
    }

    /// PostgreSQL's own words, where it refused a statement.
    pub fn cause(&self) -> Option<String> {
        match self {
            Self::Statement(error) => Some(error.cause.clone()),
            Self::AlteredTracking { cause, .. } => Some(cause.clone()),
            Self::ExtensionRefused { reason, .. } => Some(reason.clone()),
            Self::Generated { source, .. } | Self::AtCommit { source } | Self::NoValue { source, .. } => words(source),
            // What the gateway itself asks for is its own business, but not that there is no room, or too much to read.
            Self::Own { source, .. }
                if source.code() == Some(&SqlState::DISK_FULL)
                    || exceeds_limits(source)
                    || SaidBy::of(source) == SaidBy::Code =>
            {
                words(source)
            }
            Self::NoRoom { .. } => Some(ENDED_FOR_ROOM.to_owned()),
            Self::Database(DatabaseError::DiskFull { cause }) => Some(cause.clone()),
            Self::TimedOut { limit_secs, .. } => Some(over_limit(*limit_secs)),
            Self::Fleet(failure) => failure.first.cause(),
            _ => None,
        }
    }

    /// Says which database it is, where the error does not know.
    #[must_use]
    pub fn in_database(self, name: &DatabaseName) -> Self {
        match self {
            Self::AlteredTracking { database: None, table, cause, sqlstate } => {
                Self::AlteredTracking { database: Some(name.to_string()), table, cause, sqlstate }
            }
            other => other,
        }
    }

    /// For `map_err`: the gateway's own statement failed while it did `step`.
    pub fn own(step: &'static str) -> impl Fn(tokio_postgres::Error) -> Self {
        move |source| Self::Own { step, source }
    }
}

/// PostgreSQL refused a statement of the bundle: where, and in its own words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{step}, line {line}: {cause}")]
pub struct StatementError {
    /// E.g. `running migrations/003_add_audit.pssql`.
    pub step: String,
    /// The folder, which decides the code of the answer.
    pub kind: Kind,
    /// The file.
    pub path: String,
    /// Where PostgreSQL points, else where the statement starts; from 1.
    pub line: usize,
    /// `None`: the connection was lost.
    pub sqlstate: Option<String>,
    /// Whose word that code is.
    pub said_by: SaidBy,
    /// PostgreSQL's message.
    pub cause: String,
    /// PostgreSQL's detail.
    pub detail: Option<String>,
    /// PostgreSQL's hint.
    pub hint: Option<String>,
    /// Table and column that the error is about, where rows have no value for a column.
    pub without_value: Option<(String, String)>,
}

impl StatementError {
    /// What the gateway found, where PostgreSQL was not asked.
    pub fn of(statement: &Statement, sqlstate: &str, cause: String) -> Self {
        Self {
            step: format!("{} {}", verb(statement.kind), statement.path),
            kind: statement.kind,
            path: statement.path.to_string(),
            line: statement.line,
            sqlstate: Some(sqlstate.to_owned()),
            said_by: SaidBy::Server,
            cause,
            detail: None,
            hint: None,
            without_value: None,
        }
    }

    /// `prefix` characters stood before the statement's own text in what was sent.
    pub fn new(statement: &Statement, error: &tokio_postgres::Error, prefix: usize) -> Self {
        let database_error = error.as_db_error();
        let line = database_error.map_or(statement.line, |error| line(statement, error, prefix));
        Self {
            step: format!("{} {}", verb(statement.kind), statement.path),
            kind: statement.kind,
            path: statement.path.to_string(),
            line,
            sqlstate: error.code().map(|code| code.code().to_owned()),
            said_by: SaidBy::of(error),
            cause: database_error.map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            detail: database_error.and_then(DbError::detail).map(str::to_owned),
            hint: database_error.and_then(DbError::hint).map(str::to_owned),
            without_value: database_error.and_then(|error| without_value(statement, error)),
        }
    }
}

/// Not of an `INSERT`, whose author knows which row is meant.
fn without_value(statement: &Statement, error: &DbError) -> Option<(String, String)> {
    let alters = matches!(statement.tree.as_ref(), NodeEnum::AlterTableStmt(_));
    let (table, column) = (error.table()?, error.column()?);
    (alters && *error.code() == SqlState::NOT_NULL_VIOLATION).then(|| (table.to_owned(), column.to_owned()))
}

fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Migrations => "running",
        Kind::Seeders => "seeding",
        Kind::Extensions | Kind::Types | Kind::Tables | Kind::Views | Kind::Functions => "deploying",
    }
}

fn line(statement: &Statement, error: &DbError, prefix: usize) -> usize {
    match error.position() {
        Some(ErrorPosition::Original(position)) => {
            statement.line_of((*position as usize).saturating_sub(prefix).max(1))
        }
        // A position within a function's body: found where the body stands in the statement.
        Some(ErrorPosition::Internal { position, query }) => match statement.text.find(query.as_str()) {
            Some(at) if !query.is_empty() => {
                let before = statement.text[..at].chars().count();
                statement.line_of(before + *position as usize)
            }
            _ => statement.line,
        },
        None => body_line(statement, error).unwrap_or(statement.line),
    }
}

/// PL/pgSQL tells the line of its body in the error's context only: `… near line 3`.
fn body_line(statement: &Statement, error: &DbError) -> Option<usize> {
    let context = error.where_()?;
    let (_, after) = context.split_once("near line ").or_else(|| context.split_once(" line "))?;
    let within: usize = after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
    if !context.starts_with("compilation of PL/pgSQL function") && !context.starts_with("PL/pgSQL function") {
        return None;
    }
    let body = statement.body()?;
    let before = statement.text.find(body.as_str())?;
    let lines_before = statement.text[..before].matches('\n').count();
    // PL/pgSQL does not count a line break right after the opening quotes.
    Some(statement.line + lines_before + within.saturating_sub(1) + usize::from(body.starts_with('\n')))
}
