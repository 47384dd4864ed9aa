//! Reference rows (contract §4, "Seeders"): which statement of a seeder runs in which database, and whether the rows that
//! seeders name are there.
//!
//! What there is, is looked up before the first seeder runs. A new database runs everything; an existing one only what is
//! about tables that hold nothing of anybody's, so that nothing that somebody has done to its rows is undone.
//!
//! | file         | what it does                                                           |
//! | ------------ | ---------------------------------------------------------------------- |
//! | `tables`     | what the catalog says of the tables that seeders write                  |
//! | `columns`    | their columns and keys, and what their keys take for equal              |
//! | `calls`      | which statements run something that may write                           |
//! | `course`     | what becomes of each statement                                          |
//! | `own`        | relations that seeders make for themselves, in new databases only       |
//! | `by_name`    | says the columns that a statement means by their order                  |
//! | `rows`       | the rows that `INSERT … VALUES` spells out; SQL that finds one          |
//! | `lookup`     | asks for many of them at once                                           |
//! | `existing`   | which are there before the seeders run, by any key                      |
//! | `run`        | runs what is to run, in order                                           |
//! | `records`    | which stored row is which, in a table of the gateway's own              |
//! | `held`       | what the blueprint holds of a row that is not as its seeder says it     |
//! | `checked`    | whether the rows of tables that were there before still are             |
//! | `validation` | what the client reads of that                                           |

mod by_name;
mod calls;
mod checked;
mod columns;
mod course;
mod existing;
mod held;
mod lookup;
mod own;
mod records;
mod rows;
mod run;
mod tables;
mod validation;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::error::SqlState;

use self::columns::Table;
use self::course::Course;
pub use self::held::Held;
use self::own::Own;
pub use self::records::note_made;
use self::rows::{Insert, Row, Stored};
use self::tables::{Tables, name_of};
pub use self::validation::SeederValidation;
use super::catalog::Catalog;
use super::error::DeployError;
use super::report::SeedReport;
use super::runner::Runner;
use super::standing::Snapshot;
use crate::bundle::sql::facts::is_temporary;
use crate::bundle::sql::writes::{Target, Writes};
use crate::bundle::sql::{Class, Object, Statement, Wanted};

/// Where the seeders come to.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// It held nothing of anybody's before the deployment.
    pub new_database: bool,
    /// `/register`: a container has to start, so tables that are empty are filled and rows that are missing no error.
    pub at_start: bool,
    /// What stood before.
    pub before: &'a Snapshot,
    /// The blueprint's; `None` while it is made.
    pub declared: Option<&'a Catalog>,
}

impl<'a> Situation<'a> {
    /// What the blueprint holds.
    fn held(&self) -> Option<&'a Held> {
        self.declared.map(|declared| &declared.seeded)
    }
}

/// What the seeders came to.
#[derive(Default)]
pub struct Seeded {
    /// For each table that was filled.
    pub reports: Vec<SeedReport>,
    /// For each table that was looked into.
    pub validations: Vec<SeederValidation>,
    /// What was passed over, a sentence each.
    pub warnings: Vec<String>,
    /// While a blueprint is made: what it holds.
    pub held: Held,
}

/// What refused a seeder in a new database: rows that only clients have written, which the databases that are there may have,
/// are not in it.
pub fn of_new_database(error: DeployError) -> DeployError {
    const HINT: &str = "a new database has only the rows that the bundle brings, with seeders or migrations, and would not have the one \
                        that this refers to, even where existing databases do; bring that row with the bundle, or take this one out";
    let DeployError::Statement(mut error) = error else { return error };
    if error.sqlstate.as_deref() == Some(SqlState::FOREIGN_KEY_VIOLATION.code()) {
        error.step += " in a new database";
        error.hint.get_or_insert_with(|| HINT.to_owned());
    }
    DeployError::Statement(error)
}

/// A statement of a seeder.
struct Seed<'a> {
    statement: &'a Statement,
    course: Course,
    /// Of an `INSERT` that spells out its rows.
    insert: Option<(Insert, Arc<Table>)>,
}

impl Seed<'_> {
    fn runs(&self) -> bool {
        self.course.runs()
    }

    fn rows(&self) -> Option<(&Insert, &Table)> {
        self.insert.as_ref().map(|(insert, table)| (insert, &**table))
    }
}

