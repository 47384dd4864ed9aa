//! Functions that stand alone: nothing but calls uses them.

use super::super::model::{Function, Id, Language, Model, Name};
use super::super::names::{self, sql_name};
use super::super::types::Type;
use super::{Effects, any};
use crate::support::random::Random;

const WORDS: &[&str] = &["count", "get_user", "find", "value", "do"];

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = model.new_id();
    // An overload has the name of another one; parameters of different numbers keep them apart.
    let overloaded = any(&model.functions, random).filter(|_| random.below(5) == 0).map(|one| one.name.clone());
    let name = overloaded.unwrap_or_else(|| Name { schema: "public".to_owned(), name: names::any(WORDS, id, random) });
    let mut parameters: Vec<_> = (0..random.below(3)).map(|_| new_parameter(model, random)).collect();
    while model.functions.iter().any(|one| one.name == name && one.parameters.len() == parameters.len()) {
        parameters.push(new_parameter(model, random));
    }
    let function = Function {
        id,
        name,
        parameters,
        result: Type::any(model, random),
        revision: 1,
        language: if random.below(2) == 0 { Language::Sql } else { Language::Plpgsql },
    };
    let words = format!("add function {}", sql_name(&function.name));
    model.functions.push(function);
    Some(words)
}

fn new_parameter(model: &mut Model, random: &mut Random) -> (String, Type) {
    let id = model.new_id();
    (names::any(&["p", "p_name"], id, random), Type::any(model, random))
}

pub(super) fn drop(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let function = any(&model.functions, random)?;
    let (id, words) = (function.id, format!("drop function {}", sql_name(&function.name)));
    model.functions.retain(|one| one.id != id);
    Some(words)
}

pub(super) fn change_body(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    change(model, random, "change the body of", |function, _, _| function.revision += 1)
}

pub(super) fn rename(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    change(model, random, "rename", |function, number, random| function.name.name = names::any(WORDS, number, random))
}

/// One more; where an overload has that many already, two more, and so on.
pub(super) fn change_parameters(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let function = any(&model.functions, random)?.clone();
    let mut parameters = function.parameters.clone();
    if parameters.len() < 4 {
        parameters.push(new_parameter(model, random));
    } else {
        parameters.pop();
    }
    let taken = |one: &Function| one.name == function.name && one.parameters.len() == parameters.len();
    if model.functions.iter().any(taken) {
        return None;
    }
    let one = model.functions.iter_mut().find(|one| one.id == function.id)?;
    one.parameters = parameters;
    Some(format!("change the parameters of {}", sql_name(&function.name)))
}

pub(super) fn change_result(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let result = Type::any(model, random);
    change(model, random, "change the result of", |function, _, _| function.result = result)
}

fn change(
    model: &mut Model,
    random: &mut Random,
    verb: &str,
    what: impl FnOnce(&mut Function, Id, &mut Random),
) -> Option<String> {
    let id = any(&model.functions, random)?.id;
    let number = model.new_id();
    let function = model.functions.iter_mut().find(|one| one.id == id)?;
    let words = format!("{verb} function {}", sql_name(&function.name));
    what(function, number, random);
    Some(words)
}
