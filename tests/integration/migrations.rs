//! `migrations/`: order, tracking, transactions.

use std::fmt::Write;

use crate::support::{
    BundleBuilder, Platform, bundle, calls_what_is_planted, check_deploys_and_is_stable, check_deploys_as_psql_would,
};

const RECORDED: &str =
    "SELECT migration_file FROM _stonescriptdb_gateway_migrations ORDER BY migration_file COLLATE \"C\"";

#[tokio::test]
async fn migrations_run_in_the_order_of_their_names() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("migrations/010_c.sql", "INSERT INTO steps (name) VALUES ('010');")
        .file("migrations/002_b.sql", "INSERT INTO steps (name) VALUES ('002');")
        .file(
            "migrations/001_a.sql",
            "CREATE TABLE steps (id serial PRIMARY KEY, name text); INSERT INTO steps (name) VALUES ('001');",
        )
        .file("migrations/1_last.sql", "INSERT INTO steps (name) VALUES ('1');");
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.sql().await.column("SELECT name FROM steps ORDER BY id").await, ["001", "002", "010", "1"]);
}

#[tokio::test]
async fn a_migration_that_needs_a_table_of_a_later_one_runs_after_it() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "migrations/001_orders.sql",
            "CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers);",
        )
        .file(
            "migrations/002_customers.sql",
            "CREATE TABLE customers (id int PRIMARY KEY, region_id int REFERENCES regions);",
        )
        .file("migrations/003_regions.sql", "CREATE TABLE regions (id int PRIMARY KEY);")
        .file("migrations/004_more.sql", "ALTER TABLE orders ADD COLUMN region_id int REFERENCES regions;");
    check_deploys_as_psql_would(&platform, &bundle).await.counts(&[("migrations_applied", 4)]);
}

#[tokio::test]
async fn empty_migrations_are_recorded() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("migrations/001_init.sql", "CREATE TABLE a (id int);")
        .file("migrations/002_nothing.sql", "")
        .file("migrations/003_moved.sql", "-- moved to tables/\n/* so\n   nothing */\n")
        .file("migrations/004_semicolons.sql", ";\n;;\n");
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("migrations_applied", 4)]);
}

#[tokio::test]
async fn a_trigger_of_a_migration_finds_its_function_of_the_bundle() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "migrations/001_posts.sql",
            "CREATE TABLE posts (id int PRIMARY KEY, body text, words int);
             CREATE TABLE counts (post_id int, words int);
             CREATE TRIGGER count_words BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION count_words();",
        )
        .file("migrations/002_first.sql", "INSERT INTO posts (id, body) VALUES (1, 'three small words');")
        .file(
            "functions/count_words.sql",
            "CREATE FUNCTION count_words() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 NEW.words := word_count(NEW.body);
                 INSERT INTO counts VALUES (NEW.id, NEW.words);
                 RETURN NEW;
             END $$;",
        )
        .file(
            "functions/word_count.sql",
            r"CREATE FUNCTION word_count(text) RETURNS int LANGUAGE sql AS $$
             SELECT cardinality(regexp_split_to_array($1, '\s+')) $$;",
        );
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("functions_deployed", 2)]);
    assert_eq!(platform.sql().await.value("SELECT words FROM posts").await, "3");
}

#[tokio::test]
async fn a_migration_may_use_sql_functions_of_the_bundle_over_tables_of_earlier_ones() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "migrations/001.sql",
            "CREATE TABLE prices (id int PRIMARY KEY, net numeric);
             INSERT INTO prices VALUES (1, 100);",
        )
        .file(
            "migrations/002.sql",
            "ALTER TABLE prices ADD COLUMN gross numeric; UPDATE prices SET gross = gross_of(prices.id);",
        )
        .file(
            "functions/gross_of.sql",
            "CREATE FUNCTION gross_of(p_id int) RETURNS numeric LANGUAGE sql STABLE
             AS $$ SELECT net * 1.19 FROM prices WHERE id = p_id $$;",
        );
    check_deploys_as_psql_would(&platform, &bundle).await;
    assert_eq!(platform.sql().await.value("SELECT gross FROM prices").await, "119.00");
}

