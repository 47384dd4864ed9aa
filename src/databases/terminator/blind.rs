//! What to do where the gateway cannot ask any more who holds up what all databases share, because its own question waits
//! for the same lock: who has all its caches emptied by a flood of changes and locks `pg_authid` at that moment gets there.
//!
//! Where PostgreSQL runs on this machine, its processes' titles tell who waits, and a signal ends one. It is never done because
//! a server is slow: only where the server itself has said that it was a lock that the gateway waited for.

use tokio_postgres::error::SqlState;

use super::process::Process;
use super::{Backend, Endpoint, TerminateError, Terminator};

/// After so many looks in vain, all who wait for some lock are ended: who is in the way is among them, unless he has the lock.
const WAITING: u32 = 2;

/// After so many, all of uploaded code is: nobody could have got a new connection meanwhile.
const ALL: u32 = 8;

impl Terminator {
    /// Takes note of how a look went, and acts if it is time.
    pub(super) async fn act_blindly(&self, endpoint: &Endpoint, error: Option<TerminateError>) {
        let there = self.of_platforms().into_iter().filter(|(_, of, _)| of == endpoint);
        let there = there.map(|(number, _, backend)| (number, backend));
        let there: Vec<(u64, Backend)> = there.filter(|(_, backend)| backend.process.is_some()).collect();
        let one = self.process_at(endpoint);
        let blind = match error {
            None => false,
            Some(TerminateError::Locked) => true,
            // It could not be opened, be it for a lock.
            Some(TerminateError::Away(_)) => one.as_ref().is_some_and(Process::somebody_waits_at_the_door),
            Some(TerminateError::Down | TerminateError::Refused(_)) => false,
        };
        let mut line = self.line.lock().await;
        line.blind = if blind { line.blind + 1 } else { 0 };
        if line.blind < WAITING {
            return;
        }
        if line.blind >= ALL {
            // These come again by themselves.
            let workers: Vec<_> = one.iter().flat_map(Process::autovacuum_workers).filter(Process::end).collect();
            let workers = workers.into_iter().filter(|worker| self.note_worker_told(worker.clone())).count();
            if workers > 0 {
                tracing::warn!(
                    workers,
                    "ended workers of autovacuum: a lock on what all databases share keeps the gateway out"
                );
            }
        }
        for (number, backend) in there {
            let Some(process) = &backend.process else { continue };
            let in_the_way = line.blind >= ALL || process.waits();
            self.note_in_the_way(number, in_the_way);
            if in_the_way && process.end() && self.note_told(number) {
                let (pid, role) = (backend.pid, &backend.role);
                tracing::warn!(pid, role, "ended a backend: a lock on what all databases share keeps the gateway out");
            }
        }
    }
}

impl Terminator {
    /// A process of the server's, of whatever session.
    pub(super) fn process_at(&self, endpoint: &Endpoint) -> Option<Process> {
        let live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.values().filter(|known| known.endpoint == *endpoint).find_map(|known| known.backend.process.clone())
    }
}

/// Whether it was a lock that was waited for in vain.
pub(super) fn is_of_a_lock(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}
