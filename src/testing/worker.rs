//! A running worker, and waits with a time limit.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    health::Health,
    stop::Stop,
    telemetry::Metrics,
    worker::{Drained, WorkerControl, WorkerError},
};

/// The name of the queue in logs and metrics.
pub(super) const NAME: &str = "orders";

/// A running worker; if this is dropped, the worker runs until its runtime ends.
pub struct TestWorker {
    /// The stop of the worker.
    pub stop: Stop,
    /// The metrics of the worker.
    pub metrics: Metrics,
    /// The health of the worker.
    pub health: Health,
    /// Pauses, resumes and scales the queue, which is called `orders`.
    pub control: WorkerControl,
    pub(super) ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl TestWorker {
    /// Drains the worker and waits for its end.
    pub async fn drain(self) -> Drained {
        self.stop.drain();
        self.ended().await
    }

    /// Waits for the end of a worker whose stop was requested.
    pub async fn ended(self) -> Drained {
        match patiently(self.ended).await {
            Some(Ok(Ok(drained))) => drained,
            Some(Ok(Err(error))) => panic!("the worker failed: {error}"),
            Some(Err(error)) => panic!("the worker was aborted: {error}"),
            None => panic!("the worker does not end"),
        }
    }

    /// True if the worker has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_finished()
    }

    /// The value of a metric whose only label is the queue, such as `longshore_leases_lost_total`.
    pub fn metric(&self, name: &str) -> u64 {
        let (text, start) = (self.metrics.text(), format!("{name}{{queue=\"{NAME}\"}} "));
        let found = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
        found.unwrap_or_else(|| panic!("no metric {name}"))
    }
}

/// The longest wait on tokio's clock, which passes a day at once when it is paused.
const DAY: Duration = Duration::from_hours(24);
/// The longest wait on the system clock, which cannot be paused.
const REAL_TIME: Duration = Duration::from_mins(2);
/// The interval of checks of the clocks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Waits for a future that must end; `None` if it does not within a day of tokio's clock or two minutes of real time.
pub(super) async fn patiently<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = time_out() => None,
    }
}

async fn time_out() {
    let (began, began_real_time) = (Instant::now(), SystemTime::now());
    let is_late =
        || began.elapsed() > DAY || began_real_time.elapsed().is_ok_and(|elapsed| elapsed > REAL_TIME);
    while !is_late() {
        sleep(CHECK_INTERVAL).await;
    }
}
