//! Statements that go by the order of columns mean the order of the declaration. In an existing database an added column
//! stands last, wherever it was declared: there they get the names of the columns that they mean.

use std::borrow::Cow;
use std::collections::HashMap;

use tokio_postgres::error::SqlState;

use super::course::Course;
use super::tables::{Tables, name_of};
use crate::bundle::order::OrderError;
use crate::bundle::sql::positional::{self, Order, Unnamed};
use crate::bundle::sql::{self, Statement, Wanted};
use crate::databases::quote_ident;
use crate::orchestrator::catalog::{Catalog, Relation, View};
use crate::orchestrator::error::{DeployError, StatementError};
use crate::uploads;

/// By the name that a statement looks up.
type Orders = HashMap<String, Order>;

/// The statements with the names said where that makes a difference. It is an error where it would make one and they cannot
/// be said, and the statement is to run.
pub async fn say_columns<'s>(
    statements: &'s [Statement],
    courses: &[Course],
    tables: &Tables,
    declared: Option<&Catalog>,
) -> Result<Cow<'s, [Statement]>, DeployError> {
    let Some(declared) = declared else { return Ok(Cow::Borrowed(statements)) };
    let orders = orders(statements, tables, declared).await?;
    let is_about = |(at, statement): &(usize, &Statement)| {
        courses[*at] != Course::PassOver && names(statement).any(|name| orders.contains_key(&name))
    };
    let about: Vec<(usize, Statement)> =
        statements.iter().enumerate().filter(is_about).map(|(at, statement)| (at, statement.clone())).collect();
    if about.is_empty() {
        return Ok(Cow::Borrowed(statements));
    }
    let places: Vec<usize> = about.iter().map(|(at, _)| *at).collect();
    let mut said = statements.to_vec();
    for (at, text) in places.into_iter().zip(named(about, orders.clone()).await?) {
        match text {
            // No line is added, so that PostgreSQL's positions still tell the line.
            Ok(Some(text)) => said[at].text = text.into(),
            Ok(None) => {}
            Err(unnamed) if courses[at].runs() => return Err(cannot_name(&statements[at], &unnamed, &orders)),
            Err(_) => {}
        }
    }
    Ok(Cow::Owned(said))
}

async fn named(
    about: Vec<(usize, Statement)>,
    orders: Orders,
) -> Result<Vec<Result<Option<String>, Unnamed>>, DeployError> {
    reading(move || {
        let order = |schema: Option<&str>, name: &str| orders.get(&name_of(schema, name));
        about.iter().map(|(_, statement)| positional::named(&statement.text, &order)).collect()
    })
    .await
}

fn cannot_name(statement: &Statement, unnamed: &Unnamed, orders: &Orders) -> DeployError {
    let name = name_of(unnamed.0.as_deref(), &unnamed.1);
    let words = |columns: &[String]| columns.iter().map(|one| unquoted(one)).collect::<Vec<_>>().join(", ");
    let (declared, stored) =
        orders.get(&name).map(|one| (words(&one.declared), words(&one.stored))).unwrap_or_default();
    let cause = format!(
        "it goes by the order of the columns of {name}, which are declared as ({declared}) and stand in this database as \
         ({stored}), because columns that are added come last; name the columns"
    );
    DeployError::Statement(Box::new(StatementError::of(statement, SqlState::FEATURE_NOT_SUPPORTED.code(), cause)))
}

/// The relations that a statement mentions, as it looks them up.
pub fn names(statement: &Statement) -> impl Iterator<Item = String> + '_ {
    let relations = statement.needs.iter().filter(|need| need.wanted == Wanted::Relation);
    relations.map(|need| name_of(need.schema.as_deref(), &need.name))
}

/// Of those whose columns stand otherwise than declared.
async fn orders(statements: &[Statement], tables: &Tables, declared: &Catalog) -> Result<Orders, DeployError> {
    let relations: HashMap<&str, &Relation> =
        declared.relations.values().map(|relation| (relation.name.as_str(), relation)).collect();
    let views: HashMap<&str, &View> = declared.views.values().map(|view| (view.name.as_str(), view)).collect();
    let mut columns: HashMap<String, Vec<String>> = HashMap::new();
    let mut definitions: Vec<(String, String)> = Vec::new();
    for name in statements.iter().flat_map(names) {
        let Some(table) = tables.table(&name) else { continue };
        // As the catalog has it: without the schema where that is public.
        let printed = table.name.strip_prefix("public.").unwrap_or(&table.name);
        if let Some(relation) = relations.get(printed).or_else(|| relations.get(table.name.as_str())) {
            columns.insert(name, relation.columns.values().map(|column| unquoted(&column.name)).collect());
        } else if let Some(view) = views.get(printed).or_else(|| views.get(table.name.as_str())) {
            definitions.push((name, view.definition.clone()));
        }
    }
    if !definitions.is_empty() {
        columns.extend(of_views(definitions).await?);
    }
    let order = |(name, declared): (String, Vec<String>)| {
        let stored: Vec<String> = tables.table(&name)?.columns.iter().map(|column| column.name.clone()).collect();
        let differs = declared != stored && declared.iter().all(|column| stored.contains(column));
        let quoted = |columns: Vec<String>| columns.iter().map(|column| quote_ident(column)).collect();
        differs.then(|| (name, Order { declared: quoted(declared), stored: quoted(stored) }))
    };
    Ok(columns.into_iter().filter_map(order).collect())
}

async fn of_views(definitions: Vec<(String, String)>) -> Result<Vec<(String, Vec<String>)>, DeployError> {
    let columns = |(name, definition): (String, String)| Some((name, positional::columns_of_view(&definition)?));
    reading(move || definitions.into_iter().filter_map(columns).collect()).await
}

/// On a thread that may take its time, and a deep stack.
pub async fn reading<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, DeployError> {
    let read = uploads::read(move || sql::on_deep_stack(work)).await?;
    let read = read.ok_or_else(|| OrderError::NoThread("the reader stopped".to_owned()))?;
    Ok(read.map_err(|error| OrderError::NoThread(error.to_string()))?)
}

/// A name as PostgreSQL prints it, without its quotes.
fn unquoted(name: &str) -> String {
    let inside = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.map_or_else(|| name.to_owned(), |inside| inside.replace("\"\"", "\""))
}
