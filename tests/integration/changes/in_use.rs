//! What PostgreSQL changes under nothing that uses it: collations, text search. Refused in words that say which migration
//! brings it there, and that migration does.

use crate::evolutions::schema::differences;
use crate::support::{BundleBuilder, Platform, bundle, register};

struct Case {
    what: &'static str,
    /// Before it is used, in `types/`; `tables/t.sql` uses it.
    before: &'static str,
    after: &'static str,
    uses: &'static str,
    migration: &'static str,
    words: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        what: "a collation of a column",
        before: "CREATE COLLATION k (LOCALE = 'C');",
        after: "\nCREATE COLLATION k (LOCALE = 'POSIX');",
        uses: "CREATE TABLE t (a text COLLATE k); CREATE INDEX t_a ON t (a);",
        migration: "CREATE COLLATION k2 (LOCALE = 'POSIX'); ALTER TABLE t ALTER a TYPE text COLLATE k2; DROP COLLATION k;
                    ALTER COLLATION k2 RENAME TO k;",
        words: &["the collation was changed", "column a of table t", "rename the new one"],
    },
    Case {
        what: "a dictionary of a configuration",
        before: "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION c (COPY = simple);
                 ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH d;",
        after: "\nCREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple, STOPWORDS = english);
                CREATE TEXT SEARCH CONFIGURATION c (COPY = simple);
                ALTER TEXT SEARCH CONFIGURATION c ALTER MAPPING FOR word WITH d;",
        uses: "CREATE TABLE t (a text);",
        migration: "ALTER TEXT SEARCH DICTIONARY d (STOPWORDS = english)",
        words: &["the text search dictionary was changed", "text search configuration c", "ALTER TEXT SEARCH DICTIONARY"],
    },
    Case {
        what: "a configuration of an index and a generated column",
        before: "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple);",
        after: "\nCREATE TEXT SEARCH CONFIGURATION c (COPY = english);",
        uses: "CREATE TABLE t (a text, v tsvector GENERATED ALWAYS AS (to_tsvector('c', a)) STORED);
               CREATE INDEX t_a ON t USING gin (to_tsvector('c', a));",
        migration: "ALTER TEXT SEARCH CONFIGURATION c
                    ALTER MAPPING FOR asciiword, asciihword, hword_asciipart, word, hword, hword_part WITH english_stem;",
        words: &["the text search configuration was changed", "t_a", "ALTER TEXT SEARCH CONFIGURATION"],
    },
];

impl Case {
    fn files(&self, types: &str) -> BundleBuilder {
        bundle().file("types/k.sql", types).file("tables/t.sql", self.uses)
    }

    async fn check(&self) {
        let platform = Platform::new();
        platform.register(&self.files(self.before)).await.ready();
        platform.sql().await.run("INSERT INTO t (a) VALUES ('the Cats')").await;
        let refused = platform.register_forced(&self.files(self.after)).await;
        assert_eq!(refused.status, 409, "{}: {refused}", self.what);
        assert_eq!(refused.text("file"), "types/k.sql", "{}: {refused}", self.what);
        for word in self.words.iter().chain(&["write a migration"]) {
            assert!(refused.to_string().contains(word), "{}: no {word:?} in {refused}", self.what);
        }
        assert!(!refused.to_string().contains("CASCADE"), "{}: {refused}", self.what);
        let migrated = self.files(self.after).file("migrations/1.sql", self.migration);
        platform.register(&migrated).await.ready();
        assert_eq!(platform.sql().await.rows("SELECT a FROM t").await, [["the Cats"]], "{}", self.what);
        platform.register(&migrated).await.ready();
        register(platform.name(), Some("new"), &migrated).await.ready();
        let differs = differences(&platform.main(), &platform.database("new"), true).await;
        assert!(differs.is_empty(), "{}: {differs:?}", self.what);
    }
}

#[tokio::test]
async fn what_is_in_use_is_changed_by_a_migration_that_the_refusal_names() {
    for case in CASES {
        case.check().await;
    }
}

