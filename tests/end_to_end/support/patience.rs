//! Waits for facts, with a time limit for the slowest machine.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// The time limit after which a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
/// The interval between two checks of a fact.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for a future that must end.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = timeout(PATIENCE, future).await;
    ended.unwrap_or_else(|_| panic!("still waiting after {PATIENCE:?}: {what}"))
}

/// Checks repeatedly until a fact is true.
pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, is_so).await;
}

/// Checks repeatedly until a fact is true, for as long as the program itself may pause before it is.
pub(crate) async fn until_within(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < limit, "still not so after {limit:?}: {what}");
        sleep(LOOK).await;
    }
}