/// Runs the seeders, as far as they are to run, and looks for the rows of the others.
pub async fn run(
    runner: &Runner<'_>,
    statements: &[Statement],
    situation: Situation<'_>,
) -> Result<Seeded, DeployError> {
    let mut seeded = Seeded::default();
    let made = records::take_made(runner.client).await?;
    if statements.is_empty() {
        return Ok(seeded);
    }
    let own = own::temporary(statements);
    let filled: Vec<Option<String>> = statements.iter().zip(&own).map(filled_name).collect();
    let tables = read_tables(runner, statements, &filled, situation, &made).await?;
    let (courses, warnings) = courses(runner, statements, (&filled, &own), &tables, situation).await?;
    seeded.warnings.extend(warnings);
    // Of a new database the columns stand as they are declared.
    let declared = situation.declared.filter(|_| !situation.new_database);
    let statements = by_name::say_columns(statements, &courses, &tables, declared).await?;
    let seeds = read_seeds(&statements, &filled, &courses, &tables).await?;
    let there = rows_there(runner, &seeds).await?;
    seeded.warnings.extend(there.warnings);
    let outcome = run::all(runner, &seeds, &there.places).await?;
    if seeds.iter().any(|seed| seed.runs() && seed.statement.writes.is_some()) {
        // A temporary table may have the name of one that is declared, and hides it.
        runner.own("dropping the seeders' temporary tables", "DISCARD TEMP").await?;
    }
    let mut records = BTreeMap::new();
    let stored = there.stored.into_iter().chain(outcome.stored);
    let stored: HashMap<(usize, usize), Stored> = stored.collect();
    for (at, row) in rows_of(&seeds, Course::runs) {
        if let Some(stored) = stored.get(&(at, row.place)) {
            records.insert(row.identity.to_string(), (row.table.printed.clone(), stored.clone()));
        }
    }
    seeded.reports = reports(&seeds, &tables, &own, &outcome.inserted);
    if situation.declared.is_none() {
        seeded.held = held::read(runner, &seeds, &outcome.inserted, &stored).await?;
    }
    let checked = checked::check(runner, &seeds, situation).await?;
    records.extend(checked.records);
    seeded.warnings.extend(checked.warnings);
    seeded.validations = checked.validations;
    records::write(runner.client, &records).await?;
    Ok(seeded)
}

async fn read_tables(
    runner: &Runner<'_>,
    statements: &[Statement],
    filled: &[Option<String>],
    situation: Situation<'_>,
    made: &HashSet<u32>,
) -> Result<Tables, DeployError> {
    let filled: HashSet<String> = filled.iter().flatten().cloned().collect();
    let targets: Vec<&Target> = statements
        .iter()
        .filter_map(|statement| match statement.writes.as_deref() {
            Some(Writes::Targets(targets)) => Some(targets),
            _ => None,
        })
        .flatten()
        .collect();
    let mentioned =
        if situation.new_database { HashSet::new() } else { statements.iter().flat_map(by_name::names).collect() };
    let tables = Tables::read(runner.client, &filled, mentioned, &targets, (situation.before, made)).await;
    tables.map_err(DeployError::own("looking at the tables that the seeders fill"))
}

/// The name that PostgreSQL looks up for an `INSERT` that spells out its rows.
fn filled_name((statement, own): (&Statement, &Own)) -> Option<String> {
    let table = table_of(statement).filter(|_| statement.writes.is_none() && !own.is_filled)?;
    let is_bare = statement
        .needs
        .iter()
        .any(|need| need.wanted == Wanted::Relation && need.schema.is_none() && need.name == table.name);
    Some(name_of(Some(table.schema.as_str()).filter(|schema| *schema != "public" || !is_bare), &table.name))
}

async fn courses(
    runner: &Runner<'_>,
    statements: &[Statement],
    (filled, own): (&[Option<String>], &[Own]),
    tables: &Tables,
    situation: Situation<'_>,
) -> Result<(Vec<Course>, Vec<String>), DeployError> {
    let course = |(at, statement): (usize, &Statement)| {
        course::of(statement, filled[at].as_deref(), &own[at], tables, situation)
    };
    let (mut courses, mut warnings): (Vec<Course>, Vec<Option<String>>) =
        statements.iter().enumerate().map(course).unzip();
    if !situation.new_database {
        for (at, warning) in own::absent(statements, &courses, tables).await? {
            courses[at] = Course::PassOver;
            warnings[at] = Some(warning);
        }
        for (at, name) in calls::that_write(runner.client, statements).await?.into_iter().enumerate() {
            if let Some(name) = name.filter(|_| courses[at] != Course::PassOver) {
                (courses[at], warnings[at]) = course::of_call(&statements[at], &name);
            }
        }
    }
    Ok((courses, warnings.into_iter().flatten().collect()))
}

