//! What becomes of values when a column changes from one type to another. Pure; types as `format_type` prints them.

use super::Compatibility;

/// A printed type, taken apart: `timestamp(3) with time zone[]` → `timestamp with time zone`, `[3]`, one dimension.
#[derive(Debug, PartialEq, Eq)]
struct Parsed<'a> {
    base: String,
    modifiers: Vec<i64>,
    array: bool,
    text: &'a str,
}

fn parse(text: &str) -> Parsed<'_> {
    let element = text.strip_suffix("[]");
    let whole = element.unwrap_or(text);
    let parts = whole.split_once('(').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(')')?;
        let modifiers = inside.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().ok()?;
        Some((format!("{before}{after}"), modifiers))
    });
    let (base, modifiers) = parts.unwrap_or_else(|| (whole.to_owned(), Vec::new()));
    Parsed { base, modifiers, array: element.is_some(), text }
}

/// Whether every value of `from` survives as a value of `to`.
pub fn compare(from: &str, to: &str) -> Compatibility {
    let (from, to) = (parse(from), parse(to));
    if from.text == to.text {
        return Compatibility::Safe;
    }
    if from.array != to.array {
        return Compatibility::Incompatible;
    }
    if from.base == to.base {
        return same_base(&from, &to);
    }
    different_base(&from, &to)
}

fn safe_if(survives: bool) -> Compatibility {
    if survives { Compatibility::Safe } else { Compatibility::Dataloss }
}

/// The same type with other modifiers: lengths, precisions.
fn same_base(from: &Parsed<'_>, to: &Parsed<'_>) -> Compatibility {
    match (from.modifiers.as_slice(), to.modifiers.as_slice()) {
        (_, []) => Compatibility::Safe,
        ([], _) => Compatibility::Dataloss,
        ([from_precision, from_scale], [to_precision, to_scale]) => {
            // Digits before the point and digits after it.
            safe_if(to_scale >= from_scale && to_precision - to_scale >= from_precision - from_scale)
        }
        ([from_length], [to_length]) => match from.base.as_str() {
            // A fixed number of bits is padded with zeros, which is another value.
            "bit" => Compatibility::Incompatible,
            _ => safe_if(to_length >= from_length),
        },
        _ => Compatibility::Incompatible,
    }
}

/// Decimal digits of the largest value.
fn integer_digits(base: &str) -> Option<i64> {
    match base {
        "smallint" => Some(5),
        "integer" => Some(10),
        "bigint" => Some(19),
        _ => None,
    }
}

fn different_base(from: &Parsed<'_>, to: &Parsed<'_>) -> Compatibility {
    if let (Some(from), Some(to)) = (integer_digits(&from.base), integer_digits(&to.base)) {
        return safe_if(to > from);
    }
    match (from.base.as_str(), to.base.as_str()) {
        ("smallint" | "integer" | "bigint", "numeric") => match (integer_digits(&from.base), to.modifiers.as_slice()) {
            (Some(digits), [precision, scale]) => safe_if(precision - scale >= digits),
            _ => Compatibility::Safe,
        },
        ("smallint", "real") | ("smallint" | "integer" | "real", "double precision") => Compatibility::Safe,
        ("integer" | "bigint", "real") | ("bigint" | "numeric", "double precision") | ("double precision" | "numeric", "real") => {
            Compatibility::Dataloss
        }
        ("numeric", "smallint" | "integer" | "bigint") => Compatibility::Dataloss,
        ("character varying" | "character", "text") | ("cidr", "inet") => Compatibility::Safe,
        ("character", "character varying") => match (from.modifiers.first(), to.modifiers.first()) {
            (_, None) => Compatibility::Safe,
            (Some(from), Some(to)) => safe_if(to >= from),
            (None, Some(_)) => Compatibility::Dataloss,
        },
        ("text", "character varying") => safe_if(to.modifiers.is_empty()),
        ("text" | "character varying", "character") => match (from.modifiers.first(), to.modifiers.first()) {
            (Some(from), Some(to)) if to >= from => Compatibility::Incompatible,
            _ => Compatibility::Dataloss,
        },
        ("bit", "bit varying") => match (from.modifiers.first(), to.modifiers.first()) {
            (_, None) => Compatibility::Safe,
            (Some(from), Some(to)) => safe_if(to >= from),
            (None, Some(_)) => Compatibility::Dataloss,
        },
        ("date", "timestamp without time zone") => Compatibility::Safe,
        ("timestamp without time zone", "date" | "time without time zone") => Compatibility::Dataloss,
        _ => Compatibility::Incompatible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Compatibility::{Dataloss, Incompatible, Safe};

    #[test]
    fn every_value_survives_or_the_loss_is_named() {
        for (from, to, expected) in [
            ("integer", "bigint", Safe),
            ("bigint", "integer", Dataloss),
            ("smallint", "bigint", Safe),
            ("character varying(50)", "character varying(100)", Safe),
            ("character varying(50)", "character varying", Safe),
            ("character varying(50)", "text", Safe),
            ("character varying(100)", "character varying(50)", Dataloss),
            ("text", "character varying(50)", Dataloss),
            ("text", "character varying", Safe),
            ("character(3)", "text", Safe),
            ("character(3)", "character(5)", Safe),
            ("numeric(8,2)", "numeric(12,2)", Safe),
            ("numeric(8,2)", "numeric(8,3)", Dataloss),
            ("numeric(8,2)", "numeric(9,3)", Safe),
            ("numeric(8,2)", "numeric", Safe),
            ("numeric", "numeric(8,2)", Dataloss),
            ("integer", "numeric", Safe),
            ("integer", "numeric(10,0)", Safe),
            ("integer", "numeric(10,2)", Dataloss),
            ("numeric(5,0)", "integer", Dataloss),
            ("real", "double precision", Safe),
            ("double precision", "real", Dataloss),
            ("bigint", "double precision", Dataloss),
            ("integer", "double precision", Safe),
            ("timestamp(3) with time zone", "timestamp with time zone", Safe),
            ("timestamp with time zone", "timestamp(0) with time zone", Dataloss),
            ("timestamp without time zone", "timestamp with time zone", Incompatible),
            ("date", "timestamp without time zone", Safe),
            ("date", "timestamp with time zone", Incompatible),
            ("integer", "text", Incompatible),
            ("text", "integer", Incompatible),
            ("json", "jsonb", Incompatible),
            ("integer[]", "bigint[]", Safe),
            ("integer", "integer[]", Incompatible),
            ("character varying(5)[]", "character varying(3)[]", Dataloss),
            ("mood", "text", Incompatible),
            ("bit(3)", "bit(5)", Incompatible),
            ("bit varying(3)", "bit varying(5)", Safe),
        ] {
            assert_eq!(compare(from, to), expected, "{from} to {to}");
        }
    }
}
