//! Rows that hold what they mean by its oid: values of `regprocedure`, `regconfig`, `regclass` and their like, which no catalog
//! knows of. What is dropped and made anew under the same name has another oid, and they would become a bare number. Here they
//! follow it, or the deployment is refused. Called by [`super::deploy`]; costs one question where no table has such a column.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Deployment;
use crate::databases::{Under, ask, under};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::report::Verification;
use crate::orchestrator::verify;

const PLACES: &str = include_str!("stored_names.sql");

/// What such values can mean and the gateway may make anew: its kind, its oid, its identity, and the name that it may share with
/// others of its kind.
const NAMED: &str = "
    SELECT 'function' AS kind, p.oid, p.oid::regprocedure::text AS identity, format('%I.%I', n.nspname, p.proname) AS shared
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid >= 16384
    UNION ALL
    SELECT 'operator', o.oid, o.oid::regoperator::text, format('%I.%s', n.nspname, o.oprname)
    FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace WHERE o.oid >= 16384
    UNION ALL SELECT 'relation', oid, oid::regclass::text, NULL FROM pg_class
              WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
    UNION ALL SELECT 'type', oid, oid::regtype::text, NULL FROM pg_type WHERE oid >= 16384
    UNION ALL SELECT 'collation', oid, oid::regcollation::text, NULL FROM pg_collation WHERE oid >= 16384
    UNION ALL SELECT 'text search configuration', oid, oid::regconfig::text, NULL FROM pg_ts_config WHERE oid >= 16384
    UNION ALL SELECT 'text search dictionary', oid, oid::regdictionary::text, NULL FROM pg_ts_dict WHERE oid >= 16384";

const STEP: &str = "looking at columns that hold objects by their oids";

/// Kind and oid.
type Key = (String, u32);

/// What there was at the start; nothing where no column could hold it.
pub(super) struct StoredNames(HashMap<Key, Named>);

struct Named {
    identity: String,
    shared: Option<String>,
}

/// Where values of one kind are.
struct Place {
    table: String,
    column: String,
    column_type: String,
    kind: String,
    joins: String,
    expression: String,
    /// Domains (d), arrays (a), composite types (c), ranges (r), multiranges (m) around the value, from the outside.
    shape: String,
    /// Nothing of the platform's runs when its rows are updated.
    is_plain: bool,
}

impl Place {
    fn of(row: &Row) -> Self {
        Self {
            table: row.get(0),
            column: row.get(1),
            column_type: row.get(2),
            kind: row.get(3),
            joins: row.get(4),
            expression: row.get(5),
            shape: row.get(6),
            is_plain: row.get(7),
        }
    }

    fn count(&self) -> String {
        let Self { table, joins, expression, .. } = self;
        format!(
            "SELECT x.value, pg_catalog.count(*) FROM (
                 SELECT ({expression})::pg_catalog.oid AS value FROM ONLY {table} AS t{joins}) AS x
             WHERE x.value OPERATOR(pg_catalog.=) ANY ($1) GROUP BY x.value"
        )
    }

    /// Exchanges oids of values that stand alone or in an array; `None` for others, and where something else would run.
    fn update(&self, exchanged: &[(u32, u32)]) -> Option<String> {
        let Self { table, column, column_type, shape, .. } = self;
        let arrays = shape.matches('a').count();
        if !self.is_plain || arrays > 1 || shape.contains(['c', 'r', 'm']) || exchanged.is_empty() {
            return None;
        }
        let listed = exchanged.iter().map(|(old, _)| old.to_string()).collect::<Vec<_>>().join(",");
        let listed = format!("'{{{listed}}}'::pg_catalog.oid[]");
        let (value, holds) = if arrays == 1 {
            let whole = format!("(t.{column})::pg_catalog.oid[]");
            let replaced = exchanged.iter().fold(whole.clone(), |value, (old, new)| {
                format!("pg_catalog.array_replace({value}, '{old}'::pg_catalog.oid, '{new}'::pg_catalog.oid)")
            });
            (replaced, format!("{whole} OPERATOR(pg_catalog.&&) {listed}"))
        } else {
            let whole = format!("(t.{column})::pg_catalog.oid");
            let cases =
                exchanged.iter().map(|(old, new)| format!(" WHEN {whole} OPERATOR(pg_catalog.=) '{old}' THEN '{new}'"));
            let value = format!("(CASE{} END)::pg_catalog.oid", cases.collect::<String>());
            (value, format!("{whole} OPERATOR(pg_catalog.=) ANY ({listed})"))
        };
        Some(format!("UPDATE ONLY {table} AS t SET {column} = ({value})::{column_type} WHERE {holds}"))
    }
}

