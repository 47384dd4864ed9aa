//! Migrations in a new database, whose tables are already as declared: which statements it has no need of
//! (contract §4, first paragraph). Pure: what the database holds is an argument.
//!
//! The declaration is the final state, so a statement that would change a declared column, constraint or index is
//! skipped, whether the declaration has its result or has gone further since. What the declaration does not know (an
//! index that only a migration makes) is run.

use std::collections::{HashMap, HashSet};

use pg_query::protobuf::{
    AlterObjectSchemaStmt, AlterTableCmd, AlterTableStmt, AlterTableType, ConstrType, ObjectType, RangeVar, RenameStmt,
};
use pg_query::{Node, NodeEnum};

use super::dropped;
use super::history::{History, moved_table, moved_type, renamed_type, type_name};
use super::text::DeclaredText;
use crate::bundle::sql::{Object, Statement};

/// A table or composite type: schema and name, unquoted.
pub type Name = (String, String);

/// What `tables/` and `types/` made, read back from the catalog before the first migration.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Columns, or a composite type's attributes, by relation.
    pub columns: HashMap<Name, HashSet<String>>,
    /// Constraints, triggers, policies, rules: relation and name.
    pub parts: HashSet<(Name, String)>,
    /// Indexes, views, sequences.
    pub relations: HashSet<Name>,
    /// Enums and domains.
    pub types: HashSet<Name>,
    /// The tables that the bundle's text names, also those that are not made yet.
    tables: HashSet<Name>,
    /// The input types of each function, procedure or aggregate.
    pub overloads: HashSet<(Object, Vec<String>)>,
    /// Tables with row security, and those where their owner is not exempt from it.
    pub secured: HashSet<(Name, bool)>,
    /// Schemas, and those of everything else.
    pub schemas: HashSet<String>,
    /// Extensions.
    pub extensions: HashSet<String>,
    /// Tables into which the declaration's own statements put rows, which no migration takes away.
    pub filled: HashSet<Name>,
}

impl Declared {
    /// Takes in what the text declares: it is final, whether it is there yet or not.
    pub fn name(&mut self, text: &DeclaredText) {
        self.tables.extend(text.tables.iter().cloned());
        self.types.extend(text.types.iter().cloned());
        self.overloads.clone_from(&text.overloads);
        self.schemas.clone_from(&text.schemas);
        self.extensions.clone_from(&text.extensions);
        self.filled.clone_from(&text.filled);
    }

    /// Whether there are tables or types.
    pub fn has_any(&self) -> bool {
        !self.columns.is_empty() || !self.types.is_empty() || !self.tables.is_empty()
    }

    /// Takes in what was declared since: of what is there by now only that which the text names.
    pub fn learn(&mut self, now: Self, text: &DeclaredText) {
        let is_new =
            |name: &Name| !self.columns.contains_key(name) && (text.tables.contains(name) || text.types.contains(name));
        let new: HashSet<Name> = now.columns.keys().filter(|name| is_new(name)).cloned().collect();
        self.parts
            .extend(now.parts.into_iter().filter(|(table, name)| new.contains(table) || text.has_part(table, name)));
        self.relations.extend(now.relations.into_iter().filter(|name| text.has_relation(name)));
        self.secured.extend(now.secured.into_iter().filter(|(table, _)| new.contains(table)));
        self.columns.extend(now.columns.into_iter().filter(|(name, _)| new.contains(name)));
    }

    /// Whether it is a declared table or composite type.
    pub fn is_table(&self, name: &Name) -> bool {
        self.columns.contains_key(name) || self.tables.contains(name)
    }

    fn has_column(&self, relation: &Name, column: &str) -> bool {
        self.columns.get(relation).is_some_and(|columns| columns.contains(column))
    }
}

/// The columns and parts that a relation has at this moment; empty where it is not there.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Whether there is such a relation.
    pub exists: bool,
    /// Its columns.
    pub columns: HashSet<String>,
    /// Its constraints, triggers, policies and rules.
    pub parts: HashSet<String>,
}

/// What becomes of a migration's statement.
#[derive(Debug)]
pub enum Decision {
    /// Run it; where it fails because its effect is there, it is skipped after all if this says so.
    Run {
        /// Whether a declared object is concerned, so that "exists already" and "is gone" are no errors.
        forgiving: bool,
    },
    /// Leave it out.
    Skip(String),
    /// Run this instead: the commands of an `ALTER TABLE` that are still needed.
    RunOnly {
        /// With the other commands taken out.
        tree: Box<NodeEnum>,
        /// Why those were.
        reason: String,
    },
}

