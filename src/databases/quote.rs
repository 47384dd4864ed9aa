//! Names and strings inside SQL text: the only place that quotes them. No I/O.

/// An identifier, always in double quotes, so that keywords, capitals and spaces are what they are.
pub fn quote_ident(name: &str) -> String {
    quote(name, '"')
}

/// A string constant; reads the same whatever `standard_conforming_strings` is.
pub fn quote_literal(text: &str) -> String {
    let quoted = quote(text, '\'');
    if text.contains('\\') { format!(" E{}", quoted.replace('\\', "\\\\")) } else { quoted }
}

fn quote(text: &str, mark: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for character in text.chars() {
        if character == mark {
            quoted.push(mark);
        }
        quoted.push(character);
    }
    quoted.push(mark);
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_what_is_in_them() {
        assert_eq!(quote_ident("users"), "\"users\"");
        assert_eq!(quote_ident("Order Item"), "\"Order Item\"");
        assert_eq!(quote_ident("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
    }

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'b"), " E'a\\\\''b'");
    }
}
