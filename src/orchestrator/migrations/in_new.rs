//! Runs the statements of migrations in a new database, without what its declaration made: asks the database and
//! [`super::declared`], and carries the answer out. Called by [`super::Migrations`].

use std::collections::HashSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, DropStmt};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::acting_later::says_on_conflict;
use super::declared::{self, Decision, Declared, Live, Name};
use super::emptied::Unchecked;
use super::former_columns::FormerColumns;
use super::former_types::FormerTypes;
use super::history::History;
use super::made_with_rows::{MadeWithRows, makes_with_rows};
use super::moved::{self, Moved};
use super::read_back;
use super::relaxed::{self, Relaxed};
use super::stand_in::{StandIns, may_change_rows};
use super::text::DeclaredText;
use crate::bundle::order::rewritten;
use crate::bundle::sql::{Class, Statement};
use crate::orchestrator::runner::{FailedIn, Failure, Runner};
use crate::orchestrator::twins;

/// What a new database needs to know to leave out what its declaration made.
pub(super) struct NewDatabase {
    history: History,
    declared: Option<Declared>,
    columns: FormerColumns,
    types: FormerTypes,
    leaves_rows_out: bool,
    /// Whether `declared` lacks something that was made since it was read.
    outdated: bool,
    /// Indexes, views and sequences that it may lack, and nothing else.
    made: HashSet<Name>,
    unchecked: Unchecked,
    relaxed: Relaxed,
}

impl NewDatabase {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn new(migrations: &[&Statement]) -> Self {
        Self {
            history: History::of(migrations),
            declared: None,
            columns: FormerColumns::of(migrations),
            types: FormerTypes::of(migrations),
            leaves_rows_out: false,
            outdated: false,
            made: HashSet::new(),
            unchecked: Unchecked::default(),
            relaxed: Relaxed::of(migrations),
        }
    }

    /// Whether statements about rows were left out because their values are of former types.
    pub(super) fn leaves_rows_out(&self) -> bool {
        self.leaves_rows_out
    }

    /// A statement of the declaration was run since the last one of a migration, or waits.
    pub(super) fn declaration_went_on(&mut self, statement: &Statement) {
        match statement.tree.as_ref() {
            NodeEnum::CreateFunctionStmt(_) | NodeEnum::CreateEnumStmt(_) => {}
            NodeEnum::ViewStmt(_) | NodeEnum::CreateSeqStmt(_) | NodeEnum::IndexStmt(_) => {
                let relations = statement.makes.iter().filter(|made| made.class == Class::Relation);
                self.made.extend(relations.map(|made| (made.schema.clone(), made.name.clone())));
            }
            _ => self.outdated = true,
        }
    }

