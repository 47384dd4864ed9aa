//! Releases that PostgreSQL allows, by whatever way, and that lose nothing: they are carried out, the rows stay, and the
//! database is as a new one of the same bundle is. One table of cases for each kind.

mod belongings;
mod bodies;
mod both_ways;
mod column_order;
mod exchanged;
mod moved;
mod not_null;
mod numbers;
mod renamed_rows;
mod since_18;
mod table_as;
mod under_old_names;
mod widened;

use crate::support::catalog::{assert_same, in_words};
use crate::support::{BundleBuilder, Platform, Sql, bundle, register};

/// A release onto a database that holds rows.
struct Release<'a> {
    /// What it is about.
    name: &'static str,
    /// Path and text of each file.
    before: &'a [(&'a str, &'a str)],
    /// Run in the database between the two.
    rows: &'static str,
    /// Its files.
    after: &'a [(&'a str, &'a str)],
    /// Whether it is to be refused without `force=true`, and to be carried out with it.
    force: bool,
    /// Questions and their answers, afterwards.
    expect: &'static [(&'static str, &'static str)],
}

impl Release<'_> {
    async fn check(&self) {
        let platform = Platform::new();
        let (before, after) = (files(self.before), files(self.after));
        platform.register(&before).await.ready();
        let sql = platform.sql().await;
        sql.run(self.rows).await;
        if self.force {
            let refused = platform.register(&after).await;
            assert_eq!(refused.status, 409, "{}: {refused}", self.name);
        }
        let answer = if self.force { platform.register_forced(&after).await } else { platform.register(&after).await };
        assert_eq!(answer.status, 200, "{}: {answer}", self.name);
        self.check_answers(&sql).await;
        let again = platform.register(&after).await;
        assert_eq!((again.status, again.count("migrations_applied")), (200, 0), "{}: {again}", self.name);
        self.check_is_as_new(&platform, &after).await;
    }

    async fn check_answers(&self, sql: &Sql) {
        for (question, answer) in self.expect {
            assert_eq!(sql.value(question).await, *answer, "{}: {question}", self.name);
        }
    }

    async fn check_is_as_new(&self, platform: &Platform, after: &BundleBuilder) {
        let new = register(platform.name(), Some("new"), after).await;
        assert_eq!(new.status, 200, "{}, a new database: {new}", self.name);
        let sorted = |lines: Vec<String>| {
            let mut lines: Vec<_> = lines.iter().map(|line| without_place(line)).collect();
            lines.sort();
            lines
        };
        let (upgraded, new) = (in_words(&platform.main()).await, in_words(&platform.database("new")).await);
        assert_same(self.name, &sorted(upgraded), &sorted(new));
    }
}

fn files(of: &[(&str, &str)]) -> BundleBuilder {
    of.iter().fold(bundle(), |bundle, (path, text)| bundle.file(path, *text))
}

/// A column's line without its number: columns that came later stand behind the others, also where PostgreSQL prints all of
/// a statistics object's, or those that a join is by.
fn without_place(line: &str) -> String {
    if line.starts_with("statistics ") || line.contains(" USING (") {
        let mut words: Vec<_> = line.split([' ', ',', '(', ')', '\n']).collect();
        words.sort_unstable();
        return words.join(" ");
    }
    let Some((place, rest)) = line.strip_prefix("column ").and_then(|line| line.split_once(": ")) else {
        return line.to_owned();
    };
    let table = place.rsplit_once(' ').map_or(place, |(table, _)| table);
    format!("column {table}: {rest}")
}
