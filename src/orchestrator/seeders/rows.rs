//! The rows that `INSERT … VALUES` spells out, and SQL that tells whether one of them is there. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pg_query::protobuf::{
    InsertStmt, LimitOption, OnConflictAction, OverridingKind, ResTarget, SelectStmt, SetOperation,
};
use pg_query::{Node, NodeEnum};

use super::columns::{Column, Equal, Table};
use crate::bundle::sql::tokens::checksum_bytes;
use crate::bundle::sql::{self, Statement};
use crate::databases::{quote_ident, quote_literal};
use crate::uploads::{self, UploadsError};

/// Values of a row as PostgreSQL prints them, by column.
pub type Stored = BTreeMap<String, Option<String>>;

/// A constant of a row.
#[derive(Debug)]
pub struct Constant {
    /// Its place among the table's columns.
    pub column: usize,
    /// As SQL.
    pub literal: Box<str>,
    is_null: bool,
    /// Not `'now'` and the like, which is another value each time.
    pub is_stable: bool,
}

/// One row that a seeder names.
#[derive(Debug)]
pub struct Row {
    pub table: Arc<Table>,
    /// Its place among the rows of its statement.
    pub place: usize,
    /// Where it stands, from 1.
    pub line: usize,
    /// The same for the same row of another bundle, and another one for each of several equal rows.
    pub identity: Box<str>,
    pub constants: Vec<Constant>,
}

/// An `INSERT … VALUES`.
#[derive(Debug, Default)]
pub struct Insert {
    pub rows: Vec<Row>,
    /// It has no `RETURNING` of its own.
    pub may_return: bool,
    /// What it inserts is what it says: no `ON CONFLICT`, no `OVERRIDING USER VALUE`.
    pub is_plain: bool,
}

impl Insert {
    /// Whether a row of it may not be found again by what it says.
    pub fn needs_record(&self, table: &Table) -> bool {
        let has_key = !table.primary_key.is_empty();
        let all_say = self.rows.iter().all(|row| if has_key { row.is_named() } else { row.is_stable() });
        !all_say || !table.keeps_rows || !self.is_plain
    }
}

impl Row {
    fn is_stable(&self) -> bool {
        self.constants.iter().all(|one| one.is_stable)
    }

