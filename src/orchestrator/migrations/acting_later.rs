//! What a migration says of a declared table after rows were put there, and what does something to rows without an error: a
//! trigger, a rule, a policy that the owner keeps to as well, a foreign key that cascades, a default, another type by an
//! expression. In a new database the declaration has it from the beginning, so it would act on the rows of earlier statements.
//! Pure; read from the statements' text.

use std::collections::HashSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableCmd, AlterTableType, ConstrType, Constraint, Node, RangeVar};

use super::declared;
use super::stand_in::may_change_rows;
use super::text::DeclaredText;
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Statement, Wanted};

/// The first statement of a migration that changes rows before a later one says what acts on rows, and that one, in words;
/// `None` where there are no such two. `statements`: all of a bundle's, in the order in which they run.
pub fn acting_later(statements: &[Statement], text: &DeclaredText) -> Option<String> {
    let routines = own_routines(statements);
    let (mut first, mut first_on_conflict): (Option<&Statement>, Option<&Statement>) = (None, None);
    for statement in statements.iter().filter(|one| one.kind == Kind::Migrations) {
        let acting = acts(statement, text);
        let earlier = match acting {
            Acting::Nothing => None,
            Acting::OnConflict => first_on_conflict,
            Acting::OnRows => first,
        };
        if let Some(earlier) = earlier {
            return Some(format!(
                "{} line {} changes rows before {} line {} says what is done to rows",
                earlier.path, earlier.line, statement.path, statement.line
            ));
        }
        if changes_rows(statement, &routines) {
            first = first.or(Some(statement));
            if first_on_conflict.is_none() && says_on_conflict(statement) {
                first_on_conflict = Some(statement);
            }
        }
    }
    None
}

/// Whether a migration may put rows somewhere, change or remove them.
pub fn writes_rows(statements: &[Statement]) -> bool {
    let routines = own_routines(statements);
    statements.iter().any(|one| one.kind == Kind::Migrations && changes_rows(one, &routines))
}

/// The migrations with which code runs that nobody has read: what it makes and uses is not known.
pub fn running_code<'a>(statements: &'a [Statement]) -> impl Fn(&Statement) -> bool + 'a {
    let routines = own_routines(statements);
    move |statement| match statement.tree.as_ref() {
        NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) | NodeEnum::ExecuteStmt(_) => true,
        NodeEnum::SelectStmt(_) => changes_rows(statement, &routines),
        _ => false,
    }
}

/// The names of what a bundle itself makes to be called.
fn own_routines(statements: &[Statement]) -> HashSet<&str> {
    let made = statements.iter().flat_map(|one| &one.makes);
    made.filter(|made| made.class == Class::Routine).map(|made| made.name.as_str()).collect()
}

fn changes_rows(statement: &Statement, routines: &HashSet<&str>) -> bool {
    match statement.tree.as_ref() {
        // Most of them only set something, or read.
        NodeEnum::SelectStmt(select) if select.into_clause.is_none() => {
            let mut called = statement.needs.iter().filter(|need| need.wanted == Wanted::Routine);
            called.any(|need| routines.contains(need.name.as_str()))
        }
        tree => may_change_rows(tree),
    }
}

/// What a statement says of rows.
enum Acting {
    Nothing,
    /// What `ON CONFLICT` minds.
    OnConflict,
    OnRows,
}

fn acts(statement: &Statement, text: &DeclaredText) -> Acting {
    let is_declared =
        |table: Option<&RangeVar>| table.is_some_and(|table| text.tables.contains(&declared::name(table)));
    match statement.tree.as_ref() {
        NodeEnum::CreateTrigStmt(trigger) if is_declared(trigger.relation.as_ref()) => Acting::OnRows,
        NodeEnum::RuleStmt(rule) if is_declared(rule.relation.as_ref()) => Acting::OnRows,
        NodeEnum::CreatePolicyStmt(policy) if is_declared(policy.table.as_ref()) => Acting::OnRows,
        NodeEnum::AlterPolicyStmt(policy) if is_declared(policy.table.as_ref()) => Acting::OnRows,
        // What new values become, and which ones come.
        NodeEnum::AlterDomainStmt(alter) if alter.subtype == "T" => Acting::OnRows,
        NodeEnum::AlterSeqStmt(_) => Acting::OnRows,
        NodeEnum::IndexStmt(index) if index.unique && is_declared(index.relation.as_ref()) => Acting::OnConflict,
        NodeEnum::AlterTableStmt(alter) if is_declared(alter.relation.as_ref()) => {
            alter.cmds.iter().filter_map(command).fold(Acting::Nothing, |so_far, command| match (so_far, of(command)) {
                (Acting::OnRows, _) | (_, Acting::OnRows) => Acting::OnRows,
                (Acting::OnConflict, _) | (_, Acting::OnConflict) => Acting::OnConflict,
                _ => Acting::Nothing,
            })
        }
        _ => Acting::Nothing,
    }
}

fn command(node: &Node) -> Option<&AlterTableCmd> {
    match &node.node {
        Some(NodeEnum::AlterTableCmd(command)) => Some(command),
        _ => None,
    }
}

