//! Which values another, narrower type does not take as they are: a condition in SQL for each pair of types that
//! `diff::types` calls a loss. It must not fail where the cast itself would. Pure.

/// True for rows whose value in `column` changes by the cast, or fails it.
pub(super) fn condition(column: &str, from: &str, to: &str) -> String {
    match (from.strip_suffix("[]"), to.strip_suffix("[]")) {
        (Some(from), Some(to)) => {
            format!("EXISTS (SELECT FROM unnest({column}) AS element WHERE {})", of_value("element", from, to))
        }
        _ => of_value(column, from, to),
    }
}

/// Name and numbers of a printed type: `numeric(8,2)`, `timestamp(3) with time zone`.
fn taken_apart(printed: &str) -> (String, Vec<i64>) {
    let parts = printed.split_once('(').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(')')?;
        let numbers = inside.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().ok()?;
        Some((format!("{before}{after}"), numbers))
    });
    parts.unwrap_or_else(|| (printed.to_owned(), Vec::new()))
}

fn of_value(value: &str, from: &str, to: &str) -> String {
    let (from_base, _) = taken_apart(from);
    let (base, numbers) = taken_apart(to);
    let is_text = ["text", "character varying", "character"].contains(&from_base.as_str());
    match (base.as_str(), numbers.as_slice()) {
        ("character varying" | "character", [length]) if is_text => format!("char_length({value}::text) > {length}"),
        ("character varying" | "character", []) if is_text => format!("char_length({value}::text) > 1"),
        ("bit" | "bit varying", [length]) => format!("length({value}) > {length}"),
        ("smallint" | "integer" | "bigint", _) => outside_of_integers(value, &from_base, &base),
        ("numeric", [precision, scale]) => outside_of_numeric(value, *precision, *scale),
        ("numeric", [precision]) => outside_of_numeric(value, *precision, 0),
        ("real" | "double precision", _) => inexact(value, &from_base, &base),
        // The time of day goes.
        ("date", _) => format!("{value} <> {value}::date"),
        // The day goes.
        ("time without time zone" | "time with time zone", []) => format!("{value} IS NOT NULL"),
        (_, [_]) if base.starts_with("time") || base.starts_with("interval") => format!("{value} <> {value}::{to}"),
        _ => format!("{value} IS NOT NULL"),
    }
}

fn outside_of_integers(value: &str, from: &str, to: &str) -> String {
    let (low, high) = match to {
        "smallint" => ("-32768", "32767"),
        "integer" => ("-2147483648", "2147483647"),
        _ => ("-9223372036854775808", "9223372036854775807"),
    };
    let outside = format!("{value}::numeric NOT BETWEEN {low} AND {high}");
    match from {
        "numeric" => format!(
            "CASE WHEN {value}::text IN ('NaN', 'Infinity', '-Infinity') THEN true ELSE {outside} OR {value} <> trunc({value}) END"
        ),
        _ => outside,
    }
}

fn outside_of_numeric(value: &str, precision: i64, scale: i64) -> String {
    let most = format!("10::numeric ^ ({})", precision - scale);
    format!(
        "CASE {value}::text WHEN 'NaN' THEN false WHEN 'Infinity' THEN true WHEN '-Infinity' THEN true
         ELSE {value}::numeric <> round({value}::numeric, {scale}) OR abs(round({value}::numeric, {scale})) >= {most} END"
    )
}

/// Compared as decimal numbers, in which both sides are written out in full.
fn inexact(value: &str, from: &str, to: &str) -> String {
    let (largest, least) = if to == "real" { ("3.4e38", "1.2e-37") } else { ("1.7e308", "2.3e-307") };
    let special = format!("{value}::text IN ('NaN', 'Infinity', '-Infinity')");
    let same = match from {
        // The shortest decimal that means the double is not the shortest that means the real.
        "double precision" => format!("{value}::{to}::double precision <> {value}"),
        _ => format!("{value}::{to}::text::numeric <> {value}::numeric"),
    };
    format!(
        "CASE WHEN {special} THEN false WHEN abs({value}) > {largest} OR ({value} <> 0 AND abs({value}) < {least}) THEN true
         ELSE {same} END"
    )
}