    /// The values of a key, where each of its columns has a constant that says which row it is.
    fn key<'r>(&'r self, columns: &[usize]) -> Option<Vec<&'r Constant>> {
        let constant =
            |column: &usize| self.constants.iter().find(|one| one.column == *column && one.is_stable && !one.is_null);
        let key: Option<Vec<&Constant>> = columns.iter().map(constant).collect();
        key.filter(|key| !key.is_empty())
    }

    /// Whether the primary key is named.
    pub fn is_named(&self) -> bool {
        self.key(&self.table.primary_key).is_some()
    }

    /// The primary key, where it is named.
    pub fn by_primary_key(&self) -> Option<Vec<Term>> {
        self.key(&self.table.primary_key).map(|key| self.terms(&key))
    }

    /// Those of the unique keys that have constants, the primary one first.
    pub fn by_unique_keys(&self) -> Vec<Vec<Term>> {
        self.table.unique_keys.iter().filter_map(|key| self.key(key)).map(|key| self.terms(&key)).collect()
    }

    /// All constants.
    pub fn by_constants(&self) -> Vec<Term> {
        self.terms(&self.stable())
    }

    fn stable(&self) -> Vec<&Constant> {
        self.constants.iter().filter(|one| one.is_stable).collect()
    }

    fn terms(&self, constants: &[&Constant]) -> Vec<Term> {
        constants.iter().map(|one| self.term(one)).collect()
    }

    fn term(&self, constant: &Constant) -> Term {
        Term::of(&self.table, constant.column, (!constant.is_null).then_some(&*constant.literal))
    }

    /// A row that was read before: by its primary key where that is among the values, else by all of them. `None`: no
    /// column of it is left.
    pub fn by_stored(&self, stored: &Stored) -> Option<Vec<Term>> {
        let columns = &self.table.columns;
        let values: Vec<(usize, &Option<String>)> = stored
            .iter()
            .filter_map(|(name, value)| Some((columns.iter().position(|column| column.name == *name)?, value)))
            .collect();
        let key = &self.table.primary_key;
        let has_key = !key.is_empty() && key.iter().all(|column| values.iter().any(|(one, _)| one == column));
        let terms: Vec<Term> = values
            .iter()
            .filter(|(column, _)| !has_key || key.contains(column))
            .map(|(column, value)| {
                let literal = value.as_deref().map(quote_literal);
                Term::of(&self.table, *column, literal.as_deref().map(str::trim_start))
            })
            .collect();
        (!terms.is_empty()).then_some(terms)
    }

    /// For each stable constant an expression that is the stored value where that is another one, else NULL.
    pub fn differences(&self) -> Vec<String> {
        let difference = |one: &&Constant| {
            let column = quote_ident(&self.table.columns[one.column].name);
            let condition = self.term(one).condition(&self.table);
            format!(
                "CASE WHEN {condition} THEN NULL ELSE coalesce(pg_catalog.quote_nullable({column}::pg_catalog.text), 'NULL') END"
            )
        };
        self.stable().iter().map(difference).collect()
    }

    /// What [`Self::differences`] found, in words; nothing where nothing differs.
    pub fn told(&self, found: &[Option<String>]) -> Option<String> {
        let words: Vec<String> = self
            .stable()
            .iter()
            .zip(found)
            .filter_map(|(one, found)| {
                let column = &self.table.columns[one.column].name;
                found.as_ref().map(|found| format!("{column} is {found} instead of {}", one.literal))
            })
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// What tells which row it is, as SQL by column: for people.
    pub fn shown(&self) -> Vec<(String, String)> {
        let shown = self.key(&self.table.primary_key).unwrap_or_else(|| self.stable());
        shown.iter().map(|one| (self.table.columns[one.column].name.clone(), one.literal.to_string())).collect()
    }

    /// The columns that tell which stored row it is: the primary key, else those with constants.
    pub fn telling_columns(&self) -> Vec<usize> {
        match &self.table.primary_key[..] {
            [] => self.stable().iter().map(|one| one.column).collect(),
            key => key.to_vec(),
        }
    }

    /// The columns with constants that stay what they are.
    pub fn stable_columns(&self) -> Vec<usize> {
        self.stable().iter().map(|one| one.column).collect()
    }
}

/// A column's value as text, as SQL.
pub fn as_text(column: &Column) -> String {
    format!("{}::pg_catalog.text", quote_ident(&column.name))
}

/// What a column of a row that is looked for holds.
#[derive(Debug)]
pub struct Term {
    /// Its place among the table's columns.
    pub column: usize,
    /// As SQL, of the type that [`Term::side`] is compared as; `None` for NULL.
    pub value: Option<String>,
}

impl Term {
    fn of(table: &Table, column: usize, literal: Option<&str>) -> Self {
        let of_type = &table.columns[column];
        let literal = literal.map(|literal| format!("CAST({literal} AS {})", of_type.data_type));
        let value = literal.map(|literal| match &of_type.equal {
            Some(Equal { input: None, .. }) => literal,
            Some(Equal { input: Some(input), .. }) => format!("CAST({literal} AS {input})"),
            None => format!("{literal}::pg_catalog.text"),
        });
        Self { column, value }
    }

    /// The column, and the operator that compares it with the value.
    fn side(&self, table: &Table) -> (String, String) {
        let column = &table.columns[self.column];
        let name = quote_ident(&column.name);
        match &column.equal {
            // Finds it by the key's index.
            Some(Equal { operator, input: None }) => (name, operator.clone()),
            Some(Equal { operator, input: Some(input) }) => (format!("CAST({name} AS {input})"), operator.clone()),
            // Not every type has an operator =, but each has a text.
            None => (format!("{name}::pg_catalog.text"), "OPERATOR(pg_catalog.=)".to_owned()),
        }
    }

