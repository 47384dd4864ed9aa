//! Runs pending migrations: in an existing database as written, in a new one without what the declaration already has.

mod acting_later;
mod concurrently;
mod declared;
mod dropped;
mod emptied;
mod former_columns;
mod former_defaults;
mod former_types;
mod history;
mod in_new;
mod made_with_rows;
mod moved;
mod read_back;
mod relaxed;
mod stand_in;
mod text;
mod unseen_labels;
mod vanished;

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

pub use self::acting_later::{acting_later, running_code, writes_rows};
use self::declared::Name;
pub use self::history::{Event, events_of};
use self::in_new::NewDatabase;
pub use self::text::DeclaredText;
pub use self::vanished::vanished;
use super::catalog::Catalog;
use super::catalog::things::parts_of_name;
use super::enum_labels::MadeWhole;
use super::error::DeployError;
use super::new_values;
use super::objects::beginning;
use super::report::SkippedStatement;
use super::runner::{Doubt, FailedIn, Failure, Mode, Runner};
use super::tracking::{self, Origin, Sums, altered};
use crate::bundle::Kind;
use crate::bundle::order::{Migration, Script, Target};
use crate::bundle::sql::tokens::checksum_bytes;
use crate::bundle::sql::{Object, Statement};
use crate::databases::quote_literal;

/// Refuses a bundle in which the text of an applied migration was edited.
pub fn check_unedited(migrations: &[Migration], tracked: &Sums) -> Result<(), DeployError> {
    for migration in migrations {
        let recorded = tracked.get(&migration.file);
        if let Some(checksum) = recorded.filter(|checksum| !migration.is_recorded_as(checksum)) {
            let file = migration.file.clone();
            return Err(match Migration::is_of_bytes(checksum) {
                true => DeployError::EditedSince { file },
                false => DeployError::EditedMigration { file },
            });
        }
    }
    Ok(())
}

/// File and sum of applied migrations whose sum was taken as earlier versions did: they get one over their statements.
pub fn to_be_summed_anew(migrations: &[Migration], tracked: &Sums) -> (Vec<String>, Vec<String>) {
    let differs =
        |migration: &&Migration| tracked.get(&migration.file).is_some_and(|checksum| *checksum != migration.checksum);
    migrations.iter().filter(differs).map(|migration| (migration.file.clone(), migration.checksum.clone())).unzip()
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
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) && FailedIn::of(&error) == FailedIn::Text => {
            HashSet::new()
        }
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
    /// What the bundle declares.
    text: DeclaredText,
    /// Enums that get the values of later statements when they are made.
    enums: MadeWhole,
    /// How many statements of migrations were met, applied ones included.
    met: usize,
    /// The same by path.
    met_by_file: HashMap<&'a str, usize>,
    /// Statements that a new database had no need of.
    pub skipped: Vec<SkippedStatement>,
    /// How many statements an interrupted run has behind it, by file.
    done: HashMap<String, usize>,
    met_in_file: usize,
    /// The statements of each migration, by path.
    by_path: HashMap<&'a str, Vec<&'a Statement>>,
    /// What the statements of all migrations make.
    made: HashSet<&'a Object>,
    /// Tables that an existing database has got from the declaration in this deployment.
    fresh: HashSet<Name>,
}

