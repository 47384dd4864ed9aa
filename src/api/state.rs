//! What every handler gets.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::bundle::archive::ArchiveLimits;
use crate::bundle::cost::Limits;
use crate::call_memory::CallMemory;
use crate::config::{Config, PostgresSource};
use crate::databases::Databases;
use crate::metrics::Metrics;
use crate::orchestrator::{DeployLimits, Orchestrator};
use crate::platforms::Platforms;
use crate::registry::Registry;
use crate::uploads::{self, UploadMemory};

/// The running gateway. Made once by `main`, shared by all requests.
pub struct Gateway {
    /// What the operator had set at the start.
    pub config: Config,
    /// The way to PostgreSQL.
    pub databases: Databases,
    /// What brings databases to their bundles.
    pub orchestrator: Orchestrator,
    /// Platforms with stored schemas.
    pub platforms: Platforms,
    /// The memory that uploads share.
    pub uploads: UploadMemory,
    /// The memory that the bodies of large calls share.
    pub call_memory: CallMemory,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// When it started.
    pub started: Instant,
    /// The stopping server drops what has not ended.
    pub(crate) cuts_off: Arc<AtomicBool>,
    settings: RwLock<Arc<Settings>>,
}

impl Gateway {
    /// Starts the clock of `/health`.
    pub fn new(config: Config, databases: Databases) -> Self {
        let settings = RwLock::new(Arc::new(Settings::of(&config)));
        let allowed = config.allowed_extensions.clone();
        let metrics = Metrics::new(config.metrics.most_functions).expect("each metric has a name of its own");
        let metrics = Arc::new(metrics);
        let orchestrator = Orchestrator::new(databases.clone(), deploy_limits(&config), allowed, metrics.clone());
        let registry = Registry::new(&config.data_dir);
        let roles = config.platform_roles;
        let uploads = UploadMemory::new(config.limits.upload_memory_bytes, uploads::WAIT);
        let platforms = Platforms::new(registry, databases.clone(), orchestrator.clone(), uploads.clone(), roles);
        let (call_memory, started) = (CallMemory::new(config.pool.wait_timeout), Instant::now());
        let cuts_off = Arc::default();
        Self { config, databases, orchestrator, platforms, uploads, call_memory, metrics, started, cuts_off, settings }
    }

    /// What is set at this moment.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on those of `config` count that [`Variable::reloads`](crate::config::Variable::reloads) says so of.
    pub fn apply(&self, config: &Config) {
        let limits = &config.limits;
        // What its turns wait for is as it was at the start.
        let deploy_limits = DeployLimits { wait_timeout: self.config.pool.wait_timeout, ..deploy_limits(config) };
        self.databases.set_time_limits(limits.call_timeout, limits.lock_timeout);
        if let PostgresSource::External(destination) = &config.postgres {
            self.databases.renew_certificates(&destination.tls);
        }
        self.orchestrator.set_limits(deploy_limits);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Settings::of(config));
    }

    /// How long deployments go on when the gateway is to stop.
    pub fn shutdown_timeout(&self) -> Duration {
        self.settings().limits.shutdown_timeout
    }

    /// What an uploaded archive may cost.
    pub(crate) fn archive_limits(&self) -> ArchiveLimits {
        let limits = &self.settings().limits;
        ArchiveLimits {
            max_unpacked_bytes: limits.max_unpacked_bytes,
            max_entries: ArchiveLimits::DEFAULT_MAX_ENTRIES,
            sql: Limits { max_bytes: limits.max_sql_bytes, max_statements: limits.max_statements },
            abandoned: Arc::default(),
        }
    }
}

fn deploy_limits(config: &Config) -> DeployLimits {
    DeployLimits {
        lock_timeout: config.limits.lock_timeout,
        deployment_timeout: config.limits.deployment_timeout,
        at_once: config.limits.max_deployments_per_platform,
        wait_timeout: config.pool.wait_timeout,
    }
}
