//! The order in which tickets are given, without a database.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

const A: LaneId = LaneId(10);
const B: LaneId = LaneId(11);
const C: LaneId = LaneId(12);

async fn take(budget: &Arc<Budget>, lane: LaneId, limit: usize) -> Ticket {
    budget.take(lane, limit, Instant::now() + Duration::from_secs(20)).await.unwrap()
}

/// Queues one waiter and returns when it stands in the queue.
async fn queue(
    budget: &Arc<Budget>,
    lane: LaneId,
    limit: usize,
    served: &mpsc::UnboundedSender<(LaneId, Ticket)>,
) -> JoinHandle<()> {
    let before = budget.lock().next_seq;
    let (budget_of_task, served) = (budget.clone(), served.clone());
    let task = tokio::spawn(async move {
        let ticket = take(&budget_of_task, lane, limit).await;
        let _ = served.send((lane, ticket));
    });
    while budget.lock().next_seq == before {
        tokio::task::yield_now().await;
    }
    task
}

/// Lets one ticket go round until everybody was served.
async fn order_of(first: Ticket, mut served: mpsc::UnboundedReceiver<(LaneId, Ticket)>, count: usize) -> Vec<LaneId> {
    drop(first);
    let mut order = Vec::new();
    while order.len() < count {
        let (lane, ticket) = served.recv().await.unwrap();
        order.push(lane);
        drop(ticket);
    }
    order
}

#[tokio::test]
async fn waiters_are_served_in_the_order_of_their_arrival() {
    let budget = Budget::new(1, 0);
    let first = take(&budget, C, 10).await;
    let (sender, served) = mpsc::unbounded_channel();
    let arrivals = [B, B, A, C, A];
    for lane in arrivals {
        queue(&budget, lane, 10, &sender).await;
    }
    assert_eq!(order_of(first, served, arrivals.len()).await, arrivals);
}

#[tokio::test]
async fn a_flood_to_one_database_leaves_the_next_round_to_the_others() {
    let budget = Budget::new(1, 0);
    let first = take(&budget, A, 3).await;
    let (sender, served) = mpsc::unbounded_channel();
    for _ in 0..100 {
        queue(&budget, A, 3, &sender).await;
    }
    queue(&budget, B, 3, &sender).await;
    let order = order_of(first, served, 101).await;
    let place = order.iter().position(|lane| *lane == B).unwrap();
    assert!(place <= 3, "B waited for {place} of A's hundred");
}

#[tokio::test]
async fn a_database_at_its_limit_does_not_hold_up_the_others() {
    let budget = Budget::new(4, 0);
    let _a1 = take(&budget, A, 1).await;
    let (sender, mut served) = mpsc::unbounded_channel();
    queue(&budget, A, 1, &sender).await;
    let _b = take(&budget, B, 1).await;
    assert!(served.try_recv().is_err());
    drop(_a1);
    assert_eq!(served.recv().await.unwrap().0, A);
}

#[tokio::test]
async fn the_reserve_is_for_the_gateways_own_database() {
    let budget = Budget::new(3, 1);
    let _a = (take(&budget, A, 9).await, take(&budget, A, 9).await);
    let soon = Instant::now() + Duration::from_millis(30);
    assert!(budget.take(B, 9, soon).await.is_err());
    let control = take(&budget, LaneId::CONTROL, 2).await;
    let soon = Instant::now() + Duration::from_millis(30);
    assert!(budget.take(LaneId::CONTROL, 2, soon).await.is_err());
    drop(control);
}

#[tokio::test]
async fn who_gives_up_loses_no_ticket_and_leaves_nothing_behind() {
    let budget = Budget::new(1, 0);
    let first = take(&budget, A, 1).await;
    for _ in 0..3 {
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(budget.take(B, 1, soon).await.is_err());
    }
    drop(first);
    // A grant that nobody picks up any more comes back too.
    let held = take(&budget, A, 1).await;
    let mut waiting = Box::pin(budget.take(B, 1, Instant::now() + Duration::from_secs(20)));
    assert!(futures_util::FutureExt::now_or_never(waiting.as_mut()).is_none());
    drop(held);
    drop(waiting);
    drop(take(&budget, B, 1).await);
    let state = budget.lock();
    assert_eq!((state.free, state.lanes.len(), state.heads.len()), (1, 0, 0));
}

#[tokio::test]
async fn a_budget_that_is_lowered_keeps_what_comes_back_and_gives_it_out_again_when_it_is_raised() {
    let budget = Budget::new(3, 0);
    let (first, _second) = (take(&budget, A, 9).await, take(&budget, A, 9).await);
    budget.lower(2);
    drop(first);
    let soon = Instant::now() + Duration::from_millis(5);
    assert!(budget.take(B, 9, soon).await.is_err(), "one is out, and there is no more than one");
    let mut waiting = Box::pin(budget.take(B, 9, Instant::now() + Duration::from_secs(20)));
    assert!(futures_util::FutureExt::now_or_never(waiting.as_mut()).is_none());
    budget.raise(1);
    drop(waiting.await.unwrap());
    budget.raise(1);
    let state = budget.lock();
    assert_eq!((state.free, state.owed), (2, 0));
}
