//! What `CREATE INDEX CONCURRENTLY` leaves when it is interrupted or fails: an index under its name that nobody can use.
//! Here it is found and dropped, so that the statement can be run again. Called by [`super`].

use pg_query::NodeEnum;
use pg_query::protobuf::{IndexStmt, ObjectType};
use tokio_postgres::{Client, Error};

use crate::bundle::sql::{Statement, facts};
use crate::databases::quote_ident;

/// Whether an interrupted run got as far as the statement's effect, though not as far as recording it.
pub(super) async fn is_done(client: &Client, statement: &Statement) -> Result<bool, Error> {
    match statement.tree.as_ref() {
        NodeEnum::IndexStmt(create) => Ok(is_valid(client, create).await? == Some(true)),
        NodeEnum::DropStmt(drop) if drop.remove_type == ObjectType::ObjectIndex as i32 => {
            for index in facts::dropped_names(drop) {
                if is_there(client, &index).await? {
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
pub(super) async fn drop_invalid(client: &Client, statement: &Statement) -> Result<(), Error> {
    let NodeEnum::IndexStmt(create) = statement.tree.as_ref() else { return Ok(()) };
    match name_of(create) {
        Some(name) if is_valid(client, create).await? == Some(false) => drop_index(client, &name).await,
        Some(_) => Ok(()),
        None => {
            for name in invalid_on_table(client, create).await? {
                drop_index(client, &name).await?;
            }
            Ok(())
        }
    }
}

async fn drop_index(client: &Client, name: &str) -> Result<(), Error> {
    client.batch_execute(&format!("DROP INDEX CONCURRENTLY {name}")).await
}

async fn invalid_on_table(client: &Client, create: &IndexStmt) -> Result<Vec<String>, Error> {
    let Some(table) = &create.relation else { return Ok(Vec::new()) };
    let query = "SELECT indexrelid::regclass::text FROM pg_index
                 WHERE indrelid = to_regclass($1::text) AND NOT indisvalid
                   AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)
                   AND (SELECT relkind FROM pg_class WHERE oid = indexrelid) = 'i'";
    let rows = client.query(query, &[&qualified(&table.schemaname, &table.relname)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// `None` where there is no such index on the statement's table.
async fn is_valid(client: &Client, create: &IndexStmt) -> Result<Option<bool>, Error> {
    let (Some(name), Some(table)) = (name_of(create), &create.relation) else { return Ok(None) };
    let table = qualified(&table.schemaname, &table.relname);
    let query = "SELECT indisvalid FROM pg_index
                 WHERE indexrelid = to_regclass($1::text) AND indrelid = to_regclass($2::text)";
    Ok(client.query_opt(query, &[&name, &table]).await?.map(|row| row.get(0)))
}

async fn is_there(client: &Client, name: &[String]) -> Result<bool, Error> {
    let name = name.iter().map(|part| quote_ident(part)).collect::<Vec<_>>().join(".");
    let row = client.query_one("SELECT to_regclass($1::text) IS NOT NULL", &[&name]).await?;
    Ok(row.get(0))
}

/// An index lives in its table's schema. One without a name has no name to look for.
fn name_of(create: &IndexStmt) -> Option<String> {
    let schema = &create.relation.as_ref()?.schemaname;
    (!create.idxname.is_empty()).then(|| qualified(schema, &create.idxname))
}

fn qualified(schema: &str, name: &str) -> String {
    if schema.is_empty() { quote_ident(name) } else { format!("{}.{}", quote_ident(schema), quote_ident(name)) }
}
