//! What takes migrations back, and by which sums an applied one is known again (contract §3).

use serde_json::json;
use stonescriptdb_gateway::bundle::sql::tokens::checksum_bytes;

use crate::support::{Answer, BundleBuilder, Platform, Sql, bundle};
use crate::v2;

const SUMS: &str = "SELECT migration_file || ' ' || checksum FROM _stonescriptdb_gateway_migrations ORDER BY 1";

fn of_tools() -> BundleBuilder {
    bundle()
        .file("migrations/001_a.up.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1);")
        .file("migrations/001_a.down.sql", "DROP TABLE a;")
        .file("migrations/002_b/up.sql", "CREATE TABLE b (id int); INSERT INTO b VALUES (1);")
        .file("migrations/002_b/down.sql", "DROP TABLE b;")
        .file("migrations/003_c.sql", "-- migrate:up\nCREATE TABLE c (id int);\n\n-- migrate:down\nDROP TABLE c;\n")
        .file("migrations/004_d.sql", "-- +goose Down\nDROP TABLE c;\n-- +goose Up\nCREATE TABLE d (id int);\n")
        .file(
            "migrations/005_e.sql",
            "-- +migrate Up\nCREATE TABLE e (id int);\n-- +migrate Down\nDROP TABLE nothing;\n",
        )
}

fn warns_of(answer: &Answer, wanted: &[&str]) {
    let warnings = answer.body["warnings"].as_array().unwrap_or_else(|| panic!("{answer}"));
    for wanted in wanted {
        assert!(
            warnings.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with(wanted))),
            "{wanted}: {answer}"
        );
    }
}

#[tokio::test]
async fn what_takes_migrations_back_is_neither_run_nor_counted() {
    let platform = Platform::new();
    let answer = platform.register(&of_tools()).await;
    answer.ready().counts(&[("migrations_applied", 5)]);
    warns_of(
        &answer,
        &[
            "migrations/001_a.down.sql: ",
            "migrations/002_b/down.sql: ",
            "migrations/003_c.sql, line 4: ",
            "migrations/004_d.sql, line 1: ",
            "migrations/005_e.sql, line 3: ",
        ],
    );
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT count(*) FROM a, b, c RIGHT JOIN d ON true LEFT JOIN e ON true").await, "0");
    let sums = sql.column(SUMS).await;
    assert_eq!(sums.len(), 5);

    // Other words in them are no other bundle.
    let other = of_tools()
        .file("migrations/001_a.down.sql", "DROP TABLE a CASCADE;")
        .file("migrations/003_c.sql", "-- migrate:up\nCREATE TABLE c (id int);\n\n-- migrate:down\nDROP TABLE c, d;\n")
        .file("migrations/006_f.down.sql", "DROP TABLE f;");
    let answer = platform.migrate(&other, &[]).await;
    assert_eq!(answer.body["databases"][0]["status"], "unchanged", "{answer}");
    assert_eq!(sql.column(SUMS).await, sums);
}

#[tokio::test]
async fn white_space_line_ends_and_comments_of_an_applied_migration_do_not_count() {
    let platform = Platform::new();
    let with = |text: &str| bundle().file("migrations/1.sql", text);
    platform.register(&with("CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\n")).await.ready();
    for same in [
        "CREATE TABLE t (id int);\r\nINSERT INTO t VALUES (1);\r\n",
        "\n\n-- The first table.\nCREATE TABLE t\n  (id int)  ;\nINSERT INTO t VALUES (1)",
        "create table T (id INT); /* and a row */ INSERT INTO t VALUES (1);",
    ] {
        platform.register(&with(same)).await.ready().counts(&[("migrations_applied", 0)]);
    }
    for other in [
        "CREATE TABLE t (id int);\nINSERT INTO t VALUES (2);\n",
        "CREATE TABLE t (id int);\n",
        "CREATE TABLE t (id int);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);",
    ] {
        let answer = platform.register(&with(other)).await;
        answer.refused(409, "migration_failed").says("its text has changed since");
        assert_eq!(answer.body["file"], json!("migrations/1.sql"), "{answer}");
    }
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM t").await, "1");
}

/// Earlier versions took the sum over the bytes.
#[tokio::test]
async fn a_sum_of_an_earlier_version_is_known_again_and_replaced() {
    let applied = "-- A table.\nCREATE TABLE t (id int);\nINSERT INTO t VALUES ('1');\n";
    for (recorded, now, is_same) in [
        (applied.to_owned(), applied.to_owned(), true),
        (applied.replace('\n', "\r\n"), applied.to_owned(), true),
        (applied.to_owned(), applied.replace('\n', "\r\n"), true),
        (applied.trim_end().to_owned(), applied.to_owned(), true),
        (applied.to_owned(), applied.trim_end().replace('\n', "\r\n"), true),
        (applied.to_owned(), applied.replace("A table", "One table"), false),
    ] {
        let platform = Platform::new();
        platform.register(&bundle().file("migrations/1.sql", applied)).await.ready();
        let sql = platform.sql().await;
        let sum = sql.column(SUMS).await;
        let plant = format!(
            "UPDATE _stonescriptdb_gateway_migrations SET checksum = '{}'",
            checksum_bytes(recorded.as_bytes())
        );
        sql.run(&plant).await;
        let next = bundle().file("migrations/1.sql", &now);
        let answer = platform
            .migrate(&next.file("functions/f.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"), &[])
            .await;
        if is_same {
            assert_eq!(
                (answer.status, &answer.body["migrations_applied"]),
                (200, &json!(0)),
                "{recorded:?} {now:?}: {answer}"
            );
            assert_eq!(sql.column(SUMS).await, sum, "{recorded:?} {now:?}");
        } else {
            answer.refused(409, "migration_failed").says("deploy it once as it was");
        }
    }
}

