//! PostgreSQL's binary values → JSON, byte for byte what the server's own `to_json` makes of them. No I/O.
//!
//! Only the types that most columns have; everything else the server turns into JSON itself. What a value looks like is
//! checked against the server in `tests/call/rows.rs`.

use std::io::Write as _;

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
            Self::Int2 => put(out, i16::from_be_bytes(fixed(value)?)),
            Self::Int4 => put(out, i32::from_be_bytes(fixed(value)?)),
            Self::Int8 => put(out, i64::from_be_bytes(fixed(value)?)),
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
            byte => put(out, format_args!("\\u{byte:04x}")),
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

fn write_float4(value: f32, out: &mut Vec<u8>) {
    if write_special(f64::from(value), out) {
        return;
    }
    let bits = value.to_bits();
    let exact = Dyadic::new(u64::from(bits & 0x007f_ffff), (bits >> 23 & 0xff).cast_signed(), 23, 127);
    let mut digits = Digits::new(format_args!("{value:e}"));
    if exact.doubts(&digits) {
        let is_right =
            |digits: &Digits| digits.text().parse() == Ok(value) && !exact.is_half_way_to_a_neighbour(digits);
        digits = digits.settle(is_right, |precision| Digits::new(format_args!("{value:.precision$e}")));
    }
    digits.write(6, out);
}

fn write_float8(value: f64, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    let bits = value.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let exact = Dyadic::new(bits & 0x000f_ffff_ffff_ffff, exponent, 52, 1023);
    let mut digits = Digits::new(format_args!("{value:e}"));
    if exact.doubts(&digits) {
        let is_right =
            |digits: &Digits| digits.text().parse() == Ok(value) && !exact.is_half_way_to_a_neighbour(digits);
        digits = digits.settle(is_right, |precision| Digits::new(format_args!("{value:.precision$e}")));
    }
    digits.write(15, out);
}

/// What JSON has no number for.
fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    let word: &[u8] = match value {
        _ if value.is_nan() => b"\"NaN\"",
        f64::INFINITY => b"\"Infinity\"",
        f64::NEG_INFINITY => b"\"-Infinity\"",
        _ => return false,
    };
    out.extend_from_slice(word);
    true
}

/// What a float is exactly: `mantissa * 2^power`.
///
/// Rust and PostgreSQL both write the shortest digits that read back as the same float, and differ in two rare cases.
/// Digits exactly half-way between two floats are enough for Rust if they are read as this one; PostgreSQL writes more
/// (1e23 is 9.999999999999999e+22). And where two strings of digits are equally near, PostgreSQL takes the even one.
struct Dyadic {
    mantissa: u64,
    power: i32,
    /// Below a power of two the next float is only half as far.
    lower_is_nearer: bool,
}

impl Dyadic {
    fn new(fraction: u64, exponent: i32, width: i32, bias: i32) -> Self {
        match exponent {
            0 => Self { mantissa: fraction, power: 1 - bias - width, lower_is_nearer: false },
            _ => Self {
                mantissa: fraction | 1 << width,
                power: exponent - bias - width,
                lower_is_nearer: fraction == 0 && exponent > 1,
            },
        }
    }

    /// Whether Rust's digits may be one of the two cases: both need a number that has few binary digits, and digits
    /// that are not exactly it.
    fn doubts(&self, digits: &Digits) -> bool {
        let twos = self.mantissa.trailing_zeros();
        let (odd, power) = (u128::from(self.mantissa.checked_shr(twos).unwrap_or(0)), self.power + twos.cast_signed());
        // 5^27 has more digits than a float needs.
        power > -27 && odd != 0 && digits.as_power_of_two() != Some((odd, power))
    }

    fn is_half_way_to_a_neighbour(&self, digits: &Digits) -> bool {
        let Some((odd, power)) = digits.as_power_of_two() else { return false };
        let mantissa = u128::from(self.mantissa);
        (power == self.power - 1 && (odd == 2 * mantissa + 1 || odd + 1 == 2 * mantissa))
            || (self.lower_is_nearer && power == self.power - 2 && odd + 1 == 4 * mantissa)
    }
}

/// A float in scientific notation: `-d.ddde-x`.
struct Digits {
    text: [u8; 48],
    len: usize,
}

impl Digits {
    fn new(number: std::fmt::Arguments<'_>) -> Self {
        let mut text = [0; 48];
        let mut rest = &mut text[..];
        // The longest, -1.7976931348623157e-308, has 24 bytes.
        let _ = rest.write_fmt(number);
        let left = rest.len();
        Self { text, len: text.len() - left }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }

