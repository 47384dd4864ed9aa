//! A JSON value → the text that PostgreSQL's input function of a type reads. No I/O.
//!
//! Values are bound as text and converted by the server, so nothing here checks them: only what has to be written
//! differently from JSON is.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::BufMut;
use serde_json::value::RawValue;

use super::params::{JsonKind, parse_array, parse_object};
use super::types::{ParamType, Structure};

/// PostgreSQL allows six dimensions; what is nested deeper than this is not worth sending.
const MAX_DEPTH: usize = 16;

/// An integer with more digits than this is out of range anyway, so that `1e999999999` costs nothing.
const MAX_INTEGER_DIGITS: usize = 30;

/// Why a value cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextError {
    #[error("holds a NUL character (\\u0000), which PostgreSQL's text cannot")]
    Nul,
    #[error("holds a \\u escape that is no character")]
    Escape,
    #[error("is nested too deep for an array")]
    Depth,
    #[error("has {given:?}, which {of} has not; it has {}", .known.join(", "))]
    NoAttribute { given: String, of: String, known: Vec<String> },
    #[error("gives {0:?} twice")]
    Twice(String),
    #[error("has {given} values for the {expected} attributes of {of}")]
    Attributes { given: usize, expected: usize, of: String },
}

/// Writes `value` as text of type `of`; false where it is NULL and nothing was written.
pub(super) fn write(value: &RawValue, of: &ParamType, out: &mut impl BufMut) -> Result<bool, TextError> {
    write_at(value, of, out, 0)
}

fn write_at(value: &RawValue, of: &ParamType, out: &mut impl BufMut, depth: usize) -> Result<bool, TextError> {
    let kind = JsonKind::of(value);
    match (kind, &of.structure) {
        (JsonKind::Null, _) => return Ok(false),
        // For JSON too: what PHP's json_encode made.
        (JsonKind::String, _) => out.put_slice(unescape(value)?.as_bytes()),
        (JsonKind::Array, Structure::Array { element, delimiter }) => {
            write_array(&elements(value)?, element, *delimiter, out, depth)?;
        }
        (JsonKind::Object | JsonKind::Array, Structure::Composite(attributes)) => {
            write_composite(value, kind, of, attributes, out, depth)?;
        }
        (JsonKind::Object, Structure::Hstore) => write_pairs(value, out)?,
        (JsonKind::Decimal, Structure::Integer) => match integral(value.get()) {
            Some(integer) => out.put_slice(integer.as_bytes()),
            None => out.put_slice(value.get().as_bytes()),
        },
        // JSON stays JSON; a number and a boolean read the same in both; for the rest PostgreSQL says what it misses.
        _ => out.put_slice(value.get().as_bytes()),
    }
    Ok(true)
}

