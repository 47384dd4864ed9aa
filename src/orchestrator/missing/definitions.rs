//! Constraints and indexes. Those made by hand stay; those of an earlier deployment that only bear another name (PostgreSQL
//! names the unnamed ones after table and column, which may have been renamed) get the declared one. Pure; called by
//! [`super`].

use std::collections::{BTreeMap, HashMap, HashSet};

use super::columns::one_after_the_other;
use super::{Ask, Missing};
use crate::orchestrator::catalog::things::{constraint_text, index_statement, schema_prefix};
use crate::orchestrator::catalog::{Catalog, Definition, Relation};
use crate::orchestrator::diff::{self, ChangeType};

/// A constraint or an index that gets another name.
pub(super) struct Rename {
    table: String,
    from: String,
    to: String,
    is_index: bool,
    /// In front of both, what tells names apart that may be the same: keys and indexes share the names of a schema.
    space: String,
}

/// `kept` gets the identities, and the declared names, of what only changes its name.
pub(super) fn renames(
    oid: u32,
    found: &Relation,
    wanted: &Relation,
    ask: &Ask<'_>,
    renames: &mut Vec<Rename>,
    kept: &mut HashSet<String>,
) {
    let mut of_kind = |noun: &str, found: &BTreeMap<u32, Definition>, declared: &BTreeMap<u32, Definition>| {
        for one in declared.values().filter(|one| !named(found, &one.name)) {
            let same = found.iter().find(|(oid, other)| {
                let identity = format!("{noun} {oid}");
                other.kind == one.kind
                    && meaning(other) == meaning(one)
                    && !named(declared, &other.name)
                    && !kept.contains(&identity)
                    && (one.kind == 'p' || ask.known.contains(&identity))
            });
            let Some((oid, other)) = same else { continue };
            kept.insert(format!("{noun} {oid}"));
            kept.insert(format!("{noun} {} of {}", one.name, wanted.name));
            let shares_names = noun == "index" || is_key(one);
            renames.push(Rename {
                table: wanted.name.clone(),
                from: other.name.clone(),
                to: one.name.clone(),
                is_index: noun == "index",
                space: if shares_names { schema_prefix(&wanted.name) } else { format!("{}: ", wanted.name) },
            });
        }
    };
    if ask.found.relations.contains_key(&oid) {
        of_kind("constraint", &found.constraints, &wanted.constraints);
        of_kind("index", &found.indexes, &wanted.indexes);
        kept.extend(key_to_exchange(found, wanted, ask));
        kept.extend(under_a_name_that_stays(found, wanted, ask));
        renames.extend(not_null_renames(found, wanted));
    }
}

/// A key that is declared as a unique index of its name, or the other way round. A foreign key may lean on either, so the one
/// goes in the statement that makes the other.
fn under_a_name_that_stays(found: &Relation, wanted: &Relation, ask: &Ask<'_>) -> Vec<String> {
    let keys = found.constraints.iter().filter(|(_, one)| is_key(one) && named(&wanted.indexes, &one.name));
    let keys = keys.map(|(oid, _)| format!("constraint {oid}"));
    let becomes_key = |one: &Definition| wanted.constraints.values().any(|key| is_key(key) && key.name == one.name);
    let indexes = found.indexes.iter().filter(|(_, one)| becomes_key(one)).map(|(oid, _)| format!("index {oid}"));
    keys.chain(indexes).filter(|identity| ask.known.contains(identity)).collect()
}

/// It has an index of its name.
fn is_key(one: &Definition) -> bool {
    matches!(one.kind, 'p' | 'u' | 'x')
}

fn named(list: &BTreeMap<u32, Definition>, name: &str) -> bool {
    list.values().any(|one| one.name == name)
}

