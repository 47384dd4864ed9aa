//! Whether what an earlier deployment made is still standing. A checksum says that a statement is the same; a migration
//! may have dropped its view, or remade its table without the trigger. Called by [`super::deployment`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::RangeVar;
use tokio_postgres::{Client, Error};

use crate::bundle::sql::{Class, Object, Reference, Statement, Wanted};

/// Schema and name, unquoted.
type Name = (String, String);

/// A relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relation {
    oid: u32,
    /// `pg_class.relkind`
    kind: i8,
}

impl Relation {
    /// The statement that drops it, where it is a view under the `name` of a table to be made.
    pub fn drop_of_view(self, name: &str) -> Option<String> {
        match u8::try_from(self.kind) {
            Ok(b'v') => Some(format!("DROP VIEW {name}")),
            Ok(b'm') => Some(format!("DROP MATERIALIZED VIEW {name}")),
            _ => None,
        }
    }
}

/// The objects of a database, by name.
#[derive(Clone, Default)]
pub struct Snapshot {
    relations: HashMap<Name, Relation>,
    types: HashMap<Name, u32>,
    routines: HashMap<Name, BTreeSet<u32>>,
    schemas: HashMap<String, u32>,
    /// Triggers, policies, rules: relation and name.
    parts: HashSet<(u32, String)>,
}

impl Snapshot {
    /// The relation of this name, of whatever kind.
    pub fn relation(&self, object: &Object) -> Option<Relation> {
        self.relations.get(&(object.schema.clone(), object.name.clone())).copied()
    }

    /// Whether there was a table of this name; a view is none.
    pub fn had_table(&self, schema: &str, name: &str) -> bool {
        let found = self.relations.get(&(schema.to_owned(), name.to_owned()));
        found.is_some_and(|relation| u8::try_from(relation.kind).is_ok_and(|kind| b"rpf".contains(&kind)))
    }

    /// Whether this relation was there, whatever its name.
    pub fn had(&self, oid: u32) -> bool {
        self.relations.values().any(|relation| relation.oid == oid)
    }

    /// Whether there is a function of this name, whatever its parameters.
    pub fn has_routine(&self, object: &Object) -> bool {
        self.routines.contains_key(&(object.schema.clone(), object.name.clone()))
    }

    /// Whether there is a type of this name.
    pub fn has_type(&self, object: &Object) -> bool {
        self.types.contains_key(&(object.schema.clone(), object.name.clone()))
    }

    /// All of them, each with the letter of its kind: `r` relation, `t` type, `f` routine, `n` schema.
    fn oids(&self) -> HashSet<(char, u32)> {
        let relations = self.relations.values().map(|relation| ('r', relation.oid));
        let types = self.types.values().map(|oid| ('t', *oid));
        let routines = self.routines.values().flatten().map(|oid| ('f', *oid));
        let schemas = self.schemas.values().map(|oid| ('n', *oid));
        relations.chain(types).chain(routines).chain(schemas).collect()
    }
}

/// What stood before the deployment, and what stands now.
pub struct Standing {
    before: Arc<Snapshot>,
    now: Option<Arc<Snapshot>>,
    stale: HashSet<u32>,
    /// What was there at the start, as it was called then.
    oids: HashSet<(char, u32)>,
    /// What was taken off: the oid now, the oid before.
    predecessors: HashMap<u32, u32>,
}

