//! What may change while the gateway runs: who may speak to it, and limits of requests. Each request takes it as it is when it asks.

use crate::access::AccessRules;
use crate::config::{Config, LimitsConfig};

/// Made from one configuration as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) access: AccessRules,
    pub(crate) limits: LimitsConfig,
    /// The status of "already there" answers.
    pub(crate) conflict_status: u16,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            access: AccessRules::new(&config.access),
            limits: config.limits.clone(),
            conflict_status: config.conflict_status,
        }
    }
}
