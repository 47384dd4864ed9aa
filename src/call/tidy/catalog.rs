//! Which functions leave their session as it was. No I/O.
//!
//! PostgreSQL refuses a function that is not volatile every statement but queries (manual, "Function Volatility
//! Categories"), so what it can do to its session it does by a function that it calls: `set_config`, `pg_advisory_lock`,
//! `nextval`, or a volatile one that somebody wrote. All of those are volatile. A function is therefore tidy if nothing
//! that it may run is volatile, and if it builds no statement from text.
//!
//! What it may run is taken from its words, without asking which of them is what: every function and every view of that
//! name counts, be it a column that is meant. What is run without being named counts for all functions.

use std::collections::HashMap;

use foldhash::HashSet;
use serde::Deserialize;

use crate::bundle::sql::tokens::words;

/// Extensions whose functions in C compute and do nothing else, where they are not volatile. Of others some run statements
/// from text or keep something in the session, though they are not declared so: tablefunc, xml2, isn, address_standardizer.
const COMPUTING: [&str; 15] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "seg",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// What `tidy.sql` tells.
#[derive(Debug, Deserialize)]
pub(super) struct Catalog {
    /// Nothing there makes every reader untidy.
    readable: bool,
    /// Names of PostgreSQL's own functions that no tidy one calls.
    forbidden: Option<HashSet<String>>,
    functions: Option<Vec<Function>>,
    views: Option<Vec<View>>,
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

/// Something that can be run, and what running it may run: indices of others. `None`: it is not tidy, whatever they are.
type Runs = Option<Vec<usize>>;

impl Catalog {
    /// The functions in SQL and PL/pgSQL that are tidy: `pg_proc.oid`.
    pub(super) fn tidy(self) -> HashSet<u32> {
        let functions = self.functions.unwrap_or_default();
        let views = self.views.unwrap_or_default();
        let unnamed = self.unnamed.unwrap_or_default();
        let known = Known::new(&functions, &views, self.forbidden.unwrap_or_default());
        let mut runs: Vec<Runs> = Vec::new();
        runs.extend(functions.iter().map(|function| known.function(function)));
        runs.extend(views.iter().map(|view| known.text(view.text.as_deref()?)));
        let everywhere = runs.len();
        runs.push(known.everywhere(&unnamed, &self.used.unwrap_or_default()).filter(|_| self.readable));
        let tidy = settle(&runs);
        if !tidy[everywhere] {
            return HashSet::default();
        }
        let written = functions.iter().zip(&tidy).filter(|(function, tidy)| **tidy && function.is_written());
        written.map(|(function, _)| function.oid).collect()
    }
}

impl Function {
    /// Its text is that of a program.
    fn is_written(&self) -> bool {
        matches!(self.language.as_str(), "sql" | "plpgsql")
    }

    /// Its text does not tell what it does, but its parts do, or what it belongs to.
    fn is_known(&self) -> bool {
        match self.language.as_str() {
            "aggregate" => true,
            "c" | "internal" => self.extension.as_deref().is_some_and(|extension| COMPUTING.contains(&extension)),
            _ => false,
        }
    }
}

/// Where names and identities lead to: functions first, then views.
struct Known<'c> {
    by_name: HashMap<&'c str, Vec<usize>>,
    by_oid: HashMap<u32, usize>,
    forbidden: HashSet<String>,
}

impl<'c> Known<'c> {
    fn new(functions: &'c [Function], views: &'c [View], forbidden: HashSet<String>) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        let names = functions.iter().map(|function| &function.name).chain(views.iter().map(|view| &view.name));
        for (index, name) in names.enumerate() {
            by_name.entry(name).or_default().push(index);
        }
        let by_oid = functions.iter().enumerate().map(|(index, function)| (function.oid, index)).collect();
        Self { by_name, by_oid, forbidden }
    }

    fn function(&self, function: &Function) -> Runs {
        if !function.bound || !(function.is_written() || function.is_known()) {
            return None;
        }
        let mut runs = self.text(&function.text)?;
        runs.extend(self.functions(function.uses.as_deref().unwrap_or_default())?);
        Some(runs)
    }

    fn everywhere(&self, texts: &[String], functions: &[u32]) -> Runs {
        let mut runs = self.functions(functions)?;
        for text in texts {
            runs.extend(self.text(text)?);
        }
        Some(runs)
    }

    fn functions(&self, oids: &[u32]) -> Runs {
        oids.iter().map(|oid| self.by_oid.get(oid).copied()).collect()
    }

    fn text(&self, text: &str) -> Runs {
        let words = words(text)?;
        // PL/pgSQL's statements from text all have this word.
        if words.contains("execute") || words.iter().any(|word| self.forbidden.contains(word)) {
            return None;
        }
        Some(words.iter().filter_map(|word| self.by_name.get(word.as_str())).flatten().copied().collect())
    }
}

