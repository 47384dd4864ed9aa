//! Rows of migrations whose values a declared column does not take, because a later migration gives it another type. In a new
//! database it has its last type from the beginning, and what that migration makes of the values (`USING`, an `UPDATE` or a
//! `DELETE` before it) is not run. So a statement that fails by that is left out, and told; first it is tried with the type of
//! then, for one that fails there too is wrong by itself.

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableType, ColumnDef};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::declared::{self, Declared, Name, commands};
use super::history::History;
use super::read_back;
use super::stand_in::is_about_rows;
use crate::bundle::sql::{Statement, Wanted};
use crate::databases::quote_ident;
use crate::orchestrator::functions::type_text;
use crate::orchestrator::runner::{Failure, Runner};
use crate::orchestrator::twins::qualified;

/// PostgreSQL's codes for a value that is none of a column's type, or that an operator or a function does not take.
const UNFIT: &[SqlState] = &[
    SqlState::INVALID_TEXT_REPRESENTATION,
    SqlState::INVALID_BINARY_REPRESENTATION,
    SqlState::INVALID_DATETIME_FORMAT,
    SqlState::DATETIME_FIELD_OVERFLOW,
    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
    SqlState::STRING_DATA_RIGHT_TRUNCATION,
    SqlState::DATATYPE_MISMATCH,
    SqlState::CANNOT_COERCE,
    SqlState::UNDEFINED_FUNCTION,
];

/// The statements of migrations that say of which type columns are, with their numbers.
pub(super) struct FormerTypes(Vec<(usize, Statement)>);

/// A column, and what makes it be of the type of then.
struct Retyped {
    name: String,
    sql: String,
}

impl FormerTypes {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn of(migrations: &[&Statement]) -> Self {
        let tells = |statement: &Statement| {
            matches!(statement.tree.as_ref(), NodeEnum::CreateStmt(_) | NodeEnum::AlterTableStmt(_))
        };
        let telling = migrations.iter().enumerate().filter(|(_, statement)| tells(statement));
        Self(telling.map(|(at, statement)| (at, (*statement).clone())).collect())
    }

    /// Why statement number `at` is left out; `None` where it failed for another reason.
    pub(super) async fn explain(
        &self,
        runner: &Runner<'_>,
        (at, statement): (usize, &Statement),
        failure: &Failure,
        (declared, history): (&Declared, &History),
    ) -> Result<Option<String>, Error> {
        if !is_about_rows(&statement.tree) || !failure.is_one_of(UNFIT) {
            return Ok(None);
        }
        let retyped = self.retyped(runner, (at, statement), declared, history).await?;
        if retyped.is_empty() || !works_with(runner, statement, &retyped).await? {
            return Ok(None);
        }
        let names: Vec<&str> = retyped.iter().map(|one| one.name.as_str()).collect();
        Ok(Some(format!(
            "a later migration gives {} another type, which the declaration has already ({})",
            names.join(", "),
            failure.error.cause
        )))
    }

    /// The columns of declared tables in the statement that get another type later on.
    async fn retyped(
        &self,
        runner: &Runner<'_>,
        (at, statement): (usize, &Statement),
        declared: &Declared,
        history: &History,
    ) -> Result<Vec<Retyped>, Error> {
        let mut retyped = Vec::new();
        for need in statement.needs.iter().filter(|need| need.wanted == Wanted::Relation) {
            let table = (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone());
            if !declared.is_table(&table) {
                continue;
            }
            let columns = read_back::columns_in_order(runner.client, &table).await?;
            for column in columns.iter().filter(|column| history.is_of_other_type(&table, column, at)) {
                // Of a table that no migration makes nothing tells; a text takes what is written as a constant.
                let of_type = self.of_column(&table, column, at).unwrap_or_else(|| "text".to_owned());
                let (name, quoted) = (format!("{}.{column}", table.1), quote_ident(column));
                let sql = format!(
                    "ALTER TABLE {} ALTER COLUMN {quoted} DROP DEFAULT, ALTER COLUMN {quoted} TYPE {of_type} USING {quoted}::text::{of_type};",
                    qualified(&table)
                );
                retyped.push(Retyped { name, sql });
            }
        }
        Ok(retyped)
    }

    /// The type of a column before statement number `at`, as the last one that tells has it.
    fn of_column(&self, table: &Name, column: &str, at: usize) -> Option<String> {
        let before = self.0.iter().rev().filter(|(number, _)| *number < at);
        before.filter(|(_, statement)| is_about(statement, table)).find_map(|(_, statement)| told(statement, column))
    }
}

fn is_about(statement: &Statement, table: &Name) -> bool {
    let made = statement.object().map(|made| (made.schema.clone(), made.name.clone()));
    declared::altered(&statement.tree).or(made).as_ref() == Some(table)
}

/// The type that a statement gives a column.
fn told(statement: &Statement, column: &str) -> Option<String> {
    let of = |definition: &ColumnDef| type_text(definition.type_name.as_ref()?);
    match statement.parse()? {
        NodeEnum::CreateStmt(create) => create.table_elts.iter().find_map(|element| match &element.node {
            Some(NodeEnum::ColumnDef(one)) if one.colname == column => of(one),
            _ => None,
        }),
        NodeEnum::AlterTableStmt(alter) => commands(&alter).find_map(|command| {
            let Some(NodeEnum::ColumnDef(one)) = command.def.as_ref().and_then(|def| def.node.as_ref()) else {
                return None;
            };
            match AlterTableType::try_from(command.subtype) {
                Ok(AlterTableType::AtAddColumn) if one.colname == column => of(one),
                Ok(AlterTableType::AtAlterColumnType) if command.name == column => of(one),
                _ => None,
            }
        }),
        _ => None,
    }
}

/// Whether the statement runs while the columns are of the types of then. Nothing of that stays.
async fn works_with(runner: &Runner<'_>, statement: &Statement, retyped: &[Retyped]) -> Result<bool, Error> {
    runner.client.batch_execute("SAVEPOINT former_types").await?;
    let sql: String = retyped.iter().map(|one| one.sql.as_str()).collect();
    let works = match runner.client.batch_execute(&sql).await {
        Ok(()) => runner.run(statement).await.is_ok(),
        Err(error) if error.as_db_error().is_some() => false,
        Err(error) => return Err(error),
    };
    if works {
        runner.forget_last();
    }
    runner.changed();
    runner.client.batch_execute("ROLLBACK TO SAVEPOINT former_types; RELEASE SAVEPOINT former_types").await?;
    Ok(works)
}
