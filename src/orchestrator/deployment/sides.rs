//! What of a blueprint only its migrations made: that is passed over where databases are compared with it, and stays when
//! their files go. Called by [`super::in_order`].
//!
//! When the statements change from the declaration to migrations and back, the whole catalog is read: before and after
//! decide. That takes long, and a history may change a hundred times, for each view that a migration reads. So a declared
//! statement that does nothing but make something, in the middle of migrations, is taken out of the comparison: what it made
//! is what has a higher oid than all there was before it, and none that is higher than all there was after it.

use std::collections::{BTreeSet, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::{CreateStmt, IntoClause, ViewCheckOption};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::Deployment;
use crate::bundle::Kind;
use crate::bundle::sql::{Class, Object, Statement};
use crate::orchestrator::catalog::Catalog;
use crate::orchestrator::catalog::things::{self, Thing, parts_of_name};
use crate::orchestrator::error::DeployError;

/// Who made what, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Sides {
    now: Side,
    /// The names of what was there before the migrations that run now.
    before: BTreeSet<String>,
    /// The oids of what was declared in the middle of migrations.
    spans: Vec<Span>,
    /// Identities of what was declared there and is more than its oid tells.
    declared: HashSet<String>,
    /// The names of what migrations made.
    migrated: BTreeSet<String>,
}

/// Whose statements run.
#[derive(Clone, Copy, Debug, Default)]
enum Side {
    #[default]
    Declaration,
    Migrations,
    /// The declaration's in the middle of migrations.
    Aside(Aside),
}

/// What is declared in the middle of migrations.
#[derive(Clone, Copy, Debug)]
struct Aside {
    /// The highest oid before it.
    above: u32,
    /// Whether something of it was made with options, which migrations may set as well.
    has_options: bool,
}

/// Oids of what was made in one go, in the order in which it was.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// The highest one before.
    above: u32,
    /// The highest one after.
    up_to: u32,
}

/// How the identities begin of what is there with its oid, and not by something that is said of it later.
const THERE_BY_ITSELF: [&str; 11] = [
    "relation ",
    "sequence ",
    "index ",
    "constraint ",
    "part t",
    "part p",
    "part r",
    "type ",
    "routine ",
    "detail contents ",
    "detail partition index ",
];

impl Span {
    fn holds(self, identity: &str) -> bool {
        let oid = THERE_BY_ITSELF.iter().find_map(|start| identity.strip_prefix(start)?.parse::<u32>().ok());
        oid.is_some_and(|oid| oid > self.above && oid <= self.up_to)
    }
}

/// Behind the last oid, PostgreSQL begins again with the first.
const LAST_OIDS: u32 = u32::MAX - (1 << 24);

/// The highest oid of all that the gateway's catalog query reads and [`makes_only`] makes; whether privileges may come with what
/// is made. Planning `max(oid)` takes longer than what comes to the same.
const HIGHEST: &str = "
    SELECT greatest((SELECT oid FROM pg_catalog.pg_class ORDER BY oid DESC LIMIT 1), (SELECT oid FROM pg_catalog.pg_type ORDER BY oid DESC LIMIT 1),
                    (SELECT oid FROM pg_catalog.pg_proc ORDER BY oid DESC LIMIT 1), (SELECT oid FROM pg_catalog.pg_constraint ORDER BY oid DESC LIMIT 1),
                    (SELECT oid FROM pg_catalog.pg_trigger ORDER BY oid DESC LIMIT 1), (SELECT oid FROM pg_catalog.pg_policy ORDER BY oid DESC LIMIT 1),
                    (SELECT oid FROM pg_catalog.pg_rewrite ORDER BY oid DESC LIMIT 1)),
           EXISTS (SELECT FROM pg_catalog.pg_default_acl)";

async fn highest(client: &Client) -> Result<(u32, bool), DeployError> {
    let row = client.query_typed_one(HIGHEST, &[]).await.map_err(DeployError::own("looking at what is there"))?;
    Ok((row.get(0), row.get(1)))
}

