//! Files in, an order or a circle out.

use super::*;
use crate::bundle::SourceFile;

fn bundle(files: &[(&str, &str)]) -> Bundle {
    let mut files: Vec<_> = files
        .iter()
        .map(|(path, text)| {
            let kind = Kind::of_folder(path.split('/').next().unwrap()).unwrap();
            SourceFile { kind, path: (*path).to_owned(), text: (*text).into() }
        })
        .collect();
    files.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    Bundle::from_files(files, Vec::new())
}

/// The order, by the first words of each statement.
fn order(files: &[(&str, &str)]) -> Vec<String> {
    order_for(Target::NewDatabase, files)
}

fn order_for(target: Target, files: &[(&str, &str)]) -> Vec<String> {
    let script = read(&bundle(files), target).unwrap();
    let text = |statement: &Statement| statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
    script.statements.iter().chain(&script.seeds).map(text).collect()
}

fn before(order: &[String], first: &str, second: &str) {
    let at = |start: &str| {
        order.iter().position(|text| text.starts_with(start)).unwrap_or_else(|| panic!("{start:?} in {order:#?}"))
    };
    assert!(at(first) < at(second), "{first:?} is not before {second:?} in {order:#?}");
}

#[test]
fn where_nothing_is_referred_to_kind_path_and_line_decide() {
    let found = order(&[
        ("functions/a.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        ("tables/b.sql", "CREATE TABLE b2 (); CREATE TABLE b1 ()"),
        ("tables/a.sql", "CREATE TABLE a ()"),
        ("types/z.sql", "CREATE TYPE z AS ENUM ()"),
        ("views/v.sql", "CREATE VIEW v AS SELECT 1"),
        ("migrations/1.sql", "SELECT 1"),
    ]);
    let kinds = ["CREATE TYPE", "CREATE TABLE a", "CREATE TABLE b2", "CREATE TABLE b1", "SELECT", "CREATE VIEW"];
    for (text, start) in found.iter().zip(kinds) {
        assert!(text.starts_with(start), "{found:#?}");
    }
}

#[test]
fn a_table_after_a_function_after_a_table() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (id int CHECK (ok(id)))"),
        ("tables/b.sql", "CREATE TABLE b ()"),
        ("tables/c.sql", "CREATE TABLE c ()"),
        ("migrations/1.sql", "SELECT 1"),
        ("functions/ok.sql", "CREATE FUNCTION ok(int, c) RETURNS bool LANGUAGE plpgsql AS ''"),
    ]);
    before(&found, "CREATE TABLE c", "CREATE FUNCTION ok");
    before(&found, "CREATE FUNCTION ok", "CREATE TABLE a");
    before(&found, "CREATE TABLE b", "SELECT 1");
}

#[test]
fn foreign_keys_in_a_circle_are_added_after_the_tables() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES b (id) ON DELETE CASCADE DEFERRABLE)"),
        ("tables/b.sql", "CREATE TABLE b (id int PRIMARY KEY, a int, CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a)"),
    ]);
    before(
        &found,
        "CREATE TABLE a",
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b (id) ON DELETE CASCADE DEFERRABLE",
    );
    before(&found, "CREATE TABLE b", "ALTER TABLE b ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a");
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn checks_and_defaults_in_a_circle_are_added_after_the_table() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (id int DEFAULT next_id(NULL), n int, CHECK (fits(n)), CHECK (n > 0))"),
        (
            "functions/f.sql",
            "CREATE FUNCTION next_id(a) RETURNS int LANGUAGE plpgsql AS '';
            CREATE FUNCTION fits(n int, x a DEFAULT NULL) RETURNS bool LANGUAGE plpgsql AS ''",
        ),
    ]);
    before(&found, "CREATE TABLE a (id int, n int, CHECK (n > 0))", "CREATE FUNCTION next_id");
    before(&found, "CREATE FUNCTION next_id", "ALTER TABLE a ALTER COLUMN id SET DEFAULT next_id(NULL)");
    before(&found, "CREATE FUNCTION fits", "ALTER TABLE a ADD CHECK (fits(n))");
}

#[test]
fn a_self_reference_is_no_circle() {
    assert_eq!(order(&[("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a)")]).len(), 1);
}

