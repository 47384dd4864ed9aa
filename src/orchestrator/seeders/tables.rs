//! What the catalog says of the relations that seeders write, before the first of them runs: their columns and keys,
//! which tables a statement about them concerns, whether these are new and whether they are empty.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::bundle::sql::writes::Target;
use crate::databases::{Under, ask, quote_ident, under};
use crate::orchestrator::standing::Snapshot;

/// A column of a table, in its order.
#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub data_type: String,
    /// Whether its type is PostgreSQL's own.
    pub is_plain: bool,
    /// `pg_type.typcategory`
    pub category: char,
}

/// A relation that an `INSERT` fills.
#[derive(Debug)]
pub struct Table {
    /// Its whole name, quoted.
    pub name: String,
    /// As PostgreSQL prints it.
    pub printed: String,
    pub columns: Vec<Column>,
    /// Places in `columns`; none where there is no primary key.
    pub primary_key: Vec<usize>,
    /// Of whole unique keys, also the primary one: places in `columns`.
    pub unique_keys: Vec<Vec<usize>>,
    /// Whether rows stay what an `INSERT` says: an ordinary table without triggers of anybody's, rules or hidden rows.
    pub keeps_rows: bool,
    /// Whether a trigger may leave out one row of several.
    pub may_swallow: bool,
    /// Whether `RETURNING` tells of what was inserted.
    pub returns_rows: bool,
}

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
        let mut tables = Self { mentioned: read_mentioned(client, &mentioned).await?, concerned };
        read_keys(client, &mut tables.mentioned).await?;
        Ok(tables)
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
            are_empty: !judged.iter().any(|one| full.contains(&one.oid)),
            tables: judged.into_iter().map(|one| one.printed.clone()).collect(),
        };
        (target.clone(), concerned)
    };
    Ok(by_target.into_iter().map(judge).collect())
}

/// The tables that hold rows. Where row security may hide them from the gateway, a table that takes any room counts.
async fn read_full(client: &Client, reached: &[Reached]) -> Result<HashSet<u32>, Error> {
    let tables: BTreeMap<u32, &Reached> =
        reached.iter().filter(|one| b"rpfv".contains(&one.kind)).map(|one| (one.oid, one)).collect();
    let question = |one: &Reached| {
        match one.hides_rows {
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

async fn read_mentioned(client: &Client, names: &HashSet<String>) -> Result<HashMap<String, Arc<Table>>, Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let query = "
        SELECT wanted.name, c.oid::regclass::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
               t.typnamespace = 'pg_catalog'::regnamespace, t.typcategory,
               c.relkind IN ('r', 'p') AND NOT pg_catalog.row_security_active(c.oid)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w WHERE w.ev_class = c.oid),
               NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE NOT g.tgisinternal
                           AND (g.tgrelid = c.oid OR g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)))),
               pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
               -- before each row, and none that sees the statement as a whole
               EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
                       AND g.tgtype & 7 = 7)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
                               AND g.tgtype & 4 = 4 AND (g.tgtype & 1 = 0 OR g.tgnewtable IS NOT NULL))
        FROM pg_catalog.unnest($1::text[]) AS wanted (name)
        JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(wanted.name)
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        ORDER BY wanted.name, a.attnum";
    let mut tables: HashMap<String, Table> = HashMap::new();
    for row in ask(client, &under(Under::Database, query), &[(&names, Type::TEXT_ARRAY)]).await? {
        let name: String = row.get(0);
        let table = tables.entry(name).or_insert_with(|| Table {
            name: row.get(8),
            printed: row.get(1),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            may_swallow: row.get(9),
            returns_rows: row.get(6),
            keeps_rows: row.get::<_, bool>(6) && row.get::<_, bool>(7),
        });
        let category = u8::try_from(row.get::<_, i8>(5)).map_or('X', char::from);
        table.columns.push(Column { name: row.get(2), data_type: row.get(3), is_plain: row.get(4), category });
    }
    Ok(tables.into_iter().map(|(name, table)| (name, Arc::new(table))).collect())
}

/// Whole keys: no expressions, no condition, every column.
async fn read_keys(client: &Client, tables: &mut HashMap<String, Arc<Table>>) -> Result<(), Error> {
    let names: Vec<&str> = tables.keys().map(String::as_str).collect();
    let query = "
        SELECT wanted.name, i.indisprimary,
               ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = i.indrelid
                     AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]))
        FROM pg_catalog.unnest($1::text[]) AS wanted (name)
        JOIN pg_catalog.pg_index AS i ON i.indrelid = pg_catalog.to_regclass(wanted.name)
        WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
        ORDER BY wanted.name, NOT i.indisprimary, i.indexrelid";
    let rows = ask(client, &under(Under::Database, query), &[(&names, Type::TEXT_ARRAY)]).await?;
    for row in &rows {
        let (name, columns): (&str, Vec<&str>) = (row.get(0), row.get(2));
        let Some(table) = tables.get_mut(name).and_then(Arc::get_mut) else { continue };
        let place = |column: &&str| table.columns.iter().position(|one| one.name == *column);
        let places: Vec<usize> = columns.iter().filter_map(place).collect();
        if row.get(1) {
            table.primary_key.clone_from(&places);
        }
        table.unique_keys.push(places);
    }
    Ok(())
}