/// The identities ([`Thing::identity`]) of what has a higher oid.
const ABOVE: &str = "
    WITH relation AS MATERIALIZED (SELECT * FROM pg_catalog.pg_class WHERE oid > $1),
    granted (class, oid, acl, normal) AS (
        SELECT 'r', oid, relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner) FROM relation
        UNION ALL SELECT 'f', oid, proacl, acldefault('f', proowner) FROM pg_catalog.pg_proc WHERE oid > $1
        UNION ALL SELECT 't', oid, typacl, acldefault('T', typowner) FROM pg_catalog.pg_type WHERE oid > $1)
    SELECT CASE WHEN relkind = 'S' THEN 'sequence ' WHEN relkind IN ('i', 'I') THEN 'index ' ELSE 'relation ' END || oid FROM relation
    UNION ALL SELECT 'options ' || oid FROM relation WHERE reloptions IS NOT NULL
    UNION ALL SELECT 'detail contents ' || oid FROM relation WHERE relkind = 'm'
    UNION ALL SELECT 'detail partition index ' || oid FROM relation WHERE relkind IN ('i', 'I')
    UNION ALL SELECT 'constraint ' || oid FROM pg_catalog.pg_constraint WHERE oid > $1
    UNION ALL SELECT 'part t' || oid FROM pg_catalog.pg_trigger WHERE oid > $1
    UNION ALL SELECT 'part p' || oid FROM pg_catalog.pg_policy WHERE oid > $1
    UNION ALL SELECT 'part r' || oid FROM pg_catalog.pg_rewrite WHERE oid > $1
    UNION ALL SELECT 'type ' || oid FROM pg_catalog.pg_type WHERE oid > $1
    UNION ALL SELECT 'routine ' || oid FROM pg_catalog.pg_proc WHERE oid > $1
    UNION ALL
    SELECT concat_ws(' ', 'detail', class, granted.oid, 0, e.grantee, e.privilege_type)
    FROM granted CROSS JOIN LATERAL (SELECT * FROM aclexplode(acl) UNION ALL SELECT * FROM aclexplode(normal)) AS e
    WHERE acl IS NOT NULL";

impl Sides {
    /// A statement that is no migration's runs now, maybe one that had to wait.
    pub(super) fn is_made_now(&mut self, statement: &Statement) {
        if let Side::Aside(aside) = &mut self.now {
            aside.has_options |= has_options(statement);
        }
    }

    fn is_declared(&self, identity: &str) -> bool {
        self.declared.contains(identity) || self.spans.iter().any(|span| span.holds(identity))
    }
}

