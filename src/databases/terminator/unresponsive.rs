//! Backends that are still there long after they were told to end.
//!
//! PostgreSQL looks whether it is to end only between its steps (manual, 54.1; `CHECK_FOR_INTERRUPTS` in its source). Some steps take as
//! long as uploaded code likes: XPath on a hard question, the scanner on a text of one long row of signs, a function that an
//! index calls while it holds a page. Nothing short of the end of the process ends these, and PostgreSQL answers that by
//! starting again, with all its sessions: seconds for everybody, and nothing that was committed is lost. So it is
//! done on the gateway's own server alone, and only where waiting longer harms everybody more: [`overdue`]. Elsewhere the
//! log asks the operator to do it.
//!
//! Whose code it was is kept out for a while after that ([`Terminator::admits`]), each time for longer: nobody can have
//! the server start again as often as he likes.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::process::Process;
use super::{Known, Terminator};

/// One that keeps everybody from what all databases share gets no longer.
const IN_THE_WAY: Duration = Duration::from_secs(3);

/// Together they hold too many of the connections: no longer than this.
const MANY: Duration = Duration::from_secs(10);

/// One that only holds its connection: as long as honest work of this kind may take. No longer, since PostgreSQL may
/// be unable to write its pages down (a checkpoint waits for the page that it holds), and cannot clean up behind it.
const AT_LAST: Duration = Duration::from_secs(300);

/// After this the system is asked for more than PostgreSQL's own emergency stop of a process.
const AFTER_QUIT: Duration = Duration::from_secs(3);

/// For how long a role is kept out after the first time; each time for four times as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LAST_PAUSE: Duration = Duration::from_secs(3600);

/// After a day without one the next time is the first again.
const FORGIVEN: Duration = Duration::from_secs(24 * 3600);

/// What is known of a backend that was told to end.
#[derive(Clone, Copy, Debug)]
struct Told {
    number: u64,
    /// How long ago.
    since: Duration,
    /// Whether it was found to keep others from what all databases share.
    in_the_way: bool,
}

/// Which are waited for no longer, and why. `many`: how many of the connections are too many.
fn overdue(told: &[Told], many: usize) -> Vec<(u64, &'static str)> {
    let holding = told.iter().filter(|one| one.since >= MANY).count();
    let reason = |one: &Told| {
        if one.in_the_way && one.since >= IN_THE_WAY {
            Some("it keeps everybody from what all databases share")
        } else if one.since >= MANY && holding >= many {
            Some("such backends hold too many of the connections")
        } else {
            (one.since >= AT_LAST).then_some("it has had minutes to end")
        }
    };
    told.iter().filter_map(|one| Some((one.number, reason(one)?))).collect()
}

/// Who is kept out, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    until: Instant,
    length: Duration,
}

impl Pause {
    fn after(before: Option<Self>, now: Instant) -> Self {
        let before = before.filter(|pause| now < pause.until + FORGIVEN);
        let length = before.map_or(FIRST_PAUSE, |pause| match now < pause.until {
            // Several backends at once are one time.
            true => pause.length,
            false => (pause.length * 4).min(LAST_PAUSE),
        });
        Self { until: now + length, length }
    }
}

/// What [`Terminator`] remembers of them.
#[derive(Default)]
pub(super) struct Unresponsive {
    /// Whether the server is the gateway's own, which it may have start again.
    is_own: bool,
    /// How many connections are too many; zero: not known yet.
    many: usize,
    /// Roles whose code made the server start again.
    paused: HashMap<String, Pause>,
    /// Some process of the server's, on this machine: it leads to the others.
    one: Option<Process>,
    /// Workers of autovacuum that were told to end.
    workers: Vec<Worker>,
    /// The databases of those that the server was made to start again without.
    deaf: HashSet<String>,
}

/// A worker of autovacuum that was told to end.
struct Worker {
    process: Process,
    told: Instant,
    /// For how long it is waited for.
    patience: Duration,
}

