//! Holds what is promised against the catalog of a new database. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Name, Promise, Promises};
use crate::orchestrator::catalog::things::parts_of_name;
use crate::orchestrator::catalog::{Catalog, Definition, Domain, Relation, View};
use crate::orchestrator::objects::subject::{self, Subject};

/// A promise that is not kept, as far as the catalog tells; of what an extension has, or what is printed without its schema,
/// it does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is not there.
    pub promise: Promise,
    /// The number of the statement that promises it.
    pub at: usize,
}

/// Everything that is promised and not there, in the order of the statements. `path`: where names without a schema are looked
/// for.
pub fn broken(promises: &Promises, catalog: &Catalog, path: &[String]) -> Vec<Broken> {
    let found = Found::of(catalog, path);
    let unnamed = Unnamed::of(promises);
    let is_broken = |promise: &Promise| !found.has(promise, &unnamed);
    let broken = promises.in_order().into_iter().filter(|(promise, _)| is_broken(promise));
    broken.map(|(promise, at)| Broken { promise: promise.clone(), at }).collect()
}

/// How many there have to be of what PostgreSQL has named.
struct Unnamed<'a> {
    constraints: HashMap<(Name, char), usize>,
    indexes: HashMap<Name, usize>,
    /// Constraints and indexes that are promised by name: they are none of those.
    named: HashSet<(&'a Name, &'a str)>,
}

impl<'a> Unnamed<'a> {
    fn of(promises: &'a Promises) -> Self {
        let mut unnamed = Self { constraints: HashMap::new(), indexes: HashMap::new(), named: HashSet::new() };
        for promise in promises.0.keys() {
            match promise {
                Promise::Unnamed(of, kind, _) => *unnamed.constraints.entry((of.clone(), *kind)).or_default() += 1,
                Promise::UnnamedIndex(of, _) => *unnamed.indexes.entry(of.clone()).or_default() += 1,
                Promise::Constraint(of, name) | Promise::Index(of, name) => {
                    unnamed.named.insert((of, name));
                }
                _ => {}
            }
        }
        unnamed
    }

    fn is_named(&self, of: &Name, one: &Definition) -> bool {
        self.named.contains(&(of, bare(&one.name).as_str()))
    }
}

struct Found<'a> {
    path: &'a [String],
    relations: HashMap<Name, &'a Relation>,
    views: HashMap<Name, &'a View>,
    domains: HashMap<Name, &'a Domain>,
    labels: HashMap<Name, &'a [String]>,
    others: HashSet<(char, Name)>,
    schemas: HashSet<String>,
    subjects: HashSet<Subject>,
}

const SEQUENCE: char = 'S';
const TYPE: char = 't';
const ROUTINE: char = 'f';

impl<'a> Found<'a> {
    fn of(catalog: &'a Catalog, path: &'a [String]) -> Self {
        let mut others = HashSet::new();
        others.extend(catalog.sequences.values().map(|one| (SEQUENCE, parts_of_name(&one.name))));
        others
            .extend(catalog.others.values().filter(|one| one.kind == 'g').map(|one| (TYPE, parts_of_name(&one.name))));
        let routine = |signature: &str| (ROUTINE, name_of_routine(signature));
        others.extend(catalog.routines.values().map(|one| routine(&one.name)));
        let schemas = catalog.things().iter().filter_map(|thing| thing.name.strip_prefix("schema "));
        Self {
            path,
            relations: catalog.relations.values().map(|one| (parts_of_name(&one.name), one)).collect(),
            views: catalog.views.values().map(|one| (parts_of_name(&one.name), one)).collect(),
            domains: catalog.domains.values().map(|one| (parts_of_name(&one.name), one)).collect(),
            labels: catalog.enums.values().map(|one| (parts_of_name(&one.name), &one.values[..])).collect(),
            others,
            schemas: schemas.map(|schema| parts_of_name(schema).1).collect(),
            subjects: catalog.things().iter().filter_map(subject::of_thing).collect(),
        }
    }

    /// Where it is looked for.
    fn names(&self, (schema, name): &Name) -> Vec<Name> {
        match schema.is_empty() {
            true => self.path.iter().map(|schema| (schema.clone(), name.clone())).collect(),
            false => vec![(schema.clone(), name.clone())],
        }
    }

    fn one<T: Copy>(&self, map: &HashMap<Name, T>, name: &Name) -> Option<T> {
        self.names(name).iter().find_map(|name| map.get(name).copied())
    }

    fn has_other(&self, kind: char, name: &Name) -> bool {
        self.names(name).into_iter().any(|name| self.others.contains(&(kind, name)))
    }

