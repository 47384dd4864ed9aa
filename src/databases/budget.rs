//! Who may have a connection now: at most so many tickets in all, at most so many of one database, and in order.
//!
//! A ticket is the right to use one server connection. Whoever waits is served in the order of arrival, except that one
//! database takes no more of a round than its pool may hold: a flood of requests to one database leaves the next round
//! to the others. No I/O; [`super::pools`] asks before it takes or opens a connection.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Who asks: a database, or one of the gateway's own purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaneId(pub(super) u64);

impl LaneId {
    /// The gateway's own database.
    pub(super) const CONTROL: Self = Self(0);
    /// Deployments.
    pub(super) const SESSIONS: Self = Self(1);
    /// The first one that belongs to a database.
    pub(super) const FIRST_DATABASE: u64 = 2;
}

/// Nobody gave a ticket back in time.
#[derive(Debug)]
pub(super) struct Exhausted;

/// All tickets, and who waits for one.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
}

/// The right to use one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    budget: Arc<Budget>,
    lane: LaneId,
}

impl Budget {
    /// `reserve` of the `total` are for [`LaneId::CONTROL`] alone, so that a gateway at its limit still answers for
    /// itself.
    pub(super) fn new(total: usize, reserve: usize) -> Arc<Self> {
        let (lanes, heads) = (HashMap::default(), BTreeSet::new());
        let state = State { free: total, owed: 0, reserve, round: 0, next_seq: 0, lanes, heads };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A ticket for `lane`, which holds at most `limit` at once.
    pub(super) async fn take(
        self: &Arc<Self>,
        lane: LaneId,
        limit: usize,
        deadline: Instant,
    ) -> Result<Ticket, Exhausted> {
        let mut waiting = match self.lock().take_or_wait(lane, limit) {
            None => return Ok(Ticket { budget: self.clone(), lane }),
            Some((seq, granted)) => Waiting { budget: self, lane, seq, granted, done: false },
        };
        match timeout_at(deadline, &mut waiting.granted).await {
            Ok(Ok(())) => {
                waiting.done = true;
                Ok(Ticket { budget: self.clone(), lane })
            }
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
    }

    /// How many wait for a ticket.
    pub(super) fn waiting(&self) -> usize {
        self.lock().lanes.values().map(|lane| lane.waiting.len()).sum()
    }

    /// Has so many tickets fewer. Those that are out stay valid, and are not given to anybody else afterwards.
    pub(super) fn lower(&self, tickets: usize) {
        let mut state = self.lock();
        let now = tickets.min(state.free);
        state.free -= now;
        state.owed += tickets - now;
    }

    /// Has so many tickets more.
    pub(super) fn raise(&self, tickets: usize) {
        let mut state = self.lock();
        let kept = tickets.min(state.owed);
        state.owed -= kept;
        state.free += tickets - kept;
        state.serve();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.budget.lock().release(self.lane);
    }
}

/// A place in the queue, given up when dropped.
struct Waiting<'a> {
    budget: &'a Budget,
    lane: LaneId,
    seq: u64,
    granted: oneshot::Receiver<()>,
    done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.budget.lock();
            // No longer in the queue: the ticket came while nobody looked.
            if !state.leave(self.lane, self.seq) {
                state.release(self.lane);
            }
        }
    }
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Tickets that are out and that nobody gets when they come back.
    owed: usize,
    reserve: usize,
    /// The round of the waiter that was served last.
    round: u64,
    next_seq: u64,
    lanes: HashMap<LaneId, Lane>,
    /// The first waiter of every lane that is below its limit.
    heads: BTreeSet<Place>,
}

/// Where in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    round: u64,
    seq: u64,
    lane: LaneId,
}

#[derive(Debug)]
struct Lane {
    limit: usize,
    in_use: usize,
    /// The round of the last one who queued, and how many of that round did.
    round: u64,
    in_round: usize,
    waiting: VecDeque<Waiter>,
    head: Option<Place>,
}

