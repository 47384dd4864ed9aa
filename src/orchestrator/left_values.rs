//! Enum values that an interrupted deployment has committed ([`super::new_values`]) and a later bundle does not have, or has
//! in another place. PostgreSQL drops no value of an enum. One that nothing uses gets a name of the gateway's own instead,
//! which the catalog is read without; one that something uses is as if somebody had added it by hand.

use std::sync::Arc;

use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::catalog::things::parts_of_name;
use super::catalog::{Catalog, EnumType};
use super::error::DeployError;
use super::new_values::renamed_values;
use super::runner::FailedIn;
use super::tracking::altered::{failed, value};
use super::tracking::{Change, NameOf};
use crate::bundle::sql::Statement;
use crate::databases::quote_literal;

/// Its tracking table, after the prefix.
const TABLE: &str = "values";

/// A value that is to be out of the way.
#[derive(Clone, Debug)]
pub struct LeftValue {
    /// As PostgreSQL prints it.
    type_name: String,
    type_oid: u32,
    value: String,
    /// What it will be called.
    name: String,
}

impl LeftValue {
    /// The statement, with names as the catalog prints them.
    pub fn sql(&self) -> String {
        let Self { type_name, value, name, .. } = self;
        format!("ALTER TYPE {type_name} RENAME VALUE {} TO {}", quote_literal(value), quote_literal(name))
    }

    /// For the client.
    pub fn warning(&self) -> String {
        let Self { type_name, value, name, .. } = self;
        format!(
            "the value {value:?} of {type_name} was left by a deployment that did not end; nothing uses it, and PostgreSQL \
             drops none, so it is called {name} now"
        )
    }

    /// For the changelog.
    pub fn change(&self) -> Change {
        Change {
            change_type: "RenameEnumValue",
            name_of: NameOf::Text,
            name: self.type_name.clone(),
            detail: json!({ "statement": self.sql(), "value": self.value }),
        }
    }
}

/// Those in the way of a declaration. `pending`: the migrations that are still to be run.
pub async fn read(
    client: &Client,
    before: &Catalog,
    declared: &Catalog,
    pending: &[&Statement],
) -> Result<Vec<LeftValue>, DeployError> {
    let query = "SELECT DISTINCT type_name, value FROM public._stonescriptdb_gateway_values LIMIT 10000";
    let rows = match client.query_typed(query, &[]).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) && FailedIn::of(&error) == FailedIn::Text => {
            return Ok(Vec::new());
        }
        rows => rows.map_err(failed("reading what an interrupted deployment left", TABLE))?,
    };
    let mut left = Vec::new();
    for row in &rows {
        let (type_name, label): (String, String) = (value(row, 0, TABLE)?, value(row, 1, TABLE)?);
        let found = before.enums.iter().find(|(_, one)| one.name == type_name);
        let wanted = declared.enums.values().find(|one| one.name == type_name);
        let (Some((type_oid, found)), Some(wanted)) = (found, wanted) else { continue };
        let Some(at) = found.values.iter().position(|one| *one == label) else { continue };
        let is_renamed = renamed_values(pending, &parts_of_name(&type_name)).into_values().any(|now| now == label);
        if is_renamed || fits(&label, found, wanted) {
            continue;
        }
        let name = format!("_stonescriptdb_gateway_left_{}", found.value_oids.get(at).copied().unwrap_or_default());
        let one = LeftValue { type_name, type_oid: *type_oid, value: label, name };
        if !is_used(client, &one).await? {
            left.push(one);
        }
    }
    Ok(left)
}

/// Whether the declaration has the value where it stands.
fn fits(label: &str, found: &EnumType, wanted: &EnumType) -> bool {
    let beside = |list: &EnumType, other: &EnumType| -> Vec<String> {
        list.values.iter().filter(|one| other.values.contains(one)).cloned().collect()
    };
    wanted.values.iter().any(|one| one == label) && beside(found, wanted) == beside(wanted, found)
}

