//! What an existing database still lacks of its declaration after the migrations, and the statements that make it
//! (contract §4, steps 2 and 4). Pure: two catalogs in, changes with their SQL out.
//!
//! Tables that are missing altogether are made by their own statements of `tables/`; here it is about those that are
//! there. Things are paired by name: identity belongs to one database, the declaration to another.

use std::collections::BTreeMap;

use super::catalog::{Catalog, Column, Definition, Relation};
use super::diff::{self, Change, ChangeType, Compatibility};
use crate::databases::quote_literal;

/// A change that the declaration asks for, and the statement that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As the client reads it.
    pub change: Change,
    /// `None` where only a migration can say how.
    pub sql: Option<String>,
}

/// The two rounds in which what is missing is made: what refers to columns comes after them.
#[derive(Debug, Default)]
pub struct Plan {
    /// Enum values, columns.
    pub columns: Vec<Missing>,
    /// Constraints and indexes.
    pub definitions: Vec<Missing>,
}

impl Plan {
    /// Every change, in the order in which they are made.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.columns.iter().chain(&self.definitions).map(|missing| &missing.change)
    }
}

/// What `found` lacks of `declared`.
pub fn plan(found: &Catalog, declared: &Catalog) -> Plan {
    let mut plan = Plan::default();
    let found_relations = by_name(&found.relations, |relation| &relation.name);
    for wanted in declared.relations.values() {
        if let Some(relation) = found_relations.get(wanted.name.as_str())
            && relation.kind == wanted.kind
        {
            columns(relation, wanted, &mut plan.columns);
            definitions(wanted, &relation.constraints, &wanted.constraints, &mut plan.definitions);
            definitions(wanted, &relation.indexes, &wanted.indexes, &mut plan.definitions);
        }
    }
    let found_enums = by_name(&found.enums, |one| &one.name);
    for wanted in declared.enums.values() {
        if let Some(one) = found_enums.get(wanted.name.as_str()) {
            enum_values(&wanted.name, &one.values, &wanted.values, &mut plan.columns);
        }
    }
    plan
}

fn by_name<'a, V>(items: &'a BTreeMap<u32, V>, name: impl Fn(&'a V) -> &'a String) -> BTreeMap<&'a str, &'a V> {
    items.values().map(|item| (name(item).as_str(), item)).collect()
}

/// Tables that the declaration does not have, to be dropped. Partitions come and go with the data: those of a declared
/// table may be made by anybody.
pub fn undeclared_tables(found: &Catalog, declared: &Catalog) -> Vec<Missing> {
    let wanted = by_name(&declared.relations, |relation| &relation.name);
    let undeclared = found.relations.values().filter(|relation| {
        relation.kind != 'c' && relation.bounds.is_none() && !wanted.contains_key(relation.name.as_str())
    });
    undeclared
        .map(|relation| Missing {
            change: diff::dropped_table(relation),
            sql: Some(format!("DROP TABLE {}", relation.name)),
        })
        .collect()
}

fn columns(found: &Relation, wanted: &Relation, missing: &mut Vec<Missing>) {
    let table = &wanted.name;
    let by_name = |relation: &'_ Relation| -> BTreeMap<String, Column> {
        relation.columns.values().map(|column| (column.name.clone(), column.clone())).collect()
    };
    let (there, declared) = (by_name(found), by_name(wanted));
    for column in wanted.columns.values() {
        match there.get(&column.name) {
            None => missing.push(Missing {
                change: diff::added_column(table, column),
                // What a parent has comes from the parent.
                sql: column.local.then(|| alter(wanted, &format!("ADD COLUMN {}", column_definition(column)))),
            }),
            Some(before) => changed_column(wanted, before, column, missing),
        }
    }
    for gone in found.columns.values().filter(|column| !declared.contains_key(&column.name)) {
        let sql = gone.local.then(|| alter(wanted, &format!("DROP COLUMN {}", gone.name)));
        missing.push(Missing { change: diff::dropped_column(table, gone), sql });
    }
}

/// `ALTER TABLE` or `ALTER TYPE`, whose words for columns differ.
fn alter(relation: &Relation, command: &str) -> String {
    if relation.kind == 'c' {
        return format!("ALTER TYPE {} {}", relation.name, command.replacen("COLUMN", "ATTRIBUTE", 1));
    }
    format!("ALTER TABLE {} {command}", relation.name)
}

