//! What a table, its `ALTER TABLE` and its indexes promise. Pure; called by [`super`].

use std::collections::BTreeMap;

use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, CreateStmt, IndexStmt, TypeName,
};
use pg_query::{Node, NodeEnum};

use super::{Name, Promise, Promises, is_part_of, lasting, name_of};
use crate::bundle::sql::{facts, grammar};

pub(super) fn created(promises: &mut Promises, at: usize, create: &CreateStmt) {
    let Some(table) = create.relation.as_ref().and_then(lasting) else { return };
    let mut keys = Keys::default();
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::ColumnDef(one)) => column(promises, at, &table, one, &mut keys),
            Some(NodeEnum::Constraint(one)) => constraint(promises, at, &table, one, &mut keys),
            _ => {}
        }
    }
    keys.promise(promises, at, &table);
    promises.add(at, Promise::Table(table));
}

/// The primary key and the unique constraints of one statement, by what they say: of those that say the same PostgreSQL makes
/// one, under the name of one of them.
#[derive(Default)]
struct Keys(BTreeMap<String, Vec<Promise>>);

impl Keys {
    fn add(&mut self, constraint: &Constraint, promise: Promise) {
        let unnamed =
            Constraint { conname: String::new(), contype: ConstrType::ConstrUnique as i32, ..constraint.clone() };
        self.0.entry(text(&unnamed)).or_default().push(promise);
    }

    fn promise(self, promises: &mut Promises, at: usize, table: &Name) {
        for (text, mut same) in self.0 {
            match (same.pop(), same.is_empty()) {
                (Some(only), true) => promises.add(at, only),
                _ => promises.add(at, Promise::Unnamed(table.clone(), 'u', text)),
            }
        }
    }
}

/// The attributes of a composite type.
pub(super) fn columns(promises: &mut Promises, at: usize, table: &Name, elements: &[Node]) {
    for element in elements {
        if let Some(NodeEnum::ColumnDef(one)) = &element.node {
            column(promises, at, table, one, &mut Keys::default());
        }
    }
}

fn column(promises: &mut Promises, at: usize, table: &Name, column: &ColumnDef, keys: &mut Keys) {
    let of = |promise: fn(Name, String) -> Promise| promise(table.clone(), column.colname.clone());
    promises.add(at, of(Promise::Column));
    if column.type_name.as_ref().is_some_and(is_serial) || column.raw_default.as_deref().is_some_and(is_a_value) {
        promises.add(at, of(Promise::Default));
    }
    for node in &column.constraints {
        let Some(NodeEnum::Constraint(one)) = &node.node else { continue };
        match ConstrType::try_from(one.contype) {
            Ok(ConstrType::ConstrNotnull) => promises.add(at, of(Promise::NotNull)),
            Ok(ConstrType::ConstrDefault) if one.raw_expr.as_deref().is_none_or(is_a_value) => {
                promises.add(at, of(Promise::Default));
            }
            Ok(ConstrType::ConstrIdentity | ConstrType::ConstrGenerated) => promises.add(at, of(Promise::Default)),
            Ok(ConstrType::ConstrPrimary | ConstrType::ConstrUnique) => {
                let word = pg_query::protobuf::String { sval: column.colname.clone() };
                let key = vec![Node { node: Some(NodeEnum::String(word)) }];
                constraint(promises, at, table, &Constraint { keys: key, ..(**one).clone() }, keys);
            }
            _ => constraint(promises, at, table, one, keys),
        }
    }
}

fn is_serial(name: &TypeName) -> bool {
    const SERIAL: [&str; 6] = ["serial", "serial4", "bigserial", "serial8", "smallserial", "serial2"];
    matches!(&facts::words(&name.names)[..], [only] if SERIAL.contains(&only.as_str()))
}

/// `DEFAULT NULL` is no default.
fn is_a_value(expression: &Node) -> bool {
    match &expression.node {
        Some(NodeEnum::AConst(constant)) => !constant.isnull,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_none_or(is_a_value),
        _ => true,
    }
}

/// Where PostgreSQL picks the name, the text tells the one from the other.
fn constraint(promises: &mut Promises, at: usize, table: &Name, constraint: &Constraint, keys: &mut Keys) {
    let kind = match ConstrType::try_from(constraint.contype) {
        Ok(ConstrType::ConstrCheck) => 'c',
        Ok(ConstrType::ConstrForeign) => 'f',
        Ok(ConstrType::ConstrPrimary) => 'p',
        Ok(ConstrType::ConstrUnique) => 'u',
        Ok(ConstrType::ConstrExclusion) => 'x',
        Ok(ConstrType::ConstrNotnull) => return not_null(promises, at, table, constraint),
        _ => return,
    };
    if !constraint.indexname.is_empty() {
        // `USING INDEX i`, which gets the constraint's name.
        promises.forget(
            |promise| matches!(promise, Promise::Index(of, index) if of.1 == table.1 && *index == constraint.indexname),
        );
    }
    let promise = match constraint.conname.is_empty() {
        true => Promise::Unnamed(table.clone(), kind, text(constraint)),
        false => Promise::Constraint(table.clone(), constraint.conname.clone()),
    };
    match kind {
        'p' | 'u' if constraint.indexname.is_empty() => keys.add(constraint, promise),
        _ => promises.add(at, promise),
    }
}

/// `CONSTRAINT n NOT NULL a`, since PostgreSQL 18. One that is `NOT VALID` is a constraint, but says nothing of the rows.
fn not_null(promises: &mut Promises, at: usize, table: &Name, constraint: &Constraint) {
    if !constraint.skip_validation {
        let columns = facts::words(&constraint.keys);
        columns.into_iter().for_each(|column| promises.add(at, Promise::NotNull(table.clone(), column)));
    } else if !constraint.conname.is_empty() {
        promises.add(at, Promise::Constraint(table.clone(), constraint.conname.clone()));
    }
}

