//! Rows of migrations that a declared table does not take, because it became stricter after they were written. In a new
//! database its last rules hold from the beginning; the rule that stands in the way is set aside, and put back as soon as
//! the rows keep to it: when a later migration alters the table, at the latest when all have run.

use pg_query::protobuf::{AlterTableStmt, AlterTableType, ColumnRef, ConstrType, NullTest, NullTestType, RangeVar};
use pg_query::protobuf::{ResTarget, String as Word, UpdateStmt};
use pg_query::{Node, NodeEnum};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::declared::{self, Declared, Name};
use super::former_defaults::FormerDefaults;
use super::history::{History, renamed_table};
use super::moved;
use super::stand_in::may_change_rows;
use crate::bundle::sql::Statement;
use crate::orchestrator::runner::{Broken, Failure, Runner};
use crate::orchestrator::twins::qualified;

/// PostgreSQL's codes for a row that breaks a rule of its table's.
const BROKEN: &[SqlState] = &[
    SqlState::NOT_NULL_VIOLATION,
    SqlState::CHECK_VIOLATION,
    SqlState::FOREIGN_KEY_VIOLATION,
    SqlState::UNIQUE_VIOLATION,
    SqlState::EXCLUSION_VIOLATION,
];

/// A column that must have a value, where it is so by its own rule: of the uppermost table that has the rule.
const COLUMN: &str = "WITH RECURSIVE up (oid) AS (
        SELECT to_regclass($1::text)::oid
        UNION SELECT p.attrelid FROM up JOIN pg_inherits ON inhrelid = up.oid
              JOIN pg_attribute p ON p.attrelid = inhparent AND p.attname = $2::text AND p.attnotnull)
    SELECT n.nspname::text, r.relname::text, format('ALTER TABLE %I.%I ALTER COLUMN %I DROP NOT NULL', nspname, relname, attname),
           coalesce((SELECT format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', nspname, relname, conname, pg_get_constraintdef(c.oid))
                            || coalesce(format(';COMMENT ON CONSTRAINT %I ON %I.%I IS %L', conname, nspname, relname,
                                               obj_description(c.oid, 'pg_constraint')), '')
                     FROM pg_constraint c WHERE c.conrelid = r.oid AND c.contype = 'n' AND c.conkey = ARRAY[a.attnum]),
                    format('ALTER TABLE %I.%I ALTER COLUMN %I SET NOT NULL', nspname, relname, attname))
    FROM up JOIN pg_class r ON r.oid = up.oid JOIN pg_namespace n ON n.oid = r.relnamespace
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = $2::text AND a.attnotnull AND a.attidentity = ''
    WHERE NOT EXISTS (SELECT FROM pg_inherits JOIN up above ON above.oid = inhparent WHERE inhrelid = r.oid)
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))";

/// A constraint, of the uppermost table that has it. An index of one with storage of its own is left alone.
const CONSTRAINT: &str = "WITH RECURSIVE up (oid) AS (
        SELECT oid FROM pg_constraint WHERE conrelid = to_regclass($1::text) AND conname = $2::text
        UNION SELECT p.oid FROM up JOIN pg_constraint c ON c.oid = up.oid
              JOIN pg_constraint p ON p.oid = c.conparentid OR c.contype = 'c' AND p.contype = 'c' AND p.conname = c.conname
                   AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.conrelid AND inhparent = p.conrelid))
    SELECT n.nspname::text, r.relname::text, format('ALTER TABLE %I.%I DROP CONSTRAINT %I', nspname, relname, conname),
           format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', nspname, relname, conname, pg_get_constraintdef(c.oid))
           || coalesce(format(';COMMENT ON CONSTRAINT %I ON %I.%I IS %L', conname, nspname, relname,
                              obj_description(c.oid, 'pg_constraint')), '')
    FROM up JOIN pg_constraint c ON c.oid = up.oid JOIN pg_class r ON r.oid = c.conrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE c.contype IN ('c', 'f', 'u', 'x') AND c.conparentid = 0 AND (c.contype <> 'c' OR c.coninhcount = 0)
      AND (c.contype IN ('c', 'f') OR EXISTS (
          SELECT FROM pg_class i JOIN pg_index ON indexrelid = i.oid WHERE i.oid = c.conindid AND i.reloptions IS NULL
          AND i.reltablespace = 0 AND NOT indisclustered AND NOT indisreplident))";

