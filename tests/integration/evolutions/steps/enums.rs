//! Enum types.

use super::super::model::{EnumType, Model, Name};
use super::super::names::{self, sql_name};
use super::{Effects, any};
use crate::support::random::Random;

pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = model.new_id();
    let name = Name { schema: "public".to_owned(), name: names::any(&["state", "kind", "mood"], id, random) };
    let values = (0..=random.below(3)).map(|number| format!("value {number}")).collect();
    let words = format!("add enum {}", sql_name(&name));
    model.enums.push(EnumType { id, name, values, new_values: Vec::new() });
    Some(words)
}

/// At the start, in the middle or at the end.
pub(super) fn add_value(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let id = any(&model.enums, random)?.id;
    let number = model.new_id();
    let one = model.enums.iter_mut().find(|one| one.id == id)?;
    let value = format!("it's {number}");
    one.values.insert(random.below(one.values.len() + 1), value.clone());
    one.new_values.push(value);
    Some(format!("add a value to enum {}", sql_name(&one.name)))
}
