//! JSON in, PostgreSQL's text out.

use std::sync::Arc;

use super::*;
use crate::call::types::Guess;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn text(json: &str, of: &ParamType) -> Result<Option<String>, TextError> {
    let mut out = Vec::new();
    let written = write(&raw(json), of, &mut out)?;
    Ok(written.then(|| String::from_utf8(out).unwrap()))
}

fn check(of: &ParamType, cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(text(json, of).unwrap().as_deref(), Some(*expected), "{json}");
    }
}

fn composite() -> ParamType {
    let attribute = |name: &str, guess: Guess| (name.to_owned(), guess.param_type());
    let structure = Structure::Composite(vec![
        attribute("a", Guess::Int4),
        attribute("b", Guess::Text),
        attribute("c", Guess::Texts),
        attribute("d", Guess::Jsonb),
    ]);
    ParamType { sql: "c".to_owned(), name: "c".to_owned(), category: 'C', preferred: false, structure }
}

#[test]
fn scalars_are_written_as_they_stand() {
    check(
        &Guess::Text.param_type(),
        &[
            (r#""""#, ""),
            (r#""it's \"5\" \\ \u00e4\n""#, "it's \"5\" \\ ä\n"),
            ("12345678901234567890.10", "12345678901234567890.10"),
            ("true", "true"),
            (r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        ],
    );
    assert_eq!(text("null", &Guess::Text.param_type()), Ok(None));
}

#[test]
fn integers_may_be_written_with_a_point_or_an_exponent() {
    check(
        &Guess::Int8.param_type(),
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("1.0", "1"),
            ("-1.50e1", "-15"),
            ("1e3", "1000"),
            ("1E+18", "1000000000000000000"),
            ("1200e-2", "12"),
            ("0.0", "0"),
            ("-0.0e5", "0"),
            // Not integral or far out of range: PostgreSQL says so.
            ("1.5", "1.5"),
            ("1e-1", "1e-1"),
            ("1e999999999", "1e999999999"),
            ("1e99999999999999999999", "1e99999999999999999999"),
            ("12e-3", "12e-3"),
        ],
    );
    check(&Guess::Numeric.param_type(), &[("1.0", "1.0"), ("1e3", "1e3")]);
}

#[test]
fn an_object_is_an_hstore_and_a_string_is_its_text() {
    let single = Arc::new(ParamType { structure: Structure::Hstore, ..ParamType::unknown() });
    check(
        &single,
        &[
            ("{}", ""),
            (r#"{"a":"1"}"#, r#""a"=>"1""#),
            (r#"{"a":null,"b":"null","":""}"#, r#""a"=>NULL,"b"=>"null",""=>"""#),
            (
                r#"{"a":1.50,"b":true,"c":[1],"d":{"e":"f"}}"#,
                r#""a"=>"1.50","b"=>"true","c"=>"[1]","d"=>"{\"e\":\"f\"}""#,
            ),
            (r#"{"it's \"q\" \\ =>, \u00e4":"\"\\"}"#, r#""it's \"q\" \\ =>, ä"=>"\"\\""#),
            (r#""a=>1""#, "a=>1"),
        ],
    );
    for (json, error) in [
        (r#"{"a":1,"a":2}"#, TextError::Twice("a".to_owned())),
        (r#"{"a\u0000":1}"#, TextError::Nul),
        (r#"{"a":"\u0000"}"#, TextError::Nul),
        (r#"{"\ud800":1}"#, TextError::Escape),
    ] {
        assert_eq!(text(json, &single), Err(error), "{json}");
    }
    let array = ParamType { structure: Structure::Array { element: single, delimiter: ',' }, ..ParamType::unknown() };
    check(&array, &[(r#"[{"a":"\""},null,"b=>2"]"#, r#"{"\"a\"=>\"\\\"\"",NULL,"b=>2"}"#)]);
}

#[test]
fn json_stays_json_and_a_string_is_json_text() {
    check(
        &Guess::Jsonb.param_type(),
        &[
            (r#"{"a": 1.10}"#, r#"{"a": 1.10}"#),
            ("[1,2]", "[1,2]"),
            ("true", "true"),
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#""\"text\"""#, r#""text""#),
        ],
    );
}

#[test]
fn arrays_become_literals() {
    check(
        &Guess::Int4s.param_type(),
        &[
            ("[]", "{}"),
            ("[1,null,3.0]", r#"{"1",NULL,"3"}"#),
            ("[[1,2],[3,4]]", r#"{{"1","2"},{"3","4"}}"#),
            (r#""{1,2}""#, "{1,2}"),
        ],
    );
    check(
        &Guess::Texts.param_type(),
        &[
            (r#"["a,b","NULL","",null,"\"\\","{}"," x "]"#, r#"{"a,b","NULL","",NULL,"\"\\","{}"," x "}"#),
            (r#"[true,{"a":"b"}]"#, r#"{"true","{\"a\":\"b\"}"}"#),
        ],
    );
    check(
        &Guess::Jsonbs.param_type(),
        &[(r#"[{"a":[1]},[1,2],"\"x\"",null]"#, r#"{"{\"a\":[1]}","[1,2]","\"x\"",NULL}"#)],
    );
    let boxes = ParamType {
        sql: "b".to_owned(),
        name: "b".to_owned(),
        category: 'A',
        preferred: false,
        structure: Structure::Array { element: Guess::Text.param_type(), delimiter: ';' },
    };
    check(&boxes, &[(r#"["(1,1),(0,0)","x"]"#, r#"{"(1,1),(0,0)";"x"}"#)]);
}

#[test]
fn objects_become_composites() {
    check(
        &composite(),
        &[
            (r#"{}"#, "(,,,)"),
            (r#"{"b":"x","a":1.0}"#, r#"("1","x",,)"#),
            (
                r#"{"b":"q\"\\,()","c":["y\"",null],"d":{"k":"v"}}"#,
                r#"(,"q""\\,()","{""y\\"""",NULL}","{""k"":""v""}")"#,
            ),
            (r#"[1,null,[],"[1]"]"#, r#"("1",,"{}","[1]")"#),
            (r#""(1,x,,)""#, "(1,x,,)"),
        ],
    );
    let many = ParamType {
        sql: "c".to_owned(),
        name: "c".to_owned(),
        category: 'A',
        preferred: false,
        structure: Structure::Array { element: Arc::new(composite()), delimiter: ',' },
    };
    check(&many, &[(r#"[{"b":"x\"y"},null]"#, r#"{"(,\"x\"\"y\",,)",NULL}"#)]);
}

#[test]
fn what_cannot_be_sent_is_named() {
    for (json, of, error) in [
        (r#""a\u0000b""#, Guess::Text.param_type(), TextError::Nul),
        (r#"["a\u0000b"]"#, Guess::Texts.param_type(), TextError::Nul),
        (r#""\ud800""#, Guess::Text.param_type(), TextError::Escape),
        (r#"{"a":1,"a":2}"#, Arc::new(composite()), TextError::Twice("a".to_owned())),
    ] {
        assert_eq!(text(json, &of), Err(error), "{json}");
    }
    let message = text(r#"{"z":1}"#, &composite()).unwrap_err().to_string();
    assert_eq!(message, r#"has "z", which c has not; it has a, b, c, d"#);
    let message = text("[1,2]", &composite()).unwrap_err().to_string();
    assert_eq!(message, "has 2 values for the 4 attributes of c");
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    assert_eq!(text(&deep, &Guess::Int4s.param_type()), Err(TextError::Depth));
}
