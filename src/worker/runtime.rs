//! The engine thread: a runtime of its own for all calls to SQS, so that a blocking handler delays no lease.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::telemetry::events;

/// The time limit for blocking calls at the end of the runtime, such as a DNS lookup without an answer.
const BLOCKING_LIMIT: Duration = Duration::from_secs(1);

/// A current-thread runtime on its own thread; a multi-threaded one was measured to cost 40 % more CPU a message.
pub(super) struct EngineRuntime {
    handle: Handle,
    /// Ends the thread when dropped, also with the future of a dropped worker.
    end: DropGuard,
    ended: oneshot::Receiver<()>,
}

impl EngineRuntime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = CancellationToken::new();
        let (sender, ended) = oneshot::channel();
        let until = end.clone();
        thread::Builder::new().name("longshore-engine".to_owned()).spawn(move || {
            runtime.block_on(until.cancelled());
            runtime.shutdown_timeout(BLOCKING_LIMIT);
            if sender.send(()).is_err() {
                events::EngineThreadUnawaited {}.emit();
            }
        })?;
        Ok(Self { handle, end: end.drop_guard(), ended })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the runtime, and the tasks on it.
    pub(super) async fn end(self) {
        drop(self.end);
        // An error means that the thread has ended already.
        drop(self.ended.await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_blocking_call_does_not_delay_the_end() {
        let runtime = EngineRuntime::start().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (start, began) = oneshot::channel();
        let blocking = runtime.handle().spawn_blocking(move || {
            start.send(()).unwrap();
            released.recv()
        });
        began.await.unwrap();
        runtime.end().await;
        assert!(!blocking.is_finished());
        release.send(()).unwrap();
    }
}
