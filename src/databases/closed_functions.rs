//! Functions of PostgreSQL's own that write to the server's disk in any transaction, also one that only reads, without a number of
//! a transaction or a file by which the gateway would know who it is ([`super::terminator::writers`]): on the gateway's own server
//! they are closed to everybody but superusers.
//!
//! `EXECUTE` on such a function belongs to each database. A deployment sees to its own
//! (`orchestrator/extensions/closing.rs`), before it runs anything; what is not deployed to is gone through at the start.
//! `pg_export_snapshot` leaves a file for each call until its transaction ends, and `pg_logical_emit_message` fills PostgreSQL's log
//! of changes for replication, for which no platform has the right.
//!
//! A dump names privileges of PostgreSQL's own functions where they differ from `pg_init_privs`, and a later version may have such a
//! function with other arguments (`pg_logical_emit_message` since 17): neither a restore nor `pg_upgrade` would get past that. So the
//! closed state is recorded there as the initial one, as an extension's script would have it, and no dump names it: whoever restores
//! one has the functions of his own version, and a gateway closes these.

use tokio_postgres::Client;

use super::Databases;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::quote::quote_literal;

/// All of their name.
const CLOSED: &[&str] = &["pg_export_snapshot", "pg_logical_emit_message"];

/// A condition on `pg_proc AS p`: it is one of them.
fn is_of_their_name() -> String {
    let names: Vec<String> = CLOSED.iter().map(|name| quote_literal(name)).collect();
    format!(
        "p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
         AND p.proname OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.name[])",
        names.join(", ")
    )
}

/// A query for the statements that close those which a condition on `pg_proc AS p` leaves, in one column `statement`: none where
/// all are closed and no dump names that.
fn closing(condition: &str) -> String {
    format!(
        "SELECT pg_catalog.format('REVOKE EXECUTE ON FUNCTION pg_catalog.%I(%s) FROM PUBLIC', p.proname,
                                  pg_catalog.pg_get_function_identity_arguments(p.oid)) AS statement
         FROM pg_catalog.pg_proc AS p
         WHERE {condition} AND pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')
         UNION ALL
         SELECT pg_catalog.format('INSERT INTO pg_catalog.pg_init_privs VALUES (%s, %s, 0, ''i'', ARRAY[%L]::pg_catalog.aclitem[])',
                                  p.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
                                  pg_catalog.makeaclitem(p.proowner, p.proowner, 'EXECUTE', false))
         FROM pg_catalog.pg_proc AS p
         WHERE {condition} AND NOT EXISTS (
             SELECT FROM pg_catalog.pg_init_privs AS i
             WHERE i.objoid OPERATOR(pg_catalog.=) p.oid AND i.objsubid OPERATOR(pg_catalog.=) 0
                   AND i.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass)"
    )
}

/// Has no dump name what an earlier version has closed. As the superuser, in a database of the gateway's own server.
pub async fn record_as_initial(client: &Client) -> Result<(), tokio_postgres::Error> {
    let condition =
        format!("{} AND NOT pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')", is_of_their_name());
    close_in(client, &closing(&condition)).await
}

impl Databases {
    /// A query for the statements that close them where they are open, in one column `statement`. On other servers than the gateway's
    /// own they stay.
    pub fn closing_of_functions(&self) -> String {
        if !self.pools.server.terminator.is_own_server() {
            return closing("false");
        }
        closing(&is_of_their_name())
    }

    /// Closes them in every database that can be entered and that nobody deploys to. What the gateway is making (a name with a hyphen)
    /// is deployed to, and may have nobody else in it.
    pub async fn close_functions(&self) -> Result<(), DatabaseError> {
        const ENTERED: &str = "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn
                               AND datname NOT LIKE 'stonescriptdb-%' ORDER BY datname";
        let step = DatabaseError::step("listing the databases of the server");
        let rows = self.control().await?.query(ENTERED, &[]).await.map_err(step)?;
        for row in rows {
            let name = DatabaseName::recorded(row.get(0));
            match self.close_functions_in(&name).await {
                // Dropped meanwhile.
                Ok(()) | Err(DatabaseError::Gone { .. } | DatabaseError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(database = %name, %error, "functions that write past all limits stay open")
                }
            }
        }
        Ok(())
    }

    async fn close_functions_in(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        let Some(_lock) = self.try_lock(name).await? else { return Ok(()) };
        let session = self.session_inside(name).await?;
        let closed = close_in(&session, &self.closing_of_functions()).await;
        session.close().await;
        closed.map_err(DatabaseError::step("closing functions that write past all limits"))
    }
}

async fn close_in(client: &Client, closing: &str) -> Result<(), tokio_postgres::Error> {
    for row in client.query_typed(closing, &[]).await? {
        client.batch_execute(row.get(0)).await?;
    }
    Ok(())
}