/// A unique index that is no constraint's.
const INDEX: &str = "SELECT n.nspname::text, r.relname::text, format('DROP INDEX %s', i.oid::regclass),
           pg_get_indexdef(i.oid) || coalesce(format(';COMMENT ON INDEX %s IS %L', i.oid::regclass,
                                                     obj_description(i.oid, 'pg_class')), '')
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE x.indrelid = to_regclass($1::text) AND i.relname = $2::text AND i.relkind = 'i' AND NOT i.relispartition
      AND i.reltablespace = 0 AND NOT indisclustered AND NOT indisreplident
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid AND contype IN ('p', 'u', 'x'))";

/// The declared rules that rows do not keep to yet.
pub(super) struct Relaxed {
    rules: Vec<Rule>,
    defaults: FormerDefaults,
}

struct Rule {
    table: Name,
    /// The column that must have a value, where that is the rule.
    column: Option<String>,
    /// What puts it back.
    back: String,
    /// The first statement that did not keep to it, and what PostgreSQL said.
    statement: Statement,
    failure: Failure,
}

impl Relaxed {
    /// `migrations`: the statements of all of them, in the order in which they run.
    pub(super) fn of(migrations: &[&Statement]) -> Self {
        Self { rules: Vec::new(), defaults: FormerDefaults::of(migrations) }
    }

    /// After a statement that was tried again.
    pub(super) async fn end_statement(&mut self, runner: &Runner<'_>) -> Result<(), Error> {
        self.defaults.drop(runner).await
    }

    /// Sets the rule aside that a statement about rows failed by; whether it may be tried again.
    pub(super) async fn relax(
        &mut self,
        runner: &Runner<'_>,
        (at, statement): (usize, &Statement),
        failure: &Failure,
        (declared, history): (&Declared, &History),
    ) -> Result<bool, Error> {
        let changes_rows = may_change_rows(&statement.tree) || renamed_table(&statement.tree).is_some();
        let Some(broken) = failure.broken.as_ref().filter(|_| changes_rows && failure.is_one_of(BROKEN)) else {
            return Ok(false);
        };
        let Some((table, there, back)) = rule(runner, broken).await? else { return Ok(false) };
        if !declared.is_table(&table) {
            return Ok(false);
        }
        if failure.is_one_of(&[SqlState::NOT_NULL_VIOLATION])
            && let Some(column) = &broken.column
            && self.defaults.set(runner, (at, statement), (&table, column), history).await?
        {
            return Ok(true);
        }
        // What depends on it is why it has to stay.
        if runner.client.batch_execute("SAVEPOINT relaxing").await.is_err() {
            return Ok(false);
        }
        if let Err(error) = runner.client.batch_execute(&there).await {
            error.as_db_error().map(|_| ()).ok_or(error)?;
            runner.client.batch_execute("ROLLBACK TO SAVEPOINT relaxing").await?;
            return Ok(false);
        }
        runner.client.batch_execute("RELEASE SAVEPOINT relaxing").await?;
        runner.changed();
        let column = broken.column.clone().filter(|_| failure.is_one_of(&[SqlState::NOT_NULL_VIOLATION]));
        self.rules.push(Rule { table, column, back, statement: statement.clone(), failure: failure.clone() });
        Ok(true)
    }

