//! Which columns a table had when a migration put rows into it. In a new database it has its last columns from the beginning,
//! in the declaration's order: an `INSERT` that names none means those of then, and one that names some may mean former
//! names. Pure.

use std::collections::HashMap;

use pg_query::protobuf::{InsertStmt, ResTarget, SelectStmt};
use pg_query::{Node, NodeEnum};

use super::declared::{Declared, Name};
use super::history::{Event, History};
use crate::bundle::sql::Statement;

/// The columns of the tables that migrations make, as far as they are told from the text.
pub(super) struct FormerColumns {
    /// `CREATE TABLE`, by the statement's number.
    creates: HashMap<usize, Statement>,
    /// By the names that tables have at statement number `next`.
    known: HashMap<Name, Vec<String>>,
    next: usize,
}

/// An `INSERT` that says by name where its values go in the table as it is declared.
pub(super) struct Placed {
    pub(super) tree: NodeEnum,
    /// The columns that the declaration does not have any more: their values are left out.
    pub(super) gone: Vec<String>,
}

impl FormerColumns {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn of(migrations: &[&Statement]) -> Self {
        let creates = migrations
            .iter()
            .enumerate()
            .filter(|(_, statement)| matches!(statement.tree.as_ref(), NodeEnum::CreateStmt(_)))
            .map(|(at, statement)| (at, (*statement).clone()));
        Self { creates: creates.collect(), known: HashMap::new(), next: 0 }
    }

    /// The columns of a table at statement number `at`, in its order of then. `last`: those that it ends with. `None` where
    /// the text does not tell.
    fn at(&mut self, table: &Name, at: usize, history: &History, last: &[String]) -> Option<Vec<String>> {
        self.advance(at, history);
        match self.known.get(table) {
            Some(columns) => Some(columns.clone()),
            None => taken_back(table, at, history, last),
        }
    }

    fn advance(&mut self, to: usize, history: &History) {
        if to < self.next {
            self.known.clear();
            self.next = 0;
        }
        for number in self.next..to {
            if let Some((table, columns)) = self.creates.get(&number).and_then(created) {
                self.known.entry(table).or_insert(columns);
            }
        }
        // A statement that makes a table does nothing else.
        for (_, event) in history.events_between(self.next, to) {
            self.apply(event);
        }
        self.next = to;
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::RenameTable(old, new) => {
                if let Some(columns) = self.known.remove(old) {
                    self.known.insert(new.clone(), columns);
                }
            }
            Event::DropTable(table) => drop(self.known.remove(table)),
            Event::AddColumn(table, column) => {
                if let Some(columns) = self.known.get_mut(table).filter(|columns| !columns.contains(column)) {
                    columns.push(column.clone());
                }
            }
            Event::RenameColumn(table, old, new) => {
                let columns = self.known.get_mut(table).into_iter().flatten();
                columns.filter(|column| *column == old).for_each(|column| column.clone_from(new));
            }
            Event::DropColumn(table, column) => {
                if let Some(columns) = self.known.get_mut(table) {
                    columns.retain(|known| known != column);
                }
            }
            Event::RetypeColumn(..) => {}
        }
    }

    /// The `INSERT` with its columns by the names that they have when it runs; `None` where it is right as it is, or where
    /// nothing tells. `stands_in`: under the table's former name there is a view with the columns' former names.
    pub(super) fn place(
        &mut self,
        at: usize,
        insert: InsertStmt,
        (declared, history): (&Declared, &History),
        (last, stands_in): (&[String], bool),
    ) -> Option<Placed> {
        let table = super::declared::name(insert.relation.as_ref()?);
        if !stands_in && !declared.is_table(&table) {
            return None;
        }
        let width = width(query(&insert)?)?;
        let named = named(&insert)?;
        let then = match named.is_empty() {
            true => self.at(&table, at, history, last)?,
            false => named.clone(),
        };
        let then = then.get(..width)?;
        let now: Vec<Option<String>> = then.iter().map(|column| place_of(&table, column, at, history, last)).collect();
        let is_right = match named.is_empty() {
            true => now.iter().map(Option::as_ref).eq(last.iter().take(width).map(Some)) && !stands_in,
            false => now.iter().map(Option::as_ref).eq(named.iter().map(Some)),
        };
        // The view's columns have the names of then.
        let names = |(then, now): (&String, &Option<String>)| match stands_in {
            true => now.as_ref().map(|_| then.clone()),
            false => now.clone(),
        };
        let targets: Vec<Option<String>> = then.iter().zip(&now).map(names).collect();
        if is_right || targets.iter().all(Option::is_none) {
            return None;
        }
        let gone = then.iter().zip(&targets).filter(|(_, target)| target.is_none()).map(|(name, _)| name.clone());
        let gone: Vec<String> = gone.collect();
        let tree = placed(insert, &targets, !gone.is_empty())?;
        Some(Placed { tree, gone })
    }
}

