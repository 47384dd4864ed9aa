//! What a file sets for the statements behind it, as dumps do in their first lines (contract §3): it holds for that file.
//! Outside of migrations each statement is deployed by itself, so its file's settings go with it; in a migration the
//! session has them, and only the search path is followed, for the names. Pure; called by [`super::read`].

use std::collections::BTreeMap;

use pg_query::protobuf::{SelectStmt, VariableSetKind, VariableSetStmt, a_const};
use pg_query::{Node, NodeEnum};

use super::walk::name_parts;
use crate::bundle::Kind;

/// The settings of a file at one of its statements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The schemas of `search_path`, unquoted; `None` where the session's own holds.
    pub path: Option<Vec<String>>,
    /// Others, by name.
    pub others: BTreeMap<String, String>,
}

/// Those that decide what a statement means, and go with it. None of them is a wall, and the session takes them back.
const CARRIED: [&str; 7] = [
    "datestyle",
    "default_table_access_method",
    "default_tablespace",
    "default_toast_compression",
    "intervalstyle",
    "timezone",
    "xmloption",
];

/// Which end a session or what it does; a dump sets them to 0, which is never.
const TIMEOUTS: [&str; 5] = [
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "statement_timeout",
    "transaction_timeout",
];

/// What becomes of a statement that sets something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds for what comes behind it.
    Holds,
    /// The same, and the session of a migration runs it.
    Runs,
    /// The names of those that are left out.
    LeftOut(Vec<String>),
    /// Why, and what to do.
    Refused(String, &'static str),
}

const CONSTANT_PATH: &str = "write SET search_path = …, with names";
const STANDARD_STRINGS: &str = "write E'…' where a backslash is to escape";

impl Settings {
    /// Whether nothing is set but, as in pg_dump's files, that every name is qualified.
    pub fn are_plain(&self) -> bool {
        self.others.is_empty() && self.path.as_ref().is_none_or(Vec::is_empty)
    }

    /// In words, for checksums.
    pub(super) fn in_words(&self) -> String {
        format!("{:?} {:?}", self.path, self.others)
    }

    /// Takes what `tree` sets; `None` where it is no such statement.
    pub(super) fn take(&mut self, kind: Kind, tree: &NodeEnum) -> Option<Outcome> {
        let set = match tree {
            NodeEnum::VariableSetStmt(set) => of_statement(set),
            NodeEnum::SelectStmt(select) => of_calls(select)?,
            _ => return None,
        };
        let mut left_out = Vec::new();
        for one in set {
            match self.take_one(kind, one) {
                Ok(None) => {}
                Ok(Some(name)) => left_out.push(name),
                Err(refused) => return Some(refused),
            }
        }
        Some(match kind {
            // One that is left out alone; beside others it is run.
            Kind::Migrations if left_out.is_empty() || matches!(tree, NodeEnum::SelectStmt(_)) => Outcome::Runs,
            _ if left_out.is_empty() => Outcome::Holds,
            _ => Outcome::LeftOut(left_out),
        })
    }

    /// The name of one that is left out.
    fn take_one(&mut self, kind: Kind, set: Set) -> Result<Option<String>, Outcome> {
        let in_migration = kind == Kind::Migrations;
        let Set { name, value } = set;
        match (name.as_str(), value) {
            ("", Value::Default) => *self = Self::default(),
            ("search_path", Value::Default) => self.path = None,
            ("search_path", Value::Is(parts)) => {
                let mut path: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                // What is declared is nothing temporary.
                while !in_migration && path.first().is_some_and(|first| first == "pg_temp") {
                    path.remove(0);
                }
                self.path = Some(path);
            }
            ("search_path" | "", Value::Unknown) if in_migration => self.path = None,
            ("search_path" | "", Value::Unknown) => {
                let why = "a search_path that is no constant tells not where things are made".to_owned();
                return Err(Outcome::Refused(why, CONSTANT_PATH));
            }
            ("standard_conforming_strings", Value::Is(parts)) if !is_on(&parts) => {
                let why = "standard_conforming_strings other than on: the bundle's strings are read as SQL says";
                return Err(Outcome::Refused(why.to_owned(), STANDARD_STRINGS));
            }
            ("client_encoding", Value::Is(parts)) if in_migration && !is_utf8(&parts) => return Ok(Some(name)),
            (timeout, Value::Is(parts)) if in_migration && TIMEOUTS.contains(&timeout) && is_never(&parts) => {
                return Ok(Some(name));
            }
            _ if in_migration => {}
            (other, Value::Default) if CARRIED.contains(&other) => drop(self.others.remove(other)),
            (other, Value::Is(parts)) if CARRIED.contains(&other) => {
                self.others.insert(name, parts.join(", "));
            }
            _ => return Ok(Some(name)),
        }
        Ok(None)
    }
}

