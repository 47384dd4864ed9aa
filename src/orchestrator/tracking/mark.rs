//! SQL for a text that is another one after every change of the catalog that anybody commits: the sum over hashes of
//! each row's identity and the transaction that wrote it. Only rows made after `initdb` (`FirstNormalObjectId`, 16384)
//! count, found by the index on their oid. A copy of a database (`CREATE DATABASE … TEMPLATE`) has the same rows, and so
//! the same text.
//!
//! Not every catalog is looked into: what changes a default, an index or an inheritance changes a row of `pg_attribute` or
//! `pg_class` too. Each one more costs a new connection, which has read nothing of it yet, a third of a millisecond.

/// A row of a catalog.
struct Rows {
    catalog: &'static str,
    /// The columns that tell one row from the other.
    id: &'static str,
    part: &'static str,
    /// What a temporary object, which comes and goes with a session, is known by.
    temporary: Temporary,
}

enum Temporary {
    /// The relation that this column says is a temporary one.
    Relation(&'static str),
    /// The schema that this column says is one for temporary objects.
    Schema(&'static str),
    /// There are none.
    Never,
}

const fn rows(catalog: &'static str, id: &'static str, part: &'static str, temporary: Temporary) -> Rows {
    Rows { catalog, id, part, temporary }
}

const CATALOGS: [Rows; 12] = [
    rows("pg_class", "oid", "0", Temporary::Schema("relnamespace")),
    rows("pg_attribute", "attrelid", "attnum", Temporary::Relation("attrelid")),
    rows("pg_constraint", "oid", "0", Temporary::Schema("connamespace")),
    rows("pg_type", "oid", "0", Temporary::Schema("typnamespace")),
    rows("pg_proc", "oid", "0", Temporary::Schema("pronamespace")),
    rows("pg_enum", "oid", "0", Temporary::Never),
    rows("pg_trigger", "oid", "0", Temporary::Relation("tgrelid")),
    rows("pg_rewrite", "oid", "0", Temporary::Relation("ev_class")),
    rows("pg_policy", "oid", "0", Temporary::Relation("polrelid")),
    rows("pg_namespace", "oid", "0", Temporary::Schema("oid")),
    rows("pg_sequence", "seqrelid", "0", Temporary::Relation("seqrelid")),
    rows("pg_description", "objoid", "objsubid", Temporary::Never),
];

const SCHEMAS: &str = "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'";
const RELATIONS: &str = "SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence = 't'";

/// The text, whatever temporary objects there are.
pub fn exact() -> String {
    sum(|rows| match rows.temporary {
        Temporary::Relation(column) => format!(" AND {column} NOT IN ({RELATIONS})"),
        Temporary::Schema(column) => format!(" AND {column} NOT IN ({SCHEMAS})"),
        Temporary::Never => String::new(),
    })
}

/// The same text where there are no temporary objects, for half of the work; otherwise another one. The schemas for them
/// stay once they were made.
pub fn quick() -> String {
    sum(|rows| match rows.catalog {
        "pg_namespace" => " AND nspname !~ '^pg_(toast_)?temp_'".to_owned(),
        _ => String::new(),
    })
}

fn sum(condition: impl Fn(&Rows) -> String) -> String {
    let parts: Vec<String> = CATALOGS
        .iter()
        .enumerate()
        .map(|(number, rows)| {
            let Rows { catalog, id, part, .. } = rows;
            let condition = condition(rows);
            format!(
                "SELECT {number} AS catalog, {id} AS id, {part} AS part, xmin AS written_by
                 FROM pg_catalog.{catalog} WHERE {id} >= 16384{condition}"
            )
        })
        .collect();
    format!(
        "(SELECT coalesce(sum(pg_catalog.hashtextextended(
                     catalog || ' ' || id || ' ' || part || ' ' || written_by, 0)), 0)::text || '/' || count(*)
          FROM ({}) AS rows)",
        parts.join(" UNION ALL ")
    )
}
