//! The order of a bundle's statements: each after what it refers to, else by kind, path and line (contract §3, "Order").
//!
//! Pure. Circles through foreign keys, checks and defaults are cut by making the table first and adding those after
//! (`cut`); a circle that cannot be cut is an error that names its members.

mod cut;
pub use cut::rewritten;
mod early;
mod graph;
mod leftovers;
mod paths;
mod seeds;
mod sums;
pub use sums::PREFIX as SUM_PREFIX;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::down;
use super::extension::{self, Extension};
use super::sql::{self, Class, SqlError, Statement};
use super::{Bundle, Kind, Rules, SourceFile};
use graph::Graph;

/// A bundle, read and sorted: what a deployment goes through from the first to the last.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What has to be installed first.
    pub extensions: Vec<Extension>,
    /// Every statement but the seeders', each after what it refers to.
    pub statements: Vec<Statement>,
    /// The seeders' statements; their order follows the foreign keys.
    pub seeds: Vec<Statement>,
    /// Every migration, empty ones too, in the order in which they run.
    pub migrations: Vec<Migration>,
    /// What was passed over, a sentence each.
    pub warnings: Vec<String>,
    /// As what the bundle was read.
    pub rules: Rules,
}

/// A file of `migrations/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The file as it is tracked: its path below `migrations/`.
    pub file: String,
    /// The file as errors name it.
    pub path: String,
    /// Over its statements: white space, line ends and comments do not count.
    pub checksum: String,
    /// What earlier versions may have recorded of the same: SHA-256 over its bytes, with these or other line ends.
    pub earlier: Vec<String>,
}

impl Migration {
    fn of(file: &SourceFile, statements: &[Statement]) -> Self {
        Self {
            file: file.below_folder().to_owned(),
            path: file.path.clone(),
            checksum: sums::of_statements(statements),
            earlier: sums::of_earlier_versions(&file.text),
        }
    }

    /// Whether this is what was applied, if that was recorded so.
    pub fn is_recorded_as(&self, checksum: &str) -> bool {
        self.checksum == checksum || self.earlier.iter().any(|earlier| earlier == checksum)
    }

    /// Whether a sum was taken over the bytes, as earlier versions did.
    pub fn is_of_bytes(checksum: &str) -> bool {
        !checksum.starts_with(sums::PREFIX)
    }
}

/// Why a bundle cannot be brought into an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A file's SQL.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Statements that each need another one of them.
    #[error("sorting the bundle: these need each other and cannot be made one after the other: {}", names(.members))]
    Circle {
        /// In the order of the bundle.
        members: Vec<Member>,
    },
    /// Each of many statements needs each of many others.
    #[error(
        "sorting the bundle: too many statements make the same names that too many others need; the first one over the limit is in {path}, line {line}"
    )]
    Entangled {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// The system has no thread to read with.
    #[error("reading the bundle: {0}")]
    NoThread(String),
}

/// A member of a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it makes.
    pub object: String,
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
}

fn names(members: &[Member]) -> String {
    let names: Vec<_> =
        members.iter().map(|member| format!("{} ({}, line {})", member.object, member.path, member.line)).collect();
    names.join(", ")
}

/// What a script is for: it decides whether the declaration or the migrations come first (contract §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Tables as declared, then migrations.
    NewDatabase,
    /// A new database once more, the other way round: the migrations as they are written, then what they have not made of
    /// the declaration.
    NewByMigrations,
    /// Pending migrations, then what is still missing of the declared tables.
    ExistingDatabase,
}

impl Target {
    /// Whether nothing is there yet.
    pub fn is_new(self) -> bool {
        self != Self::ExistingDatabase
    }

    fn rank(self, kind: Kind) -> usize {
        match (self, kind) {
            (Self::NewDatabase, _) => kind as usize,
            (_, Kind::Tables) => Kind::Migrations as usize,
            (_, Kind::Migrations) => Kind::Tables as usize,
            _ => kind as usize,
        }
    }
}

/// Reads every file of the bundle and sorts what is in them.
pub fn read(bundle: &Bundle, target: Target) -> Result<Script, OrderError> {
    sql::on_deep_stack(|| read_here(bundle, target)).map_err(|error| OrderError::NoThread(error.to_string()))?
}

/// So many sections of one file are named one by one.
const NAMED_SECTIONS: usize = 20;

/// What is said of a migration's sections to take back, which begin in these lines.
fn told_of_sections(path: &str, lines: &[usize]) -> Vec<String> {
    let told = |line: &usize| format!("{path}, line {line}: what takes the migration back is not run");
    let more = lines.len().saturating_sub(NAMED_SECTIONS);
    let rest = (more > 0).then(|| format!("{path}: {more} more sections that take the migration back are not run"));
    lines.iter().take(NAMED_SECTIONS).map(told).chain(rest).collect()
}

