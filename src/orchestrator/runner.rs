//! Sends a bundle's statements to PostgreSQL, each under a savepoint, inside the deployment's transaction.
//!
//! Owns the transaction: nothing else says `BEGIN` or `COMMIT`. Called by [`super::deployment`] and its parts.

mod answer;
mod aside;
mod failed_in;
mod failure;
mod of_file;
mod paths;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pg_query::NodeEnum;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use self::answer::Answer;
pub use self::failed_in::FailedIn;
pub use self::failure::{Broken, Failure, Refused};
use self::of_file::OfFile;
use self::paths::Paths;
use super::clock::Clock;
use super::dependants::{self, DEPENDED_ON, Dependants, Fate, Left, Root};
use super::error::DeployError;
use crate::bundle::sql::Statement;
use crate::databases::{DeploymentLock, SaidBy, Under, commit_and_go_on, own_path};

const SAVEPOINT: &str = "SAVEPOINT statement;";
/// On a line of its own: the statement may end with a comment.
const RELEASE: &str = "\n;RELEASE SAVEPOINT statement";

/// How much longer than others a statement outside the transaction may wait.
const OUTSIDE_TIMES: u32 = 20;

/// The key of [`ALONE`], the same in every database.
pub const INSIDE_KEY: i64 = 5_994_471_120_861_290_857;

/// A lock of the transaction's own, in the database itself: whatever happens to the connection that holds the deployment
/// locks, no two gateways are ever inside deployments to one database. The number is only ours.
const ALONE: &str = "SELECT pg_catalog.pg_advisory_xact_lock(5994471120861290857)";
const ROLLBACK_TO: &str = "ROLLBACK TO SAVEPOINT statement";

/// Behind a statement of uploaded code: the path that it leaves for the next one, and the gateway's own again.
const SHOW: &str = ";SHOW search_path;";

/// The next statement was cut where a string ends by SQL's rule, and may not end elsewhere (`'\'; COMMIT; --'`), whatever
/// uploaded code has set for the session.
const STANDARD_STRINGS: &str = "SET standard_conforming_strings TO on;";

/// `SET CONSTRAINTS ALL IMMEDIATE` holds until the transaction ends; this takes it back for those that are declared
/// `INITIALLY DEFERRED`. PostgreSQL takes a name for all constraints that bear it, so one that a constraint shares which
/// cannot be deferred stays immediate.
const DEFER_AGAIN: &str = "DO $$
    DECLARE names text;
    BEGIN
        SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO names
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.condeferred AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.connamespace = c.connamespace
                                            AND o.conname = c.conname AND NOT o.condeferrable);
        IF names IS NOT NULL THEN
            EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED';
        END IF;
    END $$";

/// Most databases have none; this takes a tenth of the time.
const HAS_DEFERRED: &str = "SELECT FROM pg_catalog.pg_constraint WHERE condeferred LIMIT 1";

/// What uploaded code may have set goes.
const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ALL;";

/// Among what a migration has set.
const PATH: &str = "search_path";

/// Whether a deployment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is committed.
    Apply,
    /// It is rolled back in the end; what PostgreSQL refuses in a transaction is told of, not run.
    Rehearse,
}

/// What a rehearsal cannot know, because a statement was left out of it: PostgreSQL refuses it in a transaction, or lets
/// nobody use there the enum value that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Which rows there would be.
    Rows,
    /// How the schema would be in the end.
    Schema,
    /// The same, and which values rows get that do not name them.
    Defaults,
}

#[derive(Clone, Copy, Debug, Default)]
struct Doubts {
    rows: bool,
    schema: bool,
    defaults: bool,
}

impl Doubts {
    fn is_any(self) -> bool {
        self.rows || self.schema
    }
}

/// What rows have broken (class 23), or a migration's own check of them (`RAISE`), no index or extension that is left out of a
/// rehearsal would have kept whole.
fn is_about_rows(sqlstate: &str) -> bool {
    sqlstate.starts_with("23") || sqlstate == SqlState::RAISE_EXCEPTION.code()
}

/// A transaction on one connection.
pub struct Runner<'a> {
    /// For the deployment's own queries.
    pub client: &'a Client,
    /// Whether the transaction is committed in the end.
    pub mode: Mode,
    /// What stands aside for statements that were run.
    pub dependants: Dependants,
    lock: &'a DeploymentLock,
    clock: &'a Clock,
    lock_timeout: Duration,
    settings: String,
    paths: Paths,
    /// What was run of the bundle, or generated for it, in order.
    statements: Mutex<Vec<String>>,
    doubts: Mutex<Doubts>,
    /// How often something was run that may have changed the schema.
    changes: AtomicU64,
}

