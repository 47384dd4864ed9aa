//! One deployment per database at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::*;

#[tokio::test]
async fn one_holds_a_databases_lock_across_gateways() {
    let gateways = [databases(&wide_pools()), databases(&wide_pools())];
    let name = main_of(&platform()).name().clone();
    let inside = Arc::new(AtomicUsize::new(0));
    let works = (0..12).map(|number| {
        let (gateway, name, inside) = (gateways[number % 2].clone(), name.clone(), inside.clone());
        tokio::spawn(async move {
            let lock = gateway.lock(&name).await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(lock.is_held());
            inside.fetch_sub(1, Ordering::SeqCst);
        })
    });
    for work in futures_util::future::join_all(works).await {
        work.unwrap();
    }
}

#[tokio::test]
async fn locks_of_different_databases_share_one_connection() {
    let databases = databases(&wide_pools());
    let platform = platform();
    let mut locks = Vec::new();
    for number in 0..50 {
        locks.push(databases.lock(tenant_of(&platform, &number.to_string()).name()).await.unwrap());
    }
    assert!(databases.health().await.total_connections <= 3);
}

#[tokio::test]
async fn a_task_that_is_cancelled_leaves_no_lock() {
    let (here, there) = (databases(&wide_pools()), databases(&wide_pools()));
    let name = main_of(&platform()).name().clone();
    for patience_ms in [0, 1, 2, 3, 5, 8, 30] {
        // Cancelled while it waits, while it asks and while it holds.
        let attempt = async {
            let _lock = here.lock(&name).await.unwrap();
            std::future::pending::<()>().await
        };
        assert!(tokio::time::timeout(Duration::from_millis(patience_ms), attempt).await.is_err());
    }
    let lock = tokio::time::timeout(Duration::from_secs(5), there.lock(&name)).await.unwrap().unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), here.lock(&name)).await;
    assert!(waiting.is_err());
    drop(lock);
    drop(tokio::time::timeout(Duration::from_secs(5), here.lock(&name)).await.unwrap().unwrap());
}

#[tokio::test]
async fn a_lock_whose_connection_broke_says_so() {
    let databases = databases(&wide_pools());
    let name = main_of(&platform()).name().clone();
    let lock = databases.lock(&name).await.unwrap();
    let client = connect("stonescriptdb-gateway").await;
    // The other tests have locks too: only this one's backend is ended.
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks
             WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = $1",
            &[&key_of(name.as_str())],
        )
        .await
        .unwrap();
    eventually("the lock is lost", async || !lock.is_held()).await;
    drop(lock);
    assert!(databases.lock(&name).await.unwrap().is_held());
}

fn key_of(name: &str) -> i64 {
    use sha2::{Digest, Sha256};
    i64::from_be_bytes(Sha256::digest(name.as_bytes())[..8].try_into().unwrap())
}
