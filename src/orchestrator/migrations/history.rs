//! The whole of the migrations by their text, to know what becomes of a name later on, and what it was before. Pure.

use std::collections::HashSet;

use pg_query::protobuf::{AlterObjectSchemaStmt, AlterTableCmd, AlterTableType, ObjectType, RenameStmt};
use pg_query::{Node, NodeEnum};

use super::declared::{Name, commands, name, word};
use super::dropped;
use crate::bundle::sql::Statement;

/// Something that a migration does to a name.
pub enum Event {
    /// The table's old name and its new one.
    RenameTable(Name, Name),
    /// The table.
    DropTable(Name),
    /// The table, and the column.
    AddColumn(Name, String),
    /// The table, the column's old name and its new one.
    RenameColumn(Name, String, String),
    /// The table, and the column.
    DropColumn(Name, String),
    /// The table, and the column that gets another type.
    RetypeColumn(Name, String),
}

/// The whole of the migrations, to know what becomes of a name later on.
pub struct History {
    /// With the number of the statement, in the order in which they run.
    events: Vec<(usize, Event)>,
    /// Tables that some migration drops or renames: they were declared once.
    once: HashSet<Name>,
    /// Types that a migration renames: its number, the old name, the new one.
    type_renames: Vec<(usize, Name, Name)>,
    /// Types that a migration drops, with its number.
    type_drops: Vec<(usize, Name)>,
    /// Whether a migration renames a value of an enum.
    renames_labels: bool,
    /// Tables that a migration creates, with its number.
    creations: Vec<(usize, Name)>,
}