impl Deployment<'_> {
    /// Notes what there is, where a column may hold it.
    pub(super) async fn note_stored_names(&mut self) -> Result<(), DeployError> {
        if !self.goal.target.is_new() && !self.places_of_stored_names().await?.is_empty() {
            self.stored_names = StoredNames(self.named().await?);
        }
        Ok(())
    }

    /// Has the rows follow what was made anew since. Where they cannot: an error. What a migration takes away for good is told.
    pub(super) async fn follow_stored_names(&mut self) -> Result<(), DeployError> {
        if self.stored_names.0.is_empty() {
            return Ok(());
        }
        let now = self.named().await?;
        let gone = heirs(&self.stored_names.0, &now);
        if gone.is_empty() {
            return Ok(());
        }
        let places = self.places_of_stored_names().await?;
        // A policy that hides rows is an error then.
        self.runner.own(STEP, "SET LOCAL row_security = off").await?;
        let mut lost = Vec::new();
        for place in places {
            self.follow(&place, &gone, &mut lost).await?;
        }
        self.runner.own(STEP, "SET LOCAL row_security TO DEFAULT").await?;
        match lost.is_empty() {
            true => Ok(()),
            false => Err(DeployError::Differs { differences: lost, verification: all_but_rows(), declared_at: None }),
        }
    }

    async fn follow(
        &mut self,
        place: &Place,
        gone: &HashMap<Key, Option<u32>>,
        lost: &mut Vec<String>,
    ) -> Result<(), DeployError> {
        let oids: Vec<u32> = gone.keys().filter(|(kind, _)| *kind == place.kind).map(|(_, oid)| *oid).collect();
        if oids.is_empty() {
            return Ok(());
        }
        let rows = ask(self.runner.client, &place.count(), &[(&oids, Type::OID_ARRAY)]).await;
        let mut exchanged = Vec::new();
        for row in &rows.map_err(DeployError::own(STEP))? {
            let (old, count): (u32, i64) = (row.get(0), row.get(1));
            match gone.get(&(place.kind.clone(), old)).copied().flatten() {
                Some(new) if place.update(&[(old, new)]).is_some() => exchanged.push((old, new)),
                heir => {
                    let words = self.in_words(place, old, count, heir.is_some());
                    if heir.is_none() && !self.migrations.applied().is_empty() {
                        self.report.warnings.push(words);
                    } else {
                        lost.push(words);
                    }
                }
            }
        }
        match place.update(&exchanged) {
            Some(update) => {
                self.runner.generated(&update).await?;
                self.runner.changed();
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn in_words(&self, place: &Place, oid: u32, count: i64, is_anew: bool) -> String {
        let Place { table, column, kind, .. } = place;
        let named = self.stored_names.0.get(&(kind.clone(), oid)).map_or("", |named| &named.identity);
        let why = match (is_anew, place.is_plain) {
            (false, _) => "it is no longer there",
            (true, true) => "it is made anew, and values inside of other values cannot follow it",
            (true, false) => "it is made anew, and triggers or rules on the table keep the rows from following it",
        };
        let values = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
        format!(
            "{values} in column {column} of table {table} mean the {kind} {named}; {why}, and they would be bare numbers"
        )
    }

    async fn places_of_stored_names(&self) -> Result<Vec<Place>, DeployError> {
        let rows = ask(self.runner.client, &under(Under::Path("pg_catalog"), PLACES), &[]).await;
        Ok(rows.map_err(DeployError::own(STEP))?.iter().map(Place::of).collect())
    }

    async fn named(&self) -> Result<HashMap<Key, Named>, DeployError> {
        let rows = ask(self.runner.client, &under(Under::Path("pg_catalog"), NAMED), &[]).await;
        let named = |row: &Row| {
            ((row.get(0), row.get(1)), Named { identity: row.get(2), shared: row.get::<_, Option<String>>(3) })
        };
        Ok(rows.map_err(DeployError::own(STEP))?.iter().map(named).collect())
    }
}

impl StoredNames {
    /// Before anything is known.
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }
}

/// What is gone, with what stands in its place: what has its identity, or else the only new one of its name.
fn heirs(before: &HashMap<Key, Named>, now: &HashMap<Key, Named>) -> HashMap<Key, Option<u32>> {
    let gone: Vec<(&Key, &Named)> = before.iter().filter(|(key, _)| !now.contains_key(*key)).collect();
    if gone.is_empty() {
        return HashMap::new();
    }
    let mut same: HashMap<(&str, &str), u32> = HashMap::new();
    let mut of_name: HashMap<(&str, &str), HashSet<u32>> = HashMap::new();
    for ((kind, oid), named) in now {
        same.insert((kind, &named.identity), *oid);
        if let Some(shared) = named.shared.as_deref().filter(|_| !before.contains_key(&(kind.clone(), *oid))) {
            of_name.entry((kind, shared)).or_default().insert(*oid);
        }
    }
    let heir = |kind: &str, named: &Named| {
        let only = |new: &HashSet<u32>| new.iter().next().copied().filter(|_| new.len() == 1);
        let by_name = || of_name.get(&(kind, named.shared.as_deref()?)).and_then(only);
        same.get(&(kind, named.identity.as_str())).copied().or_else(by_name)
    };
    gone.into_iter().map(|(key, named)| (key.clone(), heir(&key.0, named))).collect()
}

/// The schema is as declared; rows would not be.
fn all_but_rows() -> Verification {
    Verification { passed: false, tables_verified: false, ..verify::verification(&[]) }
}
