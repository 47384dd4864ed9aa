//! A platform after years: a hundred migrations and more of the shape that a tool leaves, and the tables, types, functions
//! and views that they have come to. Declared alone, migrated alone, or both in one bundle, all at once or the second half
//! later: the database is the one that psql makes of the migrations, with the rows that they bring.
//!
//! A failure prints its number. `HISTORIES=1-10` runs all ten (the usual run takes fewer), `HISTORY_MIGRATIONS=100-300`
//! says how long they are, `HISTORY_SEED=5` makes others of the same shapes, `HISTORY_FILES=folder` keeps the bundles.

mod declaration;
mod model;
mod steps;
mod tools;

use std::collections::HashSet;
use std::time::Instant;

use self::model::Model;
use self::tools::{Migration, TOOLS, Tool};
use crate::evolutions::schema;
use crate::support::random::Random;
use crate::support::{Answer, BundleBuilder, Platform, Sql, bundle};

/// What a usual run takes: golang-migrate's, Rails', a dump's and goose's.
const USUAL: &[usize] = &[2, 3, 6, 7];

struct History {
    tool: Tool,
    migrations: Vec<Migration>,
    /// What the tool keeps for itself, as files that declare it.
    own: Vec<(&'static str, String)>,
    /// Half of the migrations, and what they have come to.
    half: (usize, Model),
    model: Model,
    steps: HashSet<&'static str>,
}

impl History {
    fn new(number: usize, seed: u64, length: usize) -> Self {
        let tool = TOOLS[(number - 1) % TOOLS.len()];
        let mut world = tool.world(seed * 1000 + number as u64);
        let (mut first, own) = tool.own(&mut world);
        for _ in 0..8 {
            first.extend(world.create_table());
        }
        let mut migrations = vec![tool.migration(1, "init", first, false)];
        let mut half = (1, world.model.clone());
        let mut taken = HashSet::new();
        let mut waiting = None;
        while migrations.len() < length {
            let (name, mut statements) = waiting.take().unwrap_or_else(|| world.step());
            taken.insert(name);
            let is_alone = statements.iter().any(|one| one.contains(" CONCURRENTLY "));
            // Often more than one step. A step that has to be alone is kept for the next one.
            while !is_alone && waiting.is_none() && world.random.below(2) == 0 {
                let more = world.step();
                match more.1.iter().any(|one| one.contains(" CONCURRENTLY ")) {
                    true => waiting = Some(more),
                    false => {
                        taken.insert(more.0);
                        statements.extend(more.1);
                    }
                }
            }
            migrations.push(tool.migration(migrations.len() + 1, name, statements, is_alone));
            if migrations.len() <= length / 2 && waiting.is_none() {
                half = (migrations.len(), world.model.clone());
            }
        }
        if let Some((_, statements)) = waiting {
            migrations.push(tool.migration(migrations.len() + 1, "last", statements, true));
        }
        Self { tool, migrations, own, half, model: world.model, steps: taken }
    }

    fn migrated(&self, bundle: BundleBuilder, count: usize) -> BundleBuilder {
        let files = self.migrations[..count].iter().flat_map(|migration| &migration.files);
        files.fold(bundle, |bundle, (path, text)| bundle.file(&format!("migrations/{path}"), text))
    }