impl History {
    /// `migrations`: every migration's statements in the order in which they run.
    pub fn of(migrations: &[&Statement]) -> Self {
        let mut events = Vec::new();
        for (at, statement) in migrations.iter().enumerate() {
            events.extend(events_of(&statement.tree).into_iter().map(|event| (at, event)));
        }
        let once = events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::RenameTable(old, _) => Some(old.clone()),
                Event::DropTable(name) => Some(name.clone()),
                Event::AddColumn(..) | Event::RenameColumn(..) | Event::DropColumn(..) | Event::RetypeColumn(..) => {
                    None
                }
            })
            .collect();
        let type_renames = migrations.iter().enumerate().filter_map(|(at, statement)| {
            let (old, new) = renamed_type(&statement.tree)?;
            Some((at, old, new))
        });
        let type_drops = migrations.iter().enumerate().flat_map(|(at, statement)| match statement.tree.as_ref() {
            NodeEnum::DropStmt(drop) if is_of_type(drop.remove_type) => {
                dropped::names(drop).into_iter().map(|name| (at, name)).collect()
            }
            _ => Vec::new(),
        });
        let (type_renames, type_drops) = (type_renames.collect(), type_drops.collect());
        let renames_label = |statement: &&Statement| matches!(statement.tree.as_ref(), NodeEnum::AlterEnumStmt(alter) if !alter.old_val.is_empty());
        let creates = |statement: &Statement| {
            let is_one = matches!(
                statement.tree.as_ref(),
                NodeEnum::CreateStmt(_) | NodeEnum::CreateForeignTableStmt(_) | NodeEnum::CreateTableAsStmt(_)
            );
            statement.object().filter(|_| is_one).map(|made| (made.schema.clone(), made.name.clone()))
        };
        let creations =
            migrations.iter().enumerate().filter_map(|(at, statement)| Some((at, creates(statement)?))).collect();
        let renames_labels = migrations.iter().any(renames_label);
        Self { events, once, type_renames, type_drops, renames_labels, creations }
    }

    /// Whether some migration drops a table of this name or takes the name away.
    pub(super) fn was_declared_once(&self, table: &Name) -> bool {
        self.once.contains(table)
    }

    /// Whether another table gets this one's name later on, before one is created under it.
    pub fn is_swapped(&self, table: &Name, after: usize) -> bool {
        let renamed = self.events.iter().find_map(|(at, event)| match event {
            Event::RenameTable(_, new) if *at > after && new == table => Some(*at),
            _ => None,
        });
        let created = self.creations.iter().find(|(at, created)| *at > after && created == table).map(|(at, _)| *at);
        renamed.is_some_and(|renamed| created.is_none_or(|created| renamed < created))
    }

    /// Whether there is a table of this name before statement number `at`, by what the migrations make and take away.
    pub(super) fn is_made_before(&self, table: &Name, at: usize) -> bool {
        let made =
            self.creations.iter().rev().find(|(made, created)| *made < at && created == table).map(|(made, _)| *made);
        let gone = |made: usize| {
            self.events_between(made + 1, at).iter().any(|(_, event)| match event {
                Event::RenameTable(old, _) | Event::DropTable(old) => old == table,
                _ => false,
            })
        };
        made.is_some_and(|made| !gone(made))
    }

    /// Whether a table gets the name of another one that goes: then its rows are copies of that one's, or of none.
    pub(super) fn replaces_another(&self, table: &Name, after: usize) -> bool {
        self.renamed_to(table, after).is_none() && self.fate_of_table(table, after).as_ref() != Some(table)
    }

    /// What is done to names by the statements from number `first` to before number `end`.
    pub fn events_between(&self, first: usize, end: usize) -> &[(usize, Event)] {
        let place = |number| self.events.partition_point(|(at, _)| *at < number);
        self.events.get(place(first)..place(end)).unwrap_or_default()
    }

    /// Whether a type gives its name away or goes later on, so that what is declared under that name is another one.
    pub(super) fn type_ends(&self, name: &Name, after: usize) -> bool {
        let renamed = self.type_renames.iter().any(|(at, old, _)| *at > after && old == name);
        renamed || self.type_drops.iter().any(|(at, dropped)| *at > after && dropped == name)
    }

    /// Whether a value that a declared enum does not have may be one that it had: no row can have it now, so that a
    /// condition is about nothing. A row with it is only left out if the migrations change an enum's values.
    pub fn may_use_former_labels(&self, statement: &Statement) -> bool {
        match statement.tree.as_ref() {
            NodeEnum::DeleteStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::SelectStmt(_) => true,
            _ => self.renames_labels || !self.type_renames.is_empty() || !self.type_drops.is_empty(),
        }
    }

    /// The name that a table of this name gets in the end, by renames alone; `None` where it has none, or where it takes
    /// the place of another table: then its rows are copies of that one's.
    pub fn renamed_to(&self, table: &Name, after: usize) -> Option<Name> {
        let mut name = table;
        let mut given_away = HashSet::new();
        for (_, event) in self.events.iter().filter(|(at, _)| *at > after) {
            match event {
                Event::RenameTable(old, new) if old == name => {
                    if given_away.contains(new) {
                        return None;
                    }
                    name = new;
                }
                Event::DropTable(dropped) if dropped == name => return None,
                Event::RenameTable(other, _) | Event::DropTable(other) => drop(given_away.insert(other)),
                Event::AddColumn(..) | Event::RenameColumn(..) | Event::DropColumn(..) | Event::RetypeColumn(..) => {}
            }
        }
        (name != table).then(|| name.clone())
    }

    /// What the columns of a table are called at statement number `after`, given their names in the end.
    pub fn former_columns(&self, table: &Name, after: usize, columns: &[String]) -> Vec<String> {
        let mut name = table;
        let mut renames = Vec::new();
        for (_, event) in self.events.iter().filter(|(at, _)| *at > after) {
            match event {
                Event::RenameTable(old, new) if old == name => name = new,
                Event::RenameColumn(of, old, new) if of == name => renames.push((old, new)),
                _ => {}
            }
        }
        let former = |column: &String| {
            renames
                .iter()
                .rev()
                .fold(column.clone(), |known, (old, new)| if **new == known { (*old).clone() } else { known })
        };
        columns.iter().map(former).collect()
    }

    /// What a type is called in the end.
    pub(super) fn fate_of_type(&self, name: &Name, after: usize) -> Name {
        let mut fate = name.clone();
        for (_, old, new) in self.type_renames.iter().filter(|(at, ..)| *at > after) {
            if *old == fate {
                fate = new.clone();
            }
        }
        fate
    }

    /// What a table is called in the end; `None` where it is dropped.
    pub(super) fn fate_of_table(&self, table: &Name, after: usize) -> Option<Name> {
        let mut name = table.clone();
        for (_, event) in self.events.iter().filter(|(at, _)| *at > after) {
            match event {
                Event::RenameTable(old, new) if *old == name => name = new.clone(),
                Event::DropTable(dropped) if *dropped == name => return None,
                _ => {}
            }
        }
        Some(name)
    }

    /// Whether a column's values of now are none of those that the declared one holds: it gets another type later on, or it goes
    /// and one of its name comes.
    pub(super) fn is_of_other_type(&self, table: &Name, column: &str, after: usize) -> bool {
        let (mut table, mut column) = (table, column);
        for (_, event) in self.events.iter().filter(|(at, _)| *at > after) {
            match event {
                Event::RenameTable(old, new) if old == table => table = new,
                Event::RenameColumn(of, old, new) if of == table && old == column => column = new,
                Event::RetypeColumn(of, retyped) if of == table && retyped == column => return true,
                Event::DropColumn(of, dropped) if of == table && dropped == column => return true,
                Event::DropTable(dropped) if dropped == table => return true,
                _ => {}
            }
        }
        false
    }

    /// What a column is called in the end, and in which table; `None` where it is dropped.
    pub fn fate_of_column(&self, table: &Name, column: &str, after: usize) -> Option<(Name, String)> {
        let (mut table, mut column) = (table.clone(), column.to_owned());
        for (_, event) in self.events.iter().filter(|(at, _)| *at > after) {
            match event {
                Event::RenameTable(old, new) if *old == table => table = new.clone(),
                Event::DropTable(dropped) if *dropped == table => return None,
                Event::RenameColumn(of, old, new) if *of == table && *old == column => column = new.clone(),
                Event::DropColumn(of, dropped) if *of == table && *dropped == column => return None,
                _ => {}
            }
        }
        Some((table, column))
    }
}

