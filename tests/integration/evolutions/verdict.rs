//! One series: a first version, then step after step, and after each what has to be true of the database.

use std::fmt::Write;

use super::model::Model;
use super::steps::{self, Effects};
use super::{extras, render, rows, schema};
use crate::support::catalog::identity;
use crate::support::pg_dump::pg_dump;
use crate::support::random::Random;
use crate::support::{Answer, BundleBuilder, Platform, Sql, register};

/// Deployments after the first of one series.
pub(super) const DEPLOYMENTS: usize = 5;

/// What a series is at, for the report of a failure.
struct Deployment<'a> {
    platform: &'a Platform,
    before: BundleBuilder,
    after: BundleBuilder,
    steps: Vec<String>,
    effects: Effects,
    loses: bool,
}

/// Runs the series of a seed; a failure in words.
pub(super) async fn run(seed: u64) -> Result<(), String> {
    let platform = Platform::new();
    let mut random = Random::seeded(seed);
    let mut model = steps::first_version(&mut random);
    let answer = platform.register(&render::render(&model)).await;
    if answer.status != 200 {
        return Err(format!("seed {seed}: the first version: {answer}\n{}", text_of(&render::render(&model))));
    }
    let sql = platform.sql().await;
    rows::insert(&sql, &mut model, &mut random).await;
    extras::fill(&sql, &mut model).await;
    for number in 1..=DEPLOYMENTS {
        let mut next = model.clone();
        let mut effects = Effects::default();
        let steps = (0..=random.below(4)).map(|_| steps::take(&mut next, &model, &mut random, &mut effects)).collect();
        let (before, after) = (render::render(&model), render::render(&next));
        let deployment =
            Deployment { platform: &platform, before, after, steps, effects, loses: next.loses_values_of(&model) };
        deployment.run(&sql, &model, &next, number).await.map_err(|error| {
            let steps = deployment.steps.join("\n  ");
            let (before, after) = (text_of(&deployment.before), text_of(&deployment.after));
            format!(
                "seed {seed}, deployment {number}:\n{error}\n\nits steps:\n  {steps}\n\n\
                 ══ the bundle before ══\n{before}\n══ the bundle after ══\n{after}"
            )
        })?;
        model = next;
        model.enums.iter_mut().for_each(|one| one.new_values.clear());
        rows::insert(&sql, &mut model, &mut random).await;
        extras::fill(&sql, &mut model).await;
    }
    drop_blueprints(&platform).await;
    Ok(())
}

impl Deployment<'_> {
    async fn run(&self, sql: &Sql, model: &Model, next: &Model, number: usize) -> Result<(), String> {
        let values = rows::read(sql, model).await;
        let extra = extras::read(sql, model).await;
        if self.loses {
            self.refused_without_force().await?;
        }
        let answer = match self.loses {
            true => self.platform.register_forced(&self.after).await,
            false => self.platform.register(&self.after).await,
        };
        expect(answer.status == 200, || format!("refused: {answer}"))?;
        let mut differences = rows::differences(&values, &rows::read(sql, next).await, &self.effects, next);
        differences.extend(extras::differences(&extra, &extras::read(sql, next).await));
        expect(differences.is_empty(), || differences.join("\n"))?;
        self.is_as_new(number).await?;
        self.again(&answer).await
    }

    /// What loses values is refused, and leaves everything as it was.
    async fn refused_without_force(&self) -> Result<(), String> {
        let dump = pg_dump(&self.platform.main()).await;
        let before = identity(&self.platform.main()).await;
        let answer = self.platform.register(&self.after).await;
        let is_refusal = answer.status == 409 && answer.body["error"] == "migration_failed";
        expect(is_refusal, || format!("not blocked without force: {answer}"))?;
        let lists = &answer.body["schema_validation"];
        expect(lists["dataloss_changes"].as_array().is_some_and(|list| !list.is_empty()), || {
            format!("blocked without saying what is lost: {answer}")
        })?;
        expect(before == identity(&self.platform.main()).await, || "a refusal changed the catalog".to_owned())?;
        expect(dump == pg_dump(&self.platform.main()).await, || "a refusal changed the dump".to_owned())
    }

    /// The same schema as a database that begins with this bundle.
    async fn is_as_new(&self, number: usize) -> Result<(), String> {
        let tenant = format!("new{number}");
        let answer = register(self.platform.name(), Some(&tenant), &self.after).await;
        expect(answer.status == 200, || format!("a new database is refused: {answer}"))?;
        let (old, new) = (self.platform.main(), self.platform.database(&tenant));
        let differences = schema::differences(&old, &new, number == DEPLOYMENTS).await;
        Sql::connect("postgres").await.run(&format!("DROP DATABASE \"{new}\" WITH (FORCE)")).await;
        expect(differences.is_empty(), || format!("old and new database differ:\n{}", differences.join("\n")))
    }

    /// Sent again, the bundle does nothing.
    async fn again(&self, first: &Answer) -> Result<(), String> {
        let before = identity(&self.platform.main()).await;
        let answer = self.platform.register(&self.after).await;
        let functions = first.count("functions_deployed") + first.count("functions_unchanged");
        let done = ["migrations_applied", "types_deployed", "tables_created", "functions_deployed"];
        let nothing = answer.status == 200
            && done.iter().all(|field| answer.body[field] == 0)
            && answer.body["functions_unchanged"] == functions;
        expect(nothing, || format!("sent again: {answer}"))?;
        let after = identity(&self.platform.main()).await;
        expect(before == after, || "sent again, it changed the catalog".to_owned())
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn text_of(bundle: &BundleBuilder) -> String {
    let mut text = String::new();
    for (path, content) in bundle.files() {
        writeln!(text, "-- {path}\n{content}").expect("a text grows");
    }
    text
}

/// Hundreds of series would leave three databases each.
async fn drop_blueprints(platform: &Platform) {
    let of_platform = format!("SELECT name FROM blueprints WHERE platform = '{}'", platform.name());
    let names = Sql::connect("stonescriptdb-gateway").await.column(&of_platform).await;
    let server = Sql::connect("postgres").await;
    for name in names {
        // One that is being made at this moment goes with the server.
        server.try_run(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await.ok();
    }
}