impl Terminator {
    /// The server is the gateway's own: it may start again for a backend that does not end otherwise.
    pub(in crate::databases) fn owns_server(&self) {
        self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).is_own = true;
    }

    /// Whether it is.
    pub(in crate::databases) fn is_own_server(&self) -> bool {
        self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).is_own
    }

    /// Of so many connections in all, a quarter is too many for backends that do not end.
    pub(in crate::databases) fn shares_out(&self, connections: usize) {
        self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).many = (connections / 4).max(2);
    }

    /// Whether a role may have another session; if not, for how long it may not.
    pub(in crate::databases) fn admits(&self, role: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let many = {
            let unresponsive = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(pause) = unresponsive.paused.get(role).filter(|pause| now < pause.until) {
                return Err(pause.until - now);
            }
            unresponsive.many
        };
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let held = live.values().filter(|known| known.backend.role == role && known.told_before(now - MANY)).count();
        if many > 0 && held >= many { Err(MANY) } else { Ok(()) }
    }

    /// Takes note that a backend was told to end. False: it was already.
    pub(in crate::databases) fn note_told(&self, number: u64) -> bool {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let first = live
            .get_mut(&number)
            .is_some_and(|known| known.told.replace(known.told.unwrap_or_else(Instant::now)).is_none());
        if first {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
        first
    }

    /// Takes note of whether a backend keeps others from what all databases share.
    pub(super) fn note_in_the_way(&self, number: u64, in_the_way: bool) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = live.get_mut(&number) {
            known.in_the_way = in_the_way;
        }
    }

    /// Takes note that a worker of autovacuum was told to end, because it was in the way. False: it was already.
    pub(super) fn note_worker_told(&self, worker: Process) -> bool {
        let mut unresponsive = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = unresponsive.workers.iter().all(|known| known.process != worker);
        if is_new {
            unresponsive.workers.push(Worker { process: worker, told: Instant::now(), patience: IN_THE_WAY });
        }
        is_new
    }

    /// Takes note of a process of the server's.
    pub(super) fn note_process(&self, process: &Process) {
        self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).one = Some(process.clone());
    }

    /// Has the server start again without a worker of autovacuum that does not end: nothing else ends it. False: the server is
    /// not the gateway's own, or the worker is gone.
    pub(super) fn start_again_without(&self, worker: &Process) -> bool {
        let mut unresponsive = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner);
        if !unresponsive.is_own || !worker.is_there() {
            return false;
        }
        unresponsive.workers.retain(|known| known.process != *worker);
        unresponsive.workers.push(Worker { process: worker.clone(), told: Instant::now(), patience: Duration::ZERO });
        true
    }

    /// To be called all the time.
    pub(super) fn end_unresponsive(&self) {
        let now = Instant::now();
        let overdue = self.take_overdue(now);
        let mut unresponsive = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner);
        for Overdue { pid, role, reason, process, quit_since, is_new } in overdue {
            let can = process.filter(|_| unresponsive.is_own);
            let Some(process) = can else {
                if is_new {
                    tracing::error!(
                        pid,
                        role,
                        reason,
                        "a backend does not end, and is not the gateway's to end: start PostgreSQL again, or `kill -QUIT` \
                         the process, which has PostgreSQL end all its sessions and go on within seconds"
                    );
                }
                continue;
            };
            if is_new {
                let pause = Pause::after(unresponsive.paused.get(&role).copied(), now);
                let (paused_secs, _) = (pause.length.as_secs(), unresponsive.paused.insert(role.clone(), pause));
                tracing::error!(
                    pid,
                    role,
                    reason,
                    paused_secs,
                    "a backend does not end: PostgreSQL is made to start again without it, and its role is kept out for a while"
                );
            }
            process.quit(quit_since >= AFTER_QUIT);
        }
        let is_own = unresponsive.is_own;
        let mut deaf = Vec::new();
        unresponsive.workers.retain(|Worker { process, told, patience }| {
            let since = now - *told;
            if is_own && since >= *patience && process.is_there() {
                let database = process.autovacuum_database();
                tracing::error!(
                    pid = process.pid(),
                    database,
                    "a worker of autovacuum does not end: PostgreSQL is made to start again without it"
                );
                deaf.extend(database);
                process.quit(since >= *patience + AFTER_QUIT);
            }
            process.is_there()
        });
        unresponsive.deaf.extend(deaf);
    }

    /// The databases whose workers of autovacuum had the server start again since this was last asked.
    pub(in crate::databases) fn take_deaf(&self) -> HashSet<String> {
        std::mem::take(&mut self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).deaf)
    }

    /// Keeps a role out for as long as is its turn, which is answered; what got in before that is told to end.
    pub(in crate::databases) async fn keep_out(&self, role: &str) -> Duration {
        let length = {
            let mut unresponsive = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner);
            let pause = Pause::after(unresponsive.paused.get(role).copied(), Instant::now());
            unresponsive.paused.insert(role.to_owned(), pause);
            pause.length
        };
        for (_, endpoint, backend) in self.of_platforms() {
            if backend.role == role {
                // One that is gone by itself is as good.
                let _ = self.terminate(&endpoint, &backend).await;
            }
        }
        length
    }

    fn take_overdue(&self, now: Instant) -> Vec<Overdue> {
        let many = self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner).many;
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let told = live.iter().filter_map(|(number, known)| {
            Some(Told { number: *number, since: now - known.told?, in_the_way: known.in_the_way })
        });
        let told: Vec<Told> = told.collect();
        let due = overdue(&told, many.max(1));
        due.into_iter().filter_map(|(number, reason)| Some(live.get_mut(&number)?.overdue(reason, now))).collect()
    }
}

