//! What dumps and other tools leave in files beside the declaration: `DROP`, `RENAME`, `SET SCHEMA` (contract §3). The files
//! say what there is in the end, so such a statement is passed over where that is the same, and refused elsewhere. Whether
//! it is depends on the whole bundle, so [`super::read_here`] asks when every file was read. Pure.

mod made;

use std::collections::HashSet;

use pg_query::protobuf::{
    AlterDomainStmt, AlterObjectSchemaStmt, AlterTableCmd, AlterTableStmt, AlterTableType, DropStmt, ObjectType,
    RangeVar, RenameStmt,
};
use pg_query::{Node, NodeEnum};

use self::made::Made;
use super::Script;
use crate::bundle::sql::{Class, SqlError, Statement, facts, name_parts};
use crate::bundle::{Kind, Rules};

/// What becomes of a statement.
enum Fate {
    Stays,
    /// Passed over, all of it.
    Goes,
    /// Passed over, but for this.
    Becomes(Box<Statement>),
    Refused(Reason),
}

/// Why a statement is refused, and what to do.
struct Reason {
    why: String,
    hint: &'static str,
}

const BY_MIGRATION: &str = "write a migration";
const WITHOUT_IF_EXISTS: &str = "take it out, or write IF EXISTS: what an earlier bundle declared and this one does not is dropped anyway; \
     what else has to go is dropped by a migration";
const NEW_NAME: &str = "declare it under its new name, and write a migration that renames or moves what is there";

/// Takes out of the files beside `migrations/` what is no declaration.
pub(super) fn take_out(script: &mut Script, rules: Rules) -> Result<(), SqlError> {
    let is_concerned = |statement: &&Statement| statement.kind != Kind::Migrations && is_leftover(&statement.tree);
    if !script.statements.iter().chain(&script.seeds).any(|statement| is_concerned(&statement)) {
        return Ok(());
    }
    let made = Made::of(script);
    let mut warnings = Vec::new();
    let mut own = Own::default();
    let mut sift = |statements: &[Statement]| -> Result<Vec<Fate>, SqlError> {
        let fate = |statement: &Statement| match Some(statement).filter(is_concerned) {
            _ if own.follow(statement) => Ok(Fate::Stays),
            None => Ok(Fate::Stays),
            Some(statement) => match fate_of(statement, &made) {
                Fate::Refused(_) if rules == Rules::Earlier => Ok(Fate::Stays),
                Fate::Refused(reason) => Err(refusal(statement, reason)),
                fate => {
                    warnings.extend(warning(statement, &fate));
                    Ok(fate)
                }
            },
        };
        statements.iter().map(fate).collect()
    };
    let fates = (sift(&script.statements)?, sift(&script.seeds)?);
    script.statements = apply(std::mem::take(&mut script.statements), fates.0);
    script.seeds = apply(std::mem::take(&mut script.seeds), fates.1);
    script.warnings.extend(warnings);
    Ok(())
}

/// The temporary relations that seeders have made so far: they are no declarations, and go as their files say.
#[derive(Default)]
struct Own {
    names: HashSet<String>,
}

impl Own {
    /// Whether the statement is a seeder's about nothing but these.
    fn follow(&mut self, statement: &Statement) -> bool {
        if statement.kind != Kind::Seeders {
            return false;
        }
        if facts::is_temporary(&statement.tree) {
            let relations = statement.makes.iter().filter(|made| made.class == Class::Relation);
            self.names.extend(relations.map(|made| made.name.clone()));
        }
        match statement.tree.as_ref() {
            NodeEnum::DropStmt(drop) => {
                let relations = [ObjectType::ObjectTable, ObjectType::ObjectSequence, ObjectType::ObjectView];
                let names = facts::dropped_names(drop);
                let is_own = relations.iter().any(|kind| *kind as i32 == drop.remove_type)
                    && names.iter().all(|name| self.has(name));
                // Another of the name is not theirs.
                for name in names.iter().filter_map(|name| name.last()) {
                    self.names.remove(name);
                }
                is_own
            }
            NodeEnum::AlterTableStmt(alter) => {
                let parts = |table: &RangeVar| match &*table.schemaname {
                    "" => vec![table.relname.clone()],
                    schema => vec![schema.to_owned(), table.relname.clone()],
                };
                alter.relation.as_ref().is_some_and(|table| self.has(&parts(table)))
            }
            _ => false,
        }
    }

