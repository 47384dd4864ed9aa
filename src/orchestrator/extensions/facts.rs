//! Reads what [`super::plan`] decides by, in whatever session: its own path is what it runs under, and everything that it
//! asks is PostgreSQL's.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::plan::{Facts, Version};
use crate::orchestrator::error::DeployError;

/// Of each extension of the server: its versions that can be installed at once.
const AVAILABLE: &str = "
    SELECT v.name::pg_catalog.text, v.version, v.version OPERATOR(pg_catalog.=) d.default_version,
           v.superuser AND NOT v.trusted, NOT v.superuser, v.relocatable, v.schema::pg_catalog.text,
           coalesce(v.requires::pg_catalog.text[], '{}')
    FROM pg_catalog.pg_available_extension_versions AS v
    JOIN pg_catalog.pg_available_extensions AS d ON d.name OPERATOR(pg_catalog.=) v.name
    ORDER BY v.name, v.version";

const INSTALLED: &str = "
    SELECT e.extname::pg_catalog.text, n.nspname::pg_catalog.text
    FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace";

/// Whether a schema is safe for a script that runs as a superuser: PostgreSQL's own, or one that the gateway's role `$1`
/// or a superuser owns, in which nobody else may create anything, and which holds only members of extensions. What stands
/// in a schema by itself depends on it; indexes and the types of tables depend on what they belong to.
const SCHEMAS: &str = "
    SELECT n.nspname::pg_catalog.text,
           n.nspname OPERATOR(pg_catalog.=) 'pg_catalog'
           OR (NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') AND n.nspname OPERATOR(pg_catalog.<>) '$user'
               AND (owner.rolsuper OR owner.rolname OPERATOR(pg_catalog.=) $1::pg_catalog.text)
               AND NOT EXISTS (
                   SELECT FROM pg_catalog.aclexplode(n.nspacl) AS acl
                   LEFT JOIN pg_catalog.pg_roles AS grantee ON grantee.oid OPERATOR(pg_catalog.=) acl.grantee
                   WHERE acl.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
                     AND acl.grantee OPERATOR(pg_catalog.<>) n.nspowner AND NOT coalesce(grantee.rolsuper, false))
               AND NOT EXISTS (
                   SELECT FROM pg_catalog.pg_depend AS d
                   WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
                     AND d.refobjid OPERATOR(pg_catalog.=) n.oid
                     AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass
                     AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_default_acl'::pg_catalog.regclass
                     AND NOT EXISTS (
                         SELECT FROM pg_catalog.pg_depend AS m
                         WHERE m.classid OPERATOR(pg_catalog.=) d.classid AND m.objid OPERATOR(pg_catalog.=) d.objid
                           AND m.deptype OPERATOR(pg_catalog.=) 'e')))
    FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_roles AS owner ON owner.oid OPERATOR(pg_catalog.=) n.nspowner";

/// Reads all of it. `gateway`: the gateway's own role.
pub async fn read(client: &Client, gateway: &str) -> Result<Facts, DeployError> {
    let failed = DeployError::own("asking which extensions there are");
    let gateway = [(&gateway as &(dyn ToSql + Sync), Type::TEXT)];
    let (available, installed, schemas) = tokio::try_join!(
        client.query_typed(AVAILABLE, &[]),
        client.query_typed(INSTALLED, &[]),
        client.query_typed(SCHEMAS, &gateway)
    )
    .map_err(failed)?;
    let mut facts = Facts {
        installed: installed.iter().map(|row| (row.get(0), row.get(1))).collect(),
        schemas: schemas.iter().map(|row| (row.get(0), row.get(1))).collect(),
        ..Facts::default()
    };
    for row in &available {
        facts.available.entry(row.get(0)).or_default().push(version(row));
    }
    Ok(facts)
}

fn version(row: &Row) -> Version {
    Version {
        version: row.get(1),
        is_default: row.get(2),
        needs_superuser: row.get(3),
        runs_as_caller: row.get(4),
        relocatable: row.get(5),
        fixed_schema: row.get(6),
        requires: row.get(7),
    }
}

/// The names of the extensions that are there.
pub async fn installed(client: &Client) -> Result<Vec<String>, DeployError> {
    let failed = DeployError::own("asking which extensions there are");
    let rows = client.query_typed(INSTALLED, &[]).await.map_err(failed)?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