fn is_on(parts: &[String]) -> bool {
    matches!(parts, [one] if ["on", "true", "yes", "1"].contains(&one.to_ascii_lowercase().as_str()))
}

fn is_utf8(parts: &[String]) -> bool {
    matches!(parts, [one] if ["utf8", "utf-8", "unicode"].contains(&one.to_ascii_lowercase().as_str()))
}

fn is_never(parts: &[String]) -> bool {
    matches!(parts, [one] if one.trim_start_matches(['0', '.']).trim().chars().all(char::is_alphabetic))
}

/// One setting, in lower case; none: all of them.
struct Set {
    name: String,
    value: Value,
}

enum Value {
    Default,
    Is(Vec<String>),
    /// The text does not tell.
    Unknown,
}

fn of_statement(set: &VariableSetStmt) -> Vec<Set> {
    let value = match VariableSetKind::try_from(set.kind) {
        Ok(VariableSetKind::VarSetValue) => match set.args.iter().map(constant).collect::<Option<Vec<_>>>() {
            Some(parts) => Value::Is(parts),
            None => Value::Unknown,
        },
        Ok(VariableSetKind::VarSetDefault | VariableSetKind::VarReset | VariableSetKind::VarResetAll) => Value::Default,
        // `SET TRANSACTION …`, `SET … FROM CURRENT`
        _ => return vec![Set { name: format!("{} ", set.name.to_ascii_lowercase()), value: Value::Unknown }],
    };
    vec![Set { name: set.name.to_ascii_lowercase(), value }]
}

/// `SELECT set_config('search_path', '', false)`: nothing but such calls.
fn of_calls(select: &SelectStmt) -> Option<Vec<Set>> {
    let is_plain = select.from_clause.is_empty() && select.where_clause.is_none() && select.op <= 1;
    if !is_plain || select.target_list.is_empty() || select.into_clause.is_some() {
        return None;
    }
    select.target_list.iter().map(of_call).collect()
}

fn of_call(target: &Node) -> Option<Set> {
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
    let Some(NodeEnum::FuncCall(call)) = &target.val.as_ref()?.node else { return None };
    if name_parts(&call.funcname).last().is_none_or(|name| name != "set_config") {
        return None;
    }
    let [name, value, _] = &call.args[..] else { return None };
    let Some(name) = constant(name).map(|name| name.to_ascii_lowercase()) else {
        return Some(Set { name: String::new(), value: Value::Unknown });
    };
    let value = match constant(value) {
        None => Value::Unknown,
        Some(text) if name == "search_path" => Value::Is(elements(&text)),
        Some(text) => Value::Is(vec![text]),
    };
    Some(Set { name, value })
}

fn constant(node: &Node) -> Option<String> {
    let Some(NodeEnum::AConst(constant)) = &node.node else { return None };
    Some(match constant.val.as_ref()? {
        a_const::Val::Sval(text) => text.sval.clone(),
        a_const::Val::Ival(number) => number.ival.to_string(),
        a_const::Val::Fval(number) => number.fval.clone(),
        a_const::Val::Boolval(value) => if value.boolval { "on" } else { "off" }.to_owned(),
        a_const::Val::Bsval(_) => return None,
    })
}