impl Deployment<'_> {
    /// From here on migrations make what is new.
    pub(super) async fn migrations_go_on(&mut self) -> Result<(), DeployError> {
        if !self.goal.is_blueprint() {
            return Ok(());
        }
        match self.sides.now {
            Side::Migrations => return Ok(()),
            Side::Aside(aside) => self.note_declared(aside).await?,
            Side::Declaration => {
                let there = self.read_catalog().await?;
                self.sides.before = there.things().iter().map(|thing| thing.name.clone()).collect();
            }
        }
        self.sides.now = Side::Migrations;
        Ok(())
    }

    /// From here on the declaration makes what is new: by this statement, or by any.
    pub(super) async fn declaration_goes_on(&mut self, statement: Option<&Statement>) -> Result<(), DeployError> {
        let makes_only = statement.is_some_and(makes_only);
        if let Some(statement) = statement {
            self.sides.is_made_now(statement);
        }
        match self.sides.now {
            Side::Declaration => return Ok(()),
            Side::Aside(_) if makes_only => return Ok(()),
            Side::Aside(aside) => self.note_declared(aside).await?,
            Side::Migrations if makes_only => {
                let (highest, _) = highest(self.runner.client).await?;
                if self.step_aside(highest, statement) {
                    return Ok(());
                }
            }
            Side::Migrations => {}
        }
        let there = self.read_catalog().await?;
        let sides = &mut self.sides;
        let made = there.things().iter().filter(|thing| !sides.before.contains(&thing.name));
        let migrated = made.filter(|thing| !sides.is_declared(&thing.identity)).map(|thing| thing.name.clone());
        let migrated: Vec<_> = migrated.collect();
        sides.migrated.extend(migrated);
        sides.before.clear();
        sides.now = Side::Declaration;
        Ok(())
    }

    /// The end of a migration. Where the `next` statement only makes something, what there is before it is asked in the same
    /// go, for [`Self::declaration_goes_on`]: a history ends hundreds of them.
    pub(super) async fn end_migration(
        &mut self,
        last: &Statement,
        next: Option<&Statement>,
    ) -> Result<(), DeployError> {
        let is_aside = |next: &Statement| next.kind != Kind::Migrations && makes_only(next);
        if !(self.goal.is_blueprint() && matches!(self.sides.now, Side::Migrations) && next.is_some_and(is_aside)) {
            return self.runner.end_migration(last).await;
        }
        let ending = self.runner.end_migration(last);
        let (ended, highest) = tokio::join!(biased; ending, highest(self.runner.client));
        ended?;
        self.step_aside(highest?.0, next);
        Ok(())
    }

    /// Whether oids tell what is made from here on, first of all by this statement.
    fn step_aside(&mut self, above: u32, statement: Option<&Statement>) -> bool {
        let counts = above < LAST_OIDS;
        if counts {
            self.sides.now = Side::Aside(Aside { above, has_options: statement.is_some_and(has_options) });
        }
        counts
    }

    async fn note_declared(&mut self, aside: Aside) -> Result<(), DeployError> {
        let (up_to, privileges_may_come) = highest(self.runner.client).await?;
        self.sides.spans.push(Span { above: aside.above, up_to });
        if !aside.has_options && !privileges_may_come && up_to < LAST_OIDS {
            return Ok(());
        }
        // What a migration sets or grants later looks the same, so this has to be asked now.
        let rows = self.runner.client.query_typed(ABOVE, &[(&aside.above, Type::OID)]).await;
        let rows = rows.map_err(DeployError::own("looking at what is declared"))?;
        self.sides.declared.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        Ok(())
    }

    /// What only the migrations made: not what the bundle declares too, whichever of the two came first.
    pub(super) fn only_migrated(&mut self, after: &Catalog) -> BTreeSet<String> {
        let mut migrated = std::mem::take(&mut self.sides.migrated);
        if migrated.is_empty() {
            return migrated;
        }
        for thing in after.things() {
            if self.declared_routines.contains(&thing.identity) || self.is_declared(thing) {
                migrated.remove(&thing.name);
            }
        }
        migrated
    }

    fn is_declared(&self, thing: &Thing) -> bool {
        let table = thing.table.as_deref().map(parts_of_name);
        let (class, (schema, name)) = match (thing.kind, table) {
            (things::Kind::View, _) => (Class::Relation, parts_of_name(&thing.object)),
            (things::Kind::Sequence, None) => (Class::Relation, parts_of_name(&thing.object)),
            (things::Kind::Type, _) => (Class::Type, parts_of_name(&thing.object)),
            (things::Kind::Index, Some((schema, _))) => (Class::Relation, (schema, parts_of_name(&thing.object).1)),
            (things::Kind::Trigger | things::Kind::Policy | things::Kind::Rule, Some((schema, table))) => {
                (Class::Part, (schema, format!("{table}.{}", parts_of_name(&thing.object).1)))
            }
            _ => return false,
        };
        self.migrations.is_declared(&Object { class, schema, name })
    }
}

/// Whether a statement makes something with an oid of its own, and says nothing of what else there is, nor of a part of what
/// it makes: of a column's storage, or by copying comments.
fn makes_only(statement: &Statement) -> bool {
    match statement.tree.as_ref() {
        // What is kept of these trees does not tell.
        NodeEnum::CreateStmt(_) | NodeEnum::CreateTableAsStmt(_) => {
            statement.parse().is_some_and(|tree| makes_plain_table(&tree))
        }
        NodeEnum::CreateFunctionStmt(_)
        | NodeEnum::ViewStmt(_)
        | NodeEnum::IndexStmt(_)
        | NodeEnum::CreateTrigStmt(_)
        | NodeEnum::CreatePolicyStmt(_)
        | NodeEnum::RuleStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::CompositeTypeStmt(_) => true,
        NodeEnum::CreateSeqStmt(create) => create.sequence.as_ref().is_some_and(|name| name.relpersistence == "p"),
        _ => false,
    }
}

