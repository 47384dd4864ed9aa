//! What a database that exists lacks of its declaration, and what is left of an earlier one: the statements that bring it
//! there (contract §4, steps 2 and 4). Pure: catalogs in, changes with their SQL out.
//!
//! Tables that are missing altogether are made by their own statements of `tables/`; here it is about those that are
//! there. Things are paired by name: identity belongs to one database, the declaration to another.

mod belongings;
mod columns;
mod definitions;
mod domains;
mod enums;
mod generated;
mod inheritance;
mod numbers;
mod requirements;

use std::collections::{BTreeMap, HashSet};

pub use self::belongings::{Made, undeclared as undeclared_belongings};
pub use self::domains::before_columns as domains_before_columns;
use super::catalog::Catalog;
use super::catalog::things::{self, Kind, Thing};
use super::diff::{self, Change, ChangeType};

/// A change that the declaration asks for, and the statement that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As the client reads it; `None` for what the contract has no word for.
    pub change: Option<Change>,
    /// The changelog's word for it.
    pub kind: &'static str,
    /// What is changed, as PostgreSQL prints it.
    pub object: String,
    /// `None` where only a migration can say how.
    pub sql: Option<String>,
    /// Whether the statement drops a column and makes it anew, so that what belongs to the column has to be kept.
    pub anew: bool,
}

impl Missing {
    fn of(change: Change, sql: Option<String>) -> Self {
        let column = change.column.as_deref();
        let object = match (change.change_type, column) {
            (ChangeType::AddEnumValue | ChangeType::DropEnumValue, _) | (_, None) => change.table.clone(),
            (ChangeType::AddIndex | ChangeType::DropIndex, Some(index)) => {
                format!("{}{index}", things::schema_prefix(&change.table))
            }
            (_, Some(column)) => format!("{}.{column}", change.table),
        };
        Self { kind: change.change_type.as_str(), object, change: Some(change), sql, anew: false }
    }

    fn silent(kind: &'static str, object: &str, sql: String) -> Self {
        Self { change: None, kind, object: object.to_owned(), sql: Some(sql), anew: false }
    }
}

/// What is to be done, in rounds: each begins with what the one before has made of the catalog.
#[derive(Debug, Default)]
pub struct Plan {
    /// What an earlier bundle declared and this one does not; and what is declared under another name.
    pub obsolete: Vec<Missing>,
    /// Enum values, domains, columns.
    pub columns: Vec<Missing>,
    /// Constraints and indexes.
    pub definitions: Vec<Missing>,
}

impl Plan {
    /// Every change that the client is told of, in the order in which they are made.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.obsolete.iter().chain(&self.columns).chain(&self.definitions).filter_map(|one| one.change.as_ref())
    }

    /// Whether it leaves everything that stands as it is.
    pub fn only_adds_columns(&self) -> bool {
        let adds = |one: &Missing| one.change.as_ref().is_some_and(|one| one.change_type == ChangeType::AddColumn);
        self.obsolete.is_empty() && self.definitions.is_empty() && self.columns.iter().all(adds)
    }
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The database as it is now.
    pub found: &'a Catalog,
    /// The tables and types of the declaration.
    pub wanted: &'a Catalog,
    /// Everything that the declaration has, also what only its migrations make.
    pub declared: &'a Catalog,
    /// Identities of what an earlier deployment left, declared or made by its migrations.
    pub known: &'a HashSet<String>,
    /// Of those, what is declared no longer.
    pub obsolete: &'a [Thing],
}