/// The catalog without them.
pub fn without(before: Arc<Catalog>, left: &[LeftValue]) -> Arc<Catalog> {
    if left.is_empty() {
        return before;
    }
    let mut catalog = Arc::unwrap_or_clone(before);
    for one in left {
        let Some(found) = catalog.enums.get_mut(&one.type_oid) else { continue };
        if let Some(at) = found.values.iter().position(|value| *value == one.value) {
            found.values.remove(at);
            found.value_oids.remove(at);
        }
    }
    Arc::new(catalog)
}

/// The columns that may hold a value of an enum: also in arrays, domains, ranges, composite types and rows of tables, by their texts.
const COLUMNS: &str = "
    WITH RECURSIVE holder (oid) AS (
        SELECT $1::oid
        UNION
        SELECT x.oid FROM holder h CROSS JOIN LATERAL (
            SELECT t.oid FROM pg_type t WHERE t.typelem = h.oid OR t.typbasetype = h.oid
            UNION ALL SELECT unnest(ARRAY[r.rngtypid, r.rngmultitypid]) FROM pg_range r WHERE r.rngsubtype = h.oid
            UNION ALL SELECT c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.reltype <> 0
            WHERE a.atttypid = h.oid AND NOT a.attisdropped) x)
    SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), a.atttypid = $1, c.relkind = 'r'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.atttypid IN (SELECT oid FROM holder) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'm')";

/// Whether nothing holds the value, inside of the transaction that renames it: until that ends, nobody writes another row. Where
/// that cannot be found out, or somebody holds such a table for long, it counts as used.
pub async fn is_still_unused(client: &Client, one: &LeftValue) -> Result<bool, DeployError> {
    const STEP: &str = "looking who uses an enum value";
    let begin = "SAVEPOINT left_value; SET LOCAL row_security = off; SET LOCAL lock_timeout = '5s'";
    client.batch_execute(begin).await.map_err(DeployError::own(STEP))?;
    let looked = async {
        for row in client.query_typed(COLUMNS, &[(&one.type_oid, Type::OID)]).await? {
            let (table, is_table): (String, bool) = (row.get(0), row.get(3));
            if is_table {
                client.batch_execute(&format!("LOCK TABLE ONLY {table} IN SHARE MODE")).await?;
            }
        }
        may_be_used(client, one).await
    };
    let used = looked.await.unwrap_or(true);
    let end = match used {
        true => "ROLLBACK TO SAVEPOINT left_value",
        false => "SET LOCAL row_security TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT",
    };
    client.batch_execute(end).await.map_err(DeployError::own(STEP))?;
    Ok(!used)
}

/// Whether some row holds the value, or may. Also where that cannot be found out.
async fn is_used(client: &Client, one: &LeftValue) -> Result<bool, DeployError> {
    // A policy that hides rows is an error then.
    let begin = client.batch_execute("BEGIN; SET LOCAL row_security = off").await;
    begin.map_err(DeployError::own("looking who uses an enum value"))?;
    let used = may_be_used(client, one).await;
    client.batch_execute("ROLLBACK").await.map_err(DeployError::own("looking who uses an enum value"))?;
    Ok(used.unwrap_or(true))
}

/// The same inside of a transaction, which is spoiled by an error.
async fn may_be_used(client: &Client, one: &LeftValue) -> Result<bool, Error> {
    let columns = client.query_typed(COLUMNS, &[(&one.type_oid, Type::OID)]).await?;
    for row in &columns {
        let (table, column, is_the_enum): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        let value = quote_literal(&one.value);
        let holds = match is_the_enum {
            true => format!("{column}::pg_catalog.text OPERATOR(pg_catalog.=) {value}"),
            // Within others it may be quoted, or escaped.
            false if one.value.contains(['"', '\\']) => format!("{column} IS NOT NULL"),
            false => format!("pg_catalog.strpos({column}::pg_catalog.text, {value}) OPERATOR(pg_catalog.>) 0"),
        };
        let query = format!("SELECT EXISTS (SELECT FROM ONLY {table} WHERE {holds})");
        let rows = client.query_typed(&query, &[]).await?;
        if rows.first().is_none_or(|row| row.get(0)) {
            return Ok(true);
        }
    }
    Ok(false)
}
