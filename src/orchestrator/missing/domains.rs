//! Domains: their defaults, NOT NULL and checks can be changed in place; what they are over cannot. Pure; called by
//! [`super`].

use std::collections::HashSet;

use super::{Missing, by_name};
use crate::orchestrator::catalog::{Catalog, Domain};
use crate::orchestrator::diff::{self, ChangeType, Compatibility};

pub(super) fn plan(found: &Domain, wanted: &Domain, missing: &mut Vec<Missing>) {
    let name = &wanted.name;
    let mut changes = Vec::new();
    diff::domain_changes(found, wanted, &mut changes);
    for change in changes {
        let command = match change.change_type {
            _ if change.compatibility == Compatibility::Incompatible => None,
            ChangeType::SetNotNull => Some(match wanted.requirement.as_ref().filter(|one| one.named) {
                Some(one) => format!("ADD CONSTRAINT {} NOT NULL", one.name),
                None => "SET NOT NULL".to_owned(),
            }),
            ChangeType::DropNotNull => Some("DROP NOT NULL".to_owned()),
            ChangeType::SetDefault => wanted.default.as_ref().map(|default| format!("SET DEFAULT {default}")),
            ChangeType::DropDefault => Some("DROP DEFAULT".to_owned()),
            _ => None,
        };
        missing.push(Missing::of(change, command.map(|command| format!("ALTER DOMAIN {name} {command}"))));
    }
    if let (Some(from), Some(to)) = (&found.requirement, &wanted.requirement)
        && from.name != to.name
        && !found.constraints.contains_key(&to.name)
    {
        let rename = format!("ALTER DOMAIN {name} RENAME CONSTRAINT {} TO {}", from.name, to.name);
        missing.push(Missing::silent("RenameConstraint", &format!("{name}.{}", to.name), rename));
    }
    for (constraint, definition) in &wanted.constraints {
        let before = found.constraints.get(constraint);
        if before == Some(definition) {
            continue;
        }
        let told = |change_type, reason| diff::plain(name, change_type, Some(constraint), reason);
        if before.is_some() {
            let drop = format!("ALTER DOMAIN {name} DROP CONSTRAINT {constraint}");
            missing.push(Missing::of(told(ChangeType::DropConstraint, "it is declared otherwise"), Some(drop)));
        }
        let add = format!("ALTER DOMAIN {name} ADD CONSTRAINT {constraint} {definition}");
        let reason = "PostgreSQL checks it against the rows that are there; where they break it, write a migration that \
                      mends them";
        missing.push(Missing::of(told(ChangeType::AddConstraint, reason), Some(add)));
    }
}

/// What has to be done before tables and columns come: PostgreSQL adds neither NOT NULL nor a check to a domain that a column
/// holds within an array or a composite type.
pub fn before_columns(found: &Catalog, declared: &Catalog) -> Vec<Missing> {
    let there = by_name(&found.domains, |domain| &domain.name);
    let mut missing = Vec::new();
    for wanted in declared.domains.values() {
        let Some((_, domain)) = there.get(wanted.name.as_str()) else { continue };
        let is_migrated = declared.migrated.contains(&format!("domain {}", wanted.name));
        if !is_migrated && is_held_within(declared, &wanted.name) && !is_held_within(found, &wanted.name) {
            plan(domain, wanted, &mut missing);
        }
    }
    missing
}

fn is_held_within(catalog: &Catalog, domain: &str) -> bool {
    let mut holding: HashSet<String> = HashSet::from([format!("{domain}[]")]);
    let holds = |holding: &HashSet<String>, is_type: bool| {
        let relations = catalog.relations.values().filter(move |relation| (relation.kind == 'c') == is_type);
        let within = |data_type: &str| holding.contains(data_type) || is_type && data_type == domain;
        let holds = relations.filter(|one| one.columns.values().any(|column| within(&column.data_type)));
        holds.map(|relation| relation.name.clone()).collect::<Vec<_>>()
    };
    loop {
        let known = holding.len();
        for name in holds(&holding, true) {
            holding.insert(format!("{name}[]"));
            holding.insert(name);
        }
        if holding.len() == known {
            return !holds(&holding, false).is_empty();
        }
    }
}
