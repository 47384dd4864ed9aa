//! Modules that drop and make their types, used by each other; comments of overloads; statistics. Each step of a platform is
//! compared with a new database of the same bundle.

use crate::support::catalog::{assert_same, in_words};
use crate::support::{BundleBuilder, Platform, bundle};

/// Brings one platform through all steps.
async fn check(steps: &[BundleBuilder]) -> Platform {
    let platform = Platform::new();
    for (at, step) in steps.iter().enumerate() {
        let fresh = Platform::new();
        fresh.register(step).await.ready();
        match at {
            0 => drop(platform.register(step).await.ready()),
            _ => {
                let answer = platform.migrate(step, &[]).await;
                assert_eq!(answer.status, 200, "step {at}: {answer}");
            }
        }
        let (found, wanted) = (in_words(&platform.main()).await, in_words(&fresh.main()).await);
        assert_same(&format!("step {at}: brought there, new"), &found, &wanted);
    }
    platform
}

fn modules(more: &str, body: &str) -> BundleBuilder {
    let lines = format!(
        "DROP TYPE IF EXISTS report_line CASCADE;\nCREATE TYPE report_line AS (a int, o other_line{more});\n\
         CREATE OR REPLACE FUNCTION report() RETURNS SETOF report_line LANGUAGE sql AS $$ SELECT (r).* FROM (SELECT NULL::report_line AS r) x $$;"
    );
    let others = format!(
        "DROP FUNCTION IF EXISTS total(report_line);\nDROP TYPE IF EXISTS other_line CASCADE;\nCREATE TYPE other_line AS (b int);\n\
         CREATE OR REPLACE FUNCTION total(r report_line) RETURNS other_line LANGUAGE sql AS $$ SELECT {body} $$;\n\
         CREATE OR REPLACE FUNCTION totals() RETURNS bigint LANGUAGE sql AS $$ SELECT count(total(r)) FROM report() r $$;"
    );
    bundle()
        .file("functions/a/lines.sql", lines)
        .file("functions/b/others.sql", others)
        .file("tables/kept.sql", "CREATE TABLE kept (id int, line report_line, others other_line[]);")
}

#[tokio::test]
async fn types_that_modules_drop_and_make_are_used_across_them() {
    let first = modules("", "r.o");
    let platform = check(std::slice::from_ref(&first)).await;
    platform.sql().await.run("INSERT INTO kept VALUES (1, ROW(1, ROW(2)), ARRAY[ROW(3)::other_line])").await;
    let kept = "SELECT line::text || others::text FROM kept";
    let before = platform.sql().await.value(kept).await;
    for step in [
        modules("", "ROW((r.o).b + 1)::other_line"),
        modules("", "r.o").file("functions/c.sql", "DROP TYPE IF EXISTS third; CREATE TYPE third AS (r report_line); CREATE FUNCTION c(third) RETURNS int LANGUAGE sql AS 'SELECT 1';"),
    ] {
        let answer = platform.migrate(&step, &[]).await;
        assert_eq!(answer.status, 200, "{answer}");
        let fresh = Platform::new();
        fresh.register(&step).await.ready();
        assert_same("brought there, new", &in_words(&platform.main()).await, &in_words(&fresh.main()).await);
    }
    assert_eq!(platform.sql().await.value(kept).await, before);
    // One attribute more is made, one less would lose values.
    let changed = modules(", n int", "r.o");
    let answer = platform.migrate(&changed, &[]).await;
    assert_eq!(answer.status, 200, "{answer}");
    let fresh = Platform::new();
    fresh.register(&changed).await.ready();
    let (found, wanted) = (in_words(&platform.main()).await, in_words(&fresh.main()).await);
    assert_same("an attribute more", &found, &wanted);
    assert_eq!(platform.sql().await.value("SELECT totals()").await, "0", "the line is NULL");
    platform.migrate(&modules("", "r.o"), &[]).await.refused(409, "migration_failed");
}

#[tokio::test]
async fn comments_of_overloads_and_statistics_are_as_declared_after_each_step() {
    let function = |name: &str, of_int: &str, of_text: &str| {
        format!(
            "CREATE FUNCTION {name}(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'; {of_int}
             CREATE FUNCTION {name}(a text) RETURNS int LANGUAGE sql AS 'SELECT 2'; {of_text}"
        )
    };
    let comment = |name: &str, kind: &str, text: &str| format!("COMMENT ON FUNCTION {name}({kind}) IS {text};");
    let table = |rest: &str| format!("CREATE TABLE t (a int, b int, c int); {rest}");
    let step = |functions: String, statistics: &str| {
        bundle().file("functions/f.sql", functions).file("tables/t.sql", table(statistics))
    };
    let made = "CREATE STATISTICS st ON a, b FROM t;";
    let platform = check(&[
        step(function("f", &comment("f", "int", "'one'"), &comment("f", "text", "'two'")), ""),
        step(function("f", &comment("f", "int", "'two'"), &comment("f", "text", "'one'")), made),
        step(
            function("f", "", &comment("f", "text", "'it''s'")),
            &format!("{made} COMMENT ON STATISTICS st IS 'x'; ALTER STATISTICS st SET STATISTICS 50;"),
        ),
        step(
            function("f", &comment("f", "int", "NULL"), ""),
            &format!("{made} ALTER STATISTICS st SET STATISTICS 70;"),
        ),
        step(
            function("f", &comment("f", "int", "'again'"), ""),
            "CREATE STATISTICS st (ndistinct) ON a, c FROM t; COMMENT ON STATISTICS st IS 'y';",
        ),
        step(function("f", "", ""), ""),
    ])
    .await;
    let left =
        "SELECT count(*) FROM pg_statistic_ext UNION ALL SELECT count(*) FROM pg_description WHERE objoid >= 16384";
    assert_eq!(platform.sql().await.column(left).await, ["0", "0"]);
}
