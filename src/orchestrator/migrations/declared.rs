//! Migrations in a new database, whose tables are already as declared: which statements it has no need of
//! (contract §4, first paragraph). Pure: what the database holds is an argument.
//!
//! The declaration is the final state, so a statement that would change a declared column, constraint or index is
//! skipped, whether the declaration has its result or has gone further since. What the declaration does not know (an
//! index that only a migration makes) is run.

use std::collections::{HashMap, HashSet};

use pg_query::protobuf::{
    AlterObjectSchemaStmt, AlterTableCmd, AlterTableStmt, AlterTableType, ObjectType, RangeVar, RenameStmt,
};
use pg_query::{Node, NodeEnum};

use super::dropped;
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
                Event::AddColumn(..) | Event::RenameColumn(..) | Event::DropColumn(..) => None,
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

    /// Whether another table gets this one's name later on, before one is created under it.
    pub fn is_swapped(&self, table: &Name, after: usize) -> bool {
        let renamed = self.events.iter().find_map(|(at, event)| match event {
            Event::RenameTable(_, new) if *at > after && new == table => Some(*at),
            _ => None,
        });
        let created = self.creations.iter().find(|(at, created)| *at > after && created == table).map(|(at, _)| *at);
        renamed.is_some_and(|renamed| created.is_none_or(|created| renamed < created))
    }

    /// What is done to names by the statements from number `first` to before number `end`.
    pub fn events_between(&self, first: usize, end: usize) -> &[(usize, Event)] {
        let place = |number| self.events.partition_point(|(at, _)| *at < number);
        self.events.get(place(first)..place(end)).unwrap_or_default()
    }

    /// Whether a type gives its name away or goes later on, so that what is declared under that name is another one.
    fn type_ends(&self, name: &Name, after: usize) -> bool {
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
                Event::AddColumn(..) | Event::RenameColumn(..) | Event::DropColumn(..) => {}
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
    fn fate_of_type(&self, name: &Name, after: usize) -> Name {
        let mut fate = name.clone();
        for (_, old, new) in self.type_renames.iter().filter(|(at, ..)| *at > after) {
            if *old == fate {
                fate = new.clone();
            }
        }
        fate
    }

    /// What a table is called in the end; `None` where it is dropped.
    fn fate_of_table(&self, table: &Name, after: usize) -> Option<Name> {
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

fn events_of(tree: &NodeEnum) -> Vec<Event> {
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
        (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => {
            Some(Event::AddColumn(table.clone(), column.colname.clone()))
        }
        _ => None,
    }
}

/// The names of a table that goes into another schema, before and after.
fn moved_table(alter: &AlterObjectSchemaStmt) -> Option<(Name, Name)> {
    let is_table = alter.object_type == ObjectType::ObjectTable as i32
        || alter.object_type == ObjectType::ObjectForeignTable as i32;
    let old = alter.relation.as_ref().filter(|_| is_table).map(name)?;
    let new = (alter.newschema.clone(), old.1.clone());
    Some((old, new))
}

fn moved_type(alter: &AlterObjectSchemaStmt) -> Option<(Name, Name)> {
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

fn type_name(names: &[Node]) -> Option<Name> {
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
            || history.once.contains(&name)
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
        Ok(ObjectType::ObjectColumn | ObjectType::ObjectAttribute) if known || history.once.contains(&relation) => {
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
        if live.exists || !history.once.contains(&relation) {
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

fn commands(alter: &AlterTableStmt) -> impl Iterator<Item = &AlterTableCmd> {
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

fn word(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(part)) => Some(&part.sval),
        _ => None,
    }
}
