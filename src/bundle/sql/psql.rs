//! Lines that are commands of psql. pg_dump writes two of them, which guard psql and say nothing about the schema; all
//! others are refused by name. Pure; called by [`super::read`].

use super::SqlError;

/// What pg_dump puts around its output since August 2025.
const GUARDS: [&str; 2] = ["\\restrict", "\\unrestrict"];

/// The longest word that is told of, in characters.
const LONGEST: usize = 40;

/// The warning about a line that begins with a backslash; an error where it means something.
pub(super) fn pass_over(path: &str, line: usize, text: &str) -> Result<String, SqlError> {
    let mut words = text.split_ascii_whitespace();
    let command = words.next().unwrap_or_default();
    let is_key = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_guard = GUARDS.contains(&command) && words.next().is_some_and(is_key) && words.next().is_none();
    match is_guard {
        true => Ok(format!("{path}, line {line}: {command} is for psql alone and was passed over")),
        false => Err(refused(path, line, text)),
    }
}

/// `text` begins with the backslash.
pub(super) fn refused(path: &str, line: usize, text: &str) -> SqlError {
    let is_end = |(at, character): (usize, char)| at > 0 && (character.is_whitespace() || character == '\\');
    let end = text.char_indices().find(|one| is_end(*one)).map_or(text.len(), |(at, _)| at);
    let command = text[..end].chars().take(LONGEST).collect();
    SqlError::PsqlCommand { path: path.to_owned(), line, command }
}
