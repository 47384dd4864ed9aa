//! A declared table that a migration makes with its rows: `CREATE TABLE … AS`, `SELECT … INTO`. In a new database the table is
//! there already, but not the rows: so the statement makes its table beside that one, and what it put there goes where psql
//! has it. Called by [`super::in_new`].

use pg_query::NodeEnum;
use pg_query::protobuf::{IntoClause, ObjectType};

use super::declared::{Declared, Name};
use super::history::History;
use crate::bundle::sql::Statement;

/// What it is called meanwhile: catalogs are read without names that begin like this.
const BESIDE: &str = "_stonescriptdb_gateway_made";

/// A statement that makes a table with rows.
pub(super) struct MadeWithRows {
    /// What it makes.
    pub(super) table: Name,
    /// Where its rows stand for the time being.
    pub(super) beside: Name,
    /// The same, making that.
    pub(super) statement: Statement,
}

impl MadeWithRows {
    /// `None` where it makes no table, or one without rows.
    pub(super) fn of(statement: &Statement) -> Option<Self> {
        if !makes_with_rows(&statement.tree) {
            return None;
        }
        let made = statement.object()?;
        let table = (made.schema.clone(), made.name.clone());
        let beside = (table.0.clone(), BESIDE.to_owned());
        // What is kept of these trees is not all.
        let mut tree = statement.parse()?;
        let into = match &mut tree {
            NodeEnum::CreateTableAsStmt(create) if create.objtype == ObjectType::ObjectTable as i32 => {
                create.if_not_exists = false;
                create.into.as_deref_mut()
            }
            NodeEnum::SelectStmt(select) => select.into_clause.as_deref_mut(),
            _ => None,
        };
        let into: &mut IntoClause = into.filter(|into| !into.skip_data)?;
        let relation = into.rel.as_mut()?;
        relation.catalogname.clear();
        relation.schemaname = beside.0.clone();
        relation.relname = beside.1.clone();
        let statement = statement.rewritten(tree)?;
        Some(Self { table, beside, statement })
    }

    /// Whether it finds a table of its name, which then has its own rows (`IF NOT EXISTS`).
    pub(super) fn is_there_before(&self, at: usize, history: &History) -> bool {
        history.is_made_before(&self.table, at)
    }

    /// The declared table that its rows belong into, by its last name; `None` where it takes another one's place, or the
    /// declaration puts rows there by itself.
    pub(super) fn goes_to(&self, at: usize, declared: &Declared, history: &History) -> Option<Name> {
        if history.replaces_another(&self.table, at) {
            return None;
        }
        let last = history.renamed_to(&self.table, at).unwrap_or_else(|| self.table.clone());
        (declared.is_table(&last) && !declared.filled.contains(&last)).then_some(last)
    }
}

/// Whether it fills what it makes.
pub(super) fn makes_with_rows(tree: &NodeEnum) -> bool {
    match tree {
        NodeEnum::CreateTableAsStmt(create) => create.objtype == ObjectType::ObjectTable as i32,
        NodeEnum::SelectStmt(select) => select.into_clause.is_some(),
        _ => false,
    }
}
