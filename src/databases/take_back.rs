//! Taking a database back from its platform's role for a moment, when nobody is in it: what an extension's script, run as a
//! superuser, could find there is then what is found there now.

use tokio_postgres::error::SqlState;

use super::Databases;
use super::error::DatabaseError;
use super::locks::DeploymentLock;
use super::name::DatabaseName;
use super::quote::quote_ident;
use super::run_as::RunAs;

/// Whether the database is the role's `$2`, and nobody else was given anything there.
const IS_ALONE: &str = "
    SELECT pg_catalog.pg_get_userbyid(d.datdba) = $2 AND NOT EXISTS (
               SELECT FROM pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS acl
               WHERE acl.grantee <> d.datdba)
    FROM pg_catalog.pg_database AS d WHERE d.datname = $1";

impl Databases {
    /// Makes a database the gateway's own, where it was its platform's role's alone. `false`: it was not, or somebody is in it;
    /// then nothing has changed. What follows is [`Databases::give_again`]; where that does not come, the next deployment
    /// hands the database over.
    ///
    /// PostgreSQL renames no database that anybody is in or is about to enter, and lets nobody in until that has ended, in one
    /// transaction with the change of its owner. So whoever comes next is refused, being no owner.
    pub async fn take_back(
        &self,
        database: &DatabaseName,
        run_as: &RunAs,
        lock: &DeploymentLock,
    ) -> Result<bool, DatabaseError> {
        let Some(role) = run_as.owner() else { return Ok(false) };
        if !self.is_alone(database, role).await? {
            return Ok(false);
        }
        // Its idle connections are somebody, too.
        self.pools.forget(database);
        let (name, aside) = (quote_ident(database.as_str()), quote_ident(database.unfinished().as_str()));
        let take = format!(
            "ALTER DATABASE {name} RENAME TO {aside}; ALTER DATABASE {aside} RENAME TO {name};
             ALTER DATABASE {name} OWNER TO CURRENT_USER"
        );
        match self.administer(&take).await? {
            Ok(()) => {}
            Err(error) if error.code().is_some_and(stands_in_the_way) => return Ok(false),
            Err(error) => return Err(DatabaseError::step("taking the empty database back")(error)),
        }
        // Its owner may have let somebody in just before.
        let is_alone = self.is_alone(database, self.gateway_user()).await;
        if !matches!(is_alone, Ok(true)) {
            self.give_again(database, run_as, lock).await?;
        }
        is_alone
    }

    /// Gives it to the role again.
    pub async fn give_again(
        &self,
        database: &DatabaseName,
        run_as: &RunAs,
        _lock: &DeploymentLock,
    ) -> Result<(), DatabaseError> {
        let Some(role) = run_as.owner() else { return Ok(()) };
        let give = format!("ALTER DATABASE {} OWNER TO {}", quote_ident(database.as_str()), quote_ident(role));
        self.administer(&give).await?.map_err(DatabaseError::step("giving the database to its platform's role"))?;
        self.pools.forget(database);
        Ok(())
    }

    async fn is_alone(&self, database: &DatabaseName, owner: &str) -> Result<bool, DatabaseError> {
        let control = self.control().await?;
        let row = control.query_opt(IS_ALONE, &[&database.as_str(), &owner]).await;
        let row = row.map_err(DatabaseError::step("asking whose the database is"))?;
        Ok(row.is_some_and(|row| row.get(0)))
    }
}

/// Somebody is in it; or a creation that was killed has left the other name, which the next sweep frees.
fn stands_in_the_way(code: &SqlState) -> bool {
    [SqlState::OBJECT_IN_USE, SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION].contains(code)
}
