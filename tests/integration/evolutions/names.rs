//! Names as developers give them: plain ones, and those that only quotes make possible.

use super::model::{Id, Name};
use crate::support::random::Random;

/// A new name; the number makes it unlike every other.
pub(super) fn any(words: &[&str], id: Id, random: &mut Random) -> String {
    let word = words[random.below(words.len())];
    match random.below(8) {
        0 => format!("{}{} {id}", word[..1].to_uppercase(), &word[1..]),
        1 => format!("größe {word} \"{id}\""),
        2 => format!("{word}.{id}"),
        _ => format!("{word}_{id}"),
    }
}

/// As it stands in SQL: quoted only where it has to be, as people write.
pub(super) fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// With its schema, where that is not `public`.
pub(super) fn sql_name(name: &Name) -> String {
    if name.schema == "public" {
        return quoted(&name.name);
    }
    format!("{}.{}", quoted(&name.schema), quoted(&name.name))
}

/// A text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
