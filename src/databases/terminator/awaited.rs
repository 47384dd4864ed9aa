//! Processes that a `DROP DATABASE` waits for.
//!
//! It waits until every process of the server has looked up once (`ProcSignalBarrier` in PostgreSQL's source), whatever database
//! that is in, and every five seconds PostgreSQL says which one has not: to its log, and to a session that has asked for messages of
//! the level LOG. So nobody is suspected: a worker of autovacuum that is busy with honest work looks up all the time, and is never
//! named. It also waits for those who are inside of the database that is dropped, whom PostgreSQL has told to end.
//!
//! One that is named and runs uploaded code for PostgreSQL's own purposes (a worker of autovacuum, a parallel worker, one of an
//! extension or a subscription) is cancelled first; named again, it is told to end. A worker of autovacuum that is named still, half
//! a minute after that, holds up every drop for as long as it likes: the gateway's own server is made to start again without it.
//! In all other cases the log says who it is and what an operator may do. Sessions are only named: whoever opened one ends it, and
//! the gateway's own have their time limits.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_postgres::error::DbError;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{ANSWER_TIMEOUT, Backend, Endpoint, Outcome, TerminateError, Terminator, signal_once};

/// How long one that was cancelled has before it is told to end.
const CANCELLED: Duration = Duration::from_secs(3);

/// How long one that was told to end has: honest work that does not look up (a large geometry, a disk that is slow) takes as long, and a
/// drop in the background harms nobody meanwhile.
const TERMINATED: Duration = Duration::from_secs(30);

/// PostgreSQL names it every five seconds as long as it is waited for. Afterwards it is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Who it is. Not the view, see [`super::TERMINATE`]. What is NULL, PostgreSQL hides from this role.
const WHO: &str = "SELECT a.backend_type, a.backend_start::pg_catalog.text, a.datid,
        CASE WHEN a.usesysid IS NOT NULL THEN pg_catalog.pg_get_userbyid(a.usesysid)::pg_catalog.text END, a.leader_pid,
        COALESCE(a.query_start, a.xact_start, a.backend_start)::pg_catalog.text
    FROM pg_catalog.pg_stat_get_activity($1) AS a";

/// For the log alone: somebody may have `pg_database` locked.
const DATABASE: &str = "SELECT d.datname::pg_catalog.text, pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text
    FROM pg_catalog.pg_database AS d WHERE d.oid OPERATOR(pg_catalog.=) $1";

const INSIDE: &str = "SELECT a.pid FROM pg_catalog.pg_stat_get_activity(NULL) AS a
    JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) a.datid
    WHERE d.datname OPERATOR(pg_catalog.=) $1::pg_catalog.name";

const CANCEL: &str = "SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_get_activity($1) AS a
    WHERE a.backend_start OPERATOR(pg_catalog.=) $2::pg_catalog.text::pg_catalog.timestamptz";

/// Whom PostgreSQL waits for, if that is what a message says. Its words are in the server's language; the routine is not, nor
/// can code that runs in a session set it.
pub(in crate::databases) fn awaited(notice: &DbError) -> Option<i32> {
    if notice.routine() != Some("WaitForProcSignalBarrier") {
        return None;
    }
    let digits = notice.message().split(|character: char| !character.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).next()
}

/// What was heard, and what is known of those who were heard of.
#[derive(Default)]
pub(super) struct Awaited {
    heard: HashSet<(Endpoint, i32)>,
    /// Databases that could not be dropped because somebody stays inside.
    occupied: HashSet<String>,
    known: HashMap<(Endpoint, i32), Known>,
}

/// One who was named.
#[derive(Clone, Debug)]
struct Known {
    /// `backend_start`: numbers are used again.
    started: Option<String>,
    last: Instant,
    done: Done,
}

/// What was done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Cancelled(Instant),
    Terminated(Instant),
    /// Nothing more can be.
    All,
}

