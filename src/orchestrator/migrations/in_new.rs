//! Runs the statements of migrations in a new database, without what its declaration made: asks the database and
//! [`super::declared`], and carries the answer out. Called by [`super::Migrations`].

use std::collections::HashSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, DropStmt};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::declared::{self, Decision, Declared, History, Live, Name};
use super::emptied::Unchecked;
use super::moved::{self, Moved};
use super::read_back;
use super::stand_in::StandIns;
use super::text::DeclaredText;
use crate::bundle::order::rewritten;
use crate::bundle::sql::{Class, Statement};
use crate::orchestrator::runner::{Failure, Runner};
use crate::orchestrator::twins;

/// What a new database needs to know to leave out what its declaration made.
pub(super) struct NewDatabase {
    history: History,
    declared: Option<Declared>,
    /// Whether `declared` lacks something that was made since it was read.
    outdated: bool,
    /// Indexes, views and sequences that it may lack, and nothing else.
    made: HashSet<Name>,
    unchecked: Unchecked,
}

impl NewDatabase {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn new(migrations: &[&Statement]) -> Self {
        Self {
            history: History::of(migrations),
            declared: None,
            outdated: false,
            made: HashSet::new(),
            unchecked: Unchecked::default(),
        }
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
                _ if text.has_what_is_dropped_by(statement) => Pardon::Effect,
                _ if text.has_what_is_made_by(statement) => Pardon::Exists,
                _ => Pardon::Nothing,
            };
            return run_pardoning(runner, statement, pardon, None).await;
        }
        self.read(runner, text).await.map_err(failed)?;
        let Some(known) = &self.declared else { return Ok(None) };
        let about =
            declared::altered(&statement.tree).or_else(|| declared::dropped_tables(&statement.tree).into_iter().next());
        let live = match &about {
            Some(name) => read_back::live(runner.client, name).await.map_err(failed)?,
            None => Live::default(),
        };
        let pardon = |forgiving| match forgiving {
            true if wants => Pardon::Exists,
            true if self.history.may_use_former_labels(statement) => Pardon::EffectOrLabel,
            true => Pardon::Effect,
            false if text.has_what_is_made_by(statement) => Pardon::Exists,
            false => Pardon::Nothing,
        };
        let mut decision = match declared::moves_declared(statement, |made| text.has_object(made)) {
            Some(reason) => Decision::Skip(reason),
            None => declared::decide(at, statement, known, &self.history, &live),
        };
        if let (NodeEnum::DropStmt(drop), false) = (statement.tree.as_ref(), matches!(decision, Decision::Run { .. })) {
            self.unchecked.empty(runner, at, drop, known, &self.history).await.map_err(failed)?;
        }
        if let Decision::Skip(reason) = &mut decision {
            match moved::move_rows(runner, at, &statement.tree, known, &self.history).await.map_err(failed)? {
                Moved::None => {}
                Moved::All(left) => self.unchecked.empty_one(runner, &left).await.map_err(failed)?,
                Moved::Refused(words) => *reason += &format!("; its rows stay under the old name: {words}"),
            }
        }
        match decision {
            Decision::Skip(reason) => Ok(Some(reason)),
            Decision::Run { forgiving } => {
                let stand_ins = StandIns::make(runner, at, statement, known, &self.history).await.map_err(failed)?;
                let result = run_each(runner, statement, pardon(forgiving), about.as_ref()).await;
                stand_ins.drop(runner).await.map_err(failed)?;
                result
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
        let exists = failure.is_one_of(EXISTS);
        // Elsewhere a function that is not there is one that the statement calls.
        let drops = matches!(statement.tree.as_ref(), NodeEnum::DropStmt(_));
        let gone = failure.is_one_of(GONE) || drops && failure.is_one_of(&[SqlState::UNDEFINED_FUNCTION]);
        match self {
            Self::Nothing => false,
            Self::Exists => exists,
            Self::Effect => exists || gone,
            Self::EffectOrLabel => exists || gone || failure.unknown_label,
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

/// PostgreSQL's codes for "is not there".
const GONE: &[SqlState] = &[
    SqlState::UNDEFINED_COLUMN,
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_OBJECT,
    // Renaming an enum value that has its new name: "is not an existing enum label".
    SqlState::INVALID_PARAMETER_VALUE,
];

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
    let result = match about {
        Some(table) if pardon != Pardon::Nothing => twins::run(runner, statement, table, |_| true).await,
        _ => runner.run(statement).await.map(|_| true),
    };
    match result {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some("the declaration has the same constraint or index already".to_owned())),
        Err(failure) if pardon.covers(&failure, statement) => {
            Ok(Some(format!("the declaration has its effect already: {}", failure.error.cause)))
        }
        Err(failure) => Err(failure),
    }
}
