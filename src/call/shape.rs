//! One way to call a function: the SQL text, and once it was prepared the plan for its rows. No I/O.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::choose::{Chosen, Given};
use super::params::{guess, guess_elements};
use super::rows::Plan;
use super::signature::{Kind, Mode};
use super::types::{AnyOf, Guess, ParamType, Structure};
use super::value::Value;
use crate::databases::quote_ident;

/// Tells the ways to call one function apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShapeKey {
    oid: u32,
    /// A bit for each argument that is given: PostgreSQL allows a hundred.
    given: u128,
    /// What stands for the polymorphic ones.
    guesses: Vec<Guess>,
}

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// It is not declared to write nothing, or does not keep to it.
    may_write: AtomicBool,
    /// `"schema"."name"($1::…)`
    expression: String,
    alias: String,
    plan: RwLock<Option<Arc<Plan>>>,
}

/// What is bound for one call, in the order of the statement's parameters.
pub(super) type Values<'o, 'a> = Vec<Value<'o, 'a>>;

impl Chosen<'_, '_> {
    /// Which way this is.
    pub(super) fn key(&self) -> ShapeKey {
        let mut key = ShapeKey { oid: self.overload.oid, given: 0, guesses: Vec::new() };
        for (index, (argument, given)) in self.overload.arguments.iter().zip(&self.given).enumerate() {
            if *given != Given::Nothing {
                key.given |= 1 << index.min(127);
                key.guesses.extend(guesses(given, &argument.of));
            }
        }
        key
    }
}

/// What the values for a polymorphic argument are taken for: one, or one for each where they are passed one by one.
fn guesses(given: &Given<'_>, of: &ParamType) -> Vec<Guess> {
    match (given, &of.structure) {
        (Given::Value(value), Structure::Any(AnyOf::Element)) => vec![guess(value.0)],
        (Given::Value(value), Structure::Any(AnyOf::Array)) => vec![guess(value.0).array()],
        (Given::Collected(values), Structure::Any(AnyOf::Array)) => {
            let values: Vec<_> = values.iter().map(|value| value.0).collect();
            vec![guess_elements(&values).array()]
        }
        (Given::Collected(values), Structure::Any(AnyOf::Element)) => {
            values.iter().map(|value| guess(value.0)).collect()
        }
        _ => Vec::new(),
    }
}

/// The values of a call, and how its SQL text refers to them.
pub(super) fn bind<'o, 'a>(chosen: &Chosen<'o, 'a>, key: &ShapeKey) -> Values<'o, 'a> {
    let mut guesses = key.guesses.iter();
    let mut values = Vec::with_capacity(chosen.given.len());
    for (argument, given) in chosen.overload.arguments.iter().zip(&chosen.given) {
        let polymorphic = matches!(argument.of.structure, Structure::Any(_));
        let mut of = || match guesses.next() {
            Some(guess) if polymorphic => Some(guess.param_type()),
            _ => None,
        };
        match given {
            Given::Nothing => {}
            Given::Value(value) if polymorphic => values.push(Value::guessed(value.0, of())),
            Given::Value(value) => values.push(Value::one(value.0, &argument.of)),
            Given::Collected(all) => match argument.of.structure {
                Structure::Any(AnyOf::Element) => {
                    for value in all {
                        values.push(Value::guessed(value.0, of()));
                    }
                }
                Structure::Any(AnyOf::Array) => values.push(Value::collected_guess(all, of())),
                _ => values.push(Value::collected(all, &argument.of)),
            },
        }
    }
    values
}

impl Shape {
    pub(super) fn new(chosen: &Chosen<'_, '_>, key: &ShapeKey) -> Self {
        let overload = chosen.overload;
        Self {
            kind: overload.kind,
            may_write: AtomicBool::new(overload.may_write),
            expression: format!("{}({})", overload.sql, arguments(chosen, key)),
            alias: overload.alias.clone(),
            plan: RwLock::default(),
        }
    }

    /// The statement that tells what the columns are, and is run if they can be read as they come.
    pub(super) fn plain_sql(&self) -> String {
        let Self { expression, alias, .. } = self;
        match self.kind {
            Kind::Function => format!("SELECT * FROM {expression} AS {alias}"),
            Kind::RecordFunction => {
                format!("SELECT pg_catalog.to_json(r.{alias}) AS {alias} FROM (SELECT {expression} AS {alias}) AS r")
            }
            Kind::Procedure => format!("CALL {expression}"),
        }
    }

    /// The statement that lets the server make JSON of some of the columns.
    pub(super) fn wrapped_sql<'c>(&self, columns: impl Iterator<Item = (&'c str, bool)>) -> String {
        let mut sql = "SELECT ".to_owned();
        for (index, (name, wrap)) in columns.enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let (alias, name) = (&self.alias, quote_ident(name));
            // Writing to a string cannot fail.
            let _ = match wrap {
                true => write!(sql, "{comma}pg_catalog.to_json({alias}.{name}) AS {name}"),
                false => write!(sql, "{comma}{alias}.{name}"),
            };
        }
        sql + &format!(" FROM {} AS {}", self.expression, self.alias)
    }

    /// Whether it may write.
    pub(super) fn may_write(&self) -> bool {
        self.may_write.load(Ordering::Relaxed)
    }

    /// The function does what it is declared not to do, or is no longer the one that was looked up.
    pub(super) fn distrust(&self) {
        self.may_write.store(true, Ordering::Relaxed);
    }

    /// What was found out when it was prepared.
    pub(super) fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_plan(&self, plan: Arc<Plan>) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }
}

/// The list between the parentheses. Arguments are given by position as far as nothing is left out, then by name.
fn arguments(chosen: &Chosen<'_, '_>, key: &ShapeKey) -> String {
    let mut guesses = key.guesses.iter();
    let mut list = Vec::new();
    let mut number = 0;
    let mut gap = false;
    for (argument, given) in chosen.overload.arguments.iter().zip(&chosen.given) {
        let mut placeholder = |of: &ParamType| {
            number += 1;
            let guessed = if matches!(of.structure, Structure::Any(_)) { guesses.next() } else { None };
            match guessed {
                Some(guess) => format!("${number}::{}", guess.param_type().sql),
                None => format!("${number}::{}", of.sql),
            }
        };
        let mut values = match given {
            Given::Nothing if argument.mode == Mode::Out => vec![format!("NULL::{}", argument.of.sql)],
            Given::Nothing => {
                gap = true;
                continue;
            }
            Given::Collected(all) if matches!(argument.of.structure, Structure::Any(AnyOf::Element)) => {
                all.iter().map(|_| placeholder(&argument.of)).collect()
            }
            Given::Value(_) | Given::Collected(_) => vec![placeholder(&argument.of)],
        };
        if let Some(name) = argument.name.as_deref().filter(|_| gap) {
            for value in &mut values {
                *value = format!("{} => {value}", quote_ident(name));
            }
        }
        if argument.mode == Mode::Variadic && !matches!(argument.of.structure, Structure::Any(AnyOf::Element)) {
            values = values.into_iter().map(|value| format!("VARIADIC {value}")).collect();
        }
        list.append(&mut values);
    }
    list.join(", ")
}
