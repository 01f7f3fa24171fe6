//! Queues that do not exist when the worker starts: each is opened once it does, while the others are consumed.

use std::time::Duration;

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use tokio::time::{Instant, sleep};

use super::{
    Consumer, WorkerError, WorkerStatus,
    attempts::{AttemptLimit, Attempts, LoggedCauses},
    open::{Opened, open},
};
use crate::{
    backoff::{Backoff, Jitter},
    health::{Condition, Health},
    telemetry::events,
};

/// The pauses between looks for a queue: whoever creates it waits for its consumer.
const LOOKS: Backoff = Backoff {
    initial: Duration::from_secs(1),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

/// The consumers whose queues are not there yet.
#[derive(Default)]
pub(super) struct LateQueues(FuturesUnordered<BoxFuture<'static, (Consumer, Opened)>>);

impl LateQueues {
    /// Waits for the queue of a consumer, which does not exist by this error.
    pub(super) fn add(&self, consumer: Consumer, error: &WorkerError, health: &Health, status: WorkerStatus) {
        events::QueueMissing { queue: &consumer.name, error }.emit();
        status.opening(&consumer.name, Some(error.to_string()));
        let ready = health.condition(format!("{} open", consumer.name), "not looked for yet");
        ready.ready();
        self.0.push(opened(LateQueue { consumer, status, ready, causes: LoggedCauses::default() }).boxed());
    }

    /// The next queue that is open; `None` if no consumer waits.
    pub(super) async fn next(&mut self) -> Option<(Consumer, Opened)> {
        self.0.next().await
    }
}

struct LateQueue {
    consumer: Consumer,
    status: WorkerStatus,
    /// Ready while the queue is missing, so that a fleet may be deployed before its queue; unready if it cannot be opened
    /// for another reason, because it may have messages.
    ready: Condition,
    causes: LoggedCauses,
}

/// Looks for the queue until it is open.
async fn opened(queue: LateQueue) -> (Consumer, Opened) {
    let mut attempt = 1;
    loop {
        sleep(LOOKS.random_delay(attempt)).await;
        let attempts = Attempts::new(&queue.consumer.name, AttemptLimit::one(), &|_, _| ());
        match open(&queue.consumer, &attempts).await {
            Ok(opened) => return (queue.consumer, opened),
            Err(error) => queue.failed(&error),
        }
        attempt += 1;
    }
}

impl LateQueue {
    fn failed(&self, error: &WorkerError) {
        let text = error.to_string();
        if error.is_waited_for(self.consumer.missing) {
            self.ready.ready();
        } else {
            self.ready.unready(&*text);
            if self.causes.admits(&text, Instant::now()) {
                events::QueueNotOpened { queue: &self.consumer.name, error }.emit();
            }
        }
        self.status.opening(&self.consumer.name, Some(text));
    }
}
