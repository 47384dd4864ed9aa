//! SQL as PostgreSQL's scanner sees it: checksums that ignore white space, comments and case, the names and words in a text,
//! and the place of a syntax error, which the grammar's message does not tell.

use std::collections::HashSet;

use pg_query::protobuf::{KeywordKind, ScanToken, Token};
use sha2::{Digest, Sha256};

use super::grammar;

/// SHA-256, hexadecimal, over the tokens of `sql`: white space, comments and the case of keywords and unquoted
/// identifiers do not count, every byte of a string literal or a quoted identifier does (contract §4, "Functions").
///
/// `body` is the text of a function in `sql` or `plpgsql`: it is a string literal to the scanner but a program to its
/// reader, so its own tokens are what counts.
pub fn checksum(sql: &str, body: Option<&str>) -> String {
    let mut hash = Sha256::new();
    add_tokens(&mut hash, sql, body);
    hexadecimal(&hash.finalize())
}

/// SHA-256, hexadecimal, over bytes as they are.
pub fn checksum_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Two digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from_digit(number.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn add_tokens(hash: &mut Sha256, sql: &str, body: Option<&str>) {
    let Some(tokens) = scan(sql) else {
        // What the scanner refuses (a body in another language's syntax) counts byte by byte.
        hash.update(sql);
        return;
    };
    let mut previous = Token::Nul;
    for token in tokens {
        let text = &sql[range(&token)];
        let kind = Token::try_from(token.token).unwrap_or(Token::Nul);
        match (kind, body) {
            (Token::SqlComment | Token::CComment, _) => continue,
            // However it is quoted. Its end is told, so that no word behind it could as well be its last one.
            (Token::Sconst | Token::Usconst, Some(body)) if previous == Token::As => {
                hash.update("$body$");
                add_tokens(hash, body, None);
                hash.update("$end$");
            }
            _ if folds_case(kind, &token, text) => hash.update(text.to_ascii_lowercase()),
            _ => hash.update(text),
        }
        previous = kind;
        // A separator that no token holds, so that `a b` and `ab` differ.
        hash.update([0]);
    }
}

fn folds_case(kind: Token, token: &ScanToken, text: &str) -> bool {
    token.keyword_kind != KeywordKind::NoKeyword as i32 || (kind == Token::Ident && !text.starts_with('"'))
}

fn scan(sql: &str) -> Option<Vec<ScanToken>> {
    // The scanner's wrapper hands out a null list for a text without tokens.
    if sql.trim().is_empty() {
        return Some(Vec::new());
    }
    grammar::scan(sql).ok()
}

fn range(token: &ScanToken) -> std::ops::Range<usize> {
    usize::try_from(token.start).unwrap_or(0)..usize::try_from(token.end).unwrap_or(0)
}

/// Where the first token of a kind stands.
pub(super) fn first(sql: &str, kind: Token) -> Option<std::ops::Range<usize>> {
    scan(sql)?.iter().find(|token| token.token == kind as i32).map(range)
}

/// `sql` without its comments, and with `?` for every constant. `None` where the scanner does not read it.
pub(super) fn without_values(sql: &str) -> Option<String> {
    const CONSTANTS: [Token; 6] =
        [Token::Sconst, Token::Usconst, Token::Iconst, Token::Fconst, Token::Bconst, Token::Xconst];
    let mut text = String::new();
    let mut end = 0;
    for token in scan(sql)? {
        let kind = Token::try_from(token.token).unwrap_or(Token::Nul);
        let range = range(&token);
        if matches!(kind, Token::SqlComment | Token::CComment) {
            continue;
        }
        if range.start > end && !text.is_empty() {
            text.push(' ');
        }
        end = range.end;
        text.push_str(if CONSTANTS.contains(&kind) { "?" } else { &sql[range] });
    }
    Some(text)
}

/// Names that `sql` seems to call: each identifier before an opening parenthesis, with its schema where it has one. For
/// bodies in PL/pgSQL, which PostgreSQL's grammar for SQL does not read.
pub(super) fn called_names(sql: &str) -> Vec<(Option<String>, String)> {
    let tokens = scan(sql).unwrap_or_default();
    let name_at = |at: usize| {
        let token = tokens.get(at)?;
        let is_name = Token::try_from(token.token) == Ok(Token::Ident)
            || token.keyword_kind == KeywordKind::UnreservedKeyword as i32;
        is_name.then(|| folded(&sql[range(token)]))
    };
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| &sql[range(token)] == text);
    (1..tokens.len())
        .filter(|at| is(*at, "("))
        .filter_map(|at| {
            let schema = (at > 2 && is(at - 2, ".")).then(|| name_at(at - 3)).flatten();
            Some((schema, name_at(at - 1)?))
        })
        .collect()
}

/// What a text in SQL or PL/pgSQL consists of.
#[derive(Debug, Default)]
pub struct Words {
    /// Every word of it, keyword or identifier: what it can call or read is among them.
    pub names: HashSet<String>,
    /// It runs statements that are not in the text, or makes something whose own text is run.
    pub runs_text: bool,
    /// It loads a library.
    pub loads: bool,
}

