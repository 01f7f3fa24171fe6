//! Tasks that end in a fault, and the stop that each requires.

use std::{future::Future, pin::pin};

use crate::{
    stop::Stop,
    tasks::{End, Faults, TaskFault},
    telemetry::events,
};

/// Watches for tasks that end in a fault, and requests the stop that each requires.
pub(super) struct FaultWatch {
    faults: Faults,
    stop: Stop,
    first: Option<&'static str>,
}

impl FaultWatch {
    pub(super) fn new(faults: Faults, stop: Stop) -> Self {
        Self { faults, stop, first: None }
    }

    /// Awaits `work`, and handles faults meanwhile.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                answer = &mut work => return answer,
                Some(fault) = self.faults.recv() => self.note(fault),
            }
        }
    }

    /// The first task that ended in a fault.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.first
    }

    fn note(&mut self, TaskFault { task, end }: TaskFault) {
        self.first.get_or_insert(task);
        if end == End::Fatal {
            events::FatalTaskEnded { task }.emit();
            // Without it leases end, and other workers would receive the messages of running handlers.
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

    /// The stop that the early end of a task has requested.
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
    async fn the_end_of_a_heartbeat_or_a_settler_halts() {
        assert!(is_halted(&stop_after("heartbeat", End::Fatal).await).await);
    }

    #[tokio::test]
    async fn the_end_of_any_other_task_drains() {
        assert!(!is_halted(&stop_after("probe", End::Fault).await).await);
    }

    #[tokio::test]
    async fn a_heartbeat_that_ends_during_a_drain_halts_it() {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        stop.drain();
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn("heartbeat", End::Fatal, async {});
        watch.until(stop.halted()).await;
        assert_eq!(watch.first(), Some("heartbeat"));
    }
}
