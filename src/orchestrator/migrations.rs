//! Runs pending migrations: in an existing database as written, in a new one without what the declaration already has.

mod concurrently;
mod declared;

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use self::declared::{Decision, Declared, History, Live, Name};
use super::error::DeployError;
use super::new_values;
use super::objects::beginning;
use super::report::SkippedStatement;
use super::runner::{Doubt, Failure, Mode, Runner};
use super::tracking::{self, Origin, Tracked, altered};
use super::twins;
use crate::bundle::Kind;
use crate::bundle::order::{Migration, Script, rewritten};
use crate::bundle::sql::Statement;
use crate::bundle::sql::tokens::checksum_bytes;
use crate::databases::quote_literal;

/// Refuses a bundle in which the text of an applied migration was edited.
pub fn check_unedited(migrations: &[Migration], tracked: &Tracked) -> Result<(), DeployError> {
    for migration in migrations {
        if tracked.migrations.get(&migration.file).is_some_and(|checksum| *checksum != migration.checksum) {
            return Err(DeployError::EditedMigration { file: migration.file.clone() });
        }
    }
    Ok(())
}

/// The statements of the migrations that are still to be run, also where no tracking tables are yet.
pub async fn read_pending<'a>(client: &Client, script: &'a Script) -> Result<Vec<&'a Statement>, DeployError> {
    if script.migrations.is_empty() {
        return Ok(Vec::new());
    }
    // No others: the platform's own code may have put anything there.
    let query = "SELECT DISTINCT migration_file FROM public._stonescriptdb_gateway_migrations
                 WHERE migration_file OPERATOR(pg_catalog.=) ANY ($1)";
    let files: Vec<&str> = script.migrations.iter().map(|migration| migration.file.as_str()).collect();
    let applied: HashSet<String> = match client.query_typed(query, &[(&files, Type::TEXT_ARRAY)]).await {
        Ok(rows) => rows.iter().map(|row| altered::value(row, 0, "migrations")).collect::<Result<_, _>>()?,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => HashSet::new(),
        Err(error) => {
            let step = "reading which migrations were applied";
            return Err(altered::explain(client, step, "migrations", error).await);
        }
    };
    let pending = script.migrations.iter().filter(|migration| !applied.contains(&migration.file));
    let paths: HashSet<&str> = pending.map(|migration| migration.path.as_str()).collect();
    let statements = script.statements.iter();
    let of_migrations = statements.filter(|statement| statement.kind == Kind::Migrations);
    Ok(of_migrations.filter(|statement| paths.contains(statement.path.as_str())).collect())
}

/// The migrations of one deployment to one database.
pub struct Migrations<'a> {
    /// By path, those that are not applied yet.
    pending: HashMap<&'a str, &'a Migration>,
    /// File and checksum of the same.
    pending_in_order: Vec<(String, String)>,
    origin: Origin,
    /// Whether the database is empty at the start.
    is_new: bool,
    new_database: Option<NewDatabase>,
    /// How many statements of migrations were met, applied ones included.
    met: usize,
    /// The migration whose statements run now.
    current: Option<&'a str>,
    /// Statements that a new database had no need of.
    pub skipped: Vec<SkippedStatement>,
    /// How many statements an interrupted run has behind it, by file.
    done: HashMap<String, usize>,
    met_in_file: usize,
    /// The statements of each migration, by path.
    by_path: HashMap<&'a str, Vec<&'a Statement>>,
}

/// What a new database needs to know to leave out what its declaration made.
struct NewDatabase {
    history: History,
    declared: Option<Declared>,
}

