//! A queue that is further away than it is.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    Message, MessageId, OutgoingMessage, Receipt,
    internals::{BatchResult, Queue, QueueAttributes, QueueError, ReceiveRequest, VisibilityChange},
};
use tokio::time::sleep;

/// Half of the round trip is made before each call, half after it.
pub(crate) struct Far {
    half: Duration,
    queue: Arc<dyn Queue>,
}

impl Far {
    pub(crate) fn by(round_trip: Duration, queue: Arc<dyn Queue>) -> Self {
        Self { half: round_trip / 2, queue }
    }

    fn travel<'a, T: Send + 'a>(&self, call: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        let half = self.half;
        if half.is_zero() {
            return call;
        }
        async move {
            sleep(half).await;
            let answer = call.await;
            sleep(half).await;
            answer
        }
        .boxed()
    }
}

impl Queue for Far {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        self.travel(self.queue.receive(request))
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        self.travel(self.queue.delete(receipts))
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        self.travel(self.queue.change_visibility(changes))
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        self.travel(self.queue.send(messages))
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        self.queue.describe()
    }
}