/// What sort of process it is, as far as that says what may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Comes again by itself.
    Autovacuum,
    /// Works for a session, an extension or a subscription.
    Worker,
    /// A session, a process without a database, or one that PostgreSQL tells this role nothing of.
    Other,
}

impl Kind {
    fn of(backend_type: Option<&str>, has_database: bool) -> Self {
        match backend_type {
            Some("autovacuum worker") => Self::Autovacuum,
            None | Some("client backend" | "walsender" | "standalone backend" | "slotsync worker") => Self::Other,
            Some(_) if has_database => Self::Worker,
            Some(_) => Self::Other,
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Name,
    Cancel,
    Terminate,
    /// It was told to end, long ago.
    StartAgain,
    AskTheOperator,
}

/// One was named at `now`. `is_inside`: the drop has told it to end already.
fn next(kind: Kind, done: Option<Done>, is_inside: bool, now: Instant) -> Next {
    match (kind, done) {
        (_, Some(Done::All)) => Next::Wait,
        (Kind::Other, _) => Next::Name,
        (_, None) if is_inside => Next::Terminate,
        (_, None) => Next::Cancel,
        (_, Some(Done::Cancelled(when))) if now - when < CANCELLED => Next::Wait,
        (_, Some(Done::Cancelled(_))) => Next::Terminate,
        (_, Some(Done::Terminated(when))) if now - when < TERMINATED => Next::Wait,
        (Kind::Autovacuum, Some(Done::Terminated(_))) => Next::StartAgain,
        (Kind::Worker, Some(Done::Terminated(_))) => Next::AskTheOperator,
    }
}

/// One who was named, as PostgreSQL lists it.
struct Listed {
    kind: Kind,
    backend_type: Option<String>,
    started: Option<String>,
    database: Option<u32>,
    role: Option<String>,
    leader: Option<i32>,
    since: Option<String>,
}

impl Listed {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let backend_type: Option<String> = row.try_get(0)?;
        let database = row.try_get::<_, Option<u32>>(2)?.filter(|oid| *oid != 0);
        Ok(Self {
            kind: Kind::of(backend_type.as_deref(), database.is_some()),
            backend_type,
            started: row.try_get(1)?,
            database,
            role: row.try_get(3)?,
            leader: row.try_get(4)?,
            since: row.try_get(5)?,
        })
    }
}

impl Terminator {
    /// PostgreSQL has said that a `DROP DATABASE` waits for this process.
    pub(in crate::databases) fn hear_of(&self, endpoint: &Endpoint, pid: i32) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.heard.insert((endpoint.clone(), pid));
    }