impl<'a> Migrations<'a> {
    /// `is_new`: its tables are as declared, so much of the migrations is there already.
    pub async fn new(
        runner: &Runner<'_>,
        script: &'a Script,
        tracked: &Tracked,
        is_new: bool,
        origin: &Origin,
    ) -> Result<Self, DeployError> {
        let is_pending = |migration: &&Migration| !tracked.migrations.contains_key(&migration.file);
        let pending: Vec<&Migration> = script.migrations.iter().filter(is_pending).collect();
        let pending_in_order =
            pending.iter().map(|migration| (migration.file.clone(), migration.checksum.clone())).collect();
        let pending = pending.into_iter().map(|migration| (migration.path.as_str(), migration)).collect();
        let statements: Vec<_> =
            script.statements.iter().filter(|statement| statement.kind == Kind::Migrations).collect();
        let declares = script.statements.iter().any(|statement| matches!(statement.kind, Kind::Tables | Kind::Types));
        let new_database =
            (is_new && declares).then(|| NewDatabase { history: History::of(&statements), declared: None });
        let mut by_path: HashMap<&str, Vec<&Statement>> = HashMap::new();
        for statement in &statements {
            by_path.entry(statement.path.as_str()).or_default().push(statement);
        }
        let done = read_progress(runner.client, &pending, &by_path).await?;
        Ok(Self {
            pending,
            pending_in_order,
            origin: origin.clone(),
            is_new,
            new_database,
            met: 0,
            current: None,
            skipped: Vec::new(),
            done,
            met_in_file: 0,
            by_path,
        })
    }

    /// Whether a statement's migration is not applied yet.
    pub fn is_pending(&self, statement: &Statement) -> bool {
        self.pending.contains_key(statement.path.as_str())
    }

    /// Whether a statement will commit what came before it, to run by itself.
    pub fn leaves_transaction(&self, statement: &Statement) -> bool {
        self.is_pending(statement)
            && statement.refuses_transaction()
            && !(self.is_new && statement.without_concurrently().is_some())
    }

    /// Runs one statement of a migration, if that is pending.
    pub async fn run(&mut self, runner: &Runner<'_>, statement: &'a Statement) -> Result<(), Failure> {
        let at = self.met;
        self.met += 1;
        let Some(migration) = self.pending.get(statement.path.as_str()).copied() else { return Ok(()) };
        if self.current != Some(statement.path.as_str()) {
            self.current = Some(&statement.path);
            self.met_in_file = 0;
        }
        self.met_in_file += 1;
        if self.done.get(&migration.file).is_some_and(|done| self.met_in_file <= *done) {
            return Ok(());
        }
        if self.leaves_transaction(statement) {
            runner.note(&statement.text);
            return match runner.mode {
                Mode::Rehearse => {
                    runner.doubt(Doubt::Schema);
                    Ok(())
                }
                Mode::Apply => self.run_outside(runner, statement, migration).await,
            };
        }
        if !self.is_new {
            // Added just before this transaction, by this deployment or by one that was interrupted.
            let there = new_values::is_there(runner, statement).await;
            if there.map_err(|error| Failure::new(statement, &error, 0))? {
                return Ok(());
            }
            return runner.run(statement).await.map(drop);
        }
        let alone = statement.without_concurrently();
        self.run_in_new(runner, at, alone.as_ref().unwrap_or(statement), &migration.file).await
    }

