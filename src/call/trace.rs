//! The trace that a call belongs to, as its client tells it: the header `traceparent` of W3C's Trace Context. No I/O.

/// The id of a trace: 32 hexadecimal digits in small letters, not all of them 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// Of a `traceparent`; none where it is malformed, which the standard has everybody pass over.
    pub fn of_header(header: &str) -> Option<Self> {
        let header = header.trim();
        let mut parts = header.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let is_something = |text: &str| text.bytes().any(|byte| byte != b'0');
        // Later versions may have more behind.
        let ends = version != "00" || parts.next().is_none();
        let is_sound =
            is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        (is_sound && ends && is_something(trace) && is_something(parent)).then(|| Self(trace.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_a_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = |header: &str| TraceId::of_header(header).map(|trace| trace.0) == Some(id.to_owned());
        assert!(good(&format!("00-{id}-00f067aa0ba902b7-01")) && good(&format!(" 01-{id}-00f067aa0ba902b7-00-more ")));
        for bad in [
            "",
            "00",
            &format!("00-{id}-00f067aa0ba902b7-01-more"),
            &format!("ff-{id}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{id}-{}-01", "0".repeat(16)),
            &format!("00-{}-00f067aa0ba902b7-01", &id[1..]),
            &format!("00-{id}-00f067aa0ba902b7-1"),
            "00-'; DROP TABLE x; --aaaaaaaaaaaaa-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceId::of_header(bad), None, "{bad}");
        }
    }
}
