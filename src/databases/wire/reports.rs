//! What the server reports of its settings (PostgreSQL manual, "Asynchronous Operations"). No I/O.

use crate::databases::quote_literal;

/// The settings that change what bytes and texts mean between server and gateway.
#[derive(Debug)]
pub(super) struct Reports {
    utf8: bool,
    plain_strings: bool,
    /// Something else than UTF-8 was reported since somebody has asked.
    was_strange: bool,
    /// The styles in which a text has dates and intervals: each setting's name, and its value where one was reported.
    styles: [(&'static str, Option<String>); 2],
}

impl Reports {
    /// Of a session that has just begun: the gateway has asked for UTF-8, and let it in only so.
    pub(super) fn new() -> Self {
        Self {
            utf8: true,
            plain_strings: true,
            was_strange: false,
            styles: [("DateStyle", None), ("IntervalStyle", None)],
        }
    }

    /// Reads the body of a ParameterStatus: name and value, each ended by NUL. False: it is not that.
    pub(super) fn read(&mut self, body: &[u8]) -> bool {
        let mut parts = body.split(|byte| *byte == 0);
        let (Some(name), Some(value), Some(b""), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        match name {
            b"client_encoding" => {
                self.utf8 = value == b"UTF8";
                self.was_strange |= !self.utf8;
            }
            b"standard_conforming_strings" => self.plain_strings = value == b"on",
            _ => {
                if let Some((_, style)) = self.styles.iter_mut().find(|(style, _)| style.as_bytes() == name) {
                    *style = String::from_utf8(value.to_vec()).ok();
                }
            }
        }
        true
    }

    /// Whether texts can be sent to the session and taken from it.
    pub(super) fn are_usual(&self) -> bool {
        self.utf8 && self.plain_strings
    }

    /// Whether another encoding was reported since [`Reports::forget`].
    pub(super) fn was_strange(&self) -> bool {
        self.was_strange
    }

    /// What gives another session the styles of dates and intervals that this one has, one statement each.
    pub(super) fn statements_for_styles(&self) -> Vec<String> {
        let told = self.styles.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        told.map(|(name, value)| format!("SET {name} = {}", quote_literal(value))).collect()
    }

    pub(super) fn forget(&mut self) {
        self.was_strange = false;
    }
}

#[cfg(test)]
mod tests {
    use super::Reports;

    #[test]
    fn another_encoding_is_remembered_until_it_is_forgotten() {
        let mut reports = Reports::new();
        assert!(reports.read(b"TimeZone\0Asia/Tokyo\0") && reports.are_usual());
        assert!(reports.read(b"client_encoding\0LATIN1\0") && !reports.are_usual());
        assert!(reports.read(b"client_encoding\0UTF8\0") && reports.are_usual() && reports.was_strange());
        reports.forget();
        assert!(!reports.was_strange());
        assert!(reports.read(b"standard_conforming_strings\0off\0") && !reports.are_usual());
    }

    #[test]
    fn styles_are_told_as_they_were_reported_last() {
        let mut reports = Reports::new();
        assert!(reports.statements_for_styles().is_empty());
        for report in [&b"DateStyle\0German, DMY\0"[..], b"IntervalStyle\0iso_8601\0", b"DateStyle\0SQL, MDY\0"] {
            assert!(reports.read(report));
        }
        assert_eq!(reports.statements_for_styles(), ["SET DateStyle = 'SQL, MDY'", "SET IntervalStyle = 'iso_8601'"]);
    }

    #[test]
    fn what_is_cut_off_is_no_report() {
        for body in [&b""[..], b"a", b"a\0", b"a\0b", b"a\0b\0c", b"a\0b\0c\0"] {
            assert!(!Reports::new().read(body), "{body:?}");
        }
    }
}
