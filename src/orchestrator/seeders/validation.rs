//! Whether the rows that seeders name are there, where their table was not filled by this deployment (contract §4,
//! "Seeders").
//!
//! A row is looked for by its primary key where the INSERT names it, else by the columns that it gives constants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pg_query::protobuf::{InsertStmt, LimitOption, ResTarget, SelectStmt, SetOperation};
use pg_query::{Node, NodeEnum};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::bundle::order::OrderError;
use crate::bundle::sql::{self, Statement};
use crate::databases::{Under, ask, own_path, quote_ident, set_path, under};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;
use crate::uploads;

/// Rows asked for in one query: each is a sub-select of its own.
const ROWS_PER_QUERY: usize = 200;

/// What was looked for in one table, and what was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeederValidation {
    /// As PostgreSQL prints it.
    pub table: String,
    /// Rows that the seeders name.
    pub expected: usize,
    /// Those that are there.
    pub found: usize,
    /// The others: the columns that were compared, as SQL.
    pub missing: Vec<Map<String, Value>>,
}

/// A column of the table, in its order.
struct Column {
    name: String,
    data_type: String,
    in_key: bool,
    /// Whether its type is PostgreSQL's own.
    is_plain: bool,
}

/// Looks for the rows of the seeders, by quoted table: what it found, of each table in turn.
///
/// One query tells the columns of all tables, and one looks for [`ROWS_PER_QUERY`] rows, whichever tables they are of.
pub async fn validate(
    runner: &Runner<'_>,
    seeds: &BTreeMap<String, Vec<&Statement>>,
) -> Result<Vec<SeederValidation>, DeployError> {
    if seeds.is_empty() {
        return Ok(Vec::new());
    }
    let failed = DeployError::own("looking for the seeded rows");
    let mut tables = read_tables(runner.client, seeds.keys()).await.map_err(&failed)?;
    let mut validations = Vec::new();
    let mut rows: Vec<(usize, Arc<str>, Vec<Condition>)> = Vec::new();
    for (name, seeds) in seeds {
        let (printed, columns) = tables.remove(name).unwrap_or_else(|| (name.clone(), Vec::new()));
        let of_table = read_rows(seeds, columns).await?;
        let (count, name) = (of_table.len(), Arc::from(name.as_str()));
        rows.extend(of_table.into_iter().map(|row| (validations.len(), Arc::clone(&name), row)));
        validations.push(SeederValidation { table: printed, expected: count, found: count, missing: Vec::new() });
    }
    // What the seeders name is found as they find it; what is PostgreSQL's own comes first.
    let path = format!("pg_catalog, {}", runner.first_path());
    runner.own("looking for the seeded rows", &set_path(path.trim_end_matches([',', ' ']))).await?;
    for rows in rows.chunks(ROWS_PER_QUERY) {
        let select = |(at, (_, table, row)): (usize, &(usize, Arc<str>, Vec<Condition>))| missing_query(table, at, row);
        let selects: Vec<String> = rows.iter().enumerate().map(select).collect();
        let missing = runner.client.query(&selects.join(" UNION ALL "), &[]).await.map_err(&failed)?;
        for found in missing {
            let at = usize::try_from(found.get::<_, i32>(0)).unwrap_or(0);
            let (table, _, row) = &rows[at];
            let validation = &mut validations[*table];
            validation.found -= 1;
            let shown = row.iter().map(|one| (one.column.clone(), Value::String(one.literal.clone())));
            validation.missing.push(shown.collect());
        }
    }
    runner.own("looking for the seeded rows", &own_path()).await?;
    Ok(validations)
}

/// By quoted name: as PostgreSQL prints it, and its columns.
async fn read_tables(
    client: &Client,
    names: impl Iterator<Item = &String>,
) -> Result<HashMap<String, (String, Vec<Column>)>, tokio_postgres::Error> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let query = "SELECT wanted.name, a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
                        coalesce(a.attnum = ANY (i.indkey), false), t.typnamespace = 'pg_catalog'::regnamespace
                 FROM unnest($1::text[]) AS wanted (name)
                 JOIN pg_attribute a ON a.attrelid = to_regclass(wanted.name) AND a.attnum > 0 AND NOT a.attisdropped
                 JOIN pg_type t ON t.oid = a.atttypid
                 LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
                 ORDER BY wanted.name, a.attnum";
    let mut tables: HashMap<String, (String, Vec<Column>)> = HashMap::new();
    for row in ask(client, &under(Under::Database, query), &[(&names, Type::TEXT_ARRAY)]).await? {
        let (_, columns) = tables.entry(row.get(0)).or_insert_with(|| (row.get(1), Vec::new()));
        columns.push(Column { name: row.get(2), data_type: row.get(3), in_key: row.get(4), is_plain: row.get(5) });
    }
    Ok(tables)
}

/// One column of a row, and the constant that it is given.
struct Condition {
    column: String,
    data_type: String,
    literal: String,
    is_null: bool,
    in_key: bool,
    is_plain: bool,
}

