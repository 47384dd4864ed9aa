//! A file's text, cut where its statements end, so that one is parsed after the other and only one tree is in memory.

use std::ops::Range;

use crate::bundle::lexer::{Event, Lexer};

/// A part of a text; what has no token is left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement, with the semicolon that ends it.
    Statement(Range<usize>),
    /// Comments behind the last one, of which one may have no end.
    Remark(Range<usize>),
    /// Between two statements, the rest of a line from a backslash on.
    Command(Range<usize>),
}

/// The pieces of a text.
pub(super) struct Pieces<'a> {
    text: &'a [u8],
    lexer: Lexer,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), lexer: Lexer::default(), at: 0 }
    }

    /// Behind a backslash that is no part of a statement.
    fn command(&mut self) -> Piece {
        let start = self.at - 1;
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        self.at = self.text[start..].iter().position(is_line_end).map_or(self.text.len(), |length| start + length);
        self.lexer = Lexer::default();
        Piece::Command(start..self.at)
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let mut start = self.at;
        let mut has_token = false;
        // A sign with which a comment may begin.
        let mut sign = None;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            let was_sign = sign.take();
            let event = self.lexer.feed(byte);
            has_token |= was_sign.is_some_and(|sign| (sign, byte) != (b'-', b'-') && (sign, byte) != (b'/', b'*'));
            match event {
                Some(Event::End(_)) if has_token => return Some(Piece::Statement(start..self.at)),
                Some(Event::End(_)) => start = self.at,
                Some(Event::Token(_)) if has_token => {}
                Some(Event::Token(_)) if byte == b'\\' => return Some(self.command()),
                Some(Event::Token(_)) if matches!(byte, b'-' | b'/') => sign = Some(byte),
                Some(Event::Token(_) | Event::Inside(_)) => has_token = true,
                None => {}
            }
        }
        let rest = start..self.at;
        match has_token || sign.is_some() {
            true => Some(Piece::Statement(rest)),
            false if rest.is_empty() => None,
            false => Some(Piece::Remark(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let pieces: Vec<_> = Pieces::new(text)
            .map(|piece| match piece {
                Piece::Statement(range) => text[range].trim().to_owned(),
                Piece::Remark(range) => format!("remark {}", text[range].trim()),
                Piece::Command(range) => format!("command {}", &text[range]),
            })
            .collect();
        assert_eq!(pieces, expected);
    }

    #[test]
    fn a_command_of_psql_stands_between_statements() {
        check(
            "--\n\\restrict k\nSELECT 1;\n/* */\\unrestrict k\r\n-- end",
            &["command \\restrict k", "SELECT 1;", "command \\unrestrict k", "remark -- end"],
        );
        check("SELECT 1; \\echo it's\nSELECT 2", &["SELECT 1;", "command \\echo it's", "SELECT 2"]);
        check(
            "/* \\a */ -- \\b\n'\\c'; $$\n\\d\n$$; \"\\e\"",
            &["/* \\a */ -- \\b\n'\\c';", "$$\n\\d\n$$;", "\"\\e\""],
        );
        check("SELECT 1\n\\g\n;", &["SELECT 1\n\\g\n;"]);
        check("--\\x\n/* c */\\y", &["command \\y"]);
        check("\\", &["command \\"]);
        check("SELECT 1; -- and\n - 2; /* no end", &["SELECT 1;", "-- and\n - 2;", "remark /* no end"]);
    }
}
