//! What the gateway counts, and how `GET /metrics` shows it: the text format of Prometheus, version 0.0.4.
//!
//! | file          | what it counts                                     |
//! | ------------- | -------------------------------------------------- |
//! | [`calls`]     | calls by platform, function and status             |
//! | [`deployed`]  | deployments of single databases                    |
//!
//! What has a value at any time (connections, memory) is asked when somebody looks: [`Now`]. Labels are bounded: platforms and functions
//! that exist, and no more than `METRICS_MAX_FUNCTIONS` of them; never what a client merely sent.

pub mod calls;
pub mod deployed;

use prometheus::core::Collector;
use prometheus::{Encoder, GaugeVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use self::calls::Calls;
use self::deployed::Deployed;

/// The `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of a call's histogram, in seconds.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All counters of the gateway.
pub struct Metrics {
    registry: Registry,
    /// Calls.
    pub calls: Calls,
    /// Deployments.
    pub deployed: Deployed,
    refused: IntCounterVec,
    now: Gauges,
}

/// What has a value at any time.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// Whether PostgreSQL answers.
    pub postgres_up: bool,
    /// Pools with open connections.
    pub pools: usize,
    /// Connections open on the server, and how many there may be.
    pub connections: (usize, usize),
    /// Requests that wait for the right to a connection.
    pub waiting: usize,
    /// Deployments that run.
    pub deployments: usize,
    /// Bytes that uploads hold, and how many they may.
    pub upload_bytes: (usize, usize),
    /// Backends that were terminated since the start.
    pub terminated: u64,
    /// Seconds since the start.
    pub uptime: f64,
    /// Databases by platform and by the beginning of their bundle's checksum; none: not known at this moment.
    pub databases: Option<Vec<(String, String, usize)>>,
}

struct Gauges {
    postgres_up: IntGauge,
    pools: IntGauge,
    connections: IntGauge,
    connections_max: IntGauge,
    waiting: IntGauge,
    deployments: IntGauge,
    upload_bytes: IntGauge,
    upload_bytes_max: IntGauge,
    terminated: prometheus::IntCounter,
    uptime: prometheus::Gauge,
    databases: GaugeVec,
}

fn register(registry: &Registry, collector: &(impl Collector + Clone + 'static)) -> Result<(), prometheus::Error> {
    registry.register(Box::new(collector.clone()))
}

impl Metrics {
    /// `most_functions`: `METRICS_MAX_FUNCTIONS`.
    ///
    /// # Errors
    ///
    /// Two metrics of one name, which a test would have found.
    pub fn new(most_functions: usize) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let refused = IntCounterVec::new(
            Opts::new(
                "stonescriptdb_refusals_total",
                "Error answers of all endpoints, by the code in their error field.",
            ),
            &["reason"],
        )?;
        register(&registry, &refused)?;
        let build = GaugeVec::new(Opts::new("stonescriptdb_build_info", "Always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        register(&registry, &build)?;
        Ok(Self {
            calls: Calls::new(&registry, most_functions)?,
            deployed: Deployed::new(&registry)?,
            now: Gauges::new(&registry)?,
            refused,
            registry,
        })
    }

    /// An error answer with this code.
    pub fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// All of it as text.
    ///
    /// # Errors
    ///
    /// None that is known of.
    pub fn text(&self, now: &Now) -> Result<Vec<u8>, prometheus::Error> {
        self.now.set(now);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("stonescriptdb_{name}"), help)?;
            register(registry, &gauge)?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let terminated = prometheus::IntCounter::new(
            "stonescriptdb_backends_terminated_total",
            "Backends that did not end when they were cancelled, and were terminated.",
        )?;
        register(registry, &terminated)?;
        let uptime = prometheus::Gauge::new("stonescriptdb_uptime_seconds", "Time since the gateway's start.")?;
        register(registry, &uptime)?;
        let databases = GaugeVec::new(
            Opts::new(
                "stonescriptdb_databases",
                "Databases, by platform and by the beginning of the checksum of the bundle that they are at.",
            ),
            &["platform", "bundle"],
        )?;
        register(registry, &databases)?;
        Ok(Self {
            postgres_up: gauge("postgres_up", "Whether PostgreSQL answers.")?,
            pools: gauge("pools", "Databases with open connections.")?,
            connections: gauge("connections", "Connections open on the server.")?,
            connections_max: gauge("connections_max", "How many there may be: MAX_TOTAL_CONNECTIONS.")?,
            waiting: gauge("connections_waiting", "Requests that wait for a connection.")?,
            deployments: gauge("deployments_running", "Databases that are being deployed to.")?,
            upload_bytes: gauge("upload_memory_bytes", "Memory that uploads hold.")?,
            upload_bytes_max: gauge("upload_memory_max_bytes", "Memory that they may hold: UPLOAD_MEMORY_BYTES.")?,
            terminated,
            uptime,
            databases,
        })
    }

    fn set(&self, now: &Now) {
        let whole = |gauge: &IntGauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        self.postgres_up.set(i64::from(now.postgres_up));
        whole(&self.pools, now.pools);
        whole(&self.connections, now.connections.0);
        whole(&self.connections_max, now.connections.1);
        whole(&self.waiting, now.waiting);
        whole(&self.deployments, now.deployments);
        whole(&self.upload_bytes, now.upload_bytes.0);
        whole(&self.upload_bytes_max, now.upload_bytes.1);
        self.terminated.inc_by(now.terminated.saturating_sub(self.terminated.get()));
        self.uptime.set(now.uptime);
        if let Some(databases) = &now.databases {
            self.databases.reset();
            for (platform, bundle, number) in databases {
                self.databases.with_label_values(&[platform, bundle]).set(*number as f64);
            }
        }
    }
}
