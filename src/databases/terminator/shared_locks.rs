//! Locks of uploaded code on what all databases share: a catalog such as `pg_database`, or a database as an object.
//!
//! PostgreSQL takes some of these before it looks at privileges (`CREATE RULE … ON pg_database`, `ALTER DATABASE … RENAME`), and
//! runs uploaded code while it has them (a constant in the rule, of a type whose domain checks with a function). Whoever has
//! such a lock keeps everybody's new connections waiting, and whoever waits for one does so, too: all later ones queue behind
//! him. Who has no right to the thing never needs the lock, so his backend is ended. So is PostgreSQL's own worker that analyzes
//! his table, and calls his functions for an index of expressions. What to do where PostgreSQL does not answer any more:
//! [`super::blind`].

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use super::process::Process;
use super::{
    ANSWER_TIMEOUT, Backend, Endpoint, Instant, Line, Link, Outcome, TerminateError, Terminator, signal, signal_once,
};

/// How often is looked. Each time it is found, an attempt costs its backend, so this is how long one lasts.
pub(in crate::databases) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a new session of a platform's waits until the connection that ends backends is there.
const STAND_BY: Duration = Duration::from_secs(2);

/// The locks on what no single database has. As bare as can be: whatever it looked up might be locked. `strong` are those that
/// keep ordinary work out; comments take a weaker one on the object, catalogs' owners alone take that on a catalog.
pub(super) const LOCKS: &str =
    "SELECT l.pid, l.granted, l.classid, l.objid, l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text,
            l.mode OPERATOR(pg_catalog.=) ANY
                ('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])
            OR l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text
               AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'::pg_catalog.text
    FROM pg_catalog.pg_lock_status() AS l
    WHERE l.database OPERATOR(pg_catalog.=) 0::pg_catalog.oid
      AND l.locktype OPERATOR(pg_catalog.=) ANY ('{relation,object}'::pg_catalog.text[])";

/// Workers of autovacuum that have such a lock, or wait for one, while they work on a table of some database: one that looks after a
/// shared catalog has no other table at that time, and one that looks after a table needs no such lock. Only a superuser is told
/// of them, and may end them.
const WORKERS: &str = "WITH l AS MATERIALIZED (SELECT pid, locktype, database, mode FROM pg_catalog.pg_lock_status())
    SELECT a.pid, a.backend_start::pg_catalog.text FROM pg_catalog.pg_stat_get_activity(NULL) AS a
    WHERE a.backend_type OPERATOR(pg_catalog.=) 'autovacuum worker'::pg_catalog.text
      AND EXISTS (SELECT FROM l WHERE l.pid OPERATOR(pg_catalog.=) a.pid
                    AND l.database OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                    AND l.locktype OPERATOR(pg_catalog.=) ANY ('{relation,object}'::pg_catalog.text[])
                    AND l.mode OPERATOR(pg_catalog.=) ANY ('{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,\
ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))
      AND EXISTS (SELECT FROM l WHERE l.pid OPERATOR(pg_catalog.=) a.pid
                    AND l.database OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
                    AND l.locktype OPERATOR(pg_catalog.=) 'relation'::pg_catalog.text
                    AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'::pg_catalog.text)";

/// Keeps what ending a backend looks up in this session's cache: the roles of all sessions, and what the own one is member of.
const WARM: &str = "SELECT pg_catalog.count(pg_catalog.pg_get_userbyid(a.usesysid)),
                           pg_catalog.count(pg_catalog.pg_has_role(a.usesysid, 'USAGE'))
                    FROM pg_catalog.pg_stat_get_activity(NULL) AS a";

/// A lock as PostgreSQL lists it.
#[derive(Clone, Debug)]
struct Lock {
    pid: i32,
    granted: bool,
    /// Of which catalog which row; none: the lock is on a catalog.
    object: Option<(u32, u32)>,
    strong: bool,
}

impl Lock {
    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let is_relation: bool = row.try_get(4)?;
        let object = if is_relation { None } else { Some((row.try_get(2)?, row.try_get(3)?)) };
        Ok(Self { pid: row.try_get(0)?, granted: row.try_get(1)?, object, strong: row.try_get(5)? })
    }
}

/// Who of `theirs` is to be ended: at once, and if he is found again.
fn offenders(locks: &[Lock], theirs: &HashSet<i32>) -> (HashSet<i32>, HashSet<i32>) {
    let (mut at_once, mut if_again) = (HashSet::new(), HashSet::new());
    for lock in locks.iter().filter(|lock| lock.strong) {
        let is_theirs = theirs.contains(&lock.pid);
        match lock.object {
            None if is_theirs => drop(at_once.insert(lock.pid)),
            // What is one's own may be dropped, which takes its time once one has the lock.
            Some(_) if is_theirs && !lock.granted => drop(if_again.insert(lock.pid)),
            // The gateway drops a database, and somebody keeps it waiting: everybody else waits behind it.
            Some(object) if !is_theirs && !lock.granted => {
                let on_it = locks.iter().filter(|other| other.granted && other.object == Some(object));
                if_again.extend(on_it.map(|other| other.pid).filter(|pid| theirs.contains(pid)));
            }
            _ => {}
        }
    }
    (at_once, if_again)
}

impl Terminator {
    /// Has the connection open before a session of a platform's runs anything: afterwards it might be too late. Who cannot
    /// have it goes on without; then [`Terminator::end_holders`] says so.
    pub(in crate::databases) async fn stand_by(&self, endpoint: &Endpoint) {
        let standing = async {
            let mut line = self.line.lock().await;
            if let Ok(link) = self.link_to(&mut line, endpoint).await {
                link.used = Instant::now();
            }
        };
        let _ = timeout(STAND_BY, standing).await;
    }

    /// Ends them; to be called all the time. The connection stays open as long as the gateway has any other: autovacuum calls
    /// uploaded code when nobody else does.
    pub(in crate::databases) async fn end_holders(&self) {
        let endpoints = self.endpoints();
        for endpoint in endpoints {
            let looked = self.end_holders_at(&endpoint).await;
            if let Err(error @ TerminateError::Refused(_)) = &looked {
                tracing::warn!(?error, "who holds locks on what all databases share is not known");
            }
            self.act_blindly(&endpoint, looked.err()).await;
            self.see_to_awaited(&endpoint).await;
        }
        self.end_unresponsive();
    }

    async fn end_holders_at(&self, endpoint: &Endpoint) -> Result<(), TerminateError> {
        let mut line = self.line.lock().await;
        let link = self.link_to(&mut line, endpoint).await?;
        link.used = Instant::now();
        let asked = timeout(ANSWER_TIMEOUT, locks(&link.client)).await;
        let locks = asked.unwrap_or_else(|_| Err(TerminateError::Away("no answer".to_owned())))?;
        // Those that are there by now.
        let backends = self.of_platforms().into_iter().filter(|(_, of, _)| of == endpoint);
        let backends: Vec<(u64, Backend)> = backends.map(|(number, _, backend)| (number, backend)).collect();
        let theirs: HashSet<i32> = backends.iter().map(|(_, backend)| backend.pid).collect();
        let (at_once, if_again) = offenders(&locks, &theirs);
        for (number, backend) in &backends {
            let found = self.is_found_again(*number, if_again.contains(&backend.pid));
            let in_the_way = at_once.contains(&backend.pid) || found;
            self.note_in_the_way(*number, in_the_way);
            if in_the_way {
                self.end(*number, &link.client, backend).await;
            }
        }
        if locks.iter().any(|lock| lock.strong && !theirs.contains(&lock.pid)) {
            self.end_workers(&link.client, endpoint).await;
        }
        // An error of this shows in the next look, if it matters.
        let _ = timeout(ANSWER_TIMEOUT, link.client.batch_execute(WARM)).await;
        Ok(())
    }

    /// By the system where that can be, which needs no lock. Told once: what does not end then, [`super::unresponsive`] looks after.
    async fn end(&self, number: u64, client: &Client, backend: &Backend) {
        let told = backend.process.as_ref().is_some_and(Process::end)
            || matches!(timeout(ANSWER_TIMEOUT, signal(client, backend)).await, Ok(Ok(Outcome::Signalled)));
        let (pid, role) = (backend.pid, &backend.role);
        if !told {
            tracing::warn!(pid, role, "could not end a backend that holds up what all databases share");
        } else if self.note_told(number) {
            tracing::warn!(pid, role, "told a backend to end that held up what all databases share");
        }
    }

    /// See [`WORKERS`]. They come again as long as there is such a table.
    async fn end_workers(&self, client: &Client, endpoint: &Endpoint) {
        let Ok(Ok(rows)) = timeout(ANSWER_TIMEOUT, client.query_typed(WORKERS, &[])).await else { return };
        for row in &rows {
            let (Ok(pid), Ok(started)) = (row.try_get(0), row.try_get(1)) else { continue };
            let worker = Backend { pid, started, role: "autovacuum".to_owned(), process: None };
            let told = timeout(ANSWER_TIMEOUT, signal_once(client, &worker)).await;
            let process = self.process_at(endpoint).and_then(|one| one.sibling(pid));
            if process.is_none_or(|process| self.note_worker_told(process)) {
                tracing::warn!(
                    pid,
                    ?told,
                    "autovacuum calls functions of a platform's that hold up what all databases share"
                );
            }
        }
    }

    fn endpoints(&self) -> HashSet<Endpoint> {
        let live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.values().map(|known| known.endpoint.clone()).collect()
    }

    /// Backends of other roles than the gateway's.
    pub(super) fn of_platforms(&self) -> Vec<(u64, Endpoint, Backend)> {
        let own = self.config.get_user();
        let live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let theirs = live.iter().filter(|(_, known)| Some(known.backend.role.as_str()) != own);
        theirs.map(|(number, known)| (*number, known.endpoint.clone(), known.backend.clone())).collect()
    }

    /// Whether it was found in the look before, too.
    fn is_found_again(&self, number: u64, is_found: bool) -> bool {
        let mut live = self.live.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.get_mut(&number).is_some_and(|known| std::mem::replace(&mut known.found, is_found) && is_found)
    }

    pub(super) async fn link_to<'l>(
        &self,
        line: &'l mut Line,
        endpoint: &Endpoint,
    ) -> Result<&'l mut Link, TerminateError> {
        if line.link.as_ref().is_none_or(|link| link.client.is_closed() || link.endpoint != *endpoint) {
            line.link = None;
            let link = self.open(endpoint).await?;
            let _ = timeout(ANSWER_TIMEOUT, link.client.batch_execute(WARM)).await;
            line.link = Some(link);
        }
        line.link.as_mut().ok_or_else(|| TerminateError::Away("no connection".to_owned()))
    }
}

async fn locks(client: &Client) -> Result<Vec<Lock>, TerminateError> {
    let rows = client.query_typed(LOCKS, &[]).await.map_err(super::of_asking)?;
    rows.iter().map(Lock::of).collect::<Result<_, _>>().map_err(super::of_asking)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Some`: on that row of `pg_database`.
    fn lock(pid: i32, granted: bool, strong: bool, database: Option<u32>) -> Lock {
        Lock { pid, granted, strong, object: database.map(|oid| (1262, oid)) }
    }

    fn found(locks: &[Lock]) -> (Vec<i32>, Vec<i32>) {
        let (at_once, if_again) = offenders(locks, &HashSet::from([1, 2]));
        (at_once.into_iter().collect(), if_again.into_iter().collect())
    }

    #[test]
    fn found_again_is_found_in_two_looks_in_a_row() {
        let terminator = Terminator::new(tokio_postgres::Config::new(), crate::tls::Tls::none().into(), Vec::new());
        let backend = Backend { pid: 1, started: String::new(), role: "platform".to_owned(), process: None };
        let number = terminator.register(&Endpoint::Unix("/none".into()), Some(&backend));
        for (is_found, expected) in [(true, false), (false, false), (true, false), (true, true), (true, true)] {
            assert_eq!(terminator.is_found_again(number, is_found), expected);
        }
    }

    #[test]
    fn who_holds_others_up_is_found_and_nobody_else() {
        let none = (vec![], vec![]);
        // Catalogs: had or waited for, strongly; the gateway's own are its own.
        assert_eq!(found(&[lock(1, true, true, None), lock(2, true, false, None)]), (vec![1], vec![]));
        assert_eq!(found(&[lock(1, false, true, None), lock(2, true, false, None)]), (vec![1], vec![]));
        assert_eq!(found(&[lock(9, true, true, None), lock(1, false, false, None)]), none);
        // Databases: waited for by somebody of theirs, not had.
        assert_eq!(found(&[lock(1, false, true, Some(7)), lock(2, true, false, Some(7))]), (vec![], vec![1]));
        assert_eq!(found(&[lock(1, true, true, Some(7))]), none);
        assert_eq!(found(&[lock(1, true, false, Some(7)), lock(2, false, false, Some(7))]), none);
        // The gateway waits for one: who has that very one.
        assert_eq!(found(&[lock(9, false, true, Some(7)), lock(2, true, false, Some(7))]), (vec![], vec![2]));
        assert_eq!(found(&[lock(9, false, true, Some(7)), lock(2, true, false, Some(5))]), none);
    }
}
