//! What a database holds, in PostgreSQL's own words: read from its catalog in one query, keyed by its own identity (the
//! oid of a table, the number of a column), so that a rename is a rename and not a drop and an add.
//!
//! The gateway's own tables, system schemas and members of extensions stay out.

mod details;
mod lists;
pub mod things;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

pub use self::details::Detail;
use self::things::Thing;
use super::error::DeployError;
use super::seeders::Held;
use crate::databases::{Under, own_path, under};

/// A snapshot of a database's schema. Names are quoted, and qualified where they are not in `public`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// `server_version_num`: what its `ALTER` can do.
    pub server_version: u32,
    /// Tables, partitioned tables, partitions, foreign tables and composite types, by oid.
    pub relations: BTreeMap<u32, Relation>,
    /// Views and materialized views, by oid.
    pub views: BTreeMap<u32, View>,
    /// Sequences, by oid; also those that belong to a column.
    pub sequences: BTreeMap<u32, Sequence>,
    /// Enum types, by oid.
    pub enums: BTreeMap<u32, EnumType>,
    /// Domains, by oid.
    pub domains: BTreeMap<u32, Domain>,
    /// Range types (`g`) and collations (`l`), by kind and oid.
    pub others: BTreeMap<String, Definition>,
    /// Functions, procedures, aggregates, by oid.
    pub routines: BTreeMap<u32, Routine>,
    /// Comments, by what they are on: class, oid and number.
    pub comments: BTreeMap<String, Comment>,
    /// Privileges, states of triggers, publications, operators: what is neither table, type nor function.
    pub details: Vec<Detail>,
    /// Of a blueprint: the names ([`things::Thing::name`]) of what only its migrations made.
    #[serde(default)]
    pub migrated: BTreeSet<String>,
    /// Of a blueprint: the rows of its seeders that are not there as these say them.
    #[serde(default)]
    pub seeded: Held,
    /// All of it, thing by thing; worked out when somebody asks.
    #[serde(skip)]
    pub(super) things: Things,
}

/// What can be worked out of a catalog at any time: no part of what it is.
#[derive(Debug, Default)]
pub(super) struct Things(OnceLock<Vec<Thing>>);

impl Clone for Things {
    /// The copy may be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Things {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Things {}

/// A table or a composite type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// E.g. `users`, `shop."Order Item"`.
    pub name: String,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `f` foreign table, `c` composite type.
    pub kind: char,
    /// What it is a partition of or inherits from.
    pub parents: Vec<String>,
    /// The bounds of a partition, as PostgreSQL prints them.
    pub bounds: Option<String>,
    /// How it is partitioned.
    pub partitioned_by: Option<String>,
    /// `UNLOGGED`
    pub unlogged: bool,
    /// `WITH (…)`, each as `name=value`.
    pub options: Vec<String>,
    /// `ENABLE ROW LEVEL SECURITY`
    pub row_security: bool,
    /// `FORCE ROW LEVEL SECURITY`
    pub force_row_security: bool,
    /// By `attnum`.
    pub columns: BTreeMap<i16, Column>,
    /// By oid; those inherited from a parent stay out.
    pub constraints: BTreeMap<u32, Definition>,
    /// Names of `NOT NULL` constraints by column, since PostgreSQL 18; those inherited from a parent stay out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_null: BTreeMap<String, String>,
    /// By oid; those that belong to a constraint or to a parent's index stay out.
    pub indexes: BTreeMap<u32, Definition>,
    /// Triggers, policies, rules and extended statistics, by kind and oid.
    pub parts: BTreeMap<String, Definition>,
}

/// A view or a materialized view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// E.g. `open_tasks`.
    pub name: String,
    /// Whether it is a materialized one.
    pub materialized: bool,
    /// `pg_get_viewdef`
    pub definition: String,
    /// `WITH (…)`, each as `name=value`.
    pub options: Vec<String>,
    /// Of a materialized view, by oid.
    pub indexes: BTreeMap<u32, Definition>,
    /// Triggers and rules, by kind and oid.
    pub parts: BTreeMap<String, Definition>,
}

/// A sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// E.g. `users_id_seq`.
    pub name: String,
    /// As `CREATE SEQUENCE` says it.
    pub options: String,
    /// The column that it goes with.
    pub owner: Option<SequenceOwner>,
}

/// The column that a sequence belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceOwner {
    /// The table, as printed.
    pub table: String,
    /// The column, quoted where it has to be.
    pub column: String,
    /// Whether it is the column's identity, not only its default.
    pub identity: bool,
}

