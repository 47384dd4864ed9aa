//! Compares what a database holds with what its bundle declares, read back from the blueprint's catalog. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::catalog::Catalog;
use super::catalog::things::{INVALID, Kind, Thing};
use super::report::Verification;

/// Everything in a catalog, each thing under its name in PostgreSQL's own words: `column users.email` →
/// `character varying(50) NOT NULL`. Oids and numbers differ from one database to the next and stay out.
pub type Words<'a> = BTreeMap<&'a str, &'a str>;

/// Says what is there, in words.
pub fn words(catalog: &Catalog) -> Words<'_> {
    catalog.things().iter().map(|thing| (thing.name.as_str(), thing.words.as_str())).collect()
}

/// What a bundle declares: of its blueprint's catalog the tables and types that `tables/` and `types/` name, with all
/// that belongs to them; of the rest what its migrations alone did not make.
pub fn declared<'a>(
    blueprint: &Catalog,
    all: &'a [Thing],
    tables: &HashSet<String>,
    types: &HashSet<String>,
) -> Vec<&'a Thing> {
    let is_declared = |thing: &&Thing| match (thing.kind, &thing.table) {
        (Kind::Table, _) => tables.contains(&thing.object),
        (Kind::Type, _) => types.contains(&thing.object),
        // Partitions come and go with the data, so what is said of one that no file declares is not compared either.
        (
            Kind::Column
            | Kind::Constraint
            | Kind::Index
            | Kind::Sequence
            | Kind::Privilege
            | Kind::State
            | Kind::PartitionIndex,
            Some(table),
        ) => {
            let owner = table.strip_prefix("domain ").unwrap_or(table);
            tables.contains(owner)
                || types.contains(owner)
                || blueprint.views.values().any(|view| view.name == *owner) && !blueprint.migrated.contains(&thing.name)
        }
        _ => !blueprint.migrated.contains(&thing.name),
    };
    all.iter().filter(is_declared).collect()
}

/// One way in which a database is not what its bundle declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub kind: Kind,
    /// A sentence.
    pub words: String,
    /// See [`Thing::name`].
    pub name: String,
}

/// What the declaration has and the database has not, or has otherwise, a sentence each. What somebody made by hand
/// beside the declaration is no difference.
pub fn differences(declared: &[&Thing], found: &[Thing]) -> Vec<Difference> {
    let there: BTreeMap<&str, &Thing> = found.iter().map(|thing| (thing.name.as_str(), thing)).collect();
    let is_missing = |thing: &&&Thing| thing.kind == Kind::Table && !there.contains_key(thing.name.as_str());
    let missing: BTreeSet<&str> = declared.iter().filter(is_missing).map(|thing| thing.object.as_str()).collect();
    // A table that is missing is named once, not once more for each of its columns.
    let of_missing = |thing: &Thing| thing.table.as_deref().is_some_and(|table| missing.contains(table));
    let difference = |wanted: &&Thing| {
        let (name, words) = (&wanted.name, short(&wanted.words));
        let words = match there.get(name.as_str()) {
            None => format!("{name} is missing (declared: {words})"),
            Some(now) if now.words != wanted.words => format!("{name} is {}, declared is {words}", short(&now.words)),
            Some(_) => return None,
        };
        Some(Difference { kind: wanted.kind, words, name: name.clone() })
    };
    declared.iter().filter(|thing| !of_missing(thing)).filter_map(difference).collect()
}

/// A sentence for each index that is invalid and that nobody declares: half of a `CREATE INDEX CONCURRENTLY`, or what an
/// interrupted `REINDEX CONCURRENTLY` has left. Such a one is no difference, but costs each write.
pub fn useless_indexes(declared: &[&Thing], found: &[Thing]) -> Vec<String> {
    let declared: BTreeSet<&str> = declared.iter().map(|thing| thing.name.as_str()).collect();
    let is_useless = |thing: &&Thing| {
        thing.kind == Kind::Index && thing.words.ends_with(INVALID) && !declared.contains(thing.name.as_str())
    };
    let sentence = |thing: &Thing| {
        let drop = thing.drop.as_deref().unwrap_or_default().replacen("DROP INDEX", "DROP INDEX CONCURRENTLY", 1);
        format!(
            "the {} is invalid: an interrupted REINDEX or CREATE INDEX CONCURRENTLY left it; no query uses it, and each \
             write keeps it up; {drop} removes it",
            thing.name
        )
    };
    found.iter().filter(is_useless).map(sentence).collect()
}

/// The query of a view or the text of a comment would bury the sentence.
fn short(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// The differences by what they are about.
pub fn verification(differences: &[Difference]) -> Verification {
    let none = |kinds: &[Kind]| !differences.iter().any(|difference| kinds.contains(&difference.kind));
    Verification {
        passed: differences.is_empty(),
        types_verified: none(&[Kind::Type, Kind::Collation]),
        tables_verified: none(&[
            Kind::Table,
            Kind::Column,
            Kind::Constraint,
            Kind::Index,
            Kind::Trigger,
            Kind::Policy,
            Kind::Rule,
            Kind::Statistics,
            Kind::Sequence,
            Kind::RowSecurity,
            Kind::Options,
            Kind::Comment,
            Kind::Privilege,
            Kind::State,
            Kind::PartitionIndex,
            Kind::Schema,
            Kind::Object,
            Kind::Family,
        ]),
        views_verified: none(&[Kind::View]),
        functions_verified: none(&[Kind::Routine]),
        ..Verification::passed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::catalog::{Column, EnumType, Relation};

    fn catalog(table: &str, columns: &[(&str, &str)]) -> Catalog {
        let column = |(name, data_type): &(&str, &str)| Column {
            name: (*name).to_owned(),
            data_type: (*data_type).to_owned(),
            local: true,
            ..Column::default()
        };
        let relation = Relation {
            name: table.to_owned(),
            kind: 'r',
            columns: (1..).zip(columns.iter().map(column)).collect(),
            ..Relation::default()
        };
        let mood = EnumType { name: "mood".to_owned(), values: vec!["a".to_owned()], ..EnumType::default() };
        Catalog { relations: BTreeMap::from([(1, relation)]), enums: BTreeMap::from([(2, mood)]), ..Catalog::default() }
    }

    #[track_caller]
    fn check(declared: &Catalog, found: &Catalog, expected: &[&str]) {
        let all = declared.things();
        let names = |kind| all.iter().filter(|one| one.kind == kind).map(|one| one.object.clone()).collect();
        let declared = super::declared(declared, all, &names(Kind::Table), &names(Kind::Type));
        let differences = differences(&declared, found.things());
        assert_eq!(differences.iter().map(|one| one.words.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(verification(&differences).passed, expected.is_empty());
    }

    #[test]
    fn only_what_the_declaration_has_is_compared() {
        let declared = catalog("a", &[("x", "integer"), ("y", "text")]);
        let found = catalog("a", &[("x", "bigint"), ("z", "text")]);
        check(
            &declared,
            &found,
            &["column a.x is bigint, declared is integer", "column a.y is missing (declared: text)"],
        );
        check(&declared, &declared, &[]);
    }

    #[test]
    fn the_order_of_columns_is_no_difference() {
        let declared = catalog("a", &[("x", "integer"), ("y", "text")]);
        check(&declared, &catalog("a", &[("y", "text"), ("x", "integer")]), &[]);
    }

    #[test]
    fn a_missing_table_is_named_once() {
        check(&catalog("a", &[("x", "integer")]), &catalog("b", &[]), &["table a is missing (declared: there)"]);
    }
}