fn column_definition(column: &Column) -> String {
    let mut text = format!("{} {}", column.name, column.data_type);
    // Makes its sequence, under the name that the declaration's has too.
    let serial = match column.data_type.as_str() {
        "smallint" if column.serial => Some("smallserial"),
        "integer" if column.serial => Some("serial"),
        "bigint" if column.serial => Some("bigserial"),
        _ => None,
    };
    if let Some(serial) = serial {
        return format!("{} {serial}", column.name);
    }
    match (&column.default, column.generated.as_str()) {
        (Some(expression), "s") => text += &format!(" GENERATED ALWAYS AS ({expression}) STORED"),
        (Some(expression), "v") => text += &format!(" GENERATED ALWAYS AS ({expression}) VIRTUAL"),
        (Some(expression), _) => text += &format!(" DEFAULT {expression}"),
        (None, _) => {}
    }
    match column.identity.as_str() {
        "a" => text += " GENERATED ALWAYS AS IDENTITY",
        "d" => text += " GENERATED BY DEFAULT AS IDENTITY",
        _ => {}
    }
    if column.not_null {
        text += " NOT NULL";
    }
    text
}

fn changed_column(relation: &Relation, before: &Column, after: &Column, missing: &mut Vec<Missing>) {
    let mut changes = Vec::new();
    diff::column_changes(&relation.name, before, after, &mut changes);
    for change in changes {
        let column = &after.name;
        let command = match change.change_type {
            ChangeType::ModifyColumnType if change.compatibility == Compatibility::Incompatible => None,
            // A narrower type takes what fits; PostgreSQL refuses the rest, except where the cast cuts silently.
            ChangeType::ModifyColumnType => Some(format!("ALTER COLUMN {column} TYPE {}", after.data_type)),
            ChangeType::SetNotNull => Some(format!("ALTER COLUMN {column} SET NOT NULL")),
            ChangeType::DropNotNull => Some(format!("ALTER COLUMN {column} DROP NOT NULL")),
            ChangeType::SetDefault | ChangeType::DropDefault => default_command(before, after),
            _ => None,
        };
        let sql = command.map(|command| match relation.kind {
            'c' => format!("ALTER TYPE {} {}", relation.name, command.replacen("COLUMN", "ATTRIBUTE", 1)),
            _ => format!("ALTER TABLE {} {command}", relation.name),
        });
        missing.push(Missing { change, sql });
    }
}

/// Only plain defaults: what makes a column generated or an identity is more than a default.
fn default_command(before: &Column, after: &Column) -> Option<String> {
    if before.generated != after.generated || before.identity != after.identity || !after.generated.is_empty() {
        return None;
    }
    Some(match &after.default {
        Some(default) => format!("ALTER COLUMN {} SET DEFAULT {default}", after.name),
        None => format!("ALTER COLUMN {} DROP DEFAULT", after.name),
    })
}

fn definitions(
    relation: &Relation,
    found: &BTreeMap<u32, Definition>,
    wanted: &BTreeMap<u32, Definition>,
    missing: &mut Vec<Missing>,
) {
    let there = by_name(found, |one| &one.name);
    for one in wanted.values() {
        let before = there.get(one.name.as_str());
        if before.is_some_and(|before| before.definition == one.definition) {
            continue;
        }
        let (added, dropped) = match one.kind {
            'i' => (ChangeType::AddIndex, ChangeType::DropIndex),
            _ => (ChangeType::AddConstraint, ChangeType::DropConstraint),
        };
        let plain = |change_type| diff::plain(&relation.name, change_type, Some(&one.name), "it is declared otherwise");
        if before.is_some() {
            missing.push(Missing { change: plain(dropped), sql: Some(drop_definition(relation, one)) });
        }
        missing.push(Missing { change: plain(added), sql: Some(add_definition(relation, one)) });
    }
}

fn drop_definition(relation: &Relation, one: &Definition) -> String {
    if one.kind == 'i' {
        let schema = relation.name.rsplit_once('.').map(|(schema, _)| format!("{schema}.")).unwrap_or_default();
        return format!("DROP INDEX {schema}{}", one.name);
    }
    format!("ALTER TABLE {} DROP CONSTRAINT {}", relation.name, one.name)
}

fn add_definition(relation: &Relation, one: &Definition) -> String {
    if one.kind == 'i' {
        return one.definition.clone();
    }
    format!("ALTER TABLE {} ADD CONSTRAINT {} {}", relation.name, one.name, one.definition)
}

