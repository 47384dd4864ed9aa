//! What cannot be made again is named, and nothing is changed.

use crate::support::catalog::identity;
use crate::support::{BundleBuilder, Platform, Sql, bundle};

/// Deploys `before`, runs `by_hand`, and has `after` refused with these words; nothing is changed by that.
async fn check_refused(
    before: &BundleBuilder,
    by_hand: &str,
    after: &BundleBuilder,
    words: &[&str],
) -> (Platform, Sql) {
    let platform = Platform::new();
    platform.register(before).await.ready();
    let sql = platform.sql().await;
    sql.run(by_hand).await;
    let found = identity(&platform.main()).await;
    let answer = platform.register_forced(after).await;
    assert_eq!(answer.status, 409, "{answer}");
    for word in words {
        assert!(answer.to_string().contains(word), "no {word:?} in {answer}");
    }
    assert!(answer.text("hint").len() > 10, "{answer}");
    assert_eq!(identity(&platform.main()).await, found, "changed by {answer}");
    (platform, sql)
}

fn with_function(text: &str) -> BundleBuilder {
    let table = "CREATE TABLE a (n int);";
    let files = bundle().file("tables/a.sql", table);
    if text.is_empty() { files } else { files.file("functions/f.sql", text) }
}

const F: &str = "CREATE FUNCTION f(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n'";

#[tokio::test]
async fn an_orphan_with_a_view_made_by_hand_is_refused_and_names_the_view() {
    let hand = "CREATE VIEW by_hand AS SELECT f(n) AS w FROM a";
    let (platform, sql) =
        check_refused(&with_function(F), hand, &with_function(""), &["view public.by_hand", "f(integer)"]).await;
    sql.run("DROP VIEW by_hand").await;
    platform.register(&with_function("")).await.ready();
}

#[tokio::test]
async fn orphans_that_depend_on_each_other_go_together() {
    let both = format!("{F}; CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT f(1); END");
    let platform = Platform::new();
    platform.register(&with_function(&both)).await.ready();
    platform.register(&with_function("")).await.ready();
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM pg_proc WHERE proname IN ('f', 'g')").await, "0");
}

#[tokio::test]
async fn a_view_that_cannot_be_made_again_is_named() {
    let after = with_function("CREATE FUNCTION f(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$");
    let hand = "CREATE VIEW by_hand AS SELECT f(n) + 1 AS w FROM a";
    check_refused(&with_function(F), hand, &after, &["view public.by_hand", "operator does not exist"]).await;
}

#[tokio::test]
async fn a_generated_column_that_its_new_function_cannot_fill_stays() {
    const GENERATED: &str = "CREATE TABLE a (n int, g int GENERATED ALWAYS AS (f(n)) STORED);";
    let files = |function: &str, table: &str| bundle().file("functions/f.sql", function).file("tables/a.sql", table);
    let other = "CREATE FUNCTION f(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$";
    // It has no value for the row that is there.
    let over = "CREATE FUNCTION f(n int, m int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n / (n - m)'";
    let words = ["column g of table", "f.sql"];
    let (platform, sql) =
        check_refused(&files(F, GENERATED), "INSERT INTO a VALUES (1)", &files(over, GENERATED), &words).await;
    assert_eq!(sql.rows("SELECT * FROM a").await, [["1", "1"]]);
    // No longer generated, it keeps what it held, whatever becomes of the function.
    platform.register(&files(other, "CREATE TABLE a (n int, g int);")).await.ready();
    assert_eq!(sql.rows("SELECT * FROM a").await, [["1", "1"]]);
}

#[tokio::test]
async fn a_generated_column_never_comes_back_plain_and_empty() {
    let files = |table: &str| bundle().file("tables/a.sql", format!("CREATE TABLE a ({table});"));
    let before = files("n int, g int GENERATED ALWAYS AS (n + 1) STORED");
    // The migration has it stand aside, and what it reads is no number any more.
    let after =
        files("n text, g int").file("migrations/1.sql", "SELECT 1; ALTER TABLE a ALTER n TYPE text USING n::text");
    let (platform, sql) =
        check_refused(&before, "INSERT INTO a VALUES (1)", &after, &["column g of table", "migrations/1.sql"]).await;
    let plain = after.file("migrations/0.sql", "ALTER TABLE a ALTER g DROP EXPRESSION");
    platform.register_forced(&plain).await.ready();
    assert_eq!(sql.rows("SELECT n, g FROM a").await, [["1", "2"]]);
}

#[tokio::test]
async fn a_column_that_a_view_made_by_hand_reads_is_not_dropped() {
    let before = bundle().file("tables/a.sql", "CREATE TABLE a (n int, old text);");
    let after = bundle().file("tables/a.sql", "CREATE TABLE a (n int);");
    let hand = "CREATE VIEW by_hand AS SELECT old FROM a; CREATE VIEW over_it AS SELECT old FROM by_hand";
    check_refused(&before, hand, &after, &["view public.by_hand", "view public.over_it"]).await;
}

#[tokio::test]
async fn a_foreign_key_is_never_taken_off() {
    let before = bundle()
        .file("tables/a.sql", "CREATE TABLE a (n int PRIMARY KEY);")
        .file("tables/b.sql", "CREATE TABLE b (x int);");
    let after = bundle().file("tables/b.sql", "CREATE TABLE b (x int);");
    let hand = "ALTER TABLE b ADD CONSTRAINT to_a FOREIGN KEY (x) REFERENCES a";
    check_refused(&before, hand, &after, &["to_a"]).await;
}

#[tokio::test]
async fn a_table_with_a_column_of_the_dropped_type_keeps_it() {
    let before =
        bundle().file("types/t.sql", "CREATE TYPE t AS (a int);").file("tables/a.sql", "CREATE TABLE a (n int);");
    let after = before.clone().file("migrations/1.sql", "DROP TYPE t; CREATE TYPE t AS (a int);");
    check_refused(
        &before,
        "CREATE TABLE IF NOT EXISTS a (); ALTER TABLE a ADD COLUMN x t",
        &after,
        &["column x of table"],
    )
    .await;
}
