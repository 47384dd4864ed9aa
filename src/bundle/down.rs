//! What takes a migration back: files and sections that other tools run only when asked to. Passed over, so that their
//! statements neither run nor count (contract §3, "Down migrations"). Pure.

use std::ops::Range;

use super::lexer::Lexer;
use super::{Kind, SourceFile};

/// The comment lines that begin a section to take back, and those that end it: dbmate's, goose's, sql-migrate's.
const DOWN: [&str; 3] = ["migrate:down", "+goose down", "+migrate down"];
const UP: [&str; 3] = ["migrate:up", "+goose up", "+migrate up"];

/// A migration as far as it is one.
#[derive(Debug)]
pub(super) enum Migration {
    /// All of it.
    Whole,
    /// Without its sections to take back, which are blanks, so that every line keeps its number; and those lines.
    Masked(SourceFile, Vec<usize>),
    /// The whole file takes another one back.
    Down,
}

/// What of a file counts; other kinds than migrations have no such parts.
pub(super) fn read(file: &SourceFile) -> Migration {
    if file.kind != Kind::Migrations {
        return Migration::Whole;
    }
    if is_down(&file.path) {
        return Migration::Down;
    }
    let sections = sections(&file.text);
    if sections.is_empty() {
        return Migration::Whole;
    }
    let mut text = file.text.as_bytes().to_vec();
    let mut lines = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for section in sections {
        line += text[counted..section.start].iter().filter(|byte| **byte == b'\n').count();
        counted = section.start;
        lines.push(line);
        for byte in &mut text[section] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    // Whole lines were blanked, so no character was cut.
    let text = String::from_utf8(text).unwrap_or_default();
    Migration::Masked(SourceFile { kind: file.kind, path: file.path.clone(), text: text.into() }, lines)
}

/// The parts of a file's text that count; `None` where it is one that takes a migration back.
pub(super) fn counted(file: &SourceFile) -> Option<Vec<&str>> {
    if file.kind != Kind::Migrations {
        return Some(vec![&file.text]);
    }
    if is_down(&file.path) {
        return None;
    }
    let mut parts = Vec::new();
    let mut at = 0;
    for section in sections(&file.text) {
        parts.push(&file.text[at..section.start]);
        at = section.end;
    }
    parts.push(&file.text[at..]);
    Some(parts)
}

/// `003.down.sql`, and `down.sql` in a folder of its own.
pub(super) fn is_down(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = super::archive::layout::ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    stem.eq_ignore_ascii_case("down")
        || stem.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case("down"))
}

/// From each line that begins such a section to the line that ends it.
fn sections(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !DOWN.iter().any(|marker| contains(text, marker)) {
        return found;
    }
    let mut lexer = Lexer::default();
    let mut open: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if !lexer.is_inside() {
            match open {
                None if says(line, &DOWN) => open = Some(at),
                Some(start) if says(line, &UP) => {
                    found.push(start..at);
                    open = None;
                }
                _ => {}
            }
        }
        for byte in line.bytes() {
            lexer.feed(byte);
        }
        at += line.len();
    }
    found.extend(open.map(|start| start..text.len()));
    found
}

/// Whether the line is nothing but a comment that begins with one of these words.
fn says(line: &str, markers: &[&str]) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("--") else { return false };
    let comment = comment.trim_start();
    markers.iter().any(|marker| {
        let rest = comment.get(..marker.len()).filter(|start| start.eq_ignore_ascii_case(marker));
        rest.is_some_and(|_| comment[marker.len()..].chars().next().is_none_or(char::is_whitespace))
    })
}

fn contains(text: &str, marker: &str) -> bool {
    text.as_bytes().windows(marker.len()).any(|bytes| bytes.eq_ignore_ascii_case(marker.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(text: &str) -> String {
        let file = SourceFile { kind: Kind::Migrations, path: "migrations/1.sql".to_owned(), text: text.into() };
        match read(&file) {
            Migration::Whole => text.to_owned(),
            Migration::Masked(file, _) => {
                assert_eq!(file.text.lines().count(), text.lines().count());
                file.text.split_whitespace().collect::<Vec<_>>().join(" ")
            }
            Migration::Down => panic!("the whole file"),
        }
    }

    #[test]
    fn sections_to_take_back_are_left_out() {
        for (text, expected) in [
            ("-- migrate:up\nA;\n-- migrate:down\nB;\n", "-- migrate:up A;"),
            ("-- migrate:down transaction:false\nB;\n-- migrate:up\nA;", "-- migrate:up A;"),
            ("-- +goose Up\nA;\r\n--+goose DOWN\r\nB;\r\n", "-- +goose Up A;"),
            ("-- +migrate Up\nA;\n  -- +migrate Down\nÄ;\n-- +migrate Up\nC;", "-- +migrate Up A; -- +migrate Up C;"),
            // No comment lines: within literals, bodies, other comments, behind a statement.
            ("A '\n-- migrate:down\n';", "A '\n-- migrate:down\n';"),
            ("A $x$\n-- migrate:down\n$x$;", "A $x$\n-- migrate:down\n$x$;"),
            ("/*\n-- migrate:down\n*/ A;", "/*\n-- migrate:down\n*/ A;"),
            ("A \"\n-- migrate:down\n\";", "A \"\n-- migrate:down\n\";"),
            ("A; -- migrate:down\nB;", "A; -- migrate:down\nB;"),
            ("-- migrate:downwards\nB;", "-- migrate:downwards\nB;"),
            // A section ends only with a line that says so, and not within its own literals.
            ("A;\n-- migrate:down\nB '\n-- migrate:up\n';", "A;"),
        ] {
            assert_eq!(left(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sections_are_named_by_their_lines_however_many_there_are() {
        let text = "-- migrate:up\nA;\n-- migrate:down\nB;\n".repeat(20_000);
        let file = SourceFile { kind: Kind::Migrations, path: "migrations/1.sql".to_owned(), text: text.into() };
        let Migration::Masked(_, lines) = read(&file) else { panic!("it has sections") };
        assert!(lines.iter().copied().eq((0..20_000).map(|section| 4 * section + 3)));
    }

    #[test]
    fn files_to_take_back_are_told_by_their_names() {
        for (path, expected) in [
            ("migrations/1.down.sql", true),
            ("migrations/2024_users/down.sql", true),
            ("migrations/1.DOWN.pgsql", true),
            ("migrations/1.up.sql", false),
            ("migrations/1_down.sql", false),
            ("migrations/countdown.sql", false),
            ("migrations/down/1.sql", false),
        ] {
            assert_eq!(is_down(path), expected, "{path}");
        }
    }
}