/// The table and its columns, where all of them are written there.
fn created(statement: &Statement) -> Option<(Name, Vec<String>)> {
    let NodeEnum::CreateStmt(create) = statement.parse()? else { return None };
    let table = super::declared::name(create.relation.as_ref()?);
    if !create.inh_relations.is_empty() || create.partbound.is_some() || create.of_typename.is_some() {
        return None;
    }
    let mut columns = Vec::new();
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::ColumnDef(column)) => columns.push(column.colname.clone()),
            Some(NodeEnum::TableLikeClause(_)) => return None,
            _ => {}
        }
    }
    Some((table, columns))
}

/// The columns of a table that no migration makes: the last ones without what later migrations do.
fn taken_back(table: &Name, at: usize, history: &History, last: &[String]) -> Option<Vec<String>> {
    let mut name = table;
    let mut later = Vec::new();
    for (_, event) in history.events_between(at + 1, usize::MAX) {
        match event {
            Event::RenameTable(old, new) if old == name => name = new,
            Event::DropTable(dropped) if dropped == name => return None,
            Event::AddColumn(of, _) | Event::RenameColumn(of, ..) | Event::DropColumn(of, _) if of == name => {
                later.push(event);
            }
            _ => {}
        }
    }
    let mut columns = last.to_vec();
    for event in later.into_iter().rev() {
        match event {
            Event::AddColumn(_, added) => columns.retain(|column| column != added),
            Event::RenameColumn(_, old, new) => {
                columns.iter_mut().filter(|column| *column == new).for_each(|column| column.clone_from(old));
            }
            // Nobody knows where it stood.
            _ => return None,
        }
    }
    Some(columns)
}

/// What a column of then is called in the declared table.
fn place_of(table: &Name, column: &str, at: usize, history: &History, last: &[String]) -> Option<String> {
    let fate = history.fate_of_column(table, column, at).map(|(_, column)| column);
    let is_there = |column: &String| last.contains(column);
    fate.filter(is_there).or_else(|| Some(column.to_owned()).filter(is_there))
}

fn query(insert: &InsertStmt) -> Option<&SelectStmt> {
    match insert.select_stmt.as_ref()?.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some(select),
        _ => None,
    }
}

/// How many values a row has; `None` where a `*` is among them.
fn width(query: &SelectStmt) -> Option<usize> {
    if let Some(left) = &query.larg {
        return width(left);
    }
    match query.values_lists.first().map(|row| &row.node) {
        Some(Some(NodeEnum::List(row))) => Some(row.items.len()),
        Some(_) => None,
        None => (!query.target_list.iter().any(is_star)).then_some(query.target_list.len()),
    }
}

fn is_star(target: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return true };
    let fields = match target.val.as_ref().and_then(|val| val.node.as_ref()) {
        Some(NodeEnum::ColumnRef(column)) => &column.fields,
        // `(f(x)).*`
        Some(NodeEnum::AIndirection(of)) => &of.indirection,
        _ => return false,
    };
    fields.iter().any(|field| matches!(field.node, Some(NodeEnum::AStar(_))))
}

/// The columns that it names; `None` where one of them is a part of a column.
fn named(insert: &InsertStmt) -> Option<Vec<String>> {
    let of = |node: &Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) if target.indirection.is_empty() => Some(target.name.clone()),
        _ => None,
    };
    insert.cols.iter().map(of).collect()
}

fn placed(mut insert: InsertStmt, targets: &[Option<String>], cut: bool) -> Option<NodeEnum> {
    let column = |name: &String| Node {
        node: Some(NodeEnum::ResTarget(Box::new(ResTarget { name: name.clone(), ..ResTarget::default() }))),
    };
    insert.cols = targets.iter().flatten().map(column).collect();
    if cut {
        let Some(NodeEnum::SelectStmt(select)) = insert.select_stmt.as_mut()?.node.as_mut() else { return None };
        keep_values(select, targets)?;
    }
    Some(NodeEnum::InsertStmt(Box::new(insert)))
}

/// Takes the values out that have no place any more; `None` where that may change which rows there are.
fn keep_values(select: &mut SelectStmt, targets: &[Option<String>]) -> Option<()> {
    let keep = |values: &mut Vec<Node>| {
        let mut kept = targets.iter().map(Option::is_some);
        values.retain(|_| kept.next().unwrap_or(true));
    };
    if !select.values_lists.is_empty() {
        for row in &mut select.values_lists {
            let Some(NodeEnum::List(row)) = &mut row.node else { return None };
            keep(&mut row.items);
        }
        return Some(());
    }
    let by_number =
        !select.distinct_clause.is_empty() || !select.group_clause.is_empty() || !select.sort_clause.is_empty();
    if select.larg.is_some() || by_number {
        return None;
    }
    keep(&mut select.target_list);
    Some(())
}
