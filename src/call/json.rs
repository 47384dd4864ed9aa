//! PostgreSQL's binary values → JSON, byte for byte what the server's own `to_json` makes of them. No I/O.
//!
//! Only the types that most columns have; everything else the server turns into JSON itself. What a value looks like is
//! checked against the server in `tests/call/rows.rs`.

mod float;
mod time;

use std::io::Write as _;

use self::float::{write_float4, write_float8};
use self::time::{write_clock, write_date, write_timestamp};

/// A value that is not what its type promises: a bug here or in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value of {0} bytes is none of its type")]
pub(super) struct Malformed(usize);

type Written = Result<(), Malformed>;

/// A column that the gateway writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Void,
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Uuid,
    Json,
    Jsonb,
    Date,
    Time,
    Timestamp,
    TimestampTz,
}

impl Writer {
    /// The one for a type's oid, where there is one.
    pub(super) fn of(oid: u32) -> Option<Self> {
        Some(match oid {
            16 => Self::Bool,
            19 | 25 | 1042 | 1043 => Self::Text,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            26 => Self::Oid,
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp,
            1184 => Self::TimestampTz,
            1700 => Self::Numeric,
            2278 => Self::Void,
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => return None,
        })
    }

    /// Appends a value; `None` is NULL.
    pub(super) fn write(self, value: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
        let Some(value) = value else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        match self {
            Self::Void => out.extend_from_slice(b"null"),
            Self::Bool => out.extend_from_slice(if fixed::<1>(value)? == [0] { b"false" } else { b"true" }),
            Self::Int2 => put_integer(out, i16::from_be_bytes(fixed(value)?).into()),
            Self::Int4 => put_integer(out, i32::from_be_bytes(fixed(value)?).into()),
            Self::Int8 => put_integer(out, i64::from_be_bytes(fixed(value)?)),
            Self::Oid => put(out, format_args!("\"{}\"", u32::from_be_bytes(fixed(value)?))),
            Self::Float4 => write_float4(f32::from_be_bytes(fixed(value)?), out),
            Self::Float8 => write_float8(f64::from_be_bytes(fixed(value)?), out),
            Self::Numeric => write_numeric(value, out)?,
            Self::Text => write_text(value, out),
            Self::Uuid => write_uuid(fixed(value)?, out),
            Self::Json => out.extend_from_slice(value),
            // A version number comes first.
            Self::Jsonb => out.extend_from_slice(value.strip_prefix(&[1]).ok_or(Malformed(value.len()))?),
            Self::Date => write_date(i32::from_be_bytes(fixed(value)?), out),
            Self::Time => {
                out.push(b'"');
                write_clock(i64::from_be_bytes(fixed(value)?), out);
                out.push(b'"');
            }
            Self::Timestamp => write_timestamp(i64::from_be_bytes(fixed(value)?), "", out),
            Self::TimestampTz => write_timestamp(i64::from_be_bytes(fixed(value)?), "+00:00", out),
        }
        Ok(())
    }
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed(value.len()))
}

/// At least `width` decimal digits, with zeros in front. Most of a row is numbers and times, and `write!` takes several
/// times as long for them.
fn put_digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    // What a u64 can have.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while value > 0 || digits.len() - first < width {
        first -= 1;
        digits[first] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

fn put_integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    put_digits(out, value.unsigned_abs(), 1);
}

fn put(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// A string as PostgreSQL's `escape_json` writes it.
pub(super) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some(place) = rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..place]);
        match rest[place] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            b'\x08' => out.extend_from_slice(b"\\b"),
            b'\x0c' => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |half: u8| DIGITS[usize::from(half & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
            }
        }
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn write_uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

/// Groups of four decimal digits with the place of the first, and how many digits follow the point.
fn write_numeric(value: &[u8], out: &mut Vec<u8>) -> Written {
    let malformed = Malformed(value.len());
    let (head, groups) = value.split_at_checked(8).ok_or(malformed)?;
    let field = |index: usize| u16::from_be_bytes([head[2 * index], head[2 * index + 1]]);
    match field(2) {
        0x0000 => {}
        0x4000 => out.push(b'-'),
        0xC000 => return quoted(b"NaN", out),
        0xD000 => return quoted(b"Infinity", out),
        0xF000 => return quoted(b"-Infinity", out),
        _ => return Err(malformed),
    }
    if groups.len() != 2 * usize::from(field(0)) {
        return Err(malformed);
    }
    let weight = i32::from(i16::from_be_bytes([head[2], head[3]]));
    let group = |place: i32| -> u16 {
        let index = usize::try_from(weight - place).ok().map(|index| 2 * index);
        let bytes = index.and_then(|index| groups.get(index..index + 2));
        bytes.map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    if weight < 0 {
        out.push(b'0');
    } else {
        put_digits(out, group(weight).into(), 1);
        (0..weight).rev().for_each(|place| put_digits(out, group(place).into(), 4));
    }
    let scale = usize::from(field(3));
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        let mut place = -1;
        while out.len() < end {
            put_digits(out, group(place).into(), 4);
            place -= 1;
        }
        out.truncate(end);
    }
    Ok(())
}

fn quoted(word: &[u8], out: &mut Vec<u8>) -> Written {
    out.push(b'"');
    out.extend_from_slice(word);
    out.push(b'"');
    Ok(())
}