    fn has(&self, parts: &[String]) -> bool {
        match parts {
            [name] => self.names.contains(name),
            [schema, _] => schema == "pg_temp",
            _ => false,
        }
    }
}

fn apply(statements: Vec<Statement>, fates: Vec<Fate>) -> Vec<Statement> {
    let kept = statements.into_iter().zip(fates).filter_map(|(statement, fate)| match fate {
        Fate::Stays | Fate::Refused(_) => Some(statement),
        Fate::Goes => None,
        Fate::Becomes(other) => Some(*other),
    });
    kept.collect()
}

fn is_leftover(tree: &NodeEnum) -> bool {
    match tree {
        NodeEnum::DropStmt(_) | NodeEnum::RenameStmt(_) | NodeEnum::AlterObjectSchemaStmt(_) => true,
        NodeEnum::DropOwnedStmt(_) => true,
        NodeEnum::AlterDomainStmt(alter) => drops_constraint(alter),
        NodeEnum::AlterTableStmt(alter) => alter.cmds.iter().filter_map(facts::command_of).any(drops),
        _ => false,
    }
}

fn fate_of(statement: &Statement, made: &Made<'_>) -> Fate {
    match statement.tree.as_ref() {
        NodeEnum::DropStmt(drop) => fate_of_drop(drop, made),
        NodeEnum::AlterTableStmt(alter) => fate_of_alter(statement, alter, made),
        NodeEnum::AlterDomainStmt(alter) if alter.missing_ok => Fate::Goes,
        NodeEnum::AlterDomainStmt(_) => without_if_exists("DROP CONSTRAINT"),
        NodeEnum::DropOwnedStmt(_) => {
            Fate::Refused(Reason { why: "it drops what the files declare".to_owned(), hint: "take it out of the file" })
        }
        NodeEnum::RenameStmt(rename) if renames_declared(rename, made) => refused_rename("RENAME"),
        NodeEnum::AlterObjectSchemaStmt(alter) if moves_declared(alter, made) => refused_rename("SET SCHEMA"),
        _ => Fate::Stays,
    }
}

fn without_if_exists(what: &str) -> Fate {
    Fate::Refused(Reason { why: format!("{what} without IF EXISTS"), hint: WITHOUT_IF_EXISTS })
}

fn refused_rename(what: &str) -> Fate {
    Fate::Refused(Reason { why: format!("{what} of what the bundle declares"), hint: NEW_NAME })
}

fn not_made(what: &str, name: &str) -> Fate {
    let why = format!("{what} IF EXISTS of {name}, which the bundle does not make");
    Fate::Refused(Reason { why, hint: BY_MIGRATION })
}

fn fate_of_drop(drop: &DropStmt, made: &Made<'_>) -> Fate {
    let (what, class) = match ObjectType::try_from(drop.remove_type) {
        Ok(ObjectType::ObjectTable) => ("DROP TABLE", Class::Relation),
        Ok(ObjectType::ObjectForeignTable) => ("DROP FOREIGN TABLE", Class::Relation),
        Ok(ObjectType::ObjectSequence) => ("DROP SEQUENCE", Class::Relation),
        Ok(ObjectType::ObjectSchema) => ("DROP SCHEMA", Class::Schema),
        Ok(ObjectType::ObjectExtension) => {
            let foreign = drop.objects.iter().find_map(|name| foreign_extension(name, made));
            return if_exists(drop, foreign.map(|name| not_made("DROP EXTENSION", &name)));
        }
        _ => return if_exists(drop, None),
    };
    let names = facts::dropped_names(drop);
    let foreign = names.iter().find(|name| !made.has(class, name));
    if_exists(drop, foreign.map(|name| not_made(what, &name.join("."))))
}

fn foreign_extension(name: &Node, made: &Made<'_>) -> Option<String> {
    match &name.node {
        Some(NodeEnum::String(name)) if !made.has_extension(&name.sval) => Some(name.sval.clone()),
        _ => None,
    }
}