    /// What PostgreSQL writes instead of these, the shortest digits that Rust found: as many, rounded to the even one
    /// where two are equally near; else these; else the first longer ones that leave no doubt.
    fn settle(self, is_right: impl Fn(&Self) -> bool, rounded: impl Fn(usize) -> Self) -> Self {
        let (_, _, fraction, _) = self.parts();
        let after_point = fraction.len();
        let even = rounded(after_point);
        if is_right(&even) {
            return even;
        }
        if is_right(&self) {
            return self;
        }
        (after_point + 1..20).map(rounded).find(is_right).unwrap_or(self)
    }

    /// Sign, digits before and after the point, exponent.
    fn parts(&self) -> (bool, &str, &str, i32) {
        let text = self.text();
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        (negative, first, fraction, exponent.parse().unwrap_or(0))
    }

    /// The absolute value as an odd number times a power of two, if it is one that a float can come near to.
    fn as_power_of_two(&self) -> Option<(u128, i32)> {
        let (_, first, fraction, exponent) = self.parts();
        let digits = first.bytes().chain(fraction.bytes());
        let number = digits.fold(0_u64, |number, digit| number.wrapping_mul(10) + u64::from(digit - b'0'));
        let tens = exponent - i32::try_from(fraction.len()).ok()?;
        // 10^n = 5^n * 2^n, and a float's mantissa has no room for more than 5^23.
        let number = match u32::try_from(tens) {
            Ok(tens) if tens < 24 => u128::from(number) * 5_u128.pow(tens),
            Ok(_) => return None,
            Err(_) => {
                let fives = 5_u64.checked_pow(tens.unsigned_abs())?;
                (number % fives == 0).then_some(u128::from(number / fives))?
            }
        };
        let twos = number.trailing_zeros();
        Some((number.checked_shr(twos)?, tens + twos.cast_signed()))
    }

    /// From `limit` digits before the point on, and from four zeros behind it on, PostgreSQL writes an exponent.
    fn write(&self, limit: i32, out: &mut Vec<u8>) {
        let (negative, first, fraction, exponent) = self.parts();
        if negative {
            out.push(b'-');
        }
        if (-4..limit).contains(&exponent) {
            return write_fixed(first.as_bytes(), fraction.as_bytes(), exponent, out);
        }
        out.extend_from_slice(first.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        put(out, format_args!("e{sign}{:02}", exponent.abs()));
    }
}

/// `d.ddd` times ten to the `exponent`, without an exponent.
fn write_fixed(first: &[u8], fraction: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Ok(shift) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + usize::try_from(-exponent - 1).unwrap_or(0), b'0');
        out.extend_from_slice(first);
        out.extend_from_slice(fraction);
        return;
    };
    out.extend_from_slice(first);
    if shift >= fraction.len() {
        out.extend_from_slice(fraction);
        out.resize(out.len() + shift - fraction.len(), b'0');
    } else {
        out.extend_from_slice(&fraction[..shift]);
        out.push(b'.');
        out.extend_from_slice(&fraction[shift..]);
    }
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
        put(out, group(weight));
        (0..weight).rev().for_each(|place| put(out, format_args!("{:04}", group(place))));
    }
    let scale = usize::from(field(3));
    if scale > 0 {
        out.push(b'.');
        let end = out.len() + scale;
        let mut place = -1;
        while out.len() < end {
            put(out, format_args!("{:04}", group(place)));
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

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

fn write_date(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"\"infinity\""),
        i32::MIN => out.extend_from_slice(b"\"-infinity\""),
        _ => {
            out.push(b'"');
            let year = write_day(i64::from(days), out);
            out.extend_from_slice(if year <= 0 { b" BC\"" } else { b"\"" });
        }
    }
}

fn write_timestamp(microseconds: i64, zone: &str, out: &mut Vec<u8>) {
    match microseconds {
        i64::MAX => out.extend_from_slice(b"\"infinity\""),
        i64::MIN => out.extend_from_slice(b"\"-infinity\""),
        _ => {
            out.push(b'"');
            let year = write_day(microseconds.div_euclid(MICROSECONDS_PER_DAY), out);
            out.push(b'T');
            write_clock(microseconds.rem_euclid(MICROSECONDS_PER_DAY), out);
            out.extend_from_slice(zone.as_bytes());
            out.extend_from_slice(if year <= 0 { b" BC\"" } else { b"\"" });
        }
    }
}

/// Writes `YYYY-MM-DD` of a day counted from 2000-01-01, and returns the year; 0 is 1 BC.
fn write_day(days: i64, out: &mut Vec<u8>) -> i64 {
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = days + 730_425;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    put(out, format_args!("{shown:04}-{month:02}-{day:02}"));
    year
}

fn write_clock(microseconds: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (microseconds / 1_000_000, microseconds % 1_000_000);
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if fraction != 0 {
        put(out, format_args!(".{fraction:06}"));
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}
