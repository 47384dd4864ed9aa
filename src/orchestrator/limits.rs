//! What deployments may take.

use std::time::Duration;

/// So many times the wait for a connection is what a deployment waits for its turn, and for sessions that other deployments
/// of its platform have: those end some time, connections come free all the time.
const PATIENCE: u32 = 24;

/// What deployments may take.
#[derive(Clone, Copy, Debug)]
pub struct DeployLimits {
    /// `LOCK_TIMEOUT_SECS`: how long a statement waits for a lock.
    pub lock_timeout: Duration,
    /// `DEPLOYMENT_TIMEOUT_SECS`: how long a deployment works on one database.
    pub deployment_timeout: Duration,
    /// `MAX_DEPLOYMENTS_PER_PLATFORM`: how many run at once.
    pub at_once: usize,
    /// `POOL_WAIT_TIMEOUT_SECS`: how long a request waits for a connection.
    pub wait_timeout: Duration,
}

impl DeployLimits {
    /// How long a deployment waits for its turn.
    pub fn patience(&self) -> Duration {
        self.wait_timeout.saturating_mul(PATIENCE)
    }
}

impl Default for DeployLimits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(10),
            deployment_timeout: Duration::from_secs(3600),
            at_once: 4,
            wait_timeout: Duration::from_secs(5),
        }
    }
}