#[derive(Debug)]
struct Waiter {
    round: u64,
    seq: u64,
    grant: oneshot::Sender<()>,
}

impl State {
    /// `None`: taken. Else a place in the queue.
    fn take_or_wait(&mut self, id: LaneId, limit: usize) -> Option<(u64, oneshot::Receiver<()>)> {
        let free = self.may_take(id);
        let round = self.heads.first().map_or(self.round, |first| first.round);
        let lane = self.lanes.entry(id).or_insert_with(|| Lane {
            limit,
            in_use: 0,
            round: 0,
            in_round: 0,
            waiting: VecDeque::new(),
            head: None,
        });
        if free && lane.in_use < lane.limit && lane.waiting.is_empty() {
            lane.in_use += 1;
            self.free -= 1;
            return None;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let (grant, granted) = oneshot::channel();
        lane.queue(round, seq, grant);
        self.place_head(id);
        Some((seq, granted))
    }

    fn may_take(&self, id: LaneId) -> bool {
        let kept = if id == LaneId::CONTROL {
            0
        } else {
            let control = self.lanes.get(&LaneId::CONTROL).map_or(0, |lane| lane.in_use);
            self.reserve.saturating_sub(control)
        };
        self.free > kept
    }

    fn release(&mut self, id: LaneId) {
        match self.owed {
            0 => self.free += 1,
            _ => self.owed -= 1,
        }
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.in_use -= 1;
        }
        self.place_head(id);
        self.serve();
        self.forget_if_empty(id);
    }

    /// False: was not in the queue any more.
    fn leave(&mut self, id: LaneId, seq: u64) -> bool {
        let Some(lane) = self.lanes.get_mut(&id) else { return false };
        let Ok(place) = lane.waiting.binary_search_by_key(&seq, |waiter| waiter.seq) else { return false };
        lane.waiting.remove(place);
        self.place_head(id);
        self.forget_if_empty(id);
        true
    }

    /// Gives free tickets to those whose turn it is.
    fn serve(&mut self) {
        while let Some(id) = self.next() {
            let Some(lane) = self.lanes.get_mut(&id) else { return };
            let Some(waiter) = lane.waiting.pop_front() else { return };
            lane.in_use += 1;
            self.free -= 1;
            self.round = waiter.round;
            // One who left meanwhile gives it back: see `Waiting::drop`.
            let _ = waiter.grant.send(());
            self.place_head(id);
        }
    }

    fn next(&self) -> Option<LaneId> {
        let first = self.heads.first()?.lane;
        if self.may_take(first) {
            return Some(first);
        }
        let control_waits = self.lanes.get(&LaneId::CONTROL).is_some_and(|lane| lane.head.is_some());
        (control_waits && self.may_take(LaneId::CONTROL)).then_some(LaneId::CONTROL)
    }

    /// Keeps `heads` true after a change to a lane.
    fn place_head(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let first = lane.waiting.front().filter(|_| lane.in_use < lane.limit);
        let head = first.map(|waiter| Place { round: waiter.round, seq: waiter.seq, lane: id });
        if head != lane.head {
            if let Some(old) = lane.head {
                self.heads.remove(&old);
            }
            self.heads.extend(head);
            lane.head = head;
        }
    }

    fn forget_if_empty(&mut self, id: LaneId) {
        if self.lanes.get(&id).is_some_and(|lane| lane.in_use == 0 && lane.waiting.is_empty()) {
            self.lanes.remove(&id);
        }
    }
}

impl Lane {
    /// `current` is the round of whoever is served next.
    fn queue(&mut self, current: u64, seq: u64, grant: oneshot::Sender<()>) {
        if self.waiting.is_empty() || self.round < current {
            self.round = current;
            self.in_round = 0;
        }
        if self.in_round == self.limit {
            self.round += 1;
            self.in_round = 0;
        }
        self.in_round += 1;
        self.waiting.push_back(Waiter { round: self.round, seq, grant });
    }
}

#[cfg(test)]
mod tests;
