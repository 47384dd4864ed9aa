//! Enum values that no text tells of: a `DO` block adds them, or a function. PostgreSQL lets nobody use one in the transaction
//! that adds it, but a type that is made with it. So the type was made with it ([`MadeWhole`]), told from the blueprint, and
//! what adds it once more needs the name for a moment. Called by [`super::Migrations`].
//!
//! [`MadeWhole`]: crate::orchestrator::enum_labels::MadeWhole

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::bundle::sql::Statement;
use crate::databases::{quote_ident, quote_literal};
use crate::orchestrator::enum_labels::Name;
use crate::orchestrator::runner::{Failure, Runner};

/// Whether a statement failed because an enum has a value already.
pub(super) fn may_help(failure: &Failure) -> bool {
    failure.is_one_of(&[SqlState::DUPLICATE_OBJECT]) && failure.routine.as_deref() == Some("AddEnumLabel")
}

/// Runs a statement that adds some of `unseen`, which failed because they are there. What it has added gets a name that the
/// catalog is read without ([`crate::orchestrator::left_values`]): PostgreSQL drops no value.
pub(super) async fn run(
    runner: &Runner<'_>,
    statement: &Statement,
    unseen: &mut Vec<(Name, String)>,
) -> Result<(), Failure> {
    let failed = |error: Error| Failure::new(statement, &error, 0);
    let client = runner.client;
    // Of two savepoints, this one outlives the statement's own.
    client.batch_execute("SAVEPOINT labels").await.map_err(failed)?;
    let mut hidden = Vec::new();
    for (name, label) in unseen.iter() {
        if let Some(oid) = find(client, name, label).await.map_err(failed)? {
            rename(client, name, label, &out_of_the_way(oid)).await.map_err(failed)?;
            hidden.push((name.clone(), label.clone(), oid));
        }
    }
    if let Err(failure) = runner.run(statement).await {
        client.batch_execute("ROLLBACK TO SAVEPOINT labels").await.map_err(failed)?;
        return Err(failure);
    }
    for (name, label, oid) in hidden {
        if let Some(added) = find(client, &name, &label).await.map_err(failed)? {
            rename(client, &name, &label, &out_of_the_way(added)).await.map_err(failed)?;
            unseen.retain(|one| (&one.0, &one.1) != (&name, &label));
        }
        rename(client, &name, &out_of_the_way(oid), &label).await.map_err(failed)?;
    }
    client.batch_execute("RELEASE SAVEPOINT labels").await.map_err(failed)
}

fn out_of_the_way(oid: u32) -> String {
    format!("_stonescriptdb_gateway_left_{oid}")
}

async fn find(client: &Client, (schema, name): &Name, label: &str) -> Result<Option<u32>, Error> {
    let query = "SELECT e.oid FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
                 WHERE n.nspname = $1::text AND t.typname = $2::text AND e.enumlabel = $3::text";
    let text = Type::TEXT;
    let params: [(&(dyn ToSql + Sync), Type); 3] = [(schema, text.clone()), (name, text.clone()), (&label, text)];
    let rows = client.query_typed(query, &params).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

async fn rename(client: &Client, (schema, name): &Name, from: &str, to: &str) -> Result<(), Error> {
    let (schema, name) = (quote_ident(schema), quote_ident(name));
    let (from, to) = (quote_literal(from), quote_literal(to));
    client.batch_execute(&format!("ALTER TYPE {schema}.{name} RENAME VALUE {from} TO {to}")).await
}
