//! A task that is woken by what it does itself goes on at once.
//!
//! hyper's connection wakes its own task while it is polled, whenever a request's body is read. Tokio takes such a wake
//! for a wish to yield: it queues the task anew and wakes another of its threads to look for work, which takes a
//! processor from PostgreSQL just when a call was sent to it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often in a row it goes on before others have their turn.
const TURNS: usize = 4;

/// Nobody polls it: who wakes it wakes the task.
const WAITING: u8 = 0;
/// It is polled: who wakes it leaves word.
const POLLED: u8 = 1;
/// There is word.
const WOKEN: u8 = 2;

/// The future of a whole task.
pub(super) struct Unhurried<F> {
    task: Arc<Task>,
    waker: Waker,
    future: Pin<Box<F>>,
}

struct Task {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let left_word = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            POLLED | WOKEN => Some(WOKEN),
            _ => None,
        });
        if left_word.is_err() {
            self.waker.wake();
        }
    }
}

impl<F: Future> Unhurried<F> {
    pub(super) fn new(future: F) -> Self {
        let task = Arc::new(Task { state: AtomicU8::new(WAITING), waker: AtomicWaker::new() });
        Self { waker: Waker::from(task.clone()), task, future: Box::pin(future) }
    }
}

impl<F: Future> Future for Unhurried<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Before anybody can find it waiting.
        this.task.waker.register(cx.waker());
        let mut own = Context::from_waker(&this.waker);
        for _ in 0..TURNS {
            this.task.state.store(POLLED, Ordering::Release);
            if let Poll::Ready(output) = this.future.as_mut().poll(&mut own) {
                return Poll::Ready(output);
            }
            let quiet = this.task.state.compare_exchange(POLLED, WAITING, Ordering::AcqRel, Ordering::Acquire);
            if quiet.is_ok() {
                return Poll::Pending;
            }
        }
        this.task.state.store(WAITING, Ordering::Release);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::{TURNS, Unhurried};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_that_wakes_itself_goes_on_and_wakes_nobody() {
        let (wakes, mut polls) = (Arc::<Count>::default(), 0);
        let waker = Waker::from(wakes.clone());
        let mut task = Unhurried::new(poll_fn(|cx| {
            polls += 1;
            if polls < 3 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }));
        assert!(task.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        drop(task);
        assert_eq!((polls, wakes.0.load(Ordering::Relaxed)), (3, 0));
    }

    #[test]
    fn one_that_always_wakes_itself_lets_others_have_their_turn() {
        let (wakes, mut polls) = (Arc::<Count>::default(), 0);
        let waker = Waker::from(wakes.clone());
        let mut task = Unhurried::new(poll_fn(|cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        assert!(task.poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        drop(task);
        assert_eq!((polls, wakes.0.load(Ordering::Relaxed)), (TURNS, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wake_from_another_thread_is_never_lost() {
        for _ in 0..2000 {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let waiting = tokio::spawn(Unhurried::new(async move {
                tokio::task::yield_now().await;
                receiver.await
            }));
            let sending = tokio::spawn(async move { sender.send(7).is_ok() });
            let received = tokio::time::timeout(Duration::from_secs(10), waiting).await;
            assert_eq!(received.unwrap().unwrap().unwrap(), 7);
            assert!(sending.await.unwrap());
        }
    }
}
