//! Everything that is neither table, type nor function: views, indexes, triggers, policies, sequences, comments. Makes
//! it, or replaces what stands in its place.

mod giving_way;
pub mod subject;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableType, ConstrType, ObjectType, RangeVar};
use tokio_postgres::error::SqlState;

use self::giving_way::GivingWay;
use super::dependants::{self, Fate, Root};
use super::runner::{FailedIn, Failure, Runner};
use super::tracking::NameOf;
use super::twins;
use crate::bundle::sql::{Statement, facts};
use crate::databases::{Under, quote_ident};

/// Runs the statement; `false` where what it makes was there already. `may_exist`: that is then no error. `is_declared`:
/// of a table by its schema and name, unquoted, and an index or a constraint of it, as PostgreSQL prints that, whether the
/// declaration has it; what has been made without a name and is not is made by the declaration's own statement later.
/// `is_named`: whether a statement of the bundle declares it by that name.
pub async fn create(
    runner: &Runner<'_>,
    statement: &Statement,
    may_exist: bool,
    is_declared: impl Fn(&(String, String), &str) -> bool,
    is_named: impl Fn(&(String, String), &str) -> bool,
) -> Result<bool, Failure> {
    let table = if may_exist { may_have_twin(statement) } else { None };
    let result = match (&table, or_replace(statement)) {
        (Some(table), _) => {
            let is_unnamed = is_unnamed(&statement.tree);
            let is_declared = |name: &str| !is_unnamed || is_declared(table, name);
            twins::run(runner, statement, table, is_declared, |name| !is_unnamed && is_named(table, name)).await
        }
        (None, Some((sql, prefix))) if may_exist => runner.run_as(statement, &sql, prefix).await.map(|_| true),
        (None, _) => runner.run(statement).await.map(|_| true),
    };
    match result {
        Err(failure) if may_exist && says_that_it_exists(&failure, &statement.tree) => {
            replace(runner, statement, failure).await
        }
        result => result,
    }
}

/// What the statement makes is there, perhaps in another form. `refused`: PostgreSQL's words about that.
async fn replace(runner: &Runner<'_>, statement: &Statement, refused: Failure) -> Result<bool, Failure> {
    let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
    if let Some(view) = view_of(statement) {
        // Another kind of view, other columns: what is there is dropped, with its dependants put back after it.
        let roots = dependants::relation(runner.client, Under::Path(&runner.path(statement)), view, Fate::Replaced)
            .await
            .map_err(failed)?;
        if roots.is_empty() {
            return Err(refused);
        }
        return runner.run_in_place_of(statement, &roots).await.map(|_| true);
    }
    let preceded = |drop: &str| (format!("{drop};{}", statement.text), drop.chars().count() + 1);
    match giving_way::of(&statement.tree) {
        Some(GivingWay::Plainly(drop)) => {
            let (sql, prefix) = preceded(&drop);
            runner.run_as(statement, &sql, prefix).await.map(|_| true)
        }
        Some(GivingWay::WithDependants(drop)) => {
            let (sql, prefix) = preceded(&drop);
            let result = runner.run_dropping(statement, &sql, prefix, &drop).await.map(|_| true);
            result.map_err(|failure| changed(in_use(failure, &statement.tree)))
        }
        Some(GivingWay::AsHeir(drop)) => {
            let roots = dependants::roots_of_text(runner.client, Under::Path(&runner.path(statement)), &drop).await;
            let roots: Vec<Root> = roots.map_err(failed)?;
            if roots.is_empty() {
                return Err(changed(refused));
            }
            let replaced = roots.into_iter().map(|root| Root { fate: Fate::Replaced, ..root }).collect::<Vec<_>>();
            runner.run_in_place_of(statement, &replaced).await.map(|_| true).map_err(changed)
        }
        None if is_compared(&statement.tree) => Ok(false),
        None => Err(changed(refused)),
    }
}

/// Nothing of the gateway's can bring what is there to what the statement says now.
fn changed(mut failure: Failure) -> Failure {
    failure.error.hint.get_or_insert_with(|| {
        "what is there was made by an earlier form of this statement; write a migration that changes or drops it"
            .to_owned()
    });
    failure
}

