//! Where a bundle says something: file and line for a refusal that PostgreSQL or the comparison in the end gives about a thing
//! of the catalog. Pure.

use crate::bundle::Kind as Folder;
use crate::bundle::sql::{Statement, Wanted};
use crate::orchestrator::catalog::things::{Kind, Thing, parts_of_name};
use crate::orchestrator::objects::subject;

/// File and line.
pub(super) type Place = (String, usize);

/// The statement that makes the thing; of what is only said of a table the last one about that.
pub(super) fn of(statements: &[Statement], thing: &Thing) -> Option<Place> {
    if let Some(key) = subject::of_thing(thing) {
        return place(declaring(statements).find(|one| subject::made(&one.tree).as_ref() == Some(&key)));
    }
    let is_said = matches!(
        thing.kind,
        Kind::Comment | Kind::Privilege | Kind::State | Kind::Options | Kind::RowSecurity | Kind::PartitionIndex
    );
    let table = thing.table.as_deref().map(|table| table.strip_prefix("domain ").unwrap_or(table));
    match table {
        Some(table) if is_said => about(statements, table).or_else(|| of_name(statements, table)),
        Some(table) => {
            let (schema, _) = parts_of_name(table);
            let (_, name) = parts_of_name(&thing.object);
            let part = format!("{}.{name}", parts_of_name(table).1);
            let makes = |one: &&Statement| {
                one.makes.iter().any(|made| made.schema == schema && (made.name == name || made.name == part))
            };
            let declared = place(declaring(statements).find(makes));
            // Else only a migration has said it, that of an index for one.
            declared.or_else(|| place(statements.iter().rfind(makes))).or_else(|| of_name(statements, table))
        }
        None => {
            let name = thing.object.split('(').next().unwrap_or_default();
            // `details of range r`, which has no object of its own.
            let last = thing.object.rsplit_once(' ').map_or("", |(_, last)| last);
            of_name(statements, name).or_else(|| of_name(statements, last))
        }
    }
}

/// The statement that makes what PostgreSQL prints so.
pub(super) fn of_name(statements: &[Statement], printed: &str) -> Option<Place> {
    let (schema, name) = parts_of_name(printed);
    let makes = |one: &&Statement| one.object().is_some_and(|made| (&made.schema, &made.name) == (&schema, &name));
    place(declaring(statements).find(makes))
}

fn about(statements: &[Statement], table: &str) -> Option<Place> {
    let (schema, name) = parts_of_name(table);
    let is_about = |one: &&Statement| {
        one.needs.iter().any(|need| {
            need.wanted == Wanted::Relation
                && need.name == name
                && need.schema.as_deref().unwrap_or("public") == schema.as_str()
        })
    };
    place(declaring(statements).filter(is_about).last())
}

/// Migrations declare nothing.
fn declaring(statements: &[Statement]) -> impl Iterator<Item = &Statement> {
    statements.iter().filter(|one| one.kind != Folder::Migrations)
}

fn place(statement: Option<&Statement>) -> Option<Place> {
    statement.map(|one| (one.path.to_string(), one.line))
}