/// The same for the same, however it is written; where the grammar's writer refuses, all such count as one.
fn text(constraint: &Constraint) -> String {
    // Trees that the grammar has not made may have values in them that its writer does not know.
    let parsed = grammar::parse("ALTER TABLE t ADD CHECK (true)").unwrap_or_default();
    let Some(NodeEnum::AlterTableStmt(mut alter)) = parsed.into_iter().find_map(|raw| raw.stmt?.node) else {
        return String::new();
    };
    for node in &mut alter.cmds {
        if let Some(NodeEnum::AlterTableCmd(command)) = &mut node.node {
            command.def = Some(Box::new(Node { node: Some(NodeEnum::Constraint(Box::new(constraint.clone()))) }));
        }
    }
    let written = grammar::deparse(NodeEnum::AlterTableStmt(alter)).map(|(_, text)| text).unwrap_or_default();
    written.split_once(" ADD ").map_or(String::new(), |(_, text)| text.to_owned())
}

pub(super) fn index(promises: &mut Promises, at: usize, index: &IndexStmt) {
    let Some(table) = index.relation.as_ref().and_then(lasting) else { return };
    if !index.idxname.is_empty() {
        return promises.add(at, Promise::Index(table, index.idxname.clone()));
    }
    let text = grammar::deparse(NodeEnum::IndexStmt(Box::new(index.clone()))).map(|(_, text)| text);
    promises.add(at, Promise::UnnamedIndex(table, text.unwrap_or_default()));
}

/// The constraints of a domain.
pub(super) fn domain(promises: &mut Promises, at: usize, name: &Name, constraints: &[Node]) {
    for node in constraints {
        if let Some(NodeEnum::Constraint(one)) = &node.node
            && one.contype == ConstrType::ConstrCheck as i32
        {
            constraint(promises, at, name, one, &mut Keys::default());
        }
    }
}

pub(super) fn altered(promises: &mut Promises, at: usize, alter: &AlterTableStmt) {
    let Some(table) = alter.relation.as_ref().map(name_of) else { return };
    let mut keys = Keys::default();
    for node in &alter.cmds {
        if let Some(command) = facts::command_of(node) {
            command_of(promises, at, &table, command, &mut keys);
        }
    }
    keys.promise(promises, at, &table);
}

fn command_of(promises: &mut Promises, at: usize, table: &Name, command: &AlterTableCmd, keys: &mut Keys) {
    use AlterTableType as Alter;
    let def = command.def.as_deref().and_then(|def| def.node.as_ref());
    let column_name = &command.name;
    let of = |promise: fn(Name, String) -> Promise| promise(table.clone(), column_name.clone());
    let is_column = |of: &Name, column: &String| of.1 == table.1 && column == column_name;
    let Ok(kind) = Alter::try_from(command.subtype) else { return };
    match (kind, def) {
        (Alter::AtAddColumn, Some(NodeEnum::ColumnDef(one))) => column(promises, at, table, one, keys),
        (Alter::AtAddConstraint, Some(NodeEnum::Constraint(one))) => constraint(promises, at, table, one, keys),
        (Alter::AtColumnDefault, Some(_)) if command.def.as_deref().is_some_and(is_a_value) => {
            promises.add(at, of(Promise::Default));
        }
        (Alter::AtColumnDefault | Alter::AtDropIdentity | Alter::AtDropExpression, _) => {
            promises.forget(|promise| matches!(promise, Promise::Default(of, column) if is_column(of, column)));
        }
        (Alter::AtAddIdentity, _) => promises.add(at, of(Promise::Default)),
        (Alter::AtSetNotNull, _) => promises.add(at, of(Promise::NotNull)),
        (Alter::AtDropNotNull, _) => {
            promises.forget(|promise| matches!(promise, Promise::NotNull(of, column) if is_column(of, column)));
        }
        (Alter::AtDropColumn, _) => {
            // What was made over the column goes with it.
            promises.forget(|promise| match promise {
                Promise::Column(of, column) | Promise::Default(of, column) | Promise::NotNull(of, column) => {
                    is_column(of, column)
                }
                Promise::Index(of, _) | Promise::UnnamedIndex(of, _) | Promise::Part(of, 's', _) => of.1 == table.1,
                other => is_part_of(other, table) && !matches!(other, Promise::Default(..) | Promise::NotNull(..)),
            });
        }
        (Alter::AtDropConstraint, _) => {
            let is_it = |promise: &Promise| matches!(promise, Promise::Constraint(of, name) if of.1 == table.1 && name == column_name);
            let is_known = promises.0.keys().any(is_it);
            promises.forget(|promise| match promise {
                // Its name may be the one that PostgreSQL picked.
                Promise::Unnamed(of, ..) => of.1 == table.1,
                // Since PostgreSQL 18 this is a constraint like others.
                Promise::NotNull(of, _) => of.1 == table.1 && !is_known,
                other => is_it(other),
            });
        }
        (Alter::AtEnableRowSecurity, _) => promises.add(at, Promise::RowSecurity(table.clone(), false)),
        (Alter::AtForceRowSecurity, _) => promises.add(at, Promise::RowSecurity(table.clone(), true)),
        (Alter::AtDisableRowSecurity | Alter::AtNoForceRowSecurity, _) => {
            let forced = kind == Alter::AtNoForceRowSecurity;
            promises.forget(|promise| matches!(promise, Promise::RowSecurity(of, of_force) if of.1 == table.1 && *of_force == forced));
        }
        _ => {}
    }
}