/// The names in a list as PostgreSQL reads it: folded to lower case but for those in quotes.
fn elements(list: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut end = |name: &mut String, was_quoted: &mut bool| {
        let whole = std::mem::take(name);
        names.push(if std::mem::take(was_quoted) { whole } else { whole.trim().to_lowercase() });
    };
    for character in list.chars() {
        match character {
            // Of two in a row the second one opens again, behind a quote that belongs to the name.
            '"' => {
                if !quoted && was_quoted {
                    name.push('"');
                }
                if !quoted && !was_quoted {
                    name.clear();
                }
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => end(&mut name, &mut was_quoted),
            _ if was_quoted && !quoted && character.is_whitespace() => {}
            _ => name.push(character),
        }
    }
    end(&mut name, &mut was_quoted);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::sql::trees;

    fn after(kind: Kind, sql: &str) -> (Settings, Vec<Outcome>) {
        let mut settings = Settings::default();
        let outcomes = trees(sql).iter().map(|tree| settings.take(kind, tree).expect("a setting")).collect();
        (settings, outcomes)
    }

    #[track_caller]
    fn path(sql: &str, expected: Option<&[&str]>) {
        for kind in [Kind::Tables, Kind::Migrations] {
            let path = after(kind, sql).0.path;
            assert_eq!(
                path.as_deref(),
                expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{sql}"
            );
        }
    }

    #[test]
    fn a_search_path_is_known_however_it_is_set() {
        path("SET search_path = app, \"My App\", public", Some(&["app", "My App", "public"]));
        path("SET LOCAL search_path TO 'a, b'", Some(&["a, b"]));
        path("SET SCHEMA 'app'", Some(&["app"]));
        path("SELECT pg_catalog.set_config('search_path', '', false)", Some(&[]));
        path("SELECT set_config('search_path', 'App, \"A \"\"b\" , public', true)", Some(&["app", "A \"b", "public"]));
        path("SET search_path = ''", Some(&[]));
        for reset in ["RESET search_path", "SET search_path TO DEFAULT", "RESET ALL"] {
            path(&format!("SET search_path = app; {reset}"), None);
        }
    }

    #[test]
    fn what_decides_the_meaning_holds_and_the_rest_is_left_out() {
        let dump = "SET statement_timeout = 0; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;
            SET xmloption = content; SET datestyle = 'ISO', DMY; SET default_table_access_method = heap; SET ROLE other;
            SET SESSION AUTHORIZATION other; SET timezone TO DEFAULT; SET row_security = off; SET TRANSACTION READ ONLY";
        let (settings, outcomes) = after(Kind::Tables, dump);
        let others: Vec<_> = settings.others.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(others, ["datestyle=ISO, dmy", "default_table_access_method=heap", "xmloption=content"]);
        assert_eq!(outcomes.iter().filter(|one| matches!(one, Outcome::LeftOut(_))).count(), 7, "{outcomes:?}");
        let (settings, outcomes) = after(Kind::Migrations, dump);
        assert_eq!(settings, Settings::default());
        assert_eq!(outcomes.iter().filter(|one| matches!(one, Outcome::LeftOut(_))).count(), 1, "{outcomes:?}");
    }

    #[test]
    fn what_would_be_read_otherwise_is_refused() {
        let refused = |kind, sql: &str| matches!(after(kind, sql).1[..], [Outcome::Refused(..)]);
        for kind in [Kind::Tables, Kind::Migrations] {
            assert!(refused(kind, "SET standard_conforming_strings = off"));
            assert!(refused(kind, "SELECT set_config('Standard_Conforming_Strings', 'false', false)"));
        }
        assert!(refused(Kind::Tables, "SELECT set_config('search_path', 'a' || 'b', false)"));
        assert!(refused(Kind::Tables, "SELECT set_config('search' || '_path', 'a', false)"));
        assert!(!refused(Kind::Migrations, "SELECT set_config('search_path', 'a' || 'b', false)"));
        let times =
            after(Kind::Migrations, "SET lock_timeout = 0; SET lock_timeout = '0 s'; SET lock_timeout = '10s'").1;
        assert!(matches!(times[..], [Outcome::LeftOut(_), Outcome::LeftOut(_), Outcome::Runs]), "{times:?}");
    }
}