    async fn run_in_new(
        &mut self,
        runner: &Runner<'_>,
        at: usize,
        statement: &Statement,
        file: &str,
    ) -> Result<(), Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        let Some(new_database) = &mut self.new_database else { return runner.run(statement).await.map(drop) };
        if new_database.declared.is_none() {
            new_database.declared = Some(read_declared(runner.client).await.map_err(failed)?);
        }
        let Some(known) = &new_database.declared else { return Ok(()) };
        let about =
            declared::altered(&statement.tree).or_else(|| declared::dropped_tables(&statement.tree).into_iter().next());
        let live = match &about {
            Some(name) => read_live(runner.client, name).await.map_err(failed)?,
            None => Live::default(),
        };
        let decision = declared::decide(at, statement, known, &new_database.history, &live);
        let reason = match decision {
            Decision::Skip(reason) => Some(reason),
            Decision::Run { forgiving } => run_guarded(runner, statement, forgiving, about.as_ref()).await?,
            Decision::RunOnly { tree, reason } => match rewritten(statement, *tree) {
                Some(rest) => {
                    let more = run_guarded(runner, &rest, true, about.as_ref()).await?;
                    Some(more.map_or(reason.clone(), |more| format!("{reason}; {more}")))
                }
                None => run_guarded(runner, statement, true, about.as_ref()).await?,
            },
        };
        if let Some(reason) = reason {
            self.skipped.push(SkippedStatement {
                migration: file.to_owned(),
                line: statement.line,
                statement: beginning(&statement.text),
                reason,
            });
        }
        Ok(())
    }

    async fn run_outside(
        &self,
        runner: &Runner<'_>,
        statement: &Statement,
        migration: &Migration,
    ) -> Result<(), Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        let was_interrupted_here = self.done.get(&migration.file) == Some(&(self.met_in_file - 1));
        self.save_progress(runner, migration).await.map_err(failed)?;
        let set = format!(
            "UPDATE public._stonescriptdb_gateway_progress SET statements_done = {}, statements_checksum = {}
             WHERE migration_file = {}",
            self.met_in_file,
            quote_literal(&checksum_of(&self.by_path, &migration.path, self.met_in_file)),
            quote_literal(&migration.file)
        );
        if was_interrupted_here && concurrently::is_done(runner, statement).await.map_err(failed)? {
            return runner.outside(statement, &set).await;
        }
        runner.commit_before(statement).await?;
        if was_interrupted_here {
            concurrently::drop_invalid(runner, statement).await.map_err(failed)?;
        }
        let result = runner.alone(statement).await;
        if result.is_err() {
            // Half an index would stand in the way of the next attempt. A connection that is lost says so by itself.
            let _ = concurrently::drop_invalid(runner, statement).await;
        }
        result?;
        runner.begin_after(statement, &set).await
    }

    /// Before a statement that runs outside the transaction: what came before will be committed, and a run that is
    /// interrupted resumes here.
    async fn save_progress(&self, runner: &Runner<'_>, current: &Migration) -> Result<(), tokio_postgres::Error> {
        let finished: Vec<_> =
            self.pending_in_order.iter().take_while(|file| file.0 != current.file).cloned().collect();
        tracking::write_migrations(runner.client, &finished, &self.origin).await.map_err(|(_, error)| error)?;
        let done = i32::try_from(self.met_in_file - 1).unwrap_or(i32::MAX);
        let checksum = checksum_of(&self.by_path, &current.path, self.met_in_file - 1);
        let save = "INSERT INTO public._stonescriptdb_gateway_progress VALUES ($1, $2, $3)
                    ON CONFLICT (migration_file) DO UPDATE SET statements_done = $2, statements_checksum = $3";
        runner.client.execute(save, &[&current.file, &done, &checksum]).await.map(drop)
    }

    /// File and checksum of those that this deployment applies, to be recorded.
    pub fn applied(&self) -> &[(String, String)] {
        &self.pending_in_order
    }
}

/// Runs a statement; the reason where its effect turned out to be there already.
async fn run_guarded(
    runner: &Runner<'_>,
    statement: &Statement,
    forgiving: bool,
    about: Option<&Name>,
) -> Result<Option<String>, Failure> {
    let result = match about {
        Some(table) if forgiving => twins::run(runner, statement, table, |_| true).await,
        _ => runner.run(statement).await.map(|_| true),
    };
    match result {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some("the declaration has the same constraint or index already".to_owned())),
        Err(failure) if forgiving && failure.is_one_of(EFFECT_IS_THERE) => {
            Ok(Some(format!("the declaration has its effect already: {}", failure.error.cause)))
        }
        Err(failure) => Err(failure),
    }
}

/// PostgreSQL's codes for "exists already" and "is not there".
const EFFECT_IS_THERE: &[SqlState] = &[
    SqlState::DUPLICATE_COLUMN,
    SqlState::DUPLICATE_TABLE,
    SqlState::DUPLICATE_OBJECT,
    SqlState::DUPLICATE_FUNCTION,
    SqlState::DUPLICATE_SCHEMA,
    SqlState::UNDEFINED_COLUMN,
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_OBJECT,
    // Renaming an enum value that has its new name: "is not an existing enum label".
    SqlState::INVALID_PARAMETER_VALUE,
    // A second primary key.
    SqlState::INVALID_TABLE_DEFINITION,
];

