//! What migrations make and take away again in the end, by their text: a table that is replaced under its name, the type
//! that was there in between. Pure.

use std::collections::{HashMap, HashSet};

use pg_query::NodeEnum;
use pg_query::protobuf::{AlterTableStmt, AlterTableType, DropStmt, ObjectType, RenameStmt};

use super::declared::{self, Name};
use super::history;
use crate::bundle::sql::{Class, Statement, facts};

/// Names that something had, and nothing has when the last migration has run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Vanished {
    /// Tables, views, indexes.
    pub relations: HashSet<Name>,
    /// Types, domains.
    pub types: HashSet<Name>,
    /// Constraints: table and name.
    pub constraints: HashSet<(Name, String)>,
    /// Whether a column went and came back under its name: without the values that it had.
    pub has_columns_anew: bool,
}

/// Goes through the statements of all migrations, in the order in which they run.
pub fn vanished(migrations: &[&Statement]) -> Vanished {
    let mut reading = Reading::default();
    for statement in migrations {
        reading.take_away(statement);
        reading.make(statement);
    }
    reading.gone
}

#[derive(Default)]
struct Reading {
    gone: Vanished,
    /// The indexes that are there, each with its table.
    indexes: HashMap<Name, Name>,
    /// Columns that went.
    columns: HashSet<(Name, String)>,
}

impl Reading {
    fn take_away(&mut self, statement: &Statement) {
        let tree = statement.tree.as_ref();
        if let Some((old, new)) = history::renamed_table(tree) {
            self.indexes.values_mut().filter(|table| **table == old).for_each(|table| table.clone_from(&new));
            self.gone.relations.remove(&new);
            self.gone.relations.insert(old);
        } else if let Some((old, new)) = history::renamed_type(tree) {
            self.gone.types.remove(&new);
            self.gone.types.insert(old);
        }
        match tree {
            NodeEnum::RenameStmt(rename) => self.rename(rename),
            NodeEnum::DropStmt(drop) => self.drop(drop),
            NodeEnum::AlterTableStmt(alter) => self.alter(alter),
            _ => {}
        }
    }

    fn rename(&mut self, rename: &RenameStmt) {
        let Some(old) = rename.relation.as_ref().map(declared::name) else { return };
        match ObjectType::try_from(rename.rename_type) {
            Ok(ObjectType::ObjectIndex) => {
                let new = (old.0.clone(), rename.newname.clone());
                if let Some(table) = self.indexes.remove(&old) {
                    self.indexes.insert(new.clone(), table);
                }
                self.gone.relations.remove(&new);
                self.gone.relations.insert(old);
            }
            Ok(ObjectType::ObjectTabconstraint) => {
                self.gone.constraints.remove(&(old.clone(), rename.newname.clone()));
                self.gone.constraints.insert((old, rename.subname.clone()));
            }
            _ => {}
        }
    }

    fn drop(&mut self, drop: &DropStmt) {
        let names = facts::dropped_names(drop).into_iter().filter_map(name);
        match ObjectType::try_from(drop.remove_type) {
            Ok(ObjectType::ObjectTable | ObjectType::ObjectForeignTable | ObjectType::ObjectMatview) => {
                let tables: HashSet<Name> = names.collect();
                let indexes = self.indexes.extract_if(|_, table| tables.contains(table));
                self.gone.relations.extend(indexes.map(|(index, _)| index));
                self.gone.relations.extend(tables);
            }
            Ok(ObjectType::ObjectView) => self.gone.relations.extend(names),
            Ok(ObjectType::ObjectIndex) => {
                let indexes: Vec<Name> = names.collect();
                indexes.iter().for_each(|index| std::mem::drop(self.indexes.remove(index)));
                self.gone.relations.extend(indexes);
            }
            Ok(ObjectType::ObjectType | ObjectType::ObjectDomain) => self.gone.types.extend(names),
            _ => {}
        }
    }

