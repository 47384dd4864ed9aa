//! Under which path the gateway's own statements are read, and under which they run. No I/O but the one message.
//!
//! PostgreSQL looks functions, operators, casts and types up by their bare names when it reads a statement, and a schema that
//! comes first, or an overload that fits better, wins. So a session for deployments has [`OWN_PATH`] at all times but while
//! it runs uploaded code, and asks its questions as they are written. What a question prints or reads while it runs (names
//! of tables and types, definitions) depends on the path of that moment, which [`under`] sets for it: after it was read.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::quote::quote_literal;
use super::settings::OWN_PATH;

/// The path under which a question runs that was read under the gateway's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under<'a> {
    /// The one that the session's role has in the database: that of uploaded code.
    Database,
    /// `public`, the schemas of extensions, and then this: see [`printed_path`].
    Printed(&'a str),
    /// Another one, as PostgreSQL writes it.
    Path(&'a str),
}

/// What a question runs under; the statement that gives the session its own path back is [`own_path`].
pub fn under(path: Under<'_>, question: &str) -> String {
    let path = match path {
        // What the session started with.
        Under::Database => "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path')".to_owned(),
        Under::Printed(rest) => printed_path(rest),
        Under::Path(path) => quote_literal(path),
    };
    // The inner question needs the outer row, so that one comes first; OFFSET keeps the planner from taking them apart.
    format!(
        "SELECT answer.* FROM (SELECT pg_catalog.set_config('search_path', {path}, true) AS path OFFSET 0) AS own
         CROSS JOIN LATERAL (SELECT inside.* FROM (\n{question}\n) AS inside WHERE own.path IS NOT NULL OFFSET 0) AS answer"
    )
}

/// SQL for the path under which catalogs are printed and compared: what is in `public` is printed without a schema, and so is
/// what an extension has brought, wherever it stands, if that holds nothing else. `rest` comes after it.
pub fn printed_path(rest: &str) -> String {
    format!(
        "(SELECT pg_catalog.concat_ws(', ', 'public', (
             SELECT pg_catalog.string_agg(pg_catalog.quote_ident(n.nspname), ', ' ORDER BY n.nspname)
             FROM pg_catalog.pg_namespace AS n
             WHERE n.nspname NOT IN ('public', 'pg_catalog')
               AND n.oid IN (SELECT extnamespace FROM pg_catalog.pg_extension)
               AND NOT EXISTS (
                   SELECT FROM pg_catalog.pg_depend AS d
                   WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
                     AND d.classid NOT IN ('pg_extension'::regclass, 'pg_default_acl'::regclass)
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS m
                                     WHERE m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e'))
         ), NULLIF({}, '')))",
        quote_literal(rest)
    )
}

/// Gives a session the gateway's own path.
pub fn own_path() -> String {
    format!("SET search_path TO {OWN_PATH}")
}

/// Commits what uploaded code has done in a session that goes on, and has it listen to nothing: whoever listens, and is busy,
/// keeps the server's one queue of notifications from being cut. `LISTEN` holds from the commit on.
pub fn commit_and_go_on() -> String {
    format!("RESET search_path;COMMIT;UNLISTEN *;{}", own_path())
}

/// Gives a session the path `path` while it has the gateway's own.
pub fn set_path(path: &str) -> String {
    format!("SELECT pg_catalog.set_config('search_path', {}, false)", quote_literal(path))
}

/// Gives a session that has the gateway's own path the one of [`printed_path`].
pub fn set_printed_path(rest: &str) -> String {
    format!("SELECT pg_catalog.set_config('search_path', {}, false)", printed_path(rest))
}

/// Asks in a session that has the gateway's own path, and has it afterwards, whatever `sql` sets while it runs.
pub async fn ask(client: &Client, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, Error> {
    let own = own_path();
    // Sent together: after an error both fail, and what undoes the one undoes the path. The first says why.
    let (rows, restored) = tokio::join!(client.query_typed(sql, params), client.batch_execute(&own));
    let rows = rows?;
    restored?;
    Ok(rows)
}
