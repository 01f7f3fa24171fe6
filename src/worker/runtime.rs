//! The thread that speaks with SQS: a runtime of its own, so that a handler that blocks delays no lease.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::telemetry::events;

/// How long the runtime waits at its end for calls that block, such as the system's look-up of a host that no name
/// server answers for.
const BLOCKING_LIMIT: Duration = Duration::from_secs(1);

/// A current-thread runtime on its own thread; measured, a multi-threaded one costs 40 % more CPU a message.
pub(super) struct PumpRuntime {
    handle: Handle,
    /// Ends the thread at its drop, so that a worker whose future is dropped leaves none behind.
    end: DropGuard,
    ended: oneshot::Receiver<()>,
}

impl PumpRuntime {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = CancellationToken::new();
        let (sender, ended) = oneshot::channel();
        let until = end.clone();
        thread::Builder::new().name("longshore-pump".to_owned()).spawn(move || {
            runtime.block_on(until.cancelled());
            runtime.shutdown_timeout(BLOCKING_LIMIT);
            if sender.send(()).is_err() {
                events::PumpThreadUnawaited {}.emit();
            }
        })?;
        Ok(Self { handle, end: end.drop_guard(), ended })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the runtime, and with it what still runs on it.
    pub(super) async fn end(self) {
        drop(self.end);
        // An error means that the thread is gone already.
        drop(self.ended.await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_call_that_blocks_does_not_hold_up_the_end() {
        let runtime = PumpRuntime::start().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let (tell, began) = oneshot::channel();
        let blocking = runtime.handle().spawn_blocking(move || {
            tell.send(()).unwrap();
            released.recv()
        });
        began.await.unwrap();
        runtime.end().await;
        assert!(!blocking.is_finished());
        release.send(()).unwrap();
    }
}
