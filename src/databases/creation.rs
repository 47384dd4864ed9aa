//! Making a database so that nobody is ever in it who should not be: it is created closed to everybody, then made its
//! owner's alone, then opened. Whoever enters a database stays in it, so there must be no moment in between.
//!
//! What comes after `CREATE DATABASE`, which commits by itself, is one message and so one transaction. A kill in between
//! leaves a closed database.

use tokio_postgres::error::SqlState;

use super::Databases;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::quote::quote_ident;
use super::run_as::RunAs;

impl Databases {
    /// Makes a platform's database, open to nobody but its role (and superusers): a copy of `template`, which nobody may be
    /// connected to, or an empty one in UTF-8. As the gateway it is open to all, as PostgreSQL makes them.
    pub async fn create_database(
        &self,
        name: &DatabaseName,
        template: Option<&DatabaseName>,
        run_as: &RunAs,
    ) -> Result<(), DatabaseError> {
        self.make_database(name, name, template, run_as).await
    }

    /// The same under the name `unfinished` until it is whole.
    pub(super) async fn make_database(
        &self,
        unfinished: &DatabaseName,
        name: &DatabaseName,
        template: Option<&DatabaseName>,
        run_as: &RunAs,
    ) -> Result<(), DatabaseError> {
        self.create_closed(unfinished, template).await?;
        let (made, database) = (quote_ident(unfinished.as_str()), quote_ident(name.as_str()));
        let mut finish = String::new();
        // Before it is given away: only a database's owner with CREATEDB may rename it.
        if unfinished != name {
            finish += &format!("ALTER DATABASE {made} RENAME TO {database}; ");
        }
        // Its owner comes before it is opened. A copy has no privileges of its template's, so they are revoked on each.
        if let Some(owner) = run_as.owner() {
            let owner = quote_ident(owner);
            finish +=
                &format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC; ALTER DATABASE {database} OWNER TO {owner}; ");
        }
        finish += &format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true");
        let finished = self.alter_or_drop(unfinished, &finish, "opening the new database to its owner").await;
        self.pools.forget(name);
        finished.map_err(|error| match &error {
            DatabaseError::Statement { source, .. } if is_taken(source) => {
                DatabaseError::Exists { database: name.clone() }
            }
            _ => error,
        })
    }

    /// Makes an empty database that only the gateway can enter: nothing of anybody's is in it yet. What follows is
    /// [`Databases::give_database`] or [`Databases::drop_database`].
    pub async fn create_for_gateway(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        self.create_closed(name, None).await?;
        let database = quote_ident(name.as_str());
        let open = format!(
            "REVOKE ALL ON DATABASE {database} FROM PUBLIC; ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true"
        );
        self.alter_or_drop(name, &open, "opening the new database to the gateway").await
    }

    /// Gives a database that only the gateway can enter to the platform's role. `public` goes with it: since PostgreSQL 15
    /// that is the database owner's; before, anybody who can enter may create there.
    pub async fn give_database(&self, name: &DatabaseName, run_as: &RunAs) -> Result<(), DatabaseError> {
        let Some(owner) = run_as.owner() else { return Ok(()) };
        let give = format!("ALTER DATABASE {} OWNER TO {}", quote_ident(name.as_str()), quote_ident(owner));
        self.alter_or_drop(name, &give, "giving the database to its platform's role").await
    }

    /// Takes a database back and closes it for good, to be a template: what is in it stays whose it is, but as the owner
    /// of the database itself the platform's role could open it again. Whoever is still in it is put out.
    pub async fn seal_database(&self, name: &DatabaseName) -> Result<(), DatabaseError> {
        let database = quote_ident(name.as_str());
        let seal = format!(
            "ALTER DATABASE {database} OWNER TO CURRENT_USER;
             ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false CONNECTION LIMIT -1 IS_TEMPLATE false"
        );
        self.administer(&seal).await?.map_err(DatabaseError::step("closing the database to connections"))?;
        let control = self.control().await?;
        // Only those that the gateway may end; a superuser's session is that one's business.
        let put_out = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                       WHERE datname = $1 AND backend_type = 'client backend'
                         AND pg_catalog.pg_has_role(usesysid, 'USAGE')";
        control.execute(put_out, &[&name.as_str()]).await.map_err(DatabaseError::step("putting sessions out"))?;
        Ok(())
    }

    async fn create_closed(&self, name: &DatabaseName, template: Option<&DatabaseName>) -> Result<(), DatabaseError> {
        let source = match template {
            Some(template) => quote_ident(template.as_str()),
            None => "template0 ENCODING 'UTF8'".to_owned(),
        };
        let sql = format!("CREATE DATABASE {} TEMPLATE {source} ALLOW_CONNECTIONS false", quote_ident(name.as_str()));
        let made = self.administer(&sql).await?;
        self.pools.forget(name);
        let Err(error) = made else { return Ok(()) };
        match (error.code(), template) {
            _ if is_taken(&error) => Err(DatabaseError::Exists { database: name.clone() }),
            (Some(code), Some(template))
                if [SqlState::INVALID_CATALOG_NAME, SqlState::UNDEFINED_DATABASE].contains(code) =>
            {
                Err(DatabaseError::MissingTemplate { template: template.clone() })
            }
            _ => Err(DatabaseError::step("creating the database")(error)),
        }
    }

    /// A database that is half made does not stay; the first error is the one that matters.
    async fn alter_or_drop(&self, name: &DatabaseName, sql: &str, step: &'static str) -> Result<(), DatabaseError> {
        let altered = match self.administer(sql).await {
            Ok(altered) => altered.map_err(DatabaseError::step(step)),
            Err(error) => Err(error),
        };
        if altered.is_err()
            && let Err(error) = self.drop_database(name).await
        {
            tracing::warn!(database = %name, %error, "a database that could not be made whole could not be dropped");
        }
        altered
    }
}

/// Two at once: the index on the names has the last word.
fn is_taken(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::DUPLICATE_DATABASE, SqlState::UNIQUE_VIOLATION].contains(code))
}
