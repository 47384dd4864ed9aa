//! Two catalogs in, statements out.

use super::*;
use crate::orchestrator::catalog::{Column, Definition, EnumType, Relation};
use crate::orchestrator::diff::Compatibility;

fn column(name: &str, data_type: &str) -> Column {
    Column { name: name.to_owned(), data_type: data_type.to_owned(), local: true, ..Column::default() }
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
        columns: (1..).zip(columns.iter().cloned()).collect(),
        indexes: (1..).zip(indexes.iter().map(index)).collect(),
        ..Relation::default()
    };
    Catalog { relations: BTreeMap::from([(1, relation)]), ..Catalog::default() }
}

fn check(found: &Catalog, declared: &Catalog, expected: &[(Option<&str>, Compatibility)]) {
    let known = HashSet::new();
    let plan = plan(&Ask { found, wanted: declared, declared, known: &known, obsolete: &[] });
    let undeclared = undeclared_tables(found, declared);
    let all: Vec<_> = plan.columns.iter().chain(&plan.definitions).chain(&undeclared).collect();
    let all: Vec<_> = all.iter().map(compatibility).collect();
    assert_eq!(all, expected);
}

fn compatibility<'a>(one: &&'a Missing) -> (Option<&'a str>, Compatibility) {
    (one.sql.as_deref(), one.change.as_ref().map_or(Safe, |change| change.compatibility))
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
            EnumType {
                name: "mood".to_owned(),
                values: values.iter().map(|one| (*one).to_owned()).collect(),
                ..EnumType::default()
            },
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