/// Over the first `count` statements of a migration.
fn checksum_of(by_path: &HashMap<&str, Vec<&Statement>>, path: &str, count: usize) -> String {
    let statements = by_path.get(path).into_iter().flatten().take(count);
    let texts: Vec<&str> = statements.map(|statement| statement.text.as_str()).collect();
    checksum_bytes(texts.join(";\n").as_bytes())
}

/// How many statements of which file an interrupted run committed. What was edited since among those would be passed
/// over in silence, so that is refused.
async fn read_progress(
    client: &Client,
    pending: &HashMap<&str, &Migration>,
    by_path: &HashMap<&str, Vec<&Statement>>,
) -> Result<HashMap<String, usize>, DeployError> {
    let query = "SELECT migration_file, statements_done, statements_checksum
                 FROM public._stonescriptdb_gateway_progress";
    const TABLE: &str = "progress";
    let failed = altered::failed("reading where an interrupted migration stopped", TABLE);
    let rows = client.query_typed(query, &[]).await.map_err(failed)?;
    let mut progress = HashMap::new();
    for row in rows {
        let (file, done, checksum): (String, i32, String) =
            (altered::value(&row, 0, TABLE)?, altered::value(&row, 1, TABLE)?, altered::value(&row, 2, TABLE)?);
        let done = usize::try_from(done).unwrap_or(0);
        let migration = pending.values().find(|migration| migration.file == file);
        if migration.is_some_and(|one| checksum_of(by_path, &one.path, done) != checksum) {
            return Err(DeployError::EditedInterrupted { file, done });
        }
        progress.insert(file, done);
    }
    Ok(progress)
}

/// What is in the database before the first migration, which is what the declaration made.
async fn read_declared(client: &Client) -> Result<Declared, tokio_postgres::Error> {
    const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
                        AND c.relname NOT LIKE '\\_stonescriptdb\\_gateway\\_%'";
    let mut declared = Declared::default();
    let columns = format!(
        "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p', 'f', 'c') AND {OURS}"
    );
    for row in client.query(&columns, &[]).await? {
        let columns = declared.columns.entry((row.get(0), row.get(1))).or_default();
        columns.extend(row.get::<_, Option<String>>(2));
    }
    let parts = format!(
        "SELECT n.nspname::text, c.relname::text, part.name::text FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN (SELECT conrelid AS rel, conname AS name FROM pg_constraint
               UNION ALL SELECT tgrelid, tgname FROM pg_trigger WHERE NOT tgisinternal
               UNION ALL SELECT polrelid, polname FROM pg_policy
               UNION ALL SELECT ev_class, rulename FROM pg_rewrite) AS part ON part.rel = c.oid
         WHERE {OURS}"
    );
    let rows = client.query(&parts, &[]).await?;
    declared.parts = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
    let relations = format!(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('i', 'I', 'S', 'v', 'm') AND {OURS}"
    );
    let rows = client.query(&relations, &[]).await?;
    declared.relations = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let types = "SELECT n.nspname::text, t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                 WHERE t.typtype IN ('e', 'd', 'r') AND n.nspname NOT IN ('pg_catalog', 'information_schema')";
    let rows = client.query(types, &[]).await?;
    declared.types = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(declared)
}

async fn read_live(client: &Client, name: &Name) -> Result<Live, tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT relation.oid IS NOT NULL,
                    ARRAY(SELECT attname::text FROM pg_attribute
                          WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped),
                    ARRAY(SELECT conname::text FROM pg_constraint WHERE conrelid = relation.oid
                          UNION ALL SELECT tgname FROM pg_trigger WHERE tgrelid = relation.oid
                          UNION ALL SELECT polname FROM pg_policy WHERE polrelid = relation.oid)
             FROM (SELECT to_regclass($1::text)::oid AS oid) AS relation",
            &[&twins::qualified(name)],
        )
        .await?;
    let (columns, parts): (Vec<String>, Vec<String>) = (row.get(1), row.get(2));
    Ok(Live { exists: row.get(0), columns: columns.into_iter().collect(), parts: parts.into_iter().collect() })
}
