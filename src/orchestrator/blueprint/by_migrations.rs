//! A new database the other way round. Usually the declaration comes first and is final, and of the migrations only what it
//! has not made runs. A long history of migrations can lead to the declaration by itself, through tables and types that
//! have been replaced under their names and through names that were somebody else's for a while. Where such a history
//! cannot be run over the declaration, or would leave there what it takes away itself, and where it writes rows, which depend on
//! all that is there at that time, its migrations run as they are written; and if they come to exactly what is declared, that is
//! the new database. Pure. Called by [`super`].

use std::collections::{BTreeSet, HashMap, HashSet};

use pg_query::NodeEnum;

use crate::bundle::Kind;
use crate::bundle::order::{OrderError, Script};
use crate::bundle::sql::{Class, Statement, Wanted, facts};
use crate::orchestrator::catalog::things::{self, Thing, parts_of_name};
use crate::orchestrator::catalog::{Catalog, EnumType, Relation};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::migrations::{self, DeclaredText, Event, vanished};
use crate::orchestrator::verify;

/// Whether a new database may be had this way that could not be had the usual way.
pub(super) fn may_help(refusal: &DeployError) -> bool {
    match refusal {
        // Where the statement of a function is wrong, it is wrong in either way.
        DeployError::Statement(error) => {
            ["migrations/", "tables/", "types/"].iter().any(|folder| error.path.starts_with(folder))
        }
        DeployError::Order(OrderError::Circle { .. })
        | DeployError::Generated { .. }
        | DeployError::Standing { .. }
        | DeployError::Dependants { .. }
        | DeployError::AtCommit { .. } => true,
        _ => false,
    }
}

/// Whether it says something of the migrations that did not run alone, and not of what may be otherwise next time: a lost connection or
/// lock, a full disk, the time that is up. `PostgreSQL Error Codes`: the classes of the server's state.
pub(super) fn is_about_the_bundle(error: &DeployError) -> bool {
    let is_of_the_moment = error.sqlstate_of_postgres().is_some_and(|code| {
        let class = code.get(..2).unwrap_or_default();
        matches!(class, "08" | "40" | "53" | "57" | "58" | "XX") || code == "55P03"
    });
    let is_of_the_bundle = matches!(
        error,
        DeployError::Statement(_)
            | DeployError::Order(_)
            | DeployError::Generated { .. }
            | DeployError::Standing { .. }
            | DeployError::Dependants { .. }
            | DeployError::AtCommit { .. }
            | DeployError::NoValue { .. }
            | DeployError::Differs { .. }
            | DeployError::Blocked { .. }
            | DeployError::RowsMissing { .. }
    );
    is_of_the_bundle && !is_of_the_moment
}

/// Whether a bundle has both a declaration and migrations.
pub(super) fn has_both(script: &Script) -> bool {
    let is_migration = |one: &&crate::bundle::sql::Statement| one.kind == Kind::Migrations;
    script.statements.iter().any(|one| is_migration(&one)) && script.statements.iter().any(|one| one.kind.is_final())
}

/// Whether migrations write rows beside a declaration. If they may run without it, the rows are those that psql has by them, whatever
/// they, or code that they run, find on the way there; over the declaration they would find its last state.
pub(super) fn writes_rows(script: &Script) -> bool {
    has_both(script) && migrations::writes_rows(&script.statements)
}

/// Whether no migration needs a table that is declared and that none before it has made. Such a one is made as it is declared first,
/// so that rows meet its last state in either way.
pub(super) fn may_stand_alone(script: &Script) -> bool {
    let text = DeclaredText::of(&script.statements, &script.extensions);
    let (migrations, declared): (Vec<_>, Vec<_>) =
        script.statements.iter().partition(|one| one.kind == Kind::Migrations);
    let views: HashMap<_, _> = declared
        .iter()
        .filter(|one| matches!(one.tree.as_ref(), NodeEnum::ViewStmt(_) | NodeEnum::CreateTableAsStmt(_)))
        .filter_map(|one| one.object().map(|made| ((made.schema.clone(), made.name.clone()), *one)))
        .collect();
    let runs_code = migrations::running_code(&script.statements);
    let mut made: HashSet<(String, String)> = HashSet::new();
    // Views of tables that are made: these stay so.
    let mut seen = HashSet::new();
    for statement in migrations {
        // It may have made anything: whether it has is seen when all has run.
        if runs_code(statement) {
            return true;
        }
        // What it makes stands among what it needs.
        let relation = |made: &&crate::bundle::sql::Object| made.class == Class::Relation;
        made.extend(statement.makes.iter().filter(relation).map(|made| (made.schema.clone(), made.name.clone())));
        let mut waiting = relations(statement);
        while let Some(name) = waiting.pop() {
            if made.contains(&name) || !seen.insert(name.clone()) {
                continue;
            }
            if text.tables.contains(&name) {
                return false;
            }
            waiting.extend(views.get(&name).map(|view| relations(view)).unwrap_or_default());
        }
        made.extend(migrations::events_of(&statement.tree).into_iter().filter_map(|event| match event {
            Event::RenameTable(_, new) => Some(new),
            _ => None,
        }));
    }
    true
}

/// The names of the relations that a statement needs.
fn relations(statement: &Statement) -> Vec<(String, String)> {
    let needed = statement.needs.iter().filter(|need| need.wanted == Wanted::Relation);
    needed.map(|need| (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone())).collect()
}

/// What acts on rows by the declaration that are there before it by the migrations, in words.
pub(super) fn acting_later(script: &Script) -> Option<String> {
    migrations::acting_later(&script.statements, &DeclaredText::of(&script.statements, &script.extensions))
}

