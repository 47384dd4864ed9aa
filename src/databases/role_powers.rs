//! What makes a role more than an ordinary one, so that nothing of a platform's may run as it. Asked wherever such a role is
//! about to be used: before deployments, when a session for calls opens, at the start and every hour.
//!
//! What a role may do counts from the next statement on, also in sessions that are open: with the refusal these are closed.

use tokio_postgres::Row;

use super::Databases;
use super::error::DatabaseError;
use super::pools::Pools;
use super::run_as::Role;

/// Each with its words.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("rolsuper", "a superuser"),
    ("rolcreaterole", "allowed to make roles (CREATEROLE)"),
    ("rolcreatedb", "allowed to make databases (CREATEDB)"),
    ("rolreplication", "allowed to copy the whole server (REPLICATION)"),
    ("rolbypassrls", "exempt from row level security (BYPASSRLS)"),
];

/// A question for one row about the role that the SQL `role` names, with the gateway's own called `gateway`: `attribute`, in
/// words, and `powerful`, the roles of which it is a member and should not be. Both are null of an ordinary role.
///
/// Other platforms' roles are not among them: before PostgreSQL 16 any role may make others members of itself, so that would
/// be a way to shut another platform out. They are parted where they are met ([`Databases::part_roles`]).
pub(super) fn powers(role: &str, gateway: &str) -> String {
    let words: String = ATTRIBUTES.iter().map(|(name, words)| format!(" WHEN r.{name} THEN '{words}'")).collect();
    let any = ATTRIBUTES.map(|(name, _)| format!("r.{name}")).join(" OR ");
    format!(
        "WITH RECURSIVE above (oid) AS (
             SELECT itself.oid FROM pg_catalog.pg_roles AS itself WHERE itself.rolname = {role}
             UNION
             SELECT m.roleid FROM pg_catalog.pg_auth_members AS m JOIN above ON m.member = above.oid
         )
         SELECT pg_catalog.min(CASE WHEN r.rolname = {role} THEN CASE{words} END END) AS attribute,
                pg_catalog.string_agg(r.rolname::pg_catalog.text, ', ' ORDER BY r.rolname)
                    FILTER (WHERE r.rolname <> {role}
                              AND ({any} OR r.rolname = {gateway} OR pg_catalog.starts_with(r.rolname, 'pg_'))
                    ) AS powerful
         FROM pg_catalog.pg_roles AS r JOIN above ON r.oid = above.oid"
    )
}

/// What there is against a role, from the two columns.
pub(super) fn objection_to(attribute: Option<&str>, powerful: Option<&str>) -> Option<String> {
    let is = match (attribute, powerful) {
        (Some(words), _) => words.to_owned(),
        (None, Some(roles)) => format!("a member of {roles}"),
        (None, None) => return None,
    };
    Some(format!("is {is}; a platform's role has to be an ordinary one"))
}

/// The attribute that makes a role more than an ordinary one, in words.
pub(super) fn attribute_of(row: &Row) -> Option<&'static str> {
    ATTRIBUTES.iter().find(|(attribute, _)| row.get(attribute)).map(|(_, words)| *words)
}

impl Pools {
    /// Nobody goes on using the role.
    pub(super) fn refuse(&self, role: &Role, objection: &str) -> DatabaseError {
        self.renew_role(role);
        let (role, what_to_do) =
            (role.user(), "nothing of the platform's runs until an administrator of PostgreSQL takes it away");
        tracing::error!(role, objection, "a platform's role is not used: {what_to_do}");
        DatabaseError::RoleRefused { reason: format!("the role {role} {objection}: {what_to_do}") }
    }
}

impl Databases {
    /// Refuses a role for which the columns of [`powers`] say something.
    pub(super) fn refuse_powerful(&self, role: &Role, row: &Row) -> Result<(), DatabaseError> {
        match objection_to(row.get("attribute"), row.get("powerful")) {
            Some(objection) => Err(self.pools.refuse(role, &objection)),
            None => Ok(()),
        }
    }
}