/// `foreign`: what is to be said of an object that the bundle does not make.
fn if_exists(drop: &DropStmt, foreign: Option<Fate>) -> Fate {
    match foreign {
        _ if !drop.missing_ok => without_if_exists("DROP"),
        Some(refused) => refused,
        None => Fate::Goes,
    }
}

fn drops(command: &AlterTableCmd) -> bool {
    let kinds = [AlterTableType::AtDropColumn as i32, AlterTableType::AtDropConstraint as i32];
    kinds.contains(&command.subtype)
}

/// `ALTER DOMAIN … DROP CONSTRAINT`, by the grammar's letter for it.
fn drops_constraint(alter: &AlterDomainStmt) -> bool {
    alter.subtype == "X"
}

fn fate_of_alter(statement: &Statement, alter: &AlterTableStmt, made: &Made<'_>) -> Fate {
    for command in alter.cmds.iter().filter_map(facts::command_of).filter(|command| drops(command)) {
        let is_column = command.subtype == AlterTableType::AtDropColumn as i32;
        if !command.missing_ok {
            return without_if_exists(if is_column { "DROP COLUMN" } else { "DROP CONSTRAINT" });
        }
        let has_column = |table: &RangeVar| made.has_column(table, &command.name);
        if is_column && !alter.relation.as_ref().is_some_and(has_column) {
            return not_made("DROP COLUMN", &command.name);
        }
    }
    let mut rest = alter.clone();
    rest.cmds.retain(|command| !facts::command_of(command).is_some_and(drops));
    if rest.cmds.is_empty() {
        return Fate::Goes;
    }
    match statement.rewritten(NodeEnum::AlterTableStmt(rest)) {
        Some(statement) => Fate::Becomes(Box::new(statement)),
        None => Fate::Refused(Reason {
            why: "DROP beside other commands".to_owned(),
            hint: "write the other commands as a statement of their own",
        }),
    }
}

/// Whether it renames something of the declaration: an object, or a part of one.
fn renames_declared(rename: &RenameStmt, made: &Made<'_>) -> bool {
    if rename.rename_type == ObjectType::ObjectSchema as i32 {
        return made.declares(Class::Schema, std::slice::from_ref(&rename.subname));
    }
    match &rename.relation {
        Some(relation) => made.declares_relation(relation),
        None => made.declares_named(rename.rename_type, rename.object.as_deref()),
    }
}

fn moves_declared(alter: &AlterObjectSchemaStmt, made: &Made<'_>) -> bool {
    match &alter.relation {
        Some(relation) => made.declares_relation(relation),
        None => made.declares_named(alter.object_type, alter.object.as_deref()),
    }
}

/// The words of a name, wherever the grammar puts them.
fn words(object: &Node) -> Vec<String> {
    match &object.node {
        Some(NodeEnum::List(list)) => name_parts(&list.items),
        Some(NodeEnum::TypeName(name)) => name_parts(&name.names),
        Some(NodeEnum::ObjectWithArgs(object)) => name_parts(&object.objname),
        Some(NodeEnum::String(name)) => vec![name.sval.clone()],
        _ => Vec::new(),
    }
}

fn warning(statement: &Statement, fate: &Fate) -> Option<String> {
    let what = match fate {
        Fate::Goes => beginning(&statement.text),
        Fate::Becomes(_) => format!("the DROP in {}", beginning(&statement.text)),
        Fate::Stays | Fate::Refused(_) => return None,
    };
    let (path, line) = (&statement.path, statement.line);
    Some(format!("{path}, line {line}: {what} was passed over; what the files declare no longer goes anyway"))
}

fn refusal(statement: &Statement, Reason { why, hint }: Reason) -> SqlError {
    let (path, line) = (statement.path.to_string(), statement.line);
    SqlError::NotDeclaring { path, line, what: format!("{}: {why}; {hint}", beginning(&statement.text)), hint }
}

/// A statement's beginning, for people.
fn beginning(text: &str) -> String {
    const LONGEST: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &words[..at]),
        None => words,
    }
}
