//! What a task that ended when it must not means for the worker.

use std::{future::Future, pin::pin};

use crate::{
    stop::Stop,
    tasks::{End, Fault, Faults},
    telemetry::events,
};

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
                Some(fault) = self.faults.recv() => self.note(fault),
            }
        }
    }

    /// The task that ended first.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.first
    }

    fn note(&mut self, Fault { task, end }: Fault) {
        self.first.get_or_insert(task);
        if end == End::Fatal {
            events::FatalTaskEnded { task }.emit();
            // Handlers that went on without it would run beside other workers that get their messages.
            self.stop.halt();
        } else {
            events::TaskEnded { task }.emit();
            self.stop.drain();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{runtime::Handle, time::timeout};

    use super::*;
    use crate::tasks::Tasks;

    /// The stop that the early end of a task asks for.
    async fn stop_after(task: &'static str, end: End) -> Stop {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn(task, end, async {});
        watch.until(stop.draining()).await;
        assert_eq!(watch.first(), Some(task));
        stop
    }

    async fn is_halted(stop: &Stop) -> bool {
        timeout(Duration::ZERO, stop.halted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_end_of_what_keeps_leases_or_settles_halts() {
        assert!(is_halted(&stop_after("keeper", End::Fatal).await).await);
    }

    #[tokio::test]
    async fn the_end_of_any_other_task_drains() {
        assert!(!is_halted(&stop_after("probe", End::Fault).await).await);
    }

    #[tokio::test]
    async fn a_keeper_that_ends_during_a_drain_halts_it() {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        stop.drain();
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn("keeper", End::Fatal, async {});
        watch.until(stop.halted()).await;
        assert_eq!(watch.first(), Some("keeper"));
    }
}
