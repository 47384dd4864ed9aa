//! Which functions leave what in their session. No I/O.
//!
//! PostgreSQL refuses a function that is not volatile every statement but queries (manual, "Function Volatility
//! Categories"), so what it can do to its session it does by a function that it calls: `set_config`, `pg_advisory_lock`,
//! `nextval`, or a volatile one that somebody wrote. All of those are volatile. A function is therefore tidy if nothing
//! that it may run is volatile, and if it builds no statement from text. A volatile one may make temporary objects and the
//! like, which cleaning takes back; what matters is whether it may come to PREPARE, or to something that keeps what nothing
//! takes back.
//!
//! What it may run is taken from its words, without asking which of them is what: every function and every view of that
//! name counts, be it a column that is meant; for a volatile one also what is run for a table of that name (triggers,
//! defaults, rules), and for those that keys and partitions lead to. What is run without being named counts for all functions.

use std::collections::HashMap;

use foldhash::HashSet;
use serde::Deserialize;

use super::reach::{Leaves, Own, of_c, of_postgresql};
use crate::bundle::sql::tokens::words;

/// What `tidy.sql` tells.
#[derive(Debug, Deserialize)]
pub(super) struct Catalog {
    /// Whether words are read here as the server reads them.
    readable: bool,
    /// Names of PostgreSQL's own functions that no tidy one calls.
    forbidden: Option<HashSet<String>>,
    functions: Option<Vec<Function>>,
    views: Option<Vec<View>>,
    /// Tables for which something is run when they are written to, and those that lead there.
    tables: Option<Vec<Table>>,
    /// Expressions that are run without being named.
    unnamed: Option<Vec<String>>,
    /// Functions that are: `pg_proc.oid`.
    used: Option<Vec<u32>>,
}

#[derive(Debug, Deserialize)]
struct Function {
    oid: u32,
    name: String,
    /// `aggregate`, or the name of its language.
    language: String,
    /// It is not volatile.
    bound: bool,
    /// What it belongs to.
    extension: Option<String>,
    text: String,
    /// The functions that an aggregate consists of.
    uses: Option<Vec<u32>>,
}

#[derive(Debug, Deserialize)]
struct View {
    name: String,
    /// Gone, where it was dropped meanwhile.
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Table {
    name: String,
    /// Of its triggers and defaults: `pg_proc.oid`.
    functions: Option<Vec<u32>>,
    /// Its rules.
    text: Option<String>,
    /// It is elsewhere, or leads there: reading it opens a connection that stays.
    foreign: bool,
}

/// Something that can be run: what it leaves by itself, and what running it may run besides, as indices of others.
#[derive(Debug, Default)]
struct Node {
    own: Own,
    runs: Vec<usize>,
}

impl Node {
    fn of(own: Own) -> Self {
        Self { own, runs: Vec::new() }
    }

    fn and(mut self, other: Self) -> Self {
        self.own = self.own.and(other.own);
        self.runs.extend(other.runs);
        self
    }
}

impl Catalog {
    /// What the functions in SQL and PL/pgSQL leave, by `pg_proc.oid`.
    pub(super) fn leaves(self) -> foldhash::HashMap<u32, Leaves> {
        let functions = self.functions.unwrap_or_default();
        let views = self.views.unwrap_or_default();
        let tables = self.tables.unwrap_or_default();
        let known = Known::new(&functions, &views, &tables, self.forbidden.unwrap_or_default());
        let mut nodes: Vec<Node> = functions.iter().map(|function| known.function(function)).collect();
        nodes.extend(views.iter().map(|view| known.view(view, false)));
        nodes.extend(views.iter().map(|view| known.view(view, true)));
        nodes.extend(tables.iter().map(|table| known.table(table)));
        let everywhere = nodes.len();
        let mut unnamed = known.everywhere(&self.unnamed.unwrap_or_default(), &self.used.unwrap_or_default());
        if !self.readable {
            unnamed.own = unnamed.own.and(Own::runs_text());
        }
        nodes.push(unnamed);
        let leaves = settle(&nodes);
        let written = functions.iter().zip(&leaves).filter(|(function, _)| function.is_written());
        written.map(|(function, own)| (function.oid, (*own).max(leaves[everywhere]))).collect()
    }
}

impl Function {
    /// Its text is that of a program.
    fn is_written(&self) -> bool {
        matches!(self.language.as_str(), "sql" | "plpgsql")
    }

    /// What it leaves, but for what its text runs.
    fn own(&self) -> Own {
        match self.language.as_str() {
            "sql" | "plpgsql" if self.bound => Own::leaves(Leaves::Nothing),
            "sql" | "plpgsql" => Own::leaves(Leaves::Objects),
            // As its parts do.
            "aggregate" => Own::leaves(Leaves::Nothing),
            "c" | "internal" => of_c(&self.name, self.extension.as_deref(), self.bound),
            // A language may keep whatever its programs tell it to.
            _ => Own::leaves(Leaves::Anything),
        }
    }
}

/// Where names and identities lead to.
struct Known<'c> {
    functions: &'c [Function],
    /// Functions, and of views what reading them runs.
    reading: HashMap<&'c str, Vec<usize>>,
    /// Functions, and of views and tables what writing to them runs.
    writing: HashMap<&'c str, Vec<usize>>,
    by_oid: HashMap<u32, usize>,
    forbidden: HashSet<String>,
}