pub fn events_of(tree: &NodeEnum) -> Vec<Event> {
    match tree {
        NodeEnum::RenameStmt(rename) => rename_event(rename).into_iter().collect(),
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            moved_table(alter).map(|(old, new)| Event::RenameTable(old, new)).into_iter().collect()
        }
        NodeEnum::DropStmt(drop) if drop.remove_type == ObjectType::ObjectTable as i32 => {
            dropped::names(drop).into_iter().map(Event::DropTable).collect()
        }
        NodeEnum::AlterTableStmt(alter) => {
            let Some(table) = alter.relation.as_ref().map(name) else { return Vec::new() };
            commands(alter).filter_map(|command| column_event(&table, command)).collect()
        }
        _ => Vec::new(),
    }
}

/// The names of a table that gets another name or schema, before and after.
pub fn renamed_table(tree: &NodeEnum) -> Option<(Name, Name)> {
    events_of(tree).into_iter().find_map(|event| match event {
        Event::RenameTable(old, new) => Some((old, new)),
        _ => None,
    })
}

fn column_event(table: &Name, command: &AlterTableCmd) -> Option<Event> {
    match (AlterTableType::try_from(command.subtype).ok()?, &command.def.as_ref().and_then(|def| def.node.as_ref())) {
        (AlterTableType::AtDropColumn, _) => Some(Event::DropColumn(table.clone(), command.name.clone())),
        (AlterTableType::AtAlterColumnType, _) => Some(Event::RetypeColumn(table.clone(), command.name.clone())),
        (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => {
            Some(Event::AddColumn(table.clone(), column.colname.clone()))
        }
        _ => None,
    }
}

/// The names of a table that goes into another schema, before and after.
pub(super) fn moved_table(alter: &AlterObjectSchemaStmt) -> Option<(Name, Name)> {
    let is_table = alter.object_type == ObjectType::ObjectTable as i32
        || alter.object_type == ObjectType::ObjectForeignTable as i32;
    let old = alter.relation.as_ref().filter(|_| is_table).map(name)?;
    let new = (alter.newschema.clone(), old.1.clone());
    Some((old, new))
}

pub(super) fn moved_type(alter: &AlterObjectSchemaStmt) -> Option<(Name, Name)> {
    let is_type = is_of_type(alter.object_type);
    let Some(NodeEnum::List(list)) = &alter.object.as_ref().filter(|_| is_type)?.node else { return None };
    let old = type_name(&list.items)?;
    let new = (alter.newschema.clone(), old.1.clone());
    Some((old, new))
}

/// Domains are types with statements of their own.
fn is_of_type(kind: i32) -> bool {
    kind == ObjectType::ObjectType as i32 || kind == ObjectType::ObjectDomain as i32
}

/// The same of a type or domain.
pub fn renamed_type(tree: &NodeEnum) -> Option<(Name, Name)> {
    let rename = match tree {
        NodeEnum::RenameStmt(rename) => rename,
        NodeEnum::AlterObjectSchemaStmt(alter) => return moved_type(alter),
        _ => return None,
    };
    if !is_of_type(rename.rename_type) {
        return None;
    }
    let Some(NodeEnum::List(list)) = &rename.object.as_ref()?.node else { return None };
    let old = type_name(&list.items)?;
    let new = (old.0.clone(), rename.newname.clone());
    Some((old, new))
}

pub(super) fn type_name(names: &[Node]) -> Option<Name> {
    let parts: Vec<&str> = names.iter().filter_map(word).collect();
    let (last, before) = parts.split_last()?;
    Some((before.last().copied().unwrap_or("public").to_owned(), (*last).to_owned()))
}

fn rename_event(rename: &RenameStmt) -> Option<Event> {
    let old = name(rename.relation.as_ref()?);
    match ObjectType::try_from(rename.rename_type) {
        Ok(ObjectType::ObjectTable) => {
            let new = (old.0.clone(), rename.newname.clone());
            Some(Event::RenameTable(old, new))
        }
        Ok(ObjectType::ObjectColumn | ObjectType::ObjectAttribute) => {
            Some(Event::RenameColumn(old, rename.subname.clone(), rename.newname.clone()))
        }
        _ => None,
    }
}