impl Standing {
    /// At the start of a deployment.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let before = Arc::new(read(client).await?);
        let oids = before.oids();
        Ok(Self { now: Some(before.clone()), before, stale: HashSet::new(), oids, predecessors: HashMap::new() })
    }

    /// Whether this deployment has made it. `kind`: see [`Snapshot::oids`].
    pub fn is_new(&self, kind: char, oid: u32) -> bool {
        "rtfn".contains(kind) && !self.oids.contains(&(kind, oid))
    }

    /// In whose place it stands: what was there at the start, was taken off, and handed on what belonged to it.
    pub fn predecessor(&self, oid: u32) -> Option<u32> {
        let mut first = *self.predecessors.get(&oid)?;
        for _ in 0..self.predecessors.len() {
            match self.predecessors.get(&first) {
                Some(earlier) => first = *earlier,
                None => break,
            }
        }
        Some(first)
    }

    /// Tables that are there now and were not before.
    pub async fn made(&mut self, client: &Client) -> Result<Vec<u32>, Error> {
        let before = self.before.clone();
        let oids: HashSet<u32> = before.relations.values().map(|relation| relation.oid).collect();
        let now = self.now(client).await?.relations.iter();
        let is_made = |((schema, name), relation): &(&Name, &Relation)| {
            !oids.contains(&relation.oid) && !before.had_table(schema, name)
        };
        Ok(now.filter(is_made).map(|(_, relation)| relation.oid).collect())
    }

    /// What stood before the deployment.
    pub fn before(&self) -> &Snapshot {
        &self.before
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
        for (before, now) in pairs.iter().filter(|(before, now)| before != now) {
            self.predecessors.insert(*now, *before);
            let known = Arc::make_mut(&mut self.before);
            for relation in known.relations.values_mut().filter(|relation| relation.oid == *before) {
                relation.oid = *now;
            }
            for oids in known.routines.values_mut().filter(|oids| oids.contains(before)) {
                oids.remove(before);
                oids.insert(*now);
            }
        }
    }

    /// What stands now; asks only after a change.
    pub async fn now(&mut self, client: &Client) -> Result<&Snapshot, Error> {
        let now = match self.now.take() {
            Some(now) => now,
            None => Arc::new(read(client).await?),
        };
        Ok(self.now.insert(now))
    }

    /// Whether `statement`, which an earlier deployment ran, has its effect still: what it makes is there, and what it
    /// is about was not made anew since.
    pub async fn has_effect(&mut self, client: &Client, statement: &Statement) -> Result<bool, Error> {
        self.now(client).await?;
        let holds = |now: &Arc<Snapshot>| is_made(now, &self.stale, statement) && !self.is_about_new(now, statement);
        Ok(self.now.as_ref().is_none_or(holds))
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
        let relation = relation.and_then(|relation| now.relations.get(&relation));
        relation.is_some_and(|relation| now.parts.contains(&(relation.oid, name.to_owned())))
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
            .all(|found| found.is_some_and(|relation| !stale.contains(&relation.oid))),
        NodeEnum::CreateSchemaStmt(create) => {
            create.schemaname.is_empty() || now.schemas.contains_key(&create.schemaname)
        }
        NodeEnum::DefineStmt(_) => statement
            .makes
            .iter()
            .filter(|made| made.class == Class::Routine)
            .all(|made| now.routines.contains_key(&(made.schema.clone(), made.name.clone()))),
        _ => true,
    }
}

async fn read(client: &Client) -> Result<Snapshot, Error> {
    // PostgreSQL's own objects have lower numbers; the indexes know that.
    let query = "
        WITH own AS (SELECT oid, nspname FROM pg_namespace
                     WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)')
        SELECT 'r' AS class, n.nspname::text, c.relname::text, c.oid, c.relkind FROM pg_class c
        JOIN own n ON n.oid = c.relnamespace WHERE c.oid >= 16384
        UNION ALL SELECT 't', n.nspname, t.typname, t.oid, 't' FROM pg_type t
        JOIN own n ON n.oid = t.typnamespace WHERE t.oid >= 16384
        UNION ALL SELECT 'f', n.nspname, p.proname, p.oid, 'f' FROM pg_proc p
        JOIN own n ON n.oid = p.pronamespace WHERE p.oid >= 16384
        UNION ALL SELECT 'n', NULL, nspname, oid, 'n' FROM pg_namespace
        UNION ALL SELECT 'p', NULL, tgname, tgrelid, 't' FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT 'p', NULL, polname, polrelid, 'p' FROM pg_policy
        UNION ALL SELECT 'p', NULL, rulename, ev_class, 'r' FROM pg_rewrite WHERE oid >= 16384";
    let mut snapshot = Snapshot::default();
    for row in client.query_typed(query, &[]).await? {
        let (class, name, oid): (&str, String, u32) = (row.get(0), row.get(2), row.get(3));
        match (class, row.get(1)) {
            ("r", Some(schema)) => {
                snapshot.relations.insert((schema, name), Relation { oid, kind: row.get(4) });
            }
            ("t", Some(schema)) => {
                snapshot.types.insert((schema, name), oid);
            }
            ("f", Some(schema)) => {
                snapshot.routines.entry((schema, name)).or_default().insert(oid);
            }
            ("n", _) => {
                snapshot.schemas.insert(name, oid);
            }
            _ => {
                snapshot.parts.insert((oid, name));
            }
        }
    }
    Ok(snapshot)
}
