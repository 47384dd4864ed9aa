//! Whether what an earlier deployment made is still standing. A checksum says that a statement is the same; a migration
//! may have dropped its view, or remade its table without the trigger. Called by [`super::deployment`].

use std::collections::{BTreeSet, HashMap, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::RangeVar;
use tokio_postgres::{Client, Error};

use crate::bundle::sql::{Class, Reference, Statement, Wanted};

/// Schema and name, unquoted.
type Name = (String, String);

/// The objects of a database, by name.
#[derive(Default)]
struct Snapshot {
    relations: HashMap<Name, u32>,
    routines: HashMap<Name, BTreeSet<u32>>,
    /// Triggers, policies, rules: relation and name.
    parts: HashSet<(u32, String)>,
}

/// What stood before the deployment, and what stands now.
pub struct Standing {
    before: Snapshot,
    now: Option<Snapshot>,
    stale: HashSet<u32>,
}

impl Standing {
    /// At the start of a deployment.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        Ok(Self { before: read(client).await?, now: None, stale: HashSet::new() })
    }

    /// Something was run, so the database has to be looked at again.
    pub fn changed(&mut self) {
        self.now = None;
    }

    /// These relations are there, but not as they are declared.
    pub fn distrust(&mut self, stale: HashSet<u32>) {
        self.stale = stale;
    }

    /// What was taken off and made again is the same thing under another oid.
    pub fn remade(&mut self, pairs: &[(u32, u32)]) {
        for (before, now) in pairs {
            for oid in self.before.relations.values_mut().filter(|oid| *oid == before) {
                *oid = *now;
            }
            for oids in self.before.routines.values_mut().filter(|oids| oids.contains(before)) {
                oids.remove(before);
                oids.insert(*now);
            }
        }
    }

    /// Whether `statement`, which an earlier deployment ran, has its effect still: what it makes is there, and what it
    /// is about was not made anew since.
    pub async fn has_effect(&mut self, client: &Client, statement: &Statement) -> Result<bool, Error> {
        if self.now.is_none() {
            self.now = Some(read(client).await?);
        }
        Ok(self
            .now
            .as_ref()
            .is_none_or(|now| is_made(now, &self.stale, statement) && !self.is_about_new(now, statement)))
    }

    fn is_about_new(&self, now: &Snapshot, statement: &Statement) -> bool {
        statement.needs.iter().any(|need| {
            let name = name_of(need);
            match need.wanted {
                Wanted::Relation => differ(self.before.relations.get(&name), now.relations.get(&name)),
                Wanted::Routine => differ(self.before.routines.get(&name), now.routines.get(&name)),
                _ => false,
            }
        })
    }
}

/// Gone altogether is another matter: then the statement has nothing to be about.
fn differ<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if before != now)
}

fn name_of(reference: &Reference) -> Name {
    (reference.schema.clone().unwrap_or_else(|| "public".to_owned()), reference.name.clone())
}

fn is_made(now: &Snapshot, stale: &HashSet<u32>, statement: &Statement) -> bool {
    let part = |relation: Option<&RangeVar>, name: &str| {
        let relation = relation.map(|one| {
            let schema = if one.schemaname.is_empty() { "public" } else { &one.schemaname };
            (schema.to_owned(), one.relname.clone())
        });
        let oid = relation.and_then(|relation| now.relations.get(&relation));
        oid.is_some_and(|oid| now.parts.contains(&(*oid, name.to_owned())))
    };
    match statement.tree.as_ref() {
        NodeEnum::CreateTrigStmt(create) => part(create.relation.as_ref(), &create.trigname),
        NodeEnum::CreatePolicyStmt(create) => part(create.table.as_ref(), &create.policy_name),
        NodeEnum::RuleStmt(create) => part(create.relation.as_ref(), &create.rulename),
        NodeEnum::ViewStmt(_)
        | NodeEnum::CreateTableAsStmt(_)
        | NodeEnum::CreateSeqStmt(_)
        | NodeEnum::IndexStmt(_) => statement
            .makes
            .iter()
            .filter(|made| made.class == Class::Relation)
            .map(|made| now.relations.get(&(made.schema.clone(), made.name.clone())))
            .all(|oid| oid.is_some_and(|oid| !stale.contains(oid))),
        _ => true,
    }
}

async fn read(client: &Client) -> Result<Snapshot, Error> {
    const OWN: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
    let relations = format!(
        "SELECT n.nspname::text, c.relname::text, c.oid FROM pg_class c
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OWN}"
    );
    let routines = format!(
        "SELECT n.nspname::text, p.proname::text, p.oid FROM pg_proc p
         JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {OWN}"
    );
    let parts = "SELECT tgrelid, tgname::text FROM pg_trigger WHERE NOT tgisinternal
                 UNION ALL SELECT polrelid, polname FROM pg_policy
                 UNION ALL SELECT ev_class, rulename FROM pg_rewrite";
    let (relations, routines, parts) = tokio::try_join!(
        client.query(relations.as_str(), &[]),
        client.query(routines.as_str(), &[]),
        client.query(parts, &[])
    )?;
    let mut snapshot = Snapshot::default();
    for row in relations {
        snapshot.relations.insert((row.get(0), row.get(1)), row.get(2));
    }
    for row in routines {
        snapshot.routines.entry((row.get(0), row.get(1))).or_default().insert(row.get(2));
    }
    snapshot.parts = parts.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(snapshot)
}
