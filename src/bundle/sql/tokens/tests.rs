//! Text in, equal or different checksums out.

use super::*;

/// Of a statement as a bundle has it, so that what is a body is decided as it is in a deployment.
fn checksum_of(text: &str) -> String {
    use crate::bundle::{Kind, SourceFile};
    let file = SourceFile { kind: Kind::Functions, path: "functions/a.sql".to_owned(), text: text.into() };
    let mut facts = crate::bundle::sql::read(&file, crate::bundle::Rules::Current)
        .unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(facts.statements.len(), 1, "{text:?}");
    facts.statements.remove(0).checksum
}

fn function(language: &str, literal: &str) -> String {
    format!("CREATE FUNCTION f(p_a text) RETURNS text LANGUAGE {language} AS {literal}")
}

#[test]
fn statements_that_postgresql_reads_alike_have_one_checksum() {
    for (one, other) in [
        ("SELECT a FROM t", "select  A\n\tfrom\r\n T -- why\n/* not */"),
        ("SELECT a FROM t", "/* one /* in another */ and on */ SELECT a -- it's\nFROM t;"),
        ("CREATE TABLE Users(id INT)", "create table users (\n    id int\n)"),
        ("SELECT a+b", "SELECT a + b"),
        ("SELECT a.b", "SELECT a . B"),
        ("SELECT 'a'::text", "SELECT 'a' :: TEXT"),
        ("SELECT f($1)", "SELECT F ( $1 )"),
        ("CREATE VIEW v AS SELECT \"A\" FROM t", "CREATE VIEW V as\nSELECT \"A\" FROM T"),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
            "create function F() returns INT begin atomic select 1 ; end",
        ),
        ("COMMENT ON FUNCTION f IS 'it''s'", "comment on function F is 'it''s' -- this"),
    ] {
        assert_eq!(checksum_of(one), checksum_of(other), "{one:?} and {other:?}");
    }
}

#[test]
fn a_body_is_compared_as_a_program_however_it_is_quoted() {
    for (one, other) in [
        ("$$SELECT 'a'$$", "$$\n  select   'a' -- same\n$$"),
        ("$$SELECT 'a'$$", "$body$ SELECT /* $$ */ 'a' $body$"),
        ("$$SELECT 'a'$$", "$é$SELECT 'a'$é$"),
        ("$$SELECT 'a'$$", "'SELECT ''a'''"),
        ("'SELECT ''a'''", "'select  /* /* */ */ ''a'' '"),
        ("'SELECT 1'", "E'SELECT\\n1'"),
        ("'SELECT 1'", "E'SELECT\\t\\x31'"),
        ("'SELECT 1'", "U&'SELECT\\00201'"),
        ("'SELECT 1'", "'SELECT '\n'1'"),
        ("$$SELECT $q$a$q$ $$", "$f$select $q$a$q$ $f$"),
        ("$$ $$", "''"),
    ] {
        assert_eq!(checksum_of(&function("sql", one)), checksum_of(&function("sql", other)), "{one} and {other}");
    }
    for (one, other) in [
        (
            "$$ BEGIN IF P_A THEN v_x := 1; END IF; RETURN p_a; END $$",
            "$x$\nbegin\n  if p_a then\n    V_X := 1; -- one\n  end if;\n  return P_a;\nend\n$x$",
        ),
        (
            "$$<<outer>> BEGIN FOR i IN 1..10 LOOP EXIT outer; END LOOP; END$$",
            "$$ << OUTER >>\nbegin for I in 1 .. 10 loop exit Outer; end loop; end $$",
        ),
        ("$$DECLARE x t.id%TYPE; BEGIN RETURN x[1:2]; END$$", "$$declare X T.id%type; begin return x [ 1 : 2 ]; end$$"),
    ] {
        for language in ["plpgsql", "PLpgSQL"] {
            let (one, other) = (function(language, one), function(language, other));
            assert_eq!(checksum_of(&one.replace("PLpgSQL", "plpgsql")), checksum_of(&other), "{one} and {other}");
        }
    }
}