/// A backend that is waited for no longer.
struct Overdue {
    pid: i32,
    role: String,
    reason: &'static str,
    process: Option<Process>,
    quit_since: Duration,
    is_new: bool,
}

impl Known {
    fn told_before(&self, then: Instant) -> bool {
        self.told.is_some_and(|told| told <= then)
    }

    fn overdue(&mut self, reason: &'static str, now: Instant) -> Overdue {
        let is_new = self.overdue_since.is_none();
        let since = *self.overdue_since.get_or_insert(now);
        Overdue {
            pid: self.backend.pid,
            role: self.backend.role.clone(),
            reason,
            process: self.backend.process.clone(),
            quit_since: now - since,
            is_new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(told: &[(u64, bool)], many: usize) -> Vec<u64> {
        let told = told.iter().enumerate().map(|(number, (secs, in_the_way))| Told {
            number: number as u64,
            since: Duration::from_secs(*secs),
            in_the_way: *in_the_way,
        });
        overdue(&told.collect::<Vec<_>>(), many).into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn only_who_harms_everybody_is_not_waited_for() {
        assert_eq!(due(&[(2, true), (9, false), (299, false)], 2), Vec::<u64>::new());
        assert_eq!(due(&[(3, true), (9, false), (299, false)], 2), [0]);
        assert_eq!(due(&[(10, false), (9, false), (299, false)], 2), [0, 2]);
        assert_eq!(due(&[(10, false), (9, false), (299, false)], 3), Vec::<u64>::new());
        assert_eq!(due(&[(0, false), (300, false)], 50), [1]);
    }

    #[test]
    fn each_time_a_role_is_kept_out_for_longer() {
        let now = Instant::now();
        let first = Pause::after(None, now);
        assert_eq!(first.length, FIRST_PAUSE);
        assert_eq!(Pause::after(Some(first), now).length, FIRST_PAUSE, "the same time");
        let (mut pause, mut lengths) = (first, Vec::new());
        for _ in 0..6 {
            pause = Pause::after(Some(pause), pause.until);
            lengths.push(pause.length.as_secs());
        }
        assert_eq!(lengths, [40, 160, 640, 2560, 3600, 3600]);
        assert_eq!(Pause::after(Some(pause), pause.until + FORGIVEN).length, FIRST_PAUSE);
    }

    #[tokio::test]
    async fn a_role_whose_backends_hold_a_quarter_of_the_connections_gets_no_more() {
        let terminator = Terminator::new(tokio_postgres::Config::new(), crate::tls::Tls::none().into(), Vec::new());
        terminator.shares_out(8);
        let of =
            |role: &str| super::super::Backend { pid: 1, started: String::new(), role: role.to_owned(), process: None };
        let numbers = ["a", "a", "b"].map(|role| {
            let number = terminator.register(&super::super::Endpoint::Unix("/none".into()), Some(&of(role)));
            assert!(terminator.note_told(number) && !terminator.note_told(number));
            number
        });
        assert!(terminator.admits("a").is_ok(), "they may be about to end");
        for known in terminator.live.lock().unwrap().values_mut() {
            known.told = Instant::now().checked_sub(MANY);
        }
        assert!(terminator.admits("a").is_err() && terminator.admits("b").is_ok());
        terminator.forget(numbers[0]);
        assert!(terminator.admits("a").is_ok());
    }
}
