//! What the last deployment left of its declaration, thing by thing, in a table of the gateway's own in each database: so
//! that the next one can tell what an earlier bundle declared from what somebody made by hand, and what was changed by
//! hand since. Called by [`super::deployment`].

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Client;

use super::catalog::Catalog;
use super::catalog::things::{Kind, Thing};
use super::error::DeployError;
use super::tracking::altered::{failed, value};
use crate::bundle::sql::tokens::checksum_bytes;

/// By name: the checksum, and whether only migrations made it.
type Rows = HashMap<String, (String, bool)>;

/// Its name, after the prefix.
const TABLE: &str = "declared";

/// The record, held against the database as it was at the start of a deployment.
#[derive(Debug, Default)]
pub struct Recorded {
    rows: Rows,
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
        let found = client.query_typed(query, &[]).await;
        let mut rows = Rows::new();
        for row in &found.map_err(failed("reading what was declared before", TABLE))? {
            rows.insert(value(row, 0, TABLE)?, (value(row, 1, TABLE)?, value(row, 2, TABLE)?));
        }
        Ok(Self::of(rows, before))
    }

    fn of(rows: Rows, before: &Catalog) -> Self {
        let mut recorded = Self::default();
        for thing in before.things() {
            let Some((checksum, by_migration)) = rows.get(&thing.name) else { continue };
            if *checksum != checksum_of(thing, before) {
                if thing.kind == Kind::Routine {
                    recorded.replaced.insert(thing.object.clone());
                }
                continue;
            }
            if !by_migration {
                recorded.declared.insert(thing.identity.clone());
            }
            recorded.known.insert(thing.identity.clone());
        }
        recorded.rows = rows;
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
        let wanted = declared.things();
        // A view that becomes a materialized one, or a table, gives way to that by itself.
        let relations: HashSet<&str> = wanted
            .iter()
            .filter(|thing| matches!(thing.kind, Kind::Table | Kind::View | Kind::Sequence))
            .map(|thing| thing.object.as_str())
            .collect();
        let is_table = |thing: &&Thing| matches!(thing.kind, Kind::Table | Kind::View);
        let tables: HashSet<&str> = wanted.iter().filter(is_table).map(|thing| thing.object.as_str()).collect();
        let wanted: HashSet<&str> = wanted.iter().map(|thing| thing.name.as_str()).collect();
        let mut obsolete: Vec<Thing> = found
            .things()
            .iter()
            .filter(|thing| self.declared.contains(&thing.identity) && !wanted.contains(thing.name.as_str()))
            .filter(|thing| thing.drop.is_some())
            .filter(|thing| thing.kind != Kind::View || !relations.contains(thing.object.as_str()))
            // It goes with its table.
            .filter(|thing| thing.table.as_ref().is_none_or(|table| !going.contains(table)))
            // A partition that was made with the data is none of this bundle's.
            .filter(|thing| {
                let is_said = matches!(thing.kind, Kind::Privilege | Kind::State | Kind::PartitionIndex);
                !is_said || thing.table.as_ref().is_none_or(|table| tables.contains(table.as_str()))
            })
            .cloned()
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
        Kind::Comment | Kind::Privilege | Kind::State | Kind::PartitionIndex => 0,
        Kind::Trigger | Kind::Rule | Kind::Policy | Kind::Statistics => 1,
        Kind::View => 2,
        Kind::Constraint if thing.words.starts_with("FOREIGN KEY") => 3,
        Kind::Constraint => 4,
        Kind::Index => 5,
        Kind::RowSecurity | Kind::Options => 6,
        Kind::Routine => 7,
        Kind::Schema => 9,
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

/// Records what stands at the end of a deployment, as far as the declaration has it, where that is not on record yet.
pub async fn write(
    client: &Client,
    recorded: Recorded,
    after: &Catalog,
    declared: &Catalog,
) -> Result<(), DeployError> {
    let wanted: HashSet<&str> = declared.things().iter().map(|thing| thing.name.as_str()).collect();
    let mut gone = recorded.rows;
    let mut new: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for thing in after.things() {
        if wanted.contains(thing.name.as_str()) && !matches!(thing.kind, Kind::Table | Kind::Column) {
            let row = (checksum_of(thing, after), declared.migrated.contains(&thing.name));
            if gone.remove(&thing.name).as_ref() != Some(&row) {
                new.insert(thing.name.clone(), row);
            }
        }
    }
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    let gone: Vec<&str> = gone.keys().map(String::as_str).filter(|name| !new.contains_key(*name)).collect();
    let names: Vec<&str> = new.keys().map(String::as_str).collect();
    let (checksums, by_migration): (Vec<&str>, Vec<bool>) =
        new.values().map(|(checksum, by_migration)| (checksum.as_str(), *by_migration)).unzip();
    client
        .execute(
            "WITH gone AS (DELETE FROM public._stonescriptdb_gateway_declared WHERE object = ANY ($4::text[]))
             INSERT INTO public._stonescriptdb_gateway_declared
             SELECT * FROM unnest($1::text[], $2::text[], $3::bool[])
             ON CONFLICT (object) DO UPDATE SET (checksum, by_migration) = (excluded.checksum, excluded.by_migration)",
            &[&names, &checksums, &by_migration, &gone],
        )
        .await
        .map(drop)
        .map_err(failed("recording what is declared", TABLE))
}
