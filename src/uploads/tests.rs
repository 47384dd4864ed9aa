//! Who waits for memory, for whom, and for how long.

use std::future::poll_fn;
use std::task::Poll;

use super::*;
use crate::bundle::cost::{Limits, Meter};

const MIB: usize = 1 << 20;

/// Nobody waits longer here.
const SHORT: Duration = Duration::from_millis(200);

fn platform(name: &str) -> Id {
    Id::parse("platform", name).unwrap()
}

/// A bundle that needs about so many bytes.
fn bundle_of(bytes: usize) -> Measured {
    let mut meter = Meter::new(Limits { max_bytes: usize::MAX, max_statements: usize::MAX });
    meter.begin_file("tables/a.sql", 0).unwrap();
    while meter.so_far().memory_bytes() < bytes {
        meter.feed("tables/a.sql", b"SELECT 1;\n").unwrap();
    }
    meter.finish()
}

/// Whether it is still waiting.
async fn waits<T>(future: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn who_finds_no_memory_waits_and_is_refused_in_the_end() {
    let memory = UploadMemory::new(16 * MIB, SHORT);
    let half = bundle_of(6 * MIB);
    let first = memory.claim(&platform("a"), &half).await.unwrap();
    let second = memory.claim(&platform("b"), &half).await;
    // Exactly half each, but for what rounding up takes.
    assert!(matches!(second, Err(UploadsError::Busy { .. })), "{second:?}");
    let name = platform("c");
    let third = memory.claim(&name, &half);
    tokio::pin!(third);
    assert!(waits(&mut third).await);
    drop(first);
    assert!(third.await.is_ok(), "what is let go is given to who waits");
}

#[tokio::test]
async fn one_platform_leaves_half_to_the_others() {
    let memory = UploadMemory::new(16 * MIB, SHORT);
    let quarter = bundle_of(2 * MIB);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(memory.claim(&platform("greedy"), &quarter).await.unwrap());
    }
    assert!(memory.claim(&platform("Greedy"), &quarter).await.is_err(), "its half is used up");
    for name in ["b", "c"] {
        held.push(memory.claim(&platform(name), &quarter).await.unwrap());
    }
    drop(held);
    assert!(memory.claim(&platform("greedy"), &bundle_of(11 * MIB)).await.is_ok(), "alone it may have all");
}

#[tokio::test]
async fn what_is_larger_than_all_memory_is_refused_at_once() {
    let memory = UploadMemory::new(16 * MIB, SHORT);
    let started = Instant::now();
    let error = memory.claim(&platform("a"), &bundle_of(13 * MIB)).await.unwrap_err().to_string();
    assert!(error.contains("UPLOAD_MEMORY_BYTES=16777216") && error.contains("tables/a.sql"), "{error}");
    let mut receiving = memory.receive().await.unwrap();
    assert!(receiving.grow_to(4 * MIB).await.is_ok());
    assert!(matches!(receiving.grow_to(4 * MIB + 1).await, Err(UploadsError::ArchiveTooLarge { .. })));
    assert!(started.elapsed() < SHORT, "there is nothing to wait for");
}

#[tokio::test]
async fn archives_that_wait_for_each_other_do_not_wait_for_ever() {
    let memory = UploadMemory::new(16 * MIB, SHORT);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut receiving = memory.receive().await.unwrap();
        receiving.grow_to(2 * MIB - RECEIVING_BYTES).await.unwrap();
        held.push(receiving);
    }
    let (first, second) = held.split_at_mut(1);
    let (first, second) = tokio::join!(first[0].grow_to(3 * MIB), second[0].grow_to(3 * MIB));
    assert!(first.is_err() && second.is_err());
    drop(held);
    assert!(memory.receive().await.is_ok());
}

#[tokio::test]
async fn who_hangs_up_while_waiting_holds_nothing() {
    let memory = UploadMemory::new(16 * MIB, SHORT);
    let all = bundle_of(11 * MIB);
    let first = memory.claim(&platform("a"), &all).await.unwrap();
    {
        let name = platform("b");
        let second = memory.claim(&name, &all);
        tokio::pin!(second);
        assert!(waits(&mut second).await);
    }
    drop(first);
    assert!(memory.claim(&platform("c"), &all).await.is_ok());
}
