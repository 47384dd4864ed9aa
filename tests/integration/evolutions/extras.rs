//! Things that no model describes part by part: each stands alone, in some variants of its text, and a step takes it from one to
//! another. Between them is everything else that `pg_dump` prints of a schema: states of triggers, policies, grants,
//! publications, storage, comments, partitions, seeders with other statements.

mod kinds;

use super::model::{Id, Model};
use super::steps::Effects;
use crate::support::random::Random;
use crate::support::{BundleBuilder, Sql};

/// A kind of thing. In every text `@` stands for the number of one.
pub(super) struct Kind {
    /// In words.
    pub(super) name: &'static str,
    /// Files of every variant.
    pub(super) always: &'static [(&'static str, &'static str)],
    /// What a file's text says beside, or a file's text, by variant.
    pub(super) variants: &'static [&'static [(&'static str, &'static str)]],
    /// Customers' rows, which come after the first deployment.
    pub(super) rows: &'static str,
    /// A query of what has to stay whatever is deployed; empty: nothing.
    pub(super) stays: &'static str,
    /// What a migration has to do from one variant to another; a kind that has any goes only these ways.
    pub(super) ways: &'static [(usize, usize, &'static str)],
}

/// One of them, in a bundle.
#[derive(Clone)]
pub(super) struct Extra {
    pub(super) id: Id,
    kind: &'static Kind,
    variant: usize,
    /// Whether the customers' rows are there.
    filled: bool,
}

impl Extra {
    fn text(&self, text: &str) -> String {
        text.replace('@', &self.id.to_string())
    }

    /// Its files. What several texts say of one file stands in it one after the other.
    pub(super) fn render(&self, mut made: BundleBuilder) -> BundleBuilder {
        let mut files: Vec<(String, String)> = Vec::new();
        for (path, text) in self.kind.always.iter().chain(self.kind.variants[self.variant]) {
            let (path, text) = (self.text(path), self.text(text));
            match files.iter_mut().find(|(other, _)| *other == path) {
                Some((_, all)) => *all = format!("{all}\n{text}"),
                None => files.push((path, text)),
            }
        }
        for (path, text) in files {
            made = made.file(&path, format!("{text}\n"));
        }
        made
    }
}

/// What must be the same before and after a deployment.
pub(super) async fn read(sql: &Sql, model: &Model) -> Vec<(Id, Vec<String>)> {
    let mut all = Vec::new();
    for extra in model.extras.iter().filter(|extra| extra.filled && !extra.kind.stays.is_empty()) {
        all.push((extra.id, sql.column(&extra.text(extra.kind.stays)).await));
    }
    all
}

/// What became of it, in words, of those that both have.
pub(super) fn differences(before: &[(Id, Vec<String>)], after: &[(Id, Vec<String>)]) -> Vec<String> {
    let now = |id: Id| after.iter().find(|(other, _)| *other == id).map(|(_, values)| values);
    before
        .iter()
        .filter(|(id, values)| now(*id).is_some_and(|now| now != values))
        .map(|(id, values)| format!("the rows of extra {id} were {values:?} and are {:?}", now(*id)))
        .collect()
}

/// The customers' rows of those that have none yet.
pub(super) async fn fill(sql: &Sql, model: &mut Model) {
    for extra in model.extras.iter_mut().filter(|extra| !extra.filled) {
        extra.filled = true;
        if !extra.kind.rows.is_empty() {
            sql.run(&extra.text(extra.kind.rows)).await;
        }
    }
}

/// One more.
pub(super) fn add(model: &mut Model, _: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    let kind = &kinds::ALL[random.below(kinds::ALL.len())];
    let id = model.new_id();
    let variant = random.below(kind.variants.len());
    model.extras.push(Extra { id, kind, variant, filled: false });
    Some(format!("add {} {id} as variant {variant}", kind.name))
}

/// Takes one to another variant.
pub(super) fn change(model: &mut Model, deployed: &Model, random: &mut Random, _: &mut Effects) -> Option<String> {
    // Of what is new itself, a migration has nothing to change.
    let there: Vec<usize> = (0..model.extras.len())
        .filter(|at| {
            deployed.extras.iter().any(|one| one.id == model.extras[*at].id && one.variant == model.extras[*at].variant)
        })
        .collect();
    let at = *super::steps::any(&there, random)?;
    let extra = &mut model.extras[at];
    let from = extra.variant;
    let possible: Vec<(usize, &str)> = match extra.kind.ways {
        [] => (0..extra.kind.variants.len()).filter(|to| *to != from).map(|to| (to, "")).collect(),
        ways => ways.iter().filter(|(one, _, _)| *one == from).map(|(_, to, sql)| (*to, *sql)).collect(),
    };
    let (to, sql) = *super::steps::any(&possible, random)?;
    extra.variant = to;
    let (id, name, sql) = (extra.id, extra.kind.name, extra.text(sql));
    if !sql.is_empty() {
        model.migrate(id, sql);
    }
    Some(format!("change {name} {id} from variant {from} to {to}"))
}

/// Each kind with its variants as bundles of their own.
pub(super) fn each() -> Vec<(&'static str, Vec<BundleBuilder>)> {
    let of = |kind: &'static Kind| {
        let one = |variant| Extra { id: 1, kind, variant, filled: false }.render(crate::support::bundle());
        (kind.name, (0..kind.variants.len()).map(one).collect())
    };
    kinds::ALL.iter().map(of).collect()
}