fn read_here(bundle: &Bundle, target: Target) -> Result<Script, OrderError> {
    let mut script = Script { rules: bundle.rules, ..Script::default() };
    for file in &bundle.files {
        if file.kind == Kind::Extensions {
            script.extensions.push(extension::read(file));
            continue;
        }
        let counted = match down::read(file) {
            down::Migration::Whole => Cow::Borrowed(file),
            down::Migration::Masked(counted, lines) => {
                script.warnings.extend(told_of_sections(&file.path, &lines));
                Cow::Owned(counted)
            }
            down::Migration::Down => {
                script.warnings.push(format!("{}: what takes a migration back is not run", file.path));
                continue;
            }
        };
        let facts = sql::read(&counted, bundle.rules)?;
        if file.kind == Kind::Migrations {
            script.migrations.push(Migration::of(file, &facts.statements));
        }
        script.warnings.extend(facts.warnings);
        match file.kind {
            Kind::Seeders => script.seeds.extend(facts.statements),
            _ => script.statements.extend(facts.statements),
        }
    }
    paths::resolve(&mut script);
    leftovers::take_out(&mut script, bundle.rules)?;
    sort_migrations(&mut script);
    script.seeds = seeds::sort(script.seeds, &script.statements);
    // Stable: the migrations keep the order just found.
    script.statements.sort_by_key(|statement| target.rank(statement.kind));
    script.statements = sort(script.statements, target)?;
    Ok(script)
}

/// Migrations run in the order of their names, except that one which needs a relation made only by a later one runs
/// after it.
fn sort_migrations(script: &mut Script) {
    let (migrations, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut script.statements).into_iter().partition(|statement| statement.kind == Kind::Migrations);
    let mut by_path: HashMap<String, Vec<Statement>> = HashMap::new();
    for statement in migrations {
        match by_path.get_mut(statement.path.as_str()) {
            Some(statements) => statements.push(statement),
            None => drop(by_path.insert(statement.path.to_string(), vec![statement])),
        }
    }
    let made_in = |statements: Option<&Vec<Statement>>| -> Vec<(String, String)> {
        let makes = statements.into_iter().flatten().flat_map(|statement| &statement.makes);
        makes
            .filter(|made| made.class == Class::Relation)
            .map(|made| (made.schema.clone(), made.name.clone()))
            .collect()
    };
    let declared: HashSet<_> = made_in(Some(&others)).into_iter().collect();
    let makes: Vec<Vec<_>> = script.migrations.iter().map(|file| made_in(by_path.get(&file.path))).collect();
    let mut makers: HashMap<&(String, String), usize> = HashMap::new();
    for (index, made) in makes.iter().enumerate() {
        for object in made {
            makers.entry(object).or_insert(index);
        }
    }
    let needed_by = |index: usize| -> Vec<usize> {
        let statements = by_path.get(&script.migrations[index].path);
        let needs = statements.into_iter().flatten().flat_map(|statement| &statement.needs);
        needs
            .filter(|need| need.wanted.classes().contains(&Class::Relation))
            .map(|need| (need.schema.clone().unwrap_or_else(|| "public".to_owned()), need.name.clone()))
            .filter(|object| !declared.contains(object))
            .filter_map(|object| makers.get(&object).copied())
            .filter(|maker| *maker > index)
            .collect()
    };
    let edges: Vec<Vec<usize>> = (0..script.migrations.len()).map(needed_by).collect();
    let order = graph::after_their_needs(&edges);
    script.statements = others;
    for index in &order {
        script.statements.extend(by_path.remove(&script.migrations[*index].path).unwrap_or_default());
    }
    script.migrations = order.into_iter().map(|index| script.migrations[index].clone()).collect();
}

fn sort(mut statements: Vec<Statement>, target: Target) -> Result<Vec<Statement>, OrderError> {
    for what in cut::Part::IN_ORDER {
        let graph = graph_of(&statements, target)?;
        let circles = graph.circles();
        if circles.is_empty() {
            break;
        }
        statements = cut::apart(statements, &graph, &circles, what);
    }
    let mut graph = graph_of(&statements, target)?;
    if target != Target::NewDatabase {
        graph.without_waiting_migrations(&statements);
    }
    if let Some(circle) = graph.circles().first() {
        let member = |index: &usize| {
            let statement = &statements[*index];
            let object = statement.object().map_or("a statement", |object| &object.name).to_owned();
            Member { object, path: statement.path.to_string(), line: statement.line }
        };
        return Err(OrderError::Circle { members: circle.iter().map(member).collect() });
    }
    let order = graph.order(&statements);
    for (at, statement) in statements.iter_mut().enumerate() {
        statement.early = graph.is_early(at);
    }
    let mut slots: Vec<Option<Statement>> = statements.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| slots[index].take()).collect())
}

fn graph_of(statements: &[Statement], target: Target) -> Result<Graph, OrderError> {
    Graph::of(statements, target)
        .map_err(|at| OrderError::Entangled { path: statements[at].path.to_string(), line: statements[at].line })
}

#[cfg(test)]
mod tests;