/// What `found` lacks of `wanted`.
pub fn plan(ask: &Ask<'_>) -> Plan {
    let mut plan = Plan::default();
    let found = by_name(&ask.found.relations, |relation| &relation.name);
    let mut kept = HashSet::new();
    let mut renames = Vec::new();
    for wanted in inheritance::parents_first(ask.wanted) {
        if let Some((oid, relation)) = found.get(wanted.name.as_str())
            && relation.kind == wanted.kind
        {
            definitions::renames(**oid, relation, wanted, ask, &mut renames, &mut kept);
            let first = plan.columns.len();
            columns::plan(relation, wanted, ask, &mut plan.columns);
            let (columns, later) =
                plan.columns.drain(first..).partition(|one| !definitions::needs_key_gone(relation, wanted, one));
            plan.columns.extend::<Vec<_>>(columns);
            definitions::plan(relation, wanted, &kept, &mut plan.definitions);
            plan.definitions.extend::<Vec<_>>(later);
        }
    }
    plan.obsolete.extend(definitions::in_order(&renames, ask.found));
    inheritance::children_first_where_merged(&mut plan.columns, ask.wanted);
    columns::sequence_names(ask, &mut plan.obsolete);
    columns::sequence_options(ask, &mut plan.columns);
    plan.obsolete.extend(ask.obsolete.iter().filter(|thing| !kept.contains(&thing.identity)).filter_map(drop_of));
    let found_enums = by_name(&ask.found.enums, |one| &one.name);
    for wanted in ask.wanted.enums.values() {
        if let Some((_, one)) = found_enums.get(wanted.name.as_str()) {
            enums::plan(one, wanted, &mut plan.columns);
        }
    }
    let found_domains = by_name(&ask.found.domains, |one| &one.name);
    for wanted in ask.wanted.domains.values() {
        if let Some((_, one)) = found_domains.get(wanted.name.as_str()) {
            domains::plan(one, wanted, &mut plan.columns);
        }
    }
    plan
}

fn by_name<'a, V>(
    items: &'a BTreeMap<u32, V>,
    name: impl Fn(&'a V) -> &'a String,
) -> BTreeMap<&'a str, (&'a u32, &'a V)> {
    items.iter().map(|(oid, item)| (name(item).as_str(), (oid, item))).collect()
}

fn drop_of(thing: &Thing) -> Option<Missing> {
    let sql = thing.drop.clone()?;
    let table = thing.table.as_deref().unwrap_or_default();
    let told = |change_type, reason| diff::plain(table, change_type, Some(&thing.object), reason);
    let reason = "an earlier bundle declared it and this one does not";
    let on_table = format!("{} ON {table}", thing.object);
    Some(match thing.kind {
        Kind::Constraint => Missing::of(told(ChangeType::DropConstraint, reason), Some(sql)),
        Kind::Index => Missing::of(told(ChangeType::DropIndex, reason), Some(sql)),
        Kind::Trigger => Missing::silent("DropTrigger", &on_table, sql),
        Kind::Policy => Missing::silent("DropPolicy", &on_table, sql),
        Kind::Rule => Missing::silent("DropRule", &on_table, sql),
        Kind::Statistics => Missing::silent("DropStatistics", &thing.object, sql),
        Kind::View => Missing::silent("DropView", &thing.object, sql),
        Kind::Sequence => Missing::silent("DropSequence", &thing.object, sql),
        Kind::Type => Missing::silent("DropType", &thing.object, sql),
        Kind::Collation => Missing::silent("DropCollation", &thing.object, sql),
        Kind::Routine => Missing::silent("DropFunction", &thing.object, sql),
        Kind::Comment => Missing::silent("DropComment", &thing.object, sql),
        Kind::RowSecurity => Missing::silent("DisableRowSecurity", table, sql),
        Kind::Options => Missing::silent("ResetOptions", table, sql),
        Kind::Privilege => Missing::silent("TakeBackPrivilege", &thing.object, sql),
        Kind::State => Missing::silent("ResetState", &thing.object, sql),
        Kind::Schema => Missing::silent("DropSchema", &thing.object, sql),
        Kind::Object | Kind::Family => Missing::silent("DropObject", &thing.object, sql),
        Kind::PartitionIndex => return None,
        Kind::Table | Kind::Column => return None,
    })
}

/// Of what is declared no longer, what is given to whatever is made from now on.
pub fn default_privileges(obsolete: &[Thing]) -> Vec<Missing> {
    let given =
        obsolete.iter().filter(|thing| thing.kind == Kind::Privilege && thing.name.starts_with(belongings::BY_DEFAULT));
    given.filter_map(drop_of).collect()
}

