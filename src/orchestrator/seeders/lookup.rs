//! Asks whether rows are there, many in one query.

use std::collections::HashMap;

use super::columns::Table;
use super::rows::{Row, Term};
use crate::databases::{own_path, set_path};
use crate::orchestrator::error::DeployError;
use crate::orchestrator::runner::Runner;

/// Rows asked for in one query where each is a sub-select of its own.
const ROWS_PER_QUERY: usize = 200;

/// Where they are joined with the table.
const ROWS_PER_JOIN: usize = 5_000;

/// And no more text than this, but for one row.
const BYTES_PER_JOIN: usize = 4 << 20;

const STEP: &str = "looking for the seeded rows";

/// One way to look for a row: what it holds, and what to tell of the row that is found, as SQL of type text.
pub struct Question {
    pub terms: Vec<Term>,
    pub tells: Vec<String>,
}

/// What was told of rows that are there, by their numbers.
pub type Found = HashMap<usize, Vec<Option<String>>>;

/// The rows of these numbers that are there.
pub async fn find(runner: &Runner<'_>, rows: &[(usize, &Row, Question)]) -> Result<Found, DeployError> {
    let mut found = Found::new();
    if rows.is_empty() {
        return Ok(found);
    }
    // What the seeders name is found as they find it; what is PostgreSQL's own comes first.
    let path = format!("pg_catalog, {}", runner.first_path());
    runner.own(STEP, &set_path(path.trim_end_matches([',', ' ']))).await?;
    let groups = alike(rows);
    for query in queries(&groups) {
        let told = runner.client.query(&query, &[]).await.map_err(DeployError::own(STEP))?;
        for row in &told {
            let group = usize::try_from(row.get::<_, i64>(0)).ok().and_then(|group| groups.get(group));
            let one = usize::try_from(row.get::<_, i64>(1)).ok().and_then(|place| group?.rows.get(place));
            let told: Vec<Option<String>> = row.get(2);
            found.extend(one.into_iter().flat_map(|one| &one.numbers).map(|number| (*number, told.clone())));
        }
    }
    runner.own(STEP, &own_path()).await?;
    Ok(found)
}

/// Rows of one table that are looked for by the same columns.
struct Group<'r> {
    table: &'r Table,
    tells: &'r [String],
    rows: Vec<Wanted<'r>>,
}

/// Equal rows are looked for once.
struct Wanted<'r> {
    terms: &'r [Term],
    numbers: Vec<usize>,
}

/// A table, its columns with whether each is NULL, and what is told.
type Kind<'r> = (&'r str, Vec<(usize, bool)>, &'r [String]);

fn alike<'r>(rows: &'r [(usize, &'r Row, Question)]) -> Vec<Group<'r>> {
    let mut places: HashMap<Kind<'r>, usize> = HashMap::new();
    let mut groups: Vec<Group<'r>> = Vec::new();
    let mut met: HashMap<(usize, Vec<Option<&str>>), usize> = HashMap::new();
    for (number, row, Question { terms, tells }) in rows {
        let columns = terms.iter().map(|term| (term.column, term.value.is_none())).collect();
        let at = *places.entry((&row.table.name, columns, tells)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Group { table: &row.table, tells, rows: Vec::new() });
        }
        let wanted = &mut groups[at].rows;
        let values = terms.iter().map(|term| term.value.as_deref()).collect();
        let place = *met.entry((at, values)).or_insert(wanted.len());
        match wanted.get_mut(place) {
            Some(equal) => equal.numbers.push(*number),
            None => wanted.push(Wanted { terms, numbers: vec![*number] }),
        }
    }
    groups
}

/// Each tells the place of a group, that of a row in it, and what is told.
fn queries(groups: &[Group<'_>]) -> Vec<String> {
    let is_single = |group: &Group<'_>| group.rows.len() == 1;
    let singles = groups.iter().enumerate().filter(|(_, group)| is_single(group));
    let singles: Vec<String> = singles.filter_map(|(at, group)| single(at, group)).collect();
    let mut queries: Vec<String> = singles.chunks(ROWS_PER_QUERY).map(|some| some.join(" UNION ALL ")).collect();
    for (at, group) in groups.iter().enumerate().filter(|(_, group)| !is_single(group)) {
        let mut rest = &group.rows[..];
        let mut first = 0;
        while !rest.is_empty() {
            let taken = how_many(rest);
            queries.push(join(at, group, first, &rest[..taken]));
            (first, rest) = (first + taken, &rest[taken..]);
        }
    }
    queries
}

fn how_many(rows: &[Wanted<'_>]) -> usize {
    let bytes_of =
        |row: &Wanted<'_>| row.terms.iter().filter_map(|term| term.value.as_ref()).map(String::len).sum::<usize>();
    let mut bytes = 0_usize;
    let fits = rows.iter().take(ROWS_PER_JOIN).take_while(|row| {
        let before = bytes;
        bytes += bytes_of(row);
        before == 0 || bytes <= BYTES_PER_JOIN
    });
    fits.count().max(1)
}

fn single(at: usize, group: &Group<'_>) -> Option<String> {
    let Group { table, tells, rows } = group;
    let conditions: Vec<String> = rows.first()?.terms.iter().map(|term| term.condition(table)).collect();
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    Some(format!(
        "(SELECT {at}::pg_catalog.int8, 0::pg_catalog.int8, ARRAY[{}]::pg_catalog.text[] FROM {} WHERE {condition} LIMIT 1)",
        tells.join(", "),
        table.name
    ))
}

/// One after the other, rows without a key would each have the whole table read.
fn join(at: usize, group: &Group<'_>, first: usize, rows: &[Wanted<'_>]) -> String {
    let Group { table, tells, .. } = group;
    let own = free_name(table);
    let values = |(place, row): (usize, &Wanted<'_>)| {
        let values = row.terms.iter().filter_map(|term| term.value.as_ref());
        let values: String = values.map(|value| format!(", {value}")).collect();
        format!("({}::pg_catalog.int8{values})", first + place)
    };
    let values: Vec<String> = rows.iter().enumerate().map(values).collect();
    let terms = rows.first().map_or(&[][..], |row| row.terms);
    let named = terms.iter().enumerate().filter(|(_, term)| term.value.is_some());
    let names: String = named.map(|(at, _)| format!(", {own}_{at}")).collect();
    let condition = |(at, term): (usize, &Term)| {
        let value = term.value.as_ref().map(|_| format!("{own}.{own}_{at}"));
        term.condition_with(table, value.as_deref())
    };
    let conditions: Vec<String> = terms.iter().enumerate().map(condition).collect();
    let (conditions, wanted) =
        (conditions.join(" AND "), format!("(VALUES {}) AS {own} ({own}{names})", values.join(", ")));
    let (group, name, tells) = (format!("{at}::pg_catalog.int8"), &table.name, tells.join(", "));
    if tells.is_empty() {
        return format!(
            "SELECT {group}, {own}.{own}, ARRAY[]::pg_catalog.text[] FROM {wanted}
             WHERE EXISTS (SELECT FROM {name} AS {own}_there WHERE {conditions})"
        );
    }
    format!(
        "SELECT DISTINCT ON ({own}.{own}) {group}, {own}.{own}, ARRAY[{tells}]::pg_catalog.text[]
         FROM {wanted} JOIN {name} AS {own}_there ON {conditions}"
    )
}

/// With which no column of the table begins.
fn free_name(table: &Table) -> String {
    let is_free = |name: &String| !table.columns.iter().any(|column| column.name.starts_with(name.as_str()));
    (0..=table.columns.len()).map(|number| format!("w{number}x")).find(is_free).unwrap_or_default()
}