/// The declaration without the migrations, and without rows.
pub(super) fn declaration(script: &Script) -> Script {
    let statements = script.statements.iter().filter(|one| one.kind != Kind::Migrations).cloned().collect();
    Script { statements, seeds: Vec::new(), migrations: Vec::new(), ..script.clone() }
}

/// Whether something is there that the migrations themselves have taken away in the end, and that nobody declares; a value of
/// an enum, for one, or those of a column that went and came back.
pub(super) fn has_left_overs(script: &Script, found: &Catalog) -> bool {
    let migrations: Vec<_> = script.statements.iter().filter(|one| one.kind == Kind::Migrations).collect();
    let gone = vanished(&migrations);
    if gone.has_columns_anew {
        return true;
    }
    let text = DeclaredText::of(&script.statements, &script.extensions);
    let is_left = |thing: &Thing| {
        let name = parts_of_name(&thing.object);
        let table = thing.table.as_deref().map(parts_of_name);
        match (thing.kind, table) {
            (things::Kind::Constraint, Some(table)) => gone.constraints.contains(&(table, name.1)),
            (things::Kind::Index, Some((schema, _))) => {
                let name = (schema, name.1);
                gone.relations.contains(&name) && !text.has_relation(&name)
            }
            (things::Kind::Table | things::Kind::View, _) => {
                gone.relations.contains(&name) && !text.has_relation(&name)
            }
            (things::Kind::Type, _) => gone.types.contains(&name) && !text.types.contains(&name),
            _ => false,
        }
    };
    let more_values = |enumeration: &EnumType| {
        let values = declared_values(script, &parts_of_name(&enumeration.name));
        values.is_some_and(|values| enumeration.values.iter().any(|value| !values.contains(value)))
    };
    found.things().iter().any(is_left) || found.enums.values().any(more_values)
}

fn declared_values(script: &Script, name: &(String, String)) -> Option<Vec<String>> {
    let declared = script.statements.iter().filter(|one| one.kind != Kind::Migrations);
    declared.filter(|one| one.makes.iter().any(|made| (&made.schema, &made.name) == (&name.0, &name.1))).find_map(
        |one| match one.tree.as_ref() {
            NodeEnum::CreateEnumStmt(create) => Some(facts::words(&create.vals)),
            _ => None,
        },
    )
}

/// Whether all is there as it is declared, and nothing more in what is declared: the names of what only the migrations made,
/// or the first difference.
pub(super) fn compare(declared: &Catalog, found: &Catalog) -> Result<BTreeSet<String>, String> {
    let wanted: Vec<&Thing> = declared.things().iter().collect();
    if let Some(first) = verify::differences(&wanted, found.things()).into_iter().next() {
        return Err(first.words);
    }
    let names: HashSet<&str> = wanted.iter().map(|thing| thing.name.as_str()).collect();
    let whole = |thing: &&&Thing| matches!(thing.kind, things::Kind::Table | things::Kind::Type);
    let owners: HashSet<&str> = wanted.iter().filter(whole).map(|thing| thing.object.as_str()).collect();
    let more: Vec<&Thing> = found.things().iter().filter(|thing| !names.contains(thing.name.as_str())).collect();
    let owner = |thing: &Thing| {
        let table = thing.table.as_deref()?;
        owners.get(table.strip_prefix("domain ").unwrap_or(table)).copied()
    };
    match more.iter().find(|thing| owner(thing).is_some()) {
        Some(thing) => Err(format!("{} is not declared", thing.name)),
        None => Ok(more.into_iter().map(|thing| thing.name.clone()).collect()),
    }
}

/// The first table whose columns stand in another order than where it is declared from the beginning.
pub(super) fn in_another_order(declared: &Catalog, found: &Catalog) -> Option<String> {
    let columns = |relation: &Relation| relation.columns.values().map(|one| one.name.clone()).collect::<Vec<_>>();
    let found: HashMap<&str, Vec<String>> =
        found.relations.values().map(|relation| (relation.name.as_str(), columns(relation))).collect();
    let mut declared = declared.relations.values();
    let other = declared.find(|one| found.get(one.name.as_str()).is_some_and(|found| *found != columns(one)));
    other.map(|one| one.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Rules, SourceFile, sql};

    #[test]
    fn migrations_that_write_rows_may_run_alone_where_they_make_what_they_use() {
        const T: &str = "create table t (id int)";
        for (migrations, expected) in [
            ("create table t (id int); insert into t values (1)", true),
            ("create table t (id int); create index on t (id)", false),
            ("insert into t values (1)", false),
            ("alter table t add x int; update t set x = 1", false),
            ("insert into seen select 1", false),
            (
                "create table other (id int); insert into other values (1); alter table other rename to t; delete from t",
                true,
            ),
            ("create table other (id int); insert into other select id from t", false),
            ("create table other as select * from seen", false),
            ("do $$ begin create table t (id int); end $$; insert into t values (1)", true),
            ("select f(); insert into t values (1)", true),
            ("select set_config('search_path', '', false); insert into t values (1)", false),
            ("create table t as select 1 as id", true),
        ] {
            let read = |kind, path: &str, text: &str| {
                let file = SourceFile { kind, path: path.to_owned(), text: text.into() };
                sql::read(&file, Rules::Current).expect("it is SQL").statements
            };
            let mut statements = read(Kind::Tables, "tables/t.sql", T);
            statements.extend(read(Kind::Views, "views/v.sql", "create view seen as select * from t"));
            let function = "create function f() returns int language sql as 'select 1'";
            statements.extend(read(Kind::Functions, "functions/f.sql", function));
            statements.extend(read(Kind::Migrations, "migrations/1.sql", migrations));
            let script = Script { statements, ..Script::default() };
            assert_eq!(writes_rows(&script) && may_stand_alone(&script), expected, "{migrations}");
        }
    }
}
