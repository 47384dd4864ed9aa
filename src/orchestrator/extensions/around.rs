//! What the scripts of extensions find around them when the gateway's own role runs them: which search path, and which
//! settings of the database.
//!
//! Some scripts do not stay with what `CREATE EXTENSION` gives them. `postgis_topology` goes on under the path that the
//! session began with, and gives that path to the database; `postgis_tiger_geocoder` reads the database's path and pastes it
//! into a statement of its own. A database's settings are its owner's to choose, and a path may hold more than names.
//! So the session begins with a path of safe schemas ([`path`]), no setting of the owner's is there while a script runs
//! ([`Settings::hide`]), and afterwards all of them are as they were ([`Settings::restore`]).

use std::collections::HashSet;

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::plan::{Facts, Plan, Step};
use crate::databases::name::DatabaseName;
use crate::databases::quote_ident;
use crate::orchestrator::error::DeployError;

const STEP: &str = "keeping the database's settings while extensions are installed";

/// `$1` is the database's name, as everywhere here. The row is locked: who changes it meanwhile waits.
const READ: &str = "
    SELECT s.setconfig FROM pg_catalog.pg_db_role_setting AS s
    JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
    WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.text AND s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid
    FOR UPDATE OF s";

/// Not with `ALTER DATABASE … SET`: that would read the values, which are the owner's, as SQL.
const WRITE: &str = "
    UPDATE pg_catalog.pg_db_role_setting AS s SET setconfig = $2::pg_catalog.text[] FROM pg_catalog.pg_database AS d
    WHERE d.oid OPERATOR(pg_catalog.=) s.setdatabase AND d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid";

/// Where there was none; refused where somebody has made one meanwhile.
const ADD: &str = "
    INSERT INTO pg_catalog.pg_db_role_setting (setdatabase, setrole, setconfig)
    SELECT d.oid, 0::pg_catalog.oid, $2::pg_catalog.text[] FROM pg_catalog.pg_database AS d
    WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.text";

const REMOVE: &str = "
    DELETE FROM pg_catalog.pg_db_role_setting AS s USING pg_catalog.pg_database AS d
    WHERE d.oid OPERATOR(pg_catalog.=) s.setdatabase AND d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid";

/// The schemas that the scripts of a plan may build on: where they go, and where what they need is.
pub fn schemas<'a>(plan: &'a Plan, facts: &'a Facts, unnamed: &'a str) -> Vec<&'a str> {
    let target = |step: &'a Step| step.told.fixed_schema.as_ref().or(step.own_schema()).map_or(unnamed, String::as_str);
    let needed = plan.by_gateway.iter().flat_map(|step| &step.told.requires);
    let standing = needed.filter_map(|name| facts.installed.get(name)).map(String::as_str);
    let mut seen = HashSet::new();
    standing.chain(plan.by_gateway.iter().map(target)).filter(|schema| seen.insert(*schema)).collect()
}

/// The path that such a session begins with. PostgreSQL's own come first by not being named.
pub fn path(schemas: &[&str]) -> String {
    let own = schemas.iter().filter(|schema| **schema != "pg_catalog").map(|schema| quote_ident(schema));
    own.chain(["pg_temp".to_owned()]).collect::<Vec<_>>().join(", ")
}

/// The settings of a database, for the time of a transaction.
pub struct Settings<'a> {
    database: &'a DatabaseName,
    /// As they were; none: it has none.
    before: Option<Vec<String>>,
}

impl<'a> Settings<'a> {
    /// Takes them away, and leaves `path` alone. Only a superuser can.
    pub async fn hide(client: &Client, database: &'a DatabaseName, path: &str) -> Result<Self, DeployError> {
        let name: (&(dyn ToSql + Sync), Type) = (&database.as_str(), Type::TEXT);
        let row = client.query_typed_opt(READ, std::slice::from_ref(&name)).await.map_err(DeployError::own(STEP))?;
        let settings = Self { database, before: row.map(|row| row.get(0)) };
        let hiding = if settings.before.is_some() { WRITE } else { ADD };
        settings.write(client, hiding, &vec![format!("search_path={path}")]).await?;
        Ok(settings)
    }

    /// As they were, whatever the scripts have set.
    pub async fn restore(self, client: &Client) -> Result<(), DeployError> {
        match &self.before {
            Some(before) => self.write(client, WRITE, before).await,
            None => {
                let name: (&(dyn ToSql + Sync), Type) = (&self.database.as_str(), Type::TEXT);
                client.query_typed(REMOVE, &[name]).await.map(drop).map_err(DeployError::own(STEP))
            }
        }
    }

    async fn write(&self, client: &Client, sql: &str, values: &Vec<String>) -> Result<(), DeployError> {
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.database.as_str(), Type::TEXT), (values, Type::TEXT_ARRAY)];
        client.query_typed(sql, &parameters).await.map(drop).map_err(DeployError::own(STEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_path_are_names() {
        assert_eq!(path(&["geo", "a b\", c", "pg_catalog"]), r#""geo", "a b"", c", pg_temp"#);
    }
}