    /// The column holds the value.
    pub fn condition(&self, table: &Table) -> String {
        self.condition_with(table, self.value.as_deref())
    }

    /// The same with something else, of the value's type, in the place of it. NULL is NULL.
    pub fn condition_with(&self, table: &Table, value: Option<&str>) -> String {
        let (side, operator) = self.side(table);
        match value {
            Some(value) => format!("{side} {operator} {value}"),
            None => format!("{} IS NULL", quote_ident(&table.columns[self.column].name)),
        }
    }
}

/// Reads them, on a deep stack: each statement is parsed again, one after the other, and its tree not kept.
pub fn read(seeds: &[(Statement, Arc<Table>)]) -> Vec<Insert> {
    let mut met = HashMap::new();
    seeds.iter().map(|(seed, table)| read_one(seed, table, &mut met).unwrap_or_default()).collect()
}

fn read_one(seed: &Statement, table: &Arc<Table>, met: &mut HashMap<String, usize>) -> Option<Insert> {
    let Some(NodeEnum::InsertStmt(insert)) = seed.parse() else { return None };
    let named = named_columns(&insert, table);
    let breaks = line_breaks(seed);
    let row = |(place, values): (usize, &[Node])| {
        let constants: Vec<Constant> =
            named.iter().zip(values).filter_map(|(column, value)| read_value(table, (*column)?, value)).collect();
        let identity = identity(table, &constants, met).into();
        let line = seed.line + lines_before(&breaks, values);
        Row { table: table.clone(), place, line, identity, constants }
    };
    let no_values: [Node; 0] = [];
    let rows = match insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => {
            let lists = select.values_lists.iter().map(|list| match &list.node {
                Some(NodeEnum::List(list)) => &list.items[..],
                _ => &no_values[..],
            });
            lists.enumerate().map(row).collect()
        }
        _ => std::iter::once((0, &no_values[..])).map(row).collect(),
    };
    let on_conflict = insert.on_conflict_clause.as_ref().map(|clause| clause.action);
    let is_plain = on_conflict.is_none_or(|action| action == OnConflictAction::OnconflictNone as i32)
        && insert.r#override != OverridingKind::OverridingUserValue as i32;
    Some(Insert { rows, may_return: insert.returning_clause.is_none(), is_plain })
}

/// A statement and the places of its rows.
type Part = (Statement, Vec<usize>);

/// An `INSERT` with some of its rows only; none where these cannot be told from the others.
pub async fn some_of(seed: &Statement, places: Vec<usize>) -> Result<Option<Vec<Part>>, UploadsError> {
    if places.is_empty() { Ok(Some(Vec::new())) } else { parts(seed, vec![places]).await }
}

/// An `INSERT` for each of these rows.
pub async fn apart(seed: &Statement, places: Vec<usize>) -> Result<Option<Vec<Part>>, UploadsError> {
    parts(seed, places.into_iter().map(|place| vec![place]).collect()).await
}

async fn parts(seed: &Statement, places: Vec<Vec<usize>>) -> Result<Option<Vec<Part>>, UploadsError> {
    let seed = seed.clone();
    let reading = uploads::read(move || sql::on_deep_stack(|| read_parts(&seed, places)).ok().flatten()).await;
    Ok(reading?.flatten())
}

/// `None` where the grammar's writer refuses.
fn read_parts(seed: &Statement, parts: Vec<Vec<usize>>) -> Option<Vec<Part>> {
    let Some(NodeEnum::InsertStmt(mut insert)) = seed.parse() else { return None };
    let Some(NodeEnum::SelectStmt(select)) = insert.select_stmt.as_mut().and_then(|select| select.node.as_mut()) else {
        return None;
    };
    let lists = std::mem::take(&mut select.values_lists);
    let breaks = line_breaks(seed);
    let part = |places: Vec<usize>| {
        let mut insert = insert.clone();
        let select = insert.select_stmt.as_mut().and_then(|select| select.node.as_mut());
        if let Some(NodeEnum::SelectStmt(select)) = select {
            select.values_lists = places.iter().filter_map(|place| lists.get(*place).cloned()).collect();
        }
        let first = places.first().and_then(|place| lists.get(*place));
        let line = match first.and_then(|list| list.node.as_ref()) {
            Some(NodeEnum::List(list)) => seed.line + lines_before(&breaks, &list.items),
            _ => seed.line,
        };
        let (_, text) = sql::grammar::deparse(NodeEnum::InsertStmt(insert))?;
        Some((Statement { text: text.into(), line, verbatim: false, ..seed.clone() }, places))
    };
    parts.into_iter().map(part).collect()
}

