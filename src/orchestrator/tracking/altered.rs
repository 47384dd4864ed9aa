//! Tracking tables that somebody altered: told in words (contract §5), never taken for the gateway's own failure.
//!
//! The tables lie in the platform's database, so its code may do anything to them, which harms nobody else. What the gateway
//! cannot work with is refused: another kind of relation, a column that is gone or of another type, no key, a rule, row
//! security, rows that the gateway never writes. What does not stand in its way (further columns, triggers) stays, and runs
//! as the platform's role.

use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Error, Row};

use crate::bundle::sql;
use crate::databases::SaidBy;
use crate::orchestrator::error::DeployError;
use crate::uploads;

/// How the name of each begins.
pub const PREFIX: &str = "_stonescriptdb_gateway_";

/// Without the prefix: what the gateway reads and writes, and the column that tells one row from the other.
struct Expected {
    table: &'static str,
    key: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const TEXT: &str = "text";
const TIME: &str = "timestamp with time zone";

const TABLES: &[Expected] = &[
    Expected {
        table: "migrations",
        key: "migration_file",
        columns: &[("migration_file", TEXT), ("checksum", TEXT), ("applied_at", TIME)],
    },
    Expected {
        table: "types",
        key: "type_name",
        columns: &[("type_name", TEXT), ("checksum", TEXT), ("deployed_at", TIME)],
    },
    Expected {
        table: "tables",
        key: "table_name",
        columns: &[("table_name", TEXT), ("checksum", TEXT), ("deployed_at", TIME)],
    },
    Expected {
        table: "functions",
        key: "signature",
        columns: &[
            ("function_name", TEXT),
            ("signature", TEXT),
            ("param_types", "text[]"),
            ("return_type", TEXT),
            ("body_checksum", TEXT),
            ("source_file", TEXT),
            ("deployed_at", TIME),
        ],
    },
    Expected {
        table: "statements",
        key: "checksum",
        columns: &[("checksum", TEXT), ("source_file", TEXT), ("deployed_at", TIME)],
    },
    Expected {
        table: "changelog",
        key: "id",
        columns: &[
            ("id", "bigint"),
            ("change_type", TEXT),
            ("object_name", TEXT),
            ("detail", "jsonb"),
            ("platform", TEXT),
            ("schema_checksum", TEXT),
            ("applied_at", TIME),
        ],
    },
    Expected {
        table: "progress",
        key: "migration_file",
        columns: &[("migration_file", TEXT), ("statements_done", "integer"), ("statements_checksum", TEXT)],
    },
    Expected {
        table: "declared",
        key: "object",
        columns: &[("object", TEXT), ("checksum", TEXT), ("by_migration", "boolean")],
    },
    Expected { table: "seeds", key: "seed", columns: &[("seed", TEXT), ("table_name", TEXT), ("stored", TEXT)] },
    Expected {
        table: "values",
        key: "statement",
        columns: &[("statement", TEXT), ("type_name", TEXT), ("value", TEXT)],
    },
    Expected {
        table: "state",
        key: "one_row",
        columns: &[
            ("one_row", "boolean"),
            ("bundle_checksum", TEXT),
            ("deployed_at", TIME),
            ("catalog_shape", TEXT),
            ("catalog_mark", TEXT),
        ],
    },
];

/// What is there of these names, whatever it is. The keys are unique indexes that `ON CONFLICT` can use.
const LOOK: &str = r"
    SELECT c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite AS r WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid),
           pg_catalog.row_security_active(c.oid),
           ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                 ORDER BY a.attnum),
           ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
                 ORDER BY a.attnum),
           ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
                      AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
                 WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                       AND i.indpred IS NULL AND i.indnkeyatts OPERATOR(pg_catalog.=) 1)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'public'
      AND c.relkind OPERATOR(pg_catalog.<>) 'i' AND c.relkind OPERATOR(pg_catalog.<>) 'c'
      AND pg_catalog.starts_with(c.relname::pg_catalog.text, '_stonescriptdb_gateway_')";

/// Refuses tables that the gateway cannot work with; that there are none yet is no matter.
pub async fn check(client: &Client) -> Result<(), DeployError> {
    let rows = client.query_typed(LOOK, &[]).await.map_err(DeployError::own("looking at the tracking tables"))?;
    let mut seen = 0;
    let mut has_migrations = false;
    for row in &rows {
        let name: String = row.get(0);
        let Some(expected) = TABLES.iter().find(|one| name.strip_prefix(PREFIX) == Some(one.table)) else { continue };
        seen += 1;
        has_migrations |= expected.table == "migrations";
        if let Some(cause) = difference(row, expected) {
            return Err(altered(expected.table, cause, None));
        }
    }
    if seen > 0 && !has_migrations {
        return Err(altered("migrations", "it is missing, and the others are there".to_owned(), None));
    }
    Ok(())
}

