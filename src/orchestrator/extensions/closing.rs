//! Functions of extensions that are out of a platform's reach, although PostgreSQL lets everybody run them.
//!
//! Some start or steer processes of the server's own: such a process belongs to nobody's session, enters databases as the
//! superuser, and stays when the call is over, whatever the time limit and `MAX_TOTAL_CONNECTIONS` say. And some are known to end
//! the whole server with all its sessions, because they believe what their caller gives them: rules with wrong numbers
//! (`standardize_address`), bytes with wrong offsets (FlatGeobuf) or collections nested without an end (TWKB), a shape without an
//! area. Where the operator has named the extension of those, it is the operator's to trust.
//!
//! With them go those of PostgreSQL's own that write to the disk of the gateway's own server past all that watches it
//! ([`closing_of_functions`](crate::databases::Databases::closing_of_functions)).
//!
//! Extensions whose functions look into files, pages or other sessions keep these to superusers by themselves.

use tokio_postgres::Client;

use super::Terms;
use crate::databases::quote_literal;
use crate::orchestrator::error::DeployError;

/// Each with its extension: what reaches the server's own processes.
const REACHING: &[(&str, &str)] = &[("pg_prewarm", "autoprewarm_start_worker"), ("pg_prewarm", "autoprewarm_dump_now")];

/// Each with its extension: what is known to take the server down. Open where the operator has named that.
const CRASHING: &[(&str, &str)] = &[
    ("address_standardizer", "standardize_address"),
    ("postgis", "st_fromflatgeobuf"),
    ("postgis", "st_fromflatgeobuftotable"),
    ("postgis", "st_geomfromtwkb"),
    ("postgis_sfcgal", "cg_optimalalphashape"),
    ("postgis_sfcgal", "st_optimalalphashape"),
];

const STEP: &str = "closing functions of extensions that reach the server";

/// Takes them from everybody but their owner, who installed the extension. In the gateway's own session.
pub async fn close(client: &Client, terms: Terms<'_>) -> Result<(), DeployError> {
    for statement in closing(client, terms).await? {
        client.batch_execute(&statement).await.map_err(DeployError::own(STEP))?;
    }
    Ok(())
}

/// The same in a database where they were installed before the gateway looked at this, or by hand. `client`: any session
/// there.
pub async fn close_standing(client: &Client, terms: Terms<'_>) -> Result<(), DeployError> {
    if closing(client, terms).await?.is_empty() {
        return Ok(());
    }
    let session = terms.databases.session_inside(terms.database).await?;
    let closed = close(&session, terms).await;
    session.close().await;
    closed
}

/// The statements that close what everybody may run, with names that need no path.
async fn closing(client: &Client, terms: Terms<'_>) -> Result<Vec<String>, DeployError> {
    let crashing = CRASHING.iter().filter(|(extension, _)| !terms.allowed.is_named(extension));
    let names: Vec<_> = REACHING
        .iter()
        .chain(crashing)
        .map(|(extension, function)| {
            let (extension, function) = (quote_literal(extension), quote_literal(function));
            format!("e.extname OPERATOR(pg_catalog.=) {extension} AND p.proname OPERATOR(pg_catalog.=) {function}")
        })
        .collect();
    let query = format!(
        "SELECT pg_catalog.format('REVOKE EXECUTE ON FUNCTION %I.%I(%s) FROM PUBLIC', n.nspname, p.proname,
                                  pg_catalog.pg_get_function_identity_arguments(p.oid))
         FROM pg_catalog.pg_extension AS e
         JOIN pg_catalog.pg_depend AS d ON d.refobjid OPERATOR(pg_catalog.=) e.oid
              AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
              AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
         JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) d.objid
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
         WHERE ({}) AND pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')
         UNION ALL
         {}",
        names.join(" OR "),
        terms.databases.closing_of_functions()
    );
    let rows = client.query_typed(&query, &[]).await.map_err(DeployError::own(STEP))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
