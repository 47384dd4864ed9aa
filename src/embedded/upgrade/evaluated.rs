//! What `pg_upgrade` would run of platforms' code: it restores schemas as the superuser, and PostgreSQL works out constant parts of
//! some expressions meanwhile. Asked of the old cluster before anything is made.
//!
//! | of                                    | worked out when |
//! | ------------------------------------- | --------------- |
//! | generated columns, keys of partitions | the table is made |
//! | CHECKs of tables                      | they come by themselves, or a partition is attached |
//! | CHECKs of domains                     | a constant of a type that holds one is read; a partition's bounds, statistics come over |
//! | indexes, statistics                   | an index is attached, a foreign key is checked, statistics come over |
//! | casts                                 | an expression is read that meant another one when it was written |
//!
//! What a function's body reaches is not looked at: one that is not a superuser's is enough. Nor is what PostgreSQL's own functions
//! would run of what they are given (`query_to_xml`), or do where only a superuser may (`lo_export`): to call one is enough.

use tokio_postgres::Config;

use super::contents::{Contents, asking, connect};
use super::{UpgradeError, plan::Method};
use crate::databases::wire::extensions::RUN_TEXT;

const QUESTION: &str = include_str!("evaluated.sql");

/// So many are named in the error; all are told before, up to the question's limit for each database.
const IN_ERROR: usize = 5;

/// Refuses, unless the operator trusts the platforms' code, what would run of it as the superuser.
pub(super) async fn check(
    contents: &Contents,
    config: &Config,
    (method, is_trusted): (&Method, bool),
    say: &impl Fn(&str),
) -> Result<(), UpgradeError> {
    if let Method::Dump { .. } = method {
        // Who asked for it was told so: rows are restored, and with them all that looks at rows runs.
        say("restoring a dump: all that platforms' tables check, index and generate is run as the superuser");
        return Ok(());
    }
    let mut found = Vec::new();
    // Blueprints are restored too, before they are dropped.
    for database in contents.all() {
        let client = connect(config, database).await?;
        let rows =
            client.query(QUESTION, &[&&RUN_TEXT[..]]).await.map_err(asking("looking for what an upgrade would run"))?;
        found.extend(rows.iter().map(|row| {
            let (what, name): (String, String) = (row.get(0), row.get(1));
            let line = format!("{database}: {what} calls {name}");
            // A name may hold what a terminal obeys.
            line.replace(char::is_control, " ")
        }));
    }
    for line in &found {
        say(&format!("may be run as the superuser: {line}"));
    }
    if found.is_empty() || is_trusted {
        return Ok(());
    }
    let (count, mut named) = (found.len(), found);
    named.truncate(IN_ERROR);
    if count > IN_ERROR {
        named.push(format!("and {} more", count - IN_ERROR));
    }
    Err(UpgradeError::PlatformsCode { found: named.join("; ") })
}
