//! What depends on a thing that changes is taken off and put back, as it was, in the deployment's one transaction.

mod functions;
mod others;
mod refused;
mod views;

use crate::support::{BundleBuilder, Platform, Sql};

/// Deploys `before`, runs `by_hand` on it, and deploys `after`, which has to go through.
pub(crate) async fn evolve(before: &BundleBuilder, by_hand: &str, after: &BundleBuilder) -> (Platform, Sql) {
    let platform = Platform::new();
    platform.register(before).await.ready();
    let sql = platform.sql().await;
    sql.run(by_hand).await;
    platform.register(after).await.ready();
    (platform, sql)
}
