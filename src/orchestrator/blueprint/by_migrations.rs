//! A new database the other way round. Usually the declaration comes first and is final, and of the migrations only what it
//! has not made runs. A long history of migrations can lead to the declaration by itself, through tables and types that
//! have been replaced under their names and through names that were somebody else's for a while. Where such a history
//! cannot be run over the declaration, would leave there what it takes away itself, or puts rows where by then nothing acted on
//! them that is declared, its migrations run as they are written; and if they come to exactly what is declared, that is the new database. Pure. Called by [`super`].

use std::collections::{BTreeSet, HashSet};

use pg_query::NodeEnum;

use crate::bundle::Kind;
use crate::bundle::order::{OrderError, Script};
use crate::bundle::sql::facts;
use crate::orchestrator::catalog::things::{self, Thing, parts_of_name};
use crate::orchestrator::catalog::{Catalog, EnumType};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::migrations::{self, DeclaredText, vanished};
use crate::orchestrator::verify;

/// Whether a new database may be had this way that could not be had the usual way.
pub(super) fn may_help(refusal: &DeployError) -> bool {
    match refusal {
        // Where the statement of a function is wrong, it is wrong in either way.
        DeployError::Statement(error) => {
            ["migrations/", "tables/", "types/"].iter().any(|folder| error.path.starts_with(folder))
        }
        DeployError::Order(OrderError::Circle { .. })
        | DeployError::Generated { .. }
        | DeployError::Standing { .. }
        | DeployError::Dependants { .. }
        | DeployError::AtCommit { .. } => true,
        _ => false,
    }
}

/// Whether a bundle has both a declaration and migrations.
pub(super) fn has_both(script: &Script) -> bool {
    let is_migration = |one: &&crate::bundle::sql::Statement| one.kind == Kind::Migrations;
    script.statements.iter().any(|one| is_migration(&one)) && script.statements.iter().any(|one| one.kind.is_final())
}

/// What acts on rows by the declaration that are there before it by the migrations, in words.
pub(super) fn acting_later(script: &Script) -> Option<String> {
    migrations::acting_later(&script.statements, &DeclaredText::of(&script.statements, &script.extensions))
}

/// The declaration without the migrations, and without rows.
pub(super) fn declaration(script: &Script) -> Script {
    let statements = script.statements.iter().filter(|one| one.kind != Kind::Migrations).cloned().collect();
    Script { statements, seeds: Vec::new(), migrations: Vec::new(), ..script.clone() }
}

/// Whether something is there that the migrations themselves have taken away in the end, and that nobody declares; a value of
/// an enum, for one, or those of a column that went and came back.
pub(super) fn has_left_overs(script: &Script, found: &Catalog) -> bool {
    let migrations: Vec<_> = script.statements.iter().filter(|one| one.kind == Kind::Migrations).collect();
    let gone = vanished(&migrations);
    if gone.has_columns_anew {
        return true;
    }
    let text = DeclaredText::of(&script.statements, &script.extensions);
    let is_left = |thing: &Thing| {
        let name = parts_of_name(&thing.object);
        let table = thing.table.as_deref().map(parts_of_name);
        match (thing.kind, table) {
            (things::Kind::Constraint, Some(table)) => gone.constraints.contains(&(table, name.1)),
            (things::Kind::Index, Some((schema, _))) => {
                let name = (schema, name.1);
                gone.relations.contains(&name) && !text.has_relation(&name)
            }
            (things::Kind::Table | things::Kind::View, _) => {
                gone.relations.contains(&name) && !text.has_relation(&name)
            }
            (things::Kind::Type, _) => gone.types.contains(&name) && !text.types.contains(&name),
            _ => false,
        }
    };
    let more_values = |enumeration: &EnumType| {
        let values = declared_values(script, &parts_of_name(&enumeration.name));
        values.is_some_and(|values| enumeration.values.iter().any(|value| !values.contains(value)))
    };
    found.things().iter().any(is_left) || found.enums.values().any(more_values)
}

fn declared_values(script: &Script, name: &(String, String)) -> Option<Vec<String>> {
    let declared = script.statements.iter().filter(|one| one.kind != Kind::Migrations);
    declared.filter(|one| one.makes.iter().any(|made| (&made.schema, &made.name) == (&name.0, &name.1))).find_map(
        |one| match one.tree.as_ref() {
            NodeEnum::CreateEnumStmt(create) => Some(facts::words(&create.vals)),
            _ => None,
        },
    )
}

/// Whether all is there as it is declared, and nothing more in what is declared: the names of what only the migrations made,
/// or the first difference.
pub(super) fn compare(declared: &Catalog, found: &Catalog) -> Result<BTreeSet<String>, String> {
    let wanted: Vec<&Thing> = declared.things().iter().collect();
    if let Some(first) = verify::differences(&wanted, found.things()).into_iter().next() {
        return Err(first.words);
    }
    let names: HashSet<&str> = wanted.iter().map(|thing| thing.name.as_str()).collect();
    let whole = |thing: &&&Thing| matches!(thing.kind, things::Kind::Table | things::Kind::Type);
    let owners: HashSet<&str> = wanted.iter().filter(whole).map(|thing| thing.object.as_str()).collect();
    let more: Vec<&Thing> = found.things().iter().filter(|thing| !names.contains(thing.name.as_str())).collect();
    let owner = |thing: &Thing| {
        let table = thing.table.as_deref()?;
        owners.get(table.strip_prefix("domain ").unwrap_or(table)).copied()
    };
    match more.iter().find(|thing| owner(thing).is_some()) {
        Some(thing) => Err(format!("{} is not declared", thing.name)),
        None => Ok(more.into_iter().map(|thing| thing.name.clone()).collect()),
    }
}