/// `NOT NULL` has a name since PostgreSQL 18, by default that of table and column as they were called then. It is not compared,
/// but in an old database it is made the one that a new database has.
fn not_null_renames<'a>(found: &'a Relation, wanted: &'a Relation) -> impl Iterator<Item = Rename> + 'a {
    let is_taken = |name: &String| {
        let by_hand = found.not_null.iter().any(|(column, held)| held == name && !wanted.not_null.contains_key(column));
        by_hand || found.constraints.values().any(|one| one.name == *name)
    };
    let inherits = |relation: &Relation, name: &String| {
        let column = relation.columns.values().find(|column| column.name == *name);
        column.and_then(|column| column.requirement.as_ref()).map(|one| one.inherits)
    };
    wanted.not_null.iter().filter_map(move |(column, to)| {
        // Where the one goes to the children and the other does not, it is renamed along with that.
        if inherits(found, column) != inherits(wanted, column) {
            return None;
        }
        let from = found.not_null.get(column).filter(|from| *from != to && !is_taken(to))?;
        Some(Rename {
            table: wanted.name.clone(),
            from: from.clone(),
            to: to.clone(),
            is_index: false,
            space: format!("{}: ", wanted.name),
        })
    })
}

/// The statements, in such an order that each name is free when it is taken.
pub(super) fn in_order(renames: &[Rename], found: &Catalog) -> Vec<Missing> {
    let held = found.relations.values().flat_map(|relation| {
        let keys = relation.constraints.values().filter(|one| is_key(one));
        let prefix = schema_prefix(&relation.name);
        keys.chain(relation.indexes.values()).map(move |one| format!("{prefix}{}", one.name))
    });
    let mut held: HashSet<String> = held.collect();
    let keys: Vec<(String, String)> =
        renames.iter().map(|one| (format!("{}{}", one.space, one.from), format!("{}{}", one.space, one.to))).collect();
    held.extend(keys.iter().map(|(from, _)| from.clone()));
    let mut whose: HashMap<String, &Rename> =
        keys.iter().zip(renames).map(|((from, _), rename)| (from.clone(), rename)).collect();
    let wanted = keys.iter().map(|(from, to)| (from.clone(), to.as_str())).collect();
    let mut statements = Vec::new();
    for (from, to, _) in one_after_the_other(wanted, held) {
        let Some(rename) = whose.remove(&from) else { continue };
        let Rename { table, is_index, space, .. } = rename;
        let (old, new) = (&from[space.len()..], &to[space.len()..]);
        let (kind, sql) = match is_index {
            true => ("RenameIndex", format!("ALTER INDEX {}{old} RENAME TO {new}", schema_prefix(table))),
            false => ("RenameConstraint", format!("ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")),
        };
        statements.push(Missing::silent(kind, &format!("{table}.{new}"), sql));
        whose.insert(to, rename);
    }
    statements
}

/// A table has one primary key, and a view may lean on it: where another one is declared, under another name, it goes in the
/// statement that makes that, not by itself before.
fn key_to_exchange(found: &Relation, wanted: &Relation, ask: &Ask<'_>) -> Option<String> {
    let declared = primary_key(&wanted.constraints)?.1;
    let (oid, there) = primary_key(&found.constraints)?;
    let identity = format!("constraint {oid}");
    let is_another = there.name != declared.name && meaning(there) != meaning(declared);
    (is_another && ask.known.contains(&identity)).then_some(identity)
}

fn primary_key(constraints: &BTreeMap<u32, Definition>) -> Option<(&u32, &Definition)> {
    constraints.iter().find(|(_, one)| one.kind == 'p')
}

/// Whether it is of a column that may be NULL from now on, and stands in a primary key that is exchanged.
pub(super) fn needs_key_gone(found: &Relation, wanted: &Relation, one: &Missing) -> bool {
    let drops_not_null = one.change.as_ref().is_some_and(|change| change.change_type == ChangeType::DropNotNull);
    let key = |relation: &Relation| primary_key(&relation.constraints).map(|(_, key)| key.definition.clone());
    drops_not_null && key(found).is_some() && key(found) != key(wanted)
}

/// What it does, without its name.
fn meaning(one: &Definition) -> String {
    if one.kind != 'i' {
        return one.definition.clone();
    }
    one.definition.replacen(&format!("INDEX {} ON ", one.name), "INDEX ON ", 1)
}

