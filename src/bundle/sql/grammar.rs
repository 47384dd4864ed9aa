//! The one way to PostgreSQL's parser, one text at a time.
//!
//! While the library works it turns the process's stderr to a pipe of its own and back: two at once would leave it turned
//! to a pipe that nobody reads. And its memory comes from the system's allocator, whose arenas keep what they had at
//! most: one arena's worth, not one for each thread.
//!
//! Neither parser nor scanner can be stopped, so what would keep them for long they are not given: a body or a view's text that
//! is read from a database can be anything, and is then a text that the grammar does not read.

use std::sync::{Mutex, PoisonError};

use pg_query::protobuf::{ParseResult, RawStmt, ScanToken};
use pg_query::{DeparseOptions, Node, NodeEnum, ParserOptions};

use crate::bundle::cost::is_scanned_in_time;

const TOO_MANY_SIGNS: &str = "too many signs stand in rows without anything between them";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone<T>(work: impl FnOnce() -> T) -> T {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// The statements of a text.
pub(crate) fn parse(text: &str) -> pg_query::Result<Vec<RawStmt>> {
    if !is_scanned_in_time(text) {
        return Err(pg_query::Error::Parse(TOO_MANY_SIGNS.to_owned()));
    }
    alone(|| pg_query::parse(text, ParserOptions::DEFAULT)).map(|parsed| parsed.protobuf.stmts)
}

/// The tokens of a text.
pub(in crate::bundle) fn scan(text: &str) -> pg_query::Result<Vec<ScanToken>> {
    if !is_scanned_in_time(text) {
        return Err(pg_query::Error::Scan(TOO_MANY_SIGNS.to_owned()));
    }
    alone(|| pg_query::scan_tokens(text))
}

/// The text of one statement, and its tree back. `None` where the grammar's writer refuses.
pub fn deparse(tree: NodeEnum) -> Option<(NodeEnum, String)> {
    let node = Node { node: Some(tree) };
    let statement = RawStmt { stmt: Some(Box::new(node)), stmt_location: 0, stmt_len: 0 };
    let mut parsed = ParseResult { version: 0, stmts: vec![statement] };
    let text = alone(|| pg_query::deparse(&parsed, DeparseOptions::default())).ok()?;
    Some((parsed.stmts.pop()?.stmt?.node?, text))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_of_rows_of_signs_is_given_to_neither_parser_nor_scanner() {
        let text = format!("{}{} SELECT 1", "/*".repeat(300_000), "*/".repeat(300_000));
        assert!(super::parse(&text).is_err() && super::scan(&text).is_err());
        assert!(crate::bundle::sql::tokens::words(&text).is_none());
    }
}