#[tokio::test]
async fn an_outer_transaction_is_ignored() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("migrations/001.sql", "BEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n")
        .file(
            "migrations/002.sql",
            "-- by hand\nSTART TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nINSERT INTO a VALUES (1);\nEND TRANSACTION;",
        )
        .file("migrations/003.sql", "begin work; create table b (id int); commit and no chain;");
    check_deploys_and_is_stable(&platform, &bundle).await.counts(&[("migrations_applied", 3)]);
    assert_eq!(platform.sql().await.value("SELECT count(*) FROM a, b").await, "0");
}

#[tokio::test]
async fn any_other_transaction_control_is_refused_with_its_place() {
    let platform = Platform::new();
    for (text, lines) in [
        ("CREATE TABLE b (id int);\nCOMMIT;\nCREATE TABLE c (id int);", 2..=2),
        ("BEGIN;\nCREATE TABLE b (id int);\nCOMMIT;\nBEGIN;\nCREATE TABLE c (id int);\nCOMMIT;", 3..=4),
        ("CREATE TABLE b (id int);\n\n  ROLLBACK;", 3..=3),
        ("BEGIN;\nCREATE TABLE b (id int);\nROLLBACK;", 1..=3),
        ("BEGIN;\nCREATE TABLE b (id int);\n", 1..=1),
        ("BEGIN;\nSAVEPOINT a;\nCREATE TABLE b (id int);\nCOMMIT;\n", 2..=2),
        ("CREATE TABLE b (id int);\nPREPARE TRANSACTION 'p';", 2..=2),
    ] {
        let bundle = bundle().file("migrations/001.sql", "CREATE TABLE a (id int);").file("migrations/002.sql", text);
        let answer = platform.register_refused(&bundle).await;
        answer.refused(409, "migration_failed");
        assert_eq!(answer.text("file"), "migrations/002.sql", "{text}: {answer}");
        assert!(lines.contains(&answer.count("line")), "{text}: {answer}");
    }
}

#[tokio::test]
async fn a_migration_that_cannot_run_in_a_transaction_runs_in_its_place() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "migrations/001.sql",
            "CREATE TABLE events (id int PRIMARY KEY, at timestamptz);
             INSERT INTO events VALUES (1, now());",
        )
        .file("migrations/002_index.sql", "-- large table\nCREATE INDEX CONCURRENTLY events_by_day ON events (at);")
        .file("migrations/003.sql", "ALTER INDEX events_by_day RENAME TO events_by_time;")
        .file(
            "migrations/004_drop.sql",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS events_once
             ON events (id, at); DROP INDEX CONCURRENTLY events_once;",
        )
        .file("migrations/005.sql", "ALTER TABLE events ADD COLUMN what text;");
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    answer.counts(&[("migrations_applied", 5)]);
    let indexes =
        "SELECT indexrelid::regclass || ' ' || indisvalid FROM pg_index WHERE indrelid = 'events'::regclass ORDER BY 1";
    assert_eq!(platform.sql().await.column(indexes).await, ["events_by_time true", "events_pkey true"]);
}

#[tokio::test]
async fn concurrent_indexes_that_are_declared_too_are_left_out_of_a_new_database() {
    let platform = Platform::new();
    let bundle =
        bundle().file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE INDEX a_n ON a (n);").file(
            "migrations/001.sql",
            "CREATE INDEX CONCURRENTLY a_n ON a (n);\nCREATE INDEX CONCURRENTLY a_id ON a (id, n);
             DROP INDEX CONCURRENTLY a_n;\nDROP INDEX CONCURRENTLY a_id;",
        );
    let answer = check_deploys_and_is_stable(&platform, &bundle).await;
    let skipped = answer.body["migrations_skipped_statements"].as_array().expect("a list");
    let lines: Vec<_> = skipped.iter().map(|one| one["line"].as_u64()).collect();
    assert_eq!(lines, [Some(1), Some(3)], "{answer}");
    let indexes = "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
                   WHERE i.indrelid = 'a'::regclass ORDER BY c.relname";
    assert_eq!(platform.sql().await.column(indexes).await, ["a_n", "a_pkey"]);
}

#[tokio::test]
async fn a_failure_after_a_migration_outside_a_transaction_leaves_no_new_database() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("migrations/001.sql", "CREATE TABLE events (id int PRIMARY KEY, at timestamptz);")
        .file("migrations/002.sql", "CREATE INDEX CONCURRENTLY events_by_day ON events (at);")
        .file("migrations/003.sql", "SELECT 1;\nALTER TABLE events ADD COLUMN at date;");
    let answer = platform.register_refused(&bundle).await;
    answer.refused(409, "migration_failed").at("migrations/003.sql", 2).sqlstate("42701").cause("\"at\"");
}

