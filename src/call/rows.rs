//! Rows → JSON objects: what a prepared statement says about its columns, and what is written for each row. No I/O.

use super::json::{Malformed, Writer, write_text};
use crate::databases::wire::{BINARY, Column, CutOff, Row, TEXT};

/// What to run, and how to write what it returns.
#[derive(Debug)]
pub(super) struct Plan {
    /// The statement.
    pub(super) sql: String,
    columns: Vec<PlannedColumn>,
    /// In which the columns are asked for: one for all, or one for each.
    pub(super) formats: Vec<i16>,
}

#[derive(Debug)]
struct PlannedColumn {
    name: String,
    oid: u32,
    /// `{"name":` for the first column, `,"name":` for the others.
    key: Vec<u8>,
    /// `None`: the server makes JSON of it in a second statement, which only CALL needs.
    writer: Option<Writer>,
}

impl Plan {
    /// How to write rows of these columns.
    pub(super) fn new(sql: String, columns: &[Column]) -> Self {
        let planned = columns.iter().enumerate().map(|(index, column)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            write_text(column.name.as_bytes(), &mut key);
            key.push(b':');
            let oid = column.type_oid;
            PlannedColumn { name: column.name.clone(), oid, key, writer: Writer::of(oid) }
        });
        Self { sql, columns: planned.collect(), formats: vec![BINARY] }
    }

    /// Whether a statement returns what was planned: the function may have changed since.
    pub(super) fn fits(&self, columns: &[Column]) -> bool {
        self.columns.len() == columns.len()
            && self
                .columns
                .iter()
                .zip(columns)
                .all(|(planned, column)| planned.oid == column.type_oid && planned.name == column.name)
    }

    /// Each column's name, and whether the server has to make JSON of it.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.writer.is_none()))
    }

    /// The same where columns of some types cannot be sent to and fro in binary: they are asked for as text.
    pub(super) fn with_texts(mut self, types: &[u32]) -> Self {
        if !types.is_empty() {
            let format = |column: &PlannedColumn| if types.contains(&column.oid) { TEXT } else { BINARY };
            self.formats = self.columns.iter().map(format).collect();
        }
        self
    }

    /// The oid of each column's type where the server has to make JSON of it, and the format in which it comes.
    pub(super) fn types_for_server(&self) -> impl Iterator<Item = Option<(u32, i16)>> {
        let format = |index| self.formats.get(index).copied().unwrap_or(BINARY);
        self.columns
            .iter()
            .enumerate()
            .map(move |(index, column)| column.writer.is_none().then(|| (column.oid, format(index))))
    }

    /// Whether the server has to make JSON of any.
    pub(super) fn needs_server(&self) -> bool {
        self.columns.iter().any(|column| column.writer.is_none())
    }

    /// Appends a row as an object.
    pub(super) fn write_row(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.write_values(row.columns().map(|value| value.map_err(RowError::from)), &mut std::iter::empty(), out)
    }

    /// The same with the columns that the server made JSON of, in their order.
    pub(super) fn write_values<'r>(
        &self,
        mut values: impl Iterator<Item = Result<Option<&'r [u8]>, RowError>>,
        made: &mut impl Iterator<Item = Option<&'r [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        for column in &self.columns {
            let value = values.next().ok_or(CutOff)??;
            out.extend_from_slice(&column.key);
            match column.writer {
                Some(writer) => writer.write(value, out)?,
                None => Writer::Json.write(made.next().flatten(), out)?,
            }
        }
        out.extend_from_slice(if self.columns.is_empty() { b"{}" } else { b"}" });
        Ok(())
    }
}

/// Why a row could not be written: never the client's doing.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    CutOff(#[from] CutOff),
}
