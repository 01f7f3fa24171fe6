//! The queue whose receives and deletes are noted.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    Message, MessageId, OutgoingMessage, Receipt,
    internals::{
        BatchResult, Queue, QueueAttributes, QueueError, QueueName, ReceiveRequest, VisibilityChange,
    },
};

use super::Watch;

/// A queue that is watched.
pub(super) struct WatchedQueue {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) watch: Watch,
}

/// A receive under way; dropped, it is over.
struct Receiving<'a>(&'a Watch);

impl<'a> Receiving<'a> {
    fn with(watch: &'a Watch) -> Self {
        watch.0.receiving.send_modify(|count| *count += 1);
        Self(watch)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.0.receiving.send_modify(|count| *count -= 1);
    }
}

impl Queue for WatchedQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            let receiving = Receiving::with(&self.watch);
            let answer = self.queue.receive(request).await;
            drop(receiving);
            if answer.as_ref().is_ok_and(|messages| !messages.is_empty()) {
                self.watch.note(|stamps, now| stamps.received = now);
            }
            answer
        }
        .boxed()
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        async move {
            let answer = self.queue.delete(receipts).await;
            self.watch.note(|stamps, now| stamps.deleted = now);
            let deleted = answer.iter().flatten().filter(|entry| entry.is_ok()).count();
            self.watch.0.deleted.send_modify(|count| *count += deleted);
            answer
        }
        .boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        self.queue.change_visibility(changes)
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        self.queue.send(messages)
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        self.queue.describe()
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        self.queue.open_other(name)
    }
}
