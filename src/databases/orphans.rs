//! Backends that are still inside a deployment although the gateway that began it is gone, or has given up on it: PostgreSQL
//! goes on with a statement whose client is not there any more.

use super::Databases;
use super::error::DatabaseError;
use super::locks::DeploymentLock;
use super::name::DatabaseName;

/// Advisory locks of a deployment's transaction, `$1` being its key in each database.
const INSIDE: &str = "
    FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 = $1";

impl Databases {
    /// The databases in which somebody is inside a deployment: holds the lock `key` that its transaction takes there.
    pub async fn being_deployed_to(&self, key: i64) -> Result<Vec<DatabaseName>, DatabaseError> {
        let control = self.control().await?;
        let rows = control.query(&format!("SELECT DISTINCT d.datname {INSIDE}"), &[&key]).await;
        let rows = rows.map_err(DatabaseError::step("looking for deployments"))?;
        Ok(rows.iter().map(|row| DatabaseName::recorded(row.get(0))).collect())
    }

    /// Ends the backend that is inside a deployment to the lock's database: only whoever has that lock may be, and its own
    /// backend is not inside yet. Returns whether there was one.
    pub async fn end_orphan(&self, key: i64, lock: &DeploymentLock) -> Result<bool, DatabaseError> {
        let database = lock.database();
        let control = self.control().await?;
        let end = format!("SELECT l.pid, pg_catalog.pg_terminate_backend(l.pid) {INSIDE} AND d.datname = $2");
        let ended = control.query(&end, &[&key, &database.as_str()]).await;
        let ended = ended.map_err(DatabaseError::step("ending a deployment whose gateway is gone"))?;
        for row in &ended {
            let pid: i32 = row.get(0);
            tracing::warn!(database = %database, pid, "a backend was still inside a deployment whose gateway is gone");
        }
        Ok(!ended.is_empty())
    }
}