fn named_columns(insert: &InsertStmt, table: &Table) -> Vec<Option<usize>> {
    if insert.cols.is_empty() {
        return (0..table.columns.len()).map(Some).collect();
    }
    let find = |target: &Node| match &target.node {
        Some(NodeEnum::ResTarget(target)) => table.columns.iter().position(|column| column.name == target.name),
        _ => None,
    };
    insert.cols.iter().map(find).collect()
}

fn read_value(table: &Table, column: usize, value: &Node) -> Option<Constant> {
    let (literal, is_null) = constant(value)?;
    let is_stable = !changes_with_time(&table.columns[column], value, &literal);
    Some(Constant { column, literal: literal.into(), is_null, is_stable })
}

/// The same text for the same row; each of several equal ones has its number.
fn identity(table: &Table, constants: &[Constant], met: &mut HashMap<String, usize>) -> String {
    let mut words = vec![table.name.clone()];
    words.extend(constants.iter().map(|one| format!("{}\0{}", table.columns[one.column].name, one.literal)));
    words.sort_unstable();
    let text = words.join("\0\0");
    let number = met.entry(checksum_bytes(text.as_bytes())).and_modify(|number| *number += 1).or_default();
    checksum_bytes(format!("{text}\0\0{number}").as_bytes())
}

/// Where the text's line breaks are.
fn line_breaks(seed: &Statement) -> Vec<usize> {
    seed.text.match_indices('\n').map(|(at, _)| at).collect()
}

/// Line breaks before the first value that tells where it stands.
fn lines_before(breaks: &[usize], values: &[Node]) -> usize {
    let at = values.iter().find_map(location).unwrap_or(0);
    breaks.partition_point(|line_break| *line_break < at)
}

fn location(value: &Node) -> Option<usize> {
    let at = match value.node.as_ref()? {
        NodeEnum::AConst(constant) => constant.location,
        NodeEnum::TypeCast(cast) => return location(cast.arg.as_deref()?),
        NodeEnum::AExpr(expression) => expression.location,
        NodeEnum::FuncCall(call) => call.location,
        NodeEnum::AArrayExpr(array) => array.location,
        NodeEnum::SetToDefault(default) => default.location,
        NodeEnum::SqlvalueFunction(function) => function.location,
        _ => return None,
    };
    usize::try_from(at).ok()
}

/// Whether PostgreSQL reads another value out of it each time: `'now'`, `'today'`, where a time is meant.
fn changes_with_time(column: &Column, value: &Node, literal: &str) -> bool {
    const WORDS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];
    let is_word = |word: &str| WORDS.iter().any(|one| word.eq_ignore_ascii_case(one));
    let mentions = literal.split(|character: char| !character.is_alphanumeric()).any(is_word);
    mentions && (holds_time(column) || is_cast_to_time(value))
}

fn holds_time(column: &Column) -> bool {
    match column.category {
        'D' | 'C' => true,
        'A' | 'R' => ["time", "date", "ts"].iter().any(|part| column.data_type.contains(part)),
        _ => false,
    }
}

fn is_cast_to_time(value: &Node) -> bool {
    let Some(NodeEnum::TypeCast(cast)) = &value.node else { return false };
    let names = cast.type_name.as_ref().map(|name| sql::name_parts(&name.names)).unwrap_or_default();
    let is_time = names.last().is_some_and(|name| name == "date" || name.starts_with("time"));
    is_time || cast.arg.as_deref().is_some_and(is_cast_to_time)
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
