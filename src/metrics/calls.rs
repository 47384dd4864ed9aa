//! Calls by platform, function and status. What is counted for a call is found before it runs and kept with its log line, so
//! that one that is hung up on counts, too.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use foldhash::HashMap;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use super::{BUCKETS, register};

/// The function's name where it is one too many, or not known to exist: clients may send any.
const OTHER: &str = "other";

/// The statuses that calls end with; whatever else a function picks is told as its class.
const STATUSES: &[&str] = &[
    "200",
    "400",
    "403",
    "404",
    "409",
    "413",
    "422",
    "500",
    "503",
    "504",
    "507",
    "4xx",
    "5xx",
    "client_gone",
    "cut_off",
];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an answer of this status.
    Answered(u16),
    /// Its client left before.
    ClientGone,
    /// The gateway stopped before.
    CutOff,
}

impl End {
    fn label(self) -> usize {
        let name = match self {
            Self::ClientGone => "client_gone",
            Self::CutOff => "cut_off",
            Self::Answered(200) => return 0,
            Self::Answered(status) => {
                let place = STATUSES.iter().position(|one| one.parse() == Ok(status));
                return place.unwrap_or_else(|| Self::place(if status < 500 { "4xx" } else { "5xx" }));
            }
        };
        Self::place(name)
    }

    fn place(name: &str) -> usize {
        STATUSES.iter().position(|one| *one == name).unwrap_or_default()
    }
}

/// The counters of all calls.
pub struct Calls {
    /// How many functions have their own, at most.
    most: usize,
    known: RwLock<Known>,
    total: IntCounterVec,
    seconds: HistogramVec,
    wait: Histogram,
    nobodys: Arc<Counted>,
}

#[derive(Default)]
struct Known {
    platforms: HashMap<Box<str>, Platform>,
    functions: usize,
}

struct Platform {
    functions: HashMap<Box<str>, Arc<Counted>>,
    other: Arc<Counted>,
}

/// The counters of one function.
pub struct Counted {
    platform: String,
    function: String,
    is_other: bool,
    total: IntCounterVec,
    statuses: [OnceLock<IntCounter>; STATUSES.len()],
    seconds: Histogram,
}

impl Calls {
    pub(super) fn new(registry: &Registry, most: usize) -> Result<Self, prometheus::Error> {
        let total = IntCounterVec::new(
            Opts::new("stonescriptdb_calls_total", "Calls, by platform, function and HTTP status."),
            &["platform", "function", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("stonescriptdb_call_duration_seconds", "How long calls took, from head to answer.")
                .buckets(BUCKETS.to_vec()),
            &["platform", "function"],
        )?;
        let wait = Histogram::with_opts(
            HistogramOpts::new("stonescriptdb_call_wait_seconds", "How long calls waited for a connection.")
                .buckets(BUCKETS.to_vec()),
        )?;
        register(registry, &total)?;
        register(registry, &seconds)?;
        register(registry, &wait)?;
        let nobodys = Arc::new(Counted::new(&total, &seconds, "", None));
        Ok(Self { most, known: RwLock::default(), total, seconds, wait, nobodys })
    }

    /// Where a call of this function counts, as far as it is known by now.
    pub fn known(&self, platform: &str, function: &str) -> Arc<Counted> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let Some(of) = known.platforms.get(platform) else { return self.nobodys.clone() };
        of.functions.get(function).unwrap_or(&of.other).clone()
    }

    /// The same, for one that has turned out to exist: it gets its own from now on, unless there are too many.
    pub fn found(&self, platform: &str, function: &str) -> Arc<Counted> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { platforms, functions } = &mut *known;
        if !platforms.contains_key(platform) {
            if platforms.len() >= self.most {
                return self.nobodys.clone();
            }
            let other = Arc::new(Counted::new(&self.total, &self.seconds, platform, None));
            platforms.insert(platform.into(), Platform { functions: HashMap::default(), other });
        }
        let Some(of) = platforms.get_mut(platform) else { return self.nobodys.clone() };
        if let Some(counted) = of.functions.get(function) {
            return counted.clone();
        }
        if *functions >= self.most {
            return of.other.clone();
        }
        *functions += 1;
        let counted = Arc::new(Counted::new(&self.total, &self.seconds, platform, Some(function)));
        of.functions.insert(function.into(), counted.clone());
        counted
    }

    /// A call that waited so long for its connection.
    pub fn waited(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }
}

impl Counted {
    fn new(total: &IntCounterVec, seconds: &HistogramVec, platform: &str, function: Option<&str>) -> Self {
        let (is_other, function) = (function.is_none(), function.unwrap_or(OTHER));
        Self {
            platform: platform.to_owned(),
            function: function.to_owned(),
            is_other,
            total: total.clone(),
            statuses: [const { OnceLock::new() }; STATUSES.len()],
            seconds: seconds.with_label_values(&[platform, function]),
        }
    }

    /// Whether it is what calls of a function count for that has none of its own.
    pub fn is_other(&self) -> bool {
        self.is_other
    }

    /// A call that ended like this after so long.
    pub fn count(&self, end: End, took: Duration) {
        let label = end.label();
        let (Some(place), Some(status)) = (self.statuses.get(label), STATUSES.get(label)) else { return };
        place.get_or_init(|| self.total.with_label_values(&[&*self.platform, &*self.function, status])).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counted({} {})", self.platform, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_functions_that_exist_have_their_own_and_no_more_than_allowed() {
        let registry = Registry::new();
        let calls = Calls::new(&registry, 2).expect("they register");
        assert!(calls.known("shop", "made_up").is_other());
        let first = calls.found("shop", "first");
        assert!(!first.is_other() && calls.known("shop", "made_up").is_other());
        assert!(Arc::ptr_eq(&first, &calls.known("shop", "first")));
        assert!(!calls.found("shop", "second").is_other());
        assert!(calls.found("shop", "third").is_other());
        assert_eq!(calls.found("mall", "fourth").platform, "mall");
        assert_eq!(calls.found("one too many", "fifth").platform, "");
    }

    #[test]
    fn each_end_has_its_label() {
        let label = |end: End| STATUSES[end.label()];
        assert_eq!(label(End::Answered(200)), "200");
        assert_eq!(label(End::Answered(422)), "422");
        assert_eq!(label(End::Answered(418)), "4xx");
        assert_eq!(label(End::Answered(599)), "5xx");
        assert_eq!((label(End::ClientGone), label(End::CutOff)), ("client_gone", "cut_off"));
    }
}
