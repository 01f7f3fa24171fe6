//! A worker on a watched queue, from its start to its drained end.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use longshore::{
    Consumer, DeadLetters, Drained, Stop, Worker, WorkerError,
    internals::{BatchSettings, EmulatorQueue, Queue, Span, detach},
};
use longshore_emulator::{SqsAccount, StringMap};
use tokio::task::JoinHandle;

use crate::{Failure, contender::Contender, watched::Watch};

/// How long a batch waits until it is full; where this counts, it always is.
const WINDOW: Duration = Duration::from_millis(100);

/// A worker under way.
pub(crate) struct Working {
    pub(crate) watch: Watch,
    stop: Stop,
    ended: JoinHandle<Result<Drained, WorkerError>>,
}

impl Working {
    pub(crate) fn start(
        contender: &Contender,
        queue: Arc<dyn Queue>,
        concurrency: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let (watch, stop) = (Watch::new(), Stop::new());
        let handler = watch.handler((contender.make)(concurrency)?);
        let window = if contender.batch > 1 { Span(WINDOW) } else { Span::secs(0) };
        let batch = BatchSettings { size: contender.batch, window, ..BatchSettings::default() };
        let consumer = Consumer::of("bench", watch.queue(queue), handler)
            .concurrency(concurrency.get())
            .batch(batch)
            .dead_letters(DeadLetters::Nowhere);
        let worker = Worker::new().consumer(consumer);
        let ended = detach("worker", worker.run_until(stop.clone()));
        Ok(Self { watch, stop, ended })
    }

    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.stop.drain();
        self.ended.await??;
        Ok(())
    }
}

/// An empty queue in memory.
pub(crate) fn memory_queue() -> Result<Arc<dyn Queue>, Failure> {
    let account = SqsAccount::default();
    account.create_queue("bench", &StringMap::new(), &StringMap::new())?;
    Ok(Arc::new(EmulatorQueue::new(&account, "bench")))
}
