//! The blueprints that a gateway has used lately, as far as there is memory for them; the others are read again from its
//! records. A bundle of hostile size would otherwise stay in memory for good, once for each version of it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::Blueprint;
use crate::databases::name::DatabaseName;

/// How much is kept, as bytes of JSON; in memory that is some three times as much.
const KEPT_BYTES: usize = 16 << 20;

/// Those used last.
#[derive(Debug, Default)]
pub(super) struct Known {
    blueprints: HashMap<DatabaseName, Kept>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    blueprint: Arc<Blueprint>,
    bytes: usize,
    used_at: u64,
}

impl Known {
    pub(super) fn get(&mut self, name: &DatabaseName) -> Option<Arc<Blueprint>> {
        self.clock += 1;
        let kept = self.blueprints.get_mut(name)?;
        kept.used_at = self.clock;
        Some(kept.blueprint.clone())
    }

    /// The ones used longest ago go for it; one that is larger than all room is not kept.
    pub(super) fn insert(&mut self, name: DatabaseName, blueprint: Arc<Blueprint>) {
        self.remove(&name);
        let bytes = size_of(&blueprint);
        if bytes > KEPT_BYTES {
            return;
        }
        while self.bytes + bytes > KEPT_BYTES {
            let oldest = self.blueprints.iter().min_by_key(|(_, kept)| kept.used_at).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.remove(&oldest);
        }
        self.clock += 1;
        self.bytes += bytes;
        self.blueprints.insert(name, Kept { blueprint, bytes, used_at: self.clock });
    }

    pub(super) fn remove(&mut self, name: &DatabaseName) {
        if let Some(gone) = self.blueprints.remove(name) {
            self.bytes -= gone.bytes;
        }
    }
}

/// Counts what is written.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn size_of(blueprint: &Blueprint) -> usize {
    let mut counter = Counter(0);
    // Counting does not fail, and what was read from JSON can be written as such.
    let _ = serde_json::to_writer(&mut counter, blueprint);
    counter.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestrator::report::Report;

    fn blueprint(name: &str, bytes: usize) -> (DatabaseName, Arc<Blueprint>) {
        let report = Report { warnings: vec!["x".repeat(bytes)], ..Report::default() };
        let blueprint = Blueprint { name: name.to_owned(), report, catalog: Default::default(), by_migrations: false };
        (DatabaseName::recorded(name.to_owned()), Arc::new(blueprint))
    }

    #[test]
    fn what_was_used_longest_ago_gives_way() {
        let mut known = Known::default();
        for name in ["a", "b"] {
            let (name, blueprint) = blueprint(name, KEPT_BYTES / 2 - 10_000);
            known.insert(name, blueprint);
        }
        let name = |name: &str| DatabaseName::recorded(name.to_owned());
        assert!(known.get(&name("a")).is_some());
        let (third, large) = blueprint("c", KEPT_BYTES / 4);
        known.insert(third, large);
        let kept: Vec<bool> = ["a", "b", "c"].iter().map(|one| known.get(&name(one)).is_some()).collect();
        assert_eq!(kept, [true, false, true]);
        let (fourth, too_large) = blueprint("d", KEPT_BYTES + 1);
        known.insert(fourth, too_large);
        assert!(known.get(&name("d")).is_none() && known.get(&name("a")).is_some());
    }
}