/// The relation that a migration's statement alters, whose live state [`decide`] wants to know.
pub fn altered(tree: &NodeEnum) -> Option<Name> {
    match tree {
        NodeEnum::AlterTableStmt(alter) => alter.relation.as_ref().map(name),
        NodeEnum::RenameStmt(rename) => rename.relation.as_ref().map(name),
        NodeEnum::AlterObjectSchemaStmt(alter) => alter.relation.as_ref().map(name),
        NodeEnum::IndexStmt(index) => index.relation.as_ref().map(name),
        _ => None,
    }
}

/// The names that a `DROP` is about: what [`decide`] wants to know the existence of.
pub fn dropped_tables(tree: &NodeEnum) -> Vec<Name> {
    match tree {
        NodeEnum::DropStmt(drop) if drop.remove_type == ObjectType::ObjectTable as i32 => dropped::names(drop),
        _ => Vec::new(),
    }
}

/// What becomes of statement number `at` of the migrations, given what the database holds of what it is about.
pub fn decide(at: usize, statement: &Statement, declared: &Declared, history: &History, live: &Live) -> Decision {
    match statement.tree.as_ref() {
        NodeEnum::CreateStmt(_)
        | NodeEnum::CreateForeignTableStmt(_)
        | NodeEnum::CreateTableAsStmt(_)
        | NodeEnum::SelectStmt(_) => decide_create(at, statement, declared, history),
        NodeEnum::CreateEnumStmt(_)
        | NodeEnum::CreateDomainStmt(_)
        | NodeEnum::CreateRangeStmt(_)
        | NodeEnum::CompositeTypeStmt(_) => match statement
            .object()
            .map(|made| (made.schema.clone(), made.name.clone()))
        {
            Some(made) if declared.types.contains(&made) => Decision::Skip(format!("the type {} is declared", made.1)),
            // Made under another name, to take the place of the declared one.
            Some(made) if declared.types.contains(&history.fate_of_type(&made, at)) => {
                Decision::Skip(format!("the type {} is declared", history.fate_of_type(&made, at).1))
            }
            _ => run(concerns(statement, declared, history)),
        },
        NodeEnum::AlterEnumStmt(alter) => match type_name(&alter.type_name) {
            Some(name) if declared.types.contains(&name) && history.type_ends(&name, at) => {
                Decision::Skip(format!("the type {} is declared as it is after a later migration", name.1))
            }
            // The type of another name that takes the declared one's place was not made.
            Some(name)
                if declared.types.contains(&history.fate_of_type(&name, at)) && !declared.types.contains(&name) =>
            {
                Decision::Skip(format!("the type {} is declared", history.fate_of_type(&name, at).1))
            }
            _ => run(concerns(statement, declared, history)),
        },
        NodeEnum::DropStmt(drop) => dropped::decide(drop, declared, live),
        NodeEnum::RenameStmt(rename) => decide_rename(rename, declared, history, live),
        NodeEnum::AlterObjectSchemaStmt(alter) => decide_move(alter, declared, live),
        NodeEnum::AlterTableStmt(alter) => decide_alter(at, alter, declared, history, live),
        NodeEnum::DoStmt(_) => run(false),
        _ => run(concerns(statement, declared, history)),
    }
}

/// A table's name is the declaration's, whatever table had it in between; so is one that a table gets later.
fn decide_create(at: usize, statement: &Statement, declared: &Declared, history: &History) -> Decision {
    let is_view = matches!(statement.tree.as_ref(), NodeEnum::CreateTableAsStmt(create)
        if create.objtype != ObjectType::ObjectTable as i32);
    // A temporary table counts as none.
    let made = statement.object().filter(|_| !is_view).map(|made| (made.schema.clone(), made.name.clone()));
    let Some(table) = made else { return run(concerns(statement, declared, history)) };
    if declared.is_table(&table) {
        return Decision::Skip(format!("the table {} is declared", table.1));
    }
    match history.fate_of_table(&table, at) {
        Some(fate) if declared.is_table(&fate) => Decision::Skip(format!("the table {} is declared", fate.1)),
        _ => run(false),
    }
}

fn run(forgiving: bool) -> Decision {
    Decision::Run { forgiving }
}

/// Whether the statement mentions something that is, or once was, declared.
fn concerns(statement: &Statement, declared: &Declared, history: &History) -> bool {
    let named = statement
        .needs
        .iter()
        .map(|need| (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone()));
    let made = statement.makes.iter().map(|made| (made.schema.clone(), made.name.clone()));
    named.chain(made).any(|name| {
        declared.is_table(&name)
            || declared.types.contains(&name)
            || declared.relations.contains(&name)
            || history.was_declared_once(&name)
    })
}