    fn declared(&self, bundle: BundleBuilder, model: &Model) -> BundleBuilder {
        let bundle = self.own.iter().fold(bundle, |bundle, (path, text)| bundle.file(path, text));
        declaration::declare(model, bundle)
    }
}

/// A way to deploy a history: its bundles, one after the other, and whether rows come with it.
struct Way {
    name: &'static str,
    bundles: Vec<BundleBuilder>,
    has_rows: bool,
}

fn ways(history: &History) -> Vec<Way> {
    let all = history.migrations.len();
    let (count, at_half) = (history.half.0, &history.half.1);
    let both = |count, model| history.declared(history.migrated(bundle(), count), model);
    vec![
        Way { name: "declared", bundles: vec![history.declared(bundle(), &history.model)], has_rows: false },
        Way { name: "migrated", bundles: vec![history.migrated(bundle(), all)], has_rows: true },
        Way { name: "both", bundles: vec![both(all, &history.model)], has_rows: true },
        Way {
            name: "migrated in two",
            bundles: vec![history.migrated(bundle(), count), history.migrated(bundle(), all)],
            has_rows: true,
        },
        Way { name: "both in two", bundles: vec![both(count, at_half), both(all, &history.model)], has_rows: true },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_history_comes_to_the_same_declared_migrated_or_both() {
    let number =
        |text: &str| text.parse::<usize>().expect("HISTORIES and HISTORY_MIGRATIONS are numbers, or two: 1-10");
    let range = |name: &str, usual: (usize, usize)| match std::env::var(name) {
        Ok(text) => {
            text.split_once('-').map_or_else(|| (number(&text), number(&text)), |(a, b)| (number(a), number(b)))
        }
        Err(_) => usual,
    };
    let numbers: Vec<usize> = match std::env::var("HISTORIES") {
        Ok(_) => {
            let (first, last) = range("HISTORIES", (1, TOOLS.len()));
            (first..=last).collect()
        }
        Err(_) => USUAL.to_vec(),
    };
    let (shortest, longest) = range("HISTORY_MIGRATIONS", (60, 60));
    let seed = std::env::var("HISTORY_SEED").map_or(1, |text| number(&text) as u64);
    let mut failures = Vec::new();
    let mut steps = HashSet::new();
    for number in &numbers {
        let number = *number;
        let length = shortest + Random::seeded(number as u64).below(longest - shortest + 1);
        let history = History::new(number, seed, length);
        steps.extend(history.steps.iter().copied());
        let tool = history.tool;
        let run = tokio::spawn(async move { check(&history).await }).await;
        match run {
            Ok(Ok(figures)) => println!("history {number} ({tool:?}, {length} migrations, seed {seed}): {figures}"),
            Ok(Err(failure)) => failures.push(format!("history {number} ({tool:?}, seed {seed}): {failure}")),
            Err(panic) => failures.push(format!("history {number} ({tool:?}, seed {seed}): {panic}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if numbers.len() >= TOOLS.len() {
        let missing: Vec<_> = steps::names().into_iter().filter(|name| !steps.contains(name)).collect();
        assert!(missing.is_empty(), "no history has {missing:?}");
    }
}

async fn check(history: &History) -> Result<String, String> {
    let platform = Platform::new();
    let by_hand = platform.database("by_hand");
    let begun = Instant::now();
    Sql::connect("postgres").await.run(&format!("CREATE DATABASE \"{by_hand}\" TEMPLATE template0")).await;
    let sql = Sql::connect(&by_hand).await;
    for (number, migration) in history.migrations.iter().enumerate() {
        for statement in &migration.statements {
            if let Err(error) = sql.try_run(statement).await {
                return Err(format!("psql, migration {}: {error:?}\n{statement}", number + 1));
            }
        }
    }
    let mut figures = vec![format!("psql {} ms", begun.elapsed().as_millis())];
    let mut failures = Vec::new();
    for way in ways(history) {
        let begun = Instant::now();
        if let Ok(folder) = std::env::var("HISTORY_FILES") {
            write(&format!("{folder}/{:?}-{}", history.tool, way.name), way.bundles.last().expect("one bundle"));
        }
        if let Err(failure) = deploy(history, &way, &by_hand).await {
            failures.push(format!("{}: {failure}", way.name));
        }
        figures.push(format!("{} {} ms", way.name, begun.elapsed().as_millis()));
    }
    if failures.is_empty() { Ok(figures.join(", ")) } else { Err(failures.join("\n")) }
}

fn write(folder: &str, bundle: &BundleBuilder) {
    for (path, text) in bundle.files() {
        let path = std::path::Path::new(folder).join(path);
        let parent = path.parent().expect("a file has a folder");
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .expect("HISTORY_FILES can be written");
    }
}

async fn deploy(history: &History, way: &Way, by_hand: &str) -> Result<(), String> {
    let platform = Platform::new();
    for (number, bundle) in way.bundles.iter().enumerate() {
        let answer = match number {
            0 => platform.register(bundle).await,
            // Columns and tables go, because the migrations say so.
            _ => platform.register_forced(bundle).await,
        };
        if answer.status != 200 {
            return Err(told(&answer, bundle));
        }
    }
    let differences = schema::differences(by_hand, &platform.main(), false).await;
    if !differences.is_empty() {
        return Err(format!("not as psql makes it:\n  {}", differences.join("\n  ")));
    }
    if way.has_rows {
        // What is there is deployed to twice where values of enums are new: what a sequence gave the first time is gone.
        let differences = differing_rows(history, by_hand, &platform.main(), way.bundles.len() == 1).await;
        if !differences.is_empty() {
            return Err(format!("other rows than psql's:\n  {}", differences.join("\n  ")));
        }
    }
    let last = way.bundles.last().ok_or("a way has bundles")?;
    let again = platform.register(last).await;
    let is_unchanged = again.status == 200
        && ["migrations_applied", "tables_created", "types_deployed", "functions_deployed"]
            .iter()
            .all(|field| again.body[field] == 0);
    if is_unchanged { Ok(()) } else { Err(format!("sent again: {}", told(&again, last))) }
}

/// A refusal, and the file that it names.
fn told(answer: &Answer, bundle: &BundleBuilder) -> String {
    let named = answer.body["file"].as_str().unwrap_or_default();
    let text = bundle.files().iter().find(|(path, _)| path == named).map_or("", |(_, text)| text);
    let mut body = answer.body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| name != "warnings" && name != "migrations_skipped_statements");
    }
    format!("{} {body}\n── {named}\n{text}", answer.status)
}

/// The rows of every table, without values of the moment.
async fn differing_rows(history: &History, by_hand: &str, database: &str, with_keys: bool) -> Vec<String> {
    let (left, right) = (Sql::connect(by_hand).await, Sql::connect(database).await);
    let mut found = Vec::new();
    for table in &history.model.tables {
        let is_key = |column: &model::Column| !with_keys && table.is_key_or_reference(column);
        let passing = table.columns.iter().filter(|column| column.of_the_moment || is_key(column));
        let passing: Vec<_> = passing.map(|column| format!("- '{}'", column.name)).collect();
        let query = format!("SELECT to_jsonb(t) {} FROM \"{}\" t ORDER BY 1", passing.join(" "), table.name);
        let (here, there) = (left.column(&query).await, right.column(&query).await);
        if here != there {
            found.push(format!("{}:\n    psql: {}\n    here: {}", table.name, here.join(" "), there.join(" ")));
        }
    }
    found
}
