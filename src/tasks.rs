//! Spawns every task of the crate, with a name and the effect of its end.
#![expect(clippy::disallowed_methods, reason = "this is what the ban on spawning points to")]

use std::future::Future;

use futures_util::FutureExt as _;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

/// The effect of the end of a task on the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It may end whenever its work is done; a panic in it is reported as a fault.
    Fine,
    /// It runs until the stop; an earlier end is a bug.
    Fault,
    /// It runs until the stop; an earlier end is a bug, after which a drain is impossible.
    Fatal,
}

/// A task that ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskFault {
    /// The name of the task.
    pub task: &'static str,
    /// The effect of its end.
    pub end: End,
}

/// Spawns the long-running tasks of a worker, and reports those that ended too early.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    faults: mpsc::UnboundedSender<TaskFault>,
}

/// Receives the tasks that ended too early or panicked, as they end.
pub(crate) type Faults = mpsc::UnboundedReceiver<TaskFault>;

impl Tasks {
    /// Returns a spawner on this runtime, and the receiver of faults.
    pub(crate) fn on(runtime: Handle) -> (Self, Faults) {
        let (faults, receiver) = mpsc::unbounded_channel();
        (Self { runtime, faults }, receiver)
    }

    /// Spawns a task, which goes on if the handle is dropped.
    pub(crate) fn spawn<F>(&self, name: &'static str, end: End, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let report = TaskReport { name, end, panicking: true, faults: self.faults.clone() };
        self.runtime.spawn(async move {
            let mut report = report;
            future.await;
            report.panicking = false;
        })
    }
}

/// Reports the end of a task when dropped, so that a panic is reported too.
struct TaskReport {
    name: &'static str,
    end: End,
    panicking: bool,
    faults: mpsc::UnboundedSender<TaskFault>,
}

impl Drop for TaskReport {
    fn drop(&mut self) {
        let aborted = self.panicking && !std::thread::panicking();
        let faulty = std::thread::panicking() || (self.end != End::Fine && !aborted);
        if faulty && self.faults.send(TaskFault { task: self.name, end: self.end }).is_err() {
            tracing::debug!(task = self.name, "task ended, but no receiver is left for the fault");
        }
    }
}

/// Spawns on the current runtime a task that ends by itself, and whose end does not affect the process.
///
/// The owner of the handle deals with a panic; the task's name is logged in case nothing awaits the handle.
pub fn detach<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    detach_on(&Handle::current(), name, future)
}

/// Spawns on the given runtime a task that ends by itself; see [`detach`].
pub(crate) fn detach_on<F>(runtime: &Handle, name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let note = PanicNote(name);
    // Not an async block, which would hold the future twice: one of these runs for each message.
    runtime.spawn(future.map(move |output| {
        drop(note);
        output
    }))
}

/// Runs long work that never yields on a blocking thread, away from the thread that extends the leases.
///
/// `Err` means that the work panicked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}

/// Logs a panic when dropped.
struct PanicNote(&'static str);

impl Drop for PanicNote {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::debug!(task = self.0, "task panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing::Level;

    use super::*;

    #[tokio::test]
    async fn a_long_running_task_that_ends_is_a_fault() {
        let (tasks, mut faults) = Tasks::on(Handle::current());
        tasks.spawn("loop", End::Fault, async {});
        assert_eq!(faults.recv().await, Some(TaskFault { task: "loop", end: End::Fault }));
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_of_any_task() {
        let (tasks, mut faults) = Tasks::on(Handle::current());
        tasks.spawn("fine", End::Fine, async {});
        tasks.spawn("panics", End::Fine, async { panic!("on purpose") });
        assert_eq!(faults.recv().await.map(|fault| fault.task), Some("panics"));
    }

    /// The logged lines, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_panic_of_detached_work_is_logged_with_its_name_and_an_abort_is_not() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        let _here = tracing::subscriber::set_default(subscriber);
        let aborted = detach("aborted", std::future::pending::<()>());
        aborted.abort();
        drop(aborted.await);
        assert!(detach("fine", async { 7 }).await.is_ok_and(|seven| seven == 7));
        assert!(detach("careless", async { panic!("on purpose") }).await.is_err());
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("task panicked") && text.contains("careless"), "{text}");
        assert!(!text.contains("aborted") && !text.contains("fine"), "{text}");
    }
}