impl<'c> Known<'c> {
    fn new(functions: &'c [Function], views: &'c [View], tables: &'c [Table], forbidden: HashSet<String>) -> Self {
        let mut reading: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut writing = reading.clone();
        for (index, function) in functions.iter().enumerate() {
            reading.entry(&function.name).or_default().push(index);
            writing.entry(&function.name).or_default().push(index);
        }
        for (index, view) in views.iter().enumerate() {
            reading.entry(&view.name).or_default().push(functions.len() + index);
            writing.entry(&view.name).or_default().push(functions.len() + views.len() + index);
        }
        for (index, table) in tables.iter().enumerate() {
            let index = functions.len() + 2 * views.len() + index;
            writing.entry(&table.name).or_default().push(index);
            if table.foreign {
                reading.entry(&table.name).or_default().push(index);
            }
        }
        let by_oid = functions.iter().enumerate().map(|(index, function)| (function.oid, index)).collect();
        Self { functions, reading, writing, by_oid, forbidden }
    }

    fn function(&self, function: &Function) -> Node {
        let writes = !function.bound && function.is_written();
        let node = Node::of(function.own()).and(self.text(&function.text, writes));
        node.and(self.functions(function.uses.as_deref().unwrap_or_default()))
    }

    fn view(&self, view: &View, writes: bool) -> Node {
        match &view.text {
            Some(text) => self.text(text, writes),
            None => Node::of(Own::runs_text()),
        }
    }

    fn table(&self, table: &Table) -> Node {
        let own = if table.foreign { Leaves::Anything } else { Leaves::Nothing };
        let node = Node::of(Own::leaves(own)).and(self.text(table.text.as_deref().unwrap_or_default(), true));
        node.and(self.functions(table.functions.as_deref().unwrap_or_default()))
    }

    fn everywhere(&self, texts: &[String], functions: &[u32]) -> Node {
        let mut node = Node::default();
        for oid in functions {
            node = match self.by_oid.get(oid).map(|index| &self.functions[*index]) {
                // What is behind types, operators and casts of an extension that is not known computes.
                Some(used) if used.bound && used.own().leaves == Leaves::Anything && used.extension.is_some() => {
                    node.and(Node::of(Own::leaves(Leaves::Settings)))
                }
                _ => node.and(self.functions(&[*oid])),
            };
        }
        texts.iter().fold(node, |node, text| node.and(self.text(text, false)))
    }

    fn functions(&self, oids: &[u32]) -> Node {
        let mut node = Node::default();
        for oid in oids {
            match self.by_oid.get(oid) {
                Some(index) => node.runs.push(*index),
                // PostgreSQL's own, of which only those are told that are not known to leave nothing.
                None => node.own = node.own.and(Own::runs_text()),
            }
        }
        node
    }

    fn text(&self, text: &str, writes: bool) -> Node {
        let Some(words) = words(text) else { return Node::of(Own::runs_text()) };
        let mut node = Node::default();
        if words.runs_text {
            node.own = Own::runs_text();
        }
        if words.loads {
            node.own = node.own.and(Own::leaves(Leaves::Anything));
        }
        for word in words.names.iter().filter(|word| self.forbidden.contains(*word)) {
            node.own = node.own.and(of_postgresql(word));
        }
        let by_name = if writes { &self.writing } else { &self.reading };
        node.runs.extend(words.names.iter().filter_map(|word| by_name.get(word.as_str())).flatten());
        node
    }
}

/// What each of them leaves: it, and all that it may run, and so on.
fn settle(nodes: &[Node]) -> Vec<Leaves> {
    let keeps = nodes.iter().any(|node| node.own.leaves == Leaves::Anything);
    // What runs text may run any of them.
    let of_text = if keeps { Leaves::Anything } else { Leaves::Statements };
    let own = |node: &Node| if node.own.runs_text { of_text.max(node.own.leaves) } else { node.own.leaves };
    let mut leaves: Vec<Leaves> = nodes.iter().map(own).collect();
    let mut run_by: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        node.runs.iter().for_each(|other| run_by[*other].push(index));
    }
    let mut changed: Vec<usize> = (0..nodes.len()).filter(|index| leaves[*index] > Leaves::Nothing).collect();
    while let Some(index) = changed.pop() {
        for user in &run_by[index] {
            if leaves[*user] < leaves[index] {
                leaves[*user] = leaves[index];
                changed.push(*user);
            }
        }
    }
    leaves
}

#[cfg(test)]
mod tests;