    /// A database could not be dropped because somebody is inside, who was told to end.
    pub(in crate::databases) fn hear_of_those_in(&self, database: &super::super::name::DatabaseName) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.occupied.insert(database.as_str().to_owned());
    }

    /// Whether a drop has waited for it, and something was done or written about that.
    #[cfg(test)]
    pub(in crate::databases) fn has_heard_of(&self, pid: i32) -> bool {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.known.keys().any(|(_, known)| *known == pid)
    }

    /// Whether nothing more can be done about it.
    #[cfg(test)]
    pub(in crate::databases) fn has_left(&self, pid: i32) -> bool {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.known.iter().any(|((_, known), one)| *known == pid && one.done == Done::All)
    }

    /// Does what can be done about who was heard of; to be called all the time.
    pub(super) async fn see_to_awaited(&self, endpoint: &Endpoint) {
        let (heard, occupied) = {
            let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.known.retain(|_, known| known.last.elapsed() < FORGOTTEN);
            let heard: Vec<i32> = awaited.heard.iter().filter(|(of, _)| of == endpoint).map(|(_, pid)| *pid).collect();
            awaited.heard.retain(|(of, _)| of != endpoint);
            (heard, std::mem::take(&mut awaited.occupied))
        };
        if heard.is_empty() && occupied.is_empty() {
            return;
        }
        let mut line = self.line.lock().await;
        let Ok(link) = self.link_to(&mut line, endpoint).await else { return };
        link.used = Instant::now();
        for pid in heard {
            self.see_to(&link.client, endpoint, pid, false).await;
        }
        for database in occupied {
            let asked = timeout(ANSWER_TIMEOUT, link.client.query_typed(INSIDE, &[(&database, Type::TEXT)])).await;
            let Ok(Ok(rows)) = asked else { continue };
            for pid in rows.iter().filter_map(|row| row.try_get(0).ok()) {
                self.see_to(&link.client, endpoint, pid, true).await;
            }
        }
    }

    /// PostgreSQL names it again, so nothing is lost where it cannot be asked now.
    async fn see_to(&self, client: &Client, endpoint: &Endpoint, pid: i32, is_inside: bool) {
        let asked = timeout(ANSWER_TIMEOUT, client.query_typed(WHO, &[(&pid, Type::INT4)])).await;
        let Ok(Ok(rows)) = asked else { return };
        // None: it is gone.
        let Some(Ok(listed)) = rows.first().map(Listed::of) else { return };
        let (key, now) = ((endpoint.clone(), pid), Instant::now());
        let done = {
            let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.known.get(&key).filter(|known| known.started == listed.started).map(|known| known.done)
        };
        let next = next(listed.kind, done, is_inside, now);
        let done = match next {
            Next::Wait => done.unwrap_or(Done::All),
            Next::Cancel => Done::Cancelled(now),
            Next::Terminate => Done::Terminated(now),
            Next::StartAgain | Next::Name | Next::AskTheOperator => Done::All,
        };
        {
            let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
            awaited.known.insert(key, Known { started: listed.started.clone(), last: now, done });
        }
        if next != Next::Wait {
            self.act(client, endpoint, pid, &listed, next).await;
        }
    }

    async fn act(&self, client: &Client, endpoint: &Endpoint, pid: i32, listed: &Listed, next: Next) {
        let (database, owner) = name_of(client, listed.database).await;
        let Listed { backend_type, started, role, leader, since, .. } = listed;
        let backend_type = backend_type.as_deref();
        let told = match (next, started) {
            (Next::Cancel, Some(started)) => cancel(client, pid, started).await,
            (Next::Terminate, Some(started)) => {
                let role = role.clone().unwrap_or_default();
                let backend = Backend { pid, started: started.clone(), role, process: None };
                self.terminate_worker(client, endpoint, &backend).await
            }
            _ => Ok(Outcome::Gone),
        };
        let process = || self.process_at(endpoint).and_then(|one| one.sibling(pid));
        match next {
            Next::Wait => {}
            Next::Cancel => tracing::warn!(
                pid,
                backend_type,
                database,
                owner,
                role,
                leader,
                since,
                ?told,
                "DROP DATABASE waits for a process that does not look up: it was cancelled"
            ),
            Next::Terminate => tracing::warn!(
                pid,
                backend_type,
                database,
                owner,
                role,
                leader,
                since,
                ?told,
                "DROP DATABASE waits for a process that does not look up: it was told to end"
            ),
            // What is written of that, whoever does it writes.
            Next::StartAgain if process().is_some_and(|worker| self.start_again_without(&worker)) => {}
            Next::StartAgain | Next::AskTheOperator => tracing::error!(
                pid,
                backend_type,
                database,
                owner,
                role,
                leader,
                since,
                "DROP DATABASE waits for a process that does not end, and is not the gateway's to end: no database is dropped until \
                 it has; `kill -QUIT` the process, which has PostgreSQL end all its sessions and go on within seconds, or start \
                 PostgreSQL again, and look at the code of the database's owner"
            ),
            Next::Name => tracing::warn!(
                pid,
                backend_type,
                database,
                owner,
                role,
                leader,
                since,
                "DROP DATABASE waits for a session that does not look up: no database is dropped until it does or ends; where \
                 pg_terminate_backend does not end it, `kill -QUIT` of the process has PostgreSQL start again"
            ),
        }
    }

    /// By the system, where PostgreSQL does not do it for this role.
    async fn terminate_worker(
        &self,
        client: &Client,
        endpoint: &Endpoint,
        backend: &Backend,
    ) -> Result<Outcome, TerminateError> {
        // Nobody becomes a member of that role for this: it may be of another application's.
        let asked = async { signal_once(client, backend).await?.ok_or_else(refused) };
        let told =
            timeout(ANSWER_TIMEOUT, asked).await.unwrap_or_else(|_| Err(TerminateError::Away("no answer".to_owned())));
        let process = || self.process_at(endpoint).and_then(|one| one.sibling(backend.pid));
        if told.is_err() && self.is_own_server() && process().is_some_and(|process| process.end()) {
            return Ok(Outcome::Signalled);
        }
        told
    }
}