    fn alter(&mut self, alter: &AlterTableStmt) {
        let Some(table) = alter.relation.as_ref().map(declared::name) else { return };
        for command in alter.cmds.iter().filter_map(facts::command_of) {
            let added = command.def.as_ref().and_then(|def| def.node.as_ref());
            match (AlterTableType::try_from(command.subtype), added) {
                (Ok(AlterTableType::AtDropColumn), _) => {
                    self.columns.insert((table.clone(), command.name.clone()));
                }
                (Ok(AlterTableType::AtAddColumn), Some(NodeEnum::ColumnDef(added))) => {
                    self.gone.has_columns_anew |= self.columns.contains(&(table.clone(), added.colname.clone()));
                }
                (Ok(AlterTableType::AtDropConstraint), _) => {
                    self.gone.constraints.insert((table.clone(), command.name.clone()));
                }
                (Ok(AlterTableType::AtAddConstraint), Some(NodeEnum::Constraint(added))) => {
                    self.gone.constraints.remove(&(table.clone(), added.conname.clone()));
                }
                _ => {}
            }
        }
    }

    fn make(&mut self, statement: &Statement) {
        let is_index = matches!(statement.tree.as_ref(), NodeEnum::IndexStmt(_));
        let table = declared::altered(&statement.tree).filter(|_| is_index);
        for made in &statement.makes {
            let name = (made.schema.clone(), made.name.clone());
            match made.class {
                Class::Relation => {
                    self.gone.relations.remove(&name);
                    self.indexes.extend(table.clone().map(|table| (name, table)));
                }
                Class::Type => drop(self.gone.types.remove(&name)),
                _ => {}
            }
        }
    }
}

fn name(mut parts: Vec<String>) -> Option<Name> {
    let last = parts.pop()?;
    Some((parts.pop().unwrap_or_else(|| "public".to_owned()), last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Kind, Rules, SourceFile, sql};

    #[test]
    fn what_has_a_name_in_the_end_has_not_vanished() {
        let text =
            "CREATE TABLE new_t (); ALTER TABLE t RENAME TO old_t; ALTER TABLE new_t RENAME TO t; DROP TABLE old_t;
                    CREATE TYPE e AS ENUM (); ALTER TYPE e RENAME TO e_old; CREATE TYPE e AS ENUM (); DROP TYPE e_old;
                    DROP VIEW app.v; CREATE TABLE back (); DROP TABLE back; CREATE TABLE back ();
                    ALTER DOMAIN d SET SCHEMA app;
                    CREATE TABLE swapped (); CREATE INDEX by_n ON swapped (n); CREATE INDEX by_m ON t (m);
                    ALTER TABLE swapped RENAME TO s; ALTER INDEX by_m RENAME TO by_k; DROP TABLE s;
                    ALTER TABLE t ADD CONSTRAINT a CHECK (true), DROP CONSTRAINT b;
                    ALTER TABLE t DROP COLUMN n; ALTER TABLE t ADD COLUMN m int;
                    ALTER TABLE t RENAME CONSTRAINT a TO c; ALTER TABLE t ADD CONSTRAINT b CHECK (true);";
        let file =
            SourceFile { kind: Kind::Migrations, path: "migrations/1.sql".to_owned(), text: text.to_owned().into() };
        let statements = sql::read(&file, Rules::Current).expect("it is SQL").statements;
        let gone = vanished(&statements.iter().collect::<Vec<_>>());
        let named = |names: &[(&str, &str)]| -> HashSet<Name> {
            names.iter().map(|(schema, name)| ((*schema).to_owned(), (*name).to_owned())).collect()
        };
        let relations = ["new_t", "old_t", "swapped", "s", "by_n", "by_m"].map(|name| ("public", name));
        assert_eq!(gone.relations, named(&[&relations[..], &[("app", "v")]].concat()));
        assert_eq!(gone.constraints, HashSet::from([(("public".to_owned(), "t".to_owned()), "a".to_owned())]));
        assert!(!gone.has_columns_anew);
        assert_eq!(gone.types, named(&[("public", "e_old"), ("public", "d")]));
    }
}
