//! A file's text, cut where its statements end, so that one is parsed after the other and only one tree is in memory.

use std::ops::Range;

use crate::bundle::lexer::{Event, Lexer};

/// The statements of a text, each with the semicolon that ends it; what has no token is left out.
pub(super) struct Pieces<'a> {
    text: &'a [u8],
    lexer: Lexer,
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), lexer: Lexer::default(), at: 0 }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut start = self.at;
        let mut has_token = false;
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match self.lexer.feed(*byte) {
                Some(Event::End(_)) if has_token => return Some(start..self.at),
                Some(Event::End(_)) => start = self.at,
                Some(Event::Token(_) | Event::Inside(_)) => has_token = true,
                None => {}
            }
        }
        (has_token && start < self.at).then_some(start..self.at)
    }
}