#[test]
fn keys_of_their_own_come_before_the_foreign_keys_that_need_them() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (b int); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b (id)"),
        ("tables/b.sql", "CREATE TABLE b (id int); ALTER TABLE ONLY b ADD CONSTRAINT b_pkey PRIMARY KEY (id)"),
        ("tables/c.sql", "CREATE TABLE c (e text REFERENCES d (e))"),
        ("tables/d.sql", "CREATE TABLE d (e text); CREATE UNIQUE INDEX d_e ON d (e)"),
    ]);
    before(&found, "ALTER TABLE ONLY b", "ALTER TABLE a");
    before(&found, "CREATE UNIQUE INDEX d_e", "CREATE TABLE c");
}

#[test]
fn a_circle_that_cannot_be_cut_names_its_members() {
    let files = bundle(&[
        ("views/a.sql", "-- one\nCREATE VIEW a AS SELECT * FROM b"),
        ("views/b.sql", "CREATE VIEW b AS SELECT * FROM a"),
    ]);
    assert_eq!(
        read(&files, Target::NewDatabase).unwrap_err().to_string(),
        "sorting the bundle: these need each other and cannot be made one after the other: \
         a (views/a.sql, line 2), b (views/b.sql, line 1)"
    );
}

#[test]
fn migrations_run_by_name_except_after_what_they_need() {
    let found = order(&[
        ("migrations/001.sql", "ALTER TABLE later ADD x int"),
        ("migrations/002.sql", "CREATE TABLE later ()"),
        ("migrations/003.sql", "SELECT 3"),
    ]);
    assert_eq!(found, ["CREATE TABLE later ()", "ALTER TABLE later ADD x int", "SELECT 3"]);
}

#[test]
fn functions_that_a_migration_refers_to_are_there_before_it() {
    let found = order(&[
        ("migrations/001.sql", "CREATE TABLE a (); CREATE TRIGGER t BEFORE UPDATE ON a EXECUTE FUNCTION touch()"),
        ("functions/touch.sql", "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS ''"),
        ("functions/other.sql", "CREATE FUNCTION other(a) RETURNS int LANGUAGE plpgsql AS ''"),
    ]);
    before(&found, "CREATE FUNCTION touch", "CREATE TRIGGER");
    before(&found, "CREATE TABLE a", "CREATE FUNCTION other");
    before(&found, "CREATE TRIGGER", "CREATE FUNCTION other");
}

#[test]
fn seeds_follow_the_foreign_keys() {
    let found = order(&[
        ("tables/t.sql", "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (p int REFERENCES parent)"),
        ("seeders/1.sql", "INSERT INTO child VALUES (1); SELECT setval('s', 1)"),
        ("seeders/2.sql", "INSERT INTO parent VALUES (1)"),
        ("seeders/3.sql", "INSERT INTO child VALUES (2)"),
    ]);
    before(&found, "INSERT INTO parent", "INSERT INTO child VALUES (1)");
    before(&found, "INSERT INTO child VALUES (1)", "SELECT setval");
    before(&found, "INSERT INTO child VALUES (1)", "INSERT INTO child VALUES (2)");
}

#[test]
fn schemas_and_row_types_of_views_count_too() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE app.a ()"),
        ("types/z.sql", "CREATE SCHEMA app"),
        ("views/v.sql", "CREATE VIEW v AS SELECT f(NULL)"),
        ("views/w.sql", "CREATE VIEW w AS SELECT 1"),
        ("functions/f.sql", "CREATE FUNCTION f(w) RETURNS int LANGUAGE plpgsql AS ''"),
    ]);
    before(&found, "CREATE SCHEMA", "CREATE TABLE app.a");
    before(&found, "CREATE VIEW w", "CREATE FUNCTION f");
    before(&found, "CREATE FUNCTION f", "CREATE VIEW v");
}

#[test]
fn what_a_pulled_function_calls_is_pulled_too() {
    let found = order(&[
        ("migrations/1.sql", "CREATE TABLE a (); CREATE TRIGGER t BEFORE UPDATE ON a EXECUTE FUNCTION z()"),
        ("functions/a.sql", "CREATE FUNCTION y() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN z(); END'"),
        ("functions/z.sql", "CREATE FUNCTION z() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM y(); END'"),
    ]);
    before(&found, "CREATE FUNCTION y", "CREATE FUNCTION z");
    before(&found, "CREATE FUNCTION z", "CREATE TRIGGER");
}