impl<'a> Runner<'a> {
    /// Opens the transaction.
    pub async fn begin(
        client: &'a Client,
        mode: Mode,
        lock_timeout: Duration,
        lock: &'a DeploymentLock,
        clock: &'a Clock,
    ) -> Result<Self, DeployError> {
        // Bodies are checked when everything is there (`functions::validate`), so functions need no order among
        // themselves. The other settings are those that a migration before this one may have changed.
        let settings = format!(
            "{}; SET lock_timeout = {}; SET check_function_bodies = off;",
            own_path(),
            lock_timeout.as_millis()
        );
        let begin = format!("BEGIN; {RESET} SHOW search_path; {settings} {ALONE}");
        let answer = Answer::of(client, &begin, true).await.map_err(DeployError::own("opening the transaction"))?;
        let runner = Self {
            client,
            mode,
            dependants: Dependants::default(),
            lock,
            clock,
            lock_timeout,
            settings: format!("{RESET} {settings}"),
            paths: Paths::new(answer.first().unwrap_or_default()),
            statements: Mutex::default(),
            doubts: Mutex::default(),
            changes: AtomicU64::new(0),
        };
        Ok(runner)
    }

    /// Ends the transaction; the statements that it ran.
    pub async fn end(self) -> Result<Vec<String>, DeployError> {
        match self.mode {
            Mode::Apply => {
                self.check_lock().await?;
                self.clock.begin_commit();
                // Deferred triggers run now: uploaded code.
                self.client.batch_execute(&commit_and_go_on()).await.map_err(|source| match SaidBy::of(&source) {
                    SaidBy::Server | SaidBy::Code => DeployError::AtCommit { source },
                    SaidBy::End => DeployError::CommitUnknown { source },
                })?;
            }
            Mode::Rehearse => self.own("rolling back", "ROLLBACK").await?,
        }
        Ok(self.statements.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Before anything is committed: another gateway may have begun if the deployment lock was lost.
    pub async fn check_lock(&self) -> Result<(), DeployError> {
        if self.lock.is_still_held().await { Ok(()) } else { Err(DeployError::LockLost) }
    }

    /// A number that stays the same for as long as nothing is run that may change the schema.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Something was run past this runner, or taken back.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Has the statement told of as one that was run.
    pub fn note(&self, sql: &str) {
        self.changed();
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).push(sql.to_owned());
    }

    /// The last statement was taken back.
    pub fn forget_last(&self) {
        self.changed();
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).pop();
    }

    /// A statement is left out of the rehearsal.
    pub fn doubt(&self, doubt: Doubt) {
        let mut known = self.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        match doubt {
            Doubt::Rows => known.rows = true,
            Doubt::Schema => known.schema = true,
            Doubt::Defaults => (known.schema, known.defaults) = (true, true),
        }
    }