    /// Runs statement number `at`; the reason where all or part of it was left out. `wants`: it names what the declaration
    /// could not make yet, so that "is not there" does not mean "is gone".
    pub(super) async fn run(
        &mut self,
        runner: &Runner<'_>,
        (at, wants): (usize, bool),
        text: &DeclaredText,
        statement: &Statement,
    ) -> Result<Option<String>, Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        if !text.declares {
            // Its tables and types are its own matter; a function or view may be declared as well.
            let pardon = match text {
                _ if text.lacks_what_is_made_inside(statement) => Pardon::Nothing,
                _ if text.has_what_is_dropped_by(statement) => Pardon::Effect,
                _ if text.has_what_is_altered_by(statement) => Pardon::Effect,
                _ if text.has_what_is_made_by(statement) => Pardon::Exists,
                _ => Pardon::Nothing,
            };
            return run_pardoning(runner, statement, pardon, None).await;
        }
        self.read(runner, text).await.map_err(failed)?;
        let Some(known) = &self.declared else { return Ok(None) };
        Box::pin(self.relaxed.catch_up(runner, at, statement, known, &self.history)).await.map_err(failed)?;
        let about =
            declared::altered(&statement.tree).or_else(|| declared::dropped_tables(&statement.tree).into_iter().next());
        let live = match &about {
            Some(name) => read_back::live(runner.client, name).await.map_err(failed)?,
            None => Live::default(),
        };
        let pardon = |forgiving| match forgiving {
            _ if text.lacks_what_is_made_inside(statement) => Pardon::Nothing,
            true if wants => Pardon::Exists,
            true if self.history.may_use_former_labels(statement) => Pardon::EffectOrLabel,
            true => Pardon::Effect,
            false if text.has_what_is_made_by(statement) => Pardon::Exists,
            false => Pardon::Nothing,
        };
        let decision = match declared::moves_declared(statement, |made| text.has_object(made)) {
            Some(reason) => Decision::Skip(reason),
            None => declared::decide(at, statement, known, &self.history, &live),
        };
        if let (NodeEnum::DropStmt(drop), false) = (statement.tree.as_ref(), matches!(decision, Decision::Run { .. })) {
            self.unchecked.empty(runner, at, drop, known, &self.history).await.map_err(failed)?;
        }
        if matches!(decision, Decision::Skip(_)) {
            loop {
                match moved::move_rows(runner, (at, statement), known, &self.history).await.map_err(failed)? {
                    Moved::None => break,
                    Moved::All(left) => {
                        self.unchecked.empty_one(runner, &left).await.map_err(failed)?;
                        break;
                    }
                    Moved::Refused(failure) => {
                        let relaxing = self.relaxed.relax(runner, (at, statement), &failure, (known, &self.history));
                        // Rows under another name than psql puts them under would be wrong.
                        if !Box::pin(relaxing).await.map_err(failed)? {
                            return Err(*failure);
                        }
                    }
                }
            }
            self.relaxed.end_statement(runner).await.map_err(failed)?;
        }
        match decision {
            Decision::Skip(reason) => match MadeWithRows::of(statement) {
                Some(made) => Box::pin(self.fill(runner, at, made, reason)).await.map(Some),
                None => {
                    // It has none, or cannot be written otherwise: then the migrations by themselves may do better.
                    self.leaves_rows_out |= makes_with_rows(&statement.tree);
                    Ok(Some(reason))
                }
            },
            Decision::Run { forgiving } => {
                self.run_as_written(runner, at, statement, (pardon(forgiving), about.as_ref())).await
            }
            Decision::RunOnly { tree, reason } => {
                let rest = rewritten(statement, *tree);
                let more = run_each(runner, rest.as_ref().unwrap_or(statement), pardon(true), about.as_ref()).await?;
                match rest {
                    Some(_) => Ok(Some(more.map_or(reason.clone(), |more| format!("{reason}; {more}")))),
                    None => Ok(more),
                }
            }
        }
    }

    /// Runs a statement with everything called as it was then.
    async fn run_as_written(
        &mut self,
        runner: &Runner<'_>,
        at: usize,
        statement: &Statement,
        (pardon, about): (Pardon, Option<&Name>),
    ) -> Result<Option<String>, Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        let Some(known) = &self.declared else { return Ok(None) };
        let stand_ins = StandIns::make(runner, at, statement, known, &self.history).await.map_err(failed)?;
        let all = (known, &self.history, &stand_ins);
        let placed = place(&mut self.columns, runner, at, statement, all).await.map_err(failed)?;
        let (placed, gone) = placed.unzip();
        let placed = placed.as_ref().unwrap_or(statement);
        let insert = match placed.tree.as_ref() {
            NodeEnum::InsertStmt(_) => placed.parse(),
            _ => None,
        };
        let filled = match insert {
            Some(NodeEnum::InsertStmt(insert)) => insert.relation.as_ref().map(declared::name),
            _ => None,
        };
        let filled = filled.map(|name| self.history.renamed_to(&name, at).unwrap_or(name));
        let given = Box::pin(relaxed::given_numbers(runner, filled.as_ref())).await.map_err(failed)?;
        let mut result = run_each(runner, placed, pardon, about).await;
        while let Err(failure) = &result {
            let relaxing = Box::pin(self.relaxed.relax(runner, (at, placed), failure, (known, &self.history)));
            if !relaxing.await.map_err(failed)? {
                break;
            }
            runner.client.batch_execute(&given).await.map_err(failed)?;
            result = run_each(runner, placed, pardon, about).await;
        }
        self.relaxed.end_statement(runner).await.map_err(failed)?;
        stand_ins.drop(runner).await.map_err(failed)?;
        let result = result.map(|reason| reason.or(gone.flatten()));
        let Err(failure) = result else { return result };
        runner.client.batch_execute(&given).await.map_err(failed)?;
        let former = Box::pin(self.types.explain(runner, (at, placed), &failure, (known, &self.history)));
        let reason = former.await.map_err(failed)?.ok_or(failure)?;
        self.leaves_rows_out = true;
        Ok(Some(reason))
    }

    /// Puts the rows into a declared table that a statement makes with them; why the statement itself was left out.
    async fn fill(
        &mut self,
        runner: &Runner<'_>,
        at: usize,
        made: MadeWithRows,
        reason: String,
    ) -> Result<String, Failure> {
        let statement = &made.statement;
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        if made.is_there_before(at, &self.history) {
            return Ok(reason);
        }
        let Some(last) = self.declared.as_ref().and_then(|known| made.goes_to(at, known, &self.history)) else {
            // The migrations by themselves may do better.
            self.leaves_rows_out = true;
            return Ok(reason);
        };
        if let Some(gone) = Box::pin(self.run_as_written(runner, at, statement, (Pardon::Effect, None))).await? {
            self.leaves_rows_out = true;
            return Ok(format!("{reason}; {gone}"));
        }
        let names = (&made.beside, &made.table, &last);
        while let Moved::Refused(failure) =
            moved::move_between(runner, (at, statement), names, &self.history).await.map_err(failed)?
        {
            let Some(known) = &self.declared else { break };
            let relaxing = self.relaxed.relax(runner, (at, statement), &failure, (known, &self.history));
            if !Box::pin(relaxing).await.map_err(failed)? {
                return Err(*failure);
            }
        }
        self.relaxed.end_statement(runner).await.map_err(failed)?;
        let drop = format!("DROP TABLE {}", twins::qualified(&made.beside));
        runner.client.batch_execute(&drop).await.map_err(failed)?;
        runner.changed();
        Ok(format!("{reason}; its rows are put into it"))
    }

    /// All migrations have run: the declaration's rules hold again.
    pub(super) async fn restore(&mut self, runner: &Runner<'_>) -> Result<(), Failure> {
        self.relaxed.restore(runner).await
    }

    /// All migrations have run: the statements that check what was put back unchecked.
    pub(super) async fn checks(&mut self, client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
        self.unchecked.check(client).await
    }

    /// What is there before the first migration is declared; later on, only what the text names.
    async fn read(&mut self, runner: &Runner<'_>, text: &DeclaredText) -> Result<(), tokio_postgres::Error> {
        match &mut self.declared {
            None => {
                let mut declared = read_back::declared(runner.client).await?;
                declared.name(text);
                self.declared = Some(declared);
            }
            Some(declared) if self.outdated => declared.learn(read_back::declared(runner.client).await?, text),
            Some(declared) if !self.made.is_empty() => {
                declared.relations.extend(read_back::there(runner.client, &self.made).await?);
                self.made.retain(|name| !declared.relations.contains(name));
            }
            Some(_) => {}
        }
        if std::mem::take(&mut self.outdated) {
            self.made.clear();
        }
        Ok(())
    }
}

