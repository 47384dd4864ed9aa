//! What the catalog says of the relations that seeders write, before the first of them runs: which tables a statement about
//! them concerns, whether these are new and whether they are empty.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::columns::{self, Table};
use crate::bundle::sql::writes::Target;
use crate::databases::{Under, ask, quote_ident, under};
use crate::orchestrator::standing::Snapshot;

/// The tables that a statement about one name concerns.
#[derive(Clone, Debug, Default)]
pub struct Concerned {
    /// As PostgreSQL prints them.
    pub tables: Vec<String>,
    /// No table of their names was there before the deployment, nor were they there under another name.
    pub are_new: bool,
    pub are_empty: bool,
}

/// Everything that seeders mention.
#[derive(Default)]
pub struct Tables {
    /// By name.
    mentioned: HashMap<String, Arc<Table>>,
    concerned: HashMap<(String, bool), Concerned>,
}

/// A name as SQL that PostgreSQL looks up; one without a schema is looked for along the path.
pub fn name_of(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(name)),
        None => quote_ident(name),
    }
}

impl Tables {
    /// Looks them up: the names that `INSERT`s fill, those that statements mention, and what other statements write. `known`:
    /// what stood before, and which tables of it an interrupted run of the deployment has made.
    pub async fn read(
        client: &Client,
        filled: &HashSet<String>,
        mut mentioned: HashSet<String>,
        targets: &[&Target],
        known: (&Snapshot, &HashSet<u32>),
    ) -> Result<Self, Error> {
        let others = targets.iter().map(|target| (name_of(target.schema.as_deref(), &target.name), target.cascades));
        let wanted: HashSet<(String, bool)> = filled.iter().map(|name| (name.clone(), false)).chain(others).collect();
        let concerned = read_concerned(client, &wanted, known).await?;
        mentioned.extend(filled.iter().cloned());
        Ok(Self { mentioned: columns::read(client, &mentioned).await?, concerned })
    }

    /// `None`: there is none of that name.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.mentioned.get(name)
    }

    /// `None`: there is none of that name.
    pub fn concerned(&self, name: &str, cascades: bool) -> Option<&Concerned> {
        self.concerned.get(&(name.to_owned(), cascades))
    }
}

/// A sequence belongs to the tables that draw from it, a view to those that it reads; `TRUNCATE … CASCADE` goes along
/// foreign keys. A name that PostgreSQL cannot read as one is none.
const CONCERNED: &str = "
    WITH RECURSIVE reached (name, cascades, oid) AS (
        SELECT name, cascades, pg_catalog.to_regclass(name)::pg_catalog.oid
        FROM unnest($1::text[], $2::bool[]) AS wanted (name, cascades)
        UNION
        SELECT r.name, r.cascades, next.oid FROM reached AS r
        JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
        JOIN LATERAL (
            SELECT d.refobjid AS oid FROM pg_catalog.pg_rewrite AS w
            JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
            WHERE w.ev_class = c.oid AND c.relkind = 'v' AND d.refclassid = 'pg_class'::regclass
            UNION ALL
            SELECT d.refobjid FROM pg_catalog.pg_depend AS d
            WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
              AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            UNION ALL
            SELECT a.adrelid FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_attrdef AS a ON a.oid = d.objid
            WHERE c.relkind = 'S' AND d.classid = 'pg_attrdef'::regclass
              AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
            UNION ALL
            SELECT f.conrelid FROM pg_catalog.pg_constraint AS f
            WHERE r.cascades AND f.contype = 'f' AND f.confrelid = c.oid
            UNION ALL
            SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE r.cascades AND i.inhparent = c.oid
        ) AS next ON true
    )
    SELECT r.name, r.cascades, c.oid, c.oid::regclass::text, n.nspname::text, c.relname::text, c.relkind,
           pg_catalog.row_security_active(c.oid),
           pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
    FROM reached AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'S', 'v') ORDER BY 1, 2, 4";