/// What depends on it cannot stand aside. PostgreSQL's own hint is `CASCADE`, which would take away columns.
fn in_use(mut failure: Failure, tree: &NodeEnum) -> Failure {
    let Some((noun, way)) = way_of(tree).filter(|_| failure.is_one_of(&[SqlState::DEPENDENT_OBJECTS_STILL_EXIST]))
    else {
        return failure;
    };
    failure.error.cause = format!("{noun} was changed, and what is there cannot be exchanged: {}", failure.error.cause);
    failure.error.hint = Some(format!("write a migration that brings it to this form: {way}"));
    failure
}

/// What it is called, and how a migration changes it under what depends on it.
fn way_of(tree: &NodeEnum) -> Option<(&'static str, &'static str)> {
    let NodeEnum::DefineStmt(define) = tree else { return None };
    Some(match ObjectType::try_from(define.kind) {
        Ok(ObjectType::ObjectCollation) => (
            "the collation",
            "make the new one under another name, have columns, indexes and the rest use that (ALTER TABLE … ALTER COLUMN … TYPE … \
             COLLATE …), drop the old one and rename the new one",
        ),
        Ok(ObjectType::ObjectTsdictionary) => (
            "the text search dictionary",
            "ALTER TEXT SEARCH DICTIONARY … changes its options in place; what indexes and columns hold was worked out with the old \
             ones and has to be worked out anew",
        ),
        Ok(ObjectType::ObjectTsconfiguration) => (
            "the text search configuration",
            "ALTER TEXT SEARCH CONFIGURATION … changes its mappings in place; what indexes and columns hold was worked out with the \
             old ones and has to be worked out anew",
        ),
        Ok(ObjectType::ObjectTsparser) => ("the text search parser", ANOTHER_NAME),
        Ok(ObjectType::ObjectTstemplate) => ("the text search template", ANOTHER_NAME),
        _ => return None,
    })
}

const ANOTHER_NAME: &str = "make the new one under another name, make what the detail names anew with that, drop the old one and \
                            rename the new one";

/// Whether what is there is held against the declaration later on, or is none of one database's.
fn is_compared(tree: &NodeEnum) -> bool {
    match tree {
        NodeEnum::IndexStmt(_)
        | NodeEnum::AlterTableStmt(_)
        | NodeEnum::AlterDomainStmt(_)
        | NodeEnum::AlterEnumStmt(_)
        | NodeEnum::AlterPublicationStmt(_)
        | NodeEnum::CreateSeqStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::CreateStatsStmt(_)
        | NodeEnum::CreateExtensionStmt(_) => true,
        // Of what stands inside of it nothing would be made.
        NodeEnum::CreateSchemaStmt(create) => create.schema_elts.is_empty(),
        _ => false,
    }
}

const CREATE: &str = "CREATE";

/// Of what belongs to text search PostgreSQL does not ask beforehand whether it is there.
fn says_that_it_exists(failure: &Failure, tree: &NodeEnum) -> bool {
    failure.failed_in != FailedIn::Code
        && (failure.is_one_of(EXISTS)
            || matches!(tree, NodeEnum::DefineStmt(_)) && failure.is_one_of(&[SqlState::UNIQUE_VIOLATION]))
}

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

/// Whether it adds an index or a constraint without a name, for which PostgreSQL picks one that is free.
fn is_unnamed(tree: &NodeEnum) -> bool {
    match tree {
        NodeEnum::IndexStmt(create) => create.idxname.is_empty(),
        NodeEnum::AlterTableStmt(alter) => alter.cmds.iter().filter_map(facts::command_of).any(|command| {
            let added = command.def.as_deref().and_then(|def| def.node.as_ref());
            let adds = command.subtype == AlterTableType::AtAddConstraint as i32;
            // A primary key's name is that of its table.
            matches!(added, Some(NodeEnum::Constraint(one))
                if adds && one.conname.is_empty() && one.contype != ConstrType::ConstrPrimary as i32)
        }),
        _ => false,
    }
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
    // An aggregate of another type.
    SqlState::INVALID_FUNCTION_DEFINITION,
];

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
