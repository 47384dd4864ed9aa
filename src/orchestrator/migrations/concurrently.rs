//! What `CREATE INDEX CONCURRENTLY` leaves when it is interrupted or fails: an index under its name that nobody can use.
//! Here it is found and dropped, so that the statement can be run again. Called by [`super`].

use pg_query::NodeEnum;
use pg_query::protobuf::{IndexStmt, ObjectType};
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

use crate::bundle::sql::{Statement, facts};
use crate::databases::{Under, ask, quote_ident, under};
use crate::orchestrator::runner::Runner;

/// Whether an interrupted run got as far as the statement's effect, though not as far as recording it.
pub(super) async fn is_done(runner: &Runner<'_>, statement: &Statement) -> Result<bool, Error> {
    match statement.tree.as_ref() {
        NodeEnum::IndexStmt(create) => Ok(find(runner, create).await?.is_some_and(|index| index.is_valid)),
        NodeEnum::DropStmt(drop) if drop.remove_type == ObjectType::ObjectIndex as i32 => {
            for index in facts::dropped_names(drop) {
                if is_there(runner, &index).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Drops the index that the statement names where it is not valid; where it names none, those of its table that are not
/// valid and that nobody is building. Outside a transaction.
pub(super) async fn drop_invalid(runner: &Runner<'_>, statement: &Statement) -> Result<(), Error> {
    let NodeEnum::IndexStmt(create) = statement.tree.as_ref() else { return Ok(()) };
    let invalid = match name_of(create) {
        Some(_) => find(runner, create).await?.filter(|index| !index.is_valid).map(|index| index.name),
        None => {
            for name in invalid_on_table(runner, create).await? {
                drop_index(runner, &name).await?;
            }
            None
        }
    };
    match invalid {
        Some(name) => drop_index(runner, &name).await,
        None => Ok(()),
    }
}

async fn drop_index(runner: &Runner<'_>, name: &str) -> Result<(), Error> {
    runner.client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await
}

/// Their names in full.
async fn invalid_on_table(runner: &Runner<'_>, create: &IndexStmt) -> Result<Vec<String>, Error> {
    let Some(table) = &create.relation else { return Ok(Vec::new()) };
    let query = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i
                 JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE i.indrelid = to_regclass($1::text) AND NOT i.indisvalid
                   AND i.indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)";
    let table = qualified(&table.schemaname, &table.relname);
    let query = under(Under::Path(&runner.session_path()), query);
    let rows = ask(runner.client, &query, &[(&table, Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The index that a statement names.
struct Index {
    /// In full.
    name: String,
    is_valid: bool,
}

/// `None` where there is no such index on the statement's table.
async fn find(runner: &Runner<'_>, create: &IndexStmt) -> Result<Option<Index>, Error> {
    let (Some(name), Some(table)) = (name_of(create), &create.relation) else { return Ok(None) };
    let table = qualified(&table.schemaname, &table.relname);
    let query = "SELECT format('%I.%I', n.nspname, c.relname), i.indisvalid FROM pg_index i
                 JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE i.indexrelid = to_regclass($1::text) AND i.indrelid = to_regclass($2::text)";
    let query = under(Under::Path(&runner.session_path()), query);
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&name, Type::TEXT), (&table, Type::TEXT)];
    let rows = ask(runner.client, &query, &params).await?;
    Ok(rows.first().map(|row| Index { name: row.get(0), is_valid: row.get(1) }))
}

async fn is_there(runner: &Runner<'_>, name: &[String]) -> Result<bool, Error> {
    let name = name.iter().map(|part| quote_ident(part)).collect::<Vec<_>>().join(".");
    let query = under(Under::Path(&runner.session_path()), "SELECT to_regclass($1::text) IS NOT NULL");
    let rows = ask(runner.client, &query, &[(&name, Type::TEXT)]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// An index lives in its table's schema. One without a name has no name to look for.
fn name_of(create: &IndexStmt) -> Option<String> {
    let schema = &create.relation.as_ref()?.schemaname;
    (!create.idxname.is_empty()).then(|| qualified(schema, &create.idxname))
}

fn qualified(schema: &str, name: &str) -> String {
    if schema.is_empty() { quote_ident(name) } else { format!("{}.{}", quote_ident(schema), quote_ident(name)) }
}
