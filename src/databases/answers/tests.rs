//! Streams of messages, in pieces of any size, without a server.

use super::*;

fn row(bytes: usize) -> Vec<u8> {
    message(b'D', &[&vec![b'x'; bytes]])
}

fn ready() -> Vec<u8> {
    message(b'Z', &[b"I"])
}

fn bound() -> Vec<u8> {
    message(b'2', &[])
}

/// What comes out, whatever the sizes of what goes in; large answers have their turn.
#[track_caller]
fn passed(stream: &[u8]) -> Vec<u8> {
    let mut results = Vec::new();
    for size in [1, 3, 5, 7, 4096, stream.len()] {
        if stream.len() / size > 1 << 22 {
            continue;
        }
        let (mut answers, mut out) = (Answers { granted: usize::MAX, ..Answers::new() }, Vec::new());
        for piece in stream.chunks(size) {
            assert_eq!(answers.follow(piece, &mut out).unwrap(), piece.len());
        }
        results.push(out);
    }
    assert!(results.windows(2).all(|two| two[0] == two[1]));
    results.pop().unwrap()
}

fn refusal(words: &str) -> Vec<u8> {
    error(LIMIT_EXCEEDED, words, HINT)
}

#[test]
fn what_is_short_passes_as_it_is_and_what_nobody_reads_is_left_out() {
    let kept = [message(b'T', &[b"columns"]), row(10), row(LONG - 4), message(b'C', &[b"SELECT 2\0"]), ready()];
    let notice = message(b'N', &[&vec![b'n'; 3 << 20]]);
    let dropped =
        [notice, message(b'N', &[b"x"]), message(b'A', &[b"heard"]), row(LONG), message(b'S', &[&vec![1; LONG]])];
    let mut stream = Vec::new();
    for (at, message) in kept.iter().enumerate() {
        stream.extend(message);
        stream.extend(&dropped[at]);
    }
    assert!(passed(&stream) == kept.concat());
    let short =
        [message(b'S', &[b"TimeZone\0UTC\0"]), message(b'E', &[b"CX\0Mwords\0\0"]), message(b'1', &[]), ready()]
            .concat();
    assert_eq!(passed(&short), short);
}

#[test]
fn where_notices_are_heard_only_long_ones_are_left_out() {
    let short = [message(b'N', &[b"SLOG\0Mwaits\0\0"]), message(b'C', &[b"DROP DATABASE\0"]), ready()].concat();
    let long = message(b'N', &[&vec![b'n'; NOTICE]]);
    let (mut answers, mut out) = (Answers { hears_notices: true, ..Answers::new() }, Vec::new());
    answers.follow(&[long, short.clone()].concat(), &mut out).unwrap();
    assert_eq!(out, short);
}

#[test]
fn of_a_long_error_each_part_is_cut() {
    let (text, detail) = ("é".repeat(LONG), vec![b'd'; FIELD]);
    let head = &b"SERROR\0VERROR\0CP0001\0M"[..];
    let long = [head, text.as_bytes(), b"\0D", &detail, b"\0Hshort\0\0"];
    let whole = message(b'E', &long);
    let words = format!(
        "… (cut here: PostgreSQL sends an error of {} bytes, and {FIELD} are read of each part)",
        whole.len() - 1
    );
    let kept = "é".repeat(FIELD / 2);
    let cut = [head, kept.as_bytes(), words.as_bytes(), b"\0D", &detail, b"\0Hshort\0\0"];
    let stream = [whole, ready()].concat();
    assert!(passed(&stream) == [message(b'E', &cut), ready()].concat());
}

#[test]
fn rows_that_are_kept_are_bounded_one_by_one_and_together() {
    let after = [bound(), row(3), ready()].concat();
    let length = LONGEST + 1;
    let one =
        [bound(), row(1), row(length - 4), row(1), message(b'C', &[b"SELECT 3\0"]), ready(), after.clone()].concat();
    let words = refusal(&format!("PostgreSQL sends a row of {length} bytes; at most {LONGEST} are read"));
    assert!(passed(&one) == [bound(), row(1), words, ready(), after.clone()].concat());

    let quarter = row(ANSWER / 4 - 4);
    let four = [bound(), quarter.repeat(4)].concat();
    let words = refusal(&format!("PostgreSQL sends more than {ANSWER} bytes of rows; no more are read"));
    let mut answers = Answers { granted: usize::MAX, ..Answers::new() };
    let mut out = Vec::new();
    let rest = [row(0), row(3), message(b'E', &[b"CX\0Mlater\0\0"]), ready(), after.clone()].concat();
    for piece in [&four, &rest] {
        assert_eq!(answers.follow(piece, &mut out).unwrap(), piece.len());
    }
    assert!(out == [four, words, ready(), after].concat());
}

#[test]
fn a_large_answer_waits_at_the_head_of_a_row() {
    for has_turn in [true, false] {
        let (mut answers, mut out) = (Answers::new(), Vec::new());
        let before = [bound(), row(SMALL - 4)].concat();
        let (head, tail) = (row(1)[..HEAD].to_vec(), [&row(1)[HEAD..], &row(2), &ready()].concat());
        let stream = [before.clone(), head, tail.clone()].concat();
        let followed = answers.follow(&stream, &mut out).unwrap();
        assert!(answers.waits() && followed == before.len() + HEAD && out == before);
        assert_eq!(answers.wanted(), SMALL + 5);
        if has_turn {
            answers.granted = usize::MAX;
        } else {
            answers.refuse("later", HINT, &mut out);
        }
        assert_eq!(answers.follow(&stream[followed..], &mut out).unwrap(), stream.len() - followed);
        let expected = if has_turn { stream } else { [before, refusal("later"), ready()].concat() };
        assert!(out == expected, "{has_turn}");
    }
}

#[test]
fn what_is_neither_is_an_error() {
    let mut head = b"T".to_vec();
    head.extend(u32::MAX.to_be_bytes());
    let error = Answers::new().follow(&head, &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "PostgreSQL sends a message of 4294967295 bytes; at most 67108864 are read");
}
