//! Whether a new database has what its bundle's files make, when everything has run: a `DROP … CASCADE`, a `DO` block or a
//! function that a migration or a seeder calls may have taken it away, which nobody would be told of otherwise. What existing
//! databases lack is found by comparing them with the blueprint. Called by [`super::deploy`].

use tokio_postgres::types::{ToSql, Type};

use super::Deployment;
use crate::bundle::order::OrderError;
use crate::bundle::{Kind, Rules};
use crate::databases::{Under, ask, under};
use crate::orchestrator::catalog::Catalog;
use crate::orchestrator::error::{DeployError, StatementError};
use crate::orchestrator::promised::kept::{self, Broken};
use crate::orchestrator::promised::{Name, Promise, Promises};
use crate::uploads;

/// "Object not in prerequisite state".
const SQLSTATE: &str = "55000";

const HINT: &str = "something that runs later takes it away: DROP … CASCADE, a DO block, or a function that a migration or a \
                    seeder calls; take that out, or this declaration";

/// How many more are told of.
const TOLD: usize = 20;

impl Deployment<'_> {
    /// Refuses the bundle where what it declares is not there; of one that an earlier version took it is told.
    pub(super) async fn check_promises(&mut self, after: &Catalog) -> Result<(), DeployError> {
        if !self.goal.target.is_new() {
            return Ok(());
        }
        let script = self.goal.script;
        let declaring = script.statements.iter().enumerate().filter(|(_, one)| one.kind != Kind::Migrations);
        let statements: Vec<_> = declaring.map(|(at, one)| (at, one.clone())).collect();
        let read = uploads::read(move || Promises::of(&statements)).await?;
        let promises = read.ok_or_else(|| OrderError::NoThread("the reader stopped".to_owned()))?;
        let path = self.path_of_names().await?;
        let broken = self.really_gone(kept::broken(&promises, after, &path), &path).await?;
        let Some(first) = broken.first() else { return Ok(()) };
        let Some(statement) = script.statements.get(first.at) else { return Ok(()) };
        let place = |one: &Broken| {
            let of = script.statements.get(one.at).map(|of| format!(" ({}, line {})", of.path, of.line));
            format!("{}{}", one.promise, of.unwrap_or_default())
        };
        if script.rules == Rules::Earlier {
            let told =
                broken.iter().take(TOLD).map(|one| format!("{} is declared, but not there in the end", place(one)));
            self.report.warnings.extend(told);
            return Ok(());
        }
        let cause = format!("{} is declared here, but is not there in the end", first.promise);
        let mut error = StatementError::of(statement, SQLSTATE, cause);
        let others: Vec<String> = broken.iter().skip(1).take(TOLD).map(place).collect();
        error.detail = (!others.is_empty()).then(|| format!("Nor are: {}", others.join("; ")));
        error.hint = Some(HINT.to_owned());
        Err(DeployError::Statement(Box::new(error)))
    }

    /// The schemas in which uploaded code finds what it names without one.
    async fn path_of_names(&self) -> Result<Vec<String>, DeployError> {
        let question = under(Under::Database, "SELECT current_schemas(false)::text[]");
        let rows =
            ask(self.runner.client, &question, &[]).await.map_err(DeployError::own("reading the search path"))?;
        let mut path: Vec<String> = rows.first().map(|row| row.get(0)).unwrap_or_default();
        if path.is_empty() {
            path.push("public".to_owned());
        }
        Ok(path)
    }

    /// The catalog leaves out what belongs to an extension, and prints what stands in the schema of one without that.
    async fn really_gone(&self, broken: Vec<Broken>, path: &[String]) -> Result<Vec<Broken>, DeployError> {
        let asked = broken.iter().enumerate().filter_map(|(at, one)| Some((at, whole(&one.promise)?)));
        let asked: Vec<(usize, (&str, Name))> = asked.collect();
        if asked.is_empty() {
            return Ok(broken);
        }
        let (mut places, mut classes, mut schemas, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, (class, (schema, name))) in asked {
            let candidates = if schema.is_empty() { path.to_vec() } else { vec![schema] };
            for schema in candidates {
                places.push(i32::try_from(at).unwrap_or(i32::MAX));
                classes.push(class);
                schemas.push(schema);
                names.push(name.clone());
            }
        }
        let query = "
            SELECT DISTINCT place FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS asked (place, class, schema, name)
            JOIN pg_namespace n ON n.nspname = schema
            WHERE EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = name
                          AND CASE class WHEN 'table' THEN c.relkind IN ('r', 'p', 'f') WHEN 'view' THEN c.relkind IN ('v', 'm')
                                         WHEN 'sequence' THEN c.relkind = 'S' END)
               OR class = 'schema'
               OR class = 'type' AND EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = n.oid AND t.typname = name)
               OR class = 'routine' AND EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proname = name)";
        let array = Type::TEXT_ARRAY;
        let params: [(&(dyn ToSql + Sync), Type); 4] =
            [(&places, Type::INT4_ARRAY), (&classes, array.clone()), (&schemas, array.clone()), (&names, array)];
        let rows = self.runner.client.query_typed(query, &params).await;
        let rows = rows.map_err(DeployError::own("looking for what is declared"))?;
        let there: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        let is_gone = |at: usize| i32::try_from(at).is_ok_and(|at| !there.contains(&at));
        Ok(broken.into_iter().enumerate().filter(|(at, _)| is_gone(*at)).map(|(_, one)| one).collect())
    }
}

/// What is looked for by itself, not as part of a table: its class and name.
fn whole(promise: &Promise) -> Option<(&'static str, Name)> {
    Some(match promise {
        Promise::Table(name) => ("table", name.clone()),
        Promise::View(name) => ("view", name.clone()),
        Promise::Sequence(name) => ("sequence", name.clone()),
        Promise::Type(name) => ("type", name.clone()),
        Promise::Routine(name) => ("routine", name.clone()),
        Promise::Schema(name) => ("schema", (name.clone(), String::new())),
        _ => return None,
    })
}
