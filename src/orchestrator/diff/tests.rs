//! Two catalogs in, changes out.

use super::*;

fn column(name: &str, data_type: &str) -> Column {
    Column { name: name.to_owned(), data_type: data_type.to_owned(), local: true, ..Column::default() }
}

fn table(name: &str, columns: &[Column]) -> Relation {
    Relation {
        name: name.to_owned(),
        kind: 'r',
        columns: (1..).zip(columns.iter().cloned()).collect(),
        ..Relation::default()
    }
}

fn catalog(relations: &[(u32, Relation)]) -> Catalog {
    Catalog { relations: relations.iter().cloned().collect(), ..Catalog::default() }
}

fn check(before: &Catalog, after: &Catalog, expected: &[(&str, ChangeType, Option<&str>, Compatibility)]) {
    let found = between(before, after);
    let found: Vec<_> = found
        .iter()
        .map(|change| (change.table.as_str(), change.change_type, change.column.as_deref(), change.compatibility))
        .collect();
    assert_eq!(found, expected);
}

use ChangeType::*;
use Compatibility::{Dataloss, Incompatible, Safe};

#[test]
fn the_same_catalog_has_no_changes() {
    let one = catalog(&[(1, table("a", &[column("x", "integer")]))]);
    check(&one, &one, &[]);
}

#[test]
fn tables_are_known_by_oid() {
    let before = catalog(&[(1, table("a", &[])), (2, table("b", &[]))]);
    let after = catalog(&[(1, table("z", &[])), (3, table("b", &[]))]);
    check(
        &before,
        &after,
        &[("z", RenameTable, None, Safe), ("b", DropTable, None, Dataloss), ("b", CreateTable, None, Safe)],
    );
}

#[test]
fn columns_are_known_by_number() {
    let before = catalog(&[(1, table("a", &[column("x", "integer"), column("y", "text")]))]);
    let mut changed = table("a", &[column("z", "bigint")]);
    changed.columns.insert(3, Column { not_null: true, ..column("y", "text") });
    changed.columns.insert(4, Column { not_null: true, default: Some("0".to_owned()), ..column("n", "integer") });
    check(
        &before,
        &catalog(&[(1, changed)]),
        &[
            ("a", RenameColumn, Some("z"), Safe),
            ("a", ModifyColumnType, Some("z"), Safe),
            ("a", DropColumn, Some("y"), Dataloss),
            ("a", AddColumn, Some("y"), Dataloss),
            ("a", AddColumn, Some("n"), Safe),
        ],
    );
}

#[test]
fn null_and_default_change_in_both_directions() {
    let loose = catalog(&[(1, table("a", &[column("x", "integer")]))]);
    let strict = catalog(&[(
        1,
        table("a", &[Column { not_null: true, default: Some("1".to_owned()), ..column("x", "integer") }]),
    )]);
    check(&loose, &strict, &[("a", SetNotNull, Some("x"), Dataloss), ("a", SetDefault, Some("x"), Safe)]);
    check(&strict, &loose, &[("a", DropNotNull, Some("x"), Safe), ("a", DropDefault, Some("x"), Safe)]);
}

#[test]
fn a_narrower_or_another_type_is_named_with_both_types() {
    let before = catalog(&[(1, table("a", &[column("x", "bigint"), column("y", "integer")]))]);
    let after = catalog(&[(1, table("a", &[column("x", "integer"), column("y", "text")]))]);
    let found = between(&before, &after);
    assert_eq!(found[0].compatibility, Dataloss);
    assert_eq!((found[0].from_type.as_deref(), found[0].to_type.as_deref()), (Some("bigint"), Some("integer")));
    assert_eq!(found[1].compatibility, Incompatible);
    let lists = SchemaValidation::of(found);
    assert!(lists.needs_force());
    assert_eq!((lists.dataloss_changes.len(), lists.incompatible_changes.len()), (1, 1));
}

#[test]
fn constraints_and_indexes_come_and_go_safely() {
    let definition = |name: &str, kind| Definition { name: name.to_owned(), definition: String::new(), kind };
    let mut before = table("a", &[]);
    before.constraints.insert(10, definition("old_check", 'c'));
    let mut after = table("a", &[]);
    after.constraints.insert(11, definition("new_key", 'f'));
    after.indexes.insert(12, definition("new_index", 'i'));
    check(
        &catalog(&[(1, before)]),
        &catalog(&[(1, after)]),
        &[
            ("a", DropConstraint, Some("old_check"), Safe),
            ("a", AddConstraint, Some("new_key"), Safe),
            ("a", AddIndex, Some("new_index"), Safe),
        ],
    );
}

#[test]
fn enum_values_may_be_added_anywhere_but_not_removed_or_moved() {
    let mood = |values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let enums = BTreeMap::from([(7, EnumType { name: "mood".to_owned(), values, ..EnumType::default() })]);
        Catalog { enums, ..Catalog::default() }
    };
    check(&mood(&["a", "c"]), &mood(&["a", "b", "c"]), &[("mood", AddEnumValue, Some("b"), Safe)]);
    check(&mood(&["a", "b"]), &mood(&["b"]), &[("mood", DropEnumValue, Some("a"), Incompatible)]);
    check(
        &mood(&["a", "b"]),
        &mood(&["b", "a"]),
        &[("mood", DropEnumValue, Some("a"), Incompatible), ("mood", DropEnumValue, Some("b"), Incompatible)],
    );
}
