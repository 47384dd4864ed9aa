//! What statements say by the order of a table's columns (`INSERT` without a list of them, `*`), said by their names: in a
//! database whose columns have come one after the other they stand otherwise than where a new one is made. Pure.

use std::collections::HashSet;
use std::ops::Range;

use pg_query::protobuf::{CmdType, InsertStmt, ScanToken, Token};
use pg_query::{Node, NodeEnum};
use serde_json::Value;

use super::{grammar, name_parts};
/// The columns of a table or view, each quoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// In the order that the bundle means.
    pub declared: Vec<String>,
    /// In the order in which they are there.
    pub stored: Vec<String>,
}

impl Order {
    /// Whether an `INSERT` that names none may mean others.
    fn differs_for_values(&self) -> bool {
        !self.stored.starts_with(&self.declared)
    }

    /// Whether `*` means something else.
    fn differs_for_star(&self) -> bool {
        self.stored != self.declared
    }

    fn list(&self, count: usize) -> String {
        self.declared[..count.min(self.declared.len())].join(", ")
    }
}

/// Looks up the order of a relation by the schema, where one is named, and the name; `None`: it is as declared.
pub type Orders<'a> = dyn Fn(Option<&str>, &str) -> Option<&'a Order> + 'a;

/// The relation whose columns cannot be named from outside: schema and name as the statement has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed(pub Option<String>, pub String);

/// The statement with the names said; `None` where it means the same without them. On a deep stack.
pub fn named(text: &str, orders: &Orders<'_>) -> Result<Option<String>, Unnamed> {
    let tree = grammar::parse(text).ok().and_then(|mut parsed| parsed.pop()?.stmt?.node);
    let Some(tree) = tree else { return Ok(None) };
    let Ok(mut tokens) = grammar::scan(text) else { return Ok(None) };
    tokens.retain(|token| ![Token::SqlComment as i32, Token::CComment as i32].contains(&token.token));
    let mut naming = Naming { orders, text, tokens, edits: Vec::new() };
    match &tree {
        // Thousands of rows need no other look.
        NodeEnum::InsertStmt(insert) if has_rows(insert) => {
            let relation = serde_json::to_value(&insert.relation).unwrap_or_default();
            if insert.cols.is_empty() {
                naming.list(&relation, rows_width(insert))?;
            }
        }
        tree => {
            let mut value = serde_json::to_value(tree).unwrap_or_default();
            // What the statement itself returns goes to nobody.
            for statement in value.as_object_mut().into_iter().flat_map(|tree| tree.values_mut()) {
                statement.as_object_mut().map(|fields| fields.remove("returning_clause"));
            }
            let mut found = Found::default();
            found.look(&value);
            naming.inserts(&found)?;
            naming.sources(&found)?;
        }
    }
    Ok(naming.apply())
}

/// The relations that a statement reads, schema and name as it has them, without the names of its `WITH`. On a deep stack.
pub fn read_relations(text: &str) -> Vec<(Option<String>, String)> {
    let Some(tree) = grammar::parse(text).ok().and_then(|mut parsed| parsed.pop()?.stmt?.node) else {
        return Vec::new();
    };
    let mut found = Found::default();
    found.look(&serde_json::to_value(tree).unwrap_or_default());
    let relations = found.sources.iter().filter_map(parts);
    let read = relations.filter(|(schema, name)| schema.is_some() || !found.queries.contains(*name));
    read.map(|(schema, name)| (schema.map(str::to_owned), name.to_owned())).collect()
}

/// The columns of a view, out of its definition as PostgreSQL prints it: what is no column has a name there.
pub fn columns_of_view(definition: &str) -> Option<Vec<String>> {
    let NodeEnum::SelectStmt(mut select) = grammar::parse(definition).ok()?.pop()?.stmt?.node? else { return None };
    while let Some(left) = select.larg.take() {
        select = left;
    }
    let name = |target: &Node| {
        let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
        let column = match target.val.as_ref()?.node.as_ref()? {
            NodeEnum::ColumnRef(column) => name_parts(&column.fields).pop(),
            _ => None,
        };
        Some(target.name.clone()).filter(|name| !name.is_empty()).or(column)
    };
    select.target_list.iter().map(name).collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
}

fn has_rows(insert: &InsertStmt) -> bool {
    match insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) {
        Some(NodeEnum::SelectStmt(select)) => {
            !select.values_lists.is_empty() && select.with_clause.is_none() && insert.with_clause.is_none()
        }
        _ => false,
    }
}

/// How many columns get a value; `None` where the text does not tell.
fn rows_width(insert: &InsertStmt) -> Option<usize> {
    let Some(NodeEnum::SelectStmt(select)) = insert.select_stmt.as_ref()?.node.as_ref() else { return None };
    let Some(NodeEnum::List(first)) = select.values_lists.first()?.node.as_ref() else { return None };
    let is_star = |value: &Node| match &value.node {
        Some(NodeEnum::ColumnRef(_) | NodeEnum::AIndirection(_)) => {
            ends_in_star(&serde_json::to_value(value).unwrap_or_default())
        }
        _ => false,
    };
    (!first.items.iter().any(is_star)).then_some(first.items.len())
}