/// Whether something has options from the start.
fn has_options(statement: &Statement) -> bool {
    if !matches!(statement.tree.as_ref(), NodeEnum::ViewStmt(_) | NodeEnum::IndexStmt(_)) {
        return false;
    }
    // What is kept of the tree may not tell.
    match statement.parse() {
        Some(NodeEnum::ViewStmt(view)) => {
            !view.options.is_empty() || view.with_check_option() != ViewCheckOption::NoCheckOption
        }
        Some(NodeEnum::IndexStmt(index)) => !index.options.is_empty(),
        _ => true,
    }
}

fn makes_plain_table(tree: &NodeEnum) -> bool {
    match tree {
        NodeEnum::CreateTableAsStmt(create) => create.into.as_deref().is_some_and(is_plain_query),
        NodeEnum::CreateStmt(create) => is_plain_table(create),
        NodeEnum::SelectStmt(select) => select.into_clause.as_deref().is_some_and(is_plain_query),
        _ => false,
    }
}

fn is_plain_query(into: &IntoClause) -> bool {
    into.options.is_empty() && into.access_method.is_empty() && into.table_space_name.is_empty()
}

fn is_plain_table(create: &CreateStmt) -> bool {
    let is_plain = |element: &pg_query::Node| match &element.node {
        Some(NodeEnum::ColumnDef(column)) => column.compression.is_empty() && column.storage_name.is_empty(),
        Some(NodeEnum::Constraint(_)) => true,
        _ => false,
    };
    create.relation.as_ref().is_some_and(|name| name.relpersistence == "p")
        && create.table_elts.iter().all(is_plain)
        && create.inh_relations.is_empty()
        && create.partbound.is_none()
        && create.of_typename.is_none()
        && create.options.is_empty()
        && create.access_method.is_empty()
        && create.tablespacename.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Kind, SourceFile, sql};

    #[test]
    fn a_span_holds_what_is_there_with_its_oid_alone() {
        let span = Span { above: 100, up_to: 200 };
        for (identity, expected) in [
            ("relation 101", true),
            ("relation 100", false),
            ("relation 200", true),
            ("relation 201", false),
            ("part t150", true),
            ("detail contents 150", true),
            // Said of what has this oid, by anybody and at any time.
            ("options 150", false),
            ("detail r 150 0 10 SELECT", false),
            ("comment 1259 150 0", false),
            ("relation 150 name", false),
        ] {
            assert_eq!(span.holds(identity), expected, "{identity}");
        }
    }

    #[test]
    fn what_says_more_than_what_it_makes_is_looked_at() {
        for (text, expected) in [
            ("CREATE VIEW v WITH (security_barrier) AS SELECT 1", true),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1", true),
            ("CREATE MATERIALIZED VIEW v WITH (fillfactor = 50) AS SELECT 1", false),
            ("SELECT 1 AS n INTO t", true),
            ("CREATE TABLE t (id serial PRIMARY KEY, n int CHECK (n > 0), UNIQUE (n)) PARTITION BY RANGE (id)", true),
            ("CREATE TABLE t (LIKE u INCLUDING COMMENTS)", false),
            ("CREATE TABLE t (n text COMPRESSION pglz)", false),
            ("CREATE TABLE t (n text STORAGE external)", false),
            ("CREATE TABLE t (n int) WITH (toast.autovacuum_enabled = off)", false),
            ("CREATE TABLE t () INHERITS (u)", false),
            ("CREATE TABLE t PARTITION OF u DEFAULT", false),
            ("CREATE TABLE t OF u", false),
            ("CREATE UNLOGGED TABLE t (id serial)", false),
            ("CREATE SEQUENCE s", true),
            ("CREATE UNLOGGED SEQUENCE s", false),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", true),
            ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", false),
            ("ALTER TABLE t ADD n int", false),
            ("COMMENT ON TABLE t IS ''", false),
            ("GRANT SELECT ON t TO PUBLIC", false),
            ("DO ''", false),
        ] {
            let file = SourceFile { kind: Kind::Functions, path: "functions/1.sql".to_owned(), text: text.into() };
            let statements = sql::read(&file, crate::bundle::Rules::Current).expect("it is SQL").statements;
            assert_eq!(makes_only(&statements[0]), expected, "{text}");
        }
    }
}
