//! Where statements end, held against PostgreSQL's grammar.

use super::*;

/// The statements of `sql`, without the semicolons that end them.
fn pieces(sql: &str) -> Vec<&str> {
    let mut lexer = Lexer::default();
    let mut start = 0;
    let mut found = Vec::new();
    for (at, byte) in sql.bytes().enumerate() {
        if let Some(Event::End(_)) = lexer.feed(byte) {
            found.push(sql[start..at].trim());
            start = at + 1;
        }
    }
    found.push(sql[start..].trim());
    found.retain(|piece| !piece.is_empty());
    found
}

fn by_grammar(sql: &str) -> Vec<&str> {
    pg_query::split_with_parser(sql).unwrap().into_iter().map(str::trim).collect()
}

#[test]
fn statements_end_where_the_grammar_says() {
    for sql in [
        "SELECT 1; SELECT 2",
        "SELECT ';'; SELECT ''';'; SELECT E'\\';'; SELECT E'a\\\\'; SELECT 1",
        "SELECT E'a'\n'b\\';'; SELECT 1",
        "SELECT E'a' -- c ;\n 'b\\';'; SELECT 1",
        "SELECT 'a'\n'b\\'; SELECT 1",
        "SELECT U&'\\0041;' ; SELECT U&\"a;\" FROM t; SELECT u&u FROM t",
        "SELECT b'1;'::text; SELECT x'1f'; SELECT n';'",
        "SELECT \"a;\"\"b;\" FROM t; SELECT 2",
        "SELECT $$ ; $$; SELECT $a$ ; $$ ; $b$ ; $a$; SELECT $a1_$;$a$;$a1_$; SELECT 1",
        "SELECT $ä$;$ä$; SELECT a$b$ FROM t; SELECT 1 AS a$; SELECT 2",
        "PREPARE p AS SELECT $1; SELECT 2",
        "SELECT 1 -- ; '\n; SELECT 2 /* ; /* ; */ ' ; */; SELECT 3",
        "SELECT 1 /*/ ; */; SELECT 1 /**/; SELECT 2 /***/; SELECT 4*/* ; */5",
        "SELECT 1 +-- ;\n 2; SELECT 3",
        "SELECT 1-1; SELECT 4/2; SELECT 1--;\r; SELECT 2",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b); SELECT 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 2",
        "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC INSERT INTO t VALUES (1); END; SELECT 2",
        "CREATE FUNCTION f(begin int, atomic int) RETURNS int LANGUAGE sql AS $$ SELECT 1; $$; SELECT 2",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT ''x;''; ' ; SELECT 2",
        "DO $do$ BEGIN EXECUTE $x$ SELECT 1; $x$; END $do$; SELECT 2",
        "SELECT '{\"a\": 1}'::jsonb @> '{}' ; SELECT a?'b' FROM t; SELECT 2",
        "SELECT 1.5e-3; SELECT 1_000; SELECT .5; SELECT 2",
    ] {
        assert_eq!(pieces(sql), by_grammar(sql), "{sql}");
    }
}

#[test]
fn statements_are_told_by_their_beginning() {
    let head = |sql: &str| {
        let mut lexer = Lexer::default();
        let ended = sql.bytes().find_map(|byte| match lexer.feed(byte) {
            Some(Event::End(head)) => Some(head),
            _ => None,
        });
        ended.unwrap_or_else(|| lexer.head())
    };
    for sql in ["select 1", " /* x */ SELECT 1;", "(SELECT 1)", "with a as (select 1) select 2;", "DO $$x$$;", "INSERT"]
    {
        assert_eq!(head(sql), Head::Rows, "{sql}");
    }
    for sql in ["CREATE TABLE a()", "create unlogged table a()", "CREATE OR REPLACE VIEW a AS", "CREATE UNIQUE INDEX"] {
        assert_eq!(head(sql), Head::Definition, "{sql}");
    }
    assert_eq!(head("CREATE OR REPLACE FUNCTION f() RETURNS int"), Head::Routine);
    for sql in
        ["ALTER TABLE a ADD b int;", "CREATE TYPE a AS ENUM ()", "CREATE FOREIGN DATA WRAPPER w", "", "\"select\" a"]
    {
        assert_eq!(head(sql), Head::Other, "{sql}");
    }
}

#[test]
fn what_is_open_at_the_end_is_known() {
    let is_between = |sql: &str| {
        let mut lexer = Lexer::default();
        for byte in sql.bytes() {
            lexer.feed(byte);
        }
        lexer.is_between()
    };
    for sql in ["", "SELECT 1", "SELECT 'a'", "SELECT $a$ $ $a $a$", "-- a", "/* /* */ */", "SELECT \"\""] {
        assert!(is_between(sql), "{sql}");
    }
    for sql in ["SELECT 'a", "SELECT $a$ $A$", "/* /* */", "SELECT \"", "SELECT (", "SELECT E'\\'"] {
        assert!(!is_between(sql), "{sql}");
    }
}