/// A function, procedure or aggregate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routine {
    /// Its signature.
    pub name: String,
    /// `pg_proc.prokind`
    pub kind: char,
    /// Everything about it but its body.
    pub definition: String,
    /// A digest of its body. The bundle may write the same body otherwise (white space), so two databases cannot be
    /// compared by it; one database at two moments can.
    pub body: String,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// What it is on, as `COMMENT ON` calls it.
    pub what: String,
    /// What it says.
    pub text: String,
}

/// A column, or an attribute of a composite type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Quoted where it has to be.
    pub name: String,
    /// `format_type`
    pub data_type: String,
    /// Whether no row has NULL in it: `attnotnull`, but where the constraint is `NOT VALID`.
    pub not_null: bool,
    /// The `NOT NULL` constraint, valid or not, since PostgreSQL 18.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// The deparsed default, or the expression of a generated column.
    pub default: Option<String>,
    /// `attgenerated`: `s` stored, `v` virtual, empty.
    pub generated: String,
    /// `attidentity`: `a` always, `d` by default, empty.
    pub identity: String,
    /// Whether it owns the sequence that its default draws from, as `SERIAL` makes it.
    pub serial: bool,
    /// Where it is not the type's own.
    pub collation: Option<String>,
    /// `attstorage`, where it is not the type's own.
    pub storage: Option<char>,
    /// Whether the table itself declares it, not only a parent.
    pub local: bool,
    /// Whether a parent has it too.
    #[serde(default)]
    pub inherited: bool,
}

impl Column {
    /// Whether a row can be added without naming it.
    pub fn has_value_of_its_own(&self) -> bool {
        self.default.is_some() || !self.identity.is_empty()
    }
}

/// A `NOT NULL` constraint of a column, which is an object of its own since PostgreSQL 18, or of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Quoted where it has to be.
    pub name: String,
    /// Whether somebody else than PostgreSQL gave it that name.
    pub named: bool,
    /// Whether the table itself declares it, not only a parent.
    pub local: bool,
    /// Whether children have it too: not with `NO INHERIT`.
    pub inherits: bool,
}

/// A constraint, an index, or another part of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Quoted where it has to be.
    pub name: String,
    /// In PostgreSQL's words (`pg_get_constraintdef`, `pg_get_indexdef`, …).
    pub definition: String,
    /// Of a constraint `pg_constraint.contype`; `i` index; of a part `t` trigger, `p` policy, `r` rule, `s` statistics.
    pub kind: char,
}

/// An enum type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumType {
    /// E.g. `mood`.
    pub name: String,
    /// In their order.
    pub values: Vec<String>,
    /// `pg_enum.oid` of each: a value that is renamed stays the same one.
    #[serde(default)]
    pub value_oids: Vec<u32>,
}

/// A domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// E.g. `email`.
    pub name: String,
    /// `format_type` of what it is over, with its collation where that is not the type's own.
    pub base_type: String,
    /// `typnotnull`
    pub not_null: bool,
    /// The `NOT NULL` constraint, since PostgreSQL 17.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// The deparsed default.
    pub default: Option<String>,
    /// `pg_get_constraintdef` of each, by name.
    pub constraints: BTreeMap<String, String>,
}

impl Catalog {
    /// Everything in it. The catalog is not changed any more after this was asked.
    pub fn things(&self) -> &[Thing] {
        self.things.0.get_or_init(|| things::of(self))
    }

    /// Only the tables and types of these names.
    pub fn restricted(&self, tables: &HashSet<String>, types: &HashSet<String>) -> Self {
        let is_kept = |relation: &Relation| match relation.kind {
            'c' => types.contains(&relation.name),
            _ => tables.contains(&relation.name),
        };
        let mut kept = self.clone();
        kept.relations.retain(|_, relation| is_kept(relation));
        kept.enums.retain(|_, one| types.contains(&one.name));
        kept.domains.retain(|_, domain| types.contains(&domain.name));
        kept
    }
}

/// The schema's snapshot and the details, as they are prepared.
fn queries() -> [&'static str; 2] {
    static QUERIES: OnceLock<[String; 2]> = OnceLock::new();
    let [snapshot, details] = QUERIES.get_or_init(|| {
        [include_str!("catalog/snapshot.sql"), include_str!("catalog/details.sql")]
            .map(|question| under(Under::Printed(""), question))
    });
    [snapshot, details]
}

/// The catalog of a new database where nothing is installed, which takes PostgreSQL longer to plan than it is worth.
pub async fn of_empty(client: &Client) -> Result<Catalog, DeployError> {
    let version = "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4";
    let row = client.query_typed_one(version, &[]).await.map_err(DeployError::own("reading the catalog"))?;
    Ok(Catalog { server_version: row.get::<_, i32>(0).unsigned_abs(), ..Catalog::default() })
}

