//! What parents, by `INHERITS` or as partitioned tables, and their children have to do with each other's columns: PostgreSQL
//! changes an inherited column with the parent's alone, and carries to the children what is said of the parent. Pure; called
//! by [`super`].

use std::collections::HashMap;

use super::Missing;
use crate::orchestrator::catalog::{Catalog, Relation};
use crate::orchestrator::diff::ChangeType;

/// The relations, each after those that it inherits from.
pub(super) fn parents_first(catalog: &Catalog) -> Vec<&Relation> {
    let depths = depths(catalog);
    let mut relations: Vec<&Relation> = catalog.relations.values().collect();
    // Stable: otherwise in the order in which they were made.
    relations.sort_by_key(|relation| depths.get(relation.name.as_str()).copied().unwrap_or(0));
    relations
}

/// A table and all that inherit from it, parents first.
pub(super) fn family<'a>(catalog: &'a Catalog, table: &str) -> Vec<&'a Relation> {
    let mut family: Vec<&Relation> = catalog.relations.values().filter(|one| one.name == table).collect();
    let mut met = 0;
    while let Some(parent) = family.get(met).copied() {
        met += 1;
        let is_new = |one: &&Relation| !family.iter().any(|other| other.name == one.name);
        let children = catalog.relations.values().filter(|one| one.parents.contains(&parent.name));
        family.extend(children.filter(is_new).collect::<Vec<_>>());
    }
    family
}

/// How many generations stand above each.
fn depths(catalog: &Catalog) -> HashMap<&str, usize> {
    let mut depths: HashMap<&str, usize> = catalog.relations.values().map(|one| (one.name.as_str(), 0)).collect();
    // A family has fewer generations than members; one that inherits from itself does not exist.
    for _ in 0..depths.len() {
        let mut changed = false;
        for relation in catalog.relations.values() {
            let above = relation.parents.iter().filter_map(|parent| depths.get(parent.as_str())).max();
            let depth = above.map_or(0, |above| above + 1);
            let known = depths.entry(relation.name.as_str()).or_default();
            changed |= *known != depth;
            *known = depth;
        }
        if !changed {
            break;
        }
    }
    depths
}

/// A column that a child declares and inherits: made at the child first, the parent's merges with it; the other way round
/// it would be there already.
pub(super) fn children_first_where_merged(columns: &mut Vec<Missing>, wanted: &Catalog) {
    let is_merged = |one: &Missing| {
        let Some(change) = one.change.as_ref().filter(|change| change.change_type == ChangeType::AddColumn) else {
            return false;
        };
        let relation = wanted.relations.values().find(|relation| relation.name == change.table);
        let mut columns = relation.into_iter().flat_map(|relation| relation.columns.values());
        columns.any(|column| Some(&column.name) == change.column.as_ref() && column.local && column.inherited)
    };
    let (mut merged, others): (Vec<_>, Vec<_>) = std::mem::take(columns).into_iter().partition(is_merged);
    merged.reverse();
    columns.extend(merged);
    columns.extend(others);
}

/// Whether a descendant of the table keeps a column that the table loses: then the table alone may be told.
pub(super) fn is_kept_below(wanted: &Catalog, table: &str, column: &str) -> bool {
    let mut family = vec![table];
    let mut met = 0;
    while let Some(parent) = family.get(met).copied() {
        met += 1;
        let children = wanted.relations.values().filter(|one| one.parents.iter().any(|name| name == parent));
        for child in children {
            if child.columns.values().any(|one| one.name == column) {
                return true;
            }
            if !family.contains(&child.name.as_str()) {
                family.push(&child.name);
            }
        }
    }
    false
}
