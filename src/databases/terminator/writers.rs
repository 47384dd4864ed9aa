//! Ends backends of platforms' roles that write, where there is hardly any room left on the disk; and the gateway's own that copy a
//! database for one, which may be as large as its platform likes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{ANSWER_TIMEOUT, Backend, Endpoint, Outcome, TerminateError, Terminator, process, signal};

/// Transactions that have changed something, for only these have a number; those that have files for what does not fit into
/// their memory, be it by a parallel worker; and those that are just waiting for PostgreSQL's log of changes, which
/// `pg_logical_emit_message` fills without a number. Not the view, see [`super::TERMINATE`].
const WRITERS: &str = "SELECT COALESCE(leader_pid, pid), datid,
        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) xact_start),
        pg_catalog.starts_with(query, 'CREATE DATABASE ')
    FROM pg_catalog.pg_stat_get_activity(NULL)
    WHERE (backend_xid IS NOT NULL OR pid::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY(
            SELECT pg_catalog.split_part(pg_catalog.substr(name, 10), '.', 1)
            FROM pg_catalog.pg_ls_dir('base/pgsql_tmp', true, false) AS name
            WHERE pg_catalog.starts_with(name, 'pgsql_tmp')))
            OR wait_event_type OPERATOR(pg_catalog.=) ANY ('{IO,LWLock}'::pg_catalog.text[])
                AND pg_catalog.starts_with(pg_catalog.lower(wait_event), 'wal'))
        AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

/// A backend that was ended.
#[derive(Debug)]
pub(in crate::databases) struct Writer {
    pub(in crate::databases) pid: i32,
    pub(in crate::databases) role: String,
    pub(in crate::databases) database: Option<u32>,
}

impl Terminator {
    /// Ends those that have been at it for longer than `most`, and says which.
    pub(in crate::databases) async fn end_writers(&self, most: Duration) -> Result<Vec<Writer>, TerminateError> {
        let all = self.of_anybody();
        let Some((_, endpoint, _)) = all.first() else { return Ok(Vec::new()) };
        let mut line = self.line.lock().await;
        let link = self.link_to(&mut line, endpoint).await?;
        link.used = Instant::now();
        let asked = timeout(ANSWER_TIMEOUT, link.client.query_typed(WRITERS, &[])).await;
        let rows = asked.map_err(|_| TerminateError::Away("no answer".to_owned()))?.map_err(super::of_asking)?;
        let mut ended = Vec::new();
        for row in rows {
            let (Ok(pid), Ok(database)) = (row.try_get::<_, i32>(0), row.try_get(1)) else { continue };
            let seconds: f64 = row.try_get::<_, Option<f64>>(2).ok().flatten().unwrap_or(0.0);
            let copies = row.try_get::<_, Option<bool>>(3).ok().flatten().unwrap_or(false);
            let may_end = |backend: &Backend| copies || Some(backend.role.as_str()) != self.config.get_user();
            let known = all.iter().find(|(_, of, backend)| of == endpoint && backend.pid == pid && may_end(backend));
            let Some((number, _, backend)) = known.filter(|_| seconds >= most.as_secs_f64()) else { continue };
            // Marked first: whoever waits for it asks as soon as it has ended. One that takes its time is told again.
            let first = self.mark(*number);
            let told = backend.process.as_ref().is_some_and(process::Process::end)
                || matches!(timeout(ANSWER_TIMEOUT, signal(&link.client, backend)).await, Ok(Ok(Outcome::Signalled)));
            if told {
                // One that never looks whether it is to end is not waited for without end.
                self.note_told(*number);
            }
            if told && first {
                ended.push(Writer { pid, role: backend.role.clone(), database });
            }
        }
        Ok(ended)
    }

    fn of_anybody(&self) -> Vec<(u64, Endpoint, Backend)> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.iter().map(|(number, known)| (*number, known.endpoint.clone(), known.backend.clone())).collect()
    }

    /// False: it is already, or is gone.
    fn mark(&self, number: u64) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&number).is_some_and(|known| !known.made_room.swap(true, Ordering::AcqRel))
    }

    /// Tells whether it was ended here, also when it is gone.
    pub(in crate::databases) fn made_room(&self, number: u64) -> Arc<AtomicBool> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&number).map(|known| known.made_room.clone()).unwrap_or_default()
    }
}
