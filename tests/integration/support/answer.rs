//! An answer of the gateway, held against its document, and what tests ask of it. Every assertion prints the whole answer when it fails.

use serde_json::Value;

/// Status and body of one request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The JSON body.
    pub(crate) body: Value,
}

impl Answer {
    /// Reads a response; every answer of the gateway is JSON.
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let path = response.url().path().to_owned();
        let text = response.text().await.expect("the body arrives");
        let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} not JSON ({error}): {text}"));
        super::openapi::check(&path, status, &body);
        Self { status, body }
    }

    /// 200 with the whole shape of a `/register` answer.
    #[track_caller]
    pub(crate) fn ready(&self) -> &Self {
        assert_eq!((self.status, self.text("status")), (200, "ready"), "{self}");
        for count in [
            "migrations_applied",
            "extensions_installed",
            "types_deployed",
            "tables_created",
            "functions_deployed",
            "functions_unchanged",
            "execution_time_ms",
        ] {
            assert!(self.body[count].is_u64(), "{count} in {self}");
        }
        assert!(self.body["seeders"].is_array() && self.body["warnings"].is_array(), "{self}");
        self
    }

    /// An error with this status and code, and a sentence for people.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.text("error")), (status, code), "{self}");
        assert!(self.text("message").len() > 10, "{self}");
        self
    }

    /// The place that the error names. `path` is the file's path inside the bundle.
    #[track_caller]
    pub(crate) fn at(&self, path: &str, line: u64) -> &Self {
        assert_eq!((self.text("file"), self.body["line"].as_u64()), (path, Some(line)), "{self}");
        self
    }

    /// PostgreSQL's code in the error.
    #[track_caller]
    pub(crate) fn sqlstate(&self, sqlstate: &str) -> &Self {
        assert_eq!(self.text("sqlstate"), sqlstate, "{self}");
        self
    }

    /// PostgreSQL's own words are in the error.
    #[track_caller]
    pub(crate) fn cause(&self, words: &str) -> &Self {
        assert!(self.text("cause").contains(words), "no {words:?} in the cause of {self}");
        self
    }

    /// These words stand somewhere in the answer.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        let text = match &self.body["message"] {
            Value::String(message) => format!("{message} {}", self.text_or_empty("cause")),
            other => other.to_string(),
        };
        assert!(text.contains(words), "no {words:?} in the message of {self}");
        self
    }

    /// A count of the answer.
    #[track_caller]
    pub(crate) fn count(&self, field: &str) -> u64 {
        self.body[field].as_u64().unwrap_or_else(|| panic!("{field} is no count in {self}"))
    }

    /// Several counts at once.
    #[track_caller]
    pub(crate) fn counts(&self, expected: &[(&str, u64)]) -> &Self {
        for (field, count) in expected {
            assert_eq!(self.count(field), *count, "{field} in {self}");
        }
        self
    }

    /// A text of the answer.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {self}"))
    }

    fn text_or_empty(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// `inserted` and `skipped` of a table, summed over its seeders.
    #[track_caller]
    pub(crate) fn seeded(&self, table: &str) -> (u64, u64) {
        let reports = self.body["seeders"].as_array().unwrap_or_else(|| panic!("no seeders in {self}"));
        let of_table = reports.iter().filter(|report| report["table"].as_str() == Some(table));
        of_table.fold((0, 0), |(inserted, skipped), report| {
            let count = |field: &str| report[field].as_u64().unwrap_or_else(|| panic!("{field} in {report}"));
            (inserted + count("inserted"), skipped + count("skipped"))
        })
    }

    /// File and line of every skipped statement of a migration, in order.
    #[track_caller]
    pub(crate) fn skipped_statements(&self) -> Vec<(&str, u64)> {
        let list = self.body["migrations_skipped_statements"].as_array();
        let list = list.unwrap_or_else(|| panic!("no migrations_skipped_statements in {self}"));
        let place = |entry: &'_ Value| {
            let told = |field: &str| entry[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(told("statement") && told("reason"), "{entry}");
        };
        list.iter().for_each(place);
        let of = |entry: &'_ Value| entry["line"].as_u64().unwrap_or_else(|| panic!("no line in {entry}"));
        list.iter().map(|entry| (entry["migration"].as_str().unwrap_or_default(), of(entry))).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:#}", self.status, self.body)
    }
}
