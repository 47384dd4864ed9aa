//! What statements promise, and what they take back.

use super::Promises;
use crate::bundle::{Kind, Rules, SourceFile, sql};

/// What the statements promise, in words, in the order of the statements.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let file = SourceFile { kind: Kind::Tables, path: "tables/1.sql".to_owned(), text: text.into() };
    // What an earlier version took may take back what it has made.
    let statements = sql::read(&file, Rules::Earlier).expect("it is SQL").statements;
    let promises = Promises::of(&statements.into_iter().enumerate().collect::<Vec<_>>());
    let words: Vec<String> = promises.in_order().iter().map(|(promise, _)| promise.to_string()).collect();
    assert_eq!(words, expected, "{text}");
}

#[test]
fn a_table_promises_its_parts() {
    check(
        "CREATE TABLE t (a int DEFAULT f(1) CHECK (a > 0), b text NOT NULL, c serial, CONSTRAINT k UNIQUE (a))",
        &[
            "the table t",
            "the column t.a",
            "the column t.b",
            "the column t.c",
            "the default of the column t.a",
            "the default of the column t.c",
            "the NOT NULL of the column t.b",
            "the constraint k of t",
            "the CHECK (a > 0) of t",
        ],
    );
    check(
        "CREATE TABLE s.\"T\" (a int DEFAULT NULL, b text DEFAULT NULL::text)",
        &["the table s.T", "the column s.T.a", "the column s.T.b"],
    );
    check("CREATE TEMP TABLE t (a int)", &[]);
}

#[test]
fn not_null_may_be_a_constraint() {
    check(
        "CREATE TABLE t (a int CONSTRAINT x NOT NULL, b int, c int, CONSTRAINT y NOT NULL b);
         ALTER TABLE t ADD CONSTRAINT z NOT NULL c NOT VALID",
        &[
            "the table t",
            "the column t.a",
            "the column t.b",
            "the column t.c",
            "the NOT NULL of the column t.a",
            "the NOT NULL of the column t.b",
            "the constraint z of t",
        ],
    );
    // Which one that is, the text does not tell.
    check(
        "CREATE TABLE t (a int NOT NULL); ALTER TABLE t DROP CONSTRAINT t_a_not_null",
        &["the table t", "the column t.a"],
    );
}

#[test]
fn keys_that_say_the_same_are_one() {
    check(
        "CREATE TABLE t (a int UNIQUE PRIMARY KEY, CONSTRAINT x UNIQUE (a), CONSTRAINT y UNIQUE (a))",
        &["the table t", "the column t.a", "the UNIQUE (a) of t"],
    );
}

#[test]
fn what_a_later_statement_takes_back_is_promised_no_longer() {
    check(
        "CREATE TABLE t (a int DEFAULT 1 NOT NULL, b int, CHECK (a > b), CONSTRAINT k UNIQUE (b));
         ALTER TABLE t ALTER a DROP DEFAULT, ALTER a DROP NOT NULL, DROP CONSTRAINT k;
         ALTER TABLE t DROP COLUMN b",
        &["the table t", "the column t.a"],
    );
    check(
        "CREATE TYPE m AS ENUM ('a', 'b'); ALTER TYPE m RENAME VALUE 'a' TO 'c'",
        &["the type m", "the value 'b' of the type m", "the value 'c' of the type m"],
    );
    check("CREATE VIEW v AS SELECT 1; ALTER VIEW v RENAME TO w", &[]);
    check(
        "CREATE UNIQUE INDEX i ON t (a); ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX i",
        &["the constraint k of t"],
    );
}

#[test]
fn what_stands_by_itself_is_promised() {
    check(
        "CREATE POLICY p ON t AS RESTRICTIVE USING (true); CREATE INDEX i ON t (a); CREATE INDEX ON t (b);
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE SCHEMA s; CREATE OPERATOR === (FUNCTION = f, LEFTARG = int);
         CREATE STATISTICS st ON a, b FROM t; CREATE AGGREGATE s.agg(int) (sfunc = f, stype = int)",
        &[
            "the restrictive policy p of t",
            "the index i of t",
            "the index of t",
            "the row level security of t",
            "the schema s",
            "the operator ===",
            "the statistics st of t",
            "the function s.agg",
        ],
    );
}
