//! Rows in the database between deployments, and what becomes of them.

use std::collections::BTreeMap;

use super::model::{Id, Model, PartKind, Table};
use super::names::{quoted, sql_name};
use super::steps::Effects;
use super::types::Type;
use crate::support::Sql;
use crate::support::random::Random;

/// The values of each column, by table and column, in the order of the keys.
pub(super) type Values = BTreeMap<(Id, Id), Vec<String>>;

/// Adds some rows to some tables.
pub(super) async fn insert(sql: &Sql, model: &mut Model, random: &mut Random) {
    let counts: Vec<usize> = model.tables.iter().map(|table| table.rows + random.below(3)).collect();
    // Rows may point at rows that come later; triggers stay still.
    let mut script = "SET session_replication_role = replica;\n".to_owned();
    for (index, count) in counts.iter().enumerate() {
        let table = &model.tables[index];
        for row in table.rows + 1..=*count {
            script += &row_of(model, table, row, &counts);
        }
        let grown = *count > table.rows;
        let table = &mut model.tables[index];
        let rows = table.rows + 1..=*count;
        table.rows = *count;
        for column in table.columns.iter_mut().filter(|_| grown) {
            column.holds_nulls |= !column.not_null && rows.clone().any(is_null_in);
        }
    }
    sql.run(&format!("{script}RESET session_replication_role")).await;
}

fn is_null_in(row: usize) -> bool {
    row.is_multiple_of(3)
}

fn row_of(model: &Model, table: &Table, row: usize, counts: &[usize]) -> String {
    let target_of = |column: Id| {
        table.parts.iter().find_map(|part| match part.kind {
            PartKind::ForeignKey(target) if part.columns.contains(&column) => Some(target),
            _ => None,
        })
    };
    let mut names = vec!["id".to_owned()];
    let mut values = vec![row.to_string()];
    for column in &table.columns {
        names.push(quoted(&column.name));
        let target = target_of(column.id).map(|target| model.tables.iter().position(|one| one.id == target));
        values.push(match target {
            Some(Some(target)) if counts[target] > 0 => (1 + row % counts[target]).to_string(),
            Some(_) => "NULL".to_owned(),
            None if !column.not_null && is_null_in(row) => "NULL".to_owned(),
            None => column.kind.value(model, row),
        });
    }
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE VALUES ({values});\n", sql_name(&table.name))
}

/// Everything that the tables hold, as text; of numbers, what they are worth.
pub(super) async fn read(sql: &Sql, model: &Model) -> Values {
    let mut all = Values::new();
    for table in model.tables.iter().filter(|table| !table.columns.is_empty()) {
        let text = |kind: Type, name: &str| match kind {
            Type::Numeric(..) | Type::AnyNumeric | Type::SmallInt | Type::Integer | Type::BigInt => {
                format!("trim_scale({}::numeric)", quoted(name))
            }
            _ => quoted(name),
        };
        let columns: Vec<_> = table.columns.iter().map(|column| text(column.kind, &column.name)).collect();
        let query = format!("SELECT {} FROM {} ORDER BY id", columns.join(", "), sql_name(&table.name));
        for row in sql.rows(&query).await {
            for (column, value) in table.columns.iter().zip(row) {
                all.entry((table.id, column.id)).or_default().push(value);
            }
        }
    }
    all
}

/// What became of columns that both versions have, in words.
pub(super) fn differences(before: &Values, after: &Values, effects: &Effects, next: &Model) -> Vec<String> {
    let survives = |table: Id, column: Id| {
        let table = next.tables.iter().find(|one| one.id == table);
        table.is_some_and(|table| table.columns.iter().any(|one| one.id == column))
    };
    before
        .iter()
        .filter(|((table, column), _)| survives(*table, *column) && !effects.rewritten.contains(&(*table, *column)))
        .filter(|(key, values)| after.get(key) != Some(values))
        .map(|(key, values)| format!("column {key:?} held {values:?}, holds {:?}", after.get(key)))
        .collect()
}
