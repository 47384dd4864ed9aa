//! Everything in a database that can be called, for those who write its clients: names, parameters, results. Read from the catalog
//! each time it is asked for, and kept nowhere.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

use super::error::CallError;
use super::run::GRACE;
use super::running::Running;
use crate::databases::name::{Address, DatabaseName};
use crate::databases::{Databases, RunAs, Under, under};

/// All functions and the types that they use, as one JSON text.
const READ: &str = include_str!("describe.sql");

/// What errors and the log call it.
const WHAT: &str = "the list of functions";

/// The functions of a database.
#[derive(Debug)]
pub struct Functions {
    /// Where they are.
    pub database: DatabaseName,
    /// Those that a call finds; in the order of the search path, by name.
    pub functions: Vec<Function>,
    /// The types that they use, by oid.
    pub types: HashMap<u32, Type>,
    /// Whether there are more than [`MOST`].
    pub has_more: bool,
    /// Where they take more than a MiB to tell of, types and all, that many bytes; then neither is here.
    pub too_long: Option<u64>,
}

/// Functions that are told of: a page for people and generators, and a platform may have made any number. `describe.sql` reads one
/// more.
pub const MOST: usize = 1000;

/// One function or procedure.
#[derive(Debug, Deserialize)]
pub struct Function {
    /// Its schema.
    pub schema: String,
    /// Its name there.
    pub name: String,
    /// Called by CALL.
    pub is_procedure: bool,
    /// Any number of rows.
    pub returns_set: bool,
    /// The type of its result.
    pub result: u32,
    /// The last of what it takes that may be left out.
    pub defaults: usize,
    /// Of all parameters, those of the result too.
    pub types: Vec<u32>,
    /// As `pg_proc.proargmodes`; none: all are given.
    pub modes: Option<Vec<String>>,
    /// As `pg_proc.proargnames`.
    pub names: Option<Vec<String>>,
    /// Its parameters in PostgreSQL's words, which tell it from its namesakes.
    pub arguments: String,
    /// What COMMENT ON says.
    pub comment: Option<String>,
    /// Where its schema stands in the search path of calls; none: a call has to name the schema.
    pub place: Option<u32>,
}

/// A type.
#[derive(Debug, Deserialize)]
pub struct Type {
    /// Its own.
    pub oid: u32,
    /// Of one of PostgreSQL's own.
    pub name: Option<String>,
    /// As PostgreSQL prints it.
    pub printed: String,
    /// `pg_type.typtype`
    #[serde(rename = "type")]
    pub kind: char,
    /// Of an array.
    pub element: Option<u32>,
    /// Of a domain.
    pub base: Option<u32>,
    /// Of an enum.
    pub labels: Option<Vec<String>>,
    /// Of a composite type.
    pub attributes: Option<Vec<Attribute>>,
}

/// A part of a composite type.
#[derive(Debug, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub of: u32,
}

#[derive(Deserialize)]
struct Found {
    functions: Option<Vec<Function>>,
    types: Option<Vec<Type>>,
    bytes: Option<u64>,
}

/// Looks for what a call to this address can reach, as a call would.
pub async fn describe(databases: &Databases, address: &Address, run_as: &RunAs) -> Result<Functions, CallError> {
    let database = databases.resolve(address, run_as).await?;
    let mut running = Running::new(databases.for_call(&database).await?);
    // Which schemas need no name is the path of calls.
    static QUESTION: LazyLock<String> = LazyLock::new(|| under(Under::Database, READ));
    let limit: Duration = databases.call_timeout();
    let asked = tokio::time::timeout(limit + GRACE, running.connection().query_row(&QUESTION, &[])).await;
    let lost = |cause: String| CallError::Lost { function: WHAT.to_owned(), cause, may_have_run: false };
    // Dropped while it is busy, the connection is cancelled.
    let row = asked.map_err(|_| CallError::Timeout { function: WHAT.to_owned(), limit })?;
    let row = match row {
        Ok(row) => row,
        Err(error) => {
            running.discard();
            return Err(lost(error.to_string()));
        }
    };
    let json = row.first().and_then(Option::as_deref).unwrap_or_default();
    let found: Found = serde_json::from_slice(json)
        .map_err(|error| CallError::Protocol { function: WHAT.to_owned(), cause: error.to_string() })?;
    let mut functions = found.functions.unwrap_or_default();
    hide(&mut functions);
    let has_more = functions.len() > MOST;
    functions.truncate(MOST);
    let types = found.types.unwrap_or_default().into_iter().map(|of| (of.oid, of)).collect();
    Ok(Functions { database: database.name().clone(), functions, types, has_more, too_long: found.bytes })
}

/// What an earlier schema of the search path has with the same parameters hides those behind it, which then need their schema's name.
fn hide(functions: &mut [Function]) {
    let mut seen = std::collections::HashSet::new();
    for function in functions.iter_mut().filter(|function| function.place.is_some()) {
        if !seen.insert((function.name.clone(), function.given())) {
            function.place = None;
        }
    }
}

impl Function {
    /// What a call names it.
    pub fn called(&self) -> String {
        match self.place {
            Some(_) => self.name.clone(),
            None => format!("{}.{}", self.schema, self.name),
        }
    }

    /// Position, mode, name and type of each parameter.
    pub fn parameters(&self) -> impl Iterator<Item = (char, Option<&str>, u32)> {
        self.types.iter().enumerate().map(|(index, of)| {
            let mode = self.modes.as_ref().and_then(|modes| modes.get(index)?.chars().next()).unwrap_or('i');
            let name = self.names.as_ref().and_then(|names| names.get(index)).filter(|name| !name.is_empty());
            (mode, name.map(String::as_str), *of)
        })
    }

    fn given(&self) -> Vec<u32> {
        self.parameters().filter(|(mode, ..)| matches!(mode, 'i' | 'b' | 'v')).map(|(_, _, of)| of).collect()
    }
}
