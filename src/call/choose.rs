//! Which of several functions of one name is meant: by the number of the parameters, their names and their JSON kinds.
//! No I/O.

use serde_json::value::RawValue;

use super::params::{JsonKind, Params};
use super::signature::{Mode, Overload};
use super::types::{AnyOf, ParamType, Structure};

/// A function and what goes into its parameters.
#[derive(Debug)]
pub(super) struct Chosen<'o, 'a> {
    pub(super) overload: &'o Overload,
    /// For each argument.
    pub(super) given: Vec<Given<'a>>,
}

/// What an argument gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// Its default, or for OUT a placeholder.
    Nothing,
    /// One value.
    Value(Sent<'a>),
    /// The values at the end, for a VARIADIC argument.
    Collected(Vec<Sent<'a>>),
}

impl Chosen<'_, '_> {
    /// The name of the argument that gets the statement's parameter of this number. Those that are passed one by one
    /// come last, so numbers and arguments agree.
    pub(super) fn name_of(&self, number: usize) -> Option<&str> {
        let mut given = self.overload.arguments.iter().zip(&self.given).filter(|(_, given)| **given != Given::Nothing);
        given.nth(number.checked_sub(1)?).and_then(|(argument, _)| argument.name.as_deref())
    }
}

/// A value as it was sent; compares by what it is, not where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a>(pub(super) &'a RawValue);

impl PartialEq for Sent<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Sent<'_> {}

/// Why none is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A name in `params` twice.
    Twice(String),
    /// A name that no function of that name has.
    NoSuchName(String),
    /// None takes so many, or these names.
    Number,
    /// Several take them equally well.
    Ambiguous,
}

/// The function that fits best.
pub(super) fn choose<'o, 'a>(overloads: &'o [Overload], params: &Params<'a>) -> Result<Chosen<'o, 'a>, Refusal> {
    if let Params::Named(pairs) = params {
        check_names(overloads, pairs)?;
    }
    let mut best: Option<(Fit, Chosen<'o, 'a>)> = None;
    let mut tied = false;
    for overload in overloads {
        let Some(given) = distribute(overload, params) else { continue };
        let fit = Fit::of(overload, &given);
        match &best {
            Some((held, _)) if *held > fit => {}
            Some((held, _)) if *held == fit => tied = true,
            Some(_) | None => {
                best = Some((fit, Chosen { overload, given }));
                tied = false;
            }
        }
    }
    match best {
        Some(_) if tied => Err(Refusal::Ambiguous),
        Some((_, chosen)) => Ok(chosen),
        None => Err(Refusal::Number),
    }
}

fn check_names(overloads: &[Overload], pairs: &[(std::borrow::Cow<'_, str>, &RawValue)]) -> Result<(), Refusal> {
    for (index, (name, _)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(Refusal::Twice(name.to_string()));
        }
        let has = |overload: &Overload| {
            overload
                .arguments
                .iter()
                .any(|argument| argument.mode != Mode::Out && argument.name.as_deref() == Some(name.as_ref()))
        };
        if !overloads.iter().any(has) {
            return Err(Refusal::NoSuchName(name.to_string()));
        }
    }
    Ok(())
}

/// What each argument gets; `None` where the parameters do not fit in number or name.
fn distribute<'a>(overload: &Overload, params: &Params<'a>) -> Option<Vec<Given<'a>>> {
    let given = match params {
        Params::Positional(values) => by_position(overload, values)?,
        Params::Named(pairs) => by_name(overload, pairs)?,
    };
    let complete = overload
        .arguments
        .iter()
        .zip(&given)
        .all(|(argument, given)| *given != Given::Nothing || argument.has_default || argument.mode != Mode::In);
    complete.then_some(given)
}

fn by_position<'a>(overload: &Overload, values: &[&'a RawValue]) -> Option<Vec<Given<'a>>> {
    let mut values = values.iter().copied();
    let mut all = Vec::with_capacity(overload.arguments.len());
    for argument in &overload.arguments {
        all.push(match argument.mode {
            Mode::Out => Given::Nothing,
            Mode::In => values.next().map_or(Given::Nothing, |value| Given::Value(Sent(value))),
            Mode::Variadic => {
                let rest: Vec<Sent<'a>> = values.by_ref().map(Sent).collect();
                match rest.as_slice() {
                    [] if argument.has_default => Given::Nothing,
                    [whole] if is_whole(whole.0, &argument.of) => Given::Value(*whole),
                    _ => Given::Collected(rest),
                }
            }
        });
    }
    values.next().is_none().then_some(all)
}