/// Tables that the declaration does not have, to be dropped. Partitions come and go with the data: those of a declared
/// table may be made by anybody.
pub fn undeclared_tables(found: &Catalog, declared: &Catalog) -> Vec<Missing> {
    let wanted = by_name(&declared.relations, |relation| &relation.name);
    let undeclared = found.relations.values().filter(|relation| {
        relation.kind != 'c' && relation.bounds.is_none() && !wanted.contains_key(relation.name.as_str())
    });
    undeclared
        .map(|relation| {
            let drop = if relation.kind == 'f' { "DROP FOREIGN TABLE" } else { "DROP TABLE" };
            Missing::of(diff::dropped_table(relation), Some(format!("{drop} {}", relation.name)))
        })
        .collect()
}

/// What a deployment's own statements did not bring back: comments, row security, policies and the like that somebody
/// took away or changed by hand since they were declared.
pub fn mend(found: &[Thing], declared: &[&Thing]) -> Vec<Missing> {
    let there: BTreeMap<&str, &Thing> = found.iter().map(|thing| (thing.name.as_str(), thing)).collect();
    let mut mended = Vec::new();
    for wanted in declared {
        let now = there.get(wanted.name.as_str());
        let altered = now.and_then(|now| alteration(now, wanted));
        let Some(make) = wanted.make.as_ref().or(altered.as_ref()) else { continue };
        // What it is about has to be there.
        if now.is_some_and(|now| now.words == wanted.words)
            || wanted.table.as_ref().is_some_and(|table| !is_there(table, &there))
        {
            continue;
        }
        let remade = matches!(
            wanted.kind,
            Kind::Index
                | Kind::Trigger
                | Kind::Policy
                | Kind::Rule
                | Kind::Statistics
                | Kind::Object
                // `SET` alone leaves those that are declared no longer.
                | Kind::Options
        );
        let drop = now.and_then(|now| now.drop.as_ref()).filter(|_| remade);
        let sql = drop.map_or_else(|| make.clone(), |drop| format!("{drop}; {make}"));
        let kind = match wanted.kind {
            Kind::Comment => "Comment",
            Kind::RowSecurity => "EnableRowSecurity",
            Kind::Options => "SetOptions",
            Kind::Index => "AddIndex",
            Kind::Trigger => "CreateTrigger",
            Kind::Policy => "CreatePolicy",
            Kind::Rule => "CreateRule",
            Kind::Privilege => "SetPrivilege",
            Kind::State => "SetState",
            Kind::PartitionIndex => "RenameIndex",
            Kind::Sequence => "AlterSequence",
            Kind::Schema => "CreateSchema",
            _ => "Create",
        };
        mended.push(Missing::silent(kind, &wanted.object, sql));
    }
    mended
}

/// What is there under another name, or belongs to something else.
fn alteration(now: &Thing, wanted: &Thing) -> Option<String> {
    const OWNED: &str = " OWNED BY ";
    match wanted.kind {
        // PostgreSQL picks the names of the indexes that it makes for partitions; these may be declared under others.
        Kind::PartitionIndex => {
            let new = &wanted.words[things::schema_prefix(&wanted.words).len()..];
            Some(format!("ALTER INDEX {} RENAME TO {new}", now.words))
        }
        Kind::Sequence => {
            let owner = |thing: &Thing| thing.words.split_once(OWNED).map(|(_, owner)| owner.to_owned());
            let new = owner(wanted);
            let sql = || format!("ALTER SEQUENCE {}{OWNED}{}", wanted.object, new.as_deref().unwrap_or("NONE"));
            (owner(now) != new).then(sql)
        }
        _ => None,
    }
}

fn is_there(table: &str, things: &BTreeMap<&str, &Thing>) -> bool {
    ["table", "view", "materialized view"].iter().any(|noun| things.contains_key(format!("{noun} {table}").as_str()))
}

#[cfg(test)]
mod tests;