    /// What is part of something that is not there is not asked for: the whole is.
    fn has(&self, promise: &Promise, unnamed: &Unnamed<'_>) -> bool {
        let relation = |name: &Name| self.one(&self.relations, name);
        let column = |name: &Name, column: &str| {
            let columns = relation(name).map(|relation| relation.columns.values());
            columns.map(|mut columns| columns.find(|one| bare(&one.name) == column))
        };
        match promise {
            Promise::Table(name) => relation(name).is_some_and(|one| one.kind != 'c'),
            Promise::View(name) => self.one(&self.views, name).is_some(),
            Promise::Sequence(name) => self.has_other(SEQUENCE, name),
            Promise::Type(name) => self.has_type(name),
            Promise::Routine(name) => self.has_other(ROUTINE, name),
            Promise::Schema(schema) => self.schemas.contains(schema),
            Promise::Subject(subject) => !is_told_of(subject) || self.subjects.contains(subject),
            Promise::Label(name, label) => self.one(&self.labels, name).is_none_or(|labels| labels.contains(label)),
            Promise::Column(name, of) => column(name, of).is_none_or(|found| found.is_some()),
            Promise::Default(name, of) => match column(name, of) {
                Some(Some(column)) => column.has_value_of_its_own(),
                _ => true,
            },
            Promise::NotNull(name, of) => match column(name, of) {
                Some(Some(column)) => column.not_null,
                _ => true,
            },
            Promise::Constraint(name, constraint) => self.has_constraint(name, constraint),
            Promise::Unnamed(name, kind, _) => self.has_unnamed(name, *kind, unnamed),
            Promise::Index(name, index) => self.indexes(name).is_none_or(|indexes| {
                indexes.values().any(|one| bare(&one.name) == *index) || self.has_key(name, index)
            }),
            Promise::UnnamedIndex(name, _) => {
                let wanted = unnamed.indexes.get(name).copied().unwrap_or_default();
                let count = |indexes: &BTreeMap<u32, Definition>| {
                    indexes.values().filter(|one| !unnamed.is_named(name, one)).count()
                };
                self.indexes(name).is_none_or(|indexes| count(indexes) >= wanted)
            }
            Promise::Part(name, kind, part) => self.has_part(name, *kind, part),
            Promise::RowSecurity(name, is_forced) => {
                relation(name).is_none_or(|one| if *is_forced { one.force_row_security } else { one.row_security })
            }
        }
    }

    fn has_type(&self, name: &Name) -> bool {
        self.one(&self.domains, name).is_some()
            || self.one(&self.labels, name).is_some()
            || self.one(&self.relations, name).is_some()
            || self.has_other(TYPE, name)
    }

    fn has_constraint(&self, name: &Name, constraint: &str) -> bool {
        if let Some(domain) = self.one(&self.domains, name) {
            return domain.constraints.keys().any(|one| bare(one) == constraint);
        }
        self.own(name).is_none_or(|relation| {
            let required = relation.columns.values().filter_map(|column| column.requirement.as_ref());
            let mut names = relation.constraints.values().map(|one| &one.name).chain(required.map(|one| &one.name));
            names.any(|one| bare(one) == constraint)
        })
    }

    fn has_unnamed(&self, name: &Name, kind: char, unnamed: &Unnamed<'_>) -> bool {
        let wanted = unnamed.constraints.get(&(name.clone(), kind)).copied().unwrap_or_default();
        if let Some(domain) = self.one(&self.domains, name) {
            return domain.constraints.len() >= wanted;
        }
        let Some(relation) = self.own(name) else { return true };
        let is_one = |one: &Definition, kinds: &[char]| kinds.contains(&one.kind) && !unnamed.is_named(name, one);
        let count = |kinds: &[char]| relation.constraints.values().filter(|one| is_one(one, kinds)).count();
        match kind {
            'p' => count(&['p']) > 0,
            // Two that say the same are one, also where one of them has a name or is the primary key.
            'u' => relation.constraints.values().any(|one| matches!(one.kind, 'u' | 'p')),
            kind => count(&[kind]) >= wanted,
        }
    }

    /// A constraint's index bears its name.
    fn has_key(&self, name: &Name, index: &str) -> bool {
        self.own(name).is_some_and(|relation| relation.constraints.values().any(|one| bare(&one.name) == index))
    }

    /// A table whose constraints and indexes are all its own: what one has from a parent is told of there.
    fn own(&self, name: &Name) -> Option<&'a Relation> {
        self.one(&self.relations, name).filter(|relation| relation.parents.is_empty())
    }

    fn indexes(&self, name: &Name) -> Option<&'a BTreeMap<u32, Definition>> {
        let of_view = || self.one(&self.views, name).filter(|view| view.materialized).map(|view| &view.indexes);
        self.own(name).map(|relation| &relation.indexes).or_else(of_view)
    }

    fn has_part(&self, name: &Name, kind: char, part: &str) -> bool {
        let of_view = || self.one(&self.views, name).map(|view| &view.parts);
        let Some(parts) = self.one(&self.relations, name).map(|relation| &relation.parts).or_else(of_view) else {
            return true;
        };
        let is_it = |one: &Definition| match kind {
            'R' => one.kind == 'p' && one.definition.starts_with("AS RESTRICTIVE"),
            kind => one.kind == kind,
        };
        parts.values().any(|one| is_it(one) && bare(&one.name) == part)
    }
}

/// Of these the catalog has a line for each.
fn is_told_of((noun, _): &Subject) -> bool {
    !matches!(*noun, "routine" | "materialized view" | "schema")
}

fn bare(printed: &str) -> String {
    parts_of_name(printed).1
}

/// `s.f(integer)` → `s`, `f`
fn name_of_routine(signature: &str) -> Name {
    // Parameters have no parenthesis in front of them that a quoted name could not have as well.
    let mut is_quoted = false;
    let end = signature.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '"';
        (c == '(' && !is_quoted).then_some(at)
    });
    parts_of_name(&signature[..end.unwrap_or(signature.len())])
}