/// Reads the catalog once.
pub async fn read(client: &Client) -> Result<Catalog, DeployError> {
    Reader::new(client).read().await
}

/// Reads the catalog of one session as often as it is asked to. Planning the queries takes PostgreSQL as long as running
/// them, so they are prepared once.
pub struct Reader<'a> {
    client: &'a Client,
    prepared: Mutex<Option<Prepared>>,
}

/// The two queries of a session.
#[derive(Clone)]
struct Prepared {
    snapshot: Statement,
    details: Statement,
    /// How much there was when they were planned: see [`SIZES`].
    planned_for: Vec<i64>,
    /// Whether uploaded code may have made away with them since.
    is_doubtful: bool,
}

/// Compiling the queries would take longer than running them. And how many bytes the catalogs have: what was planned for an
/// empty database goes through all of one list for each row of another, which takes a hundred times as long in a full one.
const SIZES: &str = "
    SELECT ARRAY(SELECT pg_catalog.pg_relation_size(one.oid, 'main')
                 FROM pg_catalog.unnest('{pg_catalog.pg_class,pg_catalog.pg_proc,pg_catalog.pg_constraint}'::pg_catalog.regclass[]) AS one (oid)
                 WHERE pg_catalog.set_config('jit', 'off', false) OPERATOR(pg_catalog.=) 'off')";

/// Whether both are there as the gateway prepared them: what SQL prepares under whatever name is told apart.
const STAND: &str = "
    SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) 2::pg_catalog.int8 FROM pg_catalog.pg_prepared_statement() AS p
    WHERE NOT p.from_sql AND pg_catalog.sha256(pg_catalog.convert_to(p.statement, 'UTF8')) OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.bytea[])";

impl<'a> Reader<'a> {
    /// Asks nothing yet.
    pub fn new(client: &'a Client) -> Self {
        Self { client, prepared: Mutex::new(None) }
    }

    /// The session.
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// Reads it. Names are printed as [`crate::databases::printed_path`] says; the session has the gateway's own path before and afterwards.
    pub async fn read(&self) -> Result<Catalog, DeployError> {
        let failed = DeployError::own("reading the catalog");
        let prepared = self.prepared().await.map_err(&failed)?;
        let own = own_path();
        let reading = self.client.query_one(&prepared.snapshot, &[]);
        let reading_details = self.client.query_one(&prepared.details, &[]);
        // Of those that fail together, the first says why.
        let (row, details, restored) = tokio::join!(reading, reading_details, self.client.batch_execute(&own));
        let (row, details) = (row.map_err(&failed)?, details.map_err(&failed)?);
        restored.map_err(&failed)?;
        let unreadable = |error: serde_json::Error| DeployError::Unreadable { cause: error.to_string() };
        let mut catalog: Catalog = serde_json::from_str(row.get(0)).map_err(unreadable)?;
        catalog.details = serde_json::from_str(details.get(0)).map_err(unreadable)?;
        Ok(catalog)
    }

    /// Somebody else's SQL was run, which may have said `DEALLOCATE ALL`.
    pub fn distrust_session(&self) {
        if let Some(prepared) = self.lock().as_mut() {
            prepared.is_doubtful = true;
        }
    }

    async fn prepared(&self) -> Result<Prepared, tokio_postgres::Error> {
        let sizes: Vec<i64> = self.client.query_typed_one(SIZES, &[]).await?.get(0);
        let known = self.lock().clone();
        let [snapshot, details] = queries();
        if let Some(mut known) = known {
            let fits = known.planned_for.iter().zip(&sizes).all(|(then, now)| now / 3 * 2 <= *then);
            if fits && (!known.is_doubtful || self.stand(&[snapshot, details]).await?) {
                known.is_doubtful = false;
                *self.lock() = Some(known.clone());
                return Ok(known);
            }
            // Closed before others are made, so that only the last ones are ever there.
            self.lock().take();
        }
        let (snapshot, details) = tokio::try_join!(self.client.prepare(snapshot), self.client.prepare(details))?;
        let prepared = Prepared { snapshot, details, planned_for: sizes, is_doubtful: false };
        *self.lock() = Some(prepared.clone());
        Ok(prepared)
    }

    async fn stand(&self, queries: &[&str; 2]) -> Result<bool, tokio_postgres::Error> {
        let sums = queries.map(|query| Sha256::digest(query).to_vec());
        let row = self.client.query_typed_one(STAND, &[(&sums.as_slice(), Type::BYTEA_ARRAY)]).await?;
        Ok(row.get(0))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Prepared>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