/// The words of `sql`. `None` where they are not sure: the scanner does not read it, a name is written with escapes, or a text
/// ends elsewhere under another `standard_conforming_strings`, which a session may have had when it first read the function.
pub fn words(sql: &str) -> Option<Words> {
    let mut words = Words::default();
    // What the last words were, as far as it matters.
    let mut before = Before::Nothing;
    for token in scan(sql)? {
        let is_text = matches!(Token::try_from(token.token), Ok(Token::Sconst | Token::Usconst));
        let is_word = match Token::try_from(token.token) {
            Ok(Token::Uident) => return None,
            Ok(Token::Sconst) if ends_elsewhere(&sql[range(&token)]) => return None,
            Ok(Token::SqlComment | Token::CComment) => continue,
            Ok(Token::Ident) => true,
            _ => token.keyword_kind != KeywordKind::NoKeyword as i32,
        };
        let word = if is_word { cut(folded(&sql[range(&token)])) } else { String::new() };
        match before {
            Before::Do => words.runs_text |= is_text || word == "language",
            Before::Load => words.loads |= is_text,
            Before::Create => words.runs_text |= !MADE_WITHOUT_TEXT.contains(&word.as_str()),
            Before::Nothing => {}
        }
        before = match (before, word.as_str()) {
            (Before::Create, "or" | "replace" | "temp" | "temporary" | "local" | "global" | "unlogged") => before,
            (_, "create" | "alter") => Before::Create,
            (_, "do") => Before::Do,
            (_, "load") => Before::Load,
            _ => Before::Nothing,
        };
        if is_word {
            // PL/pgSQL's statements from text all have the first one.
            words.runs_text |= matches!(word.as_str(), "execute" | "prepare" | "deallocate");
            words.names.insert(word);
        }
    }
    Some(words)
}

/// Whether a text in SQL or PL/pgSQL has a statement in it that writes. `None` where the scanner does not read it. PL/pgSQL has a
/// grammar of its own, so statements are known by their first words and by what stands before and behind these: a column may
/// well be called `comment`.
pub fn has_writing_statement(sql: &str) -> Option<bool> {
    let tokens = scan(sql)?;
    let is_code = |token: &&ScanToken| !matches!(Token::try_from(token.token), Ok(Token::SqlComment | Token::CComment));
    let words: Vec<String> =
        tokens.iter().filter(is_code).map(|token| sql[range(token)].to_ascii_lowercase()).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    Some((0..words.len()).any(|at| {
        let begins = at == 0 || BEFORE_STATEMENTS.contains(&word(at - 1));
        begins && is_writing([word(at), word(at + 1), word(at + 2)])
    }))
}

/// What a statement within another text, or behind a `WITH`, comes after.
const BEFORE_STATEMENTS: [&str; 15] = [
    ";", "(", ")", "begin", "atomic", "then", "else", "loop", "as", "in", "query", "explain", "analyze", "verbose",
    ">>",
];

/// By the first three words of what may be a statement, or a declaration such as `update text;`.
fn is_writing([first, next, third]: [&str; 3]) -> bool {
    let is_name = next.starts_with('"') || next.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let is_declaration = matches!(third, ";" | ":=" | "=" | "," | ")" | "default" | "not" | "[" | "");
    match first {
        "delete" => next == "from",
        "insert" | "merge" => next == "into",
        "comment" => next == "on",
        "refresh" => next == "materialized",
        "import" => next == "foreign",
        "reassign" => next == "owned",
        "truncate" | "cluster" => is_name,
        "copy" => next == "(" || (is_name && !is_declaration),
        "update" | "call" | "grant" | "revoke" | "create" | "alter" | "drop" => is_name && !is_declaration,
        _ => false,
    }
}

/// Whether a backslash in a plain text stands before a quote.
fn ends_elsewhere(text: &str) -> bool {
    text.starts_with('\'') && text.contains("\\'")
}

/// What stands before a word.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Do,
    Load,
    Create,
}

/// Behind CREATE or ALTER: what else they make or change may have a text that is run, or changes what others run.
const MADE_WITHOUT_TEXT: [&str; 17] = [
    "or",
    "replace",
    "temp",
    "temporary",
    "local",
    "global",
    "unlogged",
    "table",
    "sequence",
    "index",
    "unique",
    "view",
    "recursive",
    "materialized",
    "schema",
    "statistics",
    "column",
];

fn cut(mut name: String) -> String {
    while name.len() > LONGEST_NAME {
        name.pop();
    }
    name
}

/// In bytes; PostgreSQL cuts off what is longer (manual, "Identifiers and Key Words").
const LONGEST_NAME: usize = 63;

/// A name as the catalog has it.
fn folded(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}

/// Where in `sql` the grammar's error `message` belongs, in bytes.
///
/// The grammar reads from left to right and stops at the first token that no statement can have there. So of the
/// beginnings of `sql`, the short ones are statements or lack only their end, and from the offending token on all fail
/// otherwise: that token is found by bisection.
pub(super) fn error_offset(sql: &str, message: &str) -> usize {
    let Some(tokens) = scan(sql) else { return near_text(sql, message) };
    let tokens: Vec<_> = tokens
        .into_iter()
        .filter(|token| !matches!(Token::try_from(token.token), Ok(Token::SqlComment | Token::CComment)))
        .collect();
    let fails = |token: &ScanToken| match grammar::parse(&sql[..range(token).end]) {
        Ok(_) => false,
        Err(pg_query::Error::Parse(message)) => !message.contains("at end of input"),
        Err(_) => true,
    };
    let first = tokens.partition_point(|token| !fails(token));
    match tokens.get(first).or(tokens.last()) {
        Some(token) => range(token).start,
        None => 0,
    }
}

/// For what the scanner itself refuses, an unterminated string for one: its message ends with the text from there on.
fn near_text(sql: &str, message: &str) -> usize {
    let near = message.split_once("at or near \"").map(|(_, near)| near.trim_end_matches('"'));
    near.filter(|near| !near.is_empty()).and_then(|near| sql.rfind(near)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
