//! Domains: their defaults, NOT NULL and checks can be changed in place; what they are over cannot. Pure; called by
//! [`super`].

use super::Missing;
use crate::orchestrator::catalog::Domain;
use crate::orchestrator::diff::{self, ChangeType, Compatibility};

pub(super) fn plan(found: &Domain, wanted: &Domain, missing: &mut Vec<Missing>) {
    let name = &wanted.name;
    let mut changes = Vec::new();
    diff::domain_changes(found, wanted, &mut changes);
    for change in changes {
        let command = match change.change_type {
            _ if change.compatibility == Compatibility::Incompatible => None,
            ChangeType::SetNotNull => Some("SET NOT NULL".to_owned()),
            ChangeType::DropNotNull => Some("DROP NOT NULL".to_owned()),
            ChangeType::SetDefault => wanted.default.as_ref().map(|default| format!("SET DEFAULT {default}")),
            ChangeType::DropDefault => Some("DROP DEFAULT".to_owned()),
            _ => None,
        };
        missing.push(Missing::of(change, command.map(|command| format!("ALTER DOMAIN {name} {command}"))));
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
