//! What a schema has beside tables, types and functions: privileges, states of triggers, storage of columns, publications,
//! operators and their like. A query ([`details.sql`](super)) words each of them, with the statements that make and drop it,
//! so that nothing of a declaration goes without being compared. Pure.

use serde::{Deserialize, Serialize};

use super::things::{Kind, Thing};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    kind: DetailKind,
    /// The same in every snapshot of one database.
    key: String,
    /// The same in every database of one bundle.
    name: String,
    /// The relation that it belongs to, as PostgreSQL prints it.
    relation: Option<String>,
    words: String,
    make: Option<String>,
    drop: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DetailKind {
    Privilege,
    State,
    #[serde(rename = "partition index")]
    PartitionIndex,
    Schema,
    Object,
    Family,
}

impl Detail {
    pub(super) fn thing(&self) -> Thing {
        let kind = match self.kind {
            DetailKind::Privilege => Kind::Privilege,
            DetailKind::State => Kind::State,
            DetailKind::PartitionIndex => Kind::PartitionIndex,
            DetailKind::Schema => Kind::Schema,
            DetailKind::Object => Kind::Object,
            DetailKind::Family => Kind::Family,
        };
        Thing {
            kind,
            identity: format!("detail {}", self.key),
            name: self.name.clone(),
            object: self.name.clone(),
            table: self.relation.clone(),
            words: self.words.clone(),
            make: self.make.clone(),
            drop: self.drop.clone(),
        }
    }
}
