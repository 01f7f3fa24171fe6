//! The only place that spawns: every task has a name, and its end a meaning.
#![expect(clippy::disallowed_methods, reason = "this is what the ban on spawning points to")]

use std::future::Future;

use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

/// What the end of a task means for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It may end whenever its work is done; a panic in it is reported as a fault.
    Fine,
    /// It runs until the stop; ending earlier is a fault of ours.
    Fault,
}

/// Spawns the lasting tasks of a worker and hears of the ones that ended when they should not have.
#[derive(Clone, Debug)]
pub struct Tasks {
    runtime: Handle,
    faults: mpsc::UnboundedSender<&'static str>,
}

/// The names of the tasks that ended in a fault, as they end.
pub type Faults = mpsc::UnboundedReceiver<&'static str>;

impl Tasks {
    /// Spawns on this runtime.
    pub fn on(runtime: Handle) -> (Self, Faults) {
        let (faults, heard) = mpsc::unbounded_channel();
        (Self { runtime, faults }, heard)
    }

    /// Spawns a task; the handle may be dropped, the task goes on.
    pub fn spawn<F>(&self, name: &'static str, end: End, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let report = Report { name, end, panicking: true, faults: self.faults.clone() };
        self.runtime.spawn(async move {
            let mut report = report;
            future.await;
            report.panicking = false;
        })
    }
}

/// Reports at its drop, so that a panic is heard of too.
struct Report {
    name: &'static str,
    end: End,
    panicking: bool,
    faults: mpsc::UnboundedSender<&'static str>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let aborted = self.panicking && !std::thread::panicking();
        let faulty = std::thread::panicking() || (self.end == End::Fault && !aborted);
        if faulty && self.faults.send(self.name).is_err() {
            tracing::debug!(task = self.name, "task ended with nobody listening");
        }
    }
}

/// Spawns on the current runtime a piece of work whose end nobody waits for.
pub fn detach<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    Handle::current().spawn(future)
}

/// The same on a runtime of one's choice.
pub fn detach_on<F>(runtime: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    runtime.spawn(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lasting_task_that_ends_is_a_fault() {
        let (tasks, mut faults) = Tasks::on(Handle::current());
        tasks.spawn("loop", End::Fault, async {});
        assert_eq!(faults.recv().await, Some("loop"));
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_any_task() {
        let (tasks, mut faults) = Tasks::on(Handle::current());
        tasks.spawn("fine", End::Fine, async {});
        tasks.spawn("panics", End::Fine, async { panic!("on purpose") });
        assert_eq!(faults.recv().await, Some("panics"));
    }
}
