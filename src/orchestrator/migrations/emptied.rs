//! Rows of a declared table that a migration drops. In a new database the table stays, because it is declared; the rows that
//! earlier migrations put into it do not, as psql would not have them either.

use std::fmt::Write as _;

use pg_query::protobuf::{DropStmt, ObjectType};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::declared::{Declared, Name};
use super::dropped;
use super::history::History;
use crate::databases::{quote_ident, quote_literal};
use crate::orchestrator::runner::Runner;
use crate::orchestrator::twins::qualified;

/// Foreign keys that have to hold again when all migrations have run: table and constraint, quoted.
#[derive(Default)]
pub(super) struct Unchecked(Vec<(String, String)>);

impl Unchecked {
    /// Statement number `at` drops tables; those of them that are declared have no rows any more.
    pub(super) async fn empty(
        &mut self,
        runner: &Runner<'_>,
        at: usize,
        drop: &DropStmt,
        declared: &Declared,
        history: &History,
    ) -> Result<(), Error> {
        for table in tables(drop, declared) {
            // The table that takes its place has copies of its rows, and is made of this one. What the declaration itself put
            // there stays.
            if !history.is_swapped(&table, at) && !declared.filled.contains(&table) {
                self.empty_one(runner, &table).await?;
            }
        }
        Ok(())
    }

    /// A table loses its rows.
    pub(super) async fn empty_one(&mut self, runner: &Runner<'_>, table: &Name) -> Result<(), Error> {
        let Some(emptying) = read(runner.client, table).await? else { return Ok(()) };
        runner.client.batch_execute(&emptying.sql).await?;
        runner.changed();
        self.0.extend(emptying.keys);
        Ok(())
    }

    /// Checks the foreign keys that were put back without a look at the rows.
    pub(super) async fn check(&mut self, client: &Client) -> Result<Vec<String>, Error> {
        let (tables, names): (Vec<String>, Vec<String>) = std::mem::take(&mut self.0).into_iter().unzip();
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let query = "SELECT DISTINCT format('ALTER TABLE %s VALIDATE CONSTRAINT %s', child, name)
                     FROM unnest($1::text[], $2::text[]) AS key (child, name)
                     JOIN pg_constraint c ON c.conrelid = to_regclass(child) AND quote_ident(c.conname) = name
                     WHERE NOT c.convalidated ORDER BY 1";
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
            [(&tables, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)];
        Ok(client.query_typed(query, &params).await?.iter().map(|row| row.get(0)).collect())
    }
}

/// The declared tables that go with what is dropped.
fn tables(drop: &DropStmt, declared: &Declared) -> Vec<Name> {
    match ObjectType::try_from(drop.remove_type) {
        Ok(ObjectType::ObjectTable) => {
            dropped::names(drop).into_iter().filter(|table| declared.is_table(table)).collect()
        }
        Ok(ObjectType::ObjectSchema) => {
            let schemas = dropped::schemas(drop);
            let mut tables: Vec<Name> =
                declared.columns.keys().filter(|table| schemas.contains(&table.0)).cloned().collect();
            tables.sort();
            tables
        }
        _ => Vec::new(),
    }
}

struct Emptying {
    sql: String,
    keys: Vec<(String, String)>,
}

/// How a table is emptied, with those that inherit from it, in nobody's sight: without its triggers, and without the foreign
/// keys that refer to it. `None` where there are no rows.
async fn read(client: &Client, table: &Name) -> Result<Option<Emptying>, Error> {
    const FAMILY: &str = "WITH RECURSIVE family (oid) AS (
        SELECT oid FROM pg_class WHERE oid = to_regclass($1::text) AND relkind IN ('r', 'p')
        UNION SELECT inhrelid FROM pg_inherits JOIN family ON inhparent = family.oid) ";
    let name = qualified(table);
    let of_table = [(&name as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT)];
    // Row security may hide rows from their owner.
    let has_rows = format!("{FAMILY} SELECT EXISTS (SELECT FROM family WHERE pg_relation_size(oid) > 0)");
    if !client.query_typed(&has_rows, &of_table).await?.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let keys = format!(
        "{FAMILY} SELECT format('%I.%I', n.nspname, r.relname), quote_ident(c.conname), pg_get_constraintdef(c.oid),
                         c.convalidated AND r.relkind = 'r', obj_description(c.oid, 'pg_constraint')
         FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
         WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid IN (SELECT oid FROM family)
           AND c.conrelid NOT IN (SELECT oid FROM family) ORDER BY c.oid"
    );
    let triggers = format!(
        "{FAMILY} SELECT format('%I.%I', n.nspname, r.relname), quote_ident(t.tgname),
                         CASE t.tgenabled WHEN 'A' THEN ' ALWAYS' WHEN 'R' THEN ' REPLICA' ELSE '' END
         FROM pg_trigger t JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
         WHERE t.tgrelid IN (SELECT oid FROM family) AND NOT t.tgisinternal AND t.tgtype & 32 <> 0
           AND t.tgenabled <> 'D' ORDER BY t.oid"
    );
    let (mut before, mut behind, mut unchecked) = (String::new(), String::new(), Vec::new());
    for row in client.query_typed(&keys, &of_table).await? {
        let (child, key, words, late): (String, String, String, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let _ = write!(before, "ALTER TABLE {child} DROP CONSTRAINT {key};");
        let _ =
            write!(behind, "ALTER TABLE {child} ADD CONSTRAINT {key} {words}{};", if late { " NOT VALID" } else { "" });
        if let Some(comment) = row.get::<_, Option<String>>(4) {
            let _ = write!(behind, "COMMENT ON CONSTRAINT {key} ON {child} IS {};", quote_literal(&comment));
        }
        if late {
            unchecked.push((child, key));
        }
    }
    for row in client.query_typed(&triggers, &of_table).await? {
        let (of, trigger, how): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let _ = write!(before, "ALTER TABLE {of} DISABLE TRIGGER {trigger};");
        let _ = write!(behind, "ALTER TABLE {of} ENABLE{how} TRIGGER {trigger};");
    }
    let table = format!("{}.{}", quote_ident(&table.0), quote_ident(&table.1));
    Ok(Some(Emptying { sql: format!("{before}TRUNCATE TABLE {table} RESTART IDENTITY;{behind}"), keys: unchecked }))
}
