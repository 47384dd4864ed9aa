//! Making the role of a platform, and judging one that is there already: nothing that is more than an ordinary user may
//! own a platform's databases, because the platform's code runs as it.
//!
//! Passwords reach the server hashed ([`scram_sha_256`]), so that no log of its statements ever holds one.

use postgres_protocol::password::scram_sha_256;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::Databases;
use super::budget::LaneId;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::pools::CONTROL_CONNECTIONS;
use super::quote::{quote_ident, quote_literal};
use super::role_powers::{attribute_of, objection_to};
use super::run_as::{Role, RunAs};
use super::server::Purpose;

/// Everything about a role that would let code which runs as it out of its databases.
const JUDGE: &str = "
    SELECT r.rolname = current_user AS is_gateway,
           r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolcanlogin,
           (SELECT pg_catalog.string_agg(m.rolname, ', ' ORDER BY m.rolname)
            FROM pg_catalog.pg_roles AS m
            WHERE m.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')
              AND (m.rolsuper OR m.rolcreaterole OR m.rolcreatedb OR m.rolreplication OR m.rolbypassrls
                   OR m.rolname = current_user OR m.rolname = ANY ($2)
                   OR pg_catalog.starts_with(m.rolname, 'pg_'))) AS memberships
    FROM pg_catalog.pg_roles AS r WHERE r.rolname = $1";

/// Whoever names a role could have it.
const NOT_ASKED: &str = "exists, and PostgreSQL does not ask for its password, so nobody can tell whether it is the client's: have \
                         pg_hba.conf ask the gateway's machine for passwords (scram-sha-256 instead of trust, peer or ident), or name a \
                         role that is not there yet";

impl Databases {
    /// Makes a role that a client named, or accepts one that is there if its password opens it and it is an ordinary one.
    /// `others`: the roles of other platforms.
    pub async fn admit_role(&self, role: &Role, others: &[String]) -> Result<(), DatabaseError> {
        if self.judge(role, others).await? {
            if !self.opens(role).await? {
                return Err(refused(role, "exists, and the password does not open it"));
            }
            let made_up = format!("{:032x}", rand::random::<u128>());
            if self.opens(&Role::new(role.user().to_owned(), made_up, role.upkeep())).await? {
                return Err(refused(role, NOT_ASKED));
            }
        } else {
            self.create_role(role).await?;
        }
        self.join_role(role).await
    }

    /// Makes a role that the gateway named, or gives it this password if it is there: its record was lost, or code that
    /// runs as it has changed its password.
    pub async fn admit_generated_role(&self, role: &Role, others: &[String]) -> Result<(), DatabaseError> {
        if self.judge(role, &[]).await? {
            // The attributes are an ordinary role's: to name them again is a superuser's, even where nothing changes.
            let limit = self.connection_limit().await?;
            let again = format!("LOGIN CONNECTION LIMIT {limit} PASSWORD {} VALID UNTIL 'infinity'", hashed(role));
            self.alter(role, &again).await?;
            let mut member_of = self.ensure_role(role).await?;
            member_of.retain(|role| others.contains(role));
            self.part_roles(role, &member_of).await?;
        } else {
            self.create_role(role).await?;
        }
        self.join_role(role).await
    }