/// `t.*`, `(f()).*`
fn ends_in_star(value: &Value) -> bool {
    let node = &value["node"];
    let parts = [&node["ColumnRef"]["fields"], &node["AIndirection"]["indirection"]];
    let mut last = parts.iter().filter_map(|parts| parts.as_array()?.last());
    last.any(|part| !part["node"]["AStar"].is_null())
}

fn width(select: &Value) -> Option<usize> {
    if let Some(first) = select["values_lists"].as_array().and_then(|lists| lists.first()) {
        let items = first["node"]["List"]["items"].as_array()?;
        return (!items.iter().any(ends_in_star)).then_some(items.len());
    }
    if !select["larg"].is_null() {
        return width(&select["larg"]);
    }
    let targets = select["target_list"].as_array().filter(|targets| !targets.is_empty())?;
    let is_star = |target: &Value| ends_in_star(&target["node"]["ResTarget"]["val"]);
    (!targets.iter().any(is_star)).then_some(targets.len())
}

/// What stands in a statement.
#[derive(Default)]
struct Found {
    /// `INSERT`s without a list.
    inserts: Vec<Value>,
    /// Of `MERGE`s: the relation, and the widths of its `INSERT`s, each with whether it has a list.
    merges: Vec<(Value, Vec<(usize, bool)>)>,
    /// What is read.
    sources: Vec<Value>,
    /// Where those stand that are sampled, and cannot be put into a query of their own.
    bare: HashSet<i64>,
    /// What is written in a `WITH` that returns all of its columns.
    returned: Vec<Value>,
    /// The names of a `WITH`.
    queries: HashSet<String>,
    /// Columns of what is read are meant by their order.
    has_star: bool,
}

impl Found {
    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            Value::Object(fields) => {
                for (name, field) in fields.iter().filter(|(name, _)| *name != "locked_rels") {
                    self.look_at(name, field);
                    self.look(field);
                }
            }
            _ => {}
        }
    }

    fn look_at(&mut self, name: &str, field: &Value) {
        match name {
            "InsertStmt" if !has_items(&field["cols"]) && !field["select_stmt"].is_null() => {
                self.inserts.push(field.clone());
            }
            "MergeStmt" => self.merges.push((field["relation"].clone(), merged(field))),
            "RangeVar" => self.sources.push(field.clone()),
            "RangeTableSample" => {
                self.bare.extend(field["relation"]["node"]["RangeVar"]["location"].as_i64());
            }
            "CommonTableExpr" => self.queries.extend(field["ctename"].as_str().map(str::to_owned)),
            "AStar" => self.has_star = true,
            _ => {}
        }
        // t AS t (a, b)
        self.has_star |= match name {
            "RangeVar" | "RangeSubselect" | "JoinExpr" => has_items(&field["alias"]["colnames"]),
            "CommonTableExpr" => has_items(&field["aliascolnames"]),
            _ => false,
        };
        if mentions_star(&field["returning_clause"]["exprs"]) {
            self.returned.push(field["relation"].clone());
        }
    }
}

fn mentions_star(exprs: &Value) -> bool {
    exprs.as_array().is_some_and(|exprs| exprs.iter().any(|expr| ends_in_star(&expr["node"]["ResTarget"]["val"])))
}

fn has_items(list: &Value) -> bool {
    list.as_array().is_some_and(|items| !items.is_empty())
}

/// The `INSERT`s of a `MERGE`, in their order.
fn merged(merge: &Value) -> Vec<(usize, bool)> {
    let clauses = merge["merge_when_clauses"].as_array().into_iter().flatten();
    clauses
        .map(|clause| &clause["node"]["MergeWhenClause"])
        .filter(|clause| clause["command_type"] == CmdType::CmdInsert as i32)
        .map(|clause| (clause["values"].as_array().map_or(0, Vec::len), has_items(&clause["target_list"])))
        .collect()
}

/// Puts names into the text.
struct Naming<'n, 'o> {
    orders: &'n Orders<'o>,
    text: &'n str,
    tokens: Vec<ScanToken>,
    /// What is written in place of what.
    edits: Vec<(Range<usize>, String)>,
}

