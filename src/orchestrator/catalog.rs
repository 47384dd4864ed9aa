//! What a database holds, in PostgreSQL's own words: read from its catalog in one query, keyed by its own identity (the
//! oid of a table, the number of a column), so that a rename is a rename and not a drop and an add.
//!
//! The gateway's own tables, system schemas and members of extensions stay out.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::error::DeployError;

/// A snapshot of a database's schema. Names are quoted, and qualified where they are not in `public`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// Tables, partitioned tables, partitions, foreign tables and composite types, by oid.
    pub relations: BTreeMap<u32, Relation>,
    /// Enum types, by oid.
    pub enums: BTreeMap<u32, EnumType>,
    /// Domains, by oid.
    pub domains: BTreeMap<u32, Domain>,
}

/// A table or a composite type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// E.g. `users`, `shop."Order Item"`.
    pub name: String,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `f` foreign table, `c` composite type.
    pub kind: char,
    /// What it is a partition of or inherits from.
    pub parents: Vec<String>,
    /// The bounds of a partition, as PostgreSQL prints them.
    pub bounds: Option<String>,
    /// By `attnum`.
    pub columns: BTreeMap<i16, Column>,
    /// By oid; those inherited from a parent stay out.
    pub constraints: BTreeMap<u32, Definition>,
    /// By oid; those that belong to a constraint or to a parent's index stay out.
    pub indexes: BTreeMap<u32, Definition>,
}

/// A column, or an attribute of a composite type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Quoted where it has to be.
    pub name: String,
    /// `format_type`
    pub data_type: String,
    /// `attnotnull`
    pub not_null: bool,
    /// The deparsed default, or the expression of a generated column.
    pub default: Option<String>,
    /// `attgenerated`: `s` stored, `v` virtual, empty.
    pub generated: String,
    /// `attidentity`: `a` always, `d` by default, empty.
    pub identity: String,
    /// Whether it owns the sequence that its default draws from, as `SERIAL` makes it.
    #[serde(default)]
    pub serial: bool,
    /// Whether the table itself declares it, not only a parent.
    pub local: bool,
}

impl Column {
    /// Whether a row can be added without naming it.
    pub fn has_value_of_its_own(&self) -> bool {
        self.default.is_some() || !self.identity.is_empty()
    }
}

/// A constraint or an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Quoted where it has to be.
    pub name: String,
    /// `pg_get_constraintdef` or `pg_get_indexdef`.
    pub definition: String,
    /// `pg_constraint.contype`; `i` for an index.
    pub kind: char,
}

/// An enum type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumType {
    /// E.g. `mood`.
    pub name: String,
    /// In their order.
    pub values: Vec<String>,
}

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// E.g. `email`.
    pub name: String,
    /// `format_type` of what it is over.
    pub base_type: String,
    /// `typnotnull`
    pub not_null: bool,
    /// The deparsed default.
    pub default: Option<String>,
    /// `pg_get_constraintdef` of each, sorted.
    pub constraints: Vec<String>,
}

impl Catalog {
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

/// Reads the catalog. The session's search path is left as `public`, in which names are printed.
pub async fn read(client: &Client) -> Result<Catalog, DeployError> {
    let failed = DeployError::own("reading the catalog");
    let path = client.batch_execute("SET search_path = public");
    let rows = client.query_one(include_str!("catalog/snapshot.sql"), &[]);
    let (_, row) = tokio::try_join!(path, rows).map_err(&failed)?;
    serde_json::from_str(row.get(0)).map_err(|error| DeployError::Unreadable { cause: error.to_string() })
}
