//! Which bundle each database was deployed at last, for `GET /metrics`. Nothing is decided by it: what a database is at stands in the
//! database itself.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::Databases;
use super::name::DatabaseName;

/// How long who asks for figures waits for these.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of a checksum tells bundles apart; the most lines that are told.
const BY_BUNDLE: &str = "SELECT r.platform, coalesce(left(r.bundle, 12), 'unknown'), count(*)
    FROM public.databases r JOIN pg_catalog.pg_database d ON d.datname = r.name
    WHERE r.creating IS NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 1000";

impl Databases {
    /// Notes it after a deployment; what cannot be noted is missing in figures, and nowhere else.
    pub async fn note_bundle(&self, database: &DatabaseName, checksum: &str) {
        let noting = async {
            let control = self.control().await?;
            // Nobody waits for a disk for this.
            let sql = "UPDATE public.databases SET bundle = $2
                FROM (SELECT pg_catalog.set_config('synchronous_commit', 'off', true)) AS unhurried
                WHERE name = $1 AND bundle IS DISTINCT FROM $2";
            let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&database.as_str(), Type::TEXT), (&checksum, Type::TEXT)];
            let noted = control.query_typed(sql, &params).await;
            noted.map_err(super::DatabaseError::step("noting the bundle of a database"))
        };
        if let Err(error) = noting.await {
            tracing::warn!(%database, %error, "the bundle of a database could not be noted for /metrics");
        }
    }

    /// Platform, the beginning of the bundle's checksum, and how many databases; none where it is not known in time.
    pub async fn by_bundle(&self) -> Option<Vec<(String, String, usize)>> {
        let asking = async {
            let control = self.control().await.ok()?;
            let rows = control.query_typed(BY_BUNDLE, &[]).await.ok()?;
            let counted = rows.iter().map(|row| {
                let number: i64 = row.try_get(2).ok()?;
                Some((row.try_get(0).ok()?, row.try_get(1).ok()?, usize::try_from(number).ok()?))
            });
            counted.collect()
        };
        timeout(PATIENCE, asking).await.ok()?
    }
}