/// Whether each of them is tidy: it, and all that it may run, and so on.
fn settle(runs: &[Runs]) -> Vec<bool> {
    let mut run_by: Vec<Vec<usize>> = vec![Vec::new(); runs.len()];
    for (index, run) in runs.iter().enumerate() {
        run.iter().flatten().for_each(|other| run_by[*other].push(index));
    }
    let mut tidy: Vec<bool> = runs.iter().map(Option::is_some).collect();
    let mut untidy: Vec<usize> = (0..runs.len()).filter(|index| !tidy[*index]).collect();
    while let Some(index) = untidy.pop() {
        for user in &run_by[index] {
            if std::mem::replace(&mut tidy[*user], false) {
                untidy.push(*user);
            }
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Catalog;

    fn function(oid: u32, name: &str, text: &str) -> Value {
        json!({
            "oid": oid, "name": name, "language": "sql", "bound": true, "extension": null, "text": text, "uses": null
        })
    }

    fn tidy(catalog: &Value) -> Vec<u32> {
        let mut whole = json!({
            "readable": true, "forbidden": ["set_config"], "functions": [], "views": null, "unnamed": null, "used": null
        });
        let members = whole.as_object_mut().unwrap();
        members.extend(catalog.as_object().unwrap().clone());
        let catalog: Catalog = serde_json::from_value(whole).unwrap();
        let mut tidy: Vec<u32> = catalog.tidy().into_iter().collect();
        tidy.sort_unstable();
        tidy
    }

    #[test]
    fn what_reaches_something_volatile_is_not_tidy() {
        let mut writer = function(4, "writer", "INSERT INTO t VALUES (1)");
        writer["bound"] = json!(false);
        let functions = json!([
            function(1, "reads", "SELECT * FROM t"),
            function(2, "sets", "SELECT SET_CONFIG('x', 'y', false)"),
            function(3, "calls", r#"SELECT "sets"()"#),
            writer,
            function(5, "writes", "SELECT public.writer()"),
            function(6, "looks", "SELECT * FROM window_on_sets"),
            function(7, "again", "SELECT again() FROM harmless"),
            function(8, "built", "BEGIN RETURN QUERY EXECUTE 'SELECT 1'; END"),
            function(9, "hidden", r#"SELECT U&"s\0065ts"()"#),
            function(10, "unreadable", "SELECT 'never ends"),
            function(11, "quotes", "SELECT 'set_config', $$sets$$ -- sets"),
        ]);
        let views = json!([
            { "name": "window_on_sets", "text": "SELECT sets FROM calls()" },
            { "name": "harmless", "text": "SELECT a FROM t" }
        ]);
        assert_eq!(tidy(&json!({ "functions": functions, "views": views })), [1, 7, 11]);
    }

    #[test]
    fn a_language_with_state_of_its_own_is_not_tidy_and_c_is_believed_of_some() {
        let in_language = |oid: u32, name: &str, language: &str, text: &str| {
            let mut function = function(oid, name, text);
            function["language"] = json!(language);
            function
        };
        let mut functions = json!([
            in_language(1, "similarity", "c", "text, text"),
            in_language(2, "snake", "plpython3u", "text"),
            in_language(3, "asks", "plpgsql", "BEGIN RETURN similarity('x', 'y'); END"),
            in_language(4, "bites", "plpgsql", "BEGIN RETURN snake('x'); END"),
            in_language(5, "crosstab", "c", "text"),
            in_language(6, "runs", "sql", "SELECT crosstab('SELECT 1')"),
            in_language(7, "disguised", "internal", "text"),
            in_language(8, "passes", "sql", "SELECT disguised('x')"),
        ]);
        functions[0]["extension"] = json!("pg_trgm");
        functions[4]["extension"] = json!("tablefunc");
        assert_eq!(tidy(&json!({ "functions": functions })), [3]);
        functions[0]["extension"] = json!(null);
        assert_eq!(tidy(&json!({ "functions": functions })), Vec::<u32>::new());
    }

    #[test]
    fn an_aggregate_is_as_tidy_as_its_parts() {
        let mut aggregate = function(2, "total", "integer");
        aggregate["language"] = json!("aggregate");
        aggregate["uses"] = json!([1]);
        let step =
            |text| json!([function(1, "step", text), aggregate, function(3, "sum_up", "SELECT total(x) FROM t")]);
        assert_eq!(tidy(&json!({ "functions": step("SELECT $1 + $2") })), [1, 3]);
        assert_eq!(tidy(&json!({ "functions": step("SELECT set_config('a', 'b', false)::int") })), Vec::<u32>::new());
        let mut built_in = step("SELECT $1 + $2");
        built_in[1]["uses"] = json!(null);
        assert_eq!(tidy(&json!({ "functions": built_in })), [1, 3], "PostgreSQL's own that do no harm are not told");
        let mut strange = step("SELECT $1 + $2");
        strange[1]["uses"] = json!([99]);
        assert_eq!(tidy(&json!({ "functions": strange })), [1], "what it consists of is not known");
    }

    #[test]
    fn what_is_run_without_being_named_counts_for_all() {
        let functions =
            json!([function(1, "reads", "SELECT 1"), function(2, "checks", "SELECT set_config('a', 'b', false)")]);
        let with = |name: &str, value: Value| json!({ "functions": functions, name: value });
        assert_eq!(tidy(&with("unnamed", json!(["(a > 0)"]))), [1]);
        for (name, value) in [
            ("unnamed", json!(["(a > 0)", "checks(a)"])),
            ("used", json!([2])),
            ("used", json!([99])),
            ("readable", json!(false)),
        ] {
            assert_eq!(tidy(&with(name, value.clone())), Vec::<u32>::new(), "{name} {value}");
        }
    }

    #[test]
    fn names_are_cut_as_postgresql_cuts_them() {
        let long = "x".repeat(70);
        let functions = json!([
            function(1, &long[..63], "SELECT set_config('a', 'b', false)"),
            function(2, "calls", &format!("SELECT {long}()")),
        ]);
        assert_eq!(tidy(&json!({ "functions": functions })), Vec::<u32>::new());
    }
}
