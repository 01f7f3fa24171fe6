//! Notices credentials that stay dead, for which only a new process may help: the worker is then no longer live.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    health::{Health, Pulse},
    message::{Message, MessageId, OutgoingMessage, Receipt},
    queue::{
        BatchResult, Queue, QueueAttributes, QueueError, QueueName, ReceiveRequest, VisibilityChange,
        sqs::credentials_fault,
    },
};

/// Watches the credentials of one queue's calls.
pub(super) struct CredentialsWatch {
    name: String,
    health: Health,
    /// The time after which dead credentials end the liveness.
    limit: Duration,
    is_dead: AtomicBool,
    /// From the first refusal to the next accepted call; it never beats.
    since: Mutex<Option<Pulse>>,
}

impl CredentialsWatch {
    /// A watch of the queue with this configured name.
    pub(super) fn new(queue: &str, health: &Health, limit: Duration) -> Self {
        Self {
            name: format!("{queue} credentials"),
            health: health.clone(),
            limit,
            is_dead: AtomicBool::default(),
            since: Mutex::default(),
        }
    }

    fn note<T>(&self, answer: &Result<T, QueueError>) {
        match answer {
            Ok(_) => self.accepted(),
            Err(error) if error.refuses_credentials() || credentials_fault(error).is_some() => self.refused(),
            // Whatever else SQS answers, it has accepted the credentials.
            Err(error) if error.code().is_some() => self.accepted(),
            Err(_) => {}
        }
    }

    fn refused(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(|| self.health.pulse(&*self.name, self.limit));
        self.is_dead.store(true, Ordering::Release);
    }

    fn accepted(&self) {
        if self.is_dead.swap(false, Ordering::AcqRel) {
            drop(self.since.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// A queue whose calls are watched.
pub(super) struct WatchedQueue {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) watch: CredentialsWatch,
}

impl WatchedQueue {
    fn watched<'a, T: Send + 'a>(
        &'a self,
        call: BoxFuture<'a, Result<T, QueueError>>,
    ) -> BoxFuture<'a, Result<T, QueueError>> {
        call.inspect(|answer| self.watch.note(answer)).boxed()
    }
}

impl Queue for WatchedQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        self.watched(self.queue.receive(request))
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        self.watched(self.queue.delete(receipts))
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        self.watched(self.queue.change_visibility(changes))
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        self.watched(self.queue.send(messages))
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        self.watched(self.queue.describe())
    }

    fn url(&self) -> Option<&str> {
        self.queue.url()
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        self.queue.open_other(name)
    }

    fn cut_receives_hide_nothing(&self) -> bool {
        self.queue.cut_receives_hide_nothing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::RetryClass;

    const LIMIT: Duration = Duration::from_mins(15);

    fn refused() -> Result<(), QueueError> {
        Err(QueueError::answered("ExpiredToken", "the security token is expired"))
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_stay_dead_end_the_liveness_until_a_call_is_accepted() {
        let health = Health::new();
        let watch = CredentialsWatch::new("orders", &health, LIMIT);
        watch.note(&refused());
        tokio::time::advance(LIMIT).await;
        watch.note(&refused());
        // No answer says nothing about them.
        watch.note::<()>(&Err(QueueError::new(RetryClass::Transient, "no route to host")));
        assert!(health.silent().is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(health.silent()[0].0, "orders credentials");
        watch.note::<()>(&Err(QueueError::answered("AccessDenied", "not authorized")));
        assert!(health.silent().is_empty());
        tokio::time::advance(LIMIT).await;
        watch.note(&refused());
        assert!(health.silent().is_empty(), "each period counts from its first refusal");
    }
}