fn by_name<'a>(overload: &Overload, pairs: &[(std::borrow::Cow<'a, str>, &'a RawValue)]) -> Option<Vec<Given<'a>>> {
    let mut used = 0;
    let mut all = Vec::with_capacity(overload.arguments.len());
    for argument in &overload.arguments {
        let named = |name: &str| pairs.iter().find(|(given, _)| given == name);
        let pair = argument.name.as_deref().filter(|_| argument.mode != Mode::Out).and_then(named);
        used += usize::from(pair.is_some());
        all.push(match (argument.mode, pair) {
            (Mode::Variadic, Some((_, value))) if is_whole(value, &argument.of) => Given::Value(Sent(value)),
            (Mode::Variadic, Some((_, value))) => Given::Collected(vec![Sent(value)]),
            (Mode::Variadic, None) if !argument.has_default => Given::Collected(Vec::new()),
            (_, Some((_, value))) => Given::Value(Sent(value)),
            (_, None) => Given::Nothing,
        });
    }
    (used == pairs.len()).then_some(all)
}

/// Whether a value given for a VARIADIC argument is all of its elements already.
fn is_whole(value: &RawValue, of: &ParamType) -> bool {
    match &of.structure {
        Structure::Array { element, .. } => {
            JsonKind::of(value) == JsonKind::Array && !matches!(element.structure, Structure::Json)
        }
        Structure::Any(AnyOf::Array) => JsonKind::of(value) == JsonKind::Array,
        Structure::Plain
        | Structure::Integer
        | Structure::Json
        | Structure::Hstore
        | Structure::Composite(_)
        | Structure::Any(AnyOf::Element) => false,
    }
}

/// How well a function fits; the greater the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// No value is of a kind that its argument cannot take.
    possible: bool,
    not_variadic: bool,
    without_defaults: bool,
    score: u32,
    preferred: usize,
}

impl Fit {
    fn of(overload: &Overload, given: &[Given<'_>]) -> Self {
        let mut fit = Self { possible: true, not_variadic: true, without_defaults: true, score: 0, preferred: 0 };
        for (argument, given) in overload.arguments.iter().zip(given) {
            match given {
                Given::Nothing => fit.without_defaults &= argument.mode == Mode::Out,
                Given::Value(value) => fit.add(JsonKind::of(value.0), &argument.of),
                Given::Collected(values) => {
                    fit.not_variadic = false;
                    if let Structure::Array { element, .. } = &argument.of.structure {
                        values.iter().for_each(|value| fit.add(JsonKind::of(value.0), element));
                    }
                }
            }
        }
        fit
    }

    fn add(&mut self, kind: JsonKind, of: &ParamType) {
        let suits = suits(kind, of);
        self.possible &= suits > 0;
        self.score += suits;
        self.preferred += usize::from(of.preferred);
    }
}

/// How well a JSON value suits a type, 0 (not at all) to 5.
fn suits(kind: JsonKind, of: &ParamType) -> u32 {
    let is_text = of.category == 'S';
    let name = of.name.as_str();
    match (kind, &of.structure) {
        (JsonKind::Null, _) => 1,
        (_, Structure::Any(_)) => 1,
        (JsonKind::Array, Structure::Array { .. }) => 5,
        (JsonKind::Object, Structure::Composite(_)) => 5,
        (JsonKind::Array | JsonKind::Object, Structure::Json) => 4,
        (JsonKind::Object, Structure::Hstore) => 3,
        (JsonKind::Array, Structure::Composite(_)) => 2,
        (_, Structure::Json) => 1,
        (JsonKind::String, _) if is_text => 5,
        (JsonKind::Bool, _) if of.category == 'B' => 5,
        (JsonKind::Integer, _) => match name {
            "int4" => 5,
            "int8" => 4,
            "int2" | "numeric" => 3,
            _ if of.category == 'N' => 2,
            _ if is_text => 1,
            _ => 0,
        },
        (JsonKind::Decimal, _) => match name {
            "numeric" => 5,
            "float8" => 4,
            "float4" => 3,
            _ if of.category == 'N' => 2,
            _ if is_text => 1,
            _ => 0,
        },
        // Whatever can be written as text: dates, uuids, enums.
        (JsonKind::String, Structure::Plain | Structure::Hstore) if !matches!(of.category, 'N' | 'B') => 4,
        (JsonKind::String, _) => 2,
        (JsonKind::Bool | JsonKind::Array | JsonKind::Object, _) if is_text => 1,
        (JsonKind::Bool | JsonKind::Array | JsonKind::Object, _) => 0,
    }
}

#[cfg(test)]
mod tests;
