//! What a database consists of, in lines to compare: in words ([`in_words`]) to see whether two databases have the same
//! schema, by identity ([`identity`]) to see whether anything ran at all.

use super::Sql;

const IN_WORDS: &str = include_str!("catalog.sql");
const IDENTITY: &str = include_str!("identity.sql");

/// One query that counts the rows of every table, the gateway's own too, and tells who wrote the youngest.
const ROWS: &str = "SELECT string_agg(format('SELECT concat_ws('' '', %L, ''rows'', count(*), max(xmin::text::bigint)) \
    FROM ONLY %s', oid::regclass, oid::regclass), ' UNION ALL ' ORDER BY oid) FROM pg_class \
    WHERE relkind = 'r' AND oid >= 16384 AND relnamespace NOT IN \
    ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)";

/// The schema in words.
pub(crate) async fn in_words(database: &str) -> Vec<String> {
    let sql = Sql::connect(database).await;
    // With nothing on the path, every name is printed in full.
    sql.run("SET search_path = ''; SET quote_all_identifiers = off; SET jit = off").await;
    sql.column(IN_WORDS).await
}

/// Every object and every table's rows, by oid and transaction.
pub(crate) async fn identity(database: &str) -> Vec<String> {
    let sql = Sql::connect(database).await;
    sql.run("SET search_path = ''; SET jit = off").await;
    let mut lines = sql.column(IDENTITY).await;
    // With names in full; run with the usual path, which the functions of indexes may need.
    let rows = sql.value(ROWS).await;
    sql.run("RESET search_path").await;
    if rows != "∅" {
        lines.extend(sql.column(&rows).await);
    }
    lines.sort();
    lines
}

/// Fails with the lines that only one side has.
#[track_caller]
pub(crate) fn assert_same(what: &str, left: &[String], right: &[String]) {
    let only = |these: &[String], those: &[String]| {
        let those: std::collections::HashSet<_> = those.iter().collect();
        these.iter().filter(|line| !those.contains(line)).take(40).cloned().collect::<Vec<_>>().join("\n  ")
    };
    let same = left == right;
    assert!(same, "{what}\nonly before:\n  {}\nonly after:\n  {}", only(left, right), only(right, left));
}