fn decide_rename(rename: &RenameStmt, declared: &Declared, history: &History, live: &Live) -> Decision {
    if let Some((old, new)) = renamed_type(&NodeEnum::RenameStmt(Box::new(rename.clone())))
        && let Some(name) = [old, new].into_iter().find(|name| declared.types.contains(name))
    {
        return Decision::Skip(format!("the type {} is declared, and the declaration is the final state", name.1));
    }
    if rename.object.as_ref().is_some_and(|object| dropped::is_declared_routine(object, declared)) {
        return Decision::Skip("the function is declared, and the declaration is the final state".to_owned());
    }
    let Some(relation) = rename.relation.as_ref().map(name) else { return run(!declared.types.is_empty()) };
    let known = declared.is_table(&relation);
    if !known && is_of_relation(rename) && declared.relations.contains(&relation) {
        return Decision::Skip(format!("{} is declared, and the declaration is the final state", relation.1));
    }
    if is_of_part(rename) && declared.parts.contains(&(relation.clone(), rename.subname.clone())) {
        return Decision::Skip(format!("{} is declared, and the declaration is the final state", rename.subname));
    }
    match ObjectType::try_from(rename.rename_type) {
        Ok(ObjectType::ObjectTable) if known => {
            Decision::Skip(format!("the table {} is declared, and the declaration is the final state", relation.1))
        }
        Ok(ObjectType::ObjectTable) if !live.exists => {
            let new = (relation.0.clone(), rename.newname.clone());
            match declared.is_table(&new) || !declared.columns.is_empty() {
                true => Decision::Skip(format!("the declaration has no table {} any more", relation.1)),
                false => run(false),
            }
        }
        Ok(ObjectType::ObjectColumn | ObjectType::ObjectAttribute) if known || history.was_declared_once(&relation) => {
            let column = &rename.subname;
            if declared.has_column(&relation, column) {
                Decision::Skip(format!("the column {column} is declared, and the declaration is the final state"))
            } else if !live.columns.contains(column) {
                Decision::Skip(format!("the declaration has no column {column} any more"))
            } else {
                run(false)
            }
        }
        _ => run(known || !declared.relations.is_empty()),
    }
}

/// `ALTER TABLE … RENAME` serves for every kind of relation.
fn is_of_relation(rename: &RenameStmt) -> bool {
    use ObjectType as Kind;
    matches!(
        ObjectType::try_from(rename.rename_type),
        Ok(Kind::ObjectTable | Kind::ObjectIndex | Kind::ObjectView | Kind::ObjectMatview | Kind::ObjectSequence)
    )
}

fn is_of_part(rename: &RenameStmt) -> bool {
    use ObjectType as Kind;
    matches!(
        ObjectType::try_from(rename.rename_type),
        Ok(Kind::ObjectTabconstraint | Kind::ObjectTrigger | Kind::ObjectPolicy | Kind::ObjectRule)
    )
}

/// [`moves_declared`] knows what the declaration has where it goes; here it is about what is moved on from there.
fn decide_move(alter: &AlterObjectSchemaStmt, declared: &Declared, live: &Live) -> Decision {
    let moved = moved_table(alter).or_else(|| moved_type(alter));
    let Some((old, new)) = moved else { return run(!declared.relations.is_empty()) };
    let is_known = |name: &&Name| declared.is_table(name) || declared.types.contains(*name);
    if let Some(name) = [&old, &new].into_iter().find(is_known) {
        return Decision::Skip(format!("{}.{} is declared, and the declaration is the final state", name.0, name.1));
    }
    let is_gone = alter.relation.is_some() && !live.exists && !declared.columns.is_empty();
    match is_gone {
        true => Decision::Skip(format!("the declaration has no table {} any more", old.1)),
        false => run(!declared.types.is_empty()),
    }
}

/// Why a statement that moves something into another schema, or a function under another name, has nothing to do: the
/// bundle declares it there.
pub fn moves_declared(statement: &Statement, is_declared: impl Fn(&Object) -> bool) -> Option<String> {
    match statement.tree.as_ref() {
        NodeEnum::AlterObjectSchemaStmt(_) => {}
        NodeEnum::RenameStmt(rename) if rename.relation.is_none() => {}
        _ => return None,
    }
    let there = statement.makes.iter().find(|made| is_declared(made))?;
    Some(format!("{}.{} is declared, and the declaration is the final state", there.schema, there.name))
}

