//! Columns and keys of the relations that seeders mention, as SQL that means the same under whichever path it is read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use crate::databases::{Under, ask, under};

/// A column of a table, in its order.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// As SQL, with its schema where it is not PostgreSQL's own.
    pub data_type: String,
    /// Of a column of a unique key.
    pub equal: Option<Equal>,
    /// `pg_type.typcategory`
    pub category: char,
}

/// What the index of a key takes for equal. A search path may find another operator for the type, or none.
#[derive(Clone, Debug)]
pub struct Equal {
    /// `OPERATOR(schema.=)`
    pub operator: String,
    /// The type that it is for, where an operator of its name for the column's own type may have been added since.
    pub input: Option<String>,
}

/// A relation that an `INSERT` fills.
#[derive(Clone, Debug, Default)]
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

/// Those that are there, by the name that was looked up.
pub async fn read(client: &Client, names: &HashSet<String>) -> Result<HashMap<String, Arc<Table>>, Error> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let query = "
        SELECT wanted.name, c.oid, c.oid::regclass::text
        FROM pg_catalog.unnest($1::text[]) AS wanted (name)
        JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(wanted.name)";
    let found = ask(client, &under(Under::Database, query), &[(&names, Type::TEXT_ARRAY)]).await?;
    let oids: HashSet<u32> = found.iter().map(|row| row.get(1)).collect();
    let oids: Vec<u32> = oids.into_iter().collect();
    let mut tables = read_columns(client, &oids).await?;
    read_keys(client, &mut tables, &oids).await?;
    let named = found.iter().map(|row| {
        let of_it = tables.get(&row.get::<_, u32>(1)).cloned().unwrap_or_default();
        (row.get(0), Arc::new(Table { printed: row.get(2), ..of_it }))
    });
    Ok(named.collect())
}

async fn read_columns(client: &Client, oids: &[u32]) -> Result<HashMap<u32, Table>, Error> {
    let query = "
        SELECT c.oid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typcategory,
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
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid, a.attnum";
    let mut tables: HashMap<u32, Table> = HashMap::new();
    for row in ask(client, query, &[(&oids, Type::OID_ARRAY)]).await? {
        let table = tables.entry(row.get(0)).or_insert_with(|| Table {
            name: row.get(6),
            may_swallow: row.get(7),
            returns_rows: row.get(4),
            keeps_rows: row.get::<_, bool>(4) && row.get::<_, bool>(5),
            ..Table::default()
        });
        let category = u8::try_from(row.get::<_, i8>(3)).map_or('X', char::from);
        table.columns.push(Column { name: row.get(1), data_type: row.get(2), equal: None, category });
    }
    Ok(tables)
}

/// Whole keys: no expressions, no condition, every column; with the equality of each column's operator class.
const KEYS: &str = "
    SELECT i.indrelid, i.indisprimary, i.indexrelid, a.attname::text, e.operator, e.input
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place]
    LEFT JOIN LATERAL (
        SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) AS operator,
               CASE WHEN t.typtype <> 'p' AND n.nspname <> 'pg_catalog' THEN pg_catalog.format_type(t.oid, NULL) END AS input
        FROM pg_catalog.pg_opclass AS c
        JOIN pg_catalog.pg_am AS b ON b.oid = c.opcmethod AND b.amname = 'btree'
        JOIN pg_catalog.pg_amop AS m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3 AND m.amoppurpose = 's'
                                     AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
        JOIN pg_catalog.pg_operator AS o ON o.oid = m.amopopr
        JOIN pg_catalog.pg_namespace AS n ON n.oid = o.oprnamespace
        JOIN pg_catalog.pg_type AS t ON t.oid = c.opcintype
        WHERE c.oid = i.indclass[k.place]
    ) AS e ON true
    WHERE i.indrelid = ANY ($1::oid[])
      AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
    ORDER BY i.indrelid, NOT i.indisprimary, i.indexrelid, a.attnum";

async fn read_keys(client: &Client, tables: &mut HashMap<u32, Table>, oids: &[u32]) -> Result<(), Error> {
    let mut last = None;
    for row in &ask(client, KEYS, &[(&oids, Type::OID_ARRAY)]).await? {
        let (index, name): (u32, &str) = (row.get(2), row.get(3));
        let Some(table) = tables.get_mut(&row.get::<_, u32>(0)) else { continue };
        let Some(place) = table.columns.iter().position(|one| one.name == name) else { continue };
        if last.replace(index) != Some(index) {
            table.unique_keys.push(Vec::new());
        }
        if let Some(key) = table.unique_keys.last_mut() {
            key.push(place);
        }
        if row.get(1) {
            table.primary_key.push(place);
        }
        let operator: Option<String> = row.get(4);
        let equal = operator.map(|operator| Equal { operator, input: row.get(5) });
        let column = &mut table.columns[place];
        column.equal = column.equal.take().or(equal);
    }
    Ok(())
}