#[test]
fn statements_that_may_mean_something_else_have_other_checksums() {
    for (one, other) in [
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("SELECT 'A'", "SELECT 'a'"),
        ("SELECT 'a -- b'", "SELECT 'a'"),
        ("SELECT 'a /* b */'", "SELECT 'a '"),
        ("SELECT E'a\\n'", "SELECT E'a\\N'"),
        ("SELECT E'a\\n'", "SELECT 'a\\n'"),
        ("SELECT U&'\\00e9'", "SELECT U&'\\00E8'"),
        ("SELECT U&\"\\0041\"", "SELECT U&\"\\0061\""),
        ("SELECT B'01'", "SELECT B'10'"),
        ("SELECT X'0a'", "SELECT X'0b'"),
        ("SELECT \"A\"", "SELECT \"a\""),
        ("SELECT \"a b\"", "SELECT \"a  b\""),
        ("SELECT É", "SELECT é"),
        ("SELECT $$a -- b$$", "SELECT $$a$$"),
        ("SELECT $a$x$a$", "SELECT $a$X$a$"),
        ("SELECT ab", "SELECT a b"),
        ("SELECT 1", "SELECT 2"),
        ("SELECT 1.0", "SELECT 1.00"),
        ("SELECT 12", "SELECT 1, 2"),
        ("SELECT a - - b", "SELECT a-b"),
        ("SELECT a <= b", "SELECT a < b"),
        ("SELECT a ->> b", "SELECT a -> b"),
        ("SELECT f($1)", "SELECT f($2)"),
        ("SELECT 'a'\n'b'", "SELECT 'a' || 'b'"),
        ("SELECT 'a'\n'b'", "SELECT 'a', 'b'"),
    ] {
        assert_ne!(checksum_of(one), checksum_of(other), "{one:?} and {other:?}");
    }
}

#[test]
fn a_change_in_a_body_is_seen() {
    for language in ["sql", "plpgsql"] {
        for (one, other) in [
            ("$$SELECT 'a'$$", "$$SELECT 'A'$$"),
            ("'SELECT ''a'''", "'SELECT ''a '''"),
            ("$$SELECT $q$a $q$ $$", "$$SELECT $q$a  $q$ $$"),
            ("$$SELECT \"a\"$$", "$$SELECT \"A\"$$"),
            ("$$SELECT 1$$", "$$SELECT 11$$"),
            ("$$SELECT E'\\n'$$", "$$SELECT E'\\t'$$"),
            ("$$SELECT 'a' -- 'b'\n$$", "$$SELECT 'a' 'b'\n$$"),
            // The last word of the body, or the first one behind it.
            ("$$SELECT p_a immutable$$", "$$SELECT p_a$$ IMMUTABLE"),
        ] {
            let (one, other) = (function(language, one), function(language, other));
            assert_ne!(checksum_of(&one), checksum_of(&other), "{one} and {other}");
        }
    }
}

#[test]
fn a_body_in_another_language_counts_to_the_letter() {
    for language in ["plpython3u", "plperl", "pltcl", "plv8", "c", "internal"] {
        for (one, other) in [
            ("$$\nif a:\n  b()\nc()\n$$", "$$\nif a:\n  b()\n  c()\n$$"),
            ("$$return A$$", "$$return a$$"),
            ("$$a # b$$", "$$a$$"),
            ("'x -- y'", "'x'"),
        ] {
            let (one, other) = (function(language, one), function(language, other));
            assert_ne!(checksum_of(&one), checksum_of(&other), "{one} and {other}");
        }
        let spaced = function(language, "$$x$$").replace(" RETURNS", "\n  returns -- text\n ");
        assert_eq!(checksum_of(&function(language, "$$x$$")), checksum_of(&spaced), "{spaced}");
    }
}

#[test]
fn calls_in_a_body_are_seen() {
    let found = called_names("BEGIN NEW.n := app.count_it(\"Odd\"(x)) + 1; INSERT INTO t (a) VALUES (f()); END");
    let found: Vec<_> = found.iter().map(|(schema, name)| (schema.as_deref(), name.as_str())).collect();
    assert_eq!(found, [(Some("app"), "count_it"), (None, "Odd"), (None, "t"), (None, "f")]);
}

#[test]
fn the_offending_token_is_found() {
    let check = |sql: &str, expected: &str| {
        let Err(pg_query::Error::Parse(message)) = grammar::parse(sql) else {
            panic!("{sql:?} parses");
        };
        let at = error_offset(sql, &message);
        assert!(sql[at..].starts_with(expected), "{sql:?}: {message} at {:?}", &sql[at..]);
    };
    check("CREATE TABLE a(x int);\nCREATE TABL b();", "TABL b");
    check("SELECT 1;\nSELECT FROM WHERE x", "WHERE x");
    check("SELECT 1;\n\\d users", "\\d");
    check("SELECT 'é', 'abc", "'abc");
    check("CREATE TABLE a(x int", "int");
    check("CREATE TABLE a(\n  x int,\n)", ")");
}
