//! The parameters of a call as they were sent. No I/O.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::types::Guess;

/// By position or by name; borrowed from the request.
#[derive(Debug)]
pub(super) enum Params<'a> {
    Positional(Vec<&'a RawValue>),
    Named(Vec<(Cow<'a, str>, &'a RawValue)>),
}

/// What a JSON value is, told from how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonKind {
    Null,
    Bool,
    Integer,
    Decimal,
    String,
    Array,
    Object,
}

impl JsonKind {
    pub(super) fn of(value: &RawValue) -> Self {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) if text.contains(['.', 'e', 'E']) => Self::Decimal,
            Some(_) => Self::Integer,
        }
    }

    /// For sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Integer | Self::Decimal => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl<'a> Params<'a> {
    /// `None` and an empty array or object are all the same: what PHP makes of an empty list of named ones is `[]`.
    pub(super) fn parse(params: Option<&'a RawValue>) -> Result<Self, serde_json::Error> {
        match params.map(|params| (JsonKind::of(params), params)) {
            Some((JsonKind::Object, params)) => match parse_object(params)? {
                pairs if pairs.is_empty() => Ok(Self::Positional(Vec::new())),
                pairs => Ok(Self::Named(pairs)),
            },
            Some((_, params)) => Ok(Self::Positional(parse_array(params)?)),
            None => Ok(Self::Positional(Vec::new())),
        }
    }

    /// What was given, for a sentence.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Positional(values) if values.is_empty() => "no parameters".to_owned(),
            Self::Positional(values) if values.len() == 1 => format!("1 parameter ({})", list_kinds(values)),
            Self::Positional(values) => format!("{} parameters ({})", values.len(), list_kinds(values)),
            Self::Named(pairs) => {
                let names: Vec<String> = pairs
                    .iter()
                    .take(20)
                    .map(|(name, value)| format!("{name}: {}", JsonKind::of(value).name()))
                    .collect();
                format!("the parameters {}", names.join(", "))
            }
        }
    }
}

fn list_kinds(values: &[&RawValue]) -> String {
    let kinds: Vec<&str> = values.iter().take(20).map(|value| JsonKind::of(value).name()).collect();
    if values.len() > 20 { format!("{}, …", kinds.join(", ")) } else { kinds.join(", ") }
}

/// The elements of an array.
pub(super) fn parse_array(value: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(value.get())
}

/// The pairs of an object, in order, the same name twice too.
pub(super) fn parse_object(value: &RawValue) -> Result<Vec<(Cow<'_, str>, &RawValue)>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(value.get());
    deserializer.deserialize_map(Pairs)
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<Name<'de>, &RawValue>()? {
            pairs.push((name.0, value));
        }
        Ok(pairs)
    }
}

/// A `Cow` that borrows where it can.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Deeper than PostgreSQL's arrays go: what is nested more is JSON.
const MAX_DIMENSIONS: usize = 6;

/// What a value given for a polymorphic parameter is taken for: as PostgreSQL takes a literal.
pub(super) fn guess(value: &RawValue) -> Guess {
    guess_at(value, 0)
}

/// What all of these are; nulls are anything.
pub(super) fn guess_elements(values: &[&RawValue]) -> Guess {
    guess_all(values, 1)
}

fn guess_at(value: &RawValue, depth: usize) -> Guess {
    match JsonKind::of(value) {
        JsonKind::Null | JsonKind::String => Guess::Text,
        JsonKind::Bool => Guess::Bool,
        JsonKind::Decimal => Guess::Numeric,
        JsonKind::Integer => match value.get().parse::<i64>() {
            Ok(number) if i32::try_from(number).is_ok() => Guess::Int4,
            Ok(_) => Guess::Int8,
            Err(_) => Guess::Numeric,
        },
        JsonKind::Array if depth < MAX_DIMENSIONS => {
            guess_all(&parse_array(value).unwrap_or_default(), depth + 1).array()
        }
        JsonKind::Array | JsonKind::Object => Guess::Jsonb,
    }
}

fn guess_all(values: &[&RawValue], depth: usize) -> Guess {
    let known = values.iter().filter(|value| JsonKind::of(value) != JsonKind::Null);
    known.map(|value| guess_at(value, depth).element()).reduce(Guess::widen).unwrap_or(Guess::Text)
}