#[tokio::test]
async fn what_a_migration_sets_is_not_seen_by_the_next() {
    let platform = Platform::new();
    let bundle = bundle()
        .file("migrations/001.sql", "SET search_path = ''; SET check_function_bodies = false; SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.a (id int);\nCREATE FUNCTION public.lazy() RETURNS int LANGUAGE sql AS 'SELECT count(*)::int FROM public.nowhere';")
        .file("migrations/002.sql", "CREATE TABLE b (id int); SET LOCAL TIME ZONE 'Asia/Tokyo'; SET SESSION standard_conforming_strings = on;")
        .file("migrations/003.sql", "CREATE TABLE later (id int, zone text DEFAULT current_setting('TimeZone'));
             INSERT INTO later (id) SELECT count(*) FROM a, b;")
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY);")
        .file("views/v.sql", "CREATE VIEW v AS SELECT id FROM later;");
    check_deploys_and_is_stable(&platform, &bundle).await;
    let sql = platform.sql().await;
    assert_eq!(sql.value("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'b'").await, "public");
    assert_ne!(sql.value("SELECT zone FROM later").await, "Asia/Tokyo");
}

#[tokio::test]
async fn three_hundred_migrations_deploy() {
    if calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let bundle = three_hundred();
    let answer = check_deploys_as_psql_would(&platform, &bundle).await;
    answer.counts(&[("migrations_applied", 300)]);
    assert_eq!(platform.sql().await.column(RECORDED).await.len(), 300);
}

/// Four years of a small shop: tables come, get columns, indexes and rows, are renamed, and go.
fn three_hundred() -> BundleBuilder {
    let mut built = bundle();
    for number in 1..=300 {
        let (age, text) = (number / 10, step(number));
        built = built.file(&format!("migrations/{}_{number:04}_{}.sql", 2021 + age / 8, name_of(number)), text);
    }
    built
}

fn name_of(number: u32) -> &'static str {
    ["create", "column", "index", "rows", "check", "key", "rename", "widen", "fill", "tidy"][(number % 10) as usize]
}

fn step(number: u32) -> String {
    let (table, mut text) = (format!("part_{}", number / 10), format!("-- Step {number}\n"));
    let previous = if number >= 20 { format!("part_{}", number / 10 - 1) } else { table.clone() };
    match number % 10 {
        0 => write!(text, "CREATE TABLE {table} (id serial PRIMARY KEY, name text NOT NULL,
             previous_id int REFERENCES {previous});"),
        1 if number == 1 => write!(text, "CREATE TABLE {table} (id serial PRIMARY KEY, name text NOT NULL,
             old_price int);"),
        1 => write!(text, "ALTER TABLE {table}\n    ADD COLUMN old_price integer NOT NULL DEFAULT 0,\n    ADD COLUMN note varchar(20);"),
        2 => write!(text, "CREATE INDEX {table}_by_name ON {table} (lower(name));"),
        3 => write!(text, "INSERT INTO {table} (name) SELECT 'item ' || n FROM generate_series(1, 3) n;"),
        4 => write!(text, "ALTER TABLE {table} ADD CONSTRAINT no_debts CHECK (old_price >= 0);"),
        5 => write!(text, "ALTER TABLE {table} ADD COLUMN parent_id integer REFERENCES {table} ON DELETE CASCADE;"),
        6 => write!(text, "ALTER TABLE {table} RENAME COLUMN old_price TO price;"),
        7 => write!(text, "ALTER TABLE {table} ALTER COLUMN price TYPE numeric(12, 2);"),
        8 => write!(text, "UPDATE {table} SET price = price + 1.5, parent_id = (SELECT min(id) FROM {table});"),
        _ => write!(text, "CREATE OR REPLACE FUNCTION total_of_{table}() RETURNS numeric LANGUAGE sql AS $$
             SELECT sum(price) FROM {table} $$;"),
    }
    .expect("a text grows");
    text
}

#[tokio::test]
async fn what_comes_before_a_concurrent_index_is_not_committed_when_it_loses_data() {
    let version_1 = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text, b text);");
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 'a', 'b')").await;
    let version_2 = version_1
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, b text);")
        .file("migrations/001.sql", "ALTER TABLE t DROP COLUMN a; CREATE INDEX CONCURRENTLY t_by_b ON t (b);");
    platform.register(&version_2).await.refused(409, "migration_failed").says("DropColumn t.a");
    assert_eq!(sql.value("SELECT a FROM t").await, "a");
    platform.register_forced(&version_2).await.ready();
    assert_eq!(sql.value("SELECT count(*) FROM pg_class WHERE relname = 't_by_b'").await, "1");
}