#[tokio::test]
async fn what_a_configuration_is_altered_to_is_brought_about_under_its_index() {
    const USES: &str = "CREATE TABLE t (a text); CREATE INDEX t_a ON t USING gin (to_tsvector('c', a));";
    let one = "CREATE TEXT SEARCH CONFIGURATION c (PARSER = \"default\");
               ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR word WITH simple;";
    let two = format!("{one} ALTER TEXT SEARCH CONFIGURATION c ADD MAPPING FOR asciiword WITH simple;");
    let files = |types: &str| bundle().file("types/k.sql", types).file("tables/t.sql", USES);
    let platform = Platform::new();
    platform.register(&files(one)).await.ready();
    platform.register(&files(&two)).await.ready();
    register(platform.name(), Some("new"), &files(&two)).await.ready();
    let differs = differences(&platform.main(), &platform.database("new"), true).await;
    assert!(differs.is_empty(), "{differs:?}");
    let refused = platform.register(&files(one)).await;
    assert_eq!(refused.status, 409, "{refused}");
    assert!(refused.text("hint").contains("write a migration"), "{refused}");
}

#[tokio::test]
async fn what_is_in_use_may_be_written_in_other_words() {
    let files =
        |types: &str| bundle().file("types/k.sql", types).file("tables/t.sql", "CREATE TABLE t (a text COLLATE k);");
    let platform = Platform::new();
    platform.register(&files("CREATE COLLATION k (LOCALE = 'C');")).await.ready();
    platform.register(&files("CREATE COLLATION k (LC_COLLATE = 'C', LC_CTYPE = 'C');")).await.ready();
}

/// Only a superuser makes these.
#[tokio::test]
async fn parsers_and_templates_are_exchanged_unless_something_uses_them() {
    const PARSER: &str = "CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
                                                        LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);";
    const TEMPLATE: &str = "CREATE TEXT SEARCH TEMPLATE m (LEXIZE = dsimple_lexize, INIT = dsimple_init);";
    let files = |types: String| bundle().file("types/p.sql", types);
    let platform = Platform::new();
    platform.register(&files(format!("{PARSER}{TEMPLATE} COMMENT ON TEXT SEARCH PARSER p IS 'one';"))).await.ready();
    let parser = PARSER.replace(", HEADLINE = prsd_headline", "");
    let comment = "COMMENT ON TEXT SEARCH PARSER p IS 'two'; COMMENT ON TEXT SEARCH TEMPLATE m IS 'two';";
    let changed = files(format!("{parser}{}{comment}", TEMPLATE.replace(", INIT = dsimple_init", "")));
    platform.register(&changed).await.ready();
    register(platform.name(), Some("new"), &changed).await.ready();
    let differs = differences(&platform.main(), &platform.database("new"), true).await;
    assert!(differs.is_empty(), "{differs:?}");
    let uses = "CREATE TEXT SEARCH CONFIGURATION c (PARSER = p); CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = m);";
    platform.register(&files(format!("{parser}{TEMPLATE}{uses}"))).await.ready();
    for (text, words) in [
        (format!("{PARSER}{TEMPLATE}{uses}"), "the text search parser was changed"),
        (
            format!("{parser}{}{uses}", TEMPLATE.replace(", INIT = dsimple_init", "")),
            "the text search template was changed",
        ),
    ] {
        let refused = platform.register_forced(&files(format!("\n{text}"))).await;
        assert_eq!(refused.status, 409, "{refused}");
        assert!(refused.text("cause").contains(words), "{refused}");
        assert!(refused.text("hint").contains("write a migration"), "{refused}");
    }
    platform.register(&bundle().file("types/e.sql", "CREATE TYPE e AS ENUM ('a');")).await.ready();
    let left = "SELECT (SELECT count(*) FROM pg_ts_parser WHERE oid >= 16384) + (SELECT count(*) FROM pg_ts_template WHERE oid >= 16384)";
    assert_eq!(platform.sql().await.value(left).await, "0");
}
