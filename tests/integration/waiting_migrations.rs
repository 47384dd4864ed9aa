//! Histories in which an earlier migration touches a table whose declaration now waits for a later one: in an
//! existing database these need each other, in a new one they do not.

use crate::support::catalog::{assert_same, in_words};
use crate::support::{BundleBuilder, Platform, bundle};

struct Release {
    name: &'static str,
    first: &'static [(&'static str, &'static str)],
    /// Beside the migrations of the first.
    second: &'static [(&'static str, &'static str)],
}

const PLAIN: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (id int, x int);");
const MOODY: (&str, &str) = ("tables/t.sql", "CREATE TABLE t (id int, x int, k mood NOT NULL DEFAULT 'a');");

const RELEASES: &[Release] = &[
    Release {
        name: "an enum for a new column",
        first: &[PLAIN, ("migrations/1.sql", "UPDATE t SET x = 1; CREATE INDEX tx ON t (x);")],
        second: &[
            MOODY,
            ("types/mood.sql", "CREATE TYPE mood AS ENUM ('a', 'b');"),
            (
                "migrations/2.sql",
                "CREATE TYPE mood AS ENUM ('a', 'b'); ALTER TABLE t ADD COLUMN k mood NOT NULL DEFAULT 'a';",
            ),
        ],
    },
    Release {
        name: "a domain for a new column",
        first: &[PLAIN, ("migrations/1.sql", "UPDATE t SET x = 1;")],
        second: &[
            MOODY,
            ("types/mood.sql", "CREATE DOMAIN mood AS text;"),
            ("migrations/2.sql", "CREATE DOMAIN mood AS text; ALTER TABLE t ADD COLUMN k mood NOT NULL DEFAULT 'a';"),
        ],
    },
    Release {
        name: "an enum swapped for one with fewer values",
        first: &[MOODY, ("types/mood.sql", "CREATE TYPE mood AS ENUM ('a', 'b', 'c');")],
        second: &[
            MOODY,
            ("types/mood.sql", "CREATE TYPE mood AS ENUM ('a', 'b');"),
            (
                "migrations/2.sql",
                "CREATE TYPE mood_new AS ENUM ('a', 'b'); ALTER TABLE t ALTER COLUMN k DROP DEFAULT;
                 ALTER TABLE t ALTER COLUMN k TYPE mood_new USING k::text::mood_new;
                 ALTER TYPE mood RENAME TO mood_old; ALTER TYPE mood_new RENAME TO mood; DROP TYPE mood_old;
                 ALTER TABLE t ALTER COLUMN k SET DEFAULT 'a';",
            ),
        ],
    },
];

impl Release {
    fn before(&self) -> BundleBuilder {
        self.first.iter().fold(bundle(), |bundle, (path, text)| bundle.file(path, *text))
    }

    fn after(&self) -> BundleBuilder {
        let kept = self.first.iter().filter(|(path, _)| path.starts_with("migrations/"));
        kept.chain(self.second).fold(bundle(), |bundle, (path, text)| bundle.file(path, *text))
    }

    async fn check(&self) {
        let old = Platform::new();
        old.register(&self.before()).await.ready();
        old.sql().await.run("INSERT INTO t (id, x) VALUES (1, 2), (3, 4)").await;
        // A value of an enum goes by force only, also by a migration.
        let answer = old.register_forced(&self.after()).await;
        assert_eq!(answer.status, 200, "{}: {answer}", self.name);
        let kept = old.sql().await.column("SELECT id || ' ' || x || ' ' || k FROM t ORDER BY id").await;
        assert_eq!(kept, ["1 2 a", "3 4 a"], "{}", self.name);
        let new = Platform::new();
        new.register(&self.after()).await.ready();
        assert_same(self.name, &in_words(&new.main()).await, &in_words(&old.main()).await);
        let more = self.after().file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';");
        for platform in [&old, &new] {
            let answer = platform.register(&more).await;
            assert_eq!(answer.status, 200, "{}, one function more: {answer}", self.name);
        }
    }
}

#[tokio::test]
async fn an_earlier_migration_about_a_table_that_waits_for_a_later_one() {
    for release in RELEASES {
        release.check().await;
    }
}

/// The release in between brought table `r`, and the next one changed it by migrations.
#[tokio::test]
async fn a_database_that_skips_a_release_gets_what_the_next_one_changes_as_declared() {
    let first = bundle().file("tables/a.sql", "CREATE TABLE a (id int);");
    let last = first
        .clone()
        .file("tables/r.sql", "CREATE TABLE r (id int PRIMARY KEY, n text UNIQUE, lvl bigint NOT NULL DEFAULT 0);")
        .file(
            "migrations/1.sql",
            "ALTER TABLE r ADD COLUMN lvl int NOT NULL DEFAULT 0, ADD UNIQUE (n);
             ALTER TABLE r RENAME COLUMN name TO n; ALTER TABLE r ALTER COLUMN lvl TYPE bigint, DROP COLUMN gone;
             CREATE INDEX r_lvl ON r (lvl); UPDATE r SET lvl = 1;",
        );
    let old = Platform::new();
    old.register(&first).await.ready();
    old.sql().await.run("INSERT INTO a VALUES (1)").await;
    let answer = old.register(&last).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.counts(&[("tables_created", 1), ("migrations_applied", 1)]);
    let skipped = answer.body["migrations_skipped_statements"].as_array().cloned().unwrap_or_default();
    assert_eq!(skipped.iter().filter(|one| one["migration"] == "1.sql").count(), 3, "{answer}");
    let new = Platform::new();
    new.register(&last).await.ready();
    assert_same("a release that was skipped", &in_words(&new.main()).await, &in_words(&old.main()).await);
    assert_eq!(old.sql().await.column("SELECT id FROM a").await, ["1"]);
}
