//! The settings read again while the gateway runs (SIGHUP): all of those that can change then, or, where the file has a mistake, none.
//!
//! What is told names settings and never values, but for those that [`crate::config`] refuses, which shows no password.

use tracing::{error, info, warn};

use crate::config::{Config, Environment};
use crate::logging::LogLevel;

/// What it takes to read them again.
pub struct Reload {
    apply: Box<dyn Fn(&Config) + Send>,
    level: LogLevel,
    /// What counts for settings that take a restart.
    started: Environment,
    /// What counts for the others.
    current: Environment,
}

impl Reload {
    /// `started`: what the gateway was started with; `apply` takes the rest of it over.
    pub fn new(started: Environment, level: LogLevel, apply: impl Fn(&Config) + Send + 'static) -> Self {
        Self { apply: Box::new(apply), level, current: started.clone(), started }
    }

    /// Reads and applies them.
    pub fn run(&mut self) {
        let read = self.current.load_again().and_then(|environment| {
            let config = Config::from_env(|variable| environment.get(variable))?;
            Ok((environment, config))
        });
        let (environment, config) = match read {
            Ok(read) => read,
            Err(error) => {
                return error!(%error, "the settings were read again and have a mistake: all stay as they were");
            }
        };
        let names = |other: &Environment, reloads| {
            let differing = environment.differences(other).filter(|variable| variable.reloads == reloads);
            differing.map(|variable| variable.name).collect::<Vec<_>>().join(", ")
        };
        let (changed, waiting) = (names(&self.current, true), names(&self.started, false));
        (self.apply)(&config);
        self.level.set(&config.log.filter);
        self.current = environment;
        // After the level has changed: whoever wants to see more sees this, too.
        info!(changed, "the settings were read again");
        if !waiting.is_empty() {
            warn!(settings = waiting, "these settings are others than at the start and count after a restart");
        }
    }
}
