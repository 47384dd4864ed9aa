//! New enum values, committed just before the transaction of their deployment (contract §4, "One exception"): PostgreSQL
//! lets nobody use a value in the transaction that adds it, and the bundle that declares one uses it.
//!
//! By then the whole deployment was rehearsed. A run that is interrupted after this leaves values that nobody uses yet;
//! the next one finds them there and goes on, or takes them out of its way ([`super::left_values`]).

use std::collections::HashMap;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterEnumStmt, ObjectType};
use serde_json::json;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::catalog::things::parts_of_name;
use super::catalog::{Catalog, EnumType};
use super::enum_labels::{self, Labels, Name, named};
use super::error::DeployError;
use super::left_values::{self, LeftValue};
use super::runner::Runner;
use super::tracking::{self, Change, NameOf, Origin};
use crate::bundle::sql::{Statement, facts};
use crate::databases::{Under, ask, own_path, quote_literal, set_printed_path, under};

/// A value that an enum lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// As PostgreSQL prints it.
    pub type_name: String,
    /// The value.
    pub value: String,
    /// The statement that adds it in its place.
    pub sql: String,
}

/// The values that enums of the database lack, those that only migrations make included. `pending`: the migrations that
/// are still to be run.
pub fn wanted(found: &Catalog, declared: &Catalog, pending: &[&Statement]) -> Vec<NewValue> {
    let mut values = Vec::new();
    let mut there: HashMap<&str, Vec<String>> =
        found.enums.values().map(|one| (one.name.as_str(), one.values.clone())).collect();
    for (name, labels) in added_by_migrations(found, pending) {
        let Some(there) = there.get_mut(name) else { continue };
        let all: Vec<String> = labels.at_first().cloned().collect();
        values.extend(lacking(name, there, &all));
    }
    for declared in declared.enums.values() {
        let Some(there) = there.get_mut(declared.name.as_str()) else { continue };
        let name = parts_of_name(&declared.name);
        if pending.iter().any(|statement| makes_anew(statement, &name)) {
            continue;
        }
        let names_before = renamed_values(pending, &name);
        let before = |value: &String| names_before.get(value.as_str()).cloned().unwrap_or_else(|| value.clone());
        let all: Vec<String> = declared.values.iter().map(before).collect();
        values.extend(lacking(&declared.name, there, &all));
    }
    values
}

/// The types of the database to which pending migrations add values, whatever becomes of those types in the end.
fn added_by_migrations<'a>(found: &'a Catalog, pending: &[&Statement]) -> Vec<(&'a str, Labels)> {
    let of_name = |one: &'a EnumType| {
        let name = parts_of_name(&one.name);
        (name.clone(), (one.name.as_str(), Labels::new(name, &one.values)))
    };
    let mut types: HashMap<Name, (&str, Labels)> = found.enums.values().map(of_name).collect();
    let mut changed = Vec::new();
    for statement in pending {
        for name in enum_labels::changed(statement) {
            let Some((printed, mut labels)) = types.remove(&name) else { continue };
            labels.follow(statement);
            match labels.name().cloned() {
                Some(name) => drop(types.insert(name, (printed, labels))),
                None => changed.push((printed, labels)),
            }
        }
    }
    changed.extend(types.into_values());
    changed.sort_by_key(|(printed, _)| *printed);
    changed
}

/// Adds to `there` what it lacks of `all`, each value behind the one that comes before it.
fn lacking(type_name: &str, there: &mut Vec<String>, all: &[String]) -> Vec<NewValue> {
    let mut values = Vec::new();
    for (at, value) in all.iter().enumerate() {
        if there.contains(value) {
            continue;
        }
        let previous = all[..at].iter().rev().find_map(|one| there.iter().position(|known| known == one));
        let (place, index) = match previous {
            Some(previous) => (format!(" AFTER {}", quote_literal(&there[previous])), previous + 1),
            None => (there.first().map(|first| format!(" BEFORE {}", quote_literal(first))).unwrap_or_default(), 0),
        };
        there.insert(index, value.clone());
        values.push(NewValue {
            type_name: type_name.to_owned(),
            value: value.clone(),
            sql: format!("ALTER TYPE {type_name} ADD VALUE IF NOT EXISTS {}{place}", quote_literal(value)),
        });
    }
    values
}

/// Whether a migration makes, drops or renames a type of that name: then it says itself what values there are.
fn makes_anew(statement: &Statement, name: &(String, String)) -> bool {
    let makes = statement.makes.iter().any(|made| (&made.schema, &made.name) == (&name.0, &name.1));
    let is_name = |parts: &[String]| named(parts) == *name;
    match statement.tree.as_ref() {
        NodeEnum::DropStmt(drop) if drop.remove_type == ObjectType::ObjectType as i32 => {
            facts::dropped_names(drop).iter().any(|parts| is_name(parts))
        }
        NodeEnum::RenameStmt(rename) if rename.rename_type == ObjectType::ObjectType as i32 => {
            let old = rename.object.as_ref().and_then(|object| object.node.as_ref());
            makes || matches!(old, Some(NodeEnum::List(list)) if is_name(&facts::words(&list.items)))
        }
        _ => makes,
    }
}

/// For each value that pending migrations rename: its name in the end → its name now.
pub(super) fn renamed_values(pending: &[&Statement], name: &(String, String)) -> HashMap<String, String> {
    let mut names: HashMap<String, String> = HashMap::new();
    for statement in pending {
        if let NodeEnum::AlterEnumStmt(alter) = statement.tree.as_ref()
            && !alter.old_val.is_empty()
            && named(&facts::words(&alter.type_name)) == *name
        {
            let now = names.remove(&alter.old_val).unwrap_or_else(|| alter.old_val.clone());
            names.insert(alter.new_val.clone(), now);
        }
    }
    names
}