impl Condition {
    fn sql(&self) -> String {
        let (column, literal) = (quote_ident(&self.column), format!("CAST({} AS {})", self.literal, self.data_type));
        match (self.is_null, self.in_key) {
            (true, _) => format!("{column} IS NULL"),
            // Finds it by the key's index.
            (false, true) if self.is_plain => format!("{column} OPERATOR(pg_catalog.=) {literal}"),
            (false, true) => format!("{column} = {literal}"),
            // Not every type has an operator =, but each has a text.
            (false, false) => format!("{column}::pg_catalog.text OPERATOR(pg_catalog.=) {literal}::pg_catalog.text"),
        }
    }
}

fn missing_query(table: &str, at: usize, row: &[Condition]) -> String {
    let conditions: Vec<String> = row.iter().map(Condition::sql).collect();
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    format!("SELECT {at} WHERE NOT EXISTS (SELECT FROM {table} WHERE {conditions})")
}

/// The rows of one table's seeders. Each statement is parsed again for that, one after the other: their trees are not kept.
async fn read_rows(seeds: &[&Statement], columns: Vec<Column>) -> Result<Vec<Vec<Condition>>, OrderError> {
    let seeds: Vec<Statement> = seeds.iter().map(|seed| (*seed).clone()).collect();
    let rows = move || seeds.iter().flat_map(|seed| rows_of(seed, &columns)).collect();
    let reading = uploads::read(|| sql::on_deep_stack(rows));
    let read = reading.await.ok_or_else(|| OrderError::NoThread("the reader stopped".to_owned()))?;
    read.map_err(|error| OrderError::NoThread(error.to_string()))
}

/// The rows that an `INSERT … VALUES` names; one that selects names none.
fn rows_of(seed: &Statement, columns: &[Column]) -> Vec<Vec<Condition>> {
    let Some(NodeEnum::InsertStmt(insert)) = seed.parse() else { return Vec::new() };
    let named = named_columns(&insert, columns);
    let Some(NodeEnum::SelectStmt(select)) = insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) else {
        return Vec::new();
    };
    let row = |values: &Node| match &values.node {
        Some(NodeEnum::List(list)) => conditions(&named, &list.items),
        _ => Vec::new(),
    };
    select.values_lists.iter().map(row).collect()
}

fn named_columns<'a>(insert: &InsertStmt, columns: &'a [Column]) -> Vec<Option<&'a Column>> {
    if insert.cols.is_empty() {
        return columns.iter().map(Some).collect();
    }
    let find = |target: &Node| match &target.node {
        Some(NodeEnum::ResTarget(target)) => columns.iter().find(|column| column.name == target.name),
        _ => None,
    };
    insert.cols.iter().map(find).collect()
}

fn conditions(columns: &[Option<&Column>], values: &[Node]) -> Vec<Condition> {
    let constants = columns.iter().zip(values).filter_map(|(column, value)| {
        let (column, constant) = ((*column)?, constant(value)?);
        Some(Condition {
            column: column.name.clone(),
            data_type: column.data_type.clone(),
            literal: constant.0,
            is_null: constant.1,
            in_key: column.in_key,
            is_plain: column.is_plain,
        })
    });
    let (key, others): (Vec<_>, Vec<_>) = constants.partition(|condition| condition.in_key);
    let key_columns = columns.iter().flatten().filter(|column| column.in_key).count();
    if !key.is_empty() && key.len() == key_columns { key } else { key.into_iter().chain(others).collect() }
}

/// A value as SQL, and whether it is NULL; `None` where it is no constant.
fn constant(value: &Node) -> Option<(String, bool)> {
    let is_null = match value.node.as_ref()? {
        NodeEnum::AConst(constant) => constant.isnull,
        NodeEnum::TypeCast(cast) => return constant(cast.arg.as_deref()?).map(|(_, null)| (written(value), null)),
        // -1
        NodeEnum::AExpr(expression) if expression.lexpr.is_none() => {
            constant(expression.rexpr.as_deref()?)?;
            false
        }
        NodeEnum::AArrayExpr(array) if array.elements.iter().all(|element| constant(element).is_some()) => false,
        _ => return None,
    };
    Some((written(value), is_null))
}

/// An expression in the words of PostgreSQL's grammar.
fn written(value: &Node) -> String {
    let target = ResTarget { val: Some(Box::new(value.clone())), ..ResTarget::default() };
    let target = Node { node: Some(NodeEnum::ResTarget(Box::new(target))) };
    let select = SelectStmt {
        target_list: vec![target],
        limit_option: LimitOption::Default as i32,
        op: SetOperation::SetopNone as i32,
        ..SelectStmt::default()
    };
    let text = sql::grammar::deparse(NodeEnum::SelectStmt(Box::new(select))).map(|(_, text)| text);
    text.and_then(|text| text.strip_prefix("SELECT ").map(str::to_owned)).unwrap_or_else(|| "NULL".to_owned())
}
