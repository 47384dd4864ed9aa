//! Which databases this gateway deploys to at this moment: what is known of their catalogs may be about to change.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Databases;
use super::name::DatabaseName;

/// How many deployments to each database run.
#[derive(Debug, Default)]
pub(super) struct Deployments {
    /// All of them: each call asks, and mostly there is none.
    running: AtomicUsize,
    by_database: Mutex<HashMap<DatabaseName, usize>>,
}

/// A deployment that runs, until it is dropped.
#[must_use]
pub struct Deploying {
    databases: Databases,
    database: DatabaseName,
}

impl Deployments {
    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    fn begin(&self, database: &DatabaseName) {
        *self.lock().entry(database.clone()).or_default() += 1;
        self.running.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self, database: &DatabaseName) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        let mut by_database = self.lock();
        if let Some(running) = by_database.get_mut(database) {
            *running -= 1;
            if *running == 0 {
                by_database.remove(database);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DatabaseName, usize>> {
        // Every change is whole before anything could panic.
        self.by_database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Databases {
    /// To be told of each deployment, for as long as it may change something: then what was prepared for the database, and
    /// what is known of its catalog, is void. Also after a failure: not all of a migration may run in one transaction.
    pub fn deploying(&self, database: &DatabaseName) -> Deploying {
        self.pools.deployments.begin(database);
        Deploying { databases: self.clone(), database: database.clone() }
    }

    /// Whether a deployment to the database runs: something may be about to change there. One to another database changes
    /// nothing here, however long it takes.
    pub fn is_deploying(&self, database: &DatabaseName) -> bool {
        let deployments = &self.pools.deployments;
        deployments.running.load(Ordering::Acquire) > 0 && deployments.lock().contains_key(database)
    }
}

impl Drop for Deploying {
    fn drop(&mut self) {
        self.databases.deployed(&self.database);
        self.databases.pools.deployments.end(&self.database);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deployments_are_counted_by_database() {
        let deployments = Deployments::default();
        let name = |name: &str| DatabaseName::recorded(name.to_owned());
        let is_running = |database: &str| deployments.lock().contains_key(&name(database));
        deployments.begin(&name("a"));
        deployments.begin(&name("a"));
        deployments.begin(&name("b"));
        deployments.end(&name("a"));
        assert!(is_running("a") && is_running("b") && !is_running("c"));
        deployments.end(&name("a"));
        assert!(!is_running("a") && is_running("b"));
        deployments.end(&name("b"));
        assert_eq!((deployments.running.load(Ordering::Acquire), deployments.lock().len()), (0, 0));
    }
}
