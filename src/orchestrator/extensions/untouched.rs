//! Whether a database is as the gateway made it (`POST /admin/create-tenant`), so that the gateway may install there what it
//! may install in a new one.

use tokio_postgres::Client;

use super::{Terms, facts, plan};
use crate::bundle::extension::Extension;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::tracking;

/// For each of PostgreSQL's own tables of objects of one database: whether there is one that came after the server was made.
/// The schemas of temporary tables come by themselves. What only a superuser may read (the mappings of users to foreign
/// servers) is not there without something that anybody may read.
const LOOK: &str = "
    SELECT pg_catalog.string_agg(pg_catalog.format(
               'EXISTS (SELECT FROM pg_catalog.%I WHERE oid OPERATOR(pg_catalog.>=) 16384%s)', c.relname,
               CASE WHEN c.relname OPERATOR(pg_catalog.=) 'pg_namespace'
                    THEN ' AND nspname OPERATOR(pg_catalog.!~) ''^pg_(toast_)?temp_''' ELSE '' END), ' OR ')
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
    WHERE c.relnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
      AND c.relkind OPERATOR(pg_catalog.=) 'r' AND NOT c.relisshared AND a.attname OPERATOR(pg_catalog.=) 'oid'
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";

/// Whether taking the database back is worth anybody's while: it looks empty, and something is missing that only the gateway
/// may install. Asked in a session of the platform's role, as which the deployment would find the same.
pub async fn would_help(terms: Terms<'_>, extensions: &[Extension]) -> Result<bool, DeployError> {
    let session = terms.databases.session(terms.run_as, terms.database).await?;
    let asked = async {
        if tracking::read_bundle_checksum(&session).await?.is_some() || !look(&session).await? {
            return Ok(false);
        }
        let facts = facts::read(&session, terms.databases.gateway_user()).await?;
        let plan = plan::plan(extensions, &facts, false)?;
        Ok(!plan.by_gateway.is_empty())
    }
    .await;
    session.close().await;
    asked
}

/// The same, asked by the gateway when nobody else can be there any more.
pub async fn is_untouched(terms: Terms<'_>) -> Result<bool, DeployError> {
    let session = terms.databases.session_inside(terms.database).await?;
    let looked = look(&session).await;
    session.close().await;
    looked
}

async fn look(client: &Client) -> Result<bool, DeployError> {
    const STEP: &str = "looking whether the database is as it was made";
    let question = client.query_typed_one(LOOK, &[]).await.map_err(DeployError::own(STEP))?;
    let question: &str = question.get(0);
    let row = client.query_typed_one(&format!("SELECT NOT ({question})"), &[]).await;
    Ok(row.map_err(DeployError::own(STEP))?.get(0))
}
