//! Preparing statements, and questions with one row. Nothing here may change the session but what a question runs.

use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use super::script::{ONE_ROW, Step};
use super::{BINARY, Event, State, Statement, TEXT, Wire, WireError};
use crate::databases::own_path;

impl Wire {
    /// Prepares a statement, unless this connection has it.
    pub async fn prepare(&mut self, sql: &str) -> Result<Arc<Statement>, WireError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        self.settle().await?;
        let name = self.cleaning.name(self.named);
        self.named += 1;
        self.queue(&[Step::Parsed, Step::Parameters, Step::Columns, Step::Ready], |out| {
            frontend::parse(&name, sql, [], out)?;
            frontend::describe(b'S', &name, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        let mut columns = Vec::new();
        self.answer(|_, event| {
            if let Event::Described(described) = event {
                columns = described;
            }
            Ok(())
        })
        .await?;
        let statement = Arc::new(Statement { name, columns });
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The next [`Wire::prepare`] prepares it anew.
    pub fn forget(&mut self, sql: &str) {
        if let Some(statement) = self.statements.remove(sql) {
            self.unwanted.push(statement.name.clone());
        }
    }

    /// The only row of a question of the gateway's own, with parameters given as text. It is read under the gateway's own
    /// path, which is the call's again afterwards: all of it is one flight and one transaction.
    pub async fn query_row(&mut self, sql: &str, params: &[Option<&str>]) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        let values: Vec<_> = params.iter().map(|param| param.map(str::as_bytes)).collect();
        let around = [&[(own_path(), "SET")][..], &[("RESET search_path".to_owned(), "RESET")]];
        self.ask(sql, &[], &[TEXT], &values, around).await
    }

    /// The only row of a query over values as the call before has returned them, of the types with these oids and in these
    /// formats. It may run what platforms have written (casts), so that everything is taken back afterwards.
    pub async fn query_row_over(
        &mut self,
        sql: &str,
        types: &[u32],
        formats: &[i16],
        values: &[Option<&[u8]>],
    ) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        // A text means what it meant when the call ended, not what it means in a cleaned session.
        let styles = if formats.contains(&TEXT) { self.line.reports.statements_for_styles() } else { Vec::new() };
        let before: Vec<_> = styles.into_iter().map(|sql| (sql, "SET")).collect();
        let row = self.ask(sql, types, formats, values, [&before, &[]]).await;
        self.spoiled = true;
        row
    }

    /// The only row of a statement that is run once. `types` are those of the values (`pg_type.oid`; 0: PostgreSQL
    /// infers it), which are in `formats`: one for each, or one for all; the columns come in binary. `around`: what is run before and
    /// after it, and the tags with which that answers.
    async fn ask(
        &mut self,
        sql: &str,
        types: &[u32],
        formats: &[i16],
        values: &[Option<&[u8]>],
        around: [&[(String, &'static str)]; 2],
    ) -> Result<Vec<Option<Vec<u8>>>, WireError> {
        self.settle().await?;
        let [before, after] = around;
        let steps_of = |(_, tag): &(String, &'static str)| [Step::Parsed, Step::Bound, Step::Done(tag)];
        let mut steps: Vec<Step> = before.iter().flat_map(steps_of).collect();
        steps.extend([Step::Parsed, Step::Bound, Step::Row, Step::Done(ONE_ROW)]);
        steps.extend(after.iter().flat_map(steps_of));
        steps.push(Step::Ready);
        self.queue(&steps, |out| {
            before.iter().try_for_each(|(sql, _)| run_at_once(sql, out))?;
            frontend::parse("", sql, types.iter().copied(), out)?;
            let write = |value: &Option<&[u8]>, out: &mut BytesMut| {
                Ok(match value {
                    Some(value) => {
                        out.extend_from_slice(value);
                        IsNull::No
                    }
                    None => IsNull::Yes,
                })
            };
            match frontend::bind("", "", formats.iter().copied(), values, write, [BINARY], out) {
                Ok(()) => {}
                Err(BindError::Serialization(error)) => return Err(error),
                Err(BindError::Conversion(error)) => return Err(std::io::Error::other(error)),
            }
            frontend::execute("", 0, out)?;
            after.iter().try_for_each(|(sql, _)| run_at_once(sql, out))?;
            frontend::sync(out);
            Ok(())
        })?;
        let mut found = None;
        self.answer(|wire, event| {
            if let Event::Row = event {
                let columns = wire.line.row().columns().map(|column| column.map(|bytes| bytes.map(<[u8]>::to_vec)));
                let columns = columns.collect::<Result<Vec<_>, _>>();
                found = Some(columns.map_err(|error| WireError::Protocol(error.to_string()))?);
            }
            Ok(())
        })
        .await?;
        found.ok_or_else(|| WireError::Protocol("no row came".to_owned()))
    }

    /// Queues what is asked, behind what closes statements that nobody wants any more.
    fn queue(
        &mut self,
        steps: &[Step],
        write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), WireError> {
        let out = &mut self.line.outbox;
        for name in &self.unwanted {
            frontend::close(b'S', name, out).map_err(WireError::Unsendable)?;
        }
        if let Err(error) = write(out) {
            out.clear();
            return Err(WireError::Unsendable(error));
        }
        self.script.begin(&vec![Step::Closed; self.unwanted.len()]);
        self.script.then(steps);
        self.unwanted.clear();
        self.state = State::Asked;
        Ok(())
    }
}

/// A statement that has neither parameters nor rows.
fn run_at_once(sql: &str, out: &mut BytesMut) -> std::io::Result<()> {
    frontend::parse("", sql, [], out)?;
    let no_values: [&[u8]; 0] = [];
    match frontend::bind("", "", [], no_values, |_, _| Ok(IsNull::Yes), [], out) {
        Ok(()) => {}
        Err(BindError::Serialization(error)) => return Err(error),
        Err(BindError::Conversion(error)) => return Err(std::io::Error::other(error)),
    }
    frontend::execute("", 0, out)
}