/// New values take the place that the declaration gives them; values that are gone or have moved are a migration's.
fn enum_values(name: &str, found: &[String], wanted: &[String], missing: &mut Vec<Missing>) {
    let before = super::catalog::EnumType { name: name.to_owned(), values: found.to_vec() };
    let after = super::catalog::EnumType { name: name.to_owned(), values: wanted.to_vec() };
    let mut changes = Vec::new();
    diff::enum_changes(&before, &after, &mut changes);
    for change in changes {
        let value = change.column.clone().unwrap_or_default();
        let sql = (change.change_type == ChangeType::AddEnumValue).then(|| {
            let at = wanted.iter().position(|one| *one == value).unwrap_or(0);
            let place = match at.checked_sub(1) {
                Some(previous) => format!(" AFTER {}", quote_literal(&wanted[previous])),
                None => found.first().map(|first| format!(" BEFORE {}", quote_literal(first))).unwrap_or_default(),
            };
            format!("ALTER TYPE {name} ADD VALUE {}{place}", quote_literal(&value))
        });
        missing.push(Missing { change, sql });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::catalog::EnumType;

    fn column(name: &str, data_type: &str) -> Column {
        Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            not_null: false,
            default: None,
            generated: String::new(),
            identity: String::new(),
            serial: false,
            local: true,
        }
    }

    fn catalog(name: &str, columns: &[Column], indexes: &[(&str, &str)]) -> Catalog {
        let index = |(name, definition): &(&str, &str)| Definition {
            name: (*name).to_owned(),
            definition: (*definition).to_owned(),
            kind: 'i',
        };
        let relation = Relation {
            name: name.to_owned(),
            kind: 'r',
            parents: Vec::new(),
            bounds: None,
            columns: (1..).zip(columns.iter().cloned()).collect(),
            constraints: BTreeMap::new(),
            indexes: (1..).zip(indexes.iter().map(index)).collect(),
        };
        Catalog { relations: BTreeMap::from([(1, relation)]), ..Catalog::default() }
    }

    fn check(found: &Catalog, declared: &Catalog, expected: &[(Option<&str>, Compatibility)]) {
        let plan = plan(found, declared);
        let undeclared = undeclared_tables(found, declared);
        let all: Vec<_> = plan.columns.iter().chain(&plan.definitions).chain(&undeclared).collect();
        let all: Vec<_> = all.iter().map(|one| (one.sql.as_deref(), one.change.compatibility)).collect();
        assert_eq!(all, expected);
    }

    use Compatibility::{Dataloss, Incompatible, Safe};

    #[test]
    fn what_is_there_needs_nothing() {
        let one = catalog("a", &[column("x", "integer")], &[("i", "CREATE INDEX i ON a (x)")]);
        check(&one, &one, &[]);
    }

    #[test]
    fn columns_are_added_widened_and_given_defaults() {
        let default = |text: &str| Some(text.to_owned());
        check(
            &catalog("a", &[column("x", "integer"), Column { not_null: true, ..column("n", "text") }], &[]),
            &catalog(
                "a",
                &[
                    column("x", "bigint"),
                    Column { default: default("''::text"), ..column("n", "text") },
                    Column { not_null: true, default: default("0"), ..column("y", "integer") },
                    Column { identity: "a".to_owned(), ..column("id", "bigint") },
                ],
                &[],
            ),
            &[
                (Some("ALTER TABLE a ALTER COLUMN x TYPE bigint"), Safe),
                (Some("ALTER TABLE a ALTER COLUMN n DROP NOT NULL"), Safe),
                (Some("ALTER TABLE a ALTER COLUMN n SET DEFAULT ''::text"), Safe),
                (Some("ALTER TABLE a ADD COLUMN y integer DEFAULT 0 NOT NULL"), Safe),
                (Some("ALTER TABLE a ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY"), Safe),
            ],
        );
    }

    #[test]
    fn losses_have_their_statement_but_not_their_leave() {
        check(
            &catalog("a", &[column("x", "bigint"), column("gone", "text"), column("t", "integer")], &[]),
            &catalog("a", &[Column { not_null: true, ..column("x", "integer") }, column("t", "text")], &[]),
            &[
                (Some("ALTER TABLE a ALTER COLUMN x TYPE integer"), Dataloss),
                (Some("ALTER TABLE a ALTER COLUMN x SET NOT NULL"), Dataloss),
                (None, Incompatible),
                (Some("ALTER TABLE a DROP COLUMN gone"), Dataloss),
            ],
        );
        check(&catalog("b", &[], &[]), &Catalog::default(), &[(Some("DROP TABLE b"), Dataloss)]);
    }

    #[test]
    fn an_index_that_is_declared_otherwise_is_made_anew_and_one_made_by_hand_stays() {
        check(
            &catalog("s.a", &[], &[("i", "CREATE INDEX i ON s.a (x)"), ("by_hand", "CREATE INDEX by_hand ON s.a (z)")]),
            &catalog("s.a", &[], &[("i", "CREATE INDEX i ON s.a (y)")]),
            &[(Some("DROP INDEX s.i"), Safe), (Some("CREATE INDEX i ON s.a (y)"), Safe)],
        );
    }

    #[test]
    fn enum_values_are_added_in_their_place() {
        let mood = |values: &[&str]| Catalog {
            enums: BTreeMap::from([(
                1,
                EnumType { name: "mood".to_owned(), values: values.iter().map(|one| (*one).to_owned()).collect() },
            )]),
            ..Catalog::default()
        };
        check(
            &mood(&["b", "d"]),
            &mood(&["a", "b", "c", "d"]),
            &[
                (Some("ALTER TYPE mood ADD VALUE 'a' BEFORE 'b'"), Safe),
                (Some("ALTER TYPE mood ADD VALUE 'c' AFTER 'b'"), Safe),
            ],
        );
        check(&mood(&["a", "b"]), &mood(&["a"]), &[(None, Incompatible)]);
    }
}
