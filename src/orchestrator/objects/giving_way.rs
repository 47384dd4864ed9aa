//! The statement that makes room for one of the bundle that only replaces what an earlier one made. Pure; called by
//! [`super::create`].

use pg_query::protobuf::{DefineStmt, ObjectType, TypeName};
use pg_query::{Node, NodeEnum};

use super::relation;
use crate::bundle::sql::name_parts;
use crate::databases::quote_ident;
use crate::orchestrator::functions::type_text;

/// How what is there gives way.
pub(super) enum GivingWay {
    /// Nothing depends on such a thing: dropped before the statement, in one go with it.
    Plainly(String),
    /// Dropped by this; what depends on it stands aside meanwhile.
    WithDependants(String),
    /// The same, and it hands on its owner, comment and privileges.
    AsHeir(String),
}

/// `None` for what does not give way.
pub(super) fn of(tree: &NodeEnum) -> Option<GivingWay> {
    let name = |names: &[Node]| qualified(&name_parts(names));
    let on = |part: &str, name: &str, table: Option<&_>| {
        Some(GivingWay::Plainly(format!("DROP {part} {} ON {}", quote_ident(name), relation(table?))))
    };
    match tree {
        NodeEnum::CreateTrigStmt(create) => on("TRIGGER", &create.trigname, create.relation.as_ref()),
        NodeEnum::CreatePolicyStmt(create) => on("POLICY", &create.policy_name, create.table.as_ref()),
        NodeEnum::RuleStmt(create) => on("RULE", &create.rulename, create.relation.as_ref()),
        NodeEnum::DefineStmt(define) => of_definition(define),
        NodeEnum::CreateCastStmt(create) => {
            let types = (of_type(create.sourcetype.as_ref())?, of_type(create.targettype.as_ref())?);
            Some(GivingWay::AsHeir(format!("DROP CAST ({} AS {})", types.0, types.1)))
        }
        NodeEnum::CreateOpClassStmt(create) => {
            // Of a class that goes, PostgreSQL leaves some functions in its family: one that came with the class goes too.
            let noun = if create.opfamilyname.is_empty() { "FAMILY" } else { "CLASS" };
            let (name, method) = (name(&create.opclassname), quote_ident(&create.amname));
            Some(GivingWay::WithDependants(format!("DROP OPERATOR {noun} {name} USING {method}")))
        }
        NodeEnum::CreateOpFamilyStmt(create) => Some(GivingWay::WithDependants(format!(
            "DROP OPERATOR FAMILY {} USING {}",
            name(&create.opfamilyname),
            quote_ident(&create.amname)
        ))),
        NodeEnum::CreateConversionStmt(create) => {
            Some(GivingWay::WithDependants(format!("DROP CONVERSION {}", name(&create.conversion_name))))
        }
        NodeEnum::CreateStatsStmt(create) if !create.defnames.is_empty() => {
            Some(GivingWay::Plainly(format!("DROP STATISTICS {}", name(&create.defnames))))
        }
        NodeEnum::CreatePublicationStmt(create) => {
            Some(GivingWay::Plainly(format!("DROP PUBLICATION {}", quote_ident(&create.pubname))))
        }
        NodeEnum::CreateEventTrigStmt(create) => {
            Some(GivingWay::Plainly(format!("DROP EVENT TRIGGER {}", quote_ident(&create.trigname))))
        }
        NodeEnum::CreateTransformStmt(create) => Some(GivingWay::WithDependants(format!(
            "DROP TRANSFORM FOR {} LANGUAGE {}",
            of_type(create.type_name.as_ref())?,
            quote_ident(&create.lang)
        ))),
        NodeEnum::CreateForeignServerStmt(create) => {
            Some(GivingWay::WithDependants(format!("DROP SERVER {}", quote_ident(&create.servername))))
        }
        _ => None,
    }
}