fn of(command: &AlterTableCmd) -> Acting {
    use AlterTableType as Alter;
    let def = command.def.as_deref().and_then(|def| def.node.as_ref());
    match (Alter::try_from(command.subtype), def) {
        (Ok(Alter::AtForceRowSecurity | Alter::AtEnableRowSecurity | Alter::AtColumnDefault), _) => Acting::OnRows,
        // A parent's rows are its children's, too; what was dropped has acted until then.
        (
            Ok(
                Alter::AtAddInherit
                | Alter::AtAttachPartition
                | Alter::AtDropExpression
                | Alter::AtDropIdentity
                | Alter::AtDropConstraint,
            ),
            _,
        ) => Acting::OnRows,
        // `USING`: what the values become.
        (Ok(Alter::AtAlterColumnType), Some(NodeEnum::ColumnDef(column))) if column.raw_default.is_some() => {
            Acting::OnRows
        }
        (Ok(Alter::AtAddConstraint), Some(NodeEnum::Constraint(constraint))) => of_constraint(constraint),
        (Ok(Alter::AtAddColumn), Some(NodeEnum::ColumnDef(column))) => {
            let constraints = column.constraints.iter().filter_map(|one| match &one.node {
                Some(NodeEnum::Constraint(constraint)) => Some(of_constraint(constraint)),
                _ => None,
            });
            let mut cascading = constraints.filter(|one| matches!(one, Acting::OnRows));
            cascading.next().unwrap_or(Acting::Nothing)
        }
        _ => Acting::Nothing,
    }
}

/// `a` is NO ACTION and `r` RESTRICT, which are errors.
fn of_constraint(constraint: &Constraint) -> Acting {
    let cascades = |action: &str| !matches!(action, "" | "a" | "r");
    match ConstrType::try_from(constraint.contype) {
        Ok(ConstrType::ConstrForeign) if cascades(&constraint.fk_del_action) || cascades(&constraint.fk_upd_action) => {
            Acting::OnRows
        }
        Ok(ConstrType::ConstrPrimary | ConstrType::ConstrUnique | ConstrType::ConstrExclusion) => Acting::OnConflict,
        _ => Acting::Nothing,
    }
}

/// Whether an `INSERT` minds rows that are there.
pub(super) fn says_on_conflict(statement: &Statement) -> bool {
    // What is kept of the tree does not tell.
    matches!(statement.tree.as_ref(), NodeEnum::InsertStmt(_))
        && matches!(statement.parse(), Some(NodeEnum::InsertStmt(insert)) if insert.on_conflict_clause.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Rules, SourceFile, sql};

    #[test]
    fn what_acts_on_rows_counts_where_rows_were_there_before() {
        for (migration, expected) in [
            ("insert into t values (1); create trigger g before insert on t for each row execute function f()", true),
            ("create trigger g before insert on t for each row execute function f(); insert into t values (1)", false),
            ("insert into t values (1); create trigger g before insert on u for each row execute function f()", false),
            ("delete from t; create rule r as on insert to t do instead nothing", true),
            ("update t set id = 2; alter table t force row level security", true),
            ("call p(); alter table t alter id set default 1", true),
            ("insert into t values (1); alter table t alter id type int using id + 1", true),
            ("insert into t values (1); alter table t alter id type bigint", false),
            ("insert into t values (1); alter table t add foreign key (id) references u on delete cascade", true),
            ("insert into t values (1); alter table t add foreign key (id) references u on delete restrict", false),
            ("insert into t values (1); alter table t add n int references u on update set null", true),
            ("insert into t values (1); alter table t add unique (id)", false),
            ("insert into t values (1) on conflict do nothing; alter table t add unique (id)", true),
            ("insert into t values (1) on conflict do nothing; create unique index on t (id)", true),
            ("select set_config('search_path', '', false); create policy p on t using (true)", false),
            ("select f(); create policy p on t using (true)", true),
            ("insert into t values (1); alter policy p on t using (false)", true),
            ("insert into t values (1); alter table t enable row level security", true),
            ("delete from t; alter table t inherit u", true),
            ("insert into t values (1); alter table t alter id drop expression", true),
            ("insert into t values (1); alter table t alter id drop identity", true),
            ("delete from t; alter table t drop constraint t_id_fkey", true),
            ("insert into t values (1); alter domain d set default 9", true),
            ("insert into t values (1); alter domain d set not null", false),
            ("insert into t values (1); alter sequence s increment by 10", true),
        ] {
            let read = |kind, path: &str, text: &str| {
                let file = SourceFile { kind, path: path.to_owned(), text: text.into() };
                sql::read(&file, Rules::Current).expect("it is SQL").statements
            };
            let mut statements = read(Kind::Tables, "tables/t.sql", "create table t(id int)");
            statements.extend(read(
                Kind::Functions,
                "functions/f.sql",
                "create function f() returns int language sql as 'select 1'",
            ));
            statements.extend(read(Kind::Migrations, "migrations/1.sql", migration));
            let text = DeclaredText::of(&statements, &[]);
            assert_eq!(acting_later(&statements, &text).is_some(), expected, "{migration}");
        }
    }
}
