//! Where a column without a value takes its number from: a sequence that its default draws from, or its identity's. What takes
//! the place of the one goes on where that stood, and behind the rows. Pure; called by [`super::columns`].

use super::columns::alter;
use super::{Ask, things};
use crate::databases::quote_literal;
use crate::orchestrator::catalog::{Catalog, Column, Relation, Sequence};

/// The sequence that belongs to a column.
pub(super) fn owned<'a>(catalog: &'a Catalog, table: &str, column: &str) -> Option<&'a Sequence> {
    let is_its = |sequence: &&Sequence| {
        sequence.owner.as_ref().is_some_and(|owner| owner.table == table && owner.column == column)
    };
    catalog.sequences.values().find(is_its)
}

/// The statements that give a column the default or the identity of `after`, or take away that of `before`.
pub(super) fn exchange(relation: &Relation, before: &Column, after: &Column, ask: &Ask<'_>) -> Vec<String> {
    let on_column = |command: &str| alter(relation, &format!("ALTER COLUMN {} {command}", after.name));
    let (was_identity, is_identity) = (!before.identity.is_empty(), !after.identity.is_empty());
    if was_identity && is_identity && before.identity != after.identity {
        return vec![on_column(&format!("SET GENERATED {}", identity_word(after)))];
    }
    let (old, new) = (source(ask.found, relation, before), source(ask.declared, relation, after));
    let going = old.filter(|old| was_identity || goes(old, new, relation, before, ask.declared));
    let made = new.and_then(|new| Made::of(new, going, relation, after, ask));
    let mut statements = Vec::new();
    if before.default.is_some() && (after.default.is_none() || going.is_some()) {
        statements.push(on_column("DROP DEFAULT"));
    }
    match (&made, new) {
        (Some(made), _) => statements.push(made.statement(relation, after)),
        (None, _) if is_identity => {
            statements.push(on_column(&format!("ADD GENERATED {} AS IDENTITY", identity_word(after))));
        }
        (None, Some(new)) if is_owned(new, relation, after) => {
            let Sequence { name, options, .. } = new;
            statements.push(format!("ALTER SEQUENCE {name} {options} OWNED BY {}.{}", relation.name, after.name));
        }
        _ => {}
    }
    let name = made.as_ref().map(|made| made.name.as_str()).or(new.map(|new| new.name.as_str()));
    if let (Some(old), Some(new), Some(name)) = (old, new, name) {
        statements.extend((old.name != name).then(|| goes_on_from(name, new, old)));
    }
    match going {
        _ if was_identity => statements.push(on_column("DROP IDENTITY")),
        Some(old) => statements.push(format!("DROP SEQUENCE {}", old.name)),
        None => {}
    }
    if let Some(made) = made.as_ref().filter(|made| made.name != made.sequence.name) {
        let (prefix, whole) = (things::schema_prefix(&made.sequence.name), &made.sequence.name);
        statements.push(format!("ALTER SEQUENCE {} RENAME TO {}", made.name, &whole[prefix.len()..]));
    }
    if let Some(default) = &after.default {
        statements.push(on_column(&format!("SET DEFAULT {default}")));
    }
    statements.extend(new.and_then(|new| goes_on_behind_rows(relation, after, new)));
    statements
}

fn identity_word(column: &Column) -> &'static str {
    if column.identity == "a" { "ALWAYS" } else { "BY DEFAULT" }
}

/// A sequence that comes with its column.
struct Made<'a> {
    sequence: &'a Sequence,
    /// Another one, where what goes still bears its name.
    name: String,
}

impl<'a> Made<'a> {
    /// `None`: it is there, or a statement of the bundle's makes it.
    fn of(
        new: &'a Sequence,
        going: Option<&Sequence>,
        relation: &Relation,
        column: &Column,
        ask: &Ask<'_>,
    ) -> Option<Self> {
        let name_is_taken = going.is_some_and(|going| going.name == new.name);
        let is_there = ask.found.sequences.values().any(|one| one.name == new.name) && !name_is_taken;
        let is_identity = !column.identity.is_empty();
        if !is_identity && (is_there || !(name_is_taken || is_owned(new, relation, column))) {
            return None;
        }
        // Whose name it then is, PostgreSQL says.
        let name = if name_is_taken { free_name(&new.name, ask.found) } else { new.name.clone() };
        Some(Self { sequence: new, name })
    }

