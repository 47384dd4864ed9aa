//! Two databases compared: as `pg_dump` prints them and as PostgreSQL's catalog has them, apart from the order of
//! columns, which nobody can change in a table that is there.

use crate::support::catalog::in_words;
use crate::support::pg_dump::pg_dump;

/// The lines that only one of them has; empty where they have the same schema. The catalog tells the same as the dump,
/// which takes a process of its own: `dumped` says whether it is worth that.
pub(crate) async fn differences(old: &str, new: &str, dumped: bool) -> Vec<String> {
    let mut found = only_one(words(old).await, words(new).await);
    if !dumped {
        return found;
    }
    if let (Some(old), Some(new)) = (pg_dump(old).await, pg_dump(new).await) {
        found.extend(only_one(statements(&old), statements(&new)));
    }
    found
}

/// Pairs of databases whose dumps differ, and in which the catalog says nothing of it: the first line of the difference. Where
/// there is no `pg_dump`, none.
pub(super) async fn unseen(databases: &[(String, String)]) -> Vec<String> {
    let mut told = Vec::new();
    for (what, database) in databases {
        let Some(dump) = pg_dump(database).await else { return Vec::new() };
        told.push((what, words(database).await, statements(&dump)));
    }
    let mut found = Vec::new();
    for (at, (what, words, dump)) in told.iter().enumerate() {
        for (other, other_words, other_dump) in &told[..at] {
            if dump != other_dump && words == other_words {
                found.push(format!("{other} / {what}: {:?}", only_one(other_dump.clone(), dump.clone())));
            }
        }
    }
    found
}

fn only_one(old: Vec<String>, new: Vec<String>) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let missing = |these: &[String], those: &[String], whose: &str| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).map(|line| format!("only {whose}: {line}")).collect()
    };
    let mut found = missing(&old, &new, "old");
    found.extend(missing(&new, &old, "new"));
    if found.is_empty() {
        found.push("some lines stand more often in one of them".to_owned());
    }
    found
}

/// The catalog without the numbers of columns: `column users 3: email …` → `column users email …`.
async fn words(database: &str) -> Vec<String> {
    let mut lines = in_words(database).await;
    for line in lines.iter_mut().filter(|line| line.starts_with("column ")) {
        if let Some((before, after)) = line.split_once(": ")
            && let Some((table, number)) = before.rsplit_once(' ')
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            *line = format!("{table} {after}");
        }
    }
    lines.sort();
    lines
}

/// The dump's statements in any order, each line of a table's by itself.
fn statements(dump: &str) -> Vec<String> {
    let lines: Vec<&str> = dump.lines().filter(|line| !line.starts_with("--") && !line.is_empty()).collect();
    let text = lines.join("\n");
    let mut statements: Vec<String> = text.trim_end_matches(';').split(";\n").map(in_any_order).collect();
    statements.sort();
    statements
}

/// The columns of a table or of a composite type.
fn in_any_order(statement: &str) -> String {
    if !(statement.starts_with("CREATE TABLE") || statement.starts_with("CREATE TYPE")) {
        return statement.to_owned();
    }
    let mut lines: Vec<&str> = statement.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.get_mut(1..).unwrap_or_default().sort_unstable();
    lines.join("\n")
}