fn decide_alter(at: usize, alter: &AlterTableStmt, declared: &Declared, history: &History, live: &Live) -> Decision {
    let Some(relation) = alter.relation.as_ref().map(name) else { return run(false) };
    let known = declared.is_table(&relation);
    if !known {
        if live.exists || !history.was_declared_once(&relation) {
            return run(declared.relations.contains(&relation));
        }
        return Decision::Skip(format!("the declaration has no table {} any more", relation.1));
    }
    if !live.exists {
        // The declaration could not make it yet.
        return Decision::Skip(format!("the table {} is declared, and the declaration is the final state", relation.1));
    }
    let mut kept = Vec::new();
    let mut reasons = Vec::new();
    for node in &alter.cmds {
        match command_reason(at, &relation, node, declared, history, live) {
            Some(reason) => reasons.push(reason),
            None => kept.push(node.clone()),
        }
    }
    if reasons.is_empty() {
        return run(true);
    }
    let reason = reasons.join("; ");
    if kept.is_empty() {
        return Decision::Skip(reason);
    }
    let tree = Box::new(NodeEnum::AlterTableStmt(AlterTableStmt { cmds: kept, ..alter.clone() }));
    Decision::RunOnly { tree, reason }
}

/// Why a command of an `ALTER TABLE` on a declared table is not needed; `None`: it is.
fn command_reason(
    at: usize,
    relation: &Name,
    node: &Node,
    declared: &Declared,
    history: &History,
    live: &Live,
) -> Option<String> {
    use AlterTableType as Alter;
    let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { return None };
    let def = command.def.as_deref().and_then(|def| def.node.as_ref());
    let final_state = |what: &str| format!("{what} is declared, and the declaration is the final state");
    match (Alter::try_from(command.subtype).ok()?, def) {
        (Alter::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => {
            let name = &column.colname;
            if live.columns.contains(name) {
                return Some(format!("the declaration has the column {name} already"));
            }
            let (table, fate) = history.fate_of_column(relation, name, at)?;
            declared
                .has_column(&table, &fate)
                .then(|| format!("the declaration has the column {name} already, as {fate}"))
        }
        (Alter::AtDropColumn, _) => {
            let name = &command.name;
            if declared.has_column(relation, name) {
                return Some(final_state(&format!("the column {name}")));
            }
            (!live.columns.contains(name)).then(|| format!("the declaration has no column {name} any more"))
        }
        (
            Alter::AtAlterColumnType
            | Alter::AtColumnDefault
            | Alter::AtSetNotNull
            | Alter::AtDropNotNull
            | Alter::AtAddIdentity
            | Alter::AtSetIdentity
            | Alter::AtDropIdentity
            | Alter::AtSetExpression
            | Alter::AtDropExpression,
            _,
        ) => {
            let name = &command.name;
            if declared.has_column(relation, name) {
                return Some(final_state(&format!("the column {name}")));
            }
            (!live.columns.contains(name)).then(|| format!("the declaration has no column {name} any more"))
        }
        // A column has one, whatever it is called.
        (Alter::AtAddConstraint, Some(NodeEnum::Constraint(constraint)))
            if constraint.contype == ConstrType::ConstrNotnull as i32
                && constraint.keys.iter().filter_map(word).any(|column| declared.has_column(relation, column)) =>
        {
            let columns: Vec<&str> = constraint.keys.iter().filter_map(word).collect();
            Some(final_state(&format!("the column {}", columns.join(", "))))
        }
        (Alter::AtValidateConstraint, _) if !live.parts.contains(&command.name) => {
            Some(format!("the declaration has no constraint {}", command.name))
        }
        (Alter::AtAlterConstraint, Some(NodeEnum::AtalterConstraint(one))) if !live.parts.contains(&one.conname) => {
            Some(format!("the declaration has no constraint {}", one.conname))
        }
        (Alter::AtAddConstraint, Some(NodeEnum::Constraint(constraint))) => live
            .parts
            .contains(&constraint.conname)
            .then(|| format!("the declaration has the constraint {} already", constraint.conname)),
        (Alter::AtDropConstraint, _) => {
            let name = &command.name;
            if declared.parts.contains(&(relation.clone(), name.clone())) {
                return Some(final_state(&format!("the constraint {name}")));
            }
            (!live.parts.contains(name)).then(|| format!("the declaration has no constraint {name} any more"))
        }
        (off @ (Alter::AtDisableRowSecurity | Alter::AtNoForceRowSecurity), _) => {
            let is_forced = off == Alter::AtNoForceRowSecurity;
            declared.secured.contains(&(relation.clone(), is_forced)).then(|| final_state("row level security"))
        }
        _ => None,
    }
}

pub(super) fn commands(alter: &AlterTableStmt) -> impl Iterator<Item = &AlterTableCmd> {
    alter.cmds.iter().filter_map(|node| match &node.node {
        Some(NodeEnum::AlterTableCmd(command)) => Some(&**command),
        _ => None,
    })
}

/// A relation's schema and name.
pub fn name(relation: &RangeVar) -> Name {
    let schema = if relation.schemaname.is_empty() { "public" } else { &relation.schemaname };
    (schema.to_owned(), relation.relname.clone())
}

pub(super) fn word(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(part)) => Some(&part.sval),
        _ => None,
    }
}
