//! What functions leave, by what their texts say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Catalog;
use crate::call::tidy::reach::Leaves;

fn function(oid: u32, name: &str, text: &str) -> Value {
    json!({
        "oid": oid, "name": name, "language": "sql", "bound": true, "extension": null, "text": text, "uses": null
    })
}

fn leaves(catalog: &Value) -> BTreeMap<u32, Leaves> {
    let mut whole = json!({
        "readable": true, "forbidden": ["set_config", "nextval", "query_to_xml"], "functions": [], "views": null,
        "tables": null, "unnamed": null, "used": null
    });
    let members = whole.as_object_mut().unwrap();
    members.extend(catalog.as_object().unwrap().clone());
    let catalog: Catalog = serde_json::from_value(whole).unwrap();
    catalog.leaves().into_iter().collect()
}

/// Those that leave nothing.
fn tidy(catalog: &Value) -> Vec<u32> {
    leaves(catalog).into_iter().filter(|(_, leaves)| *leaves == Leaves::Nothing).map(|(oid, _)| oid).collect()
}

#[test]
fn what_reaches_something_volatile_is_not_tidy() {
    let mut writer = function(4, "writer", "INSERT INTO t VALUES (1)");
    writer["bound"] = json!(false);
    let functions = json!([
        function(1, "reads", "SELECT * FROM t"),
        function(2, "sets", "SELECT SET_CONFIG('x', 'y', false)"),
        function(3, "calls", r#"SELECT "sets"()"#),
        writer,
        function(5, "writes", "SELECT public.writer()"),
        function(6, "looks", "SELECT * FROM window_on_sets"),
        function(7, "again", "SELECT again() FROM harmless"),
        function(8, "built", "BEGIN RETURN QUERY EXECUTE 'SELECT 1'; END"),
        function(9, "hidden", r#"SELECT U&"s\0065ts"()"#),
        function(10, "unreadable", "SELECT 'never ends"),
        function(11, "quotes", "SELECT 'set_config', $$sets$$ -- sets"),
    ]);
    let views = json!([
        { "name": "window_on_sets", "text": "SELECT sets FROM calls()" },
        { "name": "harmless", "text": "SELECT a FROM t" }
    ]);
    assert_eq!(tidy(&json!({ "functions": functions, "views": views })), [1, 7, 11]);
}

#[test]
fn a_language_with_state_of_its_own_is_not_tidy_and_c_is_believed_of_some() {
    let in_language = |oid: u32, name: &str, language: &str, text: &str| {
        let mut function = function(oid, name, text);
        function["language"] = json!(language);
        function
    };
    let mut functions = json!([
        in_language(1, "similarity", "c", "text, text"),
        in_language(2, "snake", "plpython3u", "text"),
        in_language(3, "asks", "plpgsql", "BEGIN RETURN similarity('x', 'y'); END"),
        in_language(4, "bites", "plpgsql", "BEGIN RETURN snake('x'); END"),
        in_language(5, "crosstab", "c", "text"),
        in_language(6, "runs", "sql", "SELECT crosstab('SELECT 1')"),
        in_language(7, "disguised", "internal", "text"),
        in_language(8, "passes", "sql", "SELECT disguised('x')"),
    ]);
    functions[0]["extension"] = json!("pg_trgm");
    functions[4]["extension"] = json!("tablefunc");
    assert_eq!(tidy(&json!({ "functions": functions })), [3]);
    functions[0]["extension"] = json!(null);
    assert_eq!(tidy(&json!({ "functions": functions })), Vec::<u32>::new());
}

#[test]
fn an_aggregate_is_as_tidy_as_its_parts() {
    let mut aggregate = function(2, "total", "integer");
    aggregate["language"] = json!("aggregate");
    aggregate["uses"] = json!([1]);
    let step = |text| json!([function(1, "step", text), aggregate, function(3, "sum_up", "SELECT total(x) FROM t")]);
    assert_eq!(tidy(&json!({ "functions": step("SELECT $1 + $2") })), [1, 3]);
    assert_eq!(tidy(&json!({ "functions": step("SELECT set_config('a', 'b', false)::int") })), Vec::<u32>::new());
    let mut built_in = step("SELECT $1 + $2");
    built_in[1]["uses"] = json!(null);
    assert_eq!(tidy(&json!({ "functions": built_in })), [1, 3], "PostgreSQL's own that do no harm are not told");
    let mut strange = step("SELECT $1 + $2");
    strange[1]["uses"] = json!([99]);
    assert_eq!(tidy(&json!({ "functions": strange })), [1], "what it consists of is not known");
}

#[test]
fn what_is_run_without_being_named_counts_for_all() {
    let functions =
        json!([function(1, "reads", "SELECT 1"), function(2, "checks", "SELECT set_config('a', 'b', false)")]);
    let with = |name: &str, value: Value| json!({ "functions": functions, name: value });
    assert_eq!(tidy(&with("unnamed", json!(["(a > 0)"]))), [1]);
    for (name, value) in [
        ("unnamed", json!(["(a > 0)", "checks(a)"])),
        ("used", json!([2])),
        ("used", json!([99])),
        ("readable", json!(false)),
    ] {
        assert_eq!(tidy(&with(name, value.clone())), Vec::<u32>::new(), "{name} {value}");
    }
}

#[test]
fn names_are_cut_as_postgresql_cuts_them() {
    let long = "x".repeat(70);
    let functions = json!([
        function(1, &long[..63], "SELECT set_config('a', 'b', false)"),
        function(2, "calls", &format!("SELECT {long}()")),
    ]);
    assert_eq!(tidy(&json!({ "functions": functions })), Vec::<u32>::new());
}

/// In a database with these functions: of one in SQL with this text, volatile or not.
fn leaves_with(others: &[Value], bound: bool, text: &str) -> Leaves {
    let mut asked = function(1, "asked", text);
    asked["bound"] = json!(bound);
    let functions: Vec<_> = others.iter().cloned().chain([asked]).collect();
    leaves(&json!({ "functions": functions }))[&1]
}

#[test]
fn what_a_function_may_leave_is_told_by_what_it_may_run() {
    let mut writer = function(2, "writer", "INSERT INTO t VALUES (1)");
    writer["bound"] = json!(false);
    let mut preparer = function(3, "preparer", "PREPARE p AS SELECT 1");
    preparer["bound"] = json!(false);
    let others = [writer, preparer];
    for (bound, text, expected) in [
        (true, "SELECT 1", Leaves::Nothing),
        (true, "SELECT set_config('a', 'b', true)", Leaves::Settings),
        (true, "SELECT nextval('s')", Leaves::Objects),
        (true, "SELECT writer()", Leaves::Objects),
        (true, "SELECT preparer()", Leaves::Statements),
        (true, "SELECT query_to_xml('SELECT preparer()', true, true, '')", Leaves::Statements),
        (false, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", Leaves::Objects),
        (false, "CREATE TEMP TABLE x (a int); CREATE INDEX ON x (a); ALTER TABLE x ADD b int", Leaves::Objects),
        (false, "SELECT preparer()", Leaves::Statements),
        (false, "DEALLOCATE ALL", Leaves::Statements),
        (false, "BEGIN EXECUTE 'SELECT 1'; END", Leaves::Statements),
        (false, "DO 'BEGIN PREPARE p AS SELECT 1; END'", Leaves::Statements),
        (false, "DO LANGUAGE plpgsql $$BEGIN PREPARE p AS SELECT 1; END$$", Leaves::Statements),
        (false, "CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS 'PREPARE p AS SELECT 1'", Leaves::Statements),
        (false, "CREATE OR REPLACE TEMP VIEW v AS SELECT 1", Leaves::Objects),
        (false, "ALTER FUNCTION f() SET search_path = x", Leaves::Statements),
        (false, "LOAD 'auto_explain'", Leaves::Anything),
        (false, "SELECT load FROM machine", Leaves::Objects),
    ] {
        assert_eq!(leaves_with(&others, bound, text), expected, "{text}");
    }
}

#[test]
fn what_keeps_something_in_c_makes_text_leave_anything() {
    let mut connect = function(2, "dblink_connect", "text, text");
    (connect["language"], connect["bound"]) = (json!("c"), json!(false));
    connect["extension"] = json!("dblink");
    let mut area = function(3, "st_area", "geometry");
    (area["language"], area["extension"]) = (json!("c"), json!("postgis"));
    let others = [connect, area];
    for (bound, text, expected) in [
        (true, "SELECT st_area(g) FROM t", Leaves::Settings),
        (false, "INSERT INTO t VALUES (1)", Leaves::Objects),
        (false, "SELECT dblink_connect('a', 'b')", Leaves::Anything),
        (true, "SELECT dblink_connect('a', 'b')", Leaves::Anything),
        (false, "BEGIN EXECUTE 'SELECT 1'; END", Leaves::Anything),
    ] {
        assert_eq!(leaves_with(&others, bound, text), expected, "{text}");
    }
}

#[test]
fn writing_to_a_table_runs_what_it_has() {
    let mut noted = function(2, "noted", "BEGIN EXECUTE 'SELECT 1'; END");
    (noted["language"], noted["bound"]) = (json!("plpgsql"), json!(false));
    let table = |name: &str, functions: Value, text: Value, foreign: bool| json!({ "name": name, "functions": functions, "text": text, "foreign": foreign });
    let with = |bound: bool, text: &str| {
        let mut asked = function(1, "asked", text);
        asked["bound"] = json!(bound);
        let catalog = json!({
            "functions": [asked, noted],
            "views": [{ "name": "window_on_audited", "text": "SELECT * FROM audited" }],
            "tables": [
                table("audited", json!([2]), json!(null), false),
                table("ruled", json!(null), json!("CREATE RULE r AS ON INSERT TO ruled DO SELECT noted()"), false),
                table("elsewhere", json!(null), json!(null), true),
            ]
        });
        leaves(&catalog)[&1]
    };
    for (bound, text, expected) in [
        (true, "SELECT * FROM audited, window_on_audited, ruled", Leaves::Nothing),
        (true, "SELECT * FROM elsewhere", Leaves::Anything),
        (false, "INSERT INTO plain VALUES (1)", Leaves::Objects),
        (false, "INSERT INTO audited VALUES (1)", Leaves::Anything),
        (false, "INSERT INTO window_on_audited VALUES (1)", Leaves::Anything),
        (false, "INSERT INTO ruled VALUES (1)", Leaves::Anything),
    ] {
        assert_eq!(with(bound, text), expected, "{text}");
    }
}
