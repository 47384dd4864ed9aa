//! What a statement of a seeder writes, as far as its text tells: whether it may run in a database with rows depends on
//! that. Pure.

use pg_query::protobuf::{AlterTableType, DropBehavior, InsertStmt, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};
use serde_json::Value;

use super::facts::command_of;
use super::grammar;
use crate::bundle::Kind;

/// What a statement writes that is no plain `INSERT … VALUES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// These and nothing else.
    Targets(Vec<Target>),
    /// What its text does not tell (`DO`, `SELECT f()`, `CALL`).
    Unknown,
}

/// A table or a sequence that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where the statement says one.
    pub schema: Option<String>,
    /// Unquoted.
    pub name: String,
    /// Whether what points at it by foreign keys is written as well (`TRUNCATE … CASCADE`).
    pub cascades: bool,
}

/// PostgreSQL's functions with which a `SELECT` sets a sequence, and which write nothing themselves.
const HARMLESS: &[&str] = &[
    "currval",
    "lastval",
    "pg_get_serial_sequence",
    "pg_sequence_last_value",
    "max",
    "min",
    "count",
    "sum",
    "abs",
    "ceil",
    "floor",
];

/// `None` for an `INSERT` of rows that it spells out, which is about its table alone, and for what is no seeder's.
pub(super) fn of(kind: Kind, tree: &NodeEnum) -> Option<Box<Writes>> {
    if kind != Kind::Seeders || matches!(tree, NodeEnum::InsertStmt(insert) if spells_out_rows(insert)) {
        return None;
    }
    Some(Box::new(read(tree)))
}

/// `VALUES` without anything around it, or `DEFAULT VALUES`.
fn spells_out_rows(insert: &InsertStmt) -> bool {
    if insert.with_clause.is_some() {
        return false;
    }
    match insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) {
        None => true,
        Some(NodeEnum::SelectStmt(select)) => {
            !select.values_lists.is_empty()
                && select.with_clause.is_none()
                && select.sort_clause.is_empty()
                && select.limit_count.is_none()
                && select.limit_offset.is_none()
        }
        Some(_) => false,
    }
}

fn read(tree: &NodeEnum) -> Writes {
    let rows = match tree {
        NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_)
        | NodeEnum::TruncateStmt(_) => true,
        NodeEnum::SelectStmt(_) => false,
        NodeEnum::AlterSeqStmt(alter) => return of_relation(alter.sequence.as_ref()),
        NodeEnum::AlterTableStmt(alter) if alter.objtype == ObjectType::ObjectTable as i32 => {
            return if alter.cmds.iter().all(concerns_rows_only) {
                of_relation(alter.relation.as_ref())
            } else {
                Writes::Unknown
            };
        }
        _ => return Writes::Unknown,
    };
    let mut found = Found::default();
    found.look(&serde_json::to_value(tree).unwrap_or_default());
    if found.is_unclear || found.targets.is_empty() || (found.calls_others && !rows) {
        return Writes::Unknown;
    }
    Writes::Targets(found.targets)
}

fn of_relation(relation: Option<&RangeVar>) -> Writes {
    let Some(relation) = relation else { return Writes::Unknown };
    Writes::Targets(vec![target(relation)])
}

fn target(relation: &RangeVar) -> Target {
    let schema = Some(relation.schemaname.clone()).filter(|schema| !schema.is_empty());
    Target { schema, name: relation.relname.clone(), cascades: false }
}

/// Triggers turned off and on around the rows; where an identity column goes on.
fn concerns_rows_only(node: &Node) -> bool {
    use AlterTableType as Kind;
    let kind = command_of(node).and_then(|command| AlterTableType::try_from(command.subtype).ok());
    matches!(
        kind,
        Some(
            Kind::AtEnableTrig
                | Kind::AtDisableTrig
                | Kind::AtEnableTrigAll
                | Kind::AtDisableTrigAll
                | Kind::AtEnableTrigUser
                | Kind::AtDisableTrigUser
                | Kind::AtSetIdentity
        )
    )
}

/// What stands anywhere in a statement, also in its `WITH`.
#[derive(Default)]
struct Found {
    targets: Vec<Target>,
    /// Other functions than those that set sequences, and [`HARMLESS`] ones.
    calls_others: bool,
    /// Something is written that the text does not name.
    is_unclear: bool,
}

impl Found {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.look_at(name, field);
                    self.look(field);
                }
            }
            _ => {}
        }
    }

    fn look_at(&mut self, name: &str, field: &Value) {
        match name {
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.push(relation(&field["relation"]), false),
            "TruncateStmt" => {
                let cascades = field["behavior"] == DropBehavior::DropCascade as i32;
                let relations = field["relations"].as_array().into_iter().flatten();
                relations.for_each(|node| self.push(relation(&node["node"]["RangeVar"]), cascades));
            }
            "FuncCall" => self.call(field),
            // SELECT … INTO
            "into_clause" if !field.is_null() => self.is_unclear = true,
            _ => {}
        }
    }

    fn push(&mut self, target: Option<Target>, cascades: bool) {
        match target {
            Some(target) => self.targets.push(Target { cascades, ..target }),
            None => self.is_unclear = true,
        }
    }

    fn call(&mut self, call: &Value) {
        let parts: Vec<&str> = texts(&call["funcname"]);
        let name = match parts[..] {
            [name] | ["pg_catalog", name] => name,
            _ => "",
        };
        match name {
            "setval" | "nextval" => self.push(sequence(&call["args"][0]), false),
            name => self.calls_others |= !HARMLESS.contains(&name),
        }
    }
}