fn refused() -> TerminateError {
    TerminateError::Refused("only a superuser may".to_owned())
}

async fn cancel(client: &Client, pid: i32, started: &str) -> Result<Outcome, TerminateError> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&pid, Type::INT4), (&started, Type::TEXT)];
    let asked = timeout(ANSWER_TIMEOUT, client.query_typed(CANCEL, &parameters)).await;
    let rows = asked.map_err(|_| TerminateError::Away("no answer".to_owned()))?;
    Ok(if rows.map_err(super::of_asking)?.is_empty() { Outcome::Gone } else { Outcome::Signalled })
}

/// Name and owner.
async fn name_of(client: &Client, oid: Option<u32>) -> (Option<String>, Option<String>) {
    let Some(oid) = oid else { return (None, None) };
    match timeout(ANSWER_TIMEOUT, client.query_typed(DATABASE, &[(&oid, Type::OID)])).await {
        Ok(Ok(rows)) => match rows.first() {
            Some(row) => (row.try_get(0).ok(), row.try_get(1).ok()),
            None => (Some(oid.to_string()), None),
        },
        _ => (Some(oid.to_string()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_works_for_postgresql_is_cancelled_then_told_to_end_and_waited_for_before_anything_starts_again() {
        let begun = Instant::now();
        let at = |secs| begun + Duration::from_secs(secs);
        let cancelled = Some(Done::Cancelled(begun));
        let terminated = Some(Done::Terminated(begun));
        for kind in [Kind::Autovacuum, Kind::Worker] {
            assert_eq!(next(kind, None, false, begun), Next::Cancel);
            assert_eq!(next(kind, None, true, begun), Next::Terminate);
            assert_eq!(next(kind, cancelled, false, at(2)), Next::Wait);
            assert_eq!(next(kind, cancelled, false, at(5)), Next::Terminate);
            assert_eq!(next(kind, terminated, false, at(29)), Next::Wait);
            assert_eq!(next(kind, Some(Done::All), false, at(3600)), Next::Wait);
        }
        assert_eq!(next(Kind::Autovacuum, terminated, false, at(30)), Next::StartAgain);
        assert_eq!(next(Kind::Worker, terminated, false, at(30)), Next::AskTheOperator);
        assert_eq!(next(Kind::Other, None, true, begun), Next::Name);
    }

    #[test]
    fn sessions_and_processes_without_a_database_are_nobodys_to_end() {
        let kinds = [
            (Some("autovacuum worker"), true, Kind::Autovacuum),
            (Some("parallel worker"), true, Kind::Worker),
            (Some("logical replication apply worker"), true, Kind::Worker),
            (Some("an extension's own"), true, Kind::Worker),
            (Some("an extension's own"), false, Kind::Other),
            (Some("checkpointer"), false, Kind::Other),
            (Some("client backend"), true, Kind::Other),
            (Some("walsender"), true, Kind::Other),
            (None, true, Kind::Other),
        ];
        for (backend_type, has_database, kind) in kinds {
            assert_eq!(Kind::of(backend_type, has_database), kind, "{backend_type:?}");
        }
    }
}
