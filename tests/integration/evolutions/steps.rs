//! What developers do to a schema from one version to the next: each step changes a model, and says what that means for
//! the databases that are there.

mod columns;
mod enums;
mod functions;
mod parts;
mod tables;
mod views;

use std::collections::HashSet;

pub(super) use self::views::column_name;

use super::extras;
use super::model::{Id, Model};
use crate::support::random::Random;

/// What a deployment's steps mean for a database that is there.
#[derive(Default)]
pub(super) struct Effects {
    /// Table and column whose values a migration changes.
    pub(super) rewritten: HashSet<(Id, Id)>,
}

/// Changes the model, if there is anything to do it to, and says so in words. `deployed` is what the database is at.
type Step = fn(&mut Model, &Model, &mut Random, &mut Effects) -> Option<String>;

/// Each with how often it is taken, compared with the others.
const STEPS: &[(usize, Step)] = &[
    (4, tables::add),
    (1, tables::drop),
    (1, tables::rename),
    (1, tables::comment),
    (6, columns::add),
    (2, columns::drop),
    (3, columns::rename),
    (4, columns::widen),
    (2, columns::narrow),
    (3, columns::change_default),
    (2, columns::drop_not_null),
    (1, columns::set_not_null),
    (1, columns::fill_and_set_not_null),
    (4, parts::add),
    (2, parts::drop),
    (2, parts::change),
    (3, views::add),
    (1, views::drop),
    (2, views::change),
    (4, functions::add),
    (2, functions::drop),
    (3, functions::change_body),
    (2, functions::rename),
    (2, functions::change_parameters),
    (1, functions::change_result),
    (2, enums::add),
    (3, enums::add_value),
    (6, extras::add),
    (12, extras::change),
];

/// Takes one step that the model allows; what it was.
pub(super) fn take(model: &mut Model, deployed: &Model, random: &mut Random, effects: &mut Effects) -> String {
    let total: usize = STEPS.iter().map(|(weight, _)| weight).sum();
    loop {
        let mut number = random.below(total);
        let chosen = STEPS.iter().find(|(weight, _)| match number.checked_sub(*weight) {
            Some(rest) => {
                number = rest;
                false
            }
            None => true,
        });
        let (_, step) = chosen.expect("the number is below the sum");
        if let Some(words) = step(model, deployed, random, effects) {
            return words;
        }
    }
}

/// A first version: nothing but additions.
pub(super) fn first_version(random: &mut Random) -> Model {
    let mut model = Model::default();
    let (nothing, mut effects) = (Model::default(), Effects::default());
    if random.below(3) == 0 {
        let schema = ["shop", "Back Office"][random.below(2)];
        model.schemas.push(schema.to_owned());
    }
    let additions: [(usize, Step); 6] =
        [(3, enums::add), (5, tables::add), (6, parts::add), (3, views::add), (6, functions::add), (6, extras::add)];
    for (most, step) in additions {
        for _ in 0..=random.below(most) {
            step(&mut model, &nothing, random, &mut effects);
        }
    }
    model
}

/// One of these, if there is one.
pub(super) fn any<'a, T>(items: impl IntoIterator<Item = &'a T>, random: &mut Random) -> Option<&'a T> {
    let items: Vec<_> = items.into_iter().collect();
    if items.is_empty() { None } else { Some(items[random.below(items.len())]) }
}