/// Writes an array literal of values that were collected or came as a JSON array.
pub(super) fn write_array(
    values: &[&RawValue],
    element: &ParamType,
    delimiter: char,
    out: &mut impl BufMut,
    depth: usize,
) -> Result<(), TextError> {
    if depth > MAX_DEPTH {
        return Err(TextError::Depth);
    }
    out.put_u8(b'{');
    let mut scrap = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.put_slice(delimiter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        match (JsonKind::of(value), &element.structure) {
            (JsonKind::Null, _) => out.put_slice(b"NULL"),
            (JsonKind::Array, structure) if !matches!(structure, Structure::Json) => {
                write_array(&elements(value)?, element, delimiter, out, depth + 1)?;
            }
            (JsonKind::String, _) => put_quoted(&unescape(value)?, b'\\', out),
            _ => {
                scrap.clear();
                write_at(value, element, &mut scrap, depth + 1)?;
                put_quoted(&String::from_utf8_lossy(&scrap), b'\\', out);
            }
        }
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_composite(
    value: &RawValue,
    kind: JsonKind,
    of: &ParamType,
    attributes: &[(String, std::sync::Arc<ParamType>)],
    out: &mut impl BufMut,
    depth: usize,
) -> Result<(), TextError> {
    if depth > MAX_DEPTH {
        return Err(TextError::Depth);
    }
    let values = if kind == JsonKind::Array {
        let values = elements(value)?;
        if values.len() != attributes.len() {
            let of = of.name.clone();
            return Err(TextError::Attributes { given: values.len(), expected: attributes.len(), of });
        }
        values.into_iter().map(Some).collect()
    } else {
        by_attribute(value, of, attributes)?
    };
    out.put_u8(b'(');
    let mut scrap = Vec::new();
    for (index, ((_, attribute), value)) in attributes.iter().zip(values).enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        scrap.clear();
        let Some(value) = value else { continue };
        if write_at(value, attribute, &mut scrap, depth + 1)? {
            put_quoted(&String::from_utf8_lossy(&scrap), b'"', out);
        }
    }
    out.put_u8(b')');
    Ok(())
}

/// The pairs of an `hstore`, whose values are texts or NULL: what is neither is its JSON text, as it is for a `text`.
fn write_pairs(value: &RawValue, out: &mut impl BufMut) -> Result<(), TextError> {
    let mut given = HashSet::new();
    for (key, value) in parse_object(value).map_err(|_| TextError::Escape)? {
        if key.contains('\0') {
            return Err(TextError::Nul);
        }
        if !given.is_empty() {
            out.put_u8(b',');
        }
        put_quoted(&key, b'\\', out);
        out.put_slice(b"=>");
        match JsonKind::of(value) {
            JsonKind::Null => out.put_slice(b"NULL"),
            JsonKind::String => put_quoted(&unescape(value)?, b'\\', out),
            _ => put_quoted(value.get(), b'\\', out),
        }
        // The extension keeps one of several and says nothing.
        if let Some(key) = given.replace(key) {
            return Err(TextError::Twice(key.into_owned()));
        }
    }
    Ok(())
}

/// The object's values in the order of the attributes; one that is not given is NULL.
fn by_attribute<'a>(
    value: &'a RawValue,
    of: &ParamType,
    attributes: &[(String, std::sync::Arc<ParamType>)],
) -> Result<Vec<Option<&'a RawValue>>, TextError> {
    let mut values = vec![None; attributes.len()];
    for (name, value) in parse_object(value).map_err(|_| TextError::Escape)? {
        let Some(place) = attributes.iter().position(|(attribute, _)| *attribute == name) else {
            let known = attributes.iter().map(|(attribute, _)| attribute.clone()).collect();
            return Err(TextError::NoAttribute { given: name.into_owned(), of: of.name.clone(), known });
        };
        if values[place].replace(value).is_some() {
            return Err(TextError::Twice(name.into_owned()));
        }
    }
    Ok(values)
}

fn elements(value: &RawValue) -> Result<Vec<&RawValue>, TextError> {
    parse_array(value).map_err(|_| TextError::Escape)
}

/// In double quotes; a quote or backslash inside is led by `escape` (`\` in an array) or doubled (in a composite).
fn put_quoted(text: &str, escape: u8, out: &mut impl BufMut) {
    out.put_u8(b'"');
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        out.put_slice(&rest[..place]);
        out.put_u8(if escape == b'\\' { b'\\' } else { rest[place] });
        out.put_u8(rest[place]);
        rest = &rest[place + 1..];
    }
    out.put_slice(rest);
    out.put_u8(b'"');
}

/// What a JSON string says.
fn unescape(value: &RawValue) -> Result<Cow<'_, str>, TextError> {
    let text = value.get();
    let inside = &text[1..text.len() - 1];
    if !inside.contains('\\') {
        return Ok(Cow::Borrowed(inside));
    }
    let said: String = serde_json::from_str(text).map_err(|_| TextError::Escape)?;
    if said.contains('\0') { Err(TextError::Nul) } else { Ok(Cow::Owned(said)) }
}

/// A number with a point or an exponent as an integer, if it is one.
fn integral(number: &str) -> Option<String> {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.bytes().all(|digit| digit == b'0') {
        return Some("0".to_owned());
    }
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let point = usize::try_from(point).ok().filter(|point| *point <= MAX_INTEGER_DIGITS)?;
    let (before, after) = digits.split_at(point.min(digits.len()));
    if after.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let before = format!("{before:0<point$}");
    Some(format!("{sign}{}", before.trim_start_matches('0')))
}

#[cfg(test)]
mod tests;