pub(super) fn plan(found: &Relation, wanted: &Relation, kept: &HashSet<String>, missing: &mut Vec<Missing>) {
    let first = missing.len();
    let (keys, indexes) = (&found.constraints, &found.indexes);
    of_kind("constraint", wanted, (keys, indexes), &wanted.constraints, kept, missing);
    of_kind("index", wanted, (indexes, keys), &wanted.indexes, kept, missing);
    // Keys before what points at them; within a table this is enough, as PostgreSQL makes both in order.
    missing[first..].sort_by_key(|one| one.sql.as_ref().is_some_and(|sql| sql.contains(" FOREIGN KEY ")));
}

/// `others`: of a constraint the indexes that are there, of an index the constraints.
fn of_kind(
    noun: &str,
    relation: &Relation,
    (found, others): (&BTreeMap<u32, Definition>, &BTreeMap<u32, Definition>),
    wanted: &BTreeMap<u32, Definition>,
    kept: &HashSet<String>,
    missing: &mut Vec<Missing>,
) {
    for one in wanted.values() {
        let before = found.values().find(|other| other.name == one.name);
        if before.is_some_and(|before| before.definition == one.definition)
            || kept.contains(&format!("{noun} {} of {}", one.name, relation.name))
        {
            continue;
        }
        let (added, dropped) = match one.kind {
            'i' => (ChangeType::AddIndex, ChangeType::DropIndex),
            _ => (ChangeType::AddConstraint, ChangeType::DropConstraint),
        };
        let plain = |change_type, reason| diff::plain(&relation.name, change_type, Some(&one.name), reason);
        if before.is_some() {
            let reason = "it is declared otherwise";
            missing.push(Missing::of(plain(dropped, reason), Some(drop(relation, one))));
        }
        let exchanged = primary_key(found).filter(|(oid, other)| {
            one.kind == 'p' && other.name != one.name && kept.contains(&format!("constraint {oid}"))
        });
        if let Some((_, other)) = exchanged {
            let gone = diff::plain(&relation.name, dropped, Some(&other.name), "a table has one primary key");
            missing.push(Missing::of(gone, None));
        }
        let other_noun = if one.kind == 'i' { "constraint" } else { "index" };
        let mut of_its_name = others.iter().filter(|(_, other)| other.name == one.name);
        let gives_way =
            of_its_name.find(|(oid, _)| kept.contains(&format!("{other_noun} {oid}"))).map(|(_, other)| other);
        if let Some(other) = gives_way {
            let change_type = if other.kind == 'i' { ChangeType::DropIndex } else { ChangeType::DropConstraint };
            missing.push(Missing::of(plain(change_type, "it is declared otherwise"), None));
        }
        let reason = match one.kind {
            'i' => "an index holds no values of its own",
            _ => {
                "PostgreSQL checks it against the rows that are there; where they break it, write a migration that mends \
                  them"
            }
        };
        let sql = match (exchanged, gives_way) {
            (_, Some(other)) => format!("{}; {}", drop(relation, other), add(relation, one)),
            (Some((_, other)), None) => format!(
                "ALTER TABLE {} DROP CONSTRAINT {}, ADD CONSTRAINT {} {}",
                relation.name, other.name, one.name, one.definition
            ),
            (None, None) => add(relation, one),
        };
        missing.push(Missing::of(plain(added, reason), Some(sql)));
    }
}

fn drop(relation: &Relation, one: &Definition) -> String {
    if one.kind == 'i' {
        return format!("DROP INDEX {}{}", schema_prefix(&relation.name), one.name);
    }
    // It may stand aside with the key that it leans on, if that was exchanged just before.
    let if_there = if one.definition.starts_with("FOREIGN KEY") { "IF EXISTS " } else { "" };
    format!("ALTER TABLE {} DROP CONSTRAINT {if_there}{}", relation.name, one.name)
}

fn add(relation: &Relation, one: &Definition) -> String {
    if one.kind == 'i' {
        return index_statement(one);
    }
    format!("ALTER TABLE {} ADD CONSTRAINT {} {}", relation.name, one.name, constraint_text(one))
}
