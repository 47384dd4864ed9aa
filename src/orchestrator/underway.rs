//! Which databases are deployed to at this moment, so that a gateway that stops can say what it cuts off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::databases::name::DatabaseName;

/// Cheap to clone; all clones are the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Underway(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    names: BTreeMap<u64, String>,
}

/// On the list until it is dropped.
#[derive(Debug)]
pub(super) struct Begun {
    list: Underway,
    number: u64,
}

impl Underway {
    pub(super) fn begin(&self, database: &DatabaseName) -> Begun {
        let mut list = self.lock();
        list.next += 1;
        let number = list.next;
        list.names.insert(number, database.to_string());
        Begun { list: self.clone(), number }
    }

    /// In the order in which they began.
    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Every change is whole before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.list.lock().names.remove(&self.number);
    }
}