/// An `INSERT` with its columns named as they are now, and why some of its values were left out.
async fn place(
    columns: &mut FormerColumns,
    runner: &Runner<'_>,
    at: usize,
    statement: &Statement,
    (known, history, stand_ins): (&Declared, &History, &StandIns),
) -> Result<Option<(Statement, Option<String>)>, tokio_postgres::Error> {
    let insert = match statement.tree.as_ref() {
        NodeEnum::InsertStmt(_) => statement.parse(),
        _ => None,
    };
    let Some(NodeEnum::InsertStmt(insert)) = insert else { return Ok(None) };
    let Some(table) = insert.relation.as_ref().map(declared::name) else { return Ok(None) };
    let stands_in = stand_ins.has(&table);
    let last = if stands_in { history.renamed_to(&table, at) } else { Some(table) };
    let Some(last) = last else { return Ok(None) };
    let last = read_back::columns_in_order(runner.client, &last).await?;
    let Some(placed) = columns.place(at, *insert, (known, history), (&last, stands_in)) else { return Ok(None) };
    let gone = (!placed.gone.is_empty())
        .then(|| format!("of its values, those of what is no column any more: {}", placed.gone.join(", ")));
    Ok(statement.rewritten(placed.tree).map(|placed| (placed, gone)))
}

