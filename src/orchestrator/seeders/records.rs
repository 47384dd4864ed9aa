//! Which stored row is which row of a seeder, where that does not say it itself: kept with the tracking tables, so that a
//! row is known however a customer has changed it, and whatever a trigger made of it. A copy of a blueprint inherits it.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Client;

use super::rows::Stored;
use crate::orchestrator::error::DeployError;
use crate::orchestrator::tracking::altered::{failed, value};

/// Its name, after the prefix.
const TABLE: &str = "seeds";

/// How many are asked for at once.
const AT_ONCE: usize = 10_000;

/// Before what a deployment did so far is committed: which tables it has made, so that they are new to the run that goes
/// on where this one may be interrupted.
pub async fn note_made(client: &Client, oids: &[u32]) -> Result<(), DeployError> {
    let query = "INSERT INTO public._stonescriptdb_gateway_seeds (seed, table_name, stored)
                 SELECT 'made ' || oid, oid::text, '' FROM unnest($1::oid[]) AS made (oid) ON CONFLICT DO NOTHING";
    let noted = client.execute(query, &[&oids]).await;
    noted.map(drop).map_err(failed("recording which tables were made", TABLE))
}

/// What interrupted runs have made. It is forgotten: the deployment at hand ends with all of it seeded, or not at all.
pub async fn take_made(client: &Client) -> Result<HashSet<u32>, DeployError> {
    let query = "DELETE FROM public._stonescriptdb_gateway_seeds WHERE starts_with(seed, 'made ') RETURNING table_name";
    let rows = client.query(query, &[]).await.map_err(failed("reading which tables were made", TABLE))?;
    let oid = |row: &tokio_postgres::Row| value::<String>(row, 0, TABLE).map(|oid| oid.parse().ok());
    let oids: Result<Vec<Option<u32>>, DeployError> = rows.iter().map(oid).collect();
    Ok(oids?.into_iter().flatten().collect())
}

/// What is on record of these rows, by identity.
pub async fn read(client: &Client, identities: &[&str]) -> Result<HashMap<String, Stored>, DeployError> {
    let query = "SELECT seed, stored FROM public._stonescriptdb_gateway_seeds WHERE seed = ANY ($1::text[])";
    let mut records = HashMap::new();
    for some in identities.chunks(AT_ONCE) {
        let rows = client.query(query, &[&some]).await.map_err(failed("reading which rows were seeded", TABLE))?;
        for row in &rows {
            let (seed, stored): (String, String) = (value(row, 0, TABLE)?, value(row, 1, TABLE)?);
            // What the gateway never wrote tells nothing.
            if let Ok(stored) = serde_json::from_str(&stored) {
                records.insert(seed, stored);
            }
        }
    }
    Ok(records)
}

/// Records them.
pub async fn write(client: &Client, records: &BTreeMap<String, (String, Stored)>) -> Result<(), DeployError> {
    let query = "INSERT INTO public._stonescriptdb_gateway_seeds (seed, table_name, stored)
                 SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
                 ON CONFLICT (seed) DO UPDATE SET (table_name, stored) = (excluded.table_name, excluded.stored)";
    let records: Vec<_> = records.iter().collect();
    for some in records.chunks(AT_ONCE) {
        let seeds: Vec<&str> = some.iter().map(|(seed, _)| seed.as_str()).collect();
        let tables: Vec<&str> = some.iter().map(|(_, (table, _))| table.as_str()).collect();
        let stored: Vec<String> =
            some.iter().map(|(_, (_, stored))| serde_json::to_string(stored).unwrap_or_default()).collect();
        let written = client.execute(query, &[&seeds, &tables, &stored]).await;
        written.map_err(failed("recording which rows were seeded", TABLE))?;
    }
    Ok(())
}