#[tokio::test]
async fn a_concurrent_index_that_fails_leaves_no_invalid_index_and_resumes_when_the_rows_are_mended() {
    let version_1 = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text);");
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 'a'), (2, '')").await;
    let index = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_once ON t ((60 / length(a)));";
    let version_2 = version_1.clone().file("migrations/001.sql", format!("INSERT INTO t VALUES (3, 'ccc');\n{index}"));
    platform.register(&version_2).await.refused(409, "migration_failed").at("migrations/001.sql", 2).sqlstate("22012");
    assert_eq!(sql.value("SELECT count(*) FROM pg_class WHERE relname = 't_once'").await, "0");

    let edited = format!("DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 'ccc');\n{index}");
    let answer = platform.register(&version_1.clone().file("migrations/001.sql", edited)).await;
    answer.refused(409, "migration_failed").says("first 1 statements");

    let mended = format!("INSERT INTO t VALUES (3, 'ccc'); DELETE FROM t WHERE id = 2;\n{index}");
    platform.register(&version_1.file("migrations/001.sql", mended)).await.ready();
    assert_eq!(sql.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_once'::regclass").await, "t");
    assert_eq!(sql.column("SELECT id FROM t ORDER BY id").await, ["1", "3"]);
}

#[tokio::test]
async fn a_concurrent_index_that_was_made_but_not_recorded_is_not_made_again() {
    let version_1 = bundle().file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, a text);");
    let platform = Platform::new();
    platform.register(&version_1).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO t VALUES (1, 'a'), (2, '')").await;
    let version_2 =
        version_1.file("migrations/001.sql", "CREATE UNIQUE INDEX CONCURRENTLY t_once ON t ((60 / length(a)));");
    platform.register(&version_2).await.refused(409, "migration_failed");
    // As a gateway leaves it that is killed between the statement and its record.
    sql.run("DELETE FROM t WHERE id = 2").await;
    sql.run("VACUUM t").await;
    sql.run("CREATE UNIQUE INDEX t_once ON t ((60 / length(a)))").await;
    platform.register(&version_2).await.ready().counts(&[("migrations_applied", 1)]);
}

#[tokio::test]
async fn constraints_of_one_name_need_not_all_be_deferrable() {
    let platform = Platform::new();
    let bundle = bundle()
        .file(
            "tables/a.sql",
            "CREATE TABLE a (id int PRIMARY KEY);
             CREATE TABLE b (a int CONSTRAINT to_a REFERENCES a DEFERRABLE INITIALLY DEFERRED);
             CREATE TABLE c (a int CONSTRAINT to_a REFERENCES a);",
        )
        .file("migrations/001.sql", "INSERT INTO a VALUES (1);");
    platform.register(&bundle).await.ready();
}

#[tokio::test]
async fn a_setting_holds_until_the_end_of_its_migration_across_a_declared_table_it_needs() {
    let platform = Platform::new();
    let before = bundle().file("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, noted text);");
    platform.register(&before).await.ready();
    platform.sql().await.run("INSERT INTO a VALUES (1)").await;
    let after = before
        .file("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY);")
        .file(
            "migrations/1.sql",
            "SET my.note = 'still set'; SET search_path = public, pg_temp; SET DateStyle = 'German';
             INSERT INTO b SELECT id FROM a;
             UPDATE a SET noted = concat_ws(' ', current_setting('my.note'), current_setting('search_path'), date '2024-12-31');",
        )
        .file("migrations/2.sql", "UPDATE a SET noted = concat(noted, ', then ', current_setting('my.note', true), date '2024-12-31');");
    platform.register(&after).await.ready();
    let sql = platform.sql().await;
    assert_eq!(sql.column("SELECT noted FROM a").await, ["still set public, pg_temp 31.12.2024, then 2024-12-31"]);
    assert_eq!(sql.column("SELECT id FROM b").await, ["1"]);
}