async fn read_seeds<'a>(
    statements: &'a [Statement],
    filled: &[Option<String>],
    courses: &[Course],
    tables: &Tables,
) -> Result<Vec<Seed<'a>>, DeployError> {
    let table = |at: usize| filled[at].as_ref().and_then(|name| tables.table(name).cloned());
    let inserts: Vec<(Statement, Arc<Table>)> =
        statements.iter().enumerate().filter_map(|(at, statement)| Some((statement.clone(), table(at)?))).collect();
    let mut read = by_name::reading(move || rows::read(&inserts)).await?.into_iter();
    let seed = |(at, statement): (usize, &'a Statement)| {
        let insert = table(at).and_then(|table| Some((read.next()?, table)));
        Seed { statement, course: courses[at], insert }
    };
    Ok(statements.iter().enumerate().map(seed).collect())
}

/// The rows of some statements, each with the place of its statement.
fn rows_of<'s>(seeds: &'s [Seed<'_>], which: impl Fn(Course) -> bool) -> impl Iterator<Item = (usize, &'s Row)> {
    let seeds = seeds.iter().enumerate().filter(move |(_, seed)| which(seed.course));
    seeds.flat_map(|(at, seed)| seed.insert.iter().flat_map(|(insert, _)| &insert.rows).map(move |row| (at, row)))
}

/// The rows that are there before the first seeder runs, where it has to complete what a migration brought.
#[derive(Default)]
struct There {
    /// Statement and place of each.
    places: HashSet<(usize, usize)>,
    stored: HashMap<(usize, usize), Stored>,
    warnings: Vec<String>,
}

async fn rows_there(runner: &Runner<'_>, seeds: &[Seed<'_>]) -> Result<There, DeployError> {
    let asked: Vec<(usize, &Row)> = rows_of(seeds, |course| course == Course::Complete).collect();
    let rows: Vec<&Row> = asked.iter().map(|(_, row)| *row).collect();
    let mut found: Vec<_> = existing::find(runner, &rows).await?.into_iter().collect();
    found.sort_by_key(|(at, _)| *at);
    let mut there = There::default();
    for (number, existing) in found {
        let (at, row) = asked[number];
        there.places.insert((at, row.place));
        if let Some(differs) = existing.differs {
            let path = &seeds[at].statement.path;
            let (line, table) = (row.line, &row.table.printed);
            there.warnings.push(format!(
                "{path}, line {line}: {table} has a row of this key already, in which {differs}; it was left as it is"
            ));
        }
        if !existing.stored.is_empty() {
            there.stored.insert((at, row.place), existing.stored);
        }
    }
    Ok(there)
}

/// One for each table, in the order in which they were met. Temporary ones are nobody's, also those that a `DO` makes.
fn reports(seeds: &[Seed<'_>], tables: &Tables, own: &[Own], inserted: &HashMap<usize, u64>) -> Vec<SeedReport> {
    let lasting = seeds.iter().filter(|seed| !is_temporary(&seed.statement.tree));
    let made: HashSet<(&str, &str)> = lasting
        .flat_map(|seed| &seed.statement.makes)
        .filter(|made| made.class == Class::Relation)
        .map(in_full)
        .collect();
    let is_known = |table: &Object| {
        let (schema, name) = in_full(table);
        let is_there = |schema| tables.concerned(&name_of(schema, name), false).is_some();
        made.contains(&(schema, name)) || is_there(Some(schema)) || is_there(None)
    };
    let is_listed = |at: usize, seed: &Seed<'_>| {
        seed.runs() && !own[at].is_filled && table_of(seed.statement).is_some_and(is_known)
    };
    let mut reports: Vec<SeedReport> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, seed) in seeds.iter().enumerate().filter(|(at, seed)| is_listed(*at, seed)) {
        let Some(rows) = inserted.get(&at) else { continue };
        let table = match (&seed.insert, table_of(seed.statement)) {
            (Some((_, table)), _) => table.printed.clone(),
            (None, Some(Object { schema, name, .. })) if schema == "public" => name.clone(),
            (None, Some(Object { schema, name, .. })) => format!("{schema}.{name}"),
            (None, None) => continue,
        };
        let place = *places.entry(table.clone()).or_insert_with(|| {
            reports.push(SeedReport { table, inserted: 0, skipped: 0 });
            reports.len() - 1
        });
        let named = seed.insert.as_ref().map_or(0, |(insert, _)| insert.rows.len() as u64);
        reports[place].inserted += rows;
        // `ON CONFLICT DO NOTHING` and triggers may leave some out.
        reports[place].skipped += named.saturating_sub(*rows);
    }
    reports
}

fn in_full(object: &Object) -> (&str, &str) {
    (&object.schema, &object.name)
}

/// The table that a seeder's `INSERT` fills.
fn table_of(seed: &Statement) -> Option<&Object> {
    seed.makes.iter().find(|made| made.class == Class::Rows)
}
