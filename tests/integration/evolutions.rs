//! Random histories of schemas: whatever developers do to one from version to version, a database that lived through all
//! of it ends with the schema of a new one, and with its rows.
//!
//! A failure prints its seed. `EVOLUTION_SEED=17` runs that series alone, `EVOLUTION_SEED=101-600` other ones than usual.

mod extras;
mod model;
mod names;
mod render;
mod rows;
pub(crate) mod schema;
mod steps;
mod types;
mod verdict;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{Platform, Sql, register};

/// Series, of [`verdict::DEPLOYMENTS`] deployments to an old database each: 500 in all.
const SERIES: u64 = 100;

/// Series that go on at the same time.
const SIDE_BY_SIDE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_database_becomes_what_a_new_one_is_whatever_happened_to_its_schema() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let seeds = chosen_seeds();
    let next = Arc::new(AtomicU64::new(*seeds.start()));
    let workers: Vec<_> = (0..SIDE_BY_SIDE).map(|_| tokio::spawn(work(next.clone(), *seeds.end()))).collect();
    let mut failures = Vec::new();
    for worker in workers {
        failures.extend(worker.await.expect("a series that fails says so"));
    }
    failures.sort();
    let failed: Vec<_> = failures.iter().map(|(seed, _)| seed).collect();
    if let Some((_, first)) = failures.first() {
        // Of the others, what went wrong, and not the bundles too.
        let others = failures[1..].iter().filter_map(|(_, failure)| failure.split("══").next());
        let others: Vec<_> = others.collect();
        panic!("series {failed:?} of {seeds:?} failed.\n{}\nThe first one: {first}", others.join("\n"));
    }
}

/// What the series compare with sees whatever a dump shows: of no two variants of a thing do the dumps alone differ.
#[tokio::test(flavor = "multi_thread")]
async fn the_query_that_compares_databases_sees_what_a_dump_shows() {
    if crate::support::calls_what_is_planted() {
        return;
    }
    let platform = Platform::new();
    let mut unseen = Vec::new();
    for (kind, variants) in extras::each() {
        let mut databases = Vec::new();
        for (number, bundle) in variants.iter().enumerate() {
            let tenant = format!("v{number}");
            let answer = register(platform.name(), Some(&tenant), bundle).await;
            assert_eq!(answer.status, 200, "{kind}, variant {number}: {answer}");
            databases.push((format!("{kind} {number}"), platform.database(&tenant)));
        }
        unseen.extend(schema::unseen(&databases).await);
        for (_, database) in databases {
            Sql::connect("postgres").await.run(&format!("DROP DATABASE \"{database}\" WITH (FORCE)")).await;
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

fn chosen_seeds() -> RangeInclusive<u64> {
    let number = |text: &str| text.parse().expect("EVOLUTION_SEED is a number, or two: 101-600");
    match std::env::var("EVOLUTION_SEED") {
        Ok(chosen) => match chosen.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => number(&chosen)..=number(&chosen),
        },
        Err(_) => 1..=SERIES,
    }
}

/// Takes seeds until there are none left.
async fn work(next: Arc<AtomicU64>, last: u64) -> Vec<(u64, String)> {
    let mut failures = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > last {
            return failures;
        }
        // In a task of its own: an assertion of a helper is a failure of that series alone.
        let series = tokio::spawn(verdict::run(seed)).await;
        match series {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => failures.push((seed, failure)),
            Err(panic) => failures.push((seed, format!("seed {seed}: {panic}"))),
        }
    }
}