/// Takes what an interrupted deployment left out of the way, adds the values, and commits, each with its row in the
/// changelog. What was there by then is passed over. Until the deployment ends, the values are on record.
pub async fn commit(
    client: &Client,
    left: &[LeftValue],
    values: &[NewValue],
    origin: &Origin,
) -> Result<(), DeployError> {
    const STEP: &str = "adding enum values";
    let begin = format!("RESET ALL; {}; BEGIN", own_path());
    client.batch_execute(&begin).await.map_err(DeployError::own(STEP))?;
    tracking::create_tables(client).await?;
    let added = |value: &NewValue| Change {
        change_type: "AddEnumValue",
        name_of: NameOf::Text,
        name: value.type_name.clone(),
        detail: json!({ "statement": value.sql, "value": value.value }),
    };
    // Somebody may use one by now; then it stays, as one that was added by hand.
    let mut unused = Vec::new();
    for one in left {
        if left_values::is_still_unused(client, one).await? {
            unused.push(one);
        }
    }
    let left = unused;
    let mut changes: Vec<Change> = left.iter().map(|one| one.change()).collect();
    changes.extend(values.iter().map(added));
    for statement in left.iter().map(|one| one.sql()).chain(values.iter().map(|value| value.sql.clone())) {
        // Written with the names that the catalog prints for `public`.
        let run = client.batch_execute(&format!("{};{statement};{}", set_printed_path(""), own_path())).await;
        run.map_err(|source| DeployError::Generated { statement, source, declared_at: None })?;
    }
    record(client, values).await.map_err(tracking::altered::failed(STEP, "values"))?;
    tracking::write_changes(client, &changes, origin).await.map_err(tracking::altered::failed(STEP, "changelog"))?;
    // See `commit_and_go_on`.
    client.batch_execute("COMMIT;UNLISTEN *").await.map_err(DeployError::own(STEP))
}

async fn record(client: &Client, values: &[NewValue]) -> Result<(), tokio_postgres::Error> {
    let of = |part: fn(&NewValue) -> &str| -> Vec<&str> { values.iter().map(part).collect() };
    let (statements, types, labels) = (of(|one| &one.sql), of(|one| &one.type_name), of(|one| &one.value));
    let insert = "INSERT INTO public._stonescriptdb_gateway_values (statement, type_name, value)
                  SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";
    client.execute(insert, &[&statements, &types, &labels]).await.map(drop)
}

/// Whether a migration's `ALTER TYPE … ADD VALUE` has nothing left to do.
pub async fn is_there(runner: &Runner<'_>, statement: &Statement) -> Result<bool, tokio_postgres::Error> {
    let NodeEnum::AlterEnumStmt(alter) = statement.tree.as_ref() else { return Ok(false) };
    if !adds(alter) {
        return Ok(false);
    }
    let name: Vec<String> =
        facts::words(&alter.type_name).iter().map(|part| crate::databases::quote_ident(part)).collect();
    let query = "SELECT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype($1::text) AND enumlabel = $2::text)";
    let name = name.join(".");
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&name, Type::TEXT), (&alter.new_val, Type::TEXT)];
    let rows = ask(runner.client, &under(Under::Path(&runner.path(statement)), query), &params).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

fn adds(alter: &AlterEnumStmt) -> bool {
    alter.old_val.is_empty() && !alter.new_val.is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bundle::order::{self, Target};
    use crate::bundle::{Bundle, Kind, SourceFile};

    fn mood(values: &[&str]) -> Catalog {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let mood = EnumType { name: "mood".to_owned(), values, ..EnumType::default() };
        Catalog { enums: BTreeMap::from([(1, mood)]), ..Catalog::default() }
    }

    #[track_caller]
    fn check(found: &[&str], declared: &[&str], migration: &str, expected: &[&str]) {
        let file = SourceFile { kind: Kind::Migrations, path: "migrations/1.sql".to_owned(), text: migration.into() };
        let bundle = Bundle::from_files(vec![file], Vec::new());
        let script = order::read(&bundle, Target::ExistingDatabase).expect("a migration");
        let pending: Vec<&Statement> = script.statements.iter().collect();
        let values = wanted(&mood(found), &mood(declared), &pending);
        let added: Vec<&str> = values.iter().filter_map(|one| one.sql.split_once("EXISTS ")).map(|one| one.1).collect();
        assert_eq!(added, expected);
    }

    #[test]
    fn each_value_comes_after_the_one_that_is_declared_before_it() {
        check(
            &["b", "d"],
            &["a", "b", "c", "c2", "d", "e"],
            "",
            &["'a' BEFORE 'b'", "'c' AFTER 'b'", "'c2' AFTER 'c'", "'e' AFTER 'd'"],
        );
        check(&[], &["a", "b"], "", &["'a'", "'b' AFTER 'a'"]);
        check(&["a"], &["a"], "", &[]);
    }

    #[test]
    fn what_a_migration_renames_is_not_added() {
        let rename = "ALTER TYPE mood RENAME VALUE 'a' TO 'x'; ALTER TYPE public.mood RENAME VALUE 'x' TO 'z';";
        check(&["a"], &["z", "n"], rename, &["'n' AFTER 'a'"]);
    }

    #[test]
    fn a_type_that_a_migration_makes_anew_is_its_own_matter() {
        let anew = "CREATE TYPE m2 AS ENUM ('c'); DROP TYPE mood; ALTER TYPE m2 RENAME TO mood;";
        check(&["a"], &["c"], anew, &[]);
        check(&["a"], &["a", "c"], "ALTER TYPE other RENAME TO another;", &["'c' AFTER 'a'"]);
    }
}