#[tokio::test]
async fn temporary_tables_end_with_their_migration() {
    let platform = Platform::new();
    let files = bundle()
        .file("tables/a.sql", "CREATE TABLE a (id int);")
        .file("migrations/1.sql", "CREATE TEMP TABLE work AS SELECT 1 AS id; INSERT INTO a SELECT id FROM work;")
        .file("migrations/2.sql", "CREATE TEMP TABLE work AS SELECT 2 AS id; INSERT INTO a SELECT id FROM work;");
    platform.register(&files).await.ready();
    assert_eq!(platform.sql().await.column("SELECT id FROM a ORDER BY id").await, ["1", "2"]);
}

#[tokio::test]
async fn copy_from_the_client_is_refused_by_file_and_line() {
    for (path, text, line) in [
        ("seeders/a.sql", "INSERT INTO a VALUES (1);\nCOPY a FROM STDIN;", 2),
        ("migrations/1.sql", "\nCOPY a FROM STDIN;\n1\n2\n\\.\n", 2),
        ("tables/b.sql", "CREATE TABLE b ();\nCOPY (SELECT 1) TO STDOUT;", 2),
    ] {
        let files = bundle().file("tables/a.sql", "CREATE TABLE a (id int);").file(path, text);
        Platform::new().register_refused(&files).await.refused(409, "migration_failed").at(path, line).says("COPY");
    }
}

#[tokio::test]
async fn a_concurrent_index_that_fails_leaves_no_invalid_index_even_without_a_name() {
    let platform = Platform::new();
    let before = bundle().file("tables/a.sql", "CREATE TABLE a (id int);");
    platform.register(&before).await.ready();
    let sql = platform.sql().await;
    sql.run("INSERT INTO a VALUES (1), (1)").await;
    let after = before.file("migrations/1.sql", "CREATE UNIQUE INDEX CONCURRENTLY ON a (id);");
    platform.register(&after).await.refused(409, "migration_failed").sqlstate("23505");
    assert_eq!(sql.value("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass").await, "0");
    sql.run("DELETE FROM a").await;
    platform.register(&after).await.ready();
    assert_eq!(sql.value("SELECT count(*) FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid").await, "1");
}

/// What is committed before the deployment as a whole is, cannot be taken back: so what the rows refuse is refused before.
#[tokio::test]
async fn what_rows_refuse_is_refused_before_an_index_or_a_value_is_committed() {
    let old = bundle()
        .file("types/e.sql", "CREATE TYPE e AS ENUM ('a');")
        .file("tables/t.sql", "CREATE TABLE t (id int PRIMARY KEY, k int, n text, m e DEFAULT 'a');");
    let concurrent = ("migrations/2.sql", "CREATE INDEX CONCURRENTLY tk ON t (k);");
    let rename = ("migrations/1.sql", "ALTER TABLE t RENAME n TO nn;");
    let renamed = |columns: &str| format!("CREATE TABLE t (id int PRIMARY KEY, {columns}, nn text, m e DEFAULT 'a');");
    let cases = [
        (renamed("k int CHECK (k > 0)"), Some(""), "23514"),
        (renamed("k int UNIQUE"), Some(""), "23505"),
        (renamed("k int"), Some("DO $$ BEGIN RAISE EXCEPTION 'no'; END $$;"), "P0001"),
        (
            "CREATE TABLE t (id int PRIMARY KEY, k int CHECK (k > 0), n text, m e DEFAULT 'b');".to_owned(),
            None,
            "23514",
        ),
    ];
    for (table, last, sqlstate) in cases {
        let platform = Platform::new();
        platform.register(&old).await.ready();
        let sql = platform.sql().await;
        sql.run("INSERT INTO t VALUES (1, -1), (2, -1)").await;
        let mut new = old.clone().file("tables/t.sql", &table).file("types/e.sql", "CREATE TYPE e AS ENUM ('a', 'b');");
        if let Some(last) = last {
            new = new.file(rename.0, rename.1).file(concurrent.0, concurrent.1).file("migrations/3.sql", last);
        }
        platform.register(&new).await.refused(409, "migration_failed").sqlstate(sqlstate);
        let state =
            "SELECT concat((SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum = 3), ' ',
                                   enum_range(NULL::e)::text)";
        assert_eq!(sql.value(state).await, "n {a}", "{sqlstate}");
        // Once the rows are mended, all of it goes through.
        sql.run("UPDATE t SET k = id").await;
        if last.is_none_or(str::is_empty) {
            platform.register(&new).await.ready();
        }
    }
}