    fn doubts(&self) -> Doubts {
        *self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an error may come of the rehearsal alone.
    pub fn may_be_wrong(&self, error: &DeployError) -> bool {
        let doubt = self.doubts();
        let of_postgres = |sqlstate: &str| {
            sqlstate == SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE.code()
                || doubt.rows
                || (doubt.schema && !is_about_rows(sqlstate))
                || (doubt.defaults && sqlstate == SqlState::NOT_NULL_VIOLATION.code())
        };
        match error {
            _ if self.mode == Mode::Apply => false,
            DeployError::Statement(error) => match error.sqlstate.as_deref() {
                Some(sqlstate) => of_postgres(sqlstate),
                None => doubt.is_any(),
            },
            DeployError::Generated { source, .. } | DeployError::Own { source, .. } => {
                source.code().is_some_and(|code| source.as_db_error().is_some() && of_postgres(code.code()))
            }
            DeployError::NoValue { .. } => doubt.rows || doubt.defaults,
            DeployError::RowsMissing { .. } | DeployError::Standing { .. } | DeployError::Dependants { .. } => {
                doubt.is_any()
            }
            DeployError::Differs { .. } => doubt.schema,
            _ => false,
        }
    }

    /// Runs a statement that the gateway generated to bring the database to its declaration.
    pub async fn generated(&self, sql: &str) -> Result<(), DeployError> {
        let failed = |source| DeployError::Generated { statement: sql.to_owned(), source, declared_at: None };
        self.client.batch_execute("SAVEPOINT generated").await.map_err(failed)?;
        let error = match self.client.batch_execute(&self.paths.printed(sql)).await {
            Ok(()) => {
                self.note(sql);
                self.client.batch_execute("RELEASE SAVEPOINT generated").await.map_err(failed)?;
                return Ok(());
            }
            Err(error) => error,
        };
        if self.is_for_later(&error) {
            self.client.batch_execute("ROLLBACK TO SAVEPOINT generated").await.map_err(failed)?;
            self.doubt(Doubt::Defaults);
            self.note(sql);
            return Ok(());
        }
        if !error.code().is_some_and(|code| DEPENDED_ON.contains(code)) {
            return Err(failed(error));
        }
        self.client.batch_execute("ROLLBACK TO SAVEPOINT generated").await.map_err(failed)?;
        let path = self.paths.behind_printed();
        let roots = dependants::roots_of_text(self.client, Under::Printed(&path), sql).await.map_err(failed)?;
        match self.dropping(&self.paths.printed(sql), sql, &roots, sql).await {
            Ok(()) => Ok(()),
            Err(Refused::Postgres(second)) => Err(failed(second)),
            Err(Refused::Standing(names)) if names.is_empty() => Err(failed(error)),
            Err(Refused::Standing(names)) => {
                Err(DeployError::Standing { statement: sql.to_owned(), dependants: names, source: error })
            }
        }
    }

    /// Runs a generated statement that drops a column and makes it anew: what belongs to the column is kept.
    pub async fn generated_anew(&self, sql: &str) -> Result<(), DeployError> {
        let failed = |source| DeployError::Generated { statement: sql.to_owned(), source, declared_at: None };
        let path = self.paths.behind_printed();
        let roots = dependants::roots_of_text(self.client, Under::Printed(&path), sql).await.map_err(failed)?;
        let roots: Vec<_> = roots.into_iter().map(|root| Root { fate: Fate::Replaced, ..root }).collect();
        match self.dropping(&self.paths.printed(sql), sql, &roots, sql).await {
            Ok(()) => Ok(()),
            Err(Refused::Postgres(error)) => Err(failed(error)),
            Err(Refused::Standing(names)) => {
                let left = |description| Left {
                    description,
                    because: sql.to_owned(),
                    refusal: "it cannot be made again".to_owned(),
                    for_function: false,
                };
                Err(DeployError::Dependants { left: names.into_iter().map(left).collect() })
            }
        }
    }

    /// Runs a generated statement that may fail because something depends on what it drops; whether it was run.
    pub async fn generated_unless_needed(&self, sql: &str) -> Result<bool, DeployError> {
        match self.client.batch_execute(&format!("{SAVEPOINT}{}{RELEASE}", self.paths.printed(sql))).await {
            Ok(()) => {
                self.note(sql);
                Ok(true)
            }
            Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                self.client.batch_execute(ROLLBACK_TO).await.map_err(DeployError::own("dropping what is obsolete"))?;
                Ok(false)
            }
            Err(error) => Err(DeployError::Generated { statement: sql.to_owned(), source: error, declared_at: None }),
        }
    }

    /// An enum value is used in the transaction that adds it, which only a rehearsal does.
    fn is_for_later(&self, error: &tokio_postgres::Error) -> bool {
        self.mode == Mode::Rehearse && error.code() == Some(&SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE)
    }

    /// Takes back what was set for the session.
    pub async fn reset_session(&self) -> Result<(), DeployError> {
        self.paths.reset();
        self.own("resetting the session", &self.settings).await
    }

    /// After the `last` statement of a migration: what a transaction of its own would end with. Deferred constraints
    /// are checked, so that their pending checks do not stand in the way of an `ALTER TABLE` to come, and deferred
    /// again; the session is as it was.
    pub async fn end_migration(&self, last: &Statement) -> Result<(), DeployError> {
        // Sent one after the other without waiting, answered in the same order: a history ends hundreds of them.
        let (checked, deferred, discarded, reset) = tokio::join!(
            biased;
            self.check_constraints(),
            self.client.query_typed(HAS_DEFERRED, &[]),
            // Two migrations may each have a temporary table of one name.
            self.own("ending a migration", "DISCARD TEMP"),
            self.reset_session(),
        );
        checked.map_err(|error| Failure::new(last, &error, 0))?;
        let deferred = deferred.map_err(DeployError::own("ending a migration"))?;
        discarded?;
        reset?;
        if deferred.is_empty() {
            return Ok(());
        }
        self.own("ending a migration", DEFER_AGAIN).await
    }

    /// Has every deferred trigger and constraint run now: uploaded code.
    pub async fn check_constraints(&self) -> Result<(), tokio_postgres::Error> {
        let (enter, _) = self.paths.enter();
        self.client.batch_execute(&format!("{enter}SET CONSTRAINTS ALL IMMEDIATE;{}", own_path())).await
    }