fn difference(row: &Row, expected: &Expected) -> Option<String> {
    let (kind, rules, secured): (String, bool, bool) = (row.get(1), row.get(2), row.get(3));
    let (names, types, keys): (Vec<String>, Vec<String>, Vec<String>) = (row.get(4), row.get(5), row.get(6));
    if kind != "r" {
        return Some("it is no table".to_owned());
    }
    if rules {
        return Some("it has a rule".to_owned());
    }
    if secured {
        return Some("row level security hides rows of it".to_owned());
    }
    for (column, wanted) in expected.columns {
        match names.iter().position(|name| name == column).and_then(|at| types.get(at)) {
            None => return Some(format!("the column {column} is missing")),
            Some(found) if found != wanted => {
                return Some(format!("the column {column} is {found} instead of {wanted}"));
            }
            Some(_) => {}
        }
    }
    let has_key = keys.iter().any(|key| key == expected.key);
    (!has_key).then(|| format!("the column {} has no primary key", expected.key))
}

/// The most that a platform's tracking tables may hold, changelog aside: they are read as a whole.
const MAX_BYTES: i64 = 128 << 20;

/// Refuses tables that hold more than anybody deploys. Nobody may write to them meanwhile.
pub async fn check_size(client: &Client) -> Result<(), DeployError> {
    let size = |table: &str, columns: &[&str]| {
        let lengths: Vec<_> = columns
            .iter()
            .map(|column| format!("coalesce(pg_catalog.octet_length({column}::pg_catalog.text), 0)"))
            .collect();
        let one = lengths.join(" OPERATOR(pg_catalog.+) ");
        format!(
            "(SELECT coalesce(pg_catalog.sum(64::pg_catalog.int8 OPERATOR(pg_catalog.+) {one}), 0)::pg_catalog.int8 FROM public.{PREFIX}{table})"
        )
    };
    let read: [(&str, &[&str]); 6] = [
        ("migrations", &["migration_file", "checksum"]),
        ("statements", &["checksum"]),
        ("functions", &["function_name", "signature", "param_types", "return_type", "body_checksum", "source_file"]),
        ("progress", &["migration_file", "statements_checksum"]),
        ("declared", &["object", "checksum"]),
        ("seeds", &["seed", "table_name", "stored"]),
    ];
    let sizes: Vec<_> = read.iter().map(|(table, columns)| size(table, columns)).collect();
    let query = format!("SELECT {}", sizes.join(", "));
    let row = client.query_typed_one(&query, &[]).await.map_err(failed("reading the tracking tables", "migrations"))?;
    for (at, (table, _)) in read.iter().enumerate() {
        if row.get::<_, i64>(at) > MAX_BYTES {
            return Err(altered(table, format!("it holds more than {} MiB", MAX_BYTES >> 20), None));
        }
    }
    Ok(())
}

/// For `map_err`: a statement on one of the tables was refused. What says nothing about the table stays what it is.
pub fn failed(step: &'static str, table: &'static str) -> impl Fn(Error) -> DeployError {
    move |error| match error.as_db_error().filter(|_| is_about_the_table(&error)) {
        Some(told) => altered(table, told.message().to_owned(), Some(told.code().code().to_owned())),
        None => DeployError::own(step)(error),
    }
}

/// The same outside of a transaction, where the tables can be looked at for a better reason.
pub async fn explain(client: &Client, step: &'static str, table: &'static str, error: Error) -> DeployError {
    if !is_about_the_table(&error) {
        return DeployError::own(step)(error);
    }
    match check(client).await {
        Err(altered @ DeployError::AlteredTracking { .. }) => altered,
        _ => failed(step, table)(error),
    }
}

/// Not: a lost connection, a server that only reads, a lock that was not granted or lost, no resources, a cancel, the system.
/// Whatever code of somebody else's says there, which only an altered table runs, is.
fn is_about_the_table(error: &Error) -> bool {
    let Some(code) = error.code() else { return false };
    let is_not = ["08", "25", "40", "53", "55", "57", "58", "XX"].iter().any(|class| code.code().starts_with(class));
    SaidBy::of(error) == SaidBy::Code || !is_not
}

/// A value of a row. One of another type, or NULL, is none that the gateway wrote.
pub fn value<'r, T: FromSql<'r>>(row: &'r Row, at: usize, table: &'static str) -> Result<T, DeployError> {
    row.try_get(at).map_err(|_| {
        let column = row.columns().get(at).map_or_else(|| at.to_string(), |column| column.name().to_owned());
        altered(table, format!("a row has something in {column} that the gateway never writes"), None)
    })
}

/// Refuses signatures that the gateway never writes, of functions that PostgreSQL does not find: 15 refuses them by itself,
/// later versions only say that there is no such function.
pub async fn check_signatures(lost: Vec<String>) -> Result<(), DeployError> {
    if lost.is_empty() {
        return Ok(());
    }
    let reading =
        uploads::read(move || sql::no_signature(&lost).map(|found| found.chars().take(100).collect::<String>()));
    match reading.await?.flatten() {
        Some(found) => Err(altered("functions", format!("a row has the signature {found:?}, which is none"), None)),
        None => Ok(()),
    }
}

/// See [`DeployError::AlteredTracking`].
pub fn altered(table: &'static str, cause: String, sqlstate: Option<String>) -> DeployError {
    // One statement may ask several of them; PostgreSQL says which one it is about.
    let named = |one: &&Expected| {
        let mut words = cause.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| word.strip_prefix(PREFIX) == Some(one.table))
    };
    let table = TABLES.iter().find(named).map_or(table, |one| one.table);
    DeployError::AlteredTracking { database: None, table: format!("public.{PREFIX}{table}"), cause, sqlstate }
}