fn relation(value: &Value) -> Option<Target> {
    let schema = value["schemaname"].as_str().filter(|schema| !schema.is_empty()).map(str::to_owned);
    Some(Target { schema, name: value["relname"].as_str()?.to_owned(), cascades: false })
}

/// A name inside a string, as PostgreSQL's own scanner reads it.
fn named(text: &str) -> Option<Target> {
    let mut parsed = grammar::parse(&format!("TABLE {text}")).ok()?;
    let only = parsed.pop().filter(|_| parsed.is_empty())?;
    let NodeEnum::SelectStmt(select) = only.stmt?.node? else { return None };
    match &select.from_clause[..] {
        [Node { node: Some(NodeEnum::RangeVar(relation)) }] if relation.catalogname.is_empty() => {
            Some(target(relation))
        }
        _ => None,
    }
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["node"]["String"]["sval"].as_str()).collect()
}

/// `'users_id_seq'`, with or without a cast, or `pg_get_serial_sequence('users', 'id')`, which belongs to the table.
fn sequence(argument: &Value) -> Option<Target> {
    let node = &argument["node"];
    if let Some(text) = node["AConst"]["val"]["Sval"]["sval"].as_str() {
        return named(text);
    }
    let cast = &node["TypeCast"];
    if !cast.is_null() {
        return sequence(&cast["arg"]);
    }
    let call = &node["FuncCall"];
    let is_serial = texts(&call["funcname"]).last() == Some(&"pg_get_serial_sequence");
    is_serial.then(|| sequence(&call["args"][0])).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The targets in words; `?` where the text does not tell; nothing for rows that are spelled out.
    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let tree = grammar::parse(sql).unwrap().remove(0).stmt.unwrap().node.unwrap();
        let words = match of(Kind::Seeders, &tree).map(|writes| *writes) {
            None => Vec::new(),
            Some(Writes::Unknown) => vec!["?".to_owned()],
            Some(Writes::Targets(targets)) => targets.iter().map(in_words).collect(),
        };
        assert_eq!(words, expected, "{sql}");
    }

    fn in_words(target: &Target) -> String {
        let schema = target.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        let name = format!("{schema}{}", target.name);
        if target.cascades { format!("{name} and more") } else { name }
    }

    #[test]
    fn rows_that_are_spelled_out_are_about_their_table() {
        for sql in [
            "INSERT INTO a VALUES (1), (f())",
            "INSERT INTO a DEFAULT VALUES",
            "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING",
        ] {
            check(sql, &[]);
        }
    }

    #[test]
    fn a_text_tells_what_it_writes() {
        check("INSERT INTO a SELECT * FROM b", &["a"]);
        check("INSERT INTO a VALUES (1), (2) LIMIT 1", &["a"]);
        check("WITH n AS (INSERT INTO s.a VALUES (1) RETURNING id) INSERT INTO b SELECT id FROM n", &["b", "s.a"]);
        check("UPDATE a SET x = f(x) FROM b", &["a"]);
        check("DELETE FROM a USING b", &["a"]);
        check("MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE", &["a"]);
        check("TRUNCATE a, b", &["a", "b"]);
        check("TRUNCATE a CASCADE", &["a and more"]);
        check("SELECT setval('a_id_seq', 3)", &["a_id_seq"]);
        check("SELECT pg_catalog.setval('a_id_seq'::regclass, (SELECT max(id) FROM a))", &["a_id_seq"]);
        check("SELECT setval(pg_get_serial_sequence('s.a', 'id'), coalesce(max(id), 1)) FROM a", &["s.a"]);
        check("ALTER SEQUENCE a_id_seq RESTART WITH 3", &["a_id_seq"]);
        check("ALTER TABLE a DISABLE TRIGGER ALL", &["a"]);
        check("INSERT INTO a SELECT nextval('q')", &["a", "q"]);
    }

    #[test]
    fn what_a_text_does_not_tell_is_unknown() {
        for sql in [
            "DO $$ BEGIN DELETE FROM a; END $$",
            "SELECT seed()",
            "SELECT other.setval('a_id_seq', 1)",
            "SELECT setval(name, 1) FROM names",
            "SELECT setval('a_id_seq', seed())",
            "SELECT setval('a \" b', 1)",
            "SELECT setval('a; DROP TABLE b', 1)",
            "SELECT 1",
            "SELECT * INTO b FROM a",
            "CALL seed()",
            "ALTER TABLE a ADD x int",
            "CREATE TABLE b ()",
            "COMMENT ON TABLE a IS ''",
            "UPDATE a SET id = setval(name, 1)",
        ] {
            check(sql, &["?"]);
        }
    }
}
