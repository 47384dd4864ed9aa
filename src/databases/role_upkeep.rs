//! Keeping a platform's role as it was made: it is there, may log in with its recorded password, and has its limit of
//! connections, whatever code that runs as it, or somebody at the server, has done to it.
//!
//! [`Databases::ensure_role`] is asked before deployments; [`Databases::restore_role`] when PostgreSQL did not let the role
//! in, after which whoever wanted a session tries once more. A role's own settings (`ALTER ROLE … SET`) stay its own.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use tokio::time::Instant;
use tokio_postgres::Row;

use super::Databases;
use super::error::DatabaseError;
use super::name::DatabaseName;
use super::quote::quote_ident;
use super::role_admission::{explain, hashed};
use super::role_powers::powers;
use super::run_as::Role;

/// How long a change of a role waits for code that is changing it, too: a few connections serve all platforms.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// What is to be known of a role before it is used. Which options a membership has is only told since PostgreSQL 16; before,
/// it comes whole.
static STATE: LazyLock<String> = LazyLock::new(|| {
    let powers = powers("$1", "current_user");
    format!(
        "
    SELECT r.rolcanlogin, r.rolconnlimit, powers.attribute, powers.powerful,
           EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                   WHERE m.roleid = r.oid AND m.member = gateway.oid
                     AND coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool, true)
                     AND coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool, true)) AS joined,
           ARRAY(SELECT other.rolname::pg_catalog.text FROM pg_catalog.pg_auth_members AS m
                 JOIN pg_catalog.pg_roles AS other ON other.oid = m.roleid
                 WHERE m.member = r.oid) AS member_of
    FROM pg_catalog.pg_roles AS r, pg_catalog.pg_roles AS gateway, ({powers}) AS powers
    WHERE r.rolname = $1 AND gateway.rolname = current_user"
    )
});

/// When each role was last restored by this gateway: those who waited for that need not do it again.
pub(super) type Restored = Mutex<HashMap<String, Instant>>;

impl Databases {
    /// The role is there, as it was made and no more than an ordinary one; the roles that it is a member of.
    pub async fn ensure_role(&self, role: &Role) -> Result<Vec<String>, DatabaseError> {
        let control = self.control().await?;
        let state = control.query_opt(&*STATE, &[&role.user()]).await;
        let state = state.map_err(DatabaseError::step("looking at the platform's role"))?;
        drop(control);
        let Some(state) = state else { return self.make_again(role).await.map(|()| Vec::new()) };
        self.refuse_powerful(role, &state)?;
        let member_of = state.get("member_of");
        if !role.upkeep().sets {
            self.join_if_it_may(role, &state).await;
            return Ok(member_of);
        }
        let (can_login, limit): (bool, i32) = (state.get("rolcanlogin"), self.connection_limit().await?);
        if !can_login || state.get::<_, i32>("rolconnlimit") != limit {
            self.alter(role, &format!("LOGIN CONNECTION LIMIT {limit}")).await?;
        }
        if !state.get::<_, bool>("joined") {
            self.join_role(role).await?;
        }
        Ok(member_of)
    }

    /// Takes the role out of others that are other platforms': before PostgreSQL 16 any role may make others members of
    /// itself, unasked.
    pub async fn part_roles(&self, role: &Role, others: &[String]) -> Result<(), DatabaseError> {
        for other in others {
            tracing::warn!(role = role.user(), other, "the role was a member of another platform's; it no longer is");
            let revoke = format!("{PATIENCE}; REVOKE {} FROM {}", quote_ident(other), quote_ident(role.user()));
            let revoked = self.administer(&revoke).await?;
            revoked.map_err(DatabaseError::step("parting the roles of two platforms"))?;
        }
        Ok(())
    }

    /// After PostgreSQL did not let the role in: puts right what is the gateway's to put right, or says what is wrong.
    pub(super) async fn restore_role(&self, role: &Role) -> Result<(), DatabaseError> {
        let asked = Instant::now();
        let _lock = self.lock(&DatabaseName::recorded(format!("role {}", role.user()))).await?;
        if self.restored_since(role, asked) {
            return Ok(());
        }
        self.ensure_role(role).await?;
        if !self.opens(role).await? {
            if !role.upkeep().sets {
                return Err(unusable(
                    role,
                    "cannot log in with the password that the platform was registered with: somebody has changed it, let it \
                     expire, or forbidden the role to log in; set that right on the PostgreSQL server",
                ));
            }
            tracing::warn!(role = role.user(), "the platform's role gets its password again");
            let limit = self.connection_limit().await?;
            let again = format!("LOGIN CONNECTION LIMIT {limit} PASSWORD {} VALID UNTIL 'infinity'", hashed(role));
            self.alter(role, &again).await?;
        }
        let mut restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        restored.insert(role.user().to_owned(), Instant::now());
        Ok(())
    }

    fn restored_since(&self, role: &Role, asked: Instant) -> bool {
        let restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner);
        restored.get(role.user()).is_some_and(|when| *when >= asked)
    }

    /// What a platform's code holds open itself (through `dblink`, say) must not use up the server.
    pub(super) async fn connection_limit(&self) -> Result<i32, DatabaseError> {
        let control = self.control().await?;
        let room = self.pools.fit_into_server(&control).await?;
        let limit = self.pools.config.max_total_connections.min(room).max(1);
        Ok(i32::try_from(limit).unwrap_or(i32::MAX))
    }

    async fn make_again(&self, role: &Role) -> Result<(), DatabaseError> {
        if !role.upkeep().makes {
            return Err(unusable(
                role,
                "is missing on the PostgreSQL server; make it again there, or set PLATFORM_ROLES=auto, which does",
            ));
        }
        tracing::warn!(role = role.user(), "the platform's role is missing on the server, so it is made again");
        self.create_role(role).await?;
        self.join_role(role).await
    }

    /// A role that a client named may be somebody's who did not let the gateway join it; then handing over will say so.
    async fn join_if_it_may(&self, role: &Role, state: &Row) {
        if !state.get::<_, bool>("joined")
            && let Err(error) = self.join_role(role).await
        {
            tracing::warn!(role = role.user(), %error, "the gateway's role is no member of the platform's role");
        }
    }

    pub(super) async fn alter(&self, role: &Role, changes: &str) -> Result<(), DatabaseError> {
        let sql = format!("{PATIENCE}; ALTER ROLE {} WITH {changes}", quote_ident(role.user()));
        self.administer(&sql).await?.map_err(|error| match explain(role, "changing the role", error) {
            error if error.is_locked() => {
                unusable(role, "is being changed by a transaction of somebody's; try again later")
            }
            error => error,
        })
    }
}

fn unusable(role: &Role, reason: &str) -> DatabaseError {
    DatabaseError::RoleUnusable { reason: format!("the platform's role {} {reason}", role.user()) }
}
