//! What a statement makes or alters, of what is neither relation, type nor part of one: under one key for the statement
//! that makes it, those that alter it later, and what the catalog tells of it. Pure.

use pg_query::protobuf::ObjectType;
use pg_query::{Node, NodeEnum};

use crate::bundle::sql::name_parts;
use crate::orchestrator::catalog::things::{Kind, Thing, parts_of_name};

/// Noun and name without its schema: another object of that name counts as the same, which costs a statement more.
pub type Subject = (&'static str, String);

const OPERATOR: &str = "operator";
const COLLATION: &str = "collation";
const DICTIONARY: &str = "text search dictionary";
const CONFIGURATION: &str = "text search configuration";
const PARSER: &str = "text search parser";
const TEMPLATE: &str = "text search template";
const CLASS: &str = "OPERATOR CLASS";
const FAMILY: &str = "OPERATOR FAMILY";
const CONVERSION: &str = "CONVERSION";
const EVENT_TRIGGER: &str = "EVENT TRIGGER";
const SERVER: &str = "server";
const PUBLICATION: &str = "publication";
const SCHEMA: &str = "schema";
/// Materialized ones, which are empty when they were made `WITH NO DATA`.
const VIEW: &str = "materialized view";
const ROUTINE: &str = "routine";
/// Told apart by types, which are written in many ways: each stands for all.
const CAST: &str = "CAST";
const TRANSFORM: &str = "TRANSFORM";

/// What a `CREATE` makes.
pub fn made(tree: &NodeEnum) -> Option<Subject> {
    let last = |names: &[Node]| name_parts(names).pop();
    Some(match tree {
        NodeEnum::DefineStmt(define) => {
            let noun = match ObjectType::try_from(define.kind) {
                Ok(ObjectType::ObjectOperator) => OPERATOR,
                Ok(ObjectType::ObjectCollation) => COLLATION,
                Ok(ObjectType::ObjectTsdictionary) => DICTIONARY,
                Ok(ObjectType::ObjectTsconfiguration) => CONFIGURATION,
                Ok(ObjectType::ObjectTsparser) => PARSER,
                Ok(ObjectType::ObjectTstemplate) => TEMPLATE,
                Ok(ObjectType::ObjectAggregate) => ROUTINE,
                _ => return None,
            };
            (noun, last(&define.defnames)?)
        }
        NodeEnum::CreateTableAsStmt(create) => (VIEW, create.into.as_ref()?.rel.as_ref()?.relname.clone()),
        NodeEnum::CreateFunctionStmt(create) => (ROUTINE, last(&create.funcname)?),
        NodeEnum::CreateOpClassStmt(create) => (CLASS, last(&create.opclassname)?),
        NodeEnum::CreateOpFamilyStmt(create) => (FAMILY, last(&create.opfamilyname)?),
        NodeEnum::CreateConversionStmt(create) => (CONVERSION, last(&create.conversion_name)?),
        NodeEnum::CreateEventTrigStmt(create) => (EVENT_TRIGGER, create.trigname.clone()),
        NodeEnum::CreateForeignServerStmt(create) => (SERVER, create.servername.clone()),
        NodeEnum::CreatePublicationStmt(create) => (PUBLICATION, create.pubname.clone()),
        NodeEnum::CreateSchemaStmt(create) => (SCHEMA, create.schemaname.clone()),
        NodeEnum::CreateCastStmt(_) => (CAST, String::new()),
        NodeEnum::CreateTransformStmt(_) => (TRANSFORM, String::new()),
        _ => return None,
    })
}

/// What an `ALTER` is about.
pub fn altered(tree: &NodeEnum) -> Option<Subject> {
    let last = |names: &[Node]| name_parts(names).pop();
    Some(match tree {
        NodeEnum::AlterFunctionStmt(alter) => (ROUTINE, last(&alter.func.as_ref()?.objname)?),
        NodeEnum::RefreshMatViewStmt(refresh) => (VIEW, refresh.relation.as_ref()?.relname.clone()),
        NodeEnum::AlterTsconfigurationStmt(alter) => (CONFIGURATION, last(&alter.cfgname)?),
        NodeEnum::AlterTsdictionaryStmt(alter) => (DICTIONARY, last(&alter.dictname)?),
        NodeEnum::AlterOperatorStmt(alter) => (OPERATOR, last(&alter.opername.as_ref()?.objname)?),
        NodeEnum::AlterOpFamilyStmt(alter) => (FAMILY, last(&alter.opfamilyname)?),
        NodeEnum::AlterEventTrigStmt(alter) => (EVENT_TRIGGER, alter.trigname.clone()),
        NodeEnum::AlterForeignServerStmt(alter) => (SERVER, alter.servername.clone()),
        NodeEnum::AlterPublicationStmt(alter) => (PUBLICATION, alter.pubname.clone()),
        _ => return None,
    })
}

/// What the catalog tells of.
pub fn of_thing(thing: &Thing) -> Option<Subject> {
    if !matches!(thing.kind, Kind::Object | Kind::Family | Kind::Schema | Kind::Collation) {
        return None;
    }
    const NOUNS: [&str; 15] = [
        OPERATOR,
        COLLATION,
        DICTIONARY,
        CONFIGURATION,
        PARSER,
        TEMPLATE,
        CLASS,
        FAMILY,
        CONVERSION,
        EVENT_TRIGGER,
        SERVER,
        PUBLICATION,
        SCHEMA,
        CAST,
        TRANSFORM,
    ];
    let (noun, rest) = NOUNS.into_iter().find_map(|noun| {
        let rest = thing.name.strip_prefix(noun)?.strip_prefix(' ')?;
        Some((noun, rest))
    })?;
    let printed = match noun {
        CAST | TRANSFORM => return Some((noun, String::new())),
        OPERATOR => rest.rsplit_once('(').map_or(rest, |(name, _)| name),
        CLASS | FAMILY => rest.rsplit_once(" USING ").map_or(rest, |(name, _)| name),
        _ => rest,
    };
    Some((noun, parts_of_name(printed).1))
}

/// Whether the catalog tells all that its statements say of it.
pub fn is_told_whole((noun, _): &Subject) -> bool {
    [OPERATOR, COLLATION, DICTIONARY, CONFIGURATION, PARSER, TEMPLATE, CONVERSION, CAST].contains(noun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::sql;

    fn thing(kind: Kind, name: &str) -> Thing {
        Thing {
            kind,
            identity: String::new(),
            name: name.to_owned(),
            object: name.to_owned(),
            table: None,
            words: String::new(),
            make: None,
            drop: None,
        }
    }

    #[test]
    fn what_makes_an_object_alters_it_and_tells_of_it_have_one_key() {
        for (make, alter, kind, name) in [
            (
                r#"CREATE OPERATOR s.@+@ (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)"#,
                "ALTER OPERATOR @+@ (int, int) SET (RESTRICT = NONE)",
                Kind::Object,
                "operator s.@+@(integer,integer)",
            ),
            (
                r#"CREATE TEXT SEARCH CONFIGURATION "A b" (COPY = english)"#,
                r#"ALTER TEXT SEARCH CONFIGURATION public."A b" DROP MAPPING FOR word"#,
                Kind::Object,
                r#"text search configuration "A b""#,
            ),
            (
                "CREATE OPERATOR FAMILY f USING btree",
                "ALTER OPERATOR FAMILY f USING btree DROP FUNCTION 1 (int, int)",
                Kind::Family,
                "OPERATOR FAMILY public.f USING btree",
            ),
            ("CREATE PUBLICATION p", "ALTER PUBLICATION p ADD TABLE t", Kind::Object, "publication p"),
        ] {
            let tree = |text: &str| sql::trees(text).pop().expect("one statement");
            let key = made(&tree(make));
            assert!(key.is_some(), "{make}");
            assert_eq!(altered(&tree(alter)), key, "{alter}");
            assert_eq!(of_thing(&thing(kind, name)), key, "{name}");
        }
    }
}
