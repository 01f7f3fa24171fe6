//! Waiting for facts, and for no longer than any of them takes.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};

/// The longest wait on tokio's clock, which runs through a day at once when it is paused.
const DAY: Duration = Duration::from_hours(24);
/// The longest wait on the wall clock, which nobody pauses.
const WALL: Duration = Duration::from_mins(2);
/// How often the clocks are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for a future that must end; `None` when it does not.
pub(super) async fn patiently<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = patience_lost() => None,
    }
}

async fn patience_lost() {
    let (began, began_on_the_wall) = (Instant::now(), SystemTime::now());
    let is_late = || began.elapsed() > DAY || began_on_the_wall.elapsed().is_ok_and(|elapsed| elapsed > WALL);
    while !is_late() {
        sleep(LOOK).await;
    }
}