/// Which refusals of PostgreSQL's mean that the declaration has a statement's effect already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pardon {
    /// None.
    Nothing,
    /// That it exists.
    Exists,
    /// That it exists or is gone.
    Effect,
    /// The same, and that an enum does not have a value.
    EffectOrLabel,
}

impl Pardon {
    fn covers(self, failure: &Failure, statement: &Statement) -> bool {
        // What code that it runs says is the word of the code's author, and tells nothing of the statement.
        if failure.failed_in == FailedIn::Code {
            return false;
        }
        // Rows would be missing: what exists already is what a function or trigger made for itself, or has other rows.
        let exists = failure.is_one_of(EXISTS) && !may_change_rows(&statement.tree);
        // Elsewhere a function that is not there is one that the statement calls.
        let drops = matches!(statement.tree.as_ref(), NodeEnum::DropStmt(_));
        let gone = is_gone(&statement.tree, failure) || drops && failure.is_one_of(&[SqlState::UNDEFINED_FUNCTION]);
        match self {
            Self::Nothing => false,
            Self::Exists => exists,
            Self::Effect => exists || gone,
            Self::EffectOrLabel => exists || gone || failure.is_unknown_label(),
        }
    }
}

/// PostgreSQL's codes for "exists already".
pub(super) const EXISTS: &[SqlState] = &[
    SqlState::DUPLICATE_COLUMN,
    SqlState::DUPLICATE_TABLE,
    SqlState::DUPLICATE_OBJECT,
    SqlState::DUPLICATE_FUNCTION,
    SqlState::DUPLICATE_SCHEMA,
    // A second primary key.
    SqlState::INVALID_TABLE_DEFINITION,
];

/// Whether PostgreSQL says that something which the statement names is not there. A statement about rows fails with the same
/// codes for reasons of its own (an unknown setting or time zone, a sequence that nobody made), which are no pardon: rows
/// would be missing: only what the analysis of its text says counts, and the routine tells apart what that says.
fn is_gone(tree: &NodeEnum, failure: &Failure) -> bool {
    let has_rows = may_change_rows(tree);
    if has_rows && failure.failed_in != FailedIn::Text {
        return false;
    }
    let routine = failure.routine.as_deref();
    match &failure.sqlstate {
        Some(code) if *code == SqlState::UNDEFINED_COLUMN => true,
        Some(code) if *code == SqlState::UNDEFINED_TABLE => !has_rows || routine == Some("parserOpenTable"),
        Some(code) if *code == SqlState::UNDEFINED_OBJECT => !has_rows || routine == Some("typenameType"),
        // "is not an existing enum label": it has its new name.
        Some(code) if *code == SqlState::INVALID_PARAMETER_VALUE => matches!(tree, NodeEnum::AlterEnumStmt(_)),
        _ => false,
    }
}