struct Reached {
    target: (String, bool),
    oid: u32,
    printed: String,
    schema: String,
    name: String,
    kind: u8,
    hides_rows: bool,
    qualified: String,
}

async fn read_concerned(
    client: &Client,
    wanted: &HashSet<(String, bool)>,
    (before, made): (&Snapshot, &HashSet<u32>),
) -> Result<HashMap<(String, bool), Concerned>, Error> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (names, cascades): (Vec<&str>, Vec<bool>) =
        wanted.iter().map(|(name, cascades)| (name.as_str(), *cascades)).unzip();
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&names, Type::TEXT_ARRAY), (&cascades, Type::BOOL_ARRAY)];
    let rows = ask(client, &under(Under::Database, CONCERNED), &params).await?;
    let reached: Vec<Reached> = rows
        .iter()
        .map(|row| Reached {
            target: (row.get(0), row.get(1)),
            oid: row.get(2),
            printed: row.get(3),
            schema: row.get(4),
            name: row.get(5),
            kind: u8::try_from(row.get::<_, i8>(6)).unwrap_or_default(),
            hides_rows: row.get(7),
            qualified: row.get(8),
        })
        .collect();
    let full = read_full(client, &reached).await?;
    let mut by_target: BTreeMap<&(String, bool), Vec<&Reached>> = BTreeMap::new();
    for one in &reached {
        by_target.entry(&one.target).or_default().push(one);
    }
    let judge = |(target, reached): (&(String, bool), Vec<&Reached>)| {
        let tables: Vec<&Reached> = reached.iter().copied().filter(|one| b"rpf".contains(&one.kind)).collect();
        // A sequence, or a view, that no table stands behind is judged by itself.
        let judged = if tables.is_empty() { reached } else { tables };
        let is_new = |one: &&Reached| {
            made.contains(&one.oid) || (!before.had_table(&one.schema, &one.name) && !before.had(one.oid))
        };
        let concerned = Concerned {
            are_new: judged.iter().all(is_new),
            // What a sequence that was there has counted, nobody can tell from its looks.
            are_empty: !judged.iter().any(|one| full.contains(&one.oid) || (one.kind == b'S' && !is_new(one))),
            tables: judged.into_iter().map(|one| one.printed.clone()).collect(),
        };
        (target.clone(), concerned)
    };
    Ok(by_target.into_iter().map(judge).collect())
}

/// The tables that hold rows, and the sequences that have given a number. Where row security may hide them from the gateway, a table that takes any room counts.
async fn read_full(client: &Client, reached: &[Reached]) -> Result<HashSet<u32>, Error> {
    let tables: BTreeMap<u32, &Reached> =
        reached.iter().filter(|one| b"rpfvS".contains(&one.kind)).map(|one| (one.oid, one)).collect();
    let question = |one: &Reached| {
        match one.hides_rows {
        _ if one.kind == b'S' => {
            format!("SELECT {}::oid WHERE EXISTS (SELECT FROM {} WHERE is_called)", one.oid, one.qualified)
        }
        false => format!("SELECT {}::oid WHERE EXISTS (SELECT FROM {})", one.oid, one.qualified),
        true => format!(
            "SELECT {oid}::oid WHERE EXISTS (SELECT FROM pg_catalog.pg_partition_tree({oid}::oid::regclass) AS part
             WHERE pg_catalog.pg_relation_size(part.relid) > 0) OR pg_catalog.pg_relation_size({oid}::oid::regclass) > 0",
            oid = one.oid
        ),
    }
    };
    let mut full = HashSet::new();
    for some in tables.into_values().collect::<Vec<_>>().chunks(100) {
        let questions: Vec<String> = some.iter().map(|one| question(one)).collect();
        let rows = ask(client, &under(Under::Database, &questions.join(" UNION ALL ")), &[]).await?;
        full.extend(rows.iter().map(|row| row.get::<_, u32>(0)));
    }
    Ok(full)
}
