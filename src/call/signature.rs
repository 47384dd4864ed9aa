//! What a function of a database takes: one catalog query per name, kept until the next deployment.
//!
//! Only functions and procedures of the database's own schemas can be called: nothing that PostgreSQL, an extension or
//! the gateway brings, no aggregates, no trigger functions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde::Deserialize;

use super::request::FunctionName;
use super::shape::{Shape, ShapeKey};
use super::tidy::Tidy;
use super::types::{ParamType, TypeRow, build_types};
use crate::databases::CallConnection;
use crate::databases::wire::WireError;
use crate::databases::{Under, quote_ident, under};

/// Functions whose name begins like this are the gateway's own.
const OWN_PREFIX: &str = "_stonescriptdb_gateway";

/// How many ways of calling the functions of one database are kept prepared. A client that leaves out parameters in
/// every possible combination must not fill the server's memory.
const MAX_SHAPES: usize = 1_000;

/// Everything callable under one name, as one JSON text.
const READ: &str = include_str!("signature.sql");

/// What is known of the functions of one database.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    by_name: RwLock<foldhash::HashMap<FunctionName, Arc<[Overload]>>>,
    shapes: RwLock<foldhash::HashMap<ShapeKey, Arc<Shape>>>,
    /// Those behind which nothing has to be cleaned.
    pub(super) tidy: Tidy,
}

/// One function or procedure.
#[derive(Debug)]
pub(super) struct Overload {
    /// PostgreSQL's identity of the function.
    pub(super) oid: u32,
    /// Its quoted name.
    pub(super) sql: String,
    /// Its name without the schema, quoted: the alias of its result.
    pub(super) alias: String,
    pub(super) kind: Kind,
    /// It is not declared to write nothing.
    pub(super) may_write: bool,
    pub(super) arguments: Vec<Argument>,
    /// What PostgreSQL says that it takes, for errors.
    pub(super) display: String,
}

/// How it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its columns are known to PostgreSQL.
    Function,
    /// It returns `record`, whose columns are known only when it has run.
    RecordFunction,
    /// By CALL.
    Procedure,
}

/// What a call may or must give.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) mode: Mode,
    pub(super) has_default: bool,
    pub(super) of: Arc<ParamType>,
}

/// Which part it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Given by the caller.
    In,
    /// Collects the values at the end; its type is an array's.
    Variadic,
    /// A procedure's OUT: CALL wants a placeholder for it.
    Out,
}

impl Signatures {
    pub(super) fn get(&self, name: &FunctionName) -> Option<Arc<[Overload]>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn insert(&self, name: &FunctionName, overloads: Arc<[Overload]>) {
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), overloads);
    }

    /// The way to call a function, made on first use, or `anew`.
    pub(super) fn shape(&self, key: ShapeKey, anew: bool, make: impl FnOnce() -> Shape) -> Arc<Shape> {
        if anew {
            let shape = Arc::new(make());
            self.shapes.write().unwrap_or_else(PoisonError::into_inner).insert(key, shape.clone());
            return shape;
        }
        if let Some(shape) = self.shapes.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return shape.clone();
        }
        let mut shapes = self.shapes.write().unwrap_or_else(PoisonError::into_inner);
        shapes.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }

    /// Whether so many ways to call were seen that it is better to begin anew.
    pub(super) fn is_full(&self) -> bool {
        self.shapes.read().unwrap_or_else(PoisonError::into_inner).len() >= MAX_SHAPES
    }
}

#[derive(Deserialize)]
struct Found {
    functions: Option<Vec<FunctionRow>>,
    types: Option<Vec<TypeRow>>,
}

#[derive(Deserialize)]
struct FunctionRow {
    oid: u32,
    schema: String,
    name: String,
    is_procedure: bool,
    is_volatile: bool,
    returns_bare_record: bool,
    defaults: usize,
    /// Of all parameters, those of the result too.
    types: Vec<u32>,
    modes: Option<Vec<String>>,
    names: Option<Vec<String>>,
    arguments: String,
}

/// Looks a name up, in the schemas of the search path or in the one that is named. Empty: no such function.
pub(super) async fn read(connection: &mut CallConnection, name: &FunctionName) -> Result<Arc<[Overload]>, WireError> {
    if name.name.starts_with(OWN_PREFIX) {
        return Ok(Arc::default());
    }
    // Which schemas are looked through is the path of calls.
    static QUESTION: LazyLock<String> = LazyLock::new(|| under(Under::Database, READ));
    let row = connection.query_row(&QUESTION, &[Some(&name.name), name.schema.as_deref()]).await?;
    let json = row.first().and_then(Option::as_deref).unwrap_or_default();
    // What PostgreSQL made of our own query, if it is PostgreSQL; an empty answer would only hide a mistake in it.
    let found: Found = serde_json::from_slice(json)
        .map_err(|error| WireError::Protocol(format!("what describes functions cannot be read: {error}")))?;
    let types = build_types(found.types.unwrap_or_default());
    let mut overloads: Vec<Overload> = Vec::new();
    for function in found.functions.unwrap_or_default() {
        let overload = build_overload(function, &types);
        // What an earlier schema of the search path has with the same parameters hides this one.
        if !overloads.iter().any(|earlier| earlier.takes_the_same(&overload)) {
            overloads.push(overload);
        }
    }
    Ok(overloads.into())
}

fn build_overload(row: FunctionRow, types: &HashMap<u32, Arc<ParamType>>) -> Overload {
    let kind = match (row.is_procedure, row.returns_bare_record) {
        (true, _) => Kind::Procedure,
        (false, true) => Kind::RecordFunction,
        (false, false) => Kind::Function,
    };
    let mut arguments = Vec::new();
    for (index, oid) in row.types.iter().enumerate() {
        let mode = match row.modes.as_ref().and_then(|modes| modes.get(index)).map_or("i", String::as_str) {
            "i" | "b" => Mode::In,
            "v" => Mode::Variadic,
            "o" if row.is_procedure => Mode::Out,
            // The columns of the result.
            _ => continue,
        };
        let name = row.names.as_ref().and_then(|names| names.get(index)).filter(|name| !name.is_empty()).cloned();
        let of = types.get(oid).cloned().unwrap_or_else(|| Arc::new(ParamType::unknown()));
        arguments.push(Argument { name, mode, has_default: false, of });
    }
    // Defaults belong to the last of those that are given.
    let given = arguments.iter_mut().rev().filter(|argument| argument.mode != Mode::Out);
    given.take(row.defaults).for_each(|argument| argument.has_default = true);
    let alias = quote_ident(&row.name);
    Overload {
        oid: row.oid,
        sql: format!("{}.{alias}", quote_ident(&row.schema)),
        alias,
        kind,
        may_write: row.is_volatile || row.is_procedure,
        arguments,
        display: format!("{}({})", row.name, row.arguments),
    }
}

impl Overload {
    fn takes_the_same(&self, other: &Self) -> bool {
        let types = |overload: &Self| {
            let given = overload.arguments.iter().filter(|argument| argument.mode != Mode::Out);
            given.map(|argument| argument.of.sql.clone()).collect::<Vec<_>>()
        };
        types(self) == types(other)
    }
}
