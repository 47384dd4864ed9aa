//! Backends of uploaded code that wait for a lock on what all databases share: a catalog such as `pg_database`, or a database as
//! an object. PostgreSQL asks for some of these locks before it looks at privileges (`CREATE RULE … ON pg_database`, `ALTER
//! DATABASE … RENAME`), and everybody's new connection then queues behind the one that waits, for as long as somebody else
//! holds a weaker lock. Only an owner of such things ever gets so strong a lock, so whoever waits for one longer than a
//! moment is ended.

use std::collections::HashSet;

use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::{ANSWER_TIMEOUT, Backend, Endpoint, Instant, Line, Link, Outcome, TerminateError, Terminator, signal};

/// Asks no view, and so no catalog that is locked. The count keeps the roles of all sessions in this one's cache, which ending a
/// backend looks at. `waitstart` is there since PostgreSQL 14.
const WAITING: &str = "SELECT l.pid, (SELECT pg_catalog.count(pg_catalog.pg_get_userbyid(a.usesysid))
                                      FROM pg_catalog.pg_stat_get_activity(NULL) AS a)
    FROM pg_catalog.pg_lock_status() AS l
    WHERE NOT l.granted AND l.database OPERATOR(pg_catalog.=) 0::pg_catalog.oid
      AND l.locktype OPERATOR(pg_catalog.=) ANY ('{relation,object}'::pg_catalog.text[])
      AND l.mode OPERATOR(pg_catalog.<>) ALL ('{AccessShareLock,RowShareLock,RowExclusiveLock}'::pg_catalog.text[])
      AND COALESCE((pg_catalog.to_jsonb(l) OPERATOR(pg_catalog.->>) 'waitstart')::pg_catalog.timestamptz
                   OPERATOR(pg_catalog.<)
                   (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) '1 s'::pg_catalog.interval), true)
      AND l.pid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int4[])";

impl Terminator {
    /// Ends them; to be called every second. The connection stays open as long as there is a backend of uploaded code: once
    /// somebody waits, none could be opened.
    pub(in crate::databases) async fn end_waiters(&self) {
        let endpoints: HashSet<Endpoint> = self.of_platforms().into_iter().map(|(endpoint, _)| endpoint).collect();
        for endpoint in endpoints {
            match self.end_waiters_at(&endpoint).await {
                Err(error @ TerminateError::Refused(_)) => {
                    tracing::warn!(?error, "who waits for locks on what all databases share is not known");
                }
                // Others notice that the server is away.
                Err(TerminateError::Down | TerminateError::Away(_)) | Ok(()) => {}
            }
        }
    }

    async fn end_waiters_at(&self, endpoint: &Endpoint) -> Result<(), TerminateError> {
        let mut line = self.line.lock().await;
        let link = self.link_to(&mut line, endpoint).await?;
        link.used = Instant::now();
        // Those that are there by now.
        let backends: Vec<Backend> =
            self.of_platforms().into_iter().filter(|(of, _)| of == endpoint).map(|(_, backend)| backend).collect();
        let pids: Vec<i32> = backends.iter().map(|backend| backend.pid).collect();
        let asked = timeout(ANSWER_TIMEOUT, link.client.query_typed(WAITING, &[(&pids, Type::INT4_ARRAY)])).await;
        let asked = asked.map_err(|_| TerminateError::Away("no answer".to_owned()))?.map_err(super::of_asking)?;
        let waiting: HashSet<i32> = asked.iter().filter_map(|row| row.try_get(0).ok()).collect();
        for backend in backends.iter().filter(|backend| waiting.contains(&backend.pid)) {
            let told = timeout(ANSWER_TIMEOUT, signal(&link.client, backend)).await;
            if let Ok(Ok(Outcome::Signalled)) = told {
                let (pid, role) = (backend.pid, &backend.role);
                tracing::warn!(pid, role, "ended a backend that waited for a lock on what all databases share");
            }
        }
        Ok(())
    }

    /// Backends of other roles than the gateway's.
    fn of_platforms(&self) -> Vec<(Endpoint, Backend)> {
        let own = self.config.get_user();
        let live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.values().filter(|(_, backend)| Some(backend.role.as_str()) != own).cloned().collect()
    }

    async fn link_to<'l>(&self, line: &'l mut Line, endpoint: &Endpoint) -> Result<&'l mut Link, TerminateError> {
        if line.link.as_ref().is_none_or(|link| link.client.is_closed() || link.endpoint != *endpoint) {
            line.link = None;
            line.link = Some(self.open(endpoint).await?);
        }
        line.link.as_mut().ok_or_else(|| TerminateError::Away("no connection".to_owned()))
    }
}
