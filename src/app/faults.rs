//! What a task that ended when it must not means for the worker.

use std::{future::Future, pin::pin};

use crate::{stop::Stop, tasks::Faults};

/// The tasks without which nothing can be drained: leases are not kept, or outcomes not told to SQS.
const NEEDED_TO_DRAIN: [&str; 2] = ["keeper", "settle"];

/// Hears of the tasks that ended when they must not, and asks for the stop that each calls for.
pub(super) struct FaultWatch {
    faults: Faults,
    stop: Stop,
    first: Option<&'static str>,
}

impl FaultWatch {
    pub(super) fn new(faults: Faults, stop: Stop) -> Self {
        Self { faults, stop, first: None }
    }

    /// Waits for `work`, and watches meanwhile.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                answer = &mut work => return answer,
                Some(task) = self.faults.recv() => self.note(task),
            }
        }
    }

    /// The task that ended first.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.first
    }

    fn note(&mut self, task: &'static str) {
        self.first.get_or_insert(task);
        if NEEDED_TO_DRAIN.contains(&task) {
            tracing::error!(task, "a task ended that must not, stopping at once");
            // Handlers that went on without it would run beside other workers that get their messages.
            self.stop.halt();
        } else {
            tracing::error!(task, "a task ended that must not, draining");
            self.stop.drain();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{runtime::Handle, time::timeout};

    use super::*;
    use crate::tasks::{End, Tasks};

    /// The stop that the early end of a task asks for.
    async fn stop_after(task: &'static str) -> Stop {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn(task, End::Fault, async {});
        watch.until(stop.draining()).await;
        assert_eq!(watch.first(), Some(task));
        stop
    }

    async fn is_halted(stop: &Stop) -> bool {
        timeout(Duration::ZERO, stop.halted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_end_of_what_keeps_leases_or_settles_halts() {
        for task in NEEDED_TO_DRAIN {
            assert!(is_halted(&stop_after(task).await).await, "{task}");
        }
    }

    #[tokio::test]
    async fn the_end_of_any_other_task_drains() {
        assert!(!is_halted(&stop_after("probe").await).await);
    }

    #[tokio::test]
    async fn a_keeper_that_ends_during_a_drain_halts_it() {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        stop.drain();
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn("keeper", End::Fault, async {});
        watch.until(stop.halted()).await;
        assert_eq!(watch.first(), Some("keeper"));
    }
}