    /// Before statement number `at`. Where it alters a declared table, earlier rows get what a column that it adds has by
    /// default, and the rules that rows keep to by now are put back.
    pub(super) async fn catch_up(
        &mut self,
        runner: &Runner<'_>,
        at: usize,
        statement: &Statement,
        declared: &Declared,
        history: &History,
    ) -> Result<(), Error> {
        if !matches!(statement.tree.as_ref(), NodeEnum::AlterTableStmt(_) | NodeEnum::IndexStmt(_)) {
            return Ok(());
        }
        let Some(table) = declared::altered(&statement.tree) else { return Ok(()) };
        let table = match declared.is_table(&table) {
            true => table,
            false => history.renamed_to(&table, at).unwrap_or(table),
        };
        if !declared.is_table(&table) {
            return Ok(());
        }
        if let NodeEnum::AlterTableStmt(alter) = statement.tree.as_ref()
            && alter.cmds.iter().any(|node| added(node).is_some())
        {
            self.fill(runner, at, statement, (&table, declared), history).await?;
        }
        if self.rules.iter().any(|rule| rule.table == table) {
            self.put_back(runner, |rule| rule.table == table).await;
        }
        Ok(())
    }

    /// All migrations have run. The first statement whose rows do not keep to the declaration in the end is to blame.
    pub(super) async fn restore(&mut self, runner: &Runner<'_>) -> Result<(), Failure> {
        self.put_back(runner, |_| true).await;
        match self.rules.first() {
            Some(rule) => Err(rule.failure.clone()),
            None => Ok(()),
        }
    }

    /// Those that cannot be put back yet stay where they are.
    async fn put_back(&mut self, runner: &Runner<'_>, which: impl Fn(&Rule) -> bool) {
        let mut left = Vec::new();
        for rule in std::mem::take(&mut self.rules).into_iter().rev() {
            if which(&rule) && runner.run_as(&rule.statement, &rule.back, 0).await.is_ok() {
                runner.forget_last();
            } else {
                left.push(rule);
            }
        }
        left.reverse();
        self.rules = left;
    }

    /// In nobody's sight, as an `ADD COLUMN` does it.
    async fn fill(
        &self,
        runner: &Runner<'_>,
        at: usize,
        statement: &Statement,
        (table, declared): (&Name, &Declared),
        history: &History,
    ) -> Result<(), Error> {
        let Some(NodeEnum::AlterTableStmt(alter)) = statement.parse() else { return Ok(()) };
        for (column, may_be_there, default) in defaults(&alter) {
            let name = alter.relation.as_ref().map(declared::name);
            let fate = name.and_then(|name| history.fate_of_column(&name, &column, at));
            let Some((_, last)) = fate.filter(|(of, _)| of == table) else { continue };
            let is_set_aside =
                self.rules.iter().any(|rule| rule.table == *table && rule.column.as_ref() == Some(&last));
            // Rows of the declaration's own, and those from after the column came, may have none.
            if !is_set_aside && (may_be_there || declared.filled.contains(table))
                || !is_empty(runner, table, &last).await?
            {
                continue;
            }
            let Some(update) = statement.rewritten(update(table, &last, default)) else { continue };
            let (off, on) = moved::watchers(runner.client, &qualified(table)).await?;
            // Where it fails, the rule that wants a value tells.
            if runner.run_as(statement, &format!("{off}{};{on}", update.text), off.chars().count()).await.is_ok() {
                runner.forget_last();
            }
        }
        Ok(())
    }
}

/// What takes back the numbers that a table's sequences give from now on: a statement that is tried again gets the same.
pub(super) async fn given_numbers(runner: &Runner<'_>, table: Option<&Name>) -> Result<String, Error> {
    let Some(table) = table else { return Ok(String::new()) };
    let query = "SELECT s.oid::regclass::text, quote_literal(s.oid::regclass::text) FROM pg_depend d
                 JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = to_regclass($1::text) AND d.deptype IN ('a', 'i')
                 UNION
                 SELECT s.oid::regclass::text, quote_literal(s.oid::regclass::text) FROM pg_attrdef f
                 JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                   AND d.refclassid = 'pg_class'::regclass
                 JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
                 WHERE f.adrelid = to_regclass($1::text)";
    let mut given = String::new();
    for row in runner.client.query_typed(query, &[(&qualified(table), Type::TEXT)]).await? {
        let (sequence, literal): (String, String) = (row.get(0), row.get(1));
        let state = format!(
            "SELECT format('SELECT pg_catalog.setval(%L, %s, %s);', {literal}, last_value, is_called::text) FROM {sequence}"
        );
        given.extend(runner.client.query_typed(&state, &[]).await?.iter().map(|row| row.get::<_, String>(0)));
    }
    Ok(given)
}

