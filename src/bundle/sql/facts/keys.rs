//! The keys of tables: which columns a primary key or a unique index is over, and which ones a foreign key points at.
//! Both become one name, so that a foreign key waits for its own key and for no other one of the table.

use pg_query::protobuf::{AlterTableCmd, ConstrType, Constraint, CreateStmt, IndexStmt, RangeVar};
use pg_query::{Node, NodeEnum};

use super::{column_of, relation_as, schema_of};
use crate::bundle::sql::walk::name_parts;
use crate::bundle::sql::{Class, Object, Reference, Wanted};

/// Between table and columns: no name has it.
const SEPARATOR: char = '\0';

/// The name of a key over these columns; none of them: the primary key, whatever it is over.
fn key_name(table: &str, mut columns: Vec<String>) -> String {
    columns.sort_unstable();
    let columns = columns.join(&SEPARATOR.to_string());
    format!("{table}{SEPARATOR}{columns}")
}

/// The table of a key's name.
pub(in crate::bundle) fn table_of_key(name: &str) -> &str {
    name.split(SEPARATOR).next().unwrap_or_default()
}

/// What a foreign key points at.
pub(super) fn key_needed(constraint: &Constraint) -> Option<Reference> {
    let table = constraint.pktable.as_ref()?;
    let name = key_name(&table.relname, name_parts(&constraint.pk_attrs));
    Some(Reference { wanted: Wanted::Key, schema: schema_of(table), name })
}

fn key(table: &RangeVar, columns: Vec<String>) -> Object {
    let mut object = relation_as(Class::Key, table);
    object.name = key_name(&table.relname, columns);
    object
}

/// The keys that a `CREATE TABLE` brings.
pub(super) fn of_table(create: &CreateStmt) -> Vec<Object> {
    let Some(table) = &create.relation else { return Vec::new() };
    let mut made = Vec::new();
    for element in create.table_elts.iter().chain(&create.constraints) {
        match &element.node {
            Some(NodeEnum::Constraint(constraint)) => made.extend(of_constraint(table, constraint, None)),
            _ => made.extend(column_of(element).into_iter().flat_map(|column| of_column(table, column))),
        }
    }
    made
}

/// The keys that a command of an `ALTER TABLE` brings.
pub(super) fn of_command(table: &RangeVar, command: &AlterTableCmd) -> Vec<Object> {
    match command.def.as_deref() {
        Some(Node { node: Some(NodeEnum::Constraint(constraint)) }) => of_constraint(table, constraint, None),
        Some(definition) => column_of(definition).map(|column| of_column(table, column)).unwrap_or_default(),
        None => Vec::new(),
    }
}

/// The key that an index is; over expressions, or of some rows only, it is none.
pub(super) fn of_index(create: &IndexStmt) -> Option<Object> {
    let table = create.relation.as_ref().filter(|_| create.unique && create.where_clause.is_none())?;
    let columns = create.index_params.iter().map(|node| match &node.node {
        Some(NodeEnum::IndexElem(element)) if !element.name.is_empty() => Some(element.name.clone()),
        _ => None,
    });
    Some(key(table, columns.collect::<Option<_>>()?))
}

fn of_column(table: &RangeVar, column: &pg_query::protobuf::ColumnDef) -> Vec<Object> {
    let constraints = column.constraints.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::Constraint(constraint)) => Some(constraint),
        _ => None,
    });
    constraints.flat_map(|constraint| of_constraint(table, constraint, Some(&column.colname))).collect()
}

fn of_constraint(table: &RangeVar, constraint: &Constraint, column: Option<&String>) -> Vec<Object> {
    let columns = match column {
        Some(column) => vec![column.clone()],
        None => name_parts(&constraint.keys),
    };
    // `USING INDEX` does not say over what; the statement that made the index did.
    let over = |columns: Vec<String>| (!columns.is_empty()).then(|| key(table, columns));
    match ConstrType::try_from(constraint.contype) {
        Ok(ConstrType::ConstrPrimary) => over(columns).into_iter().chain([key(table, Vec::new())]).collect(),
        Ok(ConstrType::ConstrUnique) => over(columns).into_iter().collect(),
        _ => Vec::new(),
    }
}