#[test]
fn like_copies_what_was_added_and_casts_are_there_before_their_use() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (LIKE b INCLUDING ALL)"),
        ("tables/b.sql", "CREATE TABLE b (x int); CREATE INDEX i ON b (x); COMMENT ON COLUMN b.x IS 'x'"),
        ("types/t.sql", "CREATE TYPE t AS (x int)"),
        ("views/v.sql", "CREATE VIEW v AS SELECT '1'::text::t"),
        ("functions/c.sql", "CREATE CAST (text AS t) WITH FUNCTION f(text)"),
        ("functions/f.sql", "CREATE FUNCTION f(text) RETURNS t LANGUAGE sql AS 'SELECT ROW(1)::t'"),
    ]);
    before(&found, "COMMENT", "CREATE TABLE a");
    before(&found, "CREATE INDEX", "CREATE TABLE a");
    before(&found, "CREATE CAST", "CREATE VIEW");
}

#[test]
fn a_table_declared_twice_is_no_circle() {
    assert_eq!(
        order(&[
            ("tables/a.sql", "CREATE TABLE a (x int REFERENCES a)"),
            ("tables/b.sql", "CREATE TABLE a (y int REFERENCES a)")
        ])
        .len(),
        2
    );
}

#[test]
fn an_empty_migration_is_still_a_migration() {
    let script = read(&bundle(&[("migrations/001.sql", "-- nothing")]), Target::NewDatabase).unwrap();
    assert_eq!((script.migrations.len(), script.statements.len()), (1, 0));
    assert_eq!(script.migrations[0].file, "001.sql");
}

#[test]
fn a_thousand_tables_in_one_circle_are_sorted() {
    let count = 1000;
    let files: Vec<(String, String)> = (0..count)
        .map(|n| {
            let next = (n + 1) % count;
            (format!("tables/t{n:04}.sql"), format!("CREATE TABLE t{n} (id int PRIMARY KEY, n int REFERENCES t{next})"))
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(order(&files).len(), 2 * count);
}

#[test]
fn in_an_existing_database_migrations_go_before_the_declaration() {
    let files = [
        ("tables/a.sql", "CREATE TABLE a (id int PRIMARY KEY)"),
        ("tables/b.sql", "CREATE TABLE b (x int REFERENCES a)"),
        ("tables/c.sql", "CREATE TABLE c ()"),
        ("migrations/1.sql", "ALTER TABLE old RENAME TO a; ALTER TABLE a ADD y int; ALTER TABLE c ADD z int"),
        ("functions/f.sql", "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS ''"),
        ("migrations/2.sql", "CREATE TRIGGER t BEFORE UPDATE ON b EXECUTE FUNCTION f()"),
    ];
    let found = order_for(Target::ExistingDatabase, &files);
    before(&found, "ALTER TABLE old", "CREATE TABLE a");
    before(&found, "CREATE TABLE c", "ALTER TABLE c");
    before(&found, "CREATE TABLE b", "CREATE TRIGGER");
    before(&found, "CREATE FUNCTION f", "CREATE TRIGGER");
    let found = order(&files);
    before(&found, "CREATE TABLE b", "ALTER TABLE old");
}

#[test]
fn what_a_declaration_needs_of_a_migration_about_it_leaves_the_chain() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (id int, k t REFERENCES u)"),
        (
            "migrations/1.sql",
            "CREATE TABLE a (id int); INSERT INTO a VALUES (1); CREATE SCHEMA s; CREATE TYPE t2 AS (x int);
             ALTER TYPE t2 RENAME TO t; CREATE TABLE u (id t); ALTER TABLE u ADD PRIMARY KEY (id); DROP VIEW v",
        ),
    ]);
    let declared = "CREATE TABLE a (id int, k";
    for early in ["CREATE TYPE t2", "ALTER TYPE t2", "CREATE TABLE u", "ALTER TABLE u"] {
        before(&found, early, declared);
    }
    for in_turn in ["CREATE TABLE a (id int)", "INSERT", "CREATE SCHEMA", "DROP VIEW"] {
        before(&found, declared, in_turn);
    }
    before(&found, "INSERT", "CREATE SCHEMA");
}

#[test]
fn a_name_that_is_dropped_and_made_again_keeps_its_order_outside_the_chain() {
    let found = order(&[
        ("tables/a.sql", "CREATE TABLE a (k t)"),
        (
            "migrations/1.sql",
            "CREATE TABLE a (id int); CREATE TYPE t AS ENUM ('x'); DROP TYPE t; CREATE TYPE t AS (y int)",
        ),
    ]);
    before(&found, "CREATE TYPE t AS ENUM", "DROP TYPE t");
    before(&found, "DROP TYPE t", "CREATE TYPE t AS (");
    before(&found, "CREATE TYPE t AS (", "CREATE TABLE a (k t)");
    before(&found, "CREATE TABLE a (k t)", "CREATE TABLE a (id int)");
}