/// The table, and what sets the rule aside and puts it back.
async fn rule(runner: &Runner<'_>, broken: &Broken) -> Result<Option<(Name, String, String)>, Error> {
    let table = qualified(&broken.table);
    let queries: &[&str] = if broken.constraint.is_some() { &[CONSTRAINT, INDEX] } else { &[COLUMN] };
    let Some(name) = broken.constraint.as_ref().or(broken.column.as_ref()) else { return Ok(None) };
    for query in queries {
        let rows = runner.client.query_typed(query, &[(&table, Type::TEXT), (name, Type::TEXT)]).await?;
        if let [row] = rows.as_slice() {
            return Ok(Some(((row.get(0), row.get(1)), row.get(2), row.get(3))));
        }
    }
    Ok(None)
}

/// Whether rows of a table have no value in a column that may be written.
async fn is_empty(runner: &Runner<'_>, table: &Name, column: &str) -> Result<bool, Error> {
    let of = qualified(table);
    let query = "SELECT FROM pg_attribute WHERE attrelid = to_regclass($1::text) AND attname = $2::text
                 AND attgenerated = '' AND attidentity = '' AND NOT attisdropped";
    if runner.client.query_typed(query, &[(&of, Type::TEXT), (&column, Type::TEXT)]).await?.is_empty() {
        return Ok(false);
    }
    let column = crate::databases::quote_ident(column);
    let query = format!("SELECT FROM {of} WHERE {column} IS NULL LIMIT 1");
    Ok(!runner.client.query_typed(&query, &[]).await?.is_empty())
}

fn added(node: &Node) -> Option<(&pg_query::protobuf::ColumnDef, bool)> {
    let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { return None };
    match command.def.as_ref()?.node.as_ref()? {
        NodeEnum::ColumnDef(column) if command.subtype == AlterTableType::AtAddColumn as i32 => {
            Some((column, command.missing_ok))
        }
        _ => None,
    }
}

/// The columns that it adds, whether they may be there, and their defaults.
fn defaults(alter: &AlterTableStmt) -> Vec<(String, bool, Node)> {
    let default = |(column, may_be_there): (&pg_query::protobuf::ColumnDef, bool)| {
        column.constraints.iter().find_map(|node| match &node.node {
            Some(NodeEnum::Constraint(one)) if one.contype == ConstrType::ConstrDefault as i32 => {
                Some((column.colname.clone(), may_be_there, one.raw_expr.as_deref()?.clone()))
            }
            _ => None,
        })
    };
    alter.cmds.iter().filter_map(added).filter_map(default).collect()
}

/// `UPDATE table SET column = value WHERE column IS NULL`
fn update(table: &Name, column: &str, value: Node) -> NodeEnum {
    let (schemaname, relname) = table.clone();
    let relation = RangeVar { schemaname, relname, inh: true, relpersistence: "p".to_owned(), ..RangeVar::default() };
    let node = |node: NodeEnum| Node { node: Some(node) };
    let target = ResTarget { name: column.to_owned(), val: Some(Box::new(value)), ..ResTarget::default() };
    let column = ColumnRef { fields: vec![node(NodeEnum::String(Word { sval: column.to_owned() }))], location: -1 };
    let is_null = NullTest {
        arg: Some(Box::new(node(NodeEnum::ColumnRef(column)))),
        nulltesttype: NullTestType::IsNull as i32,
        ..NullTest::default()
    };
    NodeEnum::UpdateStmt(Box::new(UpdateStmt {
        relation: Some(relation),
        target_list: vec![node(NodeEnum::ResTarget(Box::new(target)))],
        where_clause: Some(Box::new(node(NodeEnum::NullTest(Box::new(is_null))))),
        ..UpdateStmt::default()
    }))
}
