//! Which statements of seeders run something that may write: `INSERT … SELECT f()`, or `VALUES (f())`, then writes what its text
//! does not tell (contract §4), and runs in new databases only.
//!
//! What a statement runs is followed by names, without asking which of several things of a name is meant: functions, and what
//! is behind operators, casts, domains and views, and the words of their texts in turn. What PostgreSQL brings counts as
//! writing where it is named below. A function that only computes stays one, though PostgreSQL calls it VOLATILE unless told
//! otherwise.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::by_name;
use crate::bundle::sql::tokens::{has_writing_statement, words};
use crate::bundle::sql::{Reference, Statement, Wanted};
use crate::databases::wire::extensions::{Nature, nature};
use crate::databases::{Under, ask, under};
use crate::orchestrator::error::DeployError;

/// What is longer is not read, and counts as writing; in bytes.
const LONGEST_TEXT: i64 = 1 << 20;

/// The same of all texts that are read for a deployment's seeders: their words take many times as much.
const ALL_TEXTS: i64 = 8 << 20;

const NAMED: &str = include_str!("calls.sql");

/// Functions of PostgreSQL's own that write.
fn builtin_writes(name: &str) -> bool {
    name == "setval" || name.starts_with("lo_") || runs_text(name)
}

/// Functions of PostgreSQL's own that run statements which they are given as text.
fn runs_text(name: &str) -> bool {
    name.contains("_to_xml") || matches!(name, "ts_stat" | "ts_rewrite")
}

/// A name, and whether it is a relation's: tables are often named like functions.
type Name = (String, bool);

/// Something that a name stands for.
struct Thing {
    language: String,
    extension: Option<String>,
    is_volatile: bool,
    text: String,
    is_long: bool,
}

impl Thing {
    fn of(row: &Row) -> (Name, Self) {
        let text = row.get::<_, Option<String>>("text").unwrap_or_default();
        let thing = Self {
            language: row.get("language"),
            extension: row.get("extension"),
            is_volatile: row.get("is_volatile"),
            text,
            is_long: row.get("is_long"),
        };
        ((row.get("name"), row.get("is_relation")), thing)
    }

    /// Whether it may write by itself, and the names that it may run.
    fn read(&self) -> (bool, BTreeSet<String>) {
        if self.is_long {
            return (true, BTreeSet::new());
        }
        match (self.language.as_str(), self.extension.as_deref()) {
            ("sql" | "plpgsql" | "text", _) => match (words(&self.text), has_writing_statement(&self.text)) {
                // PostgreSQL lets no other function write. What a text runs that is made up may call one that does.
                (Some(words), Some(writes)) => {
                    let own = words.names.iter().any(|name| builtin_writes(name));
                    let may_write = (writes && self.is_volatile) || own || words.runs_text || words.loads;
                    (may_write, words.names.into_iter().collect())
                }
                _ => (true, BTreeSet::new()),
            },
            ("c" | "internal", Some(extension)) => match nature(extension) {
                Some(Nature::Computes | Nature::Harmless) => (false, BTreeSet::new()),
                Some(Nature::RunsText) => (true, BTreeSet::new()),
                None => (self.is_volatile, BTreeSet::new()),
            },
            _ => (self.is_volatile, BTreeSet::new()),
        }
    }
}

/// For each of the statements the name in it that leads to something that may write, if there is one.
pub async fn that_write(client: &Client, statements: &[Statement]) -> Result<Vec<Option<String>>, DeployError> {
    let named: Vec<BTreeSet<Name>> = statements.iter().map(names).collect();
    let mut known: HashMap<Name, Leads> = HashMap::new();
    let mut asked: BTreeSet<String> = BTreeSet::new();
    let mut new: BTreeSet<String> = named.iter().flatten().map(|(name, _)| name.clone()).collect();
    let mut room = ALL_TEXTS;
    while !new.is_empty() {
        let names: Vec<String> = new.iter().cloned().collect();
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&names, Type::TEXT_ARRAY), (&LONGEST_TEXT, Type::INT8), (&room, Type::INT8)];
        let rows = ask(client, &under(Under::Path("pg_catalog"), NAMED), &params).await;
        let rows = rows.map_err(DeployError::own("looking at what the seeders call"))?;
        asked.append(&mut new);
        let things: Vec<(Name, Thing)> = rows.iter().map(Thing::of).collect();
        drop(rows);
        room -= things.iter().map(|(_, thing)| i64::try_from(thing.text.len()).unwrap_or(room)).sum::<i64>();
        let read = move || things.into_iter().map(|(name, thing)| (name, thing.read())).collect::<Vec<_>>();
        for (name, (writes, runs)) in by_name::reading(read).await? {
            new.extend(runs.iter().filter(|name| !asked.contains(*name)).cloned());
            let leads = known.entry(name).or_default();
            leads.writes |= writes;
            leads.to.extend(runs);
        }
    }
    let writing = that_lead_to_writing(&known);
    Ok(statements.iter().zip(named).map(|(statement, names)| found(statement, names, &writing)).collect())
}

/// What everything of one name comes to.
#[derive(Default)]
struct Leads {
    writes: bool,
    to: BTreeSet<String>,
}

/// What is no constant in a statement, by its bare name.
fn names(statement: &Statement) -> BTreeSet<Name> {
    let name = |need: &Reference| match need.wanted {
        Wanted::Relation => Some((need.name.clone(), true)),
        Wanted::Routine | Wanted::Operator | Wanted::Cast | Wanted::Type => Some((need.name.clone(), false)),
        _ => None,
    };
    statement.needs.iter().filter_map(name).collect()
}

fn found(statement: &Statement, names: BTreeSet<Name>, writing: &BTreeSet<Name>) -> Option<String> {
    // A sequence that another statement sets is among what it writes.
    let is_told = |name: &str| name == "setval" && statement.writes.is_some();
    let writes = |name: &Name| writing.contains(name) || (!name.1 && builtin_writes(&name.0) && !is_told(&name.0));
    names.into_iter().find(writes).map(|(name, _)| name)
}

/// From what writes backwards along what runs it.
fn that_lead_to_writing(known: &HashMap<Name, Leads>) -> BTreeSet<Name> {
    let mut run_by: HashMap<&str, Vec<&Name>> = HashMap::new();
    for (name, leads) in known {
        leads.to.iter().for_each(|next| run_by.entry(next).or_default().push(name));
    }
    let mut writing: BTreeSet<Name> = BTreeSet::new();
    let mut open: Vec<&Name> = known.iter().filter(|(_, leads)| leads.writes).map(|(name, _)| name).collect();
    while let Some(name) = open.pop() {
        if writing.insert(name.clone()) {
            open.extend(run_by.get(name.0.as_str()).into_iter().flatten());
        }
    }
    writing
}
