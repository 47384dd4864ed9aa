//! Deployments of single databases: how they ended, and how long they took.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, Registry};

use super::register;

/// Upper bounds, in seconds.
const BUCKETS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// How a deployment to one database ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// The database was made.
    Created,
    /// It was brought to its bundle.
    Updated,
    /// There was nothing to do.
    Unchanged,
    /// It was refused, or failed, and the database is as it was.
    Failed,
}

impl Result {
    /// The label's value.
    pub fn label(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// The counters of deployments.
pub struct Deployed {
    seconds: HistogramVec,
}

impl Deployed {
    pub(super) fn new(registry: &Registry) -> std::result::Result<Self, prometheus::Error> {
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "stonescriptdb_deployment_duration_seconds",
                "How long deployments to single databases took, by how they ended.",
            )
            .buckets(BUCKETS.to_vec()),
            &["result"],
        )?;
        for result in [Result::Created, Result::Updated, Result::Unchanged, Result::Failed] {
            // So that each is there from the beginning, and its increase is seen.
            seconds.with_label_values(&[result.label()]);
        }
        register(registry, &seconds)?;
        Ok(Self { seconds })
    }

    /// One that took so long.
    pub fn count(&self, result: Result, took: Duration) {
        self.seconds.with_label_values(&[result.label()]).observe(took.as_secs_f64());
    }
}