impl<'a> Migrations<'a> {
    /// `target`: in a new database the tables are as declared, so much of the migrations is there already; `declared`: the
    /// blueprint, if this is none.
    pub async fn new(
        runner: &Runner<'_>,
        script: &'a Script,
        tracked: &Sums,
        target: Target,
        declared: Option<&Catalog>,
        origin: &Origin,
    ) -> Result<Self, DeployError> {
        let is_pending = |migration: &&Migration| !tracked.contains_key(&migration.file);
        let pending: Vec<&Migration> = script.migrations.iter().filter(is_pending).collect();
        let pending_in_order =
            pending.iter().map(|migration| (migration.file.clone(), migration.checksum.clone())).collect();
        let pending: HashMap<&str, &Migration> =
            pending.into_iter().map(|migration| (migration.path.as_str(), migration)).collect();
        let statements: Vec<_> =
            script.statements.iter().filter(|statement| statement.kind == Kind::Migrations).collect();
        let is_new = target.is_new();
        let new_database = is_new.then(|| NewDatabase::new(&statements));
        let mut by_path: HashMap<&str, Vec<&Statement>> = HashMap::new();
        for statement in &statements {
            by_path.entry(statement.path.as_str()).or_default().push(statement);
        }
        let enums = MadeWhole::of(&script.statements, |one| pending.contains_key(one.path.as_str()), declared);
        let mut text = DeclaredText::of(&script.statements, &script.extensions);
        text.declares &= target == Target::NewDatabase;
        let done = read_progress(runner.client, &pending, &by_path).await?;
        Ok(Self {
            pending,
            pending_in_order,
            origin: origin.clone(),
            is_new,
            new_database,
            text,
            enums,
            met: 0,
            met_by_file: HashMap::new(),
            skipped: Vec::new(),
            done,
            met_in_file: 0,
            by_path,
            made: statements.iter().flat_map(|statement| &statement.makes).collect(),
            fresh: HashSet::new(),
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

    /// What is run in the stead of a `CREATE TYPE`, so that the values which migrations add later can be used.
    pub fn whole_type(&self, statement: &Statement) -> Option<Statement> {
        self.enums.creation(statement).cloned()
    }

    /// Whether the bundle declares this.
    pub fn is_declared(&self, object: &Object) -> bool {
        self.text.has_object(object)
    }

    /// Whether a statement of its own declares an index or a constraint of a table, of this name as PostgreSQL prints it.
    pub fn declares_part(&self, table: &(String, String), printed: &str) -> bool {
        let (_, name) = parts_of_name(printed);
        self.text.has_relation(&(table.0.clone(), name.clone())) || self.text.has_part(table, &name)
    }

    /// Runs one statement of a migration, if that is pending. `wants`: it names what the declaration could not make yet.
    pub async fn run(&mut self, runner: &Runner<'_>, statement: &'a Statement, wants: bool) -> Result<(), Failure> {
        let at = self.met;
        self.met += 1;
        let Some(migration) = self.pending.get(statement.path.as_str()).copied() else { return Ok(()) };
        let met_in_file = self.met_by_file.entry(&statement.path).or_default();
        *met_in_file += 1;
        self.met_in_file = *met_in_file;
        match self.done.get(&migration.file) {
            Some(done) if self.met_in_file <= *done => return Ok(()),
            Some(done) if self.met_in_file == done + 1 => runner.resume_path(statement),
            _ => {}
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
        // Added just before this transaction, by this deployment or by one that was interrupted, or with its type.
        if !self.is_new || self.enums.has_added(statement) {
            let there = new_values::is_there(runner, statement).await;
            if there.map_err(|error| Failure::new(statement, &error, 0))? {
                return Ok(());
            }
        }
        let whole = self.enums.creation(statement).cloned();
        let statement = whole.as_ref().unwrap_or(statement);
        let alone = statement.without_concurrently().filter(|_| self.is_new);
        let statement = alone.as_ref().unwrap_or(statement);
        let result = match self.is_new {
            true => Box::pin(self.run_in_new(runner, (at, wants), statement, &migration.file)).await,
            false => self.run_as_written(runner, statement, &migration.file).await,
        };
        match result {
            Err(failure) if unseen_labels::may_help(&failure) && !self.enums.unseen().is_empty() => {
                Box::pin(unseen_labels::run(runner, statement, self.enums.unseen())).await
            }
            result => result,
        }
    }

    /// Runs the statement once more that was the last one.
    pub async fn run_again(&mut self, runner: &Runner<'_>, statement: &'a Statement) -> Result<(), Failure> {
        self.met -= 1;
        self.met_by_file.entry(&statement.path).and_modify(|met| *met -= 1);
        self.run(runner, statement, false).await
    }

    /// The declaration has made a table.
    pub fn declaration_made(&mut self, table: &Object) {
        self.fresh.insert((table.schema.clone(), table.name.clone()));
    }

    /// In an existing database. What the bundle declares may have been there before, or have come first because another
    /// migration needed it. A table that was not there (the database has skipped the release that brought it) is as declared
    /// at once, as in a new database.
    async fn run_as_written(&mut self, runner: &Runner<'_>, statement: &Statement, file: &str) -> Result<(), Failure> {
        if declared::altered(&statement.tree).is_some_and(|table| self.fresh.contains(&table)) {
            if let Some(reason) = Box::pin(in_new::run_on_declared(runner, statement)).await? {
                self.skip(file, statement, reason);
            }
            return Ok(());
        }
        match runner.run(statement).await {
            Err(failure) if self.is_there_by_declaration(statement, &failure) => {
                let reason = format!("the declaration has its effect already: {}", failure.error.cause);
                self.skip(file, statement, reason);
                Ok(())
            }
            result => result.map(drop),
        }
    }

    /// Whether the declaration came first, because another statement needed it: a function, or a type that only a block makes
    /// and whose values have their last names.
    fn is_there_by_declaration(&self, statement: &Statement, failure: &Failure) -> bool {
        if failure.failed_in == FailedIn::Code {
            return false;
        }
        let is_made = failure.is_one_of(in_new::EXISTS) && self.text.will_replace(statement);
        let is_renamed = matches!(statement.tree.as_ref(), NodeEnum::AlterEnumStmt(alter) if !alter.old_val.is_empty())
            && failure.is_one_of(&[SqlState::INVALID_PARAMETER_VALUE])
            && self.text.has_what_is_altered_by(statement);
        is_made || is_renamed
    }

    fn skip(&mut self, file: &str, statement: &Statement, reason: String) {
        let (migration, line, statement) = (file.to_owned(), statement.line, beginning(&statement.text));
        self.skipped.push(SkippedStatement { migration, line, statement, reason });
    }

    async fn run_in_new(
        &mut self,
        runner: &Runner<'_>,
        (at, wants): (usize, bool),
        statement: &Statement,
        file: &str,
    ) -> Result<(), Failure> {
        let Some(new_database) = &mut self.new_database else { return runner.run(statement).await.map(drop) };
        if let Some(reason) = new_database.run(runner, (at, wants), &self.text, statement).await? {
            self.skip(file, statement, reason);
        }
        Ok(())
    }

    /// All of them have run: what has to be checked by now is.
    pub async fn settle(&mut self, runner: &Runner<'_>) -> Result<(), DeployError> {
        let Some(new_database) = &mut self.new_database else { return Ok(()) };
        Box::pin(new_database.restore(runner)).await?;
        let checks = new_database.checks(runner.client).await;
        for check in checks.map_err(DeployError::own("reading what is to be checked"))? {
            runner.generated(&check).await?;
        }
        Ok(())
    }

    /// Whether rows were left out because a later migration gives their columns another type.
    pub fn leaves_rows_out(&self) -> bool {
        self.new_database.as_ref().is_some_and(NewDatabase::leaves_rows_out)
    }

    /// A statement of the declaration runs, after the last one of a migration.
    pub fn declaration_went_on(&mut self, statement: &Statement) {
        if let Some(new_database) = &mut self.new_database {
            new_database.declaration_went_on(statement);
        }
    }

    /// Whether a migration of a new database makes what `statement` declares as well.
    pub fn make_too(&self, statement: &Statement) -> bool {
        self.new_database.is_some() && statement.makes.iter().any(|made| self.made.contains(made))
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