/// How a bundle comes to a database.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Register,
    Migrate,
    Stored,
}

impl Way {
    async fn send(self, platform: &Platform, bundle: &BundleBuilder) -> Answer {
        match self {
            Self::Register => platform.register(bundle).await,
            Self::Migrate => platform.migrate(bundle, &[]).await,
            Self::Stored => {
                let stored = v2::store(platform, "s", bundle).await;
                assert_eq!(stored.status, 201, "{stored}");
                v2::migrate(platform, "s", json!({})).await
            }
        }
    }

    /// The first deployment of all.
    async fn create(self, bundle: &BundleBuilder) -> (Platform, Sql) {
        if self != Self::Stored {
            let platform = Platform::new();
            platform.register(bundle).await.ready();
            let sql = platform.sql().await;
            return (platform, sql);
        }
        let platform = v2::with_schema("s", bundle).await;
        let created = v2::create(&platform, "s", "d").await;
        assert_eq!(created.status, 201, "{created}");
        let sql = Sql::connect(created.text("database_name")).await;
        (platform, sql)
    }
}

/// Else the advice to deploy the old text once more would help nobody.
#[tokio::test]
async fn sums_of_an_earlier_version_are_replaced_also_where_nothing_else_is_to_be_done() {
    const ONE: &str = "-- One.\nCREATE TABLE one (id int);\n";
    const TWO: &str = "-- Two.\nCREATE TABLE two (id int);\n";
    let of = |files: &[(&str, &str)]| files.iter().fold(bundle(), |bundle, (path, text)| bundle.file(path, *text));
    let edited = |text: &str| text.replace("-- ", "-- Edited: ");
    for way in [Way::Register, Way::Migrate, Way::Stored] {
        let (platform, sql) = way.create(&of(&[("migrations/1.sql", ONE), ("migrations/2.sql", TWO)])).await;
        let sums = sql.column(SUMS).await;
        // The first one's file goes.
        let same = of(&[("migrations/2.sql", TWO)]);
        assert_eq!(way.send(&platform, &same).await.status, 200, "{way:?}");
        for (file, text) in [("1.sql", ONE), ("2.sql", TWO)] {
            let sum = checksum_bytes(text.as_bytes());
            let plant = "UPDATE _stonescriptdb_gateway_migrations SET checksum =";
            sql.run(&format!("{plant} '{sum}' WHERE migration_file = '{file}'")).await;
        }
        let earlier = sql.column(SUMS).await;
        let deployed = "SELECT deployed_at::text FROM _stonescriptdb_gateway_state";
        let deployed_before = sql.value(deployed).await;
        if way == Way::Migrate {
            let planned = platform.migrate(&same, &[("dry_run", "true")]).await;
            assert_eq!(planned.status, 200, "{planned}");
            assert_eq!(sql.column(SUMS).await, earlier);
        }
        for _ in 0..2 {
            let answer = way.send(&platform, &same).await;
            assert_eq!((answer.status, &answer.body["migrations_applied"]), (200, &json!(0)), "{way:?}: {answer}");
            if way != Way::Register {
                assert_eq!(answer.body["databases"][0]["status"], "unchanged", "{way:?}: {answer}");
            }
            assert_eq!(sql.column(SUMS).await, [earlier[0].clone(), sums[1].clone()], "{way:?}");
            assert_eq!(sql.value(deployed).await, deployed_before, "{way:?}: no deployment");
        }
        let two = edited(TWO);
        let answer = way.send(&platform, &of(&[("migrations/2.sql", &two)])).await;
        assert_eq!(answer.status, 200, "{way:?}: {answer}");
        // Its file comes back: edited, as it was, edited.
        let one = edited(ONE);
        for (text, allowed) in [(one.as_str(), false), (ONE, true), (one.as_str(), true)] {
            let answer = way.send(&platform, &of(&[("migrations/1.sql", text), ("migrations/2.sql", &two)])).await;
            match allowed {
                true => assert_eq!(answer.status, 200, "{way:?}: {answer}"),
                false => {
                    answer.refused(409, "migration_failed").says("deploy it once as it was");
                }
            }
        }
        assert_eq!(sql.column(SUMS).await, sums, "{way:?}");
    }
}
