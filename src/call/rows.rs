//! Rows → JSON objects: what a prepared statement says about its columns, and what is written for each row. No I/O.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};
use tokio_postgres::{Column, Row};

use super::json::{Malformed, Writer, write_text};

/// What to run, and how to write what it returns.
#[derive(Debug)]
pub(super) struct Plan {
    /// The statement.
    pub(super) sql: String,
    columns: Vec<PlannedColumn>,
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
            write_text(column.name().as_bytes(), &mut key);
            key.push(b':');
            let oid = column.type_().oid();
            PlannedColumn { name: column.name().to_owned(), oid, key, writer: Writer::of(oid) }
        });
        Self { sql, columns: planned.collect() }
    }

    /// Whether a statement returns what was planned: the function may have changed since.
    pub(super) fn fits(&self, columns: &[Column]) -> bool {
        self.columns.len() == columns.len()
            && self
                .columns
                .iter()
                .zip(columns)
                .all(|(planned, column)| planned.oid == column.type_().oid() && planned.name == column.name())
    }

    /// Each column's name, and whether the server has to make JSON of it.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        self.columns.iter().map(|column| (column.name.as_str(), column.writer.is_none()))
    }

    /// Whether the server has to make JSON of any.
    pub(super) fn needs_server(&self) -> bool {
        self.columns.iter().any(|column| column.writer.is_none())
    }

    /// Appends a row as an object.
    pub(super) fn write_row(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.write_with(row, &mut std::iter::empty(), out)
    }

    /// The same with the columns that the server made JSON of, in their order.
    pub(super) fn write_with<'r>(
        &self,
        row: &'r Row,
        made: &mut impl Iterator<Item = Option<&'r [u8]>>,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        for (index, column) in self.columns.iter().enumerate() {
            out.extend_from_slice(&column.key);
            match column.writer {
                Some(writer) => writer.write(raw(row, index)?.0, out)?,
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
    Column(#[from] tokio_postgres::Error),
}

/// A column's bytes as the server sent them.
pub(super) fn raw(row: &Row, index: usize) -> Result<Raw<'_>, tokio_postgres::Error> {
    row.try_get(index)
}

/// A value in PostgreSQL's binary form, of any type; `None` is NULL.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

/// Values are nobody's business.
impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(of, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }
}