    fn statement(&self, relation: &Relation, column: &Column) -> String {
        let (options, name) = (&self.sequence.options, &self.name);
        if column.identity.is_empty() {
            let owner = match is_owned(self.sequence, relation, column) {
                true => format!(" OWNED BY {}.{}", relation.name, column.name),
                false => String::new(),
            };
            return format!("CREATE SEQUENCE {name} {options}{owner}");
        }
        // Of which type it is, the column says.
        let options = options.find("INCREMENT BY").map_or("", |at| &options[at..]);
        let word = identity_word(column);
        let add = format!("ADD GENERATED {word} AS IDENTITY (SEQUENCE NAME {name} {options})");
        alter(relation, &format!("ALTER COLUMN {} {add}", column.name))
    }
}

fn free_name(name: &str, found: &Catalog) -> String {
    let prefix = things::schema_prefix(name);
    let is_free = |one: &String| {
        !found.sequences.values().any(|other| other.name == *one)
            && !found.relations.values().any(|other| other.name == *one)
            && !found.views.values().any(|other| other.name == *one)
    };
    let mut names = (0_u64..).map(|n| format!("{prefix}name_in_exchange_{n}"));
    names.find(is_free).unwrap_or_else(|| name.to_owned())
}

fn is_owned(sequence: &Sequence, relation: &Relation, column: &Column) -> bool {
    sequence.owner.as_ref().is_some_and(|owner| owner.table == relation.name && owner.column == column.name)
}

/// The sequence that the column's numbers are drawn from.
fn source<'a>(catalog: &'a Catalog, relation: &Relation, column: &Column) -> Option<&'a Sequence> {
    let mut sequences = catalog.sequences.values();
    if !column.identity.is_empty() {
        let is_identity = |one: &Sequence| one.owner.as_ref().is_some_and(|owner| owner.identity);
        return sequences.find(|one| is_identity(one) && is_owned(one, relation, column));
    }
    let default = column.default.as_deref()?;
    let name = default.strip_prefix("nextval('")?.strip_suffix("'::regclass)")?.replace("''", "'");
    sequences.find(|one| one.name == name)
}

/// Whether a sequence goes with the default that draws from it: one that is declared by itself goes on from where it is. An
/// identity's does not keep it, which is another one even where it bears the same name.
fn goes(old: &Sequence, new: Option<&Sequence>, relation: &Relation, column: &Column, declared: &Catalog) -> bool {
    let keeps = |one: &Sequence| one.name == old.name && !one.owner.as_ref().is_some_and(|owner| owner.identity);
    let gives_way = new.is_some_and(|new| new.name == old.name);
    (gives_way || is_owned(old, relation, column)) && !declared.sequences.values().any(keeps)
}

/// The new sequence stands at least where the old one does.
fn goes_on_from(name: &str, new: &Sequence, old: &Sequence) -> String {
    let limits = Limits::of(new);
    format!(
        "SELECT pg_catalog.setval({}::pg_catalog.regclass, old.last_value, old.is_called OR new.is_called) \
         FROM {} AS old, {name} AS new WHERE {}",
        quote_literal(name),
        old.name,
        limits.is_further("old.last_value", "new.last_value")
    )
}

/// The rows that are there have numbers already.
fn goes_on_behind_rows(relation: &Relation, column: &Column, new: &Sequence) -> Option<String> {
    if !matches!(column.data_type.as_str(), "smallint" | "integer" | "bigint") {
        return None;
    }
    let limits = Limits::of(new);
    let last = if limits.descends { "min" } else { "max" };
    Some(format!(
        "SELECT pg_catalog.setval({}::pg_catalog.regclass, held.last) \
         FROM (SELECT pg_catalog.{last}({})::pg_catalog.int8 AS last FROM {}) AS held, {} AS new WHERE {}",
        quote_literal(&new.name),
        column.name,
        relation.name,
        new.name,
        limits.is_further("held.last", "new.last_value")
    ))
}

/// What a sequence may reach, and which way it goes.
struct Limits<'a> {
    descends: bool,
    lowest: &'a str,
    highest: &'a str,
}

impl<'a> Limits<'a> {
    fn of(sequence: &'a Sequence) -> Self {
        let after = |word: &str| {
            let (_, rest) = sequence.options.split_once(word)?;
            rest.split(' ').next()
        };
        Self {
            descends: after("INCREMENT BY ").is_some_and(|step| step.starts_with('-')),
            lowest: after("MINVALUE ").unwrap_or("1"),
            highest: after("MAXVALUE ").unwrap_or("1"),
        }
    }

    /// The condition that one value is one that the sequence may have, and not behind another.
    fn is_further(&self, one: &str, other: &str) -> String {
        let Self { descends, lowest, highest } = self;
        let not_behind = if *descends { "<=" } else { ">=" };
        format!(
            "{one} OPERATOR(pg_catalog.{not_behind}) {other} \
             AND {one} OPERATOR(pg_catalog.>=) '{lowest}'::pg_catalog.int8 \
             AND {one} OPERATOR(pg_catalog.<=) '{highest}'::pg_catalog.int8"
        )
    }
}
