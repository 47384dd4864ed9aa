//! Which types have no binary form that goes out and comes back: they travel as text. Asked for what procedures return, which
//! the server makes JSON of in a second statement.

use crate::databases::CallConnection;
use crate::databases::wire::WireError;

/// Those of the types `$1` that are made of one without a function for either way.
const READ: &str = "
WITH RECURSIVE used AS (
    SELECT asked.oid AS asked, asked.oid AS oid FROM pg_catalog.unnest($1::text::oid[]) AS asked(oid)
    UNION
    SELECT used.asked, part.oid
    FROM used
    JOIN pg_catalog.pg_type AS t ON t.oid = used.oid
    CROSS JOIN LATERAL (
        SELECT t.typelem AS oid WHERE t.typelem <> 0
        UNION ALL
        SELECT t.typbasetype WHERE t.typtype = 'd'
        UNION ALL
        SELECT a.atttypid
        FROM pg_catalog.pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid
        UNION ALL
        SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = t.oid
    ) AS part
)
SELECT COALESCE(pg_catalog.json_agg(DISTINCT used.asked::int8), '[]')::text
FROM used
JOIN pg_catalog.pg_type AS t ON t.oid = used.oid
WHERE t.typsend::oid = 0 OR t.typreceive::oid = 0";

/// Those of `types`, by their oids, that cannot be sent to and fro in binary.
pub(super) async fn read_without_binary(connection: &mut CallConnection, types: &[u32]) -> Result<Vec<u32>, WireError> {
    let oids: Vec<String> = types.iter().map(u32::to_string).collect();
    let row = connection.query_row(READ, &[Some(&format!("{{{}}}", oids.join(",")))]).await?;
    let json = row.first().and_then(Option::as_deref).unwrap_or_default();
    serde_json::from_slice(json)
        .map_err(|error| WireError::Protocol(format!("what describes types cannot be read: {error}")))
}