    /// An interrupted migration goes on with this statement: what was run of it before has set the path of that session.
    pub fn resume_path(&self, statement: &Statement) {
        if let Some(path) = of_file::path_in_text(statement) {
            self.paths.set(path);
        }
    }

    /// The path that a migration's statement runs under now.
    pub fn session_path(&self) -> String {
        self.paths.current()
    }

    /// The path under which a statement runs now.
    pub fn path(&self, statement: &Statement) -> String {
        of_file::settings(statement).and_then(|of_file| of_file.path()).unwrap_or_else(|| self.paths.current())
    }

    /// The path that uploaded code begins with.
    pub fn first_path(&self) -> &str {
        self.paths.first()
    }

    /// In the middle of a migration: the session without what the migration has set, which is answered. Settings of
    /// somebody's own (`my.note`) are not in `pg_settings`; they disturb no statement and stay.
    pub async fn set_session_aside(&self) -> Result<Vec<(String, String)>, DeployError> {
        let query = "SELECT name, setting, set_config(name, reset_val, false) FROM pg_catalog.pg_settings
                     WHERE source = 'session'
                       AND name NOT IN ('session_authorization', 'role', 'lock_timeout', 'search_path')
                       AND name !~ '^transaction_'
                     UNION ALL SELECT 'role', current_setting('role'), ''";
        let failed = DeployError::own("reading what a migration has set");
        let rows = self.client.query(query, &[]).await.map_err(failed)?;
        self.own("setting aside what a migration has set", "RESET ROLE; SET check_function_bodies = off").await?;
        let mut settings: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        settings.extend(self.paths.reset().map(|path| (PATH.to_owned(), path)));
        Ok(settings)
    }

    /// The migration goes on.
    pub async fn resume_session(&self, settings: &[(String, String)]) -> Result<(), DeployError> {
        let (path, settings): (Vec<_>, Vec<_>) = settings.iter().partition(|(name, _)| name == PATH);
        if let Some((_, path)) = path.first() {
            self.paths.set(path.clone());
        }
        let (names, values): (Vec<&String>, Vec<&String>) = settings.iter().map(|(name, value)| (name, value)).unzip();
        // The role last: it may not be allowed to set the others.
        let query = "SELECT pg_catalog.set_config(name, value, false)
                     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS setting (name, value, place)
                     ORDER BY name = 'role', place";
        let failed = DeployError::own("setting again what a migration has set");
        self.client.query(query, &[&names, &values]).await.map(drop).map_err(failed)
    }

    /// Runs the gateway's own SQL.
    pub async fn own(&self, step: &'static str, sql: &str) -> Result<(), DeployError> {
        self.client.batch_execute(sql).await.map_err(DeployError::own(step))
    }

    /// Runs a statement of the bundle; where it fails, the transaction goes on as if it had not been sent.
    pub async fn run(&self, statement: &Statement) -> Result<u64, Failure> {
        self.run_as(statement, &statement.text, 0).await
    }

    /// Runs `sql` in a statement's stead; `prefix` is how many characters stand in it before the statement's own text.
    /// Returns the rows that it changed. What depends on what it changes, and is why PostgreSQL refuses it, is taken off
    /// and put back.
    pub async fn run_as(&self, statement: &Statement, sql: &str, prefix: usize) -> Result<u64, Failure> {
        let failure = match self.send(statement, sql, prefix).await {
            Ok(rows) => {
                self.put_back().await.map_err(|error| Failure::new(statement, &error, 0))?;
                return Ok(rows);
            }
            Err(failure) => failure,
        };
        if !failure.is_one_of(DEPENDED_ON) {
            return Err(failure);
        }
        let roots = dependants::roots_of(self.client, Under::Path(&self.path(statement)), &statement.tree).await;
        let roots = roots.map_err(|error| Failure::new(statement, &error, 0))?;
        if roots.is_empty() { Err(failure) } else { self.run_past(statement, sql, prefix, &roots, Some(failure)).await }
    }

    /// Runs an `INSERT` with a `RETURNING` behind it, which nobody is told of: how many rows it inserted, and what it
    /// returns of each.
    pub async fn run_returning(
        &self,
        statement: &Statement,
        returning: &str,
    ) -> Result<(u64, Vec<Vec<Option<String>>>), Failure> {
        // On a line of its own: the statement may end with a comment.
        let returning = format!("\n{returning}");
        let (answer, own_rows) = self.exchange(statement, &statement.text, Some(&returning), 0).await?;
        self.put_back().await.map_err(|error| Failure::new(statement, &error, 0))?;
        Ok((answer.changed.saturating_sub(own_rows), answer.rows_between(own_rows)))
    }