impl<'o> Naming<'_, 'o> {
    fn order(&self, relation: &Value) -> Option<&'o Order> {
        let (schema, name) = parts(relation)?;
        (self.orders)(schema, name)
    }

    fn inserts(&mut self, found: &Found) -> Result<(), Unnamed> {
        for insert in &found.inserts {
            self.list(&insert["relation"], width(&insert["select_stmt"]["node"]["SelectStmt"]))?;
        }
        for (relation, inserts) in &found.merges {
            let Some(order) = self.order(relation).filter(|order| order.differs_for_values()) else { continue };
            let places = self.inserts_of_merge(relation);
            if places.len() != inserts.len() {
                return Err(unnamed(relation));
            }
            for (at, (width, _)) in places.into_iter().zip(inserts).filter(|(_, (width, listed))| !listed && *width > 0)
            {
                self.edits.push((at..at, format!(" ({})", order.list(*width))));
            }
        }
        Ok(())
    }

    /// Behind the name of what an `INSERT` fills.
    fn list(&mut self, relation: &Value, width: Option<usize>) -> Result<(), Unnamed> {
        let Some(order) = self.order(relation).filter(|order| order.differs_for_values()) else { return Ok(()) };
        let named = self.end_of_name(relation);
        let (Some(width), Some(mut end)) = (width, named) else { return Err(unnamed(relation)) };
        if !relation["alias"].is_null() {
            // AS alias
            end += 2;
        }
        let at = self.tokens.get(end - 1).map(|token| offset(token.end)).ok_or_else(|| unnamed(relation))?;
        self.edits.push((at..at, format!(" ({})", order.list(width))));
        Ok(())
    }

    /// Where a `*` may stand for them, what is read gives its columns in the order that is meant.
    fn sources(&mut self, found: &Found) -> Result<(), Unnamed> {
        let read = found.sources.iter().filter(|source| {
            parts(source).is_some_and(|(schema, name)| schema.is_some() || !found.queries.contains(name))
        });
        if let Some(relation) = found.returned.iter().find(|one| self.order(one).is_some_and(Order::differs_for_star)) {
            return Err(unnamed(relation));
        }
        for source in read.filter(|_| found.has_star) {
            let Some(order) = self.order(source).filter(|order| order.differs_for_star()) else { continue };
            let is_bare = source["inh"] == false
                || source["location"].as_i64().is_none_or(|location| found.bare.contains(&location));
            let (Some(begin), Some(end), false) = (self.begin_of_name(source), self.end_of_name(source), is_bare)
            else {
                return Err(unnamed(source));
            };
            let (from, to) = (offset(self.tokens[begin].start), offset(self.tokens[end - 1].end));
            let name = self.text.get(offset(self.tokens[end - 1].start)..to).unwrap_or_default();
            let alias = if source["alias"].is_null() { format!(" AS {name}") } else { String::new() };
            let query = format!("SELECT {} FROM ", order.list(usize::MAX));
            match begin.checked_sub(1).map(|before| &self.tokens[before]) {
                // TABLE t
                Some(before) if before.token == Token::Table as i32 => {
                    self.edits.push((offset(before.start)..from, query));
                }
                _ => {
                    self.edits.push((from..from, format!("({query}")));
                    self.edits.push((to..to, format!("){alias}")));
                }
            }
        }
        Ok(())
    }

    fn begin_of_name(&self, relation: &Value) -> Option<usize> {
        let location = usize::try_from(relation["location"].as_i64()?).ok()?;
        self.tokens.iter().position(|token| offset(token.start) == location)
    }

    /// The token behind a name.
    fn end_of_name(&self, relation: &Value) -> Option<usize> {
        let dot = |token: &ScanToken| token.token == Token::Ascii46 as i32;
        let mut end = self.begin_of_name(relation)? + 1;
        while self.tokens.get(end).is_some_and(dot) {
            end += 2;
        }
        (end <= self.tokens.len()).then_some(end)
    }

    /// `INSERT` without `INTO` stands nowhere else.
    fn inserts_of_merge(&self, relation: &Value) -> Vec<usize> {
        let begin = self.begin_of_name(relation).unwrap_or(self.tokens.len());
        let pairs = self.tokens[begin..].windows(2);
        let is_one = |pair: &&[ScanToken]| pair[0].token == Token::Insert as i32 && pair[1].token != Token::Into as i32;
        pairs.filter(is_one).map(|pair| offset(pair[0].end)).collect()
    }

    fn apply(mut self) -> Option<String> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(place, _)| place.start);
        let text = self.text;
        let mut written = String::with_capacity(text.len() + 100);
        let mut done = 0;
        for (place, words) in &self.edits {
            written.push_str(text.get(done..place.start)?);
            written.push_str(words);
            done = place.end;
        }
        written.push_str(text.get(done..)?);
        Some(written)
    }
}

fn offset(at: i32) -> usize {
    usize::try_from(at).unwrap_or(0)
}

fn parts(relation: &Value) -> Option<(Option<&str>, &str)> {
    let schema = relation["schemaname"].as_str().filter(|schema| !schema.is_empty());
    Some((schema, relation["relname"].as_str()?))
}

fn unnamed(relation: &Value) -> Unnamed {
    let (schema, name) = parts(relation).unwrap_or((None, ""));
    Unnamed(schema.map(str::to_owned), name.to_owned())
}

#[cfg(test)]
mod tests;
