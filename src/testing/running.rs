//! A worker at work in a scene.

use tokio::task::JoinHandle;

use super::patience::patiently;
use crate::{
    health::Health,
    stop::Stop,
    telemetry::Metrics,
    worker::{Drained, WorkerError},
};

/// A worker at work; to drop it leaves it at work until its runtime ends.
pub struct Running {
    /// What stops it.
    pub stop: Stop,
    /// What it counts.
    pub metrics: Metrics,
    /// How it is.
    pub health: Health,
    pub(super) queue: &'static str,
    pub(super) ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Running {
    /// Asks for the orderly stop, and waits for its end.
    pub async fn drain(self) -> Drained {
        self.stop.drain();
        self.ended().await
    }

    /// Waits for the worker's end, a stop having been asked for.
    pub async fn ended(self) -> Drained {
        match patiently(self.ended).await {
            Some(Ok(Ok(drained))) => drained,
            Some(Ok(Err(error))) => panic!("the worker failed: {error}"),
            Some(Err(error)) => panic!("the worker was cut: {error}"),
            None => panic!("the worker does not end"),
        }
    }

    /// Whether the worker has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_finished()
    }

    /// The value of a metric that has no label but the queue, such as `longshore_leases_lost_total`.
    pub fn metric(&self, name: &str) -> u64 {
        let (text, start) = (self.metrics.text(), format!("{name}{{queue=\"{}\"}} ", self.queue));
        let found = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
        found.unwrap_or_else(|| panic!("no metric {name}"))
    }
}
