//! What becomes of each statement of a seeder. Pure.

use super::Situation;
use super::own::Own;
use super::tables::{Concerned, Tables, name_of};
use crate::bundle::sql::Statement;
use crate::bundle::sql::writes::Writes;

/// What becomes of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It runs as it is.
    Run,
    /// Those of its rows are inserted that are not there.
    Complete,
    /// Its rows have to be there.
    Check,
    /// Its rows should be there.
    Leave,
    /// It is passed over.
    PassOver,
}

impl Course {
    /// Whether the statement is sent, as it is or in part.
    pub fn runs(self) -> bool {
        matches!(self, Self::Run | Self::Complete)
    }
}

/// What becomes of a statement, and the sentence that says so where it is passed over. `filled`: the name that an `INSERT`
/// looks up which spells out its rows.
pub fn of(
    statement: &Statement,
    filled: Option<&str>,
    own: &Own,
    tables: &Tables,
    situation: Situation<'_>,
) -> (Course, Option<String>) {
    let (course, warning) = of_written(statement, filled, tables, situation);
    match &own.name {
        Some(name) if !situation.new_database && (course.runs() || own.is_filled) => {
            passed_over(statement, &format!("it is about {name}, a temporary table that is made in new databases only"))
        }
        _ => (course, warning),
    }
}

fn of_written(
    statement: &Statement,
    filled: Option<&str>,
    tables: &Tables,
    situation: Situation<'_>,
) -> (Course, Option<String>) {
    match (statement.writes.as_deref(), filled) {
        _ if situation.new_database && filled.is_none() => (Course::Run, None),
        (None, Some(name)) => match tables.concerned(name, false) {
            Some(concerned) => (of_rows(concerned, situation), None),
            // That there is no such table is PostgreSQL's to say. In a new database it was there.
            None if situation.new_database => (Course::Run, None),
            None => passed_over(statement, NOTHING_TO_WRITE),
        },
        (Some(Writes::Targets(targets)), _) => {
            let names = targets.iter().map(|target| (name_of(target.schema.as_deref(), &target.name), target.cascades));
            let obstacle =
                names.filter_map(|(name, cascades)| obstacle(tables.concerned(&name, cascades), situation)).next();
            match obstacle {
                None => (Course::Run, None),
                Some(why) => passed_over(statement, &why),
            }
        }
        _ => passed_over(statement, "its text does not tell what it writes, so that it runs in new databases only"),
    }
}

/// Why a statement is passed over in an existing database that runs what may write: see [`super::calls`].
pub fn of_call(statement: &Statement, name: &str) -> (Course, Option<String>) {
    passed_over(
        statement,
        &format!("it runs {name}, which may write to any table, so that it runs in new databases only"),
    )
}

const NOTHING_TO_WRITE: &str = "there is nothing of the name that it writes to";

fn passed_over(statement: &Statement, why: &str) -> (Course, Option<String>) {
    (Course::PassOver, Some(sentence(statement, why)))
}

/// What is told of a statement that is passed over.
pub fn sentence(statement: &Statement, why: &str) -> String {
    let (path, line) = (&statement.path, statement.line);
    format!("{path}, line {line}: this statement of a seeder was not run: {why}")
}

fn of_rows(concerned: &Concerned, situation: Situation<'_>) -> Course {
    let is_new = situation.new_database || concerned.are_new;
    match (is_new, concerned.are_empty, situation.at_start) {
        (true, true, _) | (false, true, true) => Course::Run,
        (true, false, _) => Course::Complete,
        (false, false, true) => Course::Leave,
        (false, _, false) => Course::Check,
    }
}

/// Why a statement may not run that writes these tables.
fn obstacle(concerned: Option<&Concerned>, situation: Situation<'_>) -> Option<String> {
    let Some(Concerned { tables, are_new, are_empty }) = concerned else {
        return Some(NOTHING_TO_WRITE.to_owned());
    };
    let names = tables.join(", ");
    match (are_new, are_empty) {
        (true, true) => None,
        (true, false) => Some(format!("a migration has brought rows to {names}")),
        (false, true) if situation.at_start => None,
        (false, false) if situation.at_start => {
            Some(format!("{names} has rows already; what it does is a migration's to do"))
        }
        (false, _) => Some(format!("{names} was there before; what it does is a migration's to do")),
    }
}
