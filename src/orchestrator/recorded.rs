//! What the last deployment left of its declaration, thing by thing, in a table of the gateway's own in each database: so
//! that the next one can tell what an earlier bundle declared from what somebody made by hand, and what was changed by
//! hand since. Called by [`super::deployment`].

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::catalog::Catalog;
use super::catalog::things::{self, Kind, Thing};
use super::error::DeployError;
use crate::bundle::sql::tokens::checksum_bytes;

/// By name: the checksum, and whether only migrations made it.
type Rows = HashMap<String, (String, bool)>;

/// The record, held against the database as it was at the start of a deployment.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Identities of what stands as it was left.
    pub known: HashSet<String>,
    /// Of those, what was declared, not only made by migrations.
    declared: HashSet<String>,
    /// Signatures of functions that somebody replaced by hand.
    pub replaced: HashSet<String>,
}

impl Recorded {
    /// Reads it.
    pub async fn read(client: &Client, before: &Catalog) -> Result<Self, DeployError> {
        let query = "SELECT object, checksum, by_migration FROM public._stonescriptdb_gateway_declared";
        let rows = client.query(query, &[]).await.map_err(DeployError::own("reading what was declared before"))?;
        let rows = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        Ok(Self::of(&rows, before))
    }

    fn of(rows: &Rows, before: &Catalog) -> Self {
        let mut recorded = Self::default();
        for thing in things::of(before) {
            let Some((checksum, by_migration)) = rows.get(&thing.name) else { continue };
            if *checksum != checksum_of(&thing, before) {
                if thing.kind == Kind::Routine {
                    recorded.replaced.insert(thing.object);
                }
                continue;
            }
            if !by_migration {
                recorded.declared.insert(thing.identity.clone());
            }
            recorded.known.insert(thing.identity);
        }
        recorded
    }

    /// Functions that are otherwise declared than they are, whatever is recorded.
    pub fn compare_routines(&mut self, before: &Catalog, declared: &Catalog) {
        let declared: HashMap<&str, &str> =
            declared.routines.values().map(|one| (one.name.as_str(), one.definition.as_str())).collect();
        let otherwise = before.routines.values().filter(|routine| {
            declared.get(routine.name.as_str()).is_some_and(|definition| *definition != routine.definition)
        });
        self.replaced.extend(otherwise.map(|routine| routine.name.clone()));
    }

    /// What an earlier bundle declared, stands still, and is not part of this one. Tables and columns have rules of their
    /// own; so have functions and procedures, which are tracked by signature.
    pub fn obsolete(&self, found: &Catalog, declared: &Catalog, going: &HashSet<String>) -> Vec<Thing> {
        let wanted = things::of(declared);
        // A view that becomes a materialized one, or a table, gives way to that by itself.
        let relations: HashSet<&str> = wanted
            .iter()
            .filter(|thing| matches!(thing.kind, Kind::Table | Kind::View | Kind::Sequence))
            .map(|thing| thing.object.as_str())
            .collect();
        let wanted: HashSet<&str> = wanted.iter().map(|thing| thing.name.as_str()).collect();
        let mut obsolete: Vec<Thing> = things::of(found)
            .into_iter()
            .filter(|thing| self.declared.contains(&thing.identity) && !wanted.contains(thing.name.as_str()))
            .filter(|thing| thing.drop.is_some())
            .filter(|thing| thing.kind != Kind::View || !relations.contains(thing.object.as_str()))
            // It goes with its table.
            .filter(|thing| thing.table.as_ref().is_none_or(|table| !going.contains(table)))
            .collect();
        // So does it with its view or its domain.
        let wholes = obsolete.iter().filter(|thing| matches!(thing.kind, Kind::View | Kind::Type));
        let wholes: HashSet<String> = wholes.map(|whole| whole.object.clone()).collect();
        obsolete.retain(|thing| {
            let whole = thing.table.as_deref().map(|table| table.strip_prefix("domain ").unwrap_or(table));
            whole.is_none_or(|whole| !wholes.contains(whole))
        });
        obsolete.sort_by_key(|thing| (order(thing), thing.identity.clone()));
        obsolete
    }
}

/// What depends on others goes first.
fn order(thing: &Thing) -> usize {
    match thing.kind {
        Kind::Comment => 0,
        Kind::Trigger | Kind::Rule | Kind::Policy | Kind::Statistics => 1,
        Kind::View => 2,
        Kind::Constraint if thing.words.starts_with("FOREIGN KEY") => 3,
        Kind::Constraint => 4,
        Kind::Index => 5,
        Kind::RowSecurity | Kind::Options => 6,
        Kind::Routine => 7,
        _ => 8,
    }
}

fn checksum_of(thing: &Thing, catalog: &Catalog) -> String {
    let body = match thing.kind {
        // Only its oid tells which one it is.
        Kind::Routine => thing.identity.strip_prefix("routine ").and_then(|oid| oid.parse().ok()),
        _ => None,
    };
    let body = body.and_then(|oid: u32| catalog.routines.get(&oid)).map_or("", |routine| routine.body.as_str());
    checksum_bytes(format!("{}\n{body}", thing.words).as_bytes())
}

/// Records what stands at the end of a deployment, as far as the declaration has it.
pub async fn write(client: &Client, after: &Catalog, declared: &Catalog) -> Result<(), DeployError> {
    let wanted: HashSet<String> = things::of(declared).into_iter().map(|thing| thing.name).collect();
    let (mut names, mut checksums, mut by_migration) = (Vec::new(), Vec::new(), Vec::new());
    for thing in things::of(after) {
        if wanted.contains(&thing.name) && !matches!(thing.kind, Kind::Table | Kind::Column) {
            checksums.push(checksum_of(&thing, after));
            by_migration.push(declared.migrated.contains(&thing.name));
            names.push(thing.name);
        }
    }
    client
        .execute(
            "WITH declared AS (
                 SELECT DISTINCT ON (1) * FROM unnest($1::text[], $2::text[], $3::bool[])
                     AS declared (object, checksum, by_migration)),
             gone AS (DELETE FROM public._stonescriptdb_gateway_declared
                      WHERE object NOT IN (SELECT object FROM declared))
             INSERT INTO public._stonescriptdb_gateway_declared AS recorded SELECT * FROM declared
             ON CONFLICT (object) DO UPDATE SET (checksum, by_migration) = (excluded.checksum, excluded.by_migration)
             WHERE (recorded.checksum, recorded.by_migration) <> (excluded.checksum, excluded.by_migration)",
            &[&names, &checksums, &by_migration],
        )
        .await
        .map(drop)
        .map_err(DeployError::own("recording what is declared"))
}
