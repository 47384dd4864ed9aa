//! Which overload wins; whether PostgreSQL agrees is tested in `tests/call/params.rs`.

use super::*;
use crate::call::signature::{Argument, Kind};
use crate::call::types::Guess;

fn argument(name: &str, guess: Guess, mode: Mode, has_default: bool) -> Argument {
    Argument { name: Some(name.to_owned()), mode, has_default, of: guess.param_type() }
}

fn overload(display: &str, arguments: Vec<Argument>) -> Overload {
    let sql = display.to_owned();
    let may_write = true;
    Overload {
        oid: 1,
        alias: sql.clone(),
        sql,
        kind: Kind::Function,
        may_write,
        arguments,
        display: display.to_owned(),
    }
}

fn given(name: &str, guess: Guess) -> Argument {
    argument(name, guess, Mode::In, false)
}

/// The display of the chosen one and what each argument gets, or the refusal.
fn check(overloads: &[Overload], params: &str) -> Result<(String, Vec<String>), Refusal> {
    let raw = RawValue::from_string(params.to_owned()).unwrap();
    let params = Params::parse(Some(&raw)).unwrap();
    let chosen = choose(overloads, &params)?;
    let given = chosen.given.iter().map(|given| match given {
        Given::Nothing => "-".to_owned(),
        Given::Value(value) => value.0.get().to_owned(),
        Given::Collected(values) => {
            let values: Vec<_> = values.iter().map(|value| value.0.get()).collect();
            format!("({})", values.join(" "))
        }
    });
    Ok((chosen.overload.display.clone(), given.collect()))
}

#[test]
fn kinds_of_values_decide_between_types() {
    let single = |guess: Guess| overload(&format!("{guess:?}"), vec![given("a", guess)]);
    let overloads: Vec<_> =
        [Guess::Text, Guess::Bool, Guess::Int4, Guess::Numeric, Guess::Jsonb, Guess::Int4s].map(single).into();
    for (params, wanted) in [
        ("[\"5\"]", "Text"),
        ("[5]", "Int4"),
        ("[5.5]", "Numeric"),
        ("[true]", "Bool"),
        ("[{}]", "Jsonb"),
        ("[[5]]", "Int4s"),
    ] {
        assert_eq!(check(&overloads, params).unwrap().0, wanted, "{params}");
    }
    assert_eq!(check(&overloads, "[null]"), Err(Refusal::Ambiguous));
    assert_eq!(check(&overloads, "[1,2]"), Err(Refusal::Number));
}

#[test]
fn the_exact_number_comes_before_defaults_and_these_before_variadic() {
    let overloads = [
        overload("variadic", vec![argument("a", Guess::Int4s, Mode::Variadic, false)]),
        overload("default", vec![given("a", Guess::Int4), argument("b", Guess::Int4, Mode::In, true)]),
        overload("exact", vec![given("a", Guess::Int4)]),
    ];
    assert_eq!(check(&overloads, "[1]").unwrap(), ("exact".to_owned(), vec!["1".to_owned()]));
    assert_eq!(check(&overloads, "[1,2]").unwrap().0, "default");
    assert_eq!(check(&overloads, "[1,2,3]").unwrap(), ("variadic".to_owned(), vec!["(1 2 3)".to_owned()]));
    assert_eq!(check(&overloads[..2], "[1]").unwrap().0, "default");
}

#[test]
fn out_parameters_are_left_to_the_gateway() {
    let arguments = vec![
        argument("o", Guess::Int4, Mode::Out, false),
        given("a", Guess::Int4),
        argument("b", Guess::Text, Mode::In, true),
    ];
    let overloads = [overload("p", arguments)];
    assert_eq!(check(&overloads, "[1]").unwrap().1, ["-", "1", "-"]);
    assert_eq!(check(&overloads, "{\"b\":\"x\",\"a\":1}").unwrap().1, ["-", "1", "\"x\""]);
    assert_eq!(check(&overloads, "{\"a\":1,\"o\":2}"), Err(Refusal::NoSuchName("o".to_owned())));
    assert_eq!(check(&overloads, "{\"a\":1,\"a\":2}"), Err(Refusal::Twice("a".to_owned())));
    assert_eq!(check(&overloads, "{\"b\":\"x\"}"), Err(Refusal::Number));
}
