//! The sums by which an applied migration is known again: over its statements, and as earlier versions took them.

use sha2::{Digest, Sha256};

use crate::bundle::sql::Statement;
use crate::bundle::sql::tokens::{checksum, checksum_bytes, hexadecimal};

/// Tells this kind of sum from those over bytes.
pub const PREFIX: &str = "statements:";

/// Over the tokens of each statement, whatever the system that the file was written on ends its lines with, also within
/// literals.
pub(super) fn of_statements(statements: &[Statement]) -> String {
    let sum_of = |statement: &Statement| match statement.text.contains('\r') {
        true => checksum(&statement.text.replace("\r\n", "\n"), None),
        false => checksum(&statement.text, None),
    };
    let sums: Vec<String> = statements.iter().map(sum_of).collect();
    format!("{PREFIX}{}", checksum_bytes(sums.join("\n").as_bytes()))
}

/// Over the bytes as they are, with LF, with CRLF, each with and without its last line end.
pub(super) fn of_earlier_versions(text: &str) -> Vec<String> {
    let mut kinds = [Ends::AsTheyAre, Ends::Each("\n"), Ends::Each("\r\n")].map(|ends| (ends, Sha256::new(), ""));
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let end = &line[content.len()..];
        for (ends, hash, last) in &mut kinds {
            hash.update(std::mem::replace(last, ends.of(end)));
            hash.update(content);
        }
    }
    let mut sums = Vec::new();
    for (ends, hash, last) in kinds {
        let with = if last.is_empty() { ends.of("\n") } else { last };
        sums.push(hexadecimal(&hash.clone().chain_update(with).finalize()));
        sums.push(hexadecimal(&hash.finalize()));
    }
    sums.sort_unstable();
    sums.dedup();
    sums
}

/// How lines end.
#[derive(Clone, Copy)]
enum Ends {
    AsTheyAre,
    Each(&'static str),
}

impl Ends {
    fn of(self, end: &str) -> &str {
        match self {
            Self::Each(each) if !end.is_empty() => each,
            Self::Each(_) | Self::AsTheyAre => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_again_whatever_ends_its_lines() {
        let sum = |text: &str| checksum_bytes(text.as_bytes());
        for now in ["a\nb\n", "a\nb", "a\r\nb\r\n", "a\r\nb"] {
            for then in ["a\nb\n", "a\nb", "a\r\nb\r\n", "a\r\nb"] {
                assert!(of_earlier_versions(now).contains(&sum(then)), "{now:?} {then:?}");
            }
            for other in ["a\nb\n\n", "a b\n", "a\n", ""] {
                assert!(!of_earlier_versions(now).contains(&sum(other)), "{now:?} {other:?}");
            }
        }
        assert!(of_earlier_versions("a\r\nb\n").contains(&sum("a\r\nb\n")), "ends that differ within one text");
        assert!(of_earlier_versions("").contains(&sum("")));
    }
}