#[test]
fn a_foreign_key_waits_for_its_own_key_only() {
    let files = [
        ("tables/c.sql", "CREATE TABLE c (e text REFERENCES r (e), i int REFERENCES r)"),
        ("tables/r.sql", "CREATE TABLE r (id int PRIMARY KEY, e text UNIQUE, n int)"),
        ("migrations/1.sql", "SELECT 1; ALTER TABLE r ADD UNIQUE (n); ALTER TABLE r ADD PRIMARY KEY (id)"),
    ];
    let found = order(&files);
    before(&found, "CREATE TABLE r", "CREATE TABLE c");
    before(&found, "CREATE TABLE c", "SELECT 1");
}

#[test]
fn a_thousand_tables_that_each_need_a_type_of_their_own_history_are_sorted() {
    let count = 1000;
    let mut files: Vec<(String, String)> =
        (0..count).map(|n| (format!("tables/t{n:04}.sql"), format!("CREATE TABLE t{n} (k k{n})"))).collect();
    files.extend((0..count).map(|n| {
        let text = format!("CREATE TABLE t{n} (id int); CREATE TYPE k{n} AS ENUM ('x'); ALTER TABLE t{n} ADD k k{n}");
        (format!("migrations/{n:04}.sql"), text)
    }));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(order(&files).len(), 4 * count);
}

const MOOD: &str = "CREATE TYPE mood AS ENUM ('a', 'b')";

#[test]
fn in_an_existing_database_no_earlier_migration_waits_for_a_table_that_waits_for_a_later_one() {
    let table = ("tables/t.sql", "CREATE TABLE t (id int, x int, k mood NOT NULL)");
    let made = "CREATE TYPE mood AS ENUM ('a', 'b'); ALTER TABLE t ADD COLUMN k mood NOT NULL";
    let swapped =
        "CREATE TYPE mood_new AS ENUM ('a', 'b'); ALTER TABLE t ALTER k TYPE mood_new USING k::text::mood_new;
        ALTER TYPE mood RENAME TO mood_old; ALTER TYPE mood_new RENAME TO mood; DROP TYPE mood_old";
    let histories = [
        ("UPDATE t SET x = 1", MOOD, made),
        ("CREATE INDEX tx ON t (x)", MOOD, made),
        ("SELECT 1", MOOD, swapped),
        ("UPDATE t SET x = 1", "CREATE DOMAIN mood AS text", "CREATE DOMAIN mood AS text; ALTER TABLE t ADD k mood"),
        ("UPDATE t SET x = 1", MOOD, "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('a', 'b')"),
    ];
    for (first, declared, second) in histories {
        let files = [table, ("types/mood.sql", declared), ("migrations/1.sql", first), ("migrations/2.sql", second)];
        let found = order_for(Target::ExistingDatabase, &files);
        before(&found, first, second.split(';').next().unwrap());
        before(&found, second.split(';').next().unwrap(), "CREATE TABLE t");
        before(&order(&files), "CREATE TABLE t", first);
    }
}

#[test]
fn a_circle_of_declarations_stays_one_beside_a_migration_that_waits() {
    let files = [
        ("tables/a.sql", "CREATE TABLE a (x b)"),
        ("tables/b.sql", "CREATE TABLE b (x a, k mood)"),
        ("migrations/1.sql", "UPDATE a SET x = NULL"),
        ("migrations/2.sql", MOOD),
    ];
    let Err(OrderError::Circle { members }) = read(&bundle(&files), Target::ExistingDatabase) else {
        panic!("no circle");
    };
    let objects: Vec<_> = members.iter().map(|member| member.object.as_str()).collect();
    assert_eq!(objects, ["a", "b"]);
}

#[test]
fn of_many_sections_to_take_back_a_few_are_named_and_the_rest_counted() {
    let text = "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n";
    for (sections, expected) in [(1, 1), (20, 20), (21, 21), (500, 21)] {
        let files = bundle(&[("migrations/1.sql", &text.repeat(sections))]);
        let warnings = read(&files, Target::NewDatabase).unwrap().warnings;
        assert_eq!(warnings.len(), expected, "{sections}");
        assert!(warnings[0].starts_with("migrations/1.sql, line 3: "), "{warnings:?}");
        let says_rest = format!("migrations/1.sql: {} more sections", sections.saturating_sub(20));
        assert_eq!(warnings.last().is_some_and(|last| last.starts_with(&says_rest)), sections > 20, "{warnings:?}");
    }
}