fn of_definition(define: &DefineStmt) -> Option<GivingWay> {
    let parts = name_parts(&define.defnames);
    let name = qualified(&parts);
    Some(match ObjectType::try_from(define.kind) {
        Ok(ObjectType::ObjectOperator) => {
            let symbol = parts.last()?;
            let schema = parts.len().checked_sub(2).and_then(|at| parts.get(at));
            let schema = schema.map(|schema| format!("{}.", quote_ident(schema))).unwrap_or_default();
            let (left, right) = (argument(define, "leftarg"), argument(define, "rightarg"));
            GivingWay::AsHeir(format!("DROP OPERATOR {schema}{symbol} ({left}, {right})"))
        }
        Ok(ObjectType::ObjectAggregate) => {
            GivingWay::AsHeir(format!("DROP AGGREGATE {name}({})", aggregate_arguments(define)?))
        }
        Ok(ObjectType::ObjectCollation) => GivingWay::WithDependants(format!("DROP COLLATION {name}")),
        Ok(ObjectType::ObjectTsdictionary) => GivingWay::WithDependants(format!("DROP TEXT SEARCH DICTIONARY {name}")),
        Ok(ObjectType::ObjectTsconfiguration) => {
            GivingWay::WithDependants(format!("DROP TEXT SEARCH CONFIGURATION {name}"))
        }
        Ok(ObjectType::ObjectTsparser) => GivingWay::WithDependants(format!("DROP TEXT SEARCH PARSER {name}")),
        Ok(ObjectType::ObjectTstemplate) => GivingWay::WithDependants(format!("DROP TEXT SEARCH TEMPLATE {name}")),
        _ => return None,
    })
}

/// The type after `LEFTARG =`, `NONE` where there is none.
fn argument(define: &DefineStmt, option: &str) -> String {
    let value = define.definition.iter().find_map(|node| match &node.node {
        Some(NodeEnum::DefElem(one)) if one.defname == option => one.arg.as_deref(),
        _ => None,
    });
    match value.and_then(|value| value.node.as_ref()) {
        Some(NodeEnum::TypeName(name)) => of_type(Some(name)).unwrap_or_default(),
        _ => "NONE".to_owned(),
    }
}

/// As `DROP AGGREGATE` takes them; `None` for the old style without a list, and for ordered-set aggregates.
fn aggregate_arguments(define: &DefineStmt) -> Option<String> {
    let is_plain = |node: &Node| matches!(&node.node, Some(NodeEnum::Integer(direct)) if direct.ival == -1);
    let (list, direct) = (define.args.first()?, define.args.get(1));
    if define.oldstyle || direct.is_some_and(|direct| !is_plain(direct)) {
        return None;
    }
    let Some(NodeEnum::List(list)) = &list.node else { return Some("*".to_owned()) };
    let text = |node: &Node| match &node.node {
        Some(NodeEnum::FunctionParameter(parameter)) => of_type(parameter.arg_type.as_ref()),
        _ => None,
    };
    let types: Option<Vec<String>> = list.items.iter().map(text).collect();
    Some(types?.join(", "))
}

fn of_type(name: Option<&TypeName>) -> Option<String> {
    type_text(name?)
}

fn qualified(parts: &[String]) -> String {
    parts.iter().map(|part| quote_ident(part)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::sql;

    #[test]
    fn each_gives_way_to_its_successor() {
        for (create, drop) in [
            (
                "CREATE OPERATOR s.@+@ (FUNCTION = f, RIGHTARG = int)",
                r#"DROP OPERATOR "s".@+@ (NONE, "pg_catalog"."int4")"#,
            ),
            (
                "CREATE AGGREGATE total(int, VARIADIC text[]) (SFUNC = f, STYPE = int)",
                r#"DROP AGGREGATE "total"("pg_catalog"."int4", "text"[])"#,
            ),
            ("CREATE AGGREGATE total(*) (SFUNC = f, STYPE = int)", r#"DROP AGGREGATE "total"(*)"#),
            (r#"CREATE CAST (a AS "B".c) WITHOUT FUNCTION"#, r#"DROP CAST ("a" AS "B"."c")"#),
            ("CREATE COLLATION k (LOCALE = 'C')", r#"DROP COLLATION "k""#),
            ("CREATE STATISTICS s.x ON a, b FROM t", r#"DROP STATISTICS "s"."x""#),
        ] {
            let tree = sql::trees(create).pop().expect("one statement");
            match of(&tree) {
                Some(GivingWay::Plainly(text) | GivingWay::WithDependants(text) | GivingWay::AsHeir(text)) => {
                    assert_eq!(text, drop);
                }
                None => panic!("{create}"),
            }
        }
    }
}
