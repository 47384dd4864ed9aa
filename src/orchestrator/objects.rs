//! Everything that is neither table, type nor function: views, indexes, triggers, policies, sequences, comments. Makes
//! it, or replaces what stands in its place.

use pg_query::NodeEnum;
use pg_query::protobuf::{ObjectType, RangeVar};
use tokio_postgres::error::SqlState;

use super::dependants::{self, Fate};
use super::runner::{Failure, Runner};
use super::tracking::NameOf;
use super::twins;
use crate::bundle::sql::Statement;
use crate::databases::{Under, quote_ident};

/// Runs the statement; `false` where what it makes was there already. `may_exist`: that is then no error.
pub async fn create(runner: &Runner<'_>, statement: &Statement, may_exist: bool) -> Result<bool, Failure> {
    let table = if may_exist { may_have_twin(statement) } else { None };
    let result = match (&table, or_replace(statement)) {
        (Some(table), _) => twins::run(runner, statement, table).await,
        (None, Some((sql, prefix))) if may_exist => runner.run_as(statement, &sql, prefix).await.map(|_| true),
        (None, _) => runner.run(statement).await.map(|_| true),
    };
    let failure = match result {
        Ok(made) => return Ok(made),
        Err(failure) if may_exist && failure.is_one_of(EXISTS) => failure,
        Err(failure) => return Err(failure),
    };
    if let Some(view) = view_of(statement) {
        // Another kind of view, other columns: what is there is dropped, with its dependants put back after it.
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        let roots = dependants::relation(runner.client, Under::Path(&runner.path()), view, Fate::Replaced)
            .await
            .map_err(failed)?;
        if roots.is_empty() {
            return Err(failure);
        }
        return runner.run_in_place_of(statement, &roots).await.map(|_| true);
    }
    match drop_of(statement) {
        // Changed, so what is there gives way.
        Some(drop) => runner.run_as(statement, &format!("{drop};{}", statement.text), drop.chars().count() + 1).await,
        None if replaced_by_hand(statement) => return Err(failure),
        None => return Ok(false),
    }
    .map(|_| true)
}

const CREATE: &str = "CREATE";

/// The statement with `OR REPLACE`, where PostgreSQL has that for it, and how much longer that makes it.
fn or_replace(statement: &Statement) -> Option<(String, usize)> {
    const OR_REPLACE: &str = " OR REPLACE";
    let replaces = match statement.tree.as_ref() {
        NodeEnum::ViewStmt(create) => create.replace,
        NodeEnum::DefineStmt(define) if define.kind == ObjectType::ObjectAggregate as i32 => define.replace,
        _ => return None,
    };
    let rest = statement.text.get(CREATE.len()..).filter(|_| !replaces)?;
    Some((format!("{CREATE}{OR_REPLACE}{rest}"), OR_REPLACE.len()))
}

/// The view that the statement makes.
fn view_of(statement: &Statement) -> Option<&RangeVar> {
    match statement.tree.as_ref() {
        NodeEnum::ViewStmt(create) => create.view.as_ref(),
        NodeEnum::CreateTableAsStmt(create) if create.objtype == ObjectType::ObjectMatview as i32 => {
            create.into.as_ref()?.rel.as_ref()
        }
        _ => None,
    }
}

/// The table to which the statement adds an index or a constraint.
fn may_have_twin(statement: &Statement) -> Option<(String, String)> {
    let table = match statement.tree.as_ref() {
        NodeEnum::IndexStmt(create) => create.relation.as_ref()?,
        NodeEnum::AlterTableStmt(alter) => alter.relation.as_ref()?,
        _ => return None,
    };
    let schema = if table.schemaname.is_empty() { "public" } else { &table.schemaname };
    Some((schema.to_owned(), table.relname.clone()))
}

/// PostgreSQL's codes for "exists already", also in another form. `INVALID_TABLE_DEFINITION` is that of a second primary
/// key, and of a view whose columns differ.
const EXISTS: &[SqlState] = &[
    SqlState::DUPLICATE_OBJECT,
    SqlState::DUPLICATE_TABLE,
    SqlState::DUPLICATE_FUNCTION,
    SqlState::DUPLICATE_SCHEMA,
    SqlState::INVALID_TABLE_DEFINITION,
    // A view where there is another kind of relation.
    SqlState::WRONG_OBJECT_TYPE,
];

/// The statement that makes room for one that only replaces what was made from it before.
fn drop_of(statement: &Statement) -> Option<String> {
    match statement.tree.as_ref() {
        NodeEnum::CreateTrigStmt(create) => {
            Some(format!("DROP TRIGGER {} ON {}", quote_ident(&create.trigname), relation(create.relation.as_ref()?)))
        }
        NodeEnum::CreatePolicyStmt(create) => {
            Some(format!("DROP POLICY {} ON {}", quote_ident(&create.policy_name), relation(create.table.as_ref()?)))
        }
        NodeEnum::RuleStmt(create) => {
            Some(format!("DROP RULE {} ON {}", quote_ident(&create.rulename), relation(create.relation.as_ref()?)))
        }
        _ => None,
    }
}

/// Whether "exists already" leaves the old one standing although the new one may say something else.
fn replaced_by_hand(statement: &Statement) -> bool {
    matches!(statement.tree.as_ref(), NodeEnum::DefineStmt(_))
}

fn relation(name: &RangeVar) -> String {
    if name.schemaname.is_empty() {
        return quote_ident(&name.relname);
    }
    format!("{}.{}", quote_ident(&name.schemaname), quote_ident(&name.relname))
}

/// Kind and name for the changelog.
pub fn described(statement: &Statement) -> (&'static str, NameOf, String) {
    let made = |kind, name: Option<&RangeVar>| (kind, NameOf::Relation, name.map(relation).unwrap_or_default());
    let part = |kind, part: &str, name: Option<&RangeVar>| {
        let table = name.map(relation).unwrap_or_default();
        (kind, NameOf::Text, format!("{} ON {table}", quote_ident(part)))
    };
    let text = |kind| (kind, NameOf::Text, beginning(&statement.text));
    match statement.tree.as_ref() {
        NodeEnum::ViewStmt(create) => made("CreateView", create.view.as_ref()),
        NodeEnum::CreateTableAsStmt(create) => {
            made("CreateMaterializedView", create.into.as_ref().and_then(|into| into.rel.as_ref()))
        }
        NodeEnum::CreateSeqStmt(create) => made("CreateSequence", create.sequence.as_ref()),
        NodeEnum::IndexStmt(create) if !create.idxname.is_empty() => {
            let name = RangeVar { relname: create.idxname.clone(), ..create.relation.clone().unwrap_or_default() };
            made("CreateIndex", Some(&name))
        }
        NodeEnum::CreateTrigStmt(create) => part("CreateTrigger", &create.trigname, create.relation.as_ref()),
        NodeEnum::CreatePolicyStmt(create) => part("CreatePolicy", &create.policy_name, create.table.as_ref()),
        NodeEnum::RuleStmt(create) => part("CreateRule", &create.rulename, create.relation.as_ref()),
        NodeEnum::IndexStmt(_) => text("CreateIndex"),
        NodeEnum::DefineStmt(_) => text("Define"),
        NodeEnum::AlterTableStmt(_) => text("AlterTable"),
        NodeEnum::CommentStmt(_) => text("Comment"),
        NodeEnum::GrantStmt(_) => text("Grant"),
        NodeEnum::CreateSchemaStmt(_) => text("CreateSchema"),
        _ => text("Execute"),
    }
}

/// The first words of a statement, for people.
pub fn beginning(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}
