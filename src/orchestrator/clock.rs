//! How long a deployment may work on one database: `DEPLOYMENT_TIMEOUT_SECS`, without the time for which it waits for its
//! turn or for the deployment lock.
//!
//! When the time is over, what works on the database is dropped where it stands: its session is cancelled and ended, and
//! the transaction rolled back. Everything that uploaded code could hold up runs inside of [`Clock::run`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::error::DeployError;
use crate::databases::name::DatabaseName;

/// The time of one deployment to one database.
#[derive(Debug)]
pub struct Clock {
    database: Option<DatabaseName>,
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spent: Duration,
    /// File and line of the statement that was begun last.
    place: Option<(String, usize)>,
    committing: bool,
}

impl Clock {
    /// For a database of a platform's.
    pub fn new(database: &DatabaseName, limit: Duration) -> Self {
        Self { database: Some(database.clone()), limit, state: Mutex::default() }
    }

    /// For one of the gateway's own, in which a bundle is tried.
    pub fn of_trial(limit: Duration) -> Self {
        Self { database: None, limit, state: Mutex::default() }
    }

    /// Does `work`, for as long as there is time left; the time that it takes is spent.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T, DeployError>>) -> Result<T, DeployError> {
        let began = Instant::now();
        let left = self.limit.saturating_sub(self.state().spent);
        // On the heap: a deployment's future is large, and this would hold it twice.
        let result = timeout(left, Box::pin(work)).await;
        self.state().spent += began.elapsed();
        result.unwrap_or_else(|_| Err(self.over()))
    }

    /// The statement of a bundle that is begun now, for whoever has to be told where the time went.
    pub fn begin_statement(&self, path: &str, line: usize) {
        self.state().place = Some((path.to_owned(), line));
    }

    /// From now on nobody can know whether the deployment is rolled back when it is ended.
    pub fn begin_commit(&self) {
        self.state().committing = true;
    }

    fn over(&self) -> DeployError {
        let state = self.state();
        DeployError::TimedOut {
            database: self.database.as_ref().map(DatabaseName::to_string),
            limit_secs: self.limit.as_secs(),
            place: state.place.clone(),
            committing: state.committing,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_runs_inside_counts_and_the_end_names_the_place() {
        let clock = Clock::new(&DatabaseName::recorded("a_main".to_owned()), Duration::from_secs(1));
        let work = |millis| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        };
        assert!(clock.run(work(600)).await.is_ok());
        // Waiting for a lock, say.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(clock.run(work(1)).await.is_ok());
        clock.begin_statement("migrations/1.sql", 3);
        let began = Instant::now();
        let error = clock.run(work(60_000)).await.expect_err("it takes longer than what is left");
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
        match error {
            DeployError::TimedOut {
                database: Some(database),
                limit_secs: 1,
                place: Some((path, 3)),
                committing: false,
            } => {
                assert_eq!((database.as_str(), path.as_str()), ("a_main", "migrations/1.sql"));
            }
            other => panic!("{other:?}"),
        }
        assert!(clock.run(work(100)).await.is_err(), "nothing is left");
    }
}
