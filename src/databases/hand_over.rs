//! Giving a database to its platform's role: one that was made by hand, or while roles were off, or for another role.
//!
//! The only place besides the installation of extensions where the gateway works inside a platform's database as itself.
//! So nothing here calls what is in there: the catalog is read with an empty path, event triggers do not fire, and
//! `ALTER … OWNER TO` runs no code of the object's. (`REASSIGN OWNED` would do the same in one word, but refuses where a
//! superuser that owns the server's own objects is the owner.)

use super::Databases;
use super::error::DatabaseError;
use super::locks::DeploymentLock;
use super::name::DatabaseName;
use super::quote::quote_ident;
use super::run_as::{Role, RunAs};
use super::server::Purpose;
use super::session::InsideSession;
use super::settings::OWN_PATH;

/// One statement for each object that one of the roles `$1` owns; see the file.
const STATEMENTS: &str = include_str!("hand_over.sql");

/// How often it is tried while somebody holds a lock on one of the objects, each time for the lock timeout.
const ATTEMPTS: usize = 3;

impl Databases {
    /// The databases among `names` that are not the platform's role's alone yet; none where it has no role.
    pub async fn to_hand_over(
        &self,
        run_as: &RunAs,
        names: &[DatabaseName],
    ) -> Result<Vec<DatabaseName>, DatabaseError> {
        let Some(owner) = run_as.owner() else { return Ok(Vec::new()) };
        let names: Vec<&str> = names.iter().map(DatabaseName::as_str).collect();
        let control = self.control().await?;
        let rows = control
            .query(
                "SELECT d.datname FROM pg_catalog.pg_database AS d
                 WHERE d.datname = ANY ($1)
                   AND (pg_catalog.pg_get_userbyid(d.datdba) <> $2
                        OR NOT pg_catalog.has_database_privilege(d.datdba, d.oid, 'CONNECT')
                        OR EXISTS (SELECT FROM pg_catalog.aclexplode(
                                           coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) AS acl
                                   WHERE acl.grantee = 0))
                 ORDER BY d.datname",
                &[&names, &owner],
            )
            .await
            .map_err(DatabaseError::step("asking whose databases are"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }

    /// Hands the database over, if the platform has a role and it is not that role's alone yet.
    pub async fn hand_over(
        &self,
        run_as: &RunAs,
        database: &DatabaseName,
        _lock: &DeploymentLock,
    ) -> Result<(), DatabaseError> {
        let RunAs::Platform(role) = run_as else { return Ok(()) };
        if self.to_hand_over(run_as, std::slice::from_ref(database)).await?.is_empty() {
            return Ok(());
        }
        let former = self.owner_of(database).await?;
        // The owner may have taken its own privileges away, which also shuts a gateway out that is only a member.
        let enter = format!("GRANT ALL ON DATABASE {} TO {}", quote_ident(database.as_str()), quote_ident(&former));
        self.administer(&enter).await?.map_err(DatabaseError::step("opening the database to its owner"))?;
        self.hand_over_all(database, role, former).await?;
        self.pools.forget(database);
        tracing::info!(database = %database, role = role.user(), "the database was handed over to its platform's role");
        Ok(())
    }

    /// Refuses a database without a record that is not the platform's to adopt: another program's, whose name a client has
    /// guessed. Made by hand it is the gateway's role's, the platform's, or, before a gateway that is a superuser, a superuser's.
    pub async fn refuse_other_roles(&self, run_as: &RunAs, database: &DatabaseName) -> Result<(), DatabaseError> {
        const FOREIGN: &str = "
            SELECT owner.rolname::pg_catalog.text
            FROM pg_catalog.pg_database AS d
            JOIN pg_catalog.pg_roles AS owner ON owner.oid = d.datdba
            JOIN pg_catalog.pg_roles AS gateway ON gateway.rolname = current_user
            WHERE d.datname = $1 AND owner.rolname NOT IN ($2, current_user) AND NOT (owner.rolsuper AND gateway.rolsuper)";
        let Some(role) = run_as.owner() else { return Ok(()) };
        let control = self.control().await?;
        let row = control.query_opt(FOREIGN, &[&database.as_str(), &role]).await;
        match row.map_err(DatabaseError::step("asking whose the database is"))? {
            Some(row) => Err(DatabaseError::OtherRoles { database: database.clone(), owner: row.get(0) }),
            None => Ok(()),
        }
    }

    async fn owner_of(&self, database: &DatabaseName) -> Result<String, DatabaseError> {
        let control = self.control().await?;
        let query = "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = $1";
        let row = control.query_opt(query, &[&database.as_str()]).await;
        let row = row.map_err(DatabaseError::step("asking whose the database is"))?;
        Ok(row.ok_or_else(|| DatabaseError::Gone { database: database.clone() })?.get(0))
    }

    async fn hand_over_all(&self, database: &DatabaseName, role: &Role, former: String) -> Result<(), DatabaseError> {
        let step = DatabaseError::step("giving the database to its platform's role");
        let session = self.session_inside(database).await?;
        let gateway: String = session.query_one("SELECT current_user::text", &[]).await.map_err(&step)?.get(0);
        let owners: Vec<String> = [gateway, former].into_iter().filter(|owner| owner != role.user()).collect();
        let rows = session.query(STATEMENTS, &[&owners, &role.user()]).await.map_err(&step)?;
        let (name, owner) = (quote_ident(database.as_str()), quote_ident(role.user()));
        // The database first: as its owner the role may have objects in its schemas.
        let mut sql = format!("ALTER DATABASE {name} OWNER TO {owner};\n");
        for row in &rows {
            sql += row.get(0);
            sql += ";\n";
        }
        sql += &format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC");
        // One message is one transaction: all of it, or nothing.
        let mut done = session.batch_execute(&sql).await.map_err(&step);
        for _ in 1..ATTEMPTS {
            if !done.as_ref().is_err_and(DatabaseError::is_locked) {
                break;
            }
            done = session.batch_execute(&sql).await.map_err(&step);
        }
        session.close().await;
        done
    }

    /// A session of the gateway's own role in a platform's database, in which nothing of the platform's is found by its
    /// bare name and no trigger fires. Event triggers are superusers' only, and only a superuser may silence them.
    pub async fn session_inside(&self, database: &DatabaseName) -> Result<InsideSession, DatabaseError> {
        self.session_inside_under(database, OWN_PATH).await
    }

    /// The same under another path, to which `RESET` returns: scripts of extensions build on that. Before anything else is
    /// done there, whoever asks for it makes sure that nobody else can have made anything in these schemas.
    pub async fn session_inside_under(
        &self,
        database: &DatabaseName,
        path: &str,
    ) -> Result<InsideSession, DatabaseError> {
        let session = InsideSession(self.open_session(&RunAs::Gateway, database, Purpose::Inside(path)).await?);
        let silence = "SELECT pg_catalog.set_config('session_replication_role', 'replica', false)
                       FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user AND rolsuper";
        session.query(silence, &[]).await.map_err(DatabaseError::step("preparing the gateway's own session"))?;
        Ok(session)
    }
}
