//! Lists in PostgreSQL's words that stand in the order of a table's columns, which depends on when each came: they are compared
//! as sets. Pure.

/// The text with the list sorted that stands behind the first `start` and before the last `end`, outside of quotes and
/// parentheses.
pub(super) fn sorted_behind(start: &str, end: Option<&str>, text: &str) -> String {
    let Some(first) = places(text, start).next() else { return text.to_owned() };
    let from = first + start.len();
    let to = end.and_then(|end| places(text, end).filter(|at| *at >= from).last()).unwrap_or(text.len());
    format!("{}{}{}", &text[..from], sorted(&text[from..to]), &text[to..])
}

/// The text with each list sorted that `start` opens and the next parenthesis closes.
pub(super) fn sorted_within(start: &str, text: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = anywhere(rest, start) {
        let from = at + start.len();
        let closing = places(&rest[from..], ")").next().map_or(rest.len(), |at| from + at);
        done += &rest[..from];
        done += &sorted(&rest[from..closing]);
        rest = &rest[closing..];
    }
    done + rest
}

/// A join stands in parentheses of its own.
fn anywhere(text: &str, start: &str) -> Option<usize> {
    scan(text).find(|(at, _, quoted)| !quoted && text[*at..].starts_with(start)).map(|(at, ..)| at)
}

fn sorted(list: &str) -> String {
    let mut items = Vec::new();
    let mut from = 0;
    for at in places(list, ", ") {
        items.push(&list[from..at]);
        from = at + 2;
    }
    items.push(&list[from..]);
    items.sort_unstable();
    items.join(", ")
}

/// Where `word` stands outside of quotes and parentheses.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    scan(text)
        .filter(move |(at, depth, quoted)| *depth == 0 && !quoted && text[*at..].starts_with(word))
        .map(|(at, ..)| at)
}

/// Each character's place, how deep in parentheses it stands, and whether in quotes. A closing parenthesis stands outside.
fn scan(text: &str) -> impl Iterator<Item = (usize, usize, bool)> + '_ {
    let (mut depth, mut quote) = (0_usize, None);
    text.char_indices().map(move |(at, c)| {
        let quoted = quote.is_some();
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (_, Some(open)) if open == c => quote = None,
            (')', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        let here = depth;
        if c == '(' && !quoted {
            depth += 1;
        }
        (at, here, quoted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_statistics_are_a_set() {
        for (text, expected) in [
            ("CREATE STATISTICS s ON b, a FROM t", "CREATE STATISTICS s ON a, b FROM t"),
            (
                "CREATE STATISTICS s (ndistinct) ON b, (a + f(c, b)), a FROM t",
                "CREATE STATISTICS s (ndistinct) ON (a + f(c, b)), a, b FROM t",
            ),
            (
                "CREATE STATISTICS \"x ON y, w\" ON \"q, \"\" FROM r\", a FROM \"b FROM, a\"",
                "CREATE STATISTICS \"x ON y, w\" ON \"q, \"\" FROM r\", a FROM \"b FROM, a\"",
            ),
            ("no list", "no list"),
        ] {
            assert_eq!(sorted_behind(" ON ", Some(" FROM "), text), expected);
        }
    }

    #[test]
    fn the_columns_of_a_join_are_a_set() {
        for (text, expected) in [
            ("JOIN l USING (id, b, a)", "JOIN l USING (a, b, id)"),
            (
                "FROM ((t JOIN l USING (b, a)) JOIN m USING (\"d, )\", c) AS x) WHERE f(b, a)",
                "FROM ((t JOIN l USING (a, b)) JOIN m USING (\"d, )\", c) AS x) WHERE f(b, a)",
            ),
            (
                "FROM (t JOIN l USING (b, a)), u JOIN v USING (d, c)",
                "FROM (t JOIN l USING (a, b)), u JOIN v USING (c, d)",
            ),
            ("x = ' USING (b, a)'::text", "x = ' USING (b, a)'::text"),
            ("JOIN l USING (b, a", "JOIN l USING (a, b"),
        ] {
            assert_eq!(sorted_within(" USING (", text), expected);
        }
    }
}
