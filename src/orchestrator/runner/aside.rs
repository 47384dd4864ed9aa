//! Statements that PostgreSQL runs only when what depends on their object is out of the way: it is taken off, the
//! statement run, and as much as possible put back at once. Part of [`super::Runner`].

use std::sync::PoisonError;

use super::{Failure, Refused, Runner};
use crate::bundle::sql::Statement;
use crate::databases::Under;
use crate::orchestrator::dependants::{self, DEPENDED_ON, NoWay, Noted, Root};

impl Runner<'_> {
    /// Runs a statement of the gateway's own that drops or changes `roots`, when what depends on them is out of the way.
    /// `in_its_path`: the same with the path that it was written for.
    pub async fn dropping(&self, in_its_path: &str, sql: &str, roots: &[Root], because: &str) -> Result<(), Refused> {
        self.client.batch_execute("SAVEPOINT dependants").await.map_err(Refused::Postgres)?;
        let before = self.noted();
        let way = match self.dependants.make_way(self.client, roots, because).await {
            Ok(way) => Some(way),
            Err(NoWay::Nothing) => None,
            Err(NoWay::Postgres(error)) => return Err(Refused::Postgres(error)),
            Err(NoWay::Standing(names)) => return Err(Refused::Standing(names)),
        };
        self.client.batch_execute(in_its_path).await.map_err(Refused::Postgres)?;
        if let Some(way) = way {
            self.accept(way);
        }
        self.note(sql);
        let left = self.put_back_columns(before).await.map_err(Refused::Postgres)?;
        if left.is_empty() { Ok(()) } else { Err(Refused::Standing(left)) }
    }

    /// Runs a statement that makes `roots` anew: they are dropped before, and keep what belonged to them.
    pub async fn run_in_place_of(&self, statement: &Statement, roots: &[Root]) -> Result<u64, Failure> {
        self.run_past(statement, &statement.text, 0, roots, None).await
    }

    /// The same for a function that comes under another `signature`.
    pub async fn run_as_heir(&self, statement: &Statement, roots: &[Root], signature: &str) -> Result<u64, Failure> {
        self.dependants.expect_heir(roots, signature);
        let result = self.run_past(statement, &statement.text, 0, roots, None).await;
        self.dependants.forget_heir();
        result
    }

    /// Runs a statement after the one that `dropped` says, which stands in `sql` before it.
    pub async fn run_dropping(
        &self,
        statement: &Statement,
        sql: &str,
        prefix: usize,
        dropped: &str,
    ) -> Result<u64, Failure> {
        let failure = match self.send(statement, sql, prefix).await {
            Err(failure) if failure.is_one_of(DEPENDED_ON) => failure,
            result => return result,
        };
        let roots = dependants::roots_of_text(self.client, Under::Path(&self.path(statement)), dropped).await;
        let roots = roots.map_err(|error| Failure::new(statement, &error, 0))?;
        self.run_past(statement, sql, prefix, &roots, Some(failure)).await
    }

    /// `refused`: what it answered while the dependants stood there.
    pub(super) async fn run_past(
        &self,
        statement: &Statement,
        sql: &str,
        prefix: usize,
        roots: &[Root],
        refused: Option<Failure>,
    ) -> Result<u64, Failure> {
        let failed = |error: tokio_postgres::Error| Failure::new(statement, &error, 0);
        self.client.batch_execute("SAVEPOINT dependants").await.map_err(failed)?;
        let before = self.noted();
        let because = format!("{}, line {}", statement.path, statement.line);
        let result = match self.dependants.make_way(self.client, roots, &because).await {
            Ok(mut way) => match self.send(statement, sql, prefix).await {
                Ok(rows) => {
                    self.dependants.meet_heir(self.client, &self.path(statement), &mut way).await.map_err(failed)?;
                    Ok((rows, way))
                }
                Err(failure) => Err(failure),
            },
            Err(NoWay::Nothing) => Err(refused.clone().unwrap_or_else(|| Failure::standing(statement, None, &[]))),
            Err(NoWay::Standing(names)) => Err(Failure::standing(statement, refused.clone(), &names)),
            Err(NoWay::Postgres(error)) => Err(failed(error)),
        };
        match result {
            Ok((rows, way)) => {
                self.accept(way);
                let left = self.put_back_columns(before).await.map_err(failed)?;
                if left.is_empty() { Ok(rows) } else { Err(Failure::standing(statement, refused, &left)) }
            }
            Err(failure) => {
                // Fails only with the connection, which the failure then tells of.
                let _ = self.client.batch_execute("ROLLBACK TO SAVEPOINT dependants").await;
                Err(failure)
            }
        }
    }

    fn noted(&self) -> (Noted, Vec<String>) {
        (self.dependants.noted(), self.statements.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Behind a statement for which way was made since the savepoint: puts back what can be. Where a column that holds values
    /// cannot, it is as if the statement had not been sent, and the columns are answered: nothing that goes on from here may
    /// commit without them.
    async fn put_back_columns(
        &self,
        (dependants, statements): (Noted, Vec<String>),
    ) -> Result<Vec<String>, tokio_postgres::Error> {
        self.put_back().await?;
        let left = self.dependants.columns_left();
        if left.is_empty() {
            self.client.batch_execute("RELEASE SAVEPOINT dependants").await?;
        } else {
            self.client.batch_execute("ROLLBACK TO SAVEPOINT dependants").await?;
            self.dependants.return_to(dependants);
            *self.statements.lock().unwrap_or_else(PoisonError::into_inner) = statements;
            self.changed();
        }
        Ok(left)
    }

    fn accept(&self, way: dependants::Way) {
        let last = self.statements.lock().unwrap_or_else(PoisonError::into_inner).pop();
        self.dependants.accept(way);
        self.dependants.statements().iter().for_each(|sql| self.note(sql));
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).extend(last);
    }

    /// Makes again what stands aside, as far as that works by now.
    pub async fn put_back(&self) -> Result<(), tokio_postgres::Error> {
        self.dependants.put_back(self.client).await?;
        self.dependants.statements().iter().for_each(|sql| self.note(sql));
        Ok(())
    }
}
