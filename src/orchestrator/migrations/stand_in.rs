//! Rows that a migration put into a table which a later one renamed. In a new database the table has its last name from
//! the beginning, so for the length of the statement a view stands there under the name of then.

use pg_query::NodeEnum;

use super::declared::{Declared, History, Name};
use super::read_back;
use crate::bundle::sql::{Statement, Wanted};
use crate::databases::quote_ident;
use crate::orchestrator::runner::Runner;
use crate::orchestrator::twins::qualified;

/// The views that stand there for one statement.
#[derive(Default)]
pub(super) struct StandIns(Vec<Name>);

impl StandIns {
    /// Makes one for each former name of a declared table among those that the statement reads or writes.
    pub(super) async fn make(
        runner: &Runner<'_>,
        at: usize,
        statement: &Statement,
        declared: &Declared,
        history: &History,
    ) -> Result<Self, tokio_postgres::Error> {
        let mut made = Self::default();
        if !is_about_rows(&statement.tree) {
            return Ok(made);
        }
        for need in statement.needs.iter().filter(|need| need.wanted == Wanted::Relation) {
            let name = (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone());
            let Some(table) = history.renamed_to(&name, at).filter(|table| declared.is_table(table)) else { continue };
            if declared.is_table(&name) || read_back::live(runner.client, &name).await?.exists {
                continue;
            }
            let columns = read_back::columns_in_order(runner.client, &table).await?;
            if !columns.is_empty() {
                let former = history.former_columns(&name, at, &columns);
                runner.client.batch_execute(&view(&name, &former, &table, &columns)).await?;
                runner.changed();
                made.0.push(name);
            }
        }
        Ok(made)
    }

    /// Whether one stands there under this name.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.0.contains(name)
    }

    /// Takes them away again.
    pub(super) async fn drop(self, runner: &Runner<'_>) -> Result<(), tokio_postgres::Error> {
        for name in &self.0 {
            runner.client.batch_execute(&format!("DROP VIEW {}", qualified(name))).await?;
            runner.changed();
        }
        Ok(())
    }
}

fn view(name: &Name, former: &[String], table: &Name, columns: &[String]) -> String {
    let list = |columns: &[String]| columns.iter().map(|one| quote_ident(one)).collect::<Vec<_>>().join(", ");
    format!("CREATE VIEW {} ({}) AS SELECT {} FROM {}", qualified(name), list(former), list(columns), qualified(table))
}

/// Whether a statement reads or writes rows, and makes nothing.
pub(super) fn is_about_rows(tree: &NodeEnum) -> bool {
    matches!(
        tree,
        NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_)
            | NodeEnum::SelectStmt(_)
    )
}