/// Runs a statement about a table that is as declared, without what its declaration has already; the reason where something
/// was left out.
pub(super) async fn run_on_declared(runner: &Runner<'_>, statement: &Statement) -> Result<Option<String>, Failure> {
    let about = declared::altered(&statement.tree);
    run_each(runner, statement, Pardon::Effect, about.as_ref()).await
}

/// Runs a statement; the commands of an `ALTER TABLE` one by one, so that one whose effect is there does not take the
/// others with it.
async fn run_each(
    runner: &Runner<'_>,
    statement: &Statement,
    pardon: Pardon,
    about: Option<&Name>,
) -> Result<Option<String>, Failure> {
    let parts: Option<Vec<Statement>> = match statement.tree.as_ref() {
        NodeEnum::AlterTableStmt(alter) => alter.cmds.iter().map(|command| only(statement, alter, command)).collect(),
        NodeEnum::DropStmt(drop) => drop.objects.iter().map(|object| only_dropping(statement, drop, object)).collect(),
        _ => None,
    };
    let parts = match parts {
        Some(parts) if parts.len() > 1 && pardon != Pardon::Nothing => parts,
        _ => return run_pardoning(runner, statement, pardon, about).await,
    };
    if matches!(statement.tree.as_ref(), NodeEnum::DropStmt(_)) {
        // Those that only need each other go together.
        match runner.run(statement).await {
            Err(failure) if pardon.covers(&failure, statement) => {}
            result => return result.map(|_| None),
        }
    }
    let mut reasons = Vec::new();
    for part in &parts {
        reasons.extend(run_pardoning(runner, part, pardon, about).await?);
    }
    Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
}

fn only_dropping(statement: &Statement, drop: &DropStmt, object: &pg_query::Node) -> Option<Statement> {
    rewritten(statement, NodeEnum::DropStmt(DropStmt { objects: vec![object.clone()], ..drop.clone() }))
}

fn only(statement: &Statement, alter: &AlterTableStmt, command: &pg_query::Node) -> Option<Statement> {
    rewritten(statement, NodeEnum::AlterTableStmt(AlterTableStmt { cmds: vec![command.clone()], ..alter.clone() }))
}

/// Runs a statement; the reason where its effect turned out to be there already.
async fn run_pardoning(
    runner: &Runner<'_>,
    statement: &Statement,
    pardon: Pardon,
    about: Option<&Name>,
) -> Result<Option<String>, Failure> {
    let has_twin = || "the declaration has the same constraint or index already".to_owned();
    let result = match about {
        Some(table) if pardon != Pardon::Nothing => {
            let ran = twins::run(runner, statement, table, |_| true, |_| false).await;
            ran.map(|ran| (!ran).then(has_twin))
        }
        _ => runner.run(statement).await.map(|went_in| kept_out(statement, went_in)),
    };
    match result {
        Ok(reason) => Ok(reason),
        Err(failure) if pardon.covers(&failure, statement) => {
            let told = if may_change_rows(&statement.tree) {
                "what it is about is not declared any more"
            } else {
                "the declaration has its effect already"
            };
            Ok(Some(format!("{told}: {}", failure.error.cause)))
        }
        Err(failure) => Err(failure),
    }
}

/// Which rows of an `INSERT … VALUES` did not go in, although nothing failed: in psql's database the trigger or rule that keeps
/// them out may have come later.
fn kept_out(statement: &Statement, went_in: u64) -> Option<String> {
    let is_insert = matches!(statement.tree.as_ref(), NodeEnum::InsertStmt(_));
    if !is_insert || went_in >= statement.rows || says_on_conflict(statement) {
        return None;
    }
    Some(format!(
        "a trigger or rule that is there by now keeps {} of its {} rows out",
        statement.rows - went_in,
        statement.rows
    ))
}
