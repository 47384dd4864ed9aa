//! Rows that a migration put into a table which a later one renamed. In a new database the table has its last name from
//! the beginning, so for the length of the statement a view stands there under the name of then. A foreign key or a view of
//! something else cannot refer to a view in its stead: for such a statement the table has its former name.

use pg_query::NodeEnum;

use super::declared::{Declared, Name};
use super::history::History;
use super::made_with_rows::makes_with_rows;
use super::read_back;
use crate::bundle::sql::{Statement, Wanted};
use crate::databases::quote_ident;
use crate::orchestrator::runner::Runner;
use crate::orchestrator::twins::qualified;

/// What stands under former names for one statement.
#[derive(Default)]
pub(super) struct StandIns {
    views: Vec<Name>,
    /// Tables by their former and their last names.
    renamed: Vec<(Name, Name)>,
}

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
        let is_about_rows = is_about_rows(&statement.tree);
        if !is_about_rows && !may_refer(&statement.tree, declared) {
            return Ok(made);
        }
        for need in statement.needs.iter().filter(|need| need.wanted == Wanted::Relation) {
            let name = (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone());
            let Some(table) = history.renamed_to(&name, at).filter(|table| declared.is_table(table)) else { continue };
            let is_altered = !is_about_rows && super::declared::altered(&statement.tree).as_ref() == Some(&name);
            if is_altered || declared.is_table(&name) || read_back::live(runner.client, &name).await?.exists {
                continue;
            }
            if !is_about_rows {
                if name.0 == table.0 {
                    rename(runner, &table, &name).await?;
                    made.renamed.push((name, table));
                }
                continue;
            }
            let columns = read_back::columns_in_order(runner.client, &table).await?;
            if !columns.is_empty() {
                let former = history.former_columns(&name, at, &columns);
                runner.client.batch_execute(&view(&name, &former, &table, &columns)).await?;
                runner.changed();
                made.views.push(name);
            }
        }
        Ok(made)
    }

    /// Whether one stands there under this name.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.views.contains(name)
    }

    /// Takes them away again.
    pub(super) async fn drop(self, runner: &Runner<'_>) -> Result<(), tokio_postgres::Error> {
        for (former, last) in &self.renamed {
            rename(runner, former, last).await?;
        }
        for name in &self.views {
            runner.client.batch_execute(&format!("DROP VIEW {}", qualified(name))).await?;
            runner.changed();
        }
        Ok(())
    }
}

/// Whether a statement makes something beside what is declared that may refer to a table.
fn may_refer(tree: &NodeEnum, declared: &Declared) -> bool {
    match tree {
        NodeEnum::CreateStmt(_) | NodeEnum::ViewStmt(_) | NodeEnum::CreateTableAsStmt(_) => true,
        NodeEnum::AlterTableStmt(alter) => {
            alter.relation.as_ref().is_some_and(|table| !declared.is_table(&super::declared::name(table)))
        }
        _ => false,
    }
}

async fn rename(runner: &Runner<'_>, table: &Name, name: &Name) -> Result<(), tokio_postgres::Error> {
    let sql = format!("ALTER TABLE {} RENAME TO {}", qualified(table), quote_ident(&name.1));
    runner.changed();
    runner.client.batch_execute(&sql).await
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

/// Whether rows may come or go with a statement, also by code that it runs, and whatever it makes besides.
pub(super) fn may_change_rows(tree: &NodeEnum) -> bool {
    is_about_rows(tree)
        || makes_with_rows(tree)
        || matches!(
            tree,
            NodeEnum::CallStmt(_)
                | NodeEnum::CopyStmt(_)
                | NodeEnum::DoStmt(_)
                | NodeEnum::ExecuteStmt(_)
                | NodeEnum::ExplainStmt(_)
        )
}