    /// Whether its password opens a role. Asked where no platform's role may connect: the server checks the password
    /// first, so that refusal is a yes.
    pub async fn opens(&self, role: &Role) -> Result<bool, DatabaseError> {
        self.ensure_records().await?;
        let database = DatabaseName::gateway();
        let _ticket = self.pools.ticket(LaneId::CONTROL, CONTROL_CONNECTIONS, &database).await?;
        let permit = self.pools.permit(&database).await?;
        match self.pools.server.open(&database, Purpose::Control, permit, &RunAs::Platform(role.clone())).await {
            Ok(link) => {
                link.close().await;
                Ok(true)
            }
            Err(DatabaseError::NotTheRoles { .. }) => Ok(true),
            Err(DatabaseError::RoleShutOut { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether uploaded code that runs as the gateway's role could do anything on the server.
    pub async fn gateway_is_superuser(&self) -> Result<bool, DatabaseError> {
        let control = self.control().await?;
        let query = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let row = control.query_one(query, &[]).await.map_err(DatabaseError::step("asking what the gateway may do"))?;
        Ok(row.get(0))
    }

    /// Shuts platforms out of the databases that belong to nobody in particular. Only for a server that is the gateway's
    /// own: elsewhere others may use them.
    pub async fn close_to_platforms(&self) -> Result<(), DatabaseError> {
        let control = self.control().await?;
        for name in ["postgres", "template1", DatabaseName::gateway().as_str()] {
            let sql = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_ident(name));
            match control.batch_execute(&sql).await {
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_DATABASE) => {}
                Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => {}
                result => result.map_err(DatabaseError::step("closing the server's own databases to platforms"))?,
            }
        }
        Ok(())
    }

    /// Whether the role exists; refuses one that is more than an ordinary user.
    async fn judge(&self, role: &Role, others: &[String]) -> Result<bool, DatabaseError> {
        let control = self.control().await?;
        let judged = control.query_opt(JUDGE, &[&role.user(), &others]).await;
        let row = judged.map_err(DatabaseError::step("looking at the platform's role"))?;
        match row.map(|row| objection(&row)) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(objection)) => Err(refused(role, &objection)),
        }
    }

    /// An ordinary role: it may connect and do what it likes with what it owns. PostgreSQL gives it nothing else unasked.
    pub(super) async fn create_role(&self, role: &Role) -> Result<(), DatabaseError> {
        let limit = match role.upkeep().sets {
            true => format!("CONNECTION LIMIT {} ", self.connection_limit().await?),
            false => String::new(),
        };
        let sql = format!("CREATE ROLE {} LOGIN {limit}PASSWORD {}", quote_ident(role.user()), hashed(role));
        let control = self.control().await?;
        control.batch_execute(&sql).await.map_err(|error| explain(role, "making the role", error))
    }

    /// The gateway's role becomes an inheriting member: who is no superuser may only then make databases for the role, and
    /// end its backends.
    pub(super) async fn join_role(&self, role: &Role) -> Result<(), DatabaseError> {
        let control = self.control().await?;
        join(&control, role).await.map_err(|error| explain(role, "becoming a member of the role", error))
    }
}

async fn join(control: &Client, role: &Role) -> Result<(), tokio_postgres::Error> {
    // Before PostgreSQL 16 a membership comes whole.
    let query = "SELECT pg_catalog.current_setting('server_version_num')::int >= 160000";
    let options = if control.query_one(query, &[]).await?.get(0) { " WITH INHERIT TRUE, SET TRUE" } else { "" };
    control.batch_execute(&format!("GRANT {} TO CURRENT_USER{options}", quote_ident(role.user()))).await
}

/// Why a role cannot be a platform's.
fn objection(row: &Row) -> Option<String> {
    if row.get("is_gateway") {
        return Some("is the gateway's own role; give the platform another one".to_owned());
    }
    if let Some(objection) = objection_to(attribute_of(row), row.get("memberships")) {
        return Some(objection);
    }
    (!row.get::<_, bool>("rolcanlogin")).then(|| "may not log in".to_owned())
}

pub(super) fn hashed(role: &Role) -> String {
    quote_literal(&scram_sha_256(role.password().as_bytes()))
}

pub(super) fn refused(role: &Role, reason: &str) -> DatabaseError {
    DatabaseError::RoleRefused { reason: format!("the role {} {reason}", role.user()) }
}

pub(super) fn explain(role: &Role, step: &'static str, error: tokio_postgres::Error) -> DatabaseError {
    match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => refused(
            role,
            "cannot be made or used: the gateway's own role may not do that (it needs CREATEROLE, and membership in a \
             role that somebody else made); have an administrator make it, or set PLATFORM_ROLES=off",
        ),
        // Two at once, or a name that PostgreSQL keeps for itself (pg_…).
        Some(code) if [SqlState::DUPLICATE_OBJECT, SqlState::UNIQUE_VIOLATION].contains(code) => {
            refused(role, "was made by somebody else at this moment; try again")
        }
        Some(code) if *code == SqlState::RESERVED_NAME => refused(role, "bears a name that PostgreSQL reserves"),
        _ => DatabaseError::step(step)(error),
    }
}