    async fn send(&self, statement: &Statement, sql: &str, prefix: usize) -> Result<u64, Failure> {
        let (answer, own_rows) = self.exchange(statement, sql, None, prefix).await?;
        Ok(answer.changed.saturating_sub(own_rows))
    }

    /// What PostgreSQL answers, and how many of its rows are the gateway's own before the statement's. The statement's are kept
    /// where it has a `RETURNING`.
    async fn exchange(
        &self,
        statement: &Statement,
        sql: &str,
        returning: Option<&str>,
        prefix: usize,
    ) -> Result<(Answer, u64), Failure> {
        self.clock.begin_statement(&statement.path, statement.line);
        let of_file = of_file::settings(statement);
        let (enter, own_rows) =
            of_file.as_ref().map_or_else(|| self.paths.enter(), |of_file| of_file.enter(&self.paths));
        let leave = of_file.as_ref().map(OfFile::leave).unwrap_or_default();
        let behind = returning.unwrap_or_default();
        let guarded = format!("{SAVEPOINT}{enter}{sql}{behind}{RELEASE}{SHOW}{leave}{STANDARD_STRINGS}{}", own_path());
        match Answer::of(self.client, &guarded, returning.is_some()).await {
            Ok(mut answer) => {
                self.note(sql);
                if of_file.is_none() {
                    self.paths.set(answer.last.take().ok_or_else(|| Failure::too_long_path(statement))?);
                }
                Ok((answer, own_rows))
            }
            Err(error) => {
                if error.as_db_error().is_some() {
                    // Fails only with the connection, which the next statement then reports.
                    let _ = self.client.batch_execute(ROLLBACK_TO).await;
                }
                let changes_rows = matches!(
                    statement.tree.as_ref(),
                    NodeEnum::InsertStmt(_)
                        | NodeEnum::UpdateStmt(_)
                        | NodeEnum::DeleteStmt(_)
                        | NodeEnum::SelectStmt(_)
                );
                if self.is_for_later(&error) {
                    self.doubt(if changes_rows { Doubt::Rows } else { Doubt::Defaults });
                    self.note(sql);
                    return Ok((Answer::default(), 0));
                }
                Err(Failure::new(statement, &error, SAVEPOINT.len() + enter.chars().count() + prefix))
            }
        }
    }

    /// Before a statement that PostgreSQL refuses in a transaction: commits what came before it.
    pub async fn commit_before(&self, statement: &Statement) -> Result<(), Failure> {
        // It waits for every older transaction, so the deployment's lock timeout does not fit it; nobody queues behind it.
        let limit = self.lock_timeout.saturating_mul(OUTSIDE_TIMES).as_millis().min(i32::MAX as u128);
        self.outside(statement, &commit_and_go_on()).await?;
        self.outside(statement, &format!("SET lock_timeout = {limit}")).await
    }

    /// Commits what came before a statement, and opens the next transaction.
    pub async fn renew(&self, statement: &Statement) -> Result<(), DeployError> {
        self.outside(statement, &commit_and_go_on()).await?;
        self.paths.reset();
        self.outside(statement, &format!("BEGIN; {} {ALONE}", self.settings)).await.map_err(DeployError::from)
    }

    /// After it: records that with `done`, and opens the next transaction. The path that the migration has set holds on.
    pub async fn begin_after(&self, statement: &Statement, done: &str) -> Result<(), Failure> {
        // A trigger of the platform's may have it listen; see [`commit_and_go_on`].
        self.outside(statement, &format!("{done};UNLISTEN *")).await?;
        self.outside(statement, &format!("BEGIN; {} {ALONE}", self.settings)).await
    }

    /// Runs the statement itself outside of any transaction, under the path of uploaded code.
    pub async fn alone(&self, statement: &Statement) -> Result<(), Failure> {
        self.outside(statement, &self.paths.enter().0).await?;
        let result = self.outside(statement, &statement.text).await;
        let left = self.outside(statement, &format!("{STANDARD_STRINGS}{}", own_path())).await;
        result.and(left)
    }

    /// Runs `sql` for a statement, without a savepoint.
    pub async fn outside(&self, statement: &Statement, sql: &str) -> Result<(), Failure> {
        self.changed();
        self.clock.begin_statement(&statement.path, statement.line);
        self.client.batch_execute(sql).await.map_err(|error| Failure::new(statement, &error, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_inside_a_deployment_is_the_one_that_is_looked_for() {
        assert!(ALONE.contains(&format!("({INSIDE_KEY})")), "{ALONE}");
    }
}
